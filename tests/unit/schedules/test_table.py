"""Schedules read from a file of numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrbench.errors import ScheduleError
from lrbench.schedules.catalog import SCHEDULES, build_schedule
from lrbench.schedules.restarts import sgdr
from lrbench.schedules.table import read_table, table

unhurried = settings(deadline=None, max_examples=30)  # a busy machine is no failure


def written(folder: Path, text: str) -> Path:
    path = folder / "a table, with a comma.csv"
    path.write_text(text, encoding="utf-8")
    return path


def problem(path: Path) -> tuple[str | None, str]:
    with pytest.raises(ScheduleError) as caught:
        read_table(path)
    (found,) = caught.value.problems
    assert found.got == str(path)
    return found.key, found.relation


def test_a_step_without_a_row_has_the_row_before_and_the_last_holds() -> None:
    factor = table(steps=(0, 2, 5), factors=(1.0, 0.5, 0.25))
    expected = [1.0, 1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25]
    assert [factor(step) for step in range(8)] == expected


def test_or_it_lies_on_the_straight_line_between_two_rows() -> None:
    factor = table(steps=(0, 2, 5), factors=(1.0, 0.5, 2.0), between="linear")
    expected = [1.0, 0.75, 0.5, 1.0, 1.5, 2.0, 2.0]
    assert [factor(step) for step in range(7)] == expected


def test_one_row_is_a_constant() -> None:
    factor = table(steps=(0,), factors=(0.3,), between="linear")
    assert [factor(step) for step in (0, 1, 10**6)] == [0.3] * 3


def test_cycles_begin_where_they_are_said_to() -> None:
    factor = table(steps=(0, 9), factors=(1.0, 0.5), cycle_starts=(0, 4, 7))
    assert factor.restarts(8) == (4, 7)
    assert factor.restarts(7) == (4,)
    assert [factor.cycle(step) for step in (3, 4, 6, 7, 100)] == [0, 1, 1, 2, 2]


def test_the_conventions_say_what_lies_between_the_rows_and_after_them() -> None:
    rows, past = table(steps=(0, 9), factors=(1.0, 0.5)).conventions
    assert rows == "rows: 2; a step without one has the value of the row before"
    assert past == "past the end: 0.5 is held"


@unhurried
@given(values=st.lists(st.floats(0.0, 1e6), min_size=1, max_size=30))
def test_a_file_of_every_step_gives_back_the_same_bits(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    lines = [f"{step},{value!r}" for step, value in enumerate(values)]
    path = written(tmp_path_factory.mktemp("table"), "\n".join(["step,factor", *lines]) + "\n")
    read = read_table(path)
    assert read == {"steps": list(range(len(values))), "factors": values, "cycle_starts": [0]}
    factor = build_schedule("table", read, len(values))
    assert [factor(step) for step in range(len(values))] == values


def test_columns_may_stand_in_any_order_and_beside_others(tmp_path: Path) -> None:
    path = written(tmp_path, "lr,cycle,factor,step\n.1,0,0.25,0\n.2,1,0.5,3\n.3,1,1e-1,4\n")
    assert read_table(path) == {
        "steps": [0, 3, 4],
        "factors": [0.25, 0.5, 0.1],
        "cycle_starts": [0, 3],
    }


def test_a_cycle_is_a_restart_where_the_factor_rises(tmp_path: Path) -> None:
    path = written(tmp_path, "step,factor,cycle\n0,0.5,0\n1,1.0,0\n2,0.75,0\n3,0.5,1\n4,0.6,2\n")
    assert read_table(path)["cycle_starts"] == [0, 4]


def test_a_schedule_written_out_with_its_cycles_comes_back_with_its_restarts(
    tmp_path: Path,
) -> None:
    before = sgdr(first_cycle_steps=3, cycle_mult=2.0, final_factor=0.1)
    rows = [f"{step},{before(step)!r},{before.cycle(step)}" for step in range(20)]
    read = read_table(written(tmp_path, "\n".join(["step,factor,cycle", *rows])))
    after = build_schedule("table", read, 20)
    assert [after(step) for step in range(20)] == [before(step) for step in range(20)]
    assert after.restarts(20) == before.restarts(20) == (3, 9)


def test_the_catalogue_reads_the_file_of_a_table() -> None:
    entry = SCHEDULES["table"]
    assert entry.read is read_table
    assert list(entry.parameters)[:2] == ["file", "between"]


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    key, relation = problem(tmp_path / "missing.csv")
    assert (key, relation.startswith("must be a CSV file (")) == ("file", True)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"step,factor\n0,\xff\xfe\n")
    assert problem(binary)[1].startswith("must be a CSV file (")
    assert problem(tmp_path)[1].startswith("must be a CSV file (")


@pytest.mark.parametrize(
    ("text", "columns"),
    [("", ""), ("step,rate\n0,1\n", "step, rate"), ("0,1.0\n1,0.5\n", "0, 1.0")],
)
def test_a_file_without_the_columns_is_refused_with_those_it_has(
    tmp_path: Path, text: str, columns: str
) -> None:
    expected = f"must have the columns step and factor, divided by commas (it has: {columns})"
    assert problem(written(tmp_path, text)) == ("file", expected)


@pytest.mark.parametrize(
    "row",
    ["one,0.5", "1.5,0.5", "1,half", "1,", ",0.5", "1"],
    ids=["text", "real", "word", "none", "no", "lone"],
)
def test_a_row_that_is_no_number_is_named_by_its_line(tmp_path: Path, row: str) -> None:
    path = written(tmp_path, f"step,factor\n0,1.0\n{row}\n2,0.1\n")
    key, relation = problem(path)
    assert key == "file"
    assert relation.startswith("must hold numbers (line 3: ")


@pytest.mark.parametrize(
    ("rows", "relation"),
    [
        ([], "must have at least one row"),
        (["1,1.0"], "must begin at step 0"),
        (["0,1.0", "0,0.5"], "must increase from row to row; row 1 does not"),
        (["0,1.0", "3,0.5", "2,0.1"], "must increase from row to row; row 2 does not"),
        (["0,1.0", "1,-0.5"], "must be finite and not negative; row 1 is not"),
        (["0,nan"], "must be finite and not negative; row 0 is not"),
        (["0,1.0", "1,inf"], "must be finite and not negative; row 1 is not"),
    ],
)
def test_rows_that_are_no_schedule_are_refused_as_a_fault_of_the_file(
    tmp_path: Path, rows: list[str], relation: str
) -> None:
    path = written(tmp_path, "\n".join(["step,factor", *rows]))
    key, found = problem(path)
    assert key == "file"
    assert found.startswith(relation)


@pytest.mark.parametrize(
    ("key", "arguments"),
    [
        ("steps", {"steps": (), "factors": ()}),
        ("steps", {"steps": (1,), "factors": (1.0,)}),
        ("steps", {"steps": (0, 0), "factors": (1.0, 1.0)}),
        ("factors", {"steps": (0, 1), "factors": (1.0,)}),
        ("factors", {"steps": (0,), "factors": (-1.0,)}),
        ("cycle_starts", {"steps": (0,), "factors": (1.0,), "cycle_starts": (1,)}),
        ("cycle_starts", {"steps": (0,), "factors": (1.0,), "cycle_starts": (0, 5, 5)}),
    ],
)
def test_rows_given_directly_are_checked_alike(key: str, arguments: dict[str, object]) -> None:
    with pytest.raises(ScheduleError) as caught:
        table(**arguments)  # type: ignore[arg-type]
    assert caught.value.problems[0].key == key


@pytest.mark.parametrize(
    ("total_steps", "notes"),
    [(4, ()), (5, ()), (6, ("the rows end at step 4: 0.5 is held for 1 steps",))],
)
def test_a_table_shorter_than_the_run_says_what_is_held(
    total_steps: int, notes: tuple[str, ...]
) -> None:
    assert table(steps=(0, 4), factors=(1.0, 0.5), total_steps=total_steps).notes == notes
