"""What importing lrbench does: it defines names, and does nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch",
    "numpy",
    "pandas",
    "hydra",
    "omegaconf",
    "scipy",
    "sklearn",
    "pydantic_core",
    "altair",
    "vl_convert",
    "mpmath",
)
COMMANDS = (
    "run",
    "plan",
    "sweep",
    "preview",
    "check-schedule",
    "trigger-test",
    "freeze",
    "summarize",
    "plot",
    "report",
    "diff",
    "list",
    "show",
    "new",
    "bundle",
    "doctor",
)


def loaded_after(code: str) -> set[str]:
    """Top-level modules a fresh interpreter has loaded after ``code``."""
    code += "\nimport sys; print('\\n' + ' '.join(sorted({n.split('.')[0] for n in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    loaded = loaded_after(
        "from lrbench.cli.app import app\n"
        f"try: app({words!r}, prog_name='lrbench')\n"
        "except SystemExit as end: assert not end.code, end.code"
    )
    assert "typer" in loaded
    assert not loaded & set(HEAVY) - {"pydantic_core"}, loaded & set(HEAVY)


def test_schedules_load_nothing_but_themselves() -> None:
    loaded = loaded_after("import lrbench.schedules.catalog")
    assert not loaded & set(HEAVY)


def test_training_loads_no_compiler() -> None:
    """Dynamo, sympy and inductor take as long to load as torch itself."""
    code = """
import tempfile, sys
from pathlib import Path
from lrbench.workflows.run import resolve_overrides, run
for optimizer in ("sgd", "adam", "adamw"):
    words = ["schedule=sgdr", f"optimizer={optimizer}", "train.steps=20", "optimizer.lr=0.01"]
    run(resolve_overrides(words), Path(tempfile.mkdtemp()))
print(sorted({"torch._dynamo", "torch._inductor", "sympy"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr


def test_looking_ahead_for_workers_loads_no_torch(tmp_path: Path) -> None:
    loaded = loaded_after(
        "from lrbench.launchers import loaded\n"
        "asked = []\n"
        "loaded.load_ahead = lambda *given: asked.append(given)\n"
        "from lrbench.workflows.ahead import load_ahead_of_run, load_ahead_of_sweep\n"
        "load_ahead_of_sweep(['schedule=sgdr,cosine', 'compute.engine=lanes'])\n"
        "load_ahead_of_run(['compute.profile=portable'])\n"
        "load_ahead_of_run(['schedule=sgdr'])\n"  # needs no worker
        "load_ahead_of_sweep(['no.such=setting'])\n"
        "load_ahead_of_run(['no.such=setting'])\n"
        "from lrbench.spec.profiles import VARIABLES\n"
        "found = [variables for _, variables in asked]\n"
        "assert found == [VARIABLES['strict'], VARIABLES['portable']], found\n"
    )
    assert "torch" not in loaded


def test_importing_every_module_changes_no_global_state(tmp_path: Path) -> None:
    code = f"""
import os, random, pkgutil, importlib, json
import numpy, torch
os.chdir({str(tmp_path)!r})
def state():
    return [str(random.getstate()), str(numpy.random.get_state()),
            torch.get_rng_state().sum().item(), torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(), dict(os.environ)]
before = state()
import lrbench
for module in pkgutil.walk_packages(lrbench.__path__, "lrbench."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
assert state() == before
assert os.listdir() == []
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
