from __future__ import annotations

from lrbench.report.numbers import format_for, significant
from lrbench.stats.aggregate import Estimate


def estimate(mean, half_width=None):
    if half_width is None:
        return Estimate(1, mean)
    return Estimate(5, mean, low=mean - half_width, high=mean + half_width)


def test_the_narrowest_interval_gets_two_digits_and_all_rows_the_same_decimals():
    show = format_for([estimate(0.123456, 0.0034), estimate(0.9, 0.05)])
    assert [show(0.123456), show(0.9)] == ["0.1235", "0.9000"]


def test_digits_end_where_the_mean_has_four():
    assert format_for([estimate(0.123456, 1e-9)])(0.123456) == "0.1235"


def test_without_intervals_the_smallest_mean_has_four_digits():
    assert format_for([estimate(0.0123456), estimate(2.0)])(2.0) == "2.00000"


def test_numbers_far_from_one_have_an_exponent():
    assert format_for([estimate(1.5e-9, 1e-10)])(1.5e-9) == "1.500e-09"
    assert format_for([estimate(2.5e8, 1e7)])(2.5e8) == "2.500e+08"


def test_what_is_absent_is_not_a_zero():
    assert format_for([])(None) == significant(None) == "-"
    assert format_for([Estimate(0), estimate(0.0)])(0.0) == "0.000"


def test_a_spread_has_three_digits_zeros_included():
    assert [significant(value) for value in (0.044, 123.4, 12.0)] == ["0.0440", "123", "12.0"]
