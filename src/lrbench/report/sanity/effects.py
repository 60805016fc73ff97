"""Effects too large to be believed, tests that cannot say what they say, and results too alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from lrbench.record.pairing import MATTERS
from lrbench.report.numbers import significant
from lrbench.report.sanity.flag import Flag
from lrbench.report.sanity.study import Arm, Claim, Contender, Facts, Study, Task
from lrbench.stats.aggregate import describe
from lrbench.stats.chance import too_large_effect, too_small_spread
from lrbench.stats.correlation import pearson
from lrbench.stats.paired import Paired
from lrbench.stats.power import LEVEL
from lrbench.stats.underdispersion import too_alike_p
from lrbench.stats.winner import winners_curse

NOT_DRAWN = ("quadratic",)
"""Models whose first weights are a setting."""

TIMES_LARGER = 3.0
"""An effect this many times the largest seen before on a task is improbable; both by the ends of
their intervals, as point estimates of few seeds are often three times one another."""

LARGE_D = 3.0
"""Standard deviations of the differences: what a schedule may well be worth."""

SURPRISE = 0.025
"""Chance below which an effect is too large even so, of each of the two claims on a task. Few seeds
exaggerate: with a true effect of 3, more than 5 are seen by three seeds in 30 of 100 sweeps."""

FEW_SEEDS = 6
"""Below it the exact tests by signs and ranks cannot reach 5 %: 2 / 2**5 is 6.25 %."""

LEAST_SEEDS = 3
"""Below it a standard deviation says so little that a large d is no surprise."""

SMALLEST_SHARE = 0.25
"""Of the pooled standard deviation; an arm with less is suspect. So that it is not suspect for
being annealed beside others that are not, it must be as far below the next narrowest one too."""

CHANCE = 1e-3
"""Over all arms together: a spread that chance makes more often is not suspect."""

SAME = 0.999
"""Correlation of two arms over seeds, above which they are hardly two."""

LEAST_PAIRS = 6
"""Seeds below which a correlation this high is no surprise."""

LEAST_TASKS = 5
TOO_ALIKE = 1e-3
"""Chance below which effects over tasks vary too little."""

MANY_ARMS = 10
"""From more than so many the best one looks better than it is."""

LEAST_FRESH = 3
"""Seeds that confirm a choice, in both arms."""


def of_effects(study: Study) -> Iterator[Flag]:
    """Everything about how large, how sure and how alike effects are."""
    for task in study.tasks:
        claims = task.claims()
        yield from _beyond_experience(task)
        for claim in claims:
            yield from _large(claim)
            yield from impossible_p(claim)
        yield from _narrow(task)
        yield from _alike(task)
        yield from _unconfirmed(task, claims)
    for arm in study.arms:
        yield from _no_spread(arm)
    yield from _over_tasks(study)


def _no_spread(arm: Arm) -> Iterator[Flag]:
    """Seeds that do not show in what they decide, or in what comes of it."""
    finals = [value for value in arm.finals().values() if value is not None]
    if len(finals) > 1 and len(set(finals)) == 1:
        yield Flag(
            "no-spread",
            True,
            f"all {len(finals)} seeds of {arm.name} end with the same validation loss "
            f"({finals[0]!r}): the seeds change nothing",
            {"val_loss": finals[0], "seeds": list(arm.seeds)},
            arm.ids,
        )
    streams = arm.runs[0].spec["streams"]
    given = [run.result.get("inputs") for run in arm.runs]
    if len(set(arm.seeds)) < 2 or not all(given):
        return
    for what, stream in (("init", "init"), ("first_batch", "order")):
        digests = {str(inputs[what]) for inputs in given if inputs}
        is_drawn = what != "init" or _draws_weights(arm.runs[0])
        if len(digests) == 1 and streams[stream] is None and is_drawn:
            yield Flag(
                "no-spread",
                True,
                f"all {len(given)} seeds of {arm.name} have the same {MATTERS[what][4:]}, though "
                f"streams.{stream} follows the seed: the seed is not applied",
                {"what": what, "digest": digests.pop(), "seeds": list(arm.seeds)},
                arm.ids,
            )


def _draws_weights(run: Facts) -> bool:
    """Those that are not drawn are the same for all seeds, and rightly so."""
    model = run.spec["model"]
    return model["target"] is None and model["name"] not in NOT_DRAWN


def _beyond_experience(task: Task) -> Iterator[Flag]:
    """Effects against all that was known of the task before the contender was tried at all."""
    base = task.baseline
    if base is None:
        return
    for contender in task.contenders:
        begins = [run.began for arm in contender.arms for run in arm.runs]
        claim = task.claim(contender, base, "the baseline")
        if contender is base or claim is None or not all(begins):
            continue
        known = [
            max(abs(found.found.low), abs(found.found.high))
            for other in task.contenders
            if other is not base and other is not contender and _ended_before(other, min(begins))
            if (found := task.claim(other, base, "the baseline")) is not None
            and found.found.low is not None
            and found.found.high is not None
        ]
        low, high = claim.found.low, claim.found.high
        if not known or low is None or high is None:
            continue
        largest = max(known)
        nearest_to_0 = max(low, -high, 0.0)
        if largest > 0 and nearest_to_0 > TIMES_LARGER * largest:
            assert claim.found.mean is not None
            mean = claim.found.mean
            yield Flag(
                "improbable-effect",
                False,
                f"{contender.name} differs from {base.name} by {significant(abs(mean))} in "
                f"validation loss, {abs(mean) / largest:.1f} times the largest effect seen on "
                f"{task.name} before (at most {significant(largest)} by its interval): look for "
                "another cause first",
                {"effect": mean, "interval": [low, high], "largest_before": largest},
                claim.runs,
            )


def _ended_before(contender: Contender, moment: str) -> bool:
    ends = [run.ended for arm in contender.arms for run in arm.runs]
    return all(ends) and max(ends) < moment


def _large(claim: Claim) -> Iterator[Flag]:
    found = claim.found
    spread = describe(found.differences).sd if all(map(math.isfinite, found.differences)) else None
    if not spread or found.mean is None or not LEAST_SEEDS <= found.n < FEW_SEEDS:
        return
    d = found.mean / spread
    chance = too_large_effect(d, LARGE_D, found.n)
    if chance < SURPRISE:
        yield Flag(
            "improbable-effect",
            False,
            f"{claim.winner.best.name} {'beats' if d > 0 else 'loses to'} {claim.against} "
            f"{claim.other.best.name} by {abs(d):.1f} standard deviations of the "
            f"differences with only {found.n} seeds, as even a true effect of {LARGE_D:g} shows in "
            f"{100 * chance:.2g} % of sweeps: add seeds, and look for what these share",
            {"d": d, "n": found.n, "mean_difference": found.mean, "chance": chance},
            claim.runs,
        )


def impossible_p(claim: Claim) -> Iterator[Flag]:
    """A p that the test cannot reach with so few seeds, or that hangs on normality alone."""
    found = claim.found
    if found.p is None:
        return
    counted = [d for d in found.differences if d]
    least = 2.0 / 2.0 ** len(counted)
    evidence = {"p": found.p, "n": found.n, "test": found.test, "least_possible_p": least}
    if found.test == "sign" and found.p < least * (1 - 1e-9):
        yield Flag(
            "impossible-p",
            True,
            f"{claim.winner.best.name} against {claim.other.best.name}: p = "
            f"{significant(found.p)} by signs, which {len(counted)} seeds cannot give "
            f"(at least {significant(least)})",
            evidence,
            claim.runs,
        )
    elif found.test == "t" and found.p < 1 - LEVEL and found.n < FEW_SEEDS and _is_split(found):
        yield Flag(
            "impossible-p",
            False,
            f"{claim.winner.best.name} against {claim.other.best.name}: p = "
            f"{significant(found.p)} by Student's t, though the seeds do not even agree in sign; "
            f"no test without the normal distribution can reach 5 % with {found.n} seeds",
            evidence,
            claim.runs,
        )


def _is_split(found: Paired) -> bool:
    return min(found.differences) < 0 < max(found.differences)


def _narrow(task: Task) -> Iterator[Flag]:
    """An arm whose seeds lie closer together than chance makes it, of those tables compare."""
    spreads = {}
    for contender in task.contenders:
        finals = list(contender.best.finals().values())
        if len(finals) > 1 and all(value is not None and value > 0 for value in finals):
            # In logarithms, since the spread of losses grows with the loss.
            logs = describe(math.log(value) for value in finals if value is not None)
            spreads[id(contender)] = (contender.best, logs)
    if len(spreads) < 3:
        return
    for key, (arm, logs) in spreads.items():
        others = [other for place, (_, other) in spreads.items() if place != key]
        freedom = sum(other.n - 1 for other in others)
        pooled = sum((other.n - 1) * (other.variance or 0.0) for other in others) / freedom
        narrowest = min(other.variance or 0.0 for other in others)
        if not logs.variance or logs.variance >= SMALLEST_SHARE**2 * narrowest:
            continue
        chance = too_small_spread(logs.variance, narrowest, logs.n)
        if chance * len(spreads) < CHANCE:
            share = math.sqrt(logs.variance / pooled)
            yield Flag(
                "little-spread",
                False,
                f"the seeds of {arm.name} lie {1 / share:.1f} times closer together than those of "
                f"the other schedules: were all {logs.n} really trained?",
                {"share_of_pooled_sd": share, "n": logs.n, "chance": chance},
                arm.ids,
            )


def _alike(task: Task) -> Iterator[Flag]:
    best = [contender.best for contender in task.contenders]
    for place, arm in enumerate(best):
        for other in best[place + 1 :]:
            ours, theirs = arm.finals(), other.finals()
            seeds = sorted(ours.keys() & theirs.keys())
            pairs = [(ours[s], theirs[s]) for s in seeds]
            known = [(a, b) for a, b in pairs if a is not None and b is not None]
            # Those that are equal are one thing under two names, and told so by their logs.
            if len(known) < LEAST_PAIRS or all(a == b for a, b in known):
                continue
            rho = pearson([a for a, _ in known], [b for _, b in known])
            if rho is not None and rho > SAME:
                yield Flag(
                    "hardly-two-arms",
                    False,
                    f"{arm.name} and {other.name} go up and down together over seeds "
                    f"(correlation {rho:.5f}): they are hardly two arms",
                    {"correlation": rho, "n": len(known)},
                    (*arm.ids, *other.ids),
                )


def _unconfirmed(task: Task, claims: list[Claim]) -> Iterator[Flag]:
    arms = task.arms
    if len(arms) <= MANY_ARMS or not claims:
        return
    winner = claims[0].winner.best
    # A few arms with other seeds do not make the seeds of all the others fresh.
    most = Counter(seed for arm in arms for seed in set(arm.seeds))
    chosen_by = {seed for seed, count in most.items() if 2 * count > len(arms)}
    fresh = [
        set(claim.seeds) - chosen_by
        for claim in claims
        if len(set(claim.seeds) - chosen_by) >= LEAST_FRESH
    ]
    if chosen_by and fresh:
        return
    estimate = describe(value for value in winner.finals().values() if value is not None)
    lucky = None
    if estimate.sd is not None:
        lucky = winners_curse(len(arms), estimate.sd / estimate.n**0.5)
    told = f" by about {significant(lucky)}" if lucky is not None else ""
    yield Flag(
        "winners-curse",
        False,
        f"{winner.name} is the best of {len(arms)} arms on the very seeds it was chosen by, and so "
        f"looks better than it is{told} if all were equal: train it and what it is compared with "
        "on fresh seeds",
        {"arms": len(arms), "selection_seeds": sorted(chosen_by), "expected_gain_of_luck": lucky},
        winner.ids,
    )


def _over_tasks(study: Study) -> Iterator[Flag]:
    """Of one schedule against the baseline, over tasks: its effects must vary as samples do."""
    found: dict[str, list[tuple[Claim, float, float]]] = {}
    for task in study.tasks:
        base = task.baseline
        for contender in task.contenders:
            if base is None or contender is base:
                continue
            claim = task.claim(contender, base, "the baseline")
            if claim is None or claim.found.test != "t" or claim.found.mean is None:
                continue
            # In units of the baseline's loss, as losses of two tasks are not of one size.
            spread = describe(claim.found.differences).sd
            _, size = base.best.rank
            if spread and 0 < size < math.inf:
                error = spread / claim.found.n**0.5
                row = (claim, claim.found.mean / size, error / size)
                found.setdefault(contender.best.schedule, []).append(row)
    for schedule, rows in found.items():
        tasks = [claim.task for claim, _, _ in rows]
        effects = [effect for _, effect, _ in rows]
        # Two contenders of one task share their baseline, and are no two tasks.
        if len(set(tasks)) < LEAST_TASKS or len(set(tasks)) < len(tasks):
            continue
        chance = too_alike_p(effects, [error for _, _, error in rows])
        if chance is not None and chance < TOO_ALIKE:
            base_name = rows[0][0].other.best.schedule
            yield Flag(
                "too-alike",
                False,
                f"{schedule} against {base_name} comes out alike on {len(tasks)} tasks beyond what "
                f"sampling allows (chance {chance:.1e}): effects from "
                f"{significant(min(effects))} to {significant(max(effects))} of the baseline's "
                "loss",
                {"effects": effects, "chance": chance, "tasks": tasks},
                tuple(run for claim, _, _ in rows for run in claim.runs),
            )
