"""Reports and pictures of real runs: complete, honest, inert; the same numbers everywhere."""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lrbench.cli.app import app
from lrbench.record.memory import remembering
from lrbench.record.notes import Note, add_note
from lrbench.record.test_uses import TestUse, add_test_use
from lrbench.report.document.blocks import Bullets, Heading, Listing, Paragraph
from lrbench.report.document.html import to_html
from lrbench.report.document.latex import to_latex
from lrbench.report.document.markdown import to_markdown
from lrbench.report.sections.words import sentence
from lrbench.workflows.compare import compare
from lrbench.workflows.report import Report, joined, report
from lrbench.workflows.restarts import restarts
from lrbench.workflows.summarize import summarize
from lrbench.workflows.twin import plan_twins
from lrbench.workflows.twin_results import twin_results
from lrbench.workflows.twin_text import verdict
from lrbench.workflows.twin_training import run_twins

Command = Callable[..., Any]

SWEEP = (
    *("schedule=constant,sgdr", "optimizer.lr=0.03,0.3", "dataset=wine", "model=linear"),
    *("train.steps=24", "train.eval_every=8"),
)
RECORD = "Test data, tags and notes"
NOTE = "<script>alert(1)</script> & more"


def typed(words: list[str]) -> None:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.stderr


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LRBENCH_CACHE", str(folder / "cache"))
        where = ["--note", NOTE, "--results", str(folder / "r")]
        # In this process, which is faster; the sweep then has nothing left to do but its plan.
        for schedule, lr, seed in product(("constant", "sgdr"), ("0.03", "0.3"), range(3)):
            one = [f"schedule={schedule}", f"optimizer.lr={lr}", *SWEEP[2:], f"seed={seed}"]
            typed(["run", *one, *where])
        typed(["sweep", *SWEEP, "--seeds", "3", *where])
        yield folder / "r"


@pytest.fixture(scope="module")
def written(results: Path) -> Report:
    return report(results)


def texts(found: Report) -> list[str]:
    """Every sentence."""
    told = []
    for block in found.document.blocks:
        match block:
            case Paragraph(text):
                told.append(text)
            case Bullets(items):
                told += items
            case Listing(_, _, notes):
                told += notes
    return told


def texts_of(found: Report, section: str) -> list[str]:
    """The sentences of one section, without those below tables."""
    told: dict[str, list[str]] = {"": []}
    for block in found.document.blocks:
        match block:
            case Heading(text, 2):
                told[text] = []
            case Paragraph(text):
                told[list(told)[-1]].append(text)
            case Bullets(items):
                told[list(told)[-1]] += items
    return told[section]


def sections(found: Report) -> dict[str, list[str]]:
    """The lists of each section."""
    told: dict[str, list[str]] = {"": []}
    for block in found.document.blocks:
        if isinstance(block, Heading) and block.level == 2:
            told[block.text] = []
        elif isinstance(block, Bullets):
            told[list(told)[-1]] += block.items
    return told


def table(found: Report, title: str) -> dict[str, tuple[str, ...]]:
    """The columns of the table whose title begins so."""
    listing = next(
        block
        for block in found.document.blocks
        if isinstance(block, Listing) and block.title.startswith(title) and block.columns
    )
    # Of two columns with one head, as intervals of two metrics have, the first.
    return {column.header: column.cells for column in reversed(listing.columns)}


def test_every_section_is_there_and_every_arm_in_it(results: Path, written: Report) -> None:
    headings = [b.text for b in written.document.blocks if isinstance(b, Heading) and b.level == 2]
    assert headings == [
        "The question",
        "What was held equal",
        "Results",
        "Paired comparisons",
        "Restarts",
        "Sanity flags",
        "What succeeded and what did not",
        "Limitations",
        RECORD,
        "Environment",
        "How to reproduce",
    ]
    shown = table(written, "val_loss, last evaluation")
    arms = summarize(results).arms
    assert len(arms) == 4
    assert list(zip(shown["schedule"], shown["lr"], strict=True)) == [
        (arm.settings["schedule"], str(arm.settings["optimizer.lr"])) for arm in arms
    ]
    assert {picture.name.rpartition("-")[0] for picture in written.document.pictures} == {
        *("curves", "seeds", "differences", "lr-sensitivity", "layers-0")
    }


def test_the_sentence_and_the_table_have_the_same_numbers(results: Path, written: Report) -> None:
    (row,) = compare(results).tasks[0].basis("own_lr").rows
    answer = next(text for text in texts(written) if text.startswith(f"{row.other} (lr"))
    assert answer.startswith(sentence(row.sentence, [row.other]))
    shown = table(written, "val_loss, each at its own best learning rate")
    assert f"{shown['better by'][0]} {shown['95 % interval'][0]} on average" in answer
    assert f"p = {shown['Holm p'][0]}" in answer or "no test" in answer
    assert shown["verdict"] == (row.found.verdict,)

    lowest = next(text for text in texts(written) if text.startswith("The lowest mean"))
    means = table(written, "means at own best learning rates")
    place = means["contender"].index(re.findall(r"that of (\S+) at", lowest)[0])
    assert means["val_loss"][place] in lowest
    assert means["95 % interval"][place] in lowest

    effect = next(text for text in texts(written) if "minimum detectable effect) would" in text)
    more = table(written, "val_loss, each at its own best learning rate: more")
    assert more["MDE"][0] in effect


def test_the_most_favourable_arm_is_never_named_without_its_interval(written: Report) -> None:
    # Flags are told in words of their own, with their evidence.
    flagged = sections(written)["Sanity flags"]
    for told in set(texts(written)) - set(flagged):
        if re.search(r"\b(lowest|highest) mean\b", told):
            assert re.search(r"\[[^\]]+, [^\]]+\]", told), told
        assert not re.search(r"\bis (the )?best\b", told), told


def test_the_restarts_are_those_of_the_ledger(results: Path, written: Report) -> None:
    shown = table(written, "the ledger over seeds")
    ledgers = [arm for arm in restarts(results).arms if arm.restarts]
    steps = [f"{one.columns['step'].median:.0f}" for arm in ledgers for one in arm.restarts]
    assert list(shown["after updates"]) == steps
    assert set(shown["arm"]) == {arm.label for arm in ledgers}


def test_limitations_say_how_many_seeds_and_what_undecided_means(written: Report) -> None:
    told = " ".join(texts(written))
    assert "Every comparison rests on 3 paired seeds." in told
    more = table(written, "val_loss, each at its own best learning rate: more")
    needed = more["sign-flip p"][0].removeprefix("n < ")
    assert f"With fewer than {needed} seeds no permutation test can reach" in told
    assert ("does not mean equal" in told) == ("undecided" in told.split("The question")[0])
    assert "All seeds share one split" in told


def test_reading_once_changes_no_number(results: Path) -> None:
    apart = (summarize(results), compare(results), restarts(results))
    with remembering():
        together = (summarize(results), compare(results), restarts(results))
    assert together == apart


def test_what_was_typed_is_told_so_that_it_can_be_typed_again(written: Report) -> None:
    text = to_markdown(written.document)
    words = "schedule=constant,sgdr optimizer.lr=0.03,0.3 dataset=wine model=linear train.steps=24"
    assert f"    lrbench sweep {words} train.eval_every=8 --seeds 0,1,2" in text


def test_arms_that_are_no_product_are_told_one_by_one() -> None:
    assert joined([["a=1", "b=1"], ["a=2", "b=2"]]) == [["a=1", "b=1"], ["a=2", "b=2"]]
    assert joined([["a=[1,2]"], ["a=3"]]) == [["a=[1,2]"], ["a=3"]]
    assert joined([["a=1"], ["b=1"]]) == [["a=1"], ["b=1"]]


def test_a_note_is_shown_and_stays_text(written: Report) -> None:
    page = to_html(written.document)
    assert "alert(1)" in page
    assert "<script>alert" not in page
    assert html.escape(NOTE) in page
    assert NOTE.replace("<", "\\<") not in to_latex(written.document)
    assert r"\<script\>alert(1)" in to_markdown(written.document)


def test_looks_at_test_data_tags_and_later_notes_are_told(results: Path, tmp_path: Path) -> None:
    assert texts_of(report(results), RECORD) == [
        "By their records, the test split was never looked at with any of these 12 runs.",
        "No run has a tag.",
        "No note was written after the start of a run.",
    ]
    folder = Path(shutil.copytree(results, tmp_path / "r"))
    first, second, third = sorted(path.parent for path in folder.glob("*/spec.json"))[:3]
    # The runs of this test were begun between the two looks.
    for moment, runs in (("2020-01-01", (first,)), ("2999-01-01", (first, second))):
        for run in runs:
            add_test_use(run, TestUse(f"{moment}T08:00:00.000+00:00", 0.5, 0.9, 10, "0" * 64))
    add_note(first, Note("2026-11-02T10:00:00.000+00:00", NOTE, ("seen", "odd"), ()))
    add_note(first, Note("2026-11-03T10:00:00.000+00:00", "a\n\x1b[2J" + "b" * 999, (), ("odd",)))
    add_note(second, Note("2026-11-01T10:00:00.000+00:00", "", ("seen",), ()))
    (third / "notes").mkdir()
    (third / "notes" / "x.json").write_text("{")
    found = report(folder)
    told = texts_of(found, RECORD)
    assert told[:6] == [
        "The test split was looked at on 2 occasions, with 2 of 12 runs.",
        "2020-01-01 08:00 (1 run).",
        "2999-01-01 08:00 (2 runs).",
        "Whatever was chosen between the first look and a later one may have been chosen by test "
        "data.",
        "12 runs were begun after the first look: how they were set up may follow from it.",
        "Tags: seen (2 runs).",
    ]
    assert told[6:] == [f"Damaged, and not shown: {third.name}/notes/x.json."]
    shown = table(found, "notes written after the start of runs, 3 in all")
    assert shown["written (UTC)"] == ("2026-11-01 10:00", "2026-11-02 10:00", "2026-11-03 10:00")
    assert shown["run"] == (second.name, first.name, first.name)
    assert shown["tags"] == ("+seen", "+seen +odd", "-odd")
    assert shown["note"][:2] == ("", NOTE)
    assert shown["note"][2].startswith("a \\x1b[2Jbbb")
    assert shown["note"][2].endswith("b … (1005 characters)")
    assert html.escape(NOTE) in to_html(found.document)


def test_one_look_is_told_without_a_warning(results: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(results, tmp_path / "r"))
    for spec in folder.glob("*/spec.json"):
        use = TestUse("2999-01-01T08:00:00.000+00:00", 0.5, 0.9, 10, "0" * 64)
        add_test_use(spec.parent, use)
    assert texts_of(report(folder), RECORD)[:3] == [
        "The test split was looked at once, with 12 of 12 runs.",
        "2999-01-01 08:00 (12 runs).",
        "No run has a tag.",
    ]


def test_of_many_contenders_with_layers_it_is_said_which_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LRBENCH_CACHE", str(tmp_path / "cache"))
    for cycle in (4, 6, 8, 12):
        one = ["schedule=sgdr", f"schedule.first_cycle={cycle}", *SWEEP[2:]]
        typed(["run", *one, "--results", str(tmp_path / "r")])
    found = report(tmp_path / "r")
    assert [p.name for p in found.document.pictures if p.name.startswith("layers")] == [
        *("layers-0-0", "layers-1-0", "layers-2-0")
    ]
    assert any(
        told.startswith("layers around restarts are drawn of 3 of 4 contenders that have them")
        for told in texts(found)
    )


def test_the_page_asks_for_nothing_and_runs_only_its_own_scripts(written: Report) -> None:
    page = to_html(written.document)
    markup = re.sub(r"(<script\b[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert not re.search(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)\s*=", markup)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert policy[1].count("'sha256-") == 2
    assert "unsafe-eval" not in policy[1]
    assert len(page) < 5e6


@pytest.mark.slow
def test_the_command_writes_beside_the_results_and_no_table_calls_it_foreign(
    results: Path, lrbench: Command, here: Path
) -> None:
    folder = Path(shutil.copytree(results, here / "r"))
    done = lrbench("report", "r")
    assert (done.code, done.out) == (0, "r/report.html\n"), done.err
    first = (folder / "report.html").read_bytes()
    assert lrbench("report", "r").code == 0
    assert (folder / "report.html").read_bytes() == first
    assert "foreign" not in lrbench("summarize", "r").err

    told = json.loads(lrbench("report", "r", "--json", "-o", "other.html").out)
    assert (told["file"], told["is_serious"]) == ("other.html", False)
    assert lrbench("report", "r", "--latex").out.startswith(r"\documentclass")
    assert lrbench("report", "r", "--markdown").out.startswith("# Report on r\n")


@pytest.mark.slow
def test_damage_is_named_and_the_report_is_written_all_the_same(
    results: Path, lrbench: Command, here: Path
) -> None:
    folder = Path(shutil.copytree(results, here / "r"))
    record = next(path for path in sorted(folder.iterdir()) if "sgdr" in path.name)
    (record / "steps.csv").write_text("step\n")
    done = lrbench("report", "r", "--markdown")
    assert done.code == 1
    assert re.search(rf"corrupt.*{record.name}".replace("-", r"\\?-"), done.out)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["curves", "seeds", "differences", "lr-sensitivity", "layers"])
def test_each_kind_of_picture_is_drawn(
    kind: str, results: Path, lrbench: Command, here: Path
) -> None:
    done = lrbench("plot", str(results), "--kind", kind, "-o", "p.svg", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["kind"] == kind
    assert Path("p.svg").read_text().startswith("<svg")


def test_restarts_that_have_twins_are_judged_by_them(results: Path, tmp_path: Path) -> None:
    with_twins = tmp_path / "r"
    shutil.copytree(results, with_twins)
    assert "against the same runs without them" not in to_markdown(report(with_twins).document)
    for plan in plan_twins(with_twins, restart=1), plan_twins(with_twins, restart=None):
        run_twins(plan, workers=1)
    sentences = [
        verdict(policy, found.restart, 1)
        for found in twin_results(plan)
        for policy in found.policies
    ]
    listing = next(
        block
        for block in report(with_twins).document.blocks
        if isinstance(block, Listing) and "against the same runs" in block.title
    )
    assert len(sentences) > 1
    for sentence_ in sentences:
        assert any(sentence_ in note for note in listing.notes)
