"""Filters, order and text of the central record, on trials made up here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrbench.errors import ConfigError
from lrbench.record.notes import Note
from lrbench.report.history.columns import Table
from lrbench.report.history.filters import fits, parse_filters
from lrbench.report.history.listing import counted, lines, narrative
from lrbench.report.history.order import in_order
from lrbench.report.history.restarts import in_words
from lrbench.report.history.trial import Trial


def trial(run, schedule="sgdr", lr=0.1, **facts):
    settings = {"schedule": schedule, "optimizer.lr": lr, "optimizer.nesterov": lr > 0.2}
    facts = {"status": "complete", "val_loss": 0.5, "started": "2026-11-02T10:00:00.000+00:00"} | (
        facts
    )
    return Trial(run=f"{run}-00000000", arm=f"{schedule}{lr}", settings=settings, **facts)


TRIALS = (
    trial("a", lr=0.03, val_loss=0.25, seed=2, tags=("pilot",), note="the first"),
    trial("b", lr=0.1, val_loss=0.5, seed=10, started="2026-11-01T23:59:59.999+00:00"),
    trial("c", "constant", lr=0.3, val_loss=None, status="diverged", diverged_at=7, seed=2),
    trial("d", "constant", lr=0.1, val_loss=None, status="failed", started=None, seed=0),
    trial("e", lr=1.0, val_loss=0.125, seed=1, tags=("pilot", "good"), started="2026-11-03T00:00Z"),
)
TABLE = Table(TRIALS, {"b-00000000": ("lr_unlike_schedule",)})


def chosen(*filters):
    conditions = parse_filters(filters, TABLE)
    return "".join(one.run[0] for one in TRIALS if fits(one, conditions, TABLE))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("schedule=sgdr", "abe"),
        ("schedule!=sgdr", "cd"),
        ("schedule.name=sgdr", "abe"),
        ("optimizer.lr<0.1", "a"),
        ("optimizer.lr<=0.10", "abd"),
        ("optimizer.lr=1e-1", "bd"),
        ("optimizer.lr!=.1", "ace"),
        ("optimizer.lr>0.1", "ce"),
        ("optimizer.lr>=1", "e"),
        ("optimizer.nesterov=true", "ce"),
        ("val_loss<0.3", "ae"),
        ("val_loss>=0.25", "ab"),
        ("val_loss=-", "cd"),
        ("status=diverged", "c"),
        ("status!=complete", "cd"),
        ("tag=pilot", "ae"),
        ("tag!=good", "abcd"),
        ("tag~goo", "e"),
        ("flag=lr_unlike_schedule", "b"),
        ("flag~schedule", "b"),
        ("note~first", "a"),
        ("run~b-", "b"),
        ("seed=2", "ac"),
        ("seed>2", "b"),
        ("since=2026-11-02", "ace"),
        ("since=2026-11-02T10:00:00.001", "e"),
        ("until=2026-11-01", "b"),
        ("until=2026-11-02", "abc"),
        ("until=9999-12-31", "abce"),
        ("until=2026-11-02T10:00:00+00:00", "abc"),
        ("until=2026-11-02T10:00:00+01:00", "b"),
        ("started<2026-11-02", "b"),
        (" optimizer.lr < 0.1 ", "a"),
    ],
)
def test_a_condition_chooses(condition, expected):
    assert chosen(condition) == expected


def test_all_conditions_must_hold():
    assert chosen("schedule=sgdr", "tag=pilot", "val_loss<0.2") == "e"
    assert chosen() == "abcde"


@given(bound=st.floats(0, 1), relation=st.sampled_from(["<", "<=", ">", ">=", "=", "!="]))
def test_a_relation_and_its_opposite_divide_those_that_have_a_value(bound, relation):
    opposite = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "!=", "!=": "="}[relation]
    one, other = chosen(f"optimizer.lr{relation}{bound}"), chosen(f"optimizer.lr{opposite}{bound}")
    assert sorted(one + other) == list("abcde")


@pytest.mark.parametrize(
    ("condition", "remedy"),
    [
        ("optimizr.lr<1", "--filter 'optimizer.lr<1'"),
        ("lr=0.1", "--filter optimizer.lr=0.1"),
        ("val_los<1", "--filter 'val_loss<1'"),
        ("tags=pilot", "--filter tag=pilot"),
        ("status=divergd", "--filter status=diverged"),
        ("since=yesterday", "--filter since=2026-11-01"),
        ("since>2026-11-01", "--filter since=2026-11-01"),
        ("schedule<3", "--filter schedule=3"),
        ("tag<3", "--filter tag=3"),
        ("val_loss<low", None),
        ("val_loss<nan", None),
        ("started<x", None),
        ("sgdr", "--filter schedule=sgdr"),
        ("=3", "--filter schedule=sgdr"),
        ("", "--filter schedule=sgdr"),
        ("lr{}=0.{1}", None),
    ],
)
def test_what_is_wrong_is_told_with_the_nearest(condition, remedy):
    with pytest.raises(ConfigError) as caught:
        parse_filters(["tag=pilot", condition], TABLE)
    (problem,) = caught.value.problems
    assert (problem.key, problem.remedy) == ("--filter", remedy)


def test_all_wrong_conditions_are_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse_filters(["shedule=a", "seed>0", "tag>1"], TABLE)
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("started", "baced"),
        ("-started", "eacbd"),
        ("val_loss", "eabcd"),
        ("-val_loss", "baecd"),
        ("seed", "deacb"),
        ("schedule,-seed", "cdbae"),
        ("optimizer.lr,run", "abdce"),
        ("-run", "edcba"),
        ("diverged_at", "cabde"),
    ],
)
def test_the_order_has_what_is_absent_at_its_end(sort, expected):
    assert "".join(one.run[0] for one in in_order(TRIALS, sort, TABLE)) == expected


@pytest.mark.parametrize(
    ("sort", "remedy"),
    [("-vall_loss", "--sort -val_loss"), ("lr", "--sort optimizer.lr"), ("", None), ("tag", None)],
)
def test_an_order_by_what_is_no_column_is_told_with_the_nearest(sort, remedy):
    with pytest.raises(ConfigError) as caught:
        in_order(TRIALS, sort, TABLE)
    assert caught.value.problems[0].remedy == remedy


def listed(trials, width=80, **others):
    return [*lines(trials, ("schedule", "optimizer.lr"), others, width)]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_list_has_every_trial_and_keeps_its_width(width):
    told = listed(TRIALS, width)
    assert [line[:16].strip() for line in told if line[:1].strip()] == [
        "started (UTC)",
        "2026-11-02 10:00",
        "2026-11-01 23:59",
        "2026-11-02 10:00",
        "-",
        "2026-11-03 00:00",
    ]
    assert max(map(len, told)) <= width
    assert sum("sgdr lr=0.03" in line for line in told) == 1


def test_numbers_stand_below_each_other():
    rows = [line for line in listed(TRIALS) if line[:1].strip()]
    end = rows[0].index("val_loss") + len("val_loss")
    assert [row[:end].split()[-1] for row in rows[1:]] == ["0.25", "0.5", "-", "-", "0.125"]


def test_no_trials_have_no_list():
    assert listed([]) == []
    assert counted([]) == "0 runs"
    assert counted(TRIALS) == "5 runs: 3 complete, 1 diverged, 1 failed"


def test_the_narrative_tells_outcome_restarts_and_notes_in_order():
    one = trial(
        "x",
        diverged_at=7,
        attempts=2,
        story="1 restart",
        note="why\nnot",
        notes=(Note("2026-11-05T00:00:00.000+00:00", "later"), Note("2026-11-06", "")),
        tags=("a", "b"),
        remarks=("notes/x must be readable",),
    )
    assert narrative(one, ("overfit",)) == (
        "[a b] flags: overfit. Diverged at update 7. 2 attempts. 1 restart. "
        'Note: "why not". 2026-11-05: "later". Damaged: notes/x must be readable.'
    )
    assert narrative(trial("x")) == ""
    assert narrative(trial("x", reason="no\n disk", status="failed")) == "Failed: no disk."


def test_hostile_text_is_inert_in_the_list():
    one = trial("x\x1b[31m", note="\x1b]0;owned\x07\u202e", reason="a\x00", status="failed")
    told = "\n".join(listed([one]))
    assert told.replace("\n", "").isprintable()
    assert "owned" in told


def row(step=10, spike=0.1, relative=0.2, recovery=5, gain=0.01, **others):
    return {
        "step": step,
        "cause": "schedule",
        "policy": "keep",
        "spike": spike,
        "spike_relative": relative,
        "recovery_steps": recovery,
        "gain": gain,
    } | others


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ([[]], ""),
        ([], ""),
        (
            [[row()]],
            "1 restart (after 10 updates); training loss rose after it by 20.0 %, back after "
            "5 updates; validation loss at the end of the cycle lower than before for it",
        ),
        (
            [[row(gain=-0.1), row(30, relative=0.3, recovery=None)]],
            "2 restarts (after 10 and 30 updates); training loss rose after all 2 by 20.0 % to "
            "30.0 %, back after 5 updates and not back within its cycle after 1 of 2; validation "
            "loss at the end of the cycle lower than before for 1 of 2",
        ),
        (
            [[row(spike=-0.1)], [row(spike=0.0)]],
            "1 restart in each of 2 runs (after 10 updates); training loss never rose above its "
            "level before; validation loss at the end of the cycle lower than before for all 2",
        ),
        (
            [[row(cause="plateau", policy="full_reset")], []],
            "0 to 1 restarts in each of 2 runs (after 10 updates, by plateau, state full_reset); "
            "training loss rose after it by 20.0 %, back after 5 updates; validation loss at the "
            "end of the cycle lower than before for it",
        ),
        ([[{"step": 3, "cause": "schedule"}]], "1 restart (after 3 updates)"),
        (
            [[row(recovery=None, gain=None)]],
            "1 restart (after 10 updates); training loss rose after it by 20.0 %, not back "
            "within its cycle",
        ),
    ],
)
def test_restarts_are_told_in_a_sentence(runs, told):
    assert in_words(runs) == told
