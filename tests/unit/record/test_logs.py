"""Logs: exact when written, strict when read."""

import math
import os
import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lrbench.errors import RecordError
from lrbench.record import files
from lrbench.record.layout import LAYER_COLUMNS, LOGS
from lrbench.record.logs import LogWriter, format_row, parse_log, read_log

COLUMNS = ("step", "lr", "batch_digest")
HEAD = b"step,lr,batch_digest\n"
unhurried = settings(deadline=None)  # a busy machine is no failure


def bits(value):
    return struct.pack("<d", value)


@unhurried
@given(st.floats())
@example(-0.0)
@example(5e-324)
@example(1.7976931348623157e308)
@example(-math.inf)
@example(0.1)
@example(1e16)
@example(1e22)
@example(123456789012345.6)
@example(9007199254740993.0)
def test_every_float_comes_back_with_the_same_bits(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    line = format_row([7, value, "0af3"]).encode()
    (row,) = parse_log(HEAD + line, COLUMNS, path).rows
    assert row[0] == 7
    assert row[2] == "0af3"
    if math.isnan(value):
        assert math.isnan(row[1])  # a NaN is a NaN: its payload says nothing
    else:
        assert bits(row[1]) == bits(value)


@unhurried
@given(st.integers(0, 2**53))
def test_every_count_comes_back(value):
    (row,) = parse_log(HEAD + format_row([value, None, None]).encode(), COLUMNS, None).rows
    assert row == [value, None, None]


@unhurried
@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
@example("a,b")
@example("block 1\n")
@example("50%")
@example("e+3")
@example("1e+400")
@example("%41")
@example("é/ä~+:")
@example("\x00")
def test_every_layer_name_comes_back_and_stays_in_its_field(name):
    head = (",".join(LAYER_COLUMNS) + "\n").encode()
    line = format_row([3, name, *[0.5] * (len(LAYER_COLUMNS) - 2)]).encode("ascii")
    assert line.count(b"\n") == 1
    (row,) = parse_log(head + line, LAYER_COLUMNS, None).rows
    assert row == [3.0, name, *[0.5] * (len(LAYER_COLUMNS) - 2)]


def test_plain_names_are_written_as_they_are():
    assert format_row([1, "blocks.0.conv_1", None, -0.0]) == "1,blocks.0.conv_1,,-0.0\n"


def test_a_written_log_reads_back_and_its_closing_tells_its_size(tmp_path):
    path = tmp_path / "steps.csv"
    log = LogWriter(path, COLUMNS)
    log.write([(0, 0.1, "aa"), (1, math.nan, "bb")])
    log.write([])
    log.write([(2, -math.inf, None)])
    told = log.state()
    data = path.read_bytes()
    assert told["rows"] == 3
    assert told["bytes"] == len(data)
    assert data == HEAD + b"0,0.1,aa\n1,nan,bb\n2,-inf,\n"
    found = read_log(path, COLUMNS)
    assert found.column("step") == [0, 1, 2]
    assert found.column("batch_digest") == ["aa", "bb", None]


def test_a_log_is_written_whole_however_little_a_write_takes(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data[:3])))
    log = LogWriter(tmp_path / "steps.csv", COLUMNS)
    log.write([(0, 0.1, "aa")])
    assert log.state()["bytes"] == len(HEAD) + len(b"0,0.1,aa\n")
    assert (tmp_path / "steps.csv").read_bytes() == HEAD + b"0,0.1,aa\n"


def test_a_write_that_takes_nothing_is_a_full_disk(tmp_path, monkeypatch):
    log = LogWriter(tmp_path / "steps.csv", COLUMNS)
    monkeypatch.setattr(os, "write", lambda fd, data: 0)
    with pytest.raises(OSError, match="No space left"):
        log.write([(0, 0.1, "aa")])
    monkeypatch.undo()
    log.file.close()


WHOLE = HEAD + b"0,0.1,aa\n1,0.2,bb\n"
DAMAGE = {
    "empty file": (b"", "begin"),
    "only a newline": (b"\n", "begin"),
    "no header": (b"0,0.1,aa\n", "begin"),
    "header of another log": (b"step,lr\n0,0.1\n", "begin"),
    "columns in another order": (b"lr,step,batch_digest\n", "begin"),
    "half a header": (b"step,lr,batch_di", "begin"),
    "header without its newline": (HEAD[:-1], "whole line"),
    "half a line": (WHOLE[:-6], "whole line"),
    "no final newline": (WHOLE[:-1], "whole line"),
    "cut within a number, at a newline": (HEAD + b"0,0.1,aa\n1,0.\n", "line 3"),
    "number without its end": (HEAD + b"0,0.1,aa\n1,0.,bb\n", "line 3"),
    "extra field": (HEAD + b"0,0.1,aa\n1,0.2,bb,0.3\n", "line 3"),
    "missing field": (HEAD + b"0,0.1\n", "line 2"),
    "empty line": (HEAD + b"0,0.1,aa\n\n1,0.2,bb\n", "line 3"),
    "CRLF everywhere": (WHOLE.replace(b"\n", b"\r\n"), "begin"),
    "CRLF in one line": (WHOLE.replace(b"bb\n", b"bb\r\n"), "line 3"),
    "BOM": (b"\xef\xbb\xbf" + WHOLE, "ASCII"),
    "NUL in a number": (WHOLE.replace(b"0.2", b"0.2\x00"), "line 3"),
    "NUL in a text": (WHOLE.replace(b"bb", b"b\x00"), "line 3"),
    "a hole of zeros": (WHOLE[:-9] + b"\x00" * 8 + b"\n", "line 3"),
    "Arabic digits": (WHOLE.replace(b"0.2", "٠.٢".encode()), "ASCII"),
    "underscore": (WHOLE.replace(b"0.2", b"1_000.0"), "line 3"),
    "too large": (WHOLE.replace(b"0.2", b"1e400"), "line 3"),
    "too large with a sign": (WHOLE.replace(b"0.2", b"1e+400"), "line 3"),
    "just too large": (WHOLE.replace(b"0.2", b"9e+308"), "line 3"),
    "a count of 400 digits": (WHOLE.replace(b"0.2", b"1" * 400), "line 3"),
    "plus sign": (WHOLE.replace(b"0.2", b"+0.2"), "line 3"),
    "leading zero": (WHOLE.replace(b"0.2", b"00.2"), "line 3"),
    "no leading zero": (WHOLE.replace(b"0.2", b".2"), "line 3"),
    "space before": (WHOLE.replace(b"0.2", b" 0.2"), "line 3"),
    "space after": (WHOLE.replace(b"0.2", b"0.2 "), "line 3"),
    "tab": (WHOLE.replace(b"0.2", b"\t0.2"), "line 3"),
    "hexadecimal": (WHOLE.replace(b"0.2", b"0x1p-3"), "line 3"),
    "Infinity": (WHOLE.replace(b"0.2", b"Infinity"), "line 3"),
    "NaN in capitals": (WHOLE.replace(b"0.2", b"NaN"), "line 3"),
    "-nan": (WHOLE.replace(b"0.2", b"-nan"), "line 3"),
    "a word": (WHOLE.replace(b"0.2", b"None"), "line 3"),
    "quotes": (WHOLE.replace(b"0.2", b'"0.2"'), "line 3"),
    "a formula": (WHOLE.replace(b"bb", b"=1+1"), "line 3"),
    "exponent in capitals": (WHOLE.replace(b"0.2", b"2E-05"), "line 3"),
    "half an escape": (WHOLE.replace(b"bb", b"b%4"), "line 3"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_strict_reader_names_the_file_and_the_line(damage, tmp_path):
    data, where = DAMAGE[damage]
    assert data != WHOLE
    path = tmp_path / "steps.csv"
    path.write_bytes(data)
    with pytest.raises(RecordError) as caught:
        read_log(path, COLUMNS)
    assert str(path) in str(caught.value)
    assert where in str(caught.value)


def test_the_undamaged_log_is_read():
    assert parse_log(WHOLE, COLUMNS, None).rows == [[0, 0.1, "aa"], [1, 0.2, "bb"]]
    assert parse_log(HEAD, COLUMNS, None).rows == []


@pytest.mark.parametrize("name", LOGS)
def test_the_logs_of_a_real_record_are_rows_of_numbers(golden_record, name):
    log = read_log(golden_record / name, LOGS[name])
    assert log.columns == LOGS[name]
    assert log.rows
    text = (golden_record / name).read_text(encoding="ascii")
    counts = {
        *("step", "cycle", "planned_length", "length", "counter_before", "counter_after"),
        *("window", "steps_to_peak", "recovery_steps", "recovery_censored_at"),
        *("gradient_peak_at", "second_moment_peak_at"),
    }
    for line, row in zip(text.splitlines()[1:], log.rows, strict=True):
        for column, cell, value in zip(log.columns, line.split(","), row, strict=True):
            is_count = column in counts and value is not None
            wanted = _shown(int(value)) if is_count else _shown(value)
            assert cell == wanted


def _shown(value):
    return "" if value is None else value if isinstance(value, str) else repr(value)


def test_a_log_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_bytes(WHOLE)
    with pytest.raises(RecordError, match="must not exceed 10 bytes"):
        files.read_file(path, 10)
