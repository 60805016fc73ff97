"""The lab notebook: which run is told where, with which numbers, and that no text does anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.record.notes import Note
from lrbench.record.plans import Plan
from lrbench.report.history.trial import Trial
from lrbench.report.notebook.chapters import chapters
from lrbench.report.notebook.markdown import write
from lrbench.stats.aggregate import describe

NOWHERE = Path("/nowhere")


def trial(number, schedule="sgdr", minute=0, **facts):
    return Trial(
        **{
            "run": f"wine-mlp-{schedule}-s{number}-{number:08x}",
            "status": "complete",
            "started": f"2026-11-02T10:{minute:02d}:00.000+00:00",
            "ended": f"2026-11-02T10:{minute:02d}:30.000+00:00",
            "seconds": 30.0,
            "arm": schedule,
            "settings": {"schedule": schedule, "optimizer.lr": 0.1},
            "seed": number,
            "val_loss": 0.1 * number,
            "best_val_loss": 0.05 * number,
        }
        | facts
    )


def plan(name, *numbers, typed=("schedule=sgdr",)):
    arms = [{"overrides": list(typed)}]
    return Plan(Path(f"{name}.json"), {"arms": arms}, tuple(f"{n:08x}{'0' * 56}" for n in numbers))


def told(trials, plans=(), flags=None, notices=()):
    made = chapters(NOWHERE, trials, plans, 0.95)
    return made, write("results", trials, made, flags or {}, notices, 0.95)


def test_every_run_is_told_in_the_order_in_which_its_chapter_was_begun():
    trials = [trial(1, minute=5), trial(2, minute=3), trial(3, minute=1), trial(4, minute=4)]
    made, text = told(trials, [plan("2x1-aa", 1, 2)])
    assert [one.name for one in made] == [trials[2].run, "2x1-aa", trials[3].run]
    heads = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert heads == [
        "2026-11-02 10:01: run wine-mlp-sgdr-s3-00000003",
        "2026-11-02 10:03: sweep 2x1-aa",
        "2026-11-02 10:04: run wine-mlp-sgdr-s4-00000004",
    ]


def test_a_sweep_that_was_made_larger_says_what_it_had_already():
    trials = [trial(n, minute=n) for n in range(1, 6)]
    # The larger one has a name that comes first.
    made, text = told(trials, [plan("1x5-aa", 1, 2, 3, 4, 5, 6), plan("1x3-bb", 1, 2, 3)])
    assert [(one.name, one.earlier, one.planned) for one in made] == [
        ("1x3-bb", 0, 3),
        ("1x5-aa", 3, 6),
    ]
    assert made[1].began == trials[3].started
    assert made[1].seconds == 60.0
    assert "6 runs planned, 5 with a record, 3 of them from before" in text
    assert "5 complete, 1 not started" in text


def test_the_table_has_the_numbers_of_the_arms():
    values = [0.11, 0.13, 0.16]
    trials = [trial(n, val_loss=value) for n, value in enumerate(values)]
    worse = [trial(n + 3, "constant", val_loss=0.9 + n) for n in range(2)]
    gone = trial(5, "constant", status="diverged", val_loss=None, diverged_at=7)
    made, text = told([*trials, *worse, gone], [plan("2x3-aa", *range(6))])
    estimate = describe(values)
    (row,) = re.findall(r"^\| sgdr \|.*$", text, re.MULTILINE)
    cells = [cell.strip().strip("\\[]") for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["3", "0"]
    low, high = (float(part.strip(" \\[]")) for part in cells[4].split(","))
    assert float(cells[3]) == pytest.approx(estimate.mean, abs=1e-3)
    assert (low, high) == pytest.approx((estimate.low, estimate.high), abs=1e-3)
    assert [arm.settings["schedule"] for arm in made[0].arms] == ["sgdr", "constant"]
    assert made[0].arms[1].diverged == 1
    assert "`wine-mlp-constant-s5-00000005` at update 7" in text
    assert "**Differs:** schedule (sgdr, constant)" in text
    assert "optimizer.lr=0.1" in text.partition("Held equal")[2].partition("\n")[0]


def test_an_arm_with_a_diverged_run_stands_below_one_without():
    good = [trial(n, val_loss=0.5) for n in range(2)]
    lucky = [trial(2, "constant", val_loss=0.1), trial(3, "constant", status="diverged")]
    made, _ = told([*good, *lucky], [plan("2x2-aa", 0, 1, 2, 3)])
    assert [arm.settings["schedule"] for arm in made[0].arms] == ["sgdr", "constant"]


def test_one_run_has_figures_and_no_interval():
    _, text = told([trial(3)])
    assert "- **Outcome:** complete, val\\_loss 0.3000 (best 0.1500)" in text
    assert "interval" not in text


def test_notes_tags_flags_and_damage_are_told():
    first = trial(1, note="why\nnot", tags=("pilot",), notes=(Note("2026-11-05T09:08:07", "aha"),))
    second = trial(2, note="why\nnot", remarks=("notes/x must be readable",))
    third = trial(3, status="failed", reason="no\ndisk")
    _, text = told(
        [first, second, third], [plan("1x3-aa", 1, 2, 3)], {second.run: ("overfit",)}, ("beware",)
    )
    assert "- **Tags:** pilot (1 of 3 runs)" in text
    assert "- **Note from the start** (2 of 3 runs): why / not" in text
    assert f"- **Note of 2026-11-05 09:08** on `{first.run}`: aha" in text
    assert "- **Flags:** overfit (1 of 3 runs)" in text
    assert f"{second.run}: notes/x must be readable" in text
    assert "no disk" in text
    assert "> beware" in text


def test_runs_of_which_nothing_is_known_are_told_last():
    lost = Trial(run="a-b-c-s0-00000000", status="corrupt", reason="spec.json must be JSON")
    made, text = told([lost, trial(1)])
    assert [one.name for one in made] == [trial(1).run, lost.run]
    assert "## at an unknown time: run a-b-c-s0-00000000" in text
    assert "spec.json must be JSON" in text


HOSTILE = st.text(
    alphabet=st.sampled_from("`*_#<>[]()!|\\~$&\n\r\x1b\u202e-+=1. ab:/@\t\x00"), max_size=40
)


@given(text=HOSTILE)
def test_no_text_of_a_record_does_anything(text):
    one = trial(1, note=text, notes=(Note("2026-11-05", text),), reason=text)
    other = trial(2, settings={"schedule": text, "optimizer.lr": 0.1}, arm="x")
    _, told_now = told([one, other], [plan("2x1-aa", 1, 2, typed=(text,))], {one.run: (text,)})
    assert told_now.replace("\n", "").isprintable()
    # As many headings, items, tables and lines as with a harmless one.
    lines = told_now.splitlines()
    assert sum(line.startswith("#") for line in lines) == 2
    assert all(
        not line or line.startswith(("# ", "## ", "- **", "| ", "val\\_", "2 runs"))
        for line in lines
    )
    # Outside of code, whatever means something in Markdown is escaped.
    for line in lines:
        if line.startswith(("- **Note", "- **Flags", "- **Differs")):
            rest = line.replace("**", "", 2)
            outside = re.sub(r"(?<!\\)`[^`]*`", "", rest)
            assert not re.search(r"(?<!\\)(\\\\)*[`*_\[\]<>#|~$&{}]", outside[2:]), line
