"""Whatever is typed at ``run --dry-run``: it would be trained, or it is refused as it must be."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from lrbench.cli.app import app
from lrbench.config.home import CUSTOM, options, packaged_folder

SECRET = "nobody-may-read-this"

unhurried = settings(deadline=None, max_examples=70, suppress_health_check=[HealthCheck.too_slow])


def settings_of(path: Path) -> list[str]:
    return sorted(key for key in yaml.safe_load(path.read_text()) if key != "name")


CHOICES = {
    # Those with files to fetch, or made for images, are left to other tests.
    "dataset": ["wine", "two_spirals", "noisy_quadratic", "diabetes"],
    "model": ["linear", "mlp", "quadratic", "transformer_small"],
    "optimizer": [*options("optimizer")],
    "schedule": [*options("schedule")],
}
CHOSEN = {"dataset": "wine", "model": "linear", "optimizer": "sgd", "schedule": "cosine"}
CONFIG = yaml.safe_load((packaged_folder() / "config.yaml").read_text())
OTHERS = [
    *("seed", "note", "compute.device", "compute.threads", "compute.precision", "schedule.x"),
    *("compute.deterministic", "compute.engine", "diagnostics.layers_every", "model._target_"),
    *(f"{group}.{key}" for group in ("train", "streams") for key in CONFIG[group]),
    *("schedule._target_", "optimizer._target_", "dataset._target_", "train.step", "lr"),
]

LOOKUPS = [
    *("${oc.env:LRBENCH_SECRET}", "${ oc.env : LRBENCH_SECRET , x}", "${oc.decode:'1'}"),
    *("'${oc.env:LRBENCH_SECRET}'", "[${oc.env:LRBENCH_SECRET}]", "{a: ${oc.env:LRBENCH_SECRET}}"),
    *("${now:%Y}", "${hydra:job.name}", "${oc.create:{a:1}}", "'\\${oc.env:LRBENCH_SECRET}'"),
]
REFERENCES = [
    *("${seed}", "${train.steps}", "${train}", "${nosuch}", "${optimizer.lr}", "${..seed}", "???"),
    *(
        "'${'",
        "'${}'",
        "'${${note}}'",
        "[${seed},${seed}]",
        "${schedule}",
        "${note}",
        "'\\${seed}'",
    ),
]
SYNTAX = [
    *("", "null", "a,b", "0,1", "range(3)", "glob(*)", "choice(1,2)", "interval(0,1)", "int(3)"),
    *("a b", "a\tb", "a\nb", "\x1b[31m", "\u202e", "\x00", "\udc80", "é", "x" * 5000, "\\", "'"),
    *("${", "}", "$(id)", "`id`", "[", "{a", "'", '"', "9" * 5000, "float(1)", "json_str(3)"),
]

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-2, 30),
    st.floats(),
    st.floats(-2, 2),
    st.builds("{}%".format, st.integers(-1, 120)),
    st.builds("{:.3g}ep".format, st.floats(-1, 40)),
    st.sampled_from(["1e400", "-0.0", "1e6", "1e-320", "01", "0x10", "1_000", "٣", "nan", "inf"]),
    st.sampled_from(
        [*CHOICES["schedule"], "adam", "cuda", "float64", "bf16", "exclusive", "first"]
    ),
    st.sampled_from(
        ["torch:StepLR", "python:math:sin", "math:sin", "torch.nn:Linear", "os.x", ":"]
    ),
    st.text(max_size=6),
)
nested = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["name", "decay", "warmup", "final_factor", "_target_", "a", "1"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=5,
)


def typed_as(value: object) -> str:
    """A value in Hydra's grammar; texts are quoted where they must be."""
    if isinstance(value, list):
        return f"[{','.join(map(typed_as, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{typed_as(inner)}" for key, inner in value.items()) + "}"
    if value is None or isinstance(value, bool):
        return str(value).lower().replace("none", "null")
    text = str(value)
    if re.fullmatch(r"[\w.%+-]+", text, re.ASCII):
        return text
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


values = st.one_of(
    nested.map(typed_as), nested.map(typed_as), st.sampled_from([*LOOKUPS, *REFERENCES])
)


@st.composite
def configurations(draw: st.DrawFn) -> list[str]:
    """Well-formed overrides of settings there are, and some there are not."""
    words: list[str] = []
    keys = list(OTHERS)
    for group, choices in CHOICES.items():
        option = draw(st.sampled_from([CHOSEN[group], *choices]))
        words.append(f"{group}={option}")
        own = [
            f"{group}.{key}" for key in settings_of(packaged_folder() / group / f"{option}.yaml")
        ]
        keys += own if group != "schedule" else own * 3
    chosen = draw(st.lists(st.sampled_from(keys), min_size=1, max_size=4, unique=True))
    if not any(key.startswith("train.") for key in chosen):
        words.append("train.steps=20")
    return [*words, *(f"{key}={draw(values)}" for key in chosen)]


keys = st.one_of(
    st.sampled_from([*OTHERS, *CHOICES, "hydra.run.dir", "hydra/launcher", CUSTOM]),
    st.builds("{}{}".format, st.sampled_from([*CHOICES]), st.sampled_from([".", "@a", "[0]", "x"])),
    st.text(alphabet=string.printable, max_size=6),
)
oddities = st.one_of(
    st.builds(
        "{}{}={}".format,
        st.sampled_from(["", "", "+", "++", "~"]),
        keys,
        st.one_of(values, st.sampled_from(SYNTAX), st.text(max_size=8)),
    ),
    st.sampled_from(["~schedule", "~", "=", "==", "", " ", "schedule", "a=b=c", "--", "x@y=z"]),
    st.text(max_size=12),
)


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that all is typed in, with a secret in the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("LRBENCH_SECRET", SECRET)
        patch.delenv("LRBENCH_DEBUG", raising=False)
        patch.chdir(tmp_path_factory.mktemp("here"))
        yield Path.cwd()


def holds(typed: list[str], folder: Path) -> None:
    done = CliRunner().invoke(app, ["run", "--dry-run", "--", *typed])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    assert SECRET not in said
    assert said.replace("\n", "").isprintable(), ascii(said)
    if done.exit_code == 0:
        assert re.match(r"([a-z0-9_]+-){3}s\d+-[0-9a-f]{8}\n", done.stdout), done.stdout
        assert "oc.env" not in said
    else:
        assert (done.exit_code, done.stdout) == (2, ""), said
        problems = r"(note: .*\n)*(error: .*\n(  from  .*\n)?(  try   .*\n)?)+"
        assert re.fullmatch(problems, done.stderr), done.stderr
        assert max(map(len, done.stderr.splitlines())) < 2500, done.stderr
    assert not any(folder.iterdir())


@given(typed=configurations())
@unhurried
@example(typed=["note=${oc.env:LRBENCH_SECRET}"])
def test_any_configuration_is_planned_or_refused(typed: list[str], folder: Path) -> None:
    holds(typed, folder)


@given(typed=st.lists(oddities, min_size=1, max_size=3))
@unhurried
def test_any_words_are_planned_or_refused(typed: list[str], folder: Path) -> None:
    holds(typed, folder)
