"""Eigenvalues of matrices that are known, by their products alone."""

import numpy as np
import pytest
import torch

from lrbench.engine.spectrum import lanczos, power, trace_samples
from lrbench.streams import stream

SPECTRA = {
    "clear": [10.0, 7.0, 3.0, 1.0, 0.5, 0.1],
    "all alike": [2.0, 2.0, 2.0],
    "a negative one of larger size": [3.0, 1.0, 0.0, -5.0],
    "all negative": [-1.0, -2.0, -4.0],
    "none": [0.0, 0.0],
    "one number": [4.0],
    "twins at the top": [6.0, 6.0, 1.0, -2.0],
    "many": [*np.linspace(0, 1, 60), 3.0],
}


def matrix(values):
    """Symmetric, with these eigenvalues, in directions of no meaning."""
    generator = np.random.default_rng(1)
    directions, _ = np.linalg.qr(generator.normal(size=(len(values), len(values))))
    return torch.from_numpy(directions * np.array(values) @ directions.T)


def start(size, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=size))


@pytest.mark.parametrize("method", ["lanczos", "power"])
@pytest.mark.parametrize("name", SPECTRA)
def test_the_largest_eigenvalue_is_found_to_a_millionth(name, method):
    a, size = matrix(SPECTRA[name]), len(SPECTRA[name])
    calls = []

    def product(vector):
        calls.append(vector)
        return a @ vector

    if method == "lanczos":
        top = lanczos(product, start(size), 100, 1e-9)
        assert len(calls) <= size
    else:
        top = power(product, start(size), 1000, 1e-8, start(size, 1))
    largest, scale = max(SPECTRA[name]), max(map(abs, SPECTRA[name]))
    assert top.value == pytest.approx(largest, abs=1e-6 * max(scale, 1e-9))
    assert float(top.vector.norm()) == pytest.approx(1.0, rel=1e-12)
    assert float((a @ top.vector - top.value * top.vector).norm()) <= 1e-5 * max(scale, 1e-9)
    assert 0 <= top.residual <= 1e-6


def test_too_few_products_are_told_by_the_residual_and_never_overestimate():
    a = matrix(SPECTRA["many"])
    rough = lanczos(lambda v: a @ v, start(61), 3, 1e-9)
    assert rough.value < 3.0
    assert rough.residual > 1e-3
    finer = lanczos(lambda v: a @ v, start(61), 20, 1e-9)
    assert rough.value < finer.value <= 3.0 + 1e-12
    assert abs(3.0 - rough.value) <= rough.residual * 3.0


@pytest.mark.parametrize("method", [lanczos, power])
def test_products_that_are_not_finite_have_no_eigenvalue(method):
    def product(vector):
        return vector * float("nan")

    others = (start(3, 1),) if method is power else ()
    assert method(product, start(3), 10, 1e-6, *others) is None


def test_a_start_without_the_top_direction_is_left_by_the_second_one():
    a = torch.diag(torch.tensor([-1.0, -3.0], dtype=torch.float64))
    lowest = torch.tensor([0.0, 1.0], dtype=torch.float64)
    top = power(lambda v: a @ v, lowest, 200, 1e-9, start(2))
    assert top.value == pytest.approx(-1.0, rel=1e-6)


def test_random_signs_have_the_trace_as_their_mean_and_the_least_variance():
    """Hutchinson: mean tr A, variance 2 (sum of squares - those of the diagonal); O22."""
    a = matrix([*np.linspace(-1, 2, 15), 9.0])
    samples = trace_samples(lambda v: a @ v, 16, 4000, stream(0, "bootstrap"), torch.device("cpu"))
    trace = float(torch.trace(a))
    variance = 2 * float(a.square().sum() - a.diagonal().square().sum())
    assert abs(samples.mean() - trace) < 4 * np.sqrt(variance / 4000)
    assert samples.var(ddof=1) == pytest.approx(variance, rel=0.1)
    # Of a diagonal matrix every probe is the trace itself.
    diagonal = torch.diag(torch.arange(1.0, 6.0, dtype=torch.float64))
    exact = trace_samples(lambda v: diagonal @ v, 5, 7, stream(0, "noise"), torch.device("cpu"))
    assert exact.tolist() == [15.0] * 7


def test_probes_are_those_of_their_stream():
    a, device = matrix(SPECTRA["clear"]), torch.device("cpu")

    def drawn(seed):
        return trace_samples(lambda v: a @ v, 6, 3, stream(seed, "bootstrap"), device).tolist()

    assert drawn(0) == drawn(0) != drawn(1)
    assert len(set(drawn(0))) == 3
