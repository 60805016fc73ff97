"""Of all that differs between two records, what broke first is found, and exactly it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrbench.errors import RecordError
from lrbench.record import layout
from lrbench.record.comparison import parting
from lrbench.record.comparison.difference import (
    Difference,
    first_difference,
    first_difference_in_logs,
)
from lrbench.record.reader import Record, Status

CHAIN = [
    ("batch_digest", "batch"),
    ("epoch", "batch"),
    ("lr", "schedule"),
    ("momentum", "schedule"),
    ("weight_decay", "schedule"),
    ("train_loss", "loss"),
    ("grad_norm", "gradient"),
    ("momentum_norm", "update"),
    ("second_moment_mean", "update"),
    ("update_norm", "update"),
    ("weight_norm", "weights"),
]
"""The columns of an update in the order in which it makes them, and what each shows."""

LAYERS = ("zeta", "alpha")
UPDATES = 12

Rows = dict[str, list[list[str]]]
Change = Callable[[dict[str, Any], dict[str, Any], Rows], None]


def logs() -> Rows:
    """Twelve updates, layers at every fourth, evaluations at every fifth, two restarts.

    And a look at the curvature at every sixth.
    """
    steps = range(UPDATES)
    rows = {
        "steps.csv": [[str(t), *(f"{i}.{t}5" for i in range(1, 11)), f"{t:016x}"] for t in steps],
        "layers.csv": [[str(t), layer] for t in steps[::4] for layer in LAYERS],
        "evals.csv": [[str(t), f"{t}.5", f"1.{t}", "0.5"] for t in (0, 5, 10, 12)],
        "restarts.csv": [[str(t)] for t in (3, 9)],
        "restart_layers.csv": [[str(t), layer] for t in (3, 9) for layer in LAYERS],
        "curvature.csv": [[str(t)] for t in (0, 6, 12)],
    }
    for name, columns in layout.ALL_LOGS.items():
        for row in rows[name]:
            row += [f"{i}.{row[0]}" for i in range(len(columns) - len(row))]
    return rows


def manifest() -> dict[str, Any]:
    return {
        "data": {"digest": "d" * 64, "split_digest": "5" * 64},
        "init": {"digest": "1" * 64, "tensors": {"zeta.weight": "a", "alpha.weight": "b"}},
        "schedule": {"digest": "c" * 64},
    }


def result() -> dict[str, Any]:
    return {
        "batch_chain": "b" * 64,
        "weights_digest": "e" * 64,
        "weights": {"zeta.weight": "a", "alpha.weight": "b"},
    }


def write(path: Path, rows: Rows, columns: Mapping[str, Sequence[str]] = layout.ALL_LOGS) -> None:
    path.mkdir(exist_ok=True)
    for name, header in columns.items():
        lines = [",".join(header), *map(",".join, rows[name])]
        (path / name).write_text("\n".join(lines) + "\n")


def make(path: Path, change: Change | None = None, status: Status = Status.COMPLETE) -> Record:
    """A record, changed before it is written."""
    facts, closing, rows = manifest(), result(), logs()
    if change:
        change(facts, closing, rows)
    write(path, rows)
    (path / layout.MANIFEST).write_text(json.dumps(facts))
    return Record(path, status, {}, closing)


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., Difference | None]:
    def call(
        change: Change, rows: int | None = None, status: Status = Status.COMPLETE
    ) -> Difference | None:
        recorded, other = make(tmp_path / "one"), make(tmp_path / "two", change, status)
        return first_difference(recorded, other, rows=rows)

    return call


def place_of(log: str, column: str) -> int:
    return layout.ALL_LOGS[log].index(column)


def spoil(*places: tuple[str, int, str], to: str = "99.5") -> Change:
    """Another value at (log, row, column)."""

    def change(facts: dict[str, Any], closing: dict[str, Any], rows: Rows) -> None:
        for log, row, column in places:
            rows[log][row][place_of(log, column)] = to

    return change


def both(*changes: Change) -> Change:
    def change(facts: dict[str, Any], closing: dict[str, Any], rows: Rows) -> None:
        for one in changes:
            one(facts, closing, rows)

    return change


def digest(*names: str) -> Change:
    """Other digests, and other last tensors where there are any."""
    places = {
        "data": ("digest", lambda facts, closing: facts["data"]),
        "split": ("split_digest", lambda facts, closing: facts["data"]),
        "init": ("digest", lambda facts, closing: facts["init"]),
        "schedule": ("digest", lambda facts, closing: facts["schedule"]),
        "batch": ("batch_chain", lambda facts, closing: closing),
        "weights": ("weights_digest", lambda facts, closing: closing),
    }

    def change(facts: dict[str, Any], closing: dict[str, Any], rows: Rows) -> None:
        for name in names:
            key, group = places[name]
            group(facts, closing)[key] = "f" * 64

    return change


def test_the_same_records_do_not_differ(compare: Callable[..., Difference | None]) -> None:
    assert compare(lambda facts, closing, rows: None) is None


@pytest.mark.parametrize(("column", "what"), CHAIN)
def test_one_changed_column_of_one_update_is_named_with_both_values(
    compare: Callable[..., Difference | None], column: str, what: str
) -> None:
    found = compare(spoil(("steps.csv", 7, column)))
    recorded = logs()["steps.csv"][7][place_of("steps.csv", column)]
    assert found == Difference(what, "steps.csv", 7, column, recorded, "99.5")


@pytest.mark.parametrize("place", range(len(CHAIN)))
def test_of_one_update_the_first_link_of_the_chain_is_named(
    compare: Callable[..., Difference | None], place: int
) -> None:
    found = compare(spoil(*(("steps.csv", 7, column) for column, _ in CHAIN[place:])))
    assert found is not None
    assert (found.column, found.what) == CHAIN[place]


def test_an_earlier_update_goes_before_an_earlier_column(
    compare: Callable[..., Difference | None],
) -> None:
    found = compare(spoil(("steps.csv", 7, "batch_digest"), ("steps.csv", 6, "weight_norm")))
    assert found is not None
    assert (found.step, found.column) == (6, "weight_norm")


@pytest.mark.parametrize(
    ("what", "file"),
    [
        ("data", "manifest.json"),
        ("split", "manifest.json"),
        ("init", "manifest.json"),
        ("schedule", "manifest.json"),
        ("batch", "result.json"),
        ("weights", "result.json"),
    ],
)
def test_a_digest_alone_is_a_difference(
    compare: Callable[..., Difference | None], what: str, file: str
) -> None:
    found = compare(digest(what))
    assert found is not None
    assert (found.what, found.file, found.step, found.column) == (what, file, None, None)
    assert found.recorded != found.other == "f" * 64


@pytest.mark.parametrize("place", range(4))
def test_what_is_there_before_the_first_update_is_looked_at_in_its_order(
    compare: Callable[..., Difference | None], place: int
) -> None:
    inputs = ["data", "split", "init", "schedule"]
    found = compare(
        both(digest(*inputs[place:], "batch", "weights"), spoil(("steps.csv", 0, "batch_digest")))
    )
    assert found is not None
    assert found.what == inputs[place]


def test_the_logs_are_looked_at_before_the_trained_weights(
    compare: Callable[..., Difference | None],
) -> None:
    found = compare(both(digest("batch", "weights"), spoil(("evals.csv", 3, "val_loss"))))
    assert found is not None
    assert found.what == "evals"
    ended = compare(digest("batch", "weights"))
    assert ended is not None
    assert ended.what == "batch"


def test_another_schedule_is_shown_at_the_first_update_with_another_rate(
    compare: Callable[..., Difference | None],
) -> None:
    found = compare(
        both(digest("schedule"), spoil(("steps.csv", 2, "train_loss"), ("steps.csv", 5, "lr")))
    )
    assert found == Difference("schedule", "steps.csv", 5, "lr", "2.55", "99.5")


@pytest.mark.parametrize(("what", "group"), [("init", 0), ("weights", 1)])
def test_the_first_tensor_is_the_first_of_the_model_and_not_of_the_alphabet(
    compare: Callable[..., Difference | None], what: str, group: int
) -> None:
    def tensors(*names: str) -> Change:
        def change(facts: dict[str, Any], closing: dict[str, Any], rows: Rows) -> None:
            held = (facts["init"].get("tensors"), closing["weights"])[group]
            held |= dict.fromkeys(names, "other")

        return both(digest(what), change)

    first = compare(tensors("alpha.weight", "zeta.weight"))
    assert first is not None
    assert first.tensor == "zeta.weight"
    second = compare(tensors("alpha.weight"))
    assert second is not None
    assert second.tensor == "alpha.weight"
    new = compare(tensors("beta.weight"))
    assert new is not None
    assert new.tensor == "beta.weight"


@pytest.mark.parametrize("absent", ["weights", "batch"])
def test_a_digest_that_one_has_not_is_not_compared(
    compare: Callable[..., Difference | None], absent: str
) -> None:
    key = {"weights": "weights_digest", "batch": "batch_chain"}[absent]
    assert compare(lambda facts, closing, rows: closing.pop(key)) is None
    assert compare(lambda facts, closing, rows: closing.update({key: None})) is None
    assert compare(lambda facts, closing, rows: facts.update(data=[3], init=None)) is None


@pytest.mark.parametrize(
    ("column", "layer"), [("grad_norm", "alpha"), ("weight_norm", "alpha"), ("train_loss", None)]
)
def test_from_the_gradient_on_the_first_layer_is_named_where_layers_are_logged(
    compare: Callable[..., Difference | None], column: str, layer: str | None
) -> None:
    apart = ("layers.csv", 3, "grad_norm")  # Step 4, the second layer.
    found = compare(spoil(("steps.csv", 4, column), apart))
    assert found is not None
    assert (found.column, found.step, found.tensor) == (column, 4, layer)
    earlier = compare(spoil(("steps.csv", 3, column), apart))
    assert earlier is not None
    assert (earlier.step, earlier.tensor) == (3, None)


@pytest.mark.parametrize(
    ("log", "row", "column", "step", "tensor"),
    [
        ("evals.csv", 0, "val_loss", 0, None),
        ("evals.csv", 2, "val_accuracy", 10, None),
        ("layers.csv", 2, "momentum_norm", 4, "zeta"),
        ("restarts.csv", 1, "lr_after", 9, None),
    ],
)
def test_each_other_log_is_looked_at(
    compare: Callable[..., Difference | None],
    log: str,
    row: int,
    column: str,
    step: int,
    tensor: str | None,
) -> None:
    found = compare(spoil((log, row, column)))
    recorded = logs()[log][row][place_of(log, column)]
    what = log.removesuffix(".csv")
    assert found == Difference(what, log, step, column, recorded, "99.5", tensor)


def test_of_one_layer_the_gradient_goes_before_the_weights(
    compare: Callable[..., Difference | None],
) -> None:
    columns = ("weight_norm", "update_norm", "momentum_norm", "grad_norm")
    places = [("layers.csv", 2, column) for column in columns]
    for last in range(1, 5):
        found = compare(spoil(*places[:last]))
        assert found is not None
        assert found.column == columns[last - 1]


@pytest.mark.parametrize(
    ("places", "first"),
    [
        # The evaluation after 5 updates has seen update 4 and not update 5.
        ([("steps.csv", 4, "weight_norm"), ("evals.csv", 1, "val_loss")], "steps.csv"),
        ([("steps.csv", 5, "batch_digest"), ("evals.csv", 1, "val_loss")], "evals.csv"),
        ([("steps.csv", 0, "weight_norm"), ("evals.csv", 0, "val_loss")], "steps.csv"),
        ([("steps.csv", 1, "batch_digest"), ("evals.csv", 0, "val_loss")], "evals.csv"),
        ([("steps.csv", 4, "weight_norm"), ("layers.csv", 2, "grad_norm")], "steps.csv"),
        ([("steps.csv", 5, "batch_digest"), ("layers.csv", 2, "grad_norm")], "layers.csv"),
        ([("evals.csv", 1, "val_loss"), ("layers.csv", 2, "grad_norm")], "evals.csv"),
        ([("evals.csv", 2, "val_loss"), ("layers.csv", 4, "grad_norm")], "layers.csv"),
        ([("restarts.csv", 1, "cycle"), ("layers.csv", 5, "grad_norm")], "layers.csv"),
        ([("restarts.csv", 1, "cycle"), ("evals.csv", 2, "val_loss")], "evals.csv"),
        ([("restarts.csv", 0, "cycle"), ("evals.csv", 1, "val_loss")], "restarts.csv"),
        ([("restarts.csv", 0, "cycle"), ("steps.csv", 3, "weight_norm")], "steps.csv"),
        # What came of a restart is known when its cycle is over, and tells no cause.
        ([("restarts.csv", 0, "gain"), ("steps.csv", 11, "weight_norm")], "steps.csv"),
        ([("restarts.csv", 0, "length"), ("steps.csv", 11, "weight_norm")], "steps.csv"),
        ([("restarts.csv", 0, "counter_after"), ("steps.csv", 4, "weight_norm")], "restarts.csv"),
        ([("restart_layers.csv", 0, "distance"), ("evals.csv", 3, "val_loss")], "evals.csv"),
        ([("restart_layers.csv", 0, "size"), ("steps.csv", 4, "lr")], "restart_layers.csv"),
        ([("curvature.csv", 1, "lambda_max"), ("steps.csv", 7, "lr")], "curvature.csv"),
    ],
)
def test_the_log_that_shows_it_first_is_named(
    compare: Callable[..., Difference | None], places: list[tuple[str, int, str]], first: str
) -> None:
    found = compare(spoil(*places))
    assert found is not None
    assert found.file == first


@pytest.mark.parametrize(("a", "b"), [("0.0", "-0.0"), ("nan", "-nan"), ("1.0", "1.00"), ("", "0")])
def test_fields_are_compared_as_text(tmp_path: Path, a: str, b: str) -> None:
    place = ("steps.csv", 6, "train_loss")
    one, two = (
        make(tmp_path / "one", spoil(place, to=a)),
        make(tmp_path / "two", spoil(place, to=b)),
    )
    found = first_difference(one, two)
    assert found == Difference("loss", "steps.csv", 6, "train_loss", a, b)
    assert first_difference(one, deepcopy(one)) is None


@pytest.mark.parametrize(
    ("log", "keep", "step"),
    [("steps.csv", 8, 8), ("steps.csv", 0, 0), ("evals.csv", 3, 12), ("layers.csv", 3, 4)],
)
def test_the_first_missing_row_is_the_difference(
    tmp_path: Path, log: str, keep: int, step: int
) -> None:
    def cut(facts: dict[str, Any], closing: dict[str, Any], rows: Rows) -> None:
        del rows[log][keep:]

    one, two = make(tmp_path / "one"), make(tmp_path / "two", cut, Status.INTERRUPTED)
    what = log.removesuffix(".csv")
    assert first_difference(one, two) == Difference(what, log, step, "step", str(step), None)
    found = first_difference(two, one)
    assert found == Difference(what, log, step, "step", None, str(step))
    assert found.told("A", "B") == f"{log} has no row of step {step} in A"


def test_a_row_of_another_step_is_one_missing_row(
    compare: Callable[..., Difference | None],
) -> None:
    found = compare(lambda facts, closing, rows: rows["evals.csv"].insert(1, ["3", "", "", ""]))
    assert found == Difference("evals", "evals.csv", 3, "step", None, "3")


def test_a_log_or_a_manifest_that_is_not_there_yet_has_no_rows(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "two", status=Status.INTERRUPTED)
    for name in (*layout.ALL_LOGS, layout.MANIFEST):
        (two.path / name).unlink()
    assert first_difference(one, two) == Difference("steps", "steps.csv", 0, "step", "0", None)
    assert first_difference(two, two) is None
    with pytest.raises(RecordError, match=r"manifest\.json must exist in a record"):
        first_difference(one, Record(two.path, Status.COMPLETE))


@pytest.mark.parametrize("lost", [1, 3, 40])
def test_half_a_line_at_the_end_is_no_row(tmp_path: Path, lost: int) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    data = (two.path / "steps.csv").read_bytes()
    (two.path / "steps.csv").write_bytes(data[:-lost])
    assert first_difference(one, two) == Difference("steps", "steps.csv", 11, "step", "11", None)


@pytest.mark.parametrize(
    ("place", "rows", "is_seen"),
    [
        (("steps.csv", 4, "lr"), 5, True),
        (("steps.csv", 5, "lr"), 5, False),
        (("steps.csv", 0, "lr"), 0, False),
        (("layers.csv", 2, "grad_norm"), 5, True),
        (("layers.csv", 2, "grad_norm"), 4, False),
        (("evals.csv", 1, "val_loss"), 5, True),
        (("evals.csv", 1, "val_loss"), 4, False),
        (("restarts.csv", 0, "cycle"), 4, True),
        (("restarts.csv", 0, "cycle"), 3, False),
    ],
)
def test_a_prefix_is_so_many_updates(
    compare: Callable[..., Difference | None],
    place: tuple[str, int, str],
    rows: int,
    is_seen: bool,
) -> None:
    assert (compare(spoil(place), rows=rows) is not None) is is_seen


def test_a_run_of_fewer_updates_is_a_prefix_of_a_longer_one(tmp_path: Path) -> None:
    def shorter(facts: dict[str, Any], closing: dict[str, Any], rows: Rows) -> None:
        for log, found in rows.items():
            found[:] = [row for row in found if int(row[0]) < 7 + (log == "evals.csv")]
        rows["evals.csv"].append(["7", "7.5", "1.7", "0.5"])
        closing["weights_digest"] = closing["batch_chain"] = "f" * 64

    one, two = make(tmp_path / "one"), make(tmp_path / "two", shorter)
    assert first_difference(one, two, rows=7) is None
    found = first_difference(one, two, rows=8)
    assert found is not None
    assert (found.file, found.step) == ("evals.csv", 7)
    assert first_difference(one, two) == found


def test_the_columns_that_an_earlier_lrbench_had_not_are_a_difference_if_there_is_no_other(
    tmp_path: Path,
) -> None:
    (earlier,) = layout.EARLIER["steps.csv"]
    place = place_of("steps.csv", "weight_decay")

    def old(name: str, change: Change | None = None) -> Record:
        record, rows = make(tmp_path / name, change), logs()
        if change:
            change({}, {}, rows)
        rows["steps.csv"] = [row[:place] + row[place + 1 :] for row in rows["steps.csv"]]
        write(record.path, rows, layout.ALL_LOGS | {"steps.csv": earlier})
        return record

    new, same = make(tmp_path / "new"), old("same")
    found = first_difference(new, same)
    assert found == Difference("columns", "steps.csv", None, "weight_decay", "weight_decay", None)
    assert found.told() == "steps.csv has no column weight_decay in the second"
    swapped = first_difference(same, new)
    assert swapped is not None
    assert (swapped.recorded, swapped.other) == (None, "weight_decay")
    apart = old("apart", spoil(("steps.csv", 9, "update_norm")))
    assert first_difference(new, apart) == Difference(
        "update", "steps.csv", 9, "update_norm", "7.95", "99.5"
    )


@pytest.mark.parametrize(
    ("line", "relation"),
    [
        ("4,1.45\n", "steps.csv line 6 must have 12 fields, got 2"),
        ("\n", "steps.csv line 6 must not be empty"),
        ("x" + "," * 11 + "\n", "steps.csv line 6 must begin with a step, got 'x'"),
        ("-4" + "," * 11 + "\n", "steps.csv line 6 must begin with a step, got '-4'"),
        ("٤" + "," * 11 + "\n", "steps.csv line 6 must begin with a step"),
        ("9" * 2**20, "steps.csv line 6 must not exceed 1048576 bytes"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, relation: str) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    path = two.path / "steps.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:5], line, *lines[6:]]))
    with pytest.raises(RecordError) as raised:
        first_difference(one, two)
    assert relation in str(raised.value)


def test_a_log_without_steps_is_refused(tmp_path: Path) -> None:
    one, two = make(tmp_path / "one"), make(tmp_path / "two")
    (two.path / "layers.csv").write_text("mine\n")
    with pytest.raises(
        RecordError, match=r"layers\.csv must begin with the column step, got 'mine'"
    ):
        first_difference_in_logs(one, two)


@given(data=st.data(), block=st.sampled_from([1, 2, 7, 60, 1000, 2**20]))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_one_changed_field_anywhere_is_found_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject, block: int
) -> None:
    log = data.draw(st.sampled_from(list(layout.ALL_LOGS)))
    row = data.draw(st.integers(0, len(logs()[log]) - 1))
    column = data.draw(st.sampled_from(layout.ALL_LOGS[log][1:]))
    recorded = logs()[log][row][place_of(log, column)]
    value = data.draw(
        st.text("0123456789.e-naif", min_size=0, max_size=24).filter(lambda t: t != recorded)
    )
    one = make(tmp_path / "one")
    two = make(tmp_path / "two", spoil((log, row, column), to=value))
    monkeypatch.setattr(parting, "BLOCK", block)
    found = first_difference(one, two)
    assert found is not None
    assert (found.file, found.column) == (log, column)
    assert found.step == int(logs()[log][row][0])
    assert (found.recorded, found.other) == (recorded, value)
