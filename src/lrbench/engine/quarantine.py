"""The one place where a model meets the test split: after training, when somebody asks for it.

Training, evaluation, triggers and snapshots get :class:`lrbench.engine.data.DeviceData`, which has
no test part.
"""

from __future__ import annotations

import torch

from lrbench.engine.base import Plan, State
from lrbench.engine.conductor import autocast
from lrbench.engine.device import DTYPES
from lrbench.engine.evaluation import evaluate
from lrbench.engine.fingerprint import tensor_digests, whole_digest
from lrbench.engine.state import restore_model
from lrbench.errors import RecordError


def evaluate_on_test(plan: Plan, state: State, weights_digest: str) -> tuple[float, float | None]:
    """Mean loss and accuracy of a state's model over the test split, in the plan's precision.

    Parameters
    ----------
    plan : Plan
        Of the run; its first lane.
    state : State
        After the last update.
    weights_digest : str
        That the closing file states of the final weights.

    Raises
    ------
    RecordError
        The state is of another model, or its weights are not those.
    """
    device, dtype = torch.device(plan.compute.device), DTYPES[plan.compute.precision]
    model = plan.build_model(plan.lanes[0].streams).to(device, dtype).eval()
    restore_model(state, model)
    found = whole_digest(tensor_digests(model))
    if found != weights_digest:
        relation = f"must come to the final weights of the record ({weights_digest[:12]}…)"
        raise RecordError(relation, key="final weights", got=f"{found[:12]}…")
    test = plan.data.test
    inputs, targets = torch.as_tensor(test.inputs), torch.as_tensor(test.targets)
    with autocast(plan)():  # as the validation split was looked at
        return evaluate(
            model,
            plan.data.info.kind,
            inputs.to(device, dtype if inputs.is_floating_point() else inputs.dtype),
            targets.to(device, dtype if targets.is_floating_point() else targets.dtype),
        )
