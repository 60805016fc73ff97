"""What a function comes to, as a digest that names its program."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

from lrbench.engine.operations import operations_of


def step(weight, inputs, rate):
    weight.sub_(rate * inputs.T @ (inputs @ weight))
    return weight.sum()


def given(seed=0, rows=4):
    torch.manual_seed(seed)
    return torch.randn(3, 2), torch.randn(rows, 3), torch.tensor(0.1)


def test_the_numbers_in_arguments_do_not_matter_and_what_is_written_is_written():
    first, second = given(1), given(2)
    expected = given(1)[0]
    step(expected, *first[1:])
    assert operations_of(step, first) == operations_of(step, second)
    assert torch.equal(first[0], expected)


def apart(weight, inputs, rate):
    return (weight - rate * inputs.T @ (inputs @ weight)).sum()


def other_order(weight, inputs, rate):
    weight.sub_(inputs.T @ (inputs @ weight) * rate)
    return weight.sum()


def other_number(weight, inputs, rate):
    weight.sub_(rate * inputs.T @ (inputs @ weight), alpha=1 + 2**-50)
    return weight.sum()


def other_answer(weight, inputs, rate):
    step(weight, inputs, rate)
    return weight


def other_tensor(weight, inputs, rate):
    update = rate * inputs.T @ (inputs @ weight)
    weight.sub_(update)
    return update.sum()


def more_than_needed(weight, inputs, rate):
    weight.abs()
    return step(weight, inputs, rate)


@pytest.mark.parametrize(
    "other", [apart, other_order, other_number, other_answer, other_tensor, more_than_needed]
)
def test_another_function_has_another_digest(other):
    assert operations_of(other, given()) != operations_of(step, given())


def test_another_form_of_an_argument_has_another_digest():
    weight, inputs, rate = given()
    forms = [
        (weight, inputs, rate),
        (weight, given(rows=5)[1], rate),
        (weight, inputs.T.contiguous().T, rate),
        (weight.double(), inputs.double(), rate),
    ]
    assert len({operations_of(apart, form) for form in forms}) == 4


def test_a_tensor_from_outside_counts_with_its_numbers():
    shift = torch.ones(2)
    digests = []
    for value in (1.0, 1.0, 1.0 + 2**-23):
        shift.fill_(value)
        digests.append(operations_of(lambda x: x + shift, [torch.zeros(2)]))
    assert digests[0] == digests[1] != digests[2]


def test_which_of_two_equal_tensors_is_meant_counts():
    pair = [torch.ones(2), torch.ones(2)]
    assert operations_of(lambda a, b: a + 2 * b, pair) != operations_of(
        lambda a, b: b + 2 * a, pair
    )


def test_gradients_of_many_models_are_heard_below_what_makes_them():
    """And alike, though tensors come and go whose places in memory are used again."""

    def gradient_of(model):
        def loss(weights, inputs):
            return F.cross_entropy(functional_call(model, weights, (inputs,)), torch.arange(3))

        return lambda *leaves: list(
            vmap(grad(loss))(dict(zip(names, leaves[:-1], strict=True)), leaves[-1]).values()
        )

    digests = set()
    for seed in range(4):
        torch.manual_seed(seed)
        relu = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
        names = [name for name, _ in relu.named_parameters()]
        leaves = [torch.randn(2, *p.shape) for p in relu.parameters()]
        digests.add(operations_of(gradient_of(relu), [*leaves, torch.randn(2, 3, 5)]))
    assert len(digests) == 1
    tanh = nn.Sequential(relu[0], nn.Tanh(), relu[2])
    digests.add(operations_of(gradient_of(tanh), [*leaves, torch.randn(2, 3, 5)]))
    assert len(digests) == 2


def test_what_rules_put_in_the_place_of_an_operation_is_heard_instead():
    def doubled(x, y):
        return NotImplemented if x.dim() == 1 else x + y + y

    add = torch.ops.aten.add.Tensor
    rules = {add: lambda x, y: x * y, torch.ops.aten.sub.Tensor: doubled}
    pair = [torch.ones(2, 2), torch.ones(2, 2)]
    assert operations_of(lambda a, b: a + b, pair, rules) == operations_of(lambda a, b: a * b, pair)
    with_sub = operations_of(lambda a, b: a - b, pair, {torch.ops.aten.sub.Tensor: doubled})
    assert with_sub == operations_of(lambda a, b: a + b + b, pair)
    flat = [torch.ones(2), torch.ones(2)]
    assert operations_of(lambda a, b: a - b, flat, rules) == operations_of(lambda a, b: a - b, flat)


@pytest.mark.parametrize("asks", [lambda x: x * x.sum().item(), lambda x: x if x.sum() > 0 else -x])
def test_a_function_that_asks_for_numbers_is_refused(asks):
    with pytest.raises(RuntimeError, match="asks for the numbers in a tensor"):
        operations_of(asks, [torch.ones(2)])


def test_the_number_in_a_tensor_from_outside_may_be_asked_for():
    scale = torch.tensor(2.0)
    digests = {operations_of(lambda x: x * scale.item(), [torch.ones(2)])}
    scale.fill_(3.0)
    digests.add(operations_of(lambda x: x * scale.item(), [torch.ones(2)]))
    assert len(digests) == 2


def test_listening_loads_no_compiler():
    code = (
        "import sys, torch\n"
        "from lrbench.engine.operations import operations_of\n"
        "operations_of(lambda x: x * 2, [torch.ones(2)])\n"
        "print(sorted({'torch._dynamo', 'torch._inductor'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
