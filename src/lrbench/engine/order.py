"""Which samples make up which batch: a function of the order stream and the step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.streams import Streams


class BatchOrder:
    """The batches of a run, epoch by epoch.

    Each epoch is a permutation of its own; the ``size % batch_size`` samples at its end are left
    out, others every time, so that every update has the same weight.

    Parameters
    ----------
    streams : Streams
    sample_digests : ndarray of shape (size, 32), uint8
    batch_size : int in [1, size]
    device : torch.device
        Where the indices are needed.
    """

    def __init__(
        self,
        streams: Streams,
        sample_digests: NDArray[np.uint8],
        batch_size: int,
        device: torch.device,
    ) -> None:
        self.steps_per_epoch = len(sample_digests) // batch_size
        self._streams = streams
        self._sample_digests = sample_digests
        self._batch_size = batch_size
        self._device = device
        self._epoch = -1
        self._batches: tuple[Tensor, ...] = ()
        self._digests: NDArray[np.uint8] = sample_digests
        self._chain = b""

    def batch(self, step: int) -> tuple[Tensor, bytes]:
        """Indices of the samples of update ``step``, and the batch's digest.

        The digest is sha256 over the digests of its samples, in order: it covers contents and
        order.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._open(epoch)
        start = place * self._batch_size
        digest = hashlib.sha256(self._digests[start : start + self._batch_size].data).digest()
        return self._batches[place], digest

    def epoch_of(self, step: int) -> Tensor:
        """Indices of every batch of the epoch that ``step`` is in: (steps_per_epoch, batch)."""
        self.batch(step)
        return torch.stack(self._batches)

    def seal(self, digests: Iterable[bytes]) -> None:
        """Add the digests of batches that were trained on to the chain, in order."""
        for digest in digests:
            self._chain = hashlib.sha256(self._chain + digest).digest()

    def go_on(self, chain: str) -> None:
        """Take up the chain of the batches before."""
        self._chain = bytes.fromhex(chain)

    @property
    def chain(self) -> str:
        """sha256 chained over every sealed batch."""
        return self._chain.hex()

    def _open(self, epoch: int) -> None:
        used = self.steps_per_epoch * self._batch_size
        order = self._streams("order", epoch).permutation(len(self._sample_digests))[:used]
        indices = torch.from_numpy(order).to(self._device)
        self._batches = indices.split(self._batch_size)
        # Gathered once an epoch, so that a batch's digests lie side by side in memory.
        self._digests = np.ascontiguousarray(self._sample_digests[order])
        self._epoch = epoch
