"""Held-out metrics, digests of tensors, data and devices."""

import hashlib
import os

import numpy as np
import pytest
import torch
from torch import nn

from lrbench.engine.data import on_device
from lrbench.engine.device import DTYPES, check_device, configure, profile
from lrbench.engine.evaluation import CHUNK, evaluate
from lrbench.engine.fingerprint import tensor_digests, whole_digest
from lrbench.errors import DeviceError
from lrbench.spec.run import ComputeSpec
from lrbench.tasks.data.catalog import prepare


class Scale(nn.Module):
    """Outputs its inputs times one weight; notes how it was called."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(2.0))
        self.calls = []

    def forward(self, x):
        self.calls.append((len(x), self.training, torch.is_grad_enabled()))
        return self.weight * x


@pytest.mark.parametrize("size", [1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_the_loss_is_the_mean_over_all_samples_however_they_are_cut(size):
    inputs = torch.arange(size, dtype=torch.float64)[:, None] / size
    targets = torch.zeros_like(inputs)
    model = Scale().double()
    loss, accuracy = evaluate(model, "regression", inputs, targets)
    assert loss == pytest.approx(float((4 * inputs**2).mean()), rel=1e-12)
    assert accuracy is None
    assert sum(count for count, _, _ in model.calls) == size
    assert {call[1:] for call in model.calls} == {(False, False)}


def test_accuracy_is_the_share_of_samples_whose_largest_output_is_the_target():
    outputs = torch.zeros(CHUNK + 3, 3)
    outputs[:, 1] = 1.0
    targets = torch.ones(CHUNK + 3, dtype=torch.int64)
    targets[[0, 1, CHUNK + 1]] = 2
    loss, accuracy = evaluate(nn.Identity(), "classification", outputs, targets)
    assert accuracy == CHUNK / (CHUNK + 3)
    assert loss > 0


@pytest.mark.parametrize("was_training", [True, False])
def test_the_model_is_left_in_the_mode_it_was_in(was_training):
    model = Scale()
    model.train(was_training)
    evaluate(model, "objective", torch.ones(3, 1), torch.ones(3, 1))
    assert model.training is was_training


def test_losses_are_summed_in_float64():
    # In float32, one more than 2**24 ones do not count; cut into chunks, the chunks' sums do not.
    size = 40 * CHUNK
    inputs = torch.full((size, 1), 0.1)
    loss, _ = evaluate(nn.Identity(), "objective", inputs, inputs)
    assert loss == pytest.approx(float(np.float32(0.1)), rel=1e-14)


def test_a_tensors_digest_sees_its_name_type_shape_and_every_bit():
    def digest(name, tensor):
        holder = nn.Module()
        holder.register_buffer(name, tensor)
        return tensor_digests(holder)[name]

    base = torch.zeros(2, 3)
    others = [
        digest("a", base),
        digest("b", base),
        digest("a", base.double()),
        digest("a", base.to(torch.int32)),
        digest("a", base.T.contiguous()),
        digest("a", base.ravel()),
        digest("a", -base),
        digest("a", torch.tensor([[0, 0, 0], [0, 0, 1e-45]])),
    ]
    assert len(set(others)) == len(others)
    strided = torch.arange(12.0).view(3, 4).T
    assert digest("a", strided) == digest("a", strided.contiguous())
    head = f"a\0{torch.float32}\0(2, 3)\0".encode()
    assert others[0] == hashlib.sha256(head + bytes(24)).hexdigest()


def test_a_models_digest_covers_buffers_and_depends_on_no_order():
    model = nn.BatchNorm1d(3)
    digests = tensor_digests(model)
    assert set(digests) == {
        "weight",
        "bias",
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }
    before = whole_digest(digests)
    assert whole_digest(dict(reversed(digests.items()))) == before
    model.running_mean[1] = 0.5
    assert whole_digest(tensor_digests(model)) != before


def test_data_come_to_the_device_once_in_the_type_asked_for():
    data = prepare("wine", {})
    cpu = torch.device("cpu")
    single, double = on_device(data, cpu, torch.float32), on_device(data, cpu, torch.float64)
    assert on_device(data, cpu, torch.float32) is single
    assert single.inputs.dtype == torch.float32
    assert double.inputs.dtype == torch.float64
    assert single.targets.dtype == double.val_targets.dtype == torch.int64
    assert np.array_equal(single.inputs.numpy(), data.train.inputs)
    assert np.array_equal(single.val_inputs.numpy(), data.val.inputs)
    assert np.array_equal(double.val_targets.numpy(), data.val.targets)
    other = prepare("wine", {}, split_root=1)
    assert not torch.equal(on_device(other, cpu, torch.float32).inputs, single.inputs)


def test_bf16_keeps_its_weights_in_float32():
    assert DTYPES["bf16"] is torch.float32
    assert DTYPES["float64"] is torch.float64


def test_a_device_that_is_not_there_is_refused_with_those_that_are():
    missing = f"cuda:{torch.cuda.device_count() + 3}"
    with pytest.raises(DeviceError, match="cpu") as caught:
        check_device(ComputeSpec(device=missing))
    assert caught.value.problems[0].key == "device"
    cores = os.cpu_count() or 1
    with pytest.raises(DeviceError, match="cores") as caught:
        check_device(ComputeSpec(threads=cores + 1))
    assert caught.value.problems[0].key == "threads"
    check_device(ComputeSpec(threads=cores))


def test_switches_say_what_is_in_force_and_not_what_was_asked(monkeypatch):
    switches = configure(ComputeSpec())
    assert all(switch.took_effect for switch in switches.values())
    assert torch.are_deterministic_algorithms_enabled()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert not configure(ComputeSpec())["threads"].took_effect
    assert configure(ComputeSpec())["threads"].effective == 7
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":0:0")
    on_a_card = configure(ComputeSpec(device="cuda"))
    assert not on_a_card["cublas_workspace_config"].took_effect
    # On a CPU it decides nothing, so that it cannot part two profiles either.
    assert "cublas_workspace_config" not in configure(ComputeSpec())


def test_a_profile_changes_with_whatever_decides_bits(monkeypatch):
    switches = configure(ComputeSpec())
    before = profile(ComputeSpec(), switches)["digest"]
    assert profile(ComputeSpec(), switches)["digest"] == before
    loose = configure(ComputeSpec(deterministic=False))
    assert profile(ComputeSpec(deterministic=False), loose)["digest"] != before
    configure(ComputeSpec())
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert profile(ComputeSpec(), switches)["digest"] != before
    monkeypatch.undo()
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "DEFAULT")
    assert profile(ComputeSpec(), switches)["digest"] != before
