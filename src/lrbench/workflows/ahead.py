"""What takes a second or two to load, loaded for workers before it is known what they will do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lrbench.config.compose import compose
from lrbench.config.findings import Findings
from lrbench.config.overrides import parse
from lrbench.config.presets import preset as preset_called
from lrbench.config.settings import read_settings
from lrbench.errors import LrbenchError
from lrbench.launchers import local
from lrbench.spec.profiles import VARIABLES

MODULES = ("lrbench.workflows.crew",)

OF_LANES = ("torch._dynamo",)
"""``torch.func`` imports it at the first gradient."""


def load_ahead(
    overrides: Sequence[str], preset: str | None = None, config_dir: Path | None = None
) -> None:
    """Begin to load what the workers of a sweep need, with the variables of its first arm.

    Loads no torch in this process. What is wrong with the overrides is for others to tell.
    """
    try:
        if preset is None:
            arms = parse(overrides, sweep=True, user_folder=config_dir)
        else:
            arms = preset_called(preset).arms(overrides, config_dir)
        composed = compose(arms[0], config_dir)
        settings = read_settings(composed, Findings({}))
    except LrbenchError:
        return
    if settings is not None and settings.compute.device == "cpu":
        compute = settings.compute
        more = OF_LANES if compute.engine == "lanes" else ()
        local.load_ahead((*MODULES, *more), VARIABLES[compute.usual_profile])
