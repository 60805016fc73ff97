"""``lrbench list``: every schedule with its curve, formula, settings and source."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from lrbench.cli.curve import BLOCKS
from lrbench.config.home import options

Command = Callable[..., Any]
NAMES = list(options("schedule"))


def described(lrbench: Command) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(lrbench("list", "schedules", "--json").out)[
        "schedules"
    ]
    return found


def block(text: str, name: str) -> list[str]:
    """The lines of one schedule, its own name first."""
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.split(" ")[0] == name)
    return lines[start : lines.index("", start)]


def test_each_schedule_has_its_curve_its_settings_and_its_source(lrbench: Command) -> None:
    done = lrbench("list", "schedules")
    assert done.code == 0
    heading, summary, *settings, source = block(done.out, "wsd_s")
    curve = heading.removeprefix("wsd_s").strip()
    assert len(curve) == 20
    assert set(curve) <= set(BLOCKS)
    assert summary.startswith("  Cyclic WSD: stable, decay")
    assert {"first_cycle=null", "decay_of=so_far"} <= set(" ".join(settings).split())
    assert "arXiv:2410.05192" in source
    assert "f(t) =" not in done.out


def test_curves_are_those_of_the_defaults(lrbench: Command) -> None:
    text = lrbench("list", "schedules").out
    curves = {name: block(text, name)[0].split()[1] for name in NAMES}
    assert curves["constant"] == "█" * 20
    assert curves["step"][0] == "█"
    assert curves["step"][-1] == "▁"
    assert curves["linear"] == "".join(sorted(curves["linear"], reverse=True))
    assert curves["snapshot"] == curves["snapshot"][:4] * 5
    assert curves["table"] == "–"
    assert len({curves[name] for name in ("linear", "cosine", "rex", "sgdr", "wsd")}) == 5


def test_the_list_fits_eighty_columns_and_names_all(lrbench: Command) -> None:
    for words in (["list", "schedules"], ["list", "schedules", "--verbose"]):
        done = lrbench(*words)
        lines = done.out.splitlines()
        assert max(map(len, lines)) <= 80
        assert set(NAMES) <= {line.split(" ")[0] for line in lines}


def test_a_name_shows_that_schedule_in_full(lrbench: Command) -> None:
    done = lrbench("list", "schedules", "sgdr")
    text = " ".join(done.out.split())
    for part in (
        "formula (t: updates already made)",
        "T_i = round(first_cycle * cycle_mult**i)",
        "schedule.cycle_mult=2.0 (float: [1, inf), T_mult in the paper)",
        "schedule.warmup=0 (length: [0, inf)) length of the ramp before it",
        "- tail: a cycle too long is cut short; after the last one 0 is held (tail truncate)",
        "other libraries torch's CosineAnnealingWarmRestarts",
        "source Loshchilov & Hutter 2017, SGDR (arXiv:1608.03983), eq. 5 and §3.",
        "lrbench preview schedule=sgdr",
    ):
        assert part in text
    assert "cosine   " not in done.out


def test_several_names_are_shown_in_the_order_typed_and_once(lrbench: Command) -> None:
    done = lrbench("list", "schedules", "wsd", "cosine", "wsd")
    heads = [line.split()[0] for line in done.out.splitlines() if line[:1].strip()]
    assert heads[:2] == ["wsd", "cosine"]
    assert done.out.count("lrbench preview schedule=") == 2


def test_verbose_shows_the_formula_of_every_schedule(lrbench: Command) -> None:
    done = lrbench("list", "schedules", "--verbose")
    with_formula = done.out.count("  formula (t: updates already made)\n")
    assert with_formula == len([e for e in described(lrbench) if e["formula"]]) >= 33
    assert block(done.out, "wsd")[1:] == block(lrbench("list", "schedules", "wsd").out, "wsd")[1:]


def test_json_has_everything_but_the_curve(lrbench: Command) -> None:
    one = {entry["name"]: entry for entry in described(lrbench)}["wsd"]
    assert one["summary"] == "Warmup, a stable rate, and a cooldown over the last steps."
    assert "``S = total_steps - cooldown``" in " ".join(one["formula"])
    assert "2405.18392" in one["source"]
    assert "get_wsd_schedule" in one["notes"]
    assert one["settings"]["cooldown"] == {
        "default": "20%",
        "kind": "length",
        "range": "[0, total_steps]",
        "symbol": "",
        "meaning": "Length of the decay; 20 % of the run is usual, 10 % of long runs.",
        "is_shared": False,
    }
    assert not any(glyph in json.dumps(one, ensure_ascii=False) for glyph in BLOCKS)


def test_json_names_every_setting_of_the_file_with_its_default(lrbench: Command) -> None:
    import yaml

    for entry in described(lrbench):
        file = yaml.safe_load(options("schedule")[entry["name"]].read_text())
        settings = entry["settings"]
        found = {key: about["default"] for key, about in settings.items()}
        assert found == {key: value for key, value in file.items() if key != "name"}
        for key, about in settings.items():
            assert about["meaning"] or key == "scale_factor", f"{entry['name']}.{key}"


def test_json_of_a_name_is_that_one_alone(lrbench: Command) -> None:
    found = json.loads(lrbench("list", "schedules", "rex", "--json").out)["schedules"]
    assert [entry["name"] for entry in found] == ["rex"]
    assert found[0] == {entry["name"]: entry for entry in described(lrbench)}["rex"]


def test_unknown_names_are_all_refused_with_the_nearest(lrbench: Command) -> None:
    done = lrbench("list", "schedules", "cosin", "wsd", "sgd_r")
    assert (done.code, done.out) == (2, "")
    assert "try   lrbench list schedules cosine" in done.err
    assert "got 'sgd_r'" in done.err
    assert "got 'wsd'" not in done.err


@pytest.mark.parametrize("kind", ["models", "datasets", "optimizers"])
def test_only_schedules_take_names(lrbench: Command, kind: str) -> None:
    done = lrbench("list", kind, "mlp")
    assert (done.code, done.out) == (2, "")
    assert "takes no further words, got 'mlp'" in done.err


def test_a_narrow_pipe_and_a_poor_encoding_still_get_a_list(shell: Command) -> None:
    done = shell("list", "schedules", COLUMNS="50", PYTHONIOENCODING="ascii")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    assert block(done.out, "constant")[0].split() == ["constant", "#" * 20]
    assert done.out.isascii()


def test_listing_schedules_loads_nothing_heavy(here: object) -> None:
    code = (
        "import sys\n"
        "from lrbench.cli.app import app\n"
        "try: app(['list', 'schedules'], prog_name='lrbench')\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "print(sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'typer'" in done.stderr
    for heavy in ("torch", "numpy", "pandas", "hydra", "omegaconf", "scipy", "sklearn"):
        assert f"'{heavy}'" not in done.stderr


def test_without_a_kind_the_schedules_follow_the_others_under_their_title(lrbench: Command) -> None:
    titles = ["models", "datasets", "optimizers", "schedules"]
    lines = [line.rstrip() for line in lrbench("list").out.splitlines()]
    assert [line for line in lines if line in titles] == titles
    assert lines[lines.index("schedules") + 2].startswith("constant  ")
