"""What twins say, as text: the two arms side by side, and the verdict in a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lrbench.report.restarts.grid import Column
    from lrbench.stats.paired import Paired
    from lrbench.workflows.twin import Rates
    from lrbench.workflows.twin_results import Horizon, PolicyResult, RestartResult

NAMES = {"val_loss": "loss", "val_accuracy": "accuracy"}

MUCH_LESS = 0.5
"""Part of the mean rate with the restart below which the comparison is one of rates, above all."""

HARDLY = 0.1
"""Part of the mean rate with the restart below which the control is said to hardly train."""

LEGEND = (
    "better by: without minus with for a loss, with minus without for an accuracy, seed by seed: "
    "positive where the restart was better. At T/4 and T/2 of the planned cycle the learning rates "
    "of the two differ, so only the end is a verdict."
)


def tell(result: RestartResult, width: int) -> Iterator[str]:
    """One restart against its control, in lines of at most ``width`` characters.

    Parameters
    ----------
    result : RestartResult
    width : int in [60, inf)
    """
    from lrbench.report.restarts.grid import fill, plain_table

    where = ", ".join(map(str, result.steps[:4])) + (" …" if len(result.steps) > 4 else "")
    arm = f"{result.arm}, " if result.arm else ""
    yield from fill(
        f"{arm}restart {result.restart} after {where} updates, without it and with it", width
    )
    yield from fill(_rates(result.rates), width, "  ")
    yield ""
    yield from plain_table(_columns(result), width)
    yield ""
    yield from fill(LEGEND, width, "  ")
    for policy in result.policies:
        last = policy.horizons["val_loss"][-1]
        told = ", ".join(
            f"{pair.seed}: {_difference(difference)}"
            for pair, difference in zip(last.pairs, last.found.differences, strict=True)
        )
        yield from fill(
            f"{policy.policy}, loss at the end, better by, each seed: {told}", width, "  "
        )
    yield ""
    for policy in result.policies:
        yield from fill(f"{verdict(policy, result.restart, len(result.policies))}.", width, "  ")
    if caution := _caution(result):
        yield from fill(caution, width, "  ")


def told(result: RestartResult) -> Iterator[str]:
    """The verdicts on a restart in sentences, each with what it was held against."""
    where = ", ".join(map(str, result.steps[:4])) + (" …" if len(result.steps) > 4 else "")
    arm = f"{result.arm}, " if result.arm else ""
    for policy in result.policies:
        sentence = verdict(policy, result.restart, len(result.policies))
        yield f"{arm}after {where} updates: {sentence}. Here {_rates(result.rates)}."
    if caution := _caution(result):
        yield caution


def _rates(rates: Rates) -> str:
    from lrbench.report.restarts.measures import short

    return (
        f"without it the learning rate goes straight from {short(rates.before)} to "
        f"{short(rates.end)} at the cycle's end, {short(rates.control)} on average; with it, as "
        f"run, {short(rates.restarted)}"
    )


def _caution(result: RestartResult) -> str:
    from lrbench.report.restarts.measures import short

    rates = result.rates
    if rates.control >= MUCH_LESS * rates.restarted:
        return ""
    how = "hardly trains any more"
    if rates.control >= HARDLY * rates.restarted:
        how = f"has {100 * rates.control / rates.restarted:.0f} % of its learning rate on average"
    return (
        f"Mind what this compares with: before the restart the rate had come down to "
        f"{short(rates.before)}, so that the control {how}. It says what going on with a higher "
        "rate was worth, and not that restarts are better than one long decay: for that, sweep "
        "both schedules."
    )


def _columns(result: RestartResult) -> list[Column]:
    from lrbench.report.restarts.grid import Column

    rows: list[tuple[str, ...]] = []
    for policy in result.policies:
        rows.append((f"{policy.policy} (as run)" if policy.is_own else policy.policy, *[""] * 6))
        for metric, horizons in policy.horizons.items():
            rows += [(f"  {NAMES[metric]}, {one.when}", *_cells(one)) for one in horizons]
    heads = ("", "updates", "without", "with", "better by", "95% interval", "seeds")
    columns = zip(*rows, strict=True)
    return [
        Column(("", head), cells, is_text=place == 0)
        for place, (head, cells) in enumerate(zip(heads, columns, strict=True))
    ]


def _cells(horizon: Horizon) -> Iterator[str]:
    from lrbench.report.restarts.measures import number, signed_three, whole

    steps = horizon.steps
    yield f"+{steps[0]}" if len(steps) == 1 else f"+{steps[0]}..{steps[-1]}" if steps else ""
    if not horizon.pairs:
        yield from ("-", "-", "-", "-", "0")
        return
    found = horizon.found
    for values in ([p.without for p in horizon.pairs], [p.restart for p in horizon.pairs]):
        there = [value for value in values if value is not None]
        yield number(sum(there) / len(there)) if len(there) == len(values) else "diverged"
    yield "-" if found.mean is None else signed_three(found.mean)
    has_interval = found.low is not None and found.high is not None
    ends = (signed_three(end or 0.0) for end in (found.low, found.high))
    yield " to ".join(ends) if has_interval else "-"
    yield f"{found.n} of {found.n + horizon.missing}" if horizon.missing else whole(found.n)


def _difference(value: float) -> str:
    from lrbench.report.restarts.measures import signed_three

    if math.isinf(value):
        return "without it diverged" if value > 0 else "with it diverged"
    return signed_three(value)


def verdict(policy: PolicyResult, restart: int, policies: int) -> str:
    """The verdict on a restart in a sentence, with what it does not say."""
    found = policy.verdict
    seeds = f"{found.n} seed{'' if found.n == 1 else 's'}"
    lost = _lost(policy)
    what = f"restart {restart} with {policy.policy}"
    adjusted = f", adjusted for {policies} policies" if policies > 1 else ""
    if found.judgement == "identical":
        return f"{what}: identical to the control in every one of {seeds}{lost}"
    by = "sign test, as runs diverged" if found.test == "sign" else "paired t test"
    if found.judgement in ("helped", "hurt"):
        assert found.p is not None
        mean = "" if found.mean is None else f" by {abs(found.mean):.3g} on average"
        word = "lower" if found.judgement == "helped" else "higher"
        return (
            f"{what} {found.judgement}: the validation loss at the end of its cycle is {word} with "
            f"it{mean}, over {seeds} ({by}, p = {found.p:.2g}{adjusted}){lost}"
        )
    return f"{what}: inconclusive ({_why(found, by, adjusted)}), over {seeds}{lost}"


def _why(found: Paired, by: str, adjusted: str) -> str:
    if found.n < 2:
        return "one seed has no interval; train more, and give their folder"
    if found.p is None:
        return "the difference is the same in every seed, so the seeds have changed nothing"
    if found.least_effect is None:
        return f"{by}, p = {found.p:.2g}{adjusted}"
    return (
        f"{by}, p = {found.p:.2g}{adjusted}; minimum detectable effect {found.least_effect:.3g} "
        f"at 80% power"
    )


def _lost(policy: PolicyResult) -> str:
    parts = []
    if policy.diverged:
        parts.append(f"{policy.diverged} diverged with it")
    if policy.control_diverged:
        parts.append(f"{policy.control_diverged} without it")
    return f"; {' and '.join(parts)}, each counted as the worst" if parts else ""
