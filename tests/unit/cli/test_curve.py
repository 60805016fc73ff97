"""Curves of characters: they show every value where it belongs."""

from __future__ import annotations

import math

import pytest

from lrbench.cli.curve import ASCII, chart, sparkline

WIDTH, HEIGHT = 60, 13


def drawing(lines: list[str]) -> list[str]:
    """What is right of the value axis, without the two lines of the step axis."""
    left = lines[0].index("┤" if "┤" in lines[0] else "|") + 1
    return [line[left:].ljust(WIDTH) for line in lines[:-2]]


def column_of(drawn: list[str], row: int) -> int:
    """The first column with anything in a row."""
    return next(i for i, character in enumerate(drawn[row]) if character != " ")


def ascii_chart(*curves: list[float]) -> list[str]:
    return chart(curves, width=WIDTH, height=HEIGHT, glyphs=ASCII)


def test_a_falling_line_goes_from_the_upper_left_to_the_lower_right() -> None:
    drawn = drawing(ascii_chart([1 - step / 99 for step in range(100)]))
    firsts = [column_of(drawn, row) for row in range(HEIGHT)]
    assert firsts == sorted(firsts)
    assert firsts[0] == 0
    assert drawn[-1].rstrip().endswith("o")
    assert len(drawn[-1].rstrip()) == max(len(row.rstrip()) for row in drawn)


def test_the_value_axis_begins_at_zero_and_ends_at_the_peak() -> None:
    lines = ascii_chart([0.1, 0.2, 0.2, 0.1])
    assert [lines[row].split()[0] for row in (0, HEIGHT // 2, HEIGHT - 1)] == ["0.2", "0.1", "0"]
    drawn = drawing(lines)
    assert drawn[0].strip()
    assert drawn[HEIGHT // 2].strip()
    assert not drawn[-1].strip()


def test_half_the_values_of_a_second_curve_lie_half_as_high() -> None:
    drawn = drawing(ascii_chart([1.0] * 50, [0.5] * 50))
    assert set(drawn[0].strip()) == {"o"}
    assert set(drawn[HEIGHT // 2].strip()) == {"x"}


def test_curves_at_one_place_take_turns() -> None:
    assert drawing(ascii_chart([1.0] * 50, [1.0] * 50))[0].startswith("oxoxox")


@pytest.mark.parametrize("peak", [0, 1, 4_999, 9_999])
def test_a_peak_of_one_step_is_never_lost(peak: int) -> None:
    values = [0.1] * 10_000
    values[peak] = 1.0
    drawn = drawing(ascii_chart(values))
    columns = max(len(row.rstrip()) for row in drawn)
    assert abs(column_of(drawn, 0) - peak * columns // 10_000) <= 1


def test_each_of_a_few_steps_is_a_stair_of_its_own() -> None:
    drawn = drawing(ascii_chart([1.0, 0.0, 1.0, 0.0]))
    quarter = len(drawn[-1].rstrip()) // 4
    assert drawn[0][: quarter - 1].strip("o") == ""
    assert drawn[0][quarter + 2 : 2 * quarter - 1].strip() == ""
    assert drawn[-1][quarter + 2 : 2 * quarter - 1].strip("o") == ""


def test_ticks_stand_where_their_steps_are() -> None:
    values = [0.0] * 1000
    values[500] = 1.0
    lines = ascii_chart(values)
    left = lines[0].index("|") + 1
    at = lines[-1].index("500") - left
    assert lines[-2][left + at] == "+"
    assert column_of(drawing(lines), 0) == at


def test_one_curve_is_drawn_in_dots_at_twice_the_width_and_four_times_the_height() -> None:
    ramp = drawing(chart([[0.0, 1.0]], width=WIDTH, height=HEIGHT))
    assert "⣀" in ramp[-1]
    assert "⠉" in ramp[0]
    assert column_of(ramp, 0) > column_of(ramp, HEIGHT - 1)


@pytest.mark.parametrize("width", [20, 40, 80])
@pytest.mark.parametrize("total", [1, 2, 7, 80, 81, 12_345])
def test_no_line_is_wider_than_asked_for(width: int, total: int) -> None:
    values = [math.sin(step) ** 2 * 0.0123456 for step in range(total)]
    for curves in ([values], [values, values[::-1]]):
        lines = chart(curves, width=width, height=HEIGHT)
        assert len(lines) == HEIGHT + 2
        assert max(map(len, lines)) <= width


def test_a_shorter_curve_ends_earlier() -> None:
    drawn = drawing(ascii_chart([0.0] * 100, [1.0] * 50))
    assert len(drawn[0].rstrip()) == pytest.approx(len(drawn[-1].rstrip()) / 2, abs=1)


def test_a_curve_of_zeros_lies_on_the_axis() -> None:
    drawn = drawing(ascii_chart([0.0] * 10))
    assert drawn[-1].strip("o ") == ""
    assert not "".join(drawn[:-1]).strip()


def test_a_sparkline_shows_the_mean_of_each_part_on_a_scale_from_zero() -> None:
    assert sparkline([1.0, 1.0, 0.5, 0.5, 0.0, 0.0], 3) == "█▅▁"
    assert sparkline([0.5, 0.5], 2) == "██"
    assert sparkline([0.0, 1.0], 4) == "▁▁██"
    assert sparkline([1.0 - step / 700 for step in range(701)], 8) == "█▇▆▅▄▃▂▁"


def test_a_sparkline_of_nothing_or_of_zeros() -> None:
    assert sparkline([], 5) == ""
    assert sparkline([0.0, 0.0], 3) == "▁▁▁"
    assert sparkline([1.0], 0) == ""
