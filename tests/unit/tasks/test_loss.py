import math

import pytest
import torch

from lrbench.tasks.loss import correct, mean_loss, per_sample_loss


@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_equal_scores_cost_the_logarithm_of_the_number_of_classes(classes):
    outputs, targets = torch.zeros(4, classes), torch.tensor([0, 1, 1, 0])
    assert mean_loss("classification", outputs, targets).item() == pytest.approx(math.log(classes))


def test_cross_entropy_is_the_negative_log_probability_of_the_target():
    outputs = torch.tensor([[math.log(3.0), 0.0], [math.log(3.0), 0.0]])
    losses = per_sample_loss("classification", outputs, torch.tensor([0, 1]))
    assert losses.tolist() == pytest.approx([-math.log(3 / 4), -math.log(1 / 4)])


def test_squared_error_is_the_mean_over_dimensions_without_a_half():
    outputs = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    targets = torch.tensor([[0.0, 0.0], [0.0, 3.0]])
    assert per_sample_loss("regression", outputs, targets).tolist() == [2.5, 4.5]
    assert mean_loss("regression", outputs, targets).item() == 3.5


def test_an_objective_is_its_own_loss_whatever_the_targets():
    outputs = torch.tensor([[1.0], [4.0]])
    targets = torch.full((2, 1), math.nan)
    assert per_sample_loss("objective", outputs, targets).tolist() == [1.0, 4.0]
    assert mean_loss("objective", outputs, targets).item() == 2.5


@pytest.mark.parametrize(
    ("kind", "outputs", "targets"),
    [
        ("classification", torch.randn(9, 5, generator=torch.Generator()), torch.arange(9) % 5),
        ("regression", torch.randn(9, 5, generator=torch.Generator()), torch.ones(9, 5)),
        ("objective", torch.randn(9, 1, generator=torch.Generator()), torch.zeros(9, 1)),
    ],
)
def test_the_trained_loss_is_the_mean_of_the_losses_of_the_samples(kind, outputs, targets):
    losses = per_sample_loss(kind, outputs, targets)
    assert losses.shape == (9,)
    mean = mean_loss(kind, outputs, targets)
    assert mean.shape == ()
    torch.testing.assert_close(losses.mean(), mean)


def test_a_sample_is_correct_where_its_largest_output_is_the_targets():
    outputs = torch.tensor([[0.1, 0.9], [0.9, 0.1], [0.5, 0.5]])
    assert correct(outputs, torch.tensor([1, 1, 0])).tolist() == [True, False, True]
