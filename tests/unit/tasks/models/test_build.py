"""Names, import paths, and what a user's own class may do."""

import pytest
import torch
from torch import nn

from lrbench.errors import ConfigError
from lrbench.streams import Streams
from lrbench.tasks.base import DataInfo
from lrbench.tasks.models.build import build_model, draws_randomness

INFO = DataInfo("classification", (1, 8, 8), 10)


class Own(nn.Module):
    def __init__(self, width: int, num_outputs: int, input_shape: tuple[int, ...], bias=True):
        super().__init__()
        self.facts = (input_shape, num_outputs)
        self.inner = nn.Linear(input_shape[-1], width, bias=bias)
        self.outer = nn.Linear(width, num_outputs)


class Anything(nn.Module):
    def __init__(self, **settings):
        super().__init__()
        self.settings = settings
        self.weight = nn.Parameter(torch.zeros(2))


def build(target=None, seed=0, name="own", **params):
    return build_model(name, params, INFO, Streams(seed), target)


def refusal(*args, **kwargs):
    with pytest.raises(ConfigError) as caught:
        build(*args, **kwargs)
    return caught.value.problems


def test_a_class_of_the_users_gets_its_settings_and_the_facts_it_names():
    model = build(Own, width=4)
    assert model.facts == ((1, 8, 8), 10)
    assert model.inner.out_features == 4


def test_a_setting_of_the_users_goes_before_a_fact_of_the_data():
    assert build(Own, width=4, num_outputs=3).outer.out_features == 3


def test_a_class_that_takes_any_setting_gets_those_given_and_no_fact():
    assert build(Anything, depth=3).settings == {"depth": 3}


def test_a_function_of_the_users_may_build_the_model():
    assert isinstance(build(lambda num_outputs: nn.Linear(64, num_outputs)), nn.Linear)


def test_a_class_of_the_users_starts_from_the_seed_and_leaves_the_generator_alone():
    before = torch.get_rng_state()
    first = build(Own, width=4)
    assert torch.equal(before, torch.get_rng_state())
    with torch.random.fork_rng(devices=[]):
        torch.rand(5)
        again = build(Own, width=4)
    assert torch.equal(first.inner.weight, again.inner.weight)
    assert not torch.equal(first.inner.weight, build(Own, seed=1, width=4).inner.weight)


def test_settings_that_are_missing_and_settings_that_do_not_exist_are_named_together():
    missing, unknown = refusal(Own, widht=4)
    assert (missing.key, missing.relation) == ("width", "is required by own")
    assert (unknown.key, unknown.remedy) == ("widht", ".width=…")


def test_an_unknown_setting_of_a_model_of_the_library_is_named():
    (problem,) = refusal(name="mlp", info=3)
    assert problem.key == "info"
    assert problem.relation == "is not a setting of mlp; it has hidden, activation, dropout"


def test_a_setting_the_constructor_cannot_use_is_a_refusal_and_not_a_crash():
    (problem,) = refusal(Own, width="four")
    assert problem.relation.startswith("own refuses its settings: ")


@pytest.mark.parametrize(
    ("target", "relation"),
    [
        (lambda: 3, "own must be a torch.nn.Module"),
        (nn.ReLU, "own must have a trainable parameter of a floating type"),
        (
            lambda: nn.Linear(2, 2).requires_grad_(False),
            "own must have a trainable parameter of a floating type",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(target, relation):
    (problem,) = refusal(target)
    assert problem.relation == relation


def test_a_mistyped_model_names_its_neighbour_and_the_known_ones():
    (problem,) = refusal(name="transfomer_small")
    assert problem.remedy == "model=transformer_small"
    assert "quadratic" in problem.relation


@pytest.mark.parametrize("name", ["mlp", "transformer_small"])
def test_a_model_draws_only_where_dropout_is_above_zero(name):
    assert not draws_randomness(build(name=name))
    assert draws_randomness(build(name=name, dropout=0.1))


@pytest.mark.parametrize(
    ("module", "draws"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.0)), False),
        (nn.RReLU(), True),
        (nn.MultiheadAttention(4, 2, dropout=0.1), True),
        (nn.MultiheadAttention(4, 2), False),
        (Anything(), True),
    ],
)
def test_what_cannot_be_known_not_to_draw_is_taken_to_draw(module, draws):
    assert draws_randomness(module) is draws
