"""What a look at the curvature tells, and what it costs.

Everything is of the mean loss over one fixed batch of training samples, in evaluation mode: dropout
off, batch norms by their running statistics. g and H are its gradient and Hessian at the weights
after ``done`` updates, in the weights' own type and without autocast; sums are float64.

- ``lambda_max``: the largest eigenvalue of H, the algebraically largest;
- ``residual``: how far its eigenvector is from being one, ``|H v - λ v|`` over the norm of H as far
  as it was seen; with Adam the larger one of this and that of the margin's problem;
- ``products``: Hessian products of the whole look;
- ``stability_margin``: at 1 an update of this rate is at its edge of stability along the steepest
  direction of a quadratic; above, it diverges there (Cohen et al. 2021, arXiv:2103.00065; 2022,
  arXiv:2207.14484). ``η λ / 2`` for gradient descent, ``η λ (1 - d) / (2 (1 + β))`` with momentum
  and dampening d, ``η λ (1 + 2β) / (2 (1 + β))`` with Nesterov's,
  ``η λ(P^-1/2 H P^-1/2) (1 - β1) / (2 (1 + β1))`` with ``P = √v̂ + ε`` for Adam and AdamW. Weight
  decay is left out. Empty for other optimizers, and for Adam before its first update;
- ``directional_sharpness``: ``g' H g / |g|²``;
- ``gradient_square``, ``gradient_trace``, ``noise_scale``: ``|G|²``, ``tr Σ`` and their ratio, from
  the fixed batch and its parts (``engine.noise``); the ratio is empty where ``|G|²`` is not
  positive. For an average over looks take the ratio of the averages;
- ``momentum_cosine``: between g and the momentum buffer or first moment, as the update to come
  meets them; 1 is the same direction;
- ``update_ratio``: 2-norm of the last update over that of the weights after it;
- ``root_v_p05``, ``root_v_p50``, ``root_v_p95``: percentiles of ``√v̂``, where
  ``v̂ = v / (1 - β2^count)`` with the optimizer's own count;
- ``root_v_below_eps``: fraction of the numbers with ``√v̂ < 10 ε``.

What does not exist, or is not finite, is empty.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import torch
from torch import Tensor

from lrbench.engine.base import Row
from lrbench.engine.data import DeviceData
from lrbench.engine.flat import FlatModel
from lrbench.engine.hessian import Hessian
from lrbench.engine.noise import noise_of
from lrbench.engine.optimizers import SGD, Adam, AdamW, BoundOptimizer, IndependentAdamW, base_of
from lrbench.engine.second_moment import SecondMoment, joined, second_moment
from lrbench.engine.spectrum import Product, Top, lanczos, power
from lrbench.engine.undisturbed import undisturbed
from lrbench.errors import ConfigError, RunError
from lrbench.spec.restart import CurvatureSpec
from lrbench.streams import Streams
from lrbench.tasks.base import Kind

TOLERANCE = 1e-6
"""The residual that is small enough, in float64; float32 has no more than 32 of its units."""

STIRRING = 0.1
"""How much of a random direction is mixed into the eigenvector of the look before, to start from.

Without it a look might stay at what was the largest eigenvalue when another has overtaken it."""

NOISE_PARTS = 8
"""Parts of the fixed batch whose gradients are held against the whole one's."""

SGDS = (torch.optim.SGD, SGD)
ADAMS = (torch.optim.Adam, torch.optim.AdamW, Adam, AdamW, IndependentAdamW)


class Curvature:
    """The looks at the curvature of one run.

    The fixed batch is the first ``samples`` of a permutation of the training data by the stream
    ("bootstrap", "curvature batch"): a function of the run's seed. A look starts from the
    eigenvectors of the one before, stirred with numbers of the stream ("bootstrap", "curvature",
    done); so the eigenvectors are part of a run's state.

    Parameters
    ----------
    spec : CurvatureSpec
    flat : FlatModel
    data : DeviceData
    kind : Kind
    streams : Streams

    Attributes
    ----------
    looks, products : int
        Made in this process: no part of the state, and of no row.
    seconds : float
        Spent on them, wall clock.

    Raises
    ------
    ConfigError
        There are fewer training samples than ``samples``, or the model cannot be differentiated
        twice. The keys are whole: ``diagnostics.curvature`` and below.
    """

    def __init__(
        self, spec: CurvatureSpec, flat: FlatModel, data: DeviceData, kind: Kind, streams: Streams
    ) -> None:
        size = len(data.inputs)
        if spec.samples > size:
            key = "diagnostics.curvature.samples"
            relation = f"must not exceed the {size} training samples"
            raise ConfigError(relation, key=key, got=spec.samples, remedy=f"{key}={size}")
        order = streams("bootstrap", "curvature batch").permutation(size)[: spec.samples]
        indices = torch.from_numpy(order).to(data.inputs.device)
        self._inputs = data.inputs.index_select(0, indices)
        self._targets = data.targets.index_select(0, indices)
        self._spec, self._flat, self._kind, self._streams = spec, flat, kind, streams
        self._tolerance = max(TOLERANCE, 32 * torch.finfo(flat.weight.dtype).eps)
        self._last: dict[str, Tensor] = {}
        self.looks = self.products = 0
        self.seconds = 0.0
        self._try_once()

    def look(
        self, done: int, occasion: str, lr: float, momentum: float | None, optimizer: BoundOptimizer
    ) -> Row:
        """Look after ``done`` updates; nothing of the run changes by it.

        Parameters
        ----------
        done : int in [0, inf)
        occasion : str
            Why; put into the row.
        lr, momentum : float, float or None
            What the stability margin is for; momentum is the first beta of Adam. None: as the
            optimizer has it.
        optimizer : BoundOptimizer

        Returns
        -------
        Row
            ``CURVATURE_COLUMNS`` without the first two, step and epoch.
        """
        begun = time.perf_counter()
        seed = self._streams("bootstrap", "curvature draws", done).torch_seed
        with undisturbed(self._flat.model, seed):
            self._flat.model.eval()
            hessian = Hessian(self._flat, self._kind, self._inputs, self._targets)
            second = second_moment(self._flat, optimizer)
            of_hessian = self._of_hessian(done, lr, momentum, optimizer, hessian, second)
            of_noise = self._noise(seed)
        row = (
            occasion,
            *of_hessian,
            *of_noise,
            _cosine(hessian.gradient, joined(self._flat, self._flat.momentum)),
            _ratio(self._flat.update, self._flat.weight) if done else None,
            *((None,) * 4 if second is None else second.percentiles()),
        )
        self.looks += 1
        self.products += hessian.products
        self.seconds += time.perf_counter() - begun
        return row

    def state(self) -> dict[str, Tensor]:
        """What the looks to come depend on: vectors of shape (size,), in the weights' type."""
        return dict(self._last)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a :meth:`state`."""
        self._last = {
            name: vector.to(self._flat.weight.device, copy=True) for name, vector in state.items()
        }

    def cost(self, run_seconds: float) -> str:
        """What the looks have cost, in a sentence.

        Parameters
        ----------
        run_seconds : float in [0, inf)
            Wall clock of this process's part of the run, looks included.
        """
        part = self.seconds / run_seconds if run_seconds > 0 else 0.0
        mean = self.products / self.looks if self.looks else 0.0
        return (
            f"curvature: {self.seconds:.1f} s, {part:.0%} of the run, "
            f"{self.looks} looks x {mean:.3g} Hessian products"
        )

    def _try_once(self) -> None:
        """One product, to know before the run begins that there are any."""
        with undisturbed(self._flat.model, 0):
            self._flat.model.eval()
            try:
                hessian = Hessian(self._flat, self._kind, self._inputs[:2], self._targets[:2])
                hessian(hessian.gradient)
            except RunError as error:
                raise ConfigError(error.problems) from error

    def _of_hessian(
        self,
        done: int,
        lr: float,
        momentum: float | None,
        optimizer: BoundOptimizer,
        hessian: Hessian,
        second: SecondMoment | None,
    ) -> Row:
        """From lambda_max to directional_sharpness."""
        gradient = hessian.gradient
        if not bool(gradient.isfinite().all()):
            return (None, None, hessian.products, None, None)
        top = self._top("hessian", done, hessian)
        tops = [top]
        if type(optimizer.optimizer) in ADAMS:
            divisor = None if second is None else second.divisor
            scale = None if divisor is None else divisor.rsqrt()
            tops.append(self._preconditioned(done, hessian, scale))
        square = float(gradient @ gradient)
        sharpness = float(gradient @ hessian(gradient)) / square if square > 0 else None
        return (
            None if top is None else top.value,
            max((found.residual for found in tops if found), default=None),
            hessian.products,
            _finite(_margin(optimizer, lr, momentum, tops[-1])),
            _finite(sharpness),
        )

    def _preconditioned(self, done: int, hessian: Hessian, scale: Tensor | None) -> Top | None:
        if scale is None:
            return None
        return self._top("preconditioned", done, lambda vector: scale * hessian(scale * vector))

    def _top(self, name: str, done: int, product: Product) -> Top | None:
        """The largest eigenvalue, searched for from the vector it had at the look before."""
        size, device = self._flat.size, self._flat.weight.device
        draws = self._streams("bootstrap", "curvature", done).uniform(2 * size) - 0.5
        random, other = torch.from_numpy(draws).to(device).view(2, size)
        start = random / random.norm()
        if name in self._last:
            start = self._last[name].double() + STIRRING * start
        iterations, tolerance = self._spec.iterations, self._tolerance
        if self._spec.method == "lanczos":
            top = lanczos(product, start, iterations, tolerance)
        else:
            top = power(product, start, iterations, tolerance, other)
        if top is not None:
            # In the type in which a checkpoint holds it, so that resuming changes no bit.
            self._last[name] = top.vector.to(self._flat.weight.dtype)
        return top

    def _noise(self, seed: int) -> Row:
        """From gradient_square to noise_scale."""
        found = noise_of(
            self._flat.model,
            self._kind,
            self._inputs,
            self._targets,
            seed=seed,
            parts=NOISE_PARTS,
        )
        if found is None:
            return (None, None, None)
        square, trace = found
        return square, trace, _finite(trace / square) if square > 0 else None


def _margin(
    optimizer: BoundOptimizer, lr: float, momentum: float | None, top: Top | None
) -> float | None:
    """``top`` is of the Hessian, or for Adam of the preconditioned one."""
    kind, groups = type(optimizer.optimizer), optimizer.optimizer.param_groups
    if top is None or len(groups) > 1 or groups[0].get("maximize"):
        return None
    group = groups[0]
    beta = base_of(optimizer.optimizer).get("momentum", 0.0) if momentum is None else momentum
    half = lr * top.value / 2
    if kind in SGDS:
        if beta == 0:
            return half
        gain = 1 + 2 * beta if group["nesterov"] else 1 - group["dampening"]
        return half * gain / (1 + beta)
    if kind in ADAMS:
        return half * (1 - beta) / (1 + beta)
    return None


def _cosine(first: Tensor, second: Tensor) -> float | None:
    lengths = float(first.norm()) * float(second.norm())
    return _finite(float(first @ second) / lengths) if lengths > 0 else None


def _ratio(update: Tensor, weight: Tensor) -> float | None:
    """Norms over all columns: padding is zero."""
    length = float(weight.double().norm())
    return _finite(float(update.double().norm()) / length) if length > 0 else None


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
