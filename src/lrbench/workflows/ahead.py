"""What takes a second or two to load, loaded for workers before it is known what they will do.

It loads no torch in this process, and what is wrong with overrides is for others to tell.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lrbench.config.compose import compose
from lrbench.config.findings import Findings
from lrbench.config.overrides import Override, parse
from lrbench.config.presets import arms_of
from lrbench.config.settings import Compute, read_settings
from lrbench.errors import LrbenchError
from lrbench.launchers import loaded
from lrbench.spec.profiles import VARIABLES

MODULES = ("lrbench.workflows.crew", "lrbench.workflows.isolated")

OF_LANES = ("torch._dynamo",)
"""``torch.func`` imports it at the first gradient."""


def load_ahead_of_sweep(
    overrides: Sequence[str], preset: str | None = None, config_dir: Path | None = None
) -> None:
    """Begin to load what the workers of a sweep need, with the variables of its first arm."""
    try:
        _load(_compute_of(arms_of(preset, overrides, config_dir)[0], config_dir))
    except LrbenchError:
        return


def load_ahead_of_run(overrides: Sequence[str], config_dir: Path | None = None) -> None:
    """Begin to load what a run needs, if it needs variables that this process has not."""
    try:
        (arm,) = parse(overrides, user_folder=config_dir)
        compute = _compute_of(arm, config_dir)
        if not VARIABLES[compute.usual_profile].items() <= os.environ.items():
            _load(compute)
    except LrbenchError:
        return


def _compute_of(arm: Sequence[Override], config_dir: Path | None) -> Compute:
    findings = Findings({})
    settings = read_settings(compose(arm, config_dir), findings)
    findings.raise_if_any()
    assert settings is not None
    return settings.compute


def _load(compute: Compute) -> None:
    # What a card's libraries do when they are loaded does not always outlive a fork.
    if compute.device == "cpu":
        more = OF_LANES if compute.engine == "lanes" else ()
        loaded.load_ahead((*MODULES, *more), VARIABLES[compute.usual_profile])
