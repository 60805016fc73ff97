"""Which samples make up which batch: a function of the order stream and the step."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lrbench.engine.diagnostics import BLOCK
from lrbench.streams import Streams


class BatchOrder:
    """The batches of a run, epoch by epoch; runs with the same order stream may share one.

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
        self._epochs: dict[int, _Epoch] = {}

    def batch(self, step: int) -> tuple[Tensor, bytes]:
        """Indices of the samples of update ``step``, and the batch's digest.

        The digest is sha256 over the digests of its samples, in order: it covers contents and
        order.
        """
        epoch, place = divmod(step, self.steps_per_epoch)
        opened = self._open(epoch)
        return opened.indices[place], opened.digest(place)

    def digests(self, start: int, stop: int) -> list[bytes]:
        """The digests of the batches of updates ``start`` to ``stop``, that one left out."""
        return [self.batch(step)[1] for step in range(start, stop)]

    def epoch_of(self, step: int) -> Tensor:
        """Indices of every batch of the epoch that ``step`` is in: (steps_per_epoch, batch)."""
        return self._open(step // self.steps_per_epoch).indices

    def _open(self, epoch: int) -> _Epoch:
        found = self._epochs.get(epoch)
        if found is None:
            used = self.steps_per_epoch * self._batch_size
            order = self._streams("order", epoch).permutation(len(self._sample_digests))[:used]
            indices = torch.from_numpy(order).to(self._device).view(-1, self._batch_size)
            # Gathered once an epoch, so that a batch's digests lie side by side in memory.
            found = _Epoch(indices, self._sample_digests.take(order, axis=0))
            self._epochs[epoch] = found
            # Those of a block, whose digests are asked for at its end, and the one before.
            while len(self._epochs) > 2 + BLOCK // self.steps_per_epoch:
                del self._epochs[next(iter(self._epochs))]
        return found


class _Epoch:
    """The batches of one epoch."""

    def __init__(self, indices: Tensor, samples: NDArray[np.uint8]) -> None:
        self.indices = indices
        self._samples = samples
        self._size = indices.shape[1]
        self._told: list[bytes | None] = [None] * len(indices)

    def digest(self, place: int) -> bytes:
        told = self._told[place]
        if told is None:
            start = place * self._size
            told = hashlib.sha256(self._samples[start : start + self._size].data).digest()
            self._told[place] = told
        return told


class BatchChain:
    """sha256 chained over every batch that was trained on, in order.

    Parameters
    ----------
    chain : str
        In hex; where to go on.
    """

    def __init__(self, chain: str = "") -> None:
        self._chain = bytes.fromhex(chain)

    def add(self, digests: Iterable[bytes]) -> None:
        """Batches that were trained on, by their digests."""
        chain, sha256 = self._chain, hashlib.sha256
        for digest in digests:
            chain = sha256(chain + digest).digest()
        self._chain = chain

    def __str__(self) -> str:
        return self._chain.hex()
