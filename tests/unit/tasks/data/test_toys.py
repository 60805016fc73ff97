import numpy as np
import pytest

from lrbench.errors import DataError
from lrbench.tasks.data.catalog import prepare
from lrbench.tasks.data.toys import noisy_quadratic, two_spirals


def test_without_noise_a_point_lies_on_the_spiral_of_its_class():
    source = two_spirals(num_samples=400, noise=0.0, turns=3.0)
    radius = np.hypot(*source.inputs.T)
    angle = 2 * np.pi * radius + np.pi * source.targets
    expected = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert np.allclose(source.inputs, expected, atol=1e-12)
    # Even along the arm: the mean of 3 sqrt(u) is 2, and half the points lie beyond 3 / sqrt(2).
    assert radius.max() < 3.0
    assert radius.mean() == pytest.approx(2.0, abs=0.15)
    assert np.bincount(source.targets).tolist() == [200, 200]


def test_noise_is_the_deviation_of_the_points_from_their_spiral():
    clean, noisy = (
        two_spirals(num_samples=4000, noise=0.0),
        two_spirals(num_samples=4000, noise=0.3),
    )
    jitter = noisy.inputs - clean.inputs
    assert jitter.std(axis=0) == pytest.approx([0.3, 0.3], rel=0.05)
    assert jitter.mean(axis=0) == pytest.approx([0, 0], abs=0.02)


def test_another_seed_draws_other_points():
    first, again, other = (two_spirals(num_samples=10, seed=seed).inputs for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.isclose(first, other).any()


def test_the_quadratics_noise_has_mean_zero_and_the_given_deviation():
    source = noisy_quadratic(curvature=[1.0, 9.0], noise_std=[0.5, 2.0], num_samples=16384)
    noise = source.inputs[:16384, 1].astype(np.float64)
    # Standard error of a mean: deviation / sqrt(16384) = deviation / 128; four of them are allowed.
    assert np.all(np.abs(noise.mean(axis=0)) < 4 * np.array([0.5, 2.0]) / 128)
    assert noise.std(axis=0) == pytest.approx([0.5, 2.0], rel=0.03)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 4 / 128


def test_the_quadratics_validation_and_test_loss_is_the_bowl_itself():
    prepared = prepare("noisy_quadratic", {"curvature": [0.5, 4.0], "num_samples": 32})
    x = np.array([3.0, -2.0])
    for split in (prepared.val, prepared.test):
        curvature, noise = split.inputs[0]
        assert (curvature * x**2).sum() / 2 + (noise * x).sum() == 0.5 * (0.5 * 9 + 4.0 * 4)
        assert split.targets.tolist() == [[0.0]]
        assert len(split) == 1
    assert len(prepared.train) == 32
    assert np.all(prepared.train.inputs[:, 0] == [0.5, 4.0])
    assert prepared.notices == ()


def test_as_many_deviations_as_curvatures_are_asked_for():
    with pytest.raises(DataError, match=r"noise_std must be one number or as many .* \(2\)"):
        noisy_quadratic(curvature=[1.0, 2.0], noise_std=[1.0])
