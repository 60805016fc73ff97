"""Reference of the schedules with warm restarts."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from lrbench.checks.reference.cycles import edges
from lrbench.checks.reference.exact import Exact, Formula, Given
from lrbench.checks.reference.numbers import Number, between, half_cosine, power
from lrbench.checks.reference.ramps import ramp
from lrbench.checks.reference.shapes import cooled

ONE = Fraction(1)


def sgdr(given: Given) -> Exact:
    """A fall from ``p_i`` in every cycle, behind a rise where one is asked for."""
    cycles = edges(given, cycle_mult=2.0)
    final, warmup = given.number("final_factor", 0.0), given.length("cycle_warmup", 0)
    form = given.word("cycle_warmup_form", "first")
    decay = given.number("peak_decay", 1.0)
    is_height = given.word("peak_decay_form", "amplitude") == "amplitude"

    def factor(step: int) -> Number:
        place = cycles.place(step)
        if place is None:
            return final
        left = power(decay, place.cycle)
        peak = between(ONE, final, left) if is_height else left if left - final > 0 else final
        if place.position < warmup:
            return between(peak, final, ramp(place.position, warmup, form))
        return cooled(given, peak, final, place.position - warmup, place.length - warmup, "cosine")

    return Exact(factor, cycles.restarts(given.steps))


def snapshot(given: Given) -> Exact:
    """Equal cosine cycles of ``ceil(total_steps / num_cycles)`` updates."""
    count, final = given.length("num_cycles", 5), given.number("final_factor", 0.0)
    length = -(-given.steps // count)

    def factor(step: int) -> Number:
        if step >= count * length:
            return final
        return between(ONE, final, half_cosine(Fraction(step % length, length)))

    return Exact(factor, tuple(range(length, given.steps, length)))


def trapezoidal_restarts(given: Given) -> Exact:
    """A straight rise, a level peak and a fall in every cycle."""
    cycles = edges(given, cycle_mult=1.0)
    final, decay = given.number("final_factor", 0.0), given.number("peak_decay", 1.0)
    up, down = given.decimal("warmup_fraction", 0.1), given.decimal("decay_fraction", 0.3)

    def factor(step: int) -> Number:
        place = cycles.place(step)
        if place is None:
            return final
        peak = between(ONE, final, power(decay, place.cycle))
        rise, decline = floor(up * place.length), floor(down * place.length)
        if place.position < rise:
            return between(peak, final, Fraction(place.position + 1, rise))
        past = place.position - (place.length - decline)
        return peak if past < 0 else cooled(given, peak, final, past, decline, "linear")

    return Exact(factor, cycles.restarts(given.steps))


def wsd_s(given: Given) -> Exact:
    """1, and a fall at the end of every cycle."""
    cycles = edges(given, cycle_mult=1.0)
    final, part = given.number("final_factor", 0.1), given.decimal("decay_fraction", 0.1)
    is_so_far = given.word("decay_of", "so_far") == "so_far"

    def factor(step: int) -> Number:
        place = cycles.place(step)
        if place is None:
            return final
        decline = min(place.length, floor(part * (place.end if is_so_far else place.length)))
        past = place.position - (place.length - decline)
        return ONE if past < 0 else cooled(given, ONE, final, past, decline, "inverse_linear")

    return Exact(factor, cycles.restarts(given.steps))


RESTARTS: dict[str, Formula] = {
    "sgdr": sgdr,
    "snapshot": snapshot,
    "trapezoidal_restarts": trapezoidal_restarts,
    "wsd_s": wsd_s,
}
