"""Each flag is raised by what it is about, and by nothing else: one is planted at a time."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

import lrbench.report.sanity
from lrbench.record import layout
from lrbench.record.test_uses import TestUse, add_test_use
from lrbench.report.sanity.effects import impossible_p
from lrbench.report.sanity.study import Arm, Claim, Contender, Facts
from lrbench.spec.canonical import canonical
from lrbench.stats.aggregate import describe
from lrbench.stats.holm import strictest_level
from lrbench.stats.paired import Paired, paired
from lrbench.workflows.check import check
from studies import LRS, Change, Made, made, plan, schedule_params, spec_of, sweep, write

SERIOUS = {
    "no-spread",
    "below-floor",
    "identical-logs",
    "rate-without-effect",
    "lr-unlike-schedule",
    "loss-not-reproduced",
    "changed-data",
    "unequal-inputs",
}


def only(schedule: str, change: Callable[[Made], object], *, seed: int | None = None) -> Change:
    """A change of one schedule's runs, or of one of its seeds."""

    def changed(run: Made) -> Made:
        if run.spec.schedule.name == schedule and seed in (None, run.spec.seed):
            change(run)
        return run

    return changed


def final(run: Made, val_loss: float) -> None:
    run.looks[-1][1] = val_loss


def finals_of(schedule: str) -> Callable[[Made], float]:
    """The last validation loss that another schedule has with the seed of a run."""
    cache = {}

    def of(run: Made) -> float:
        seed = run.spec.seed
        if seed not in cache:
            cache[seed] = made(spec_of(schedule, seed=seed)).looks[-1][1]
        return cache[seed]

    return of


def test_a_clean_sweep_raises_no_flag(plant):
    found = check(plant())
    assert (found.flags, found.runs, found.notices) == ((), 18, ())


def test_a_clean_grid_of_rates_raises_no_flag(tmp_path):
    folder = tmp_path / "grid"
    assert (
        check(sweep(folder, schedules=("constant", "cosine", "sgdr"), seeds=range(3))).flags == ()
    )


CONSTANT, SGDR = finals_of("constant"), finals_of("sgdr")


def _equal_ends(run: Made) -> None:
    final(run, 0.3159)


def _worse_than_constant(run: Made) -> None:
    final(run, CONSTANT(run) + 0.05 + 0.001 * run.spec.seed)


def _with_sgdr(run: Made) -> None:
    final(run, 1.02 * SGDR(run))


def _losses_of_constant(run: Made) -> None:
    run.loss = made(spec_of("constant", seed=run.spec.seed)).loss


def _bump(step: int) -> Callable[[Made], None]:
    def bump(run: Made) -> None:
        run.loss[step] += 1e-9

    return bump


def _other_rate(run: Made) -> None:
    run.lr[57] *= 1 + 1e-15


def _not_back(run: Made) -> None:
    run.restarts[-1] |= {"spike": 0.2, "spike_z": 9.0, "recovery_censored_at": 60}
    run.restarts[-1]["recovery_steps"] = None


def _gains_nothing(run: Made) -> None:
    for place, row in enumerate(run.restarts):
        row |= {"loss_before": 0.9 - 0.1 * place, "gain": -0.01 - 0.0001 * run.spec.seed}


def _diverged(run: Made) -> None:
    at = run.restarts[0]["step"] + 5
    run.lr, run.loss, run.restarts = run.lr[:at], run.loss[:at], []
    run.manifest["schedule"] = {"restarts": [at - 5]}
    run.looks = [look for look in run.looks if look[0] <= at]
    run.result = {"outcome": "diverged", "diverged_at": at}


def _one_init(run: Made) -> None:
    run.inputs["init"] = "one"
    run.looks[0][1] = 1.0


def _narrow(run: Made) -> None:
    final(run, 0.3194 + 1e-6 * run.spec.seed)


def _worth(value: object, *keys: str) -> Callable[[Made], None]:
    def put(run: Made) -> None:
        inner = getattr(run, keys[0])
        for key in keys[1:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return put


PLANTED: dict[str, tuple[str, Change]] = {
    "seeds end alike": ("no-spread", only("cosine", _equal_ends)),
    "one init for all seeds": (
        "no-spread",
        lambda run: _one_init(run) or run,
    ),
    "seeds too close together": ("little-spread", only("sgdr", _narrow)),
    "one arm follows another": ("hardly-two-arms", only("cosine", _with_sgdr)),
    "a loss below 0": ("below-floor", only("cosine", lambda run: final(run, -0.01), seed=3)),
    "memorised": ("memorisation", only("cosine", _worse_than_constant)),
    "memorised by a restart": ("memorisation", only("sgdr", _gains_nothing)),
    "schedule not applied": ("rate-without-effect", only("cosine", _losses_of_constant)),
    "another rate": ("lr-unlike-schedule", only("cosine", _other_rate, seed=2)),
    "another loss": ("loss-not-reproduced", only("cosine", _bump(0), seed=1)),
    "data of one run": (
        "changed-data",
        only("cosine", _worth("other", "inputs", "data"), seed=1),
    ),
    "evaluated otherwise": (
        "changed-data",
        only("cosine", lambda run: run.looks[0].__setitem__(1, 1.01 * run.looks[0][1]), seed=4),
    ),
    "another first batch": (
        "unequal-inputs",
        only("cosine", _worth("other", "inputs", "first_batch"), seed=1),
    ),
    "diverged": ("diverged-after-restart", only("sgdr", _diverged, seed=0)),
    "not recovered": ("not-recovered", only("sgdr", _not_back)),
    "a seed left out": ("picked-seeds", lambda run: None if run.spec.seed == 2 else run),
}


@pytest.mark.parametrize(("code", "change"), PLANTED.values(), ids=PLANTED)
def test_a_flag_is_raised_by_what_it_is_about_and_by_nothing_else(plant, code, change):
    found = check(plant(change))
    assert {flag.code for flag in found.flags} == {code}
    assert {flag.is_serious for flag in found.flags} == {code in SERIOUS}
    assert found.is_serious is (code in SERIOUS)
    for flag in found.flags:
        assert flag.runs
        assert flag.sentence.isprintable()
        json.dumps(flag.evidence, allow_nan=False)


def test_an_accuracy_that_is_surely_beyond_what_can_be_read_is_a_caution(plant, codes):
    def right(*values: float) -> Change:
        return only(
            "cosine", lambda run: run.looks[-1].__setitem__(2, values[run.spec.seed % len(values)])
        )

    (flag,) = check(plant(right(0.9972))).flags
    assert (flag.code, flag.is_serious) == ("below-floor", False)
    assert flag.evidence["low"] > flag.evidence["ceiling"]


@pytest.mark.parametrize("values", [(1.0, 0.992, 0.9972), (0.9972, 0.9944)])
def test_a_few_hundred_samples_may_all_be_right_by_luck(plant, codes, values):
    def lucky(run: Made) -> None:
        run.looks[-1][2] = values[run.spec.seed % len(values)]

    assert codes(plant(only("cosine", lucky))) == set()


@pytest.mark.parametrize(("seeds", "code"), [((0, 1, 2, 3), {"not-recovered"}), ((0, 3), set())])
def test_a_restart_has_kept_a_loss_high_only_in_most_of_its_runs(plant, codes, seeds, code):
    def changed(run: Made) -> None:
        if run.spec.seed in seeds:
            _not_back(run)

    assert codes(plant(only("sgdr", changed))) == code


def test_of_many_cycles_one_seems_to_memorise_by_luck(plant, codes):
    # Surely below 0 by an interval of its own (t = -3.1, six seeds), not by one of three cycles.
    gains = (-0.010, -0.002, -0.006, 0.001, -0.007, -0.009)

    def changed(run: Made) -> None:
        for place, row in enumerate(run.restarts):
            gain = gains[run.spec.seed] if place else 0.01 + 0.001 * run.spec.seed
            row |= {"loss_before": 0.9 - 0.1 * place, "gain": gain}

    folder = plant(only("sgdr", changed))
    many = len(made(spec_of("sgdr")).restarts)
    assert many > 1
    assert describe(gains).high < 0 < describe(gains, strictest_level(20, 0.95)).high
    is_sure = describe(gains, strictest_level(many, 0.95)).high < 0
    assert ("memorisation" in codes(folder)) is is_sure


def test_every_flag_names_the_runs_and_figures_it_stands_on(plant):
    (flag,) = check(plant(only("cosine", _other_rate, seed=2))).flags
    run = spec_of("cosine", seed=2).run_id
    assert (flag.runs, flag.evidence["step"]) == ((run,), 57)
    assert flag.evidence["logged"] != flag.evidence["scheduled"]
    assert "in 1 of 6 runs, first at step 57" in flag.sentence
    assert repr(flag.evidence["logged"]) in flag.sentence


def test_a_trigger_free_rate_is_held_against_the_schedule_to_the_last_bit_and_no_further(plant):
    def one_ulp(run: Made) -> None:
        run.lr[3] *= 1 + 2.3e-16

    assert {f.code for f in check(plant(only("constant", one_ulp))).flags} == {"lr-unlike-schedule"}


def test_two_names_for_one_thing(plant, codes):
    params = schedule_params("sgdr", 120) | {"num_cycles": 1}
    alone = {"name": "sgdr", "params": params}
    more = [made(spec_of("sgdr", seed=seed, schedule=alone)) for seed in range(6)]
    folder = plant(more=more)
    (flag,) = check(folder).flags
    assert (flag.code, flag.is_serious, len(flag.runs)) == ("identical-logs", True, 12)
    assert "6 seeds" in flag.sentence


def test_runs_that_diverged_before_their_rates_part_are_no_one_thing(plant, codes):
    def cut(run: Made) -> Made:
        run.lr, run.loss, run.looks = run.lr[:10], run.loss[:10], run.looks[:1]
        run.restarts = []
        run.result |= {"outcome": "diverged", "diverged_at": 9}
        return run

    more = [cut(made(spec_of("multistep", seed=seed))) for seed in range(6)]
    folder = plant(lambda run: cut(run) if run.spec.schedule.name == "constant" else run, more)
    assert "identical-logs" not in codes(folder)


def test_one_log_under_two_seeds(plant):
    other = made(spec_of("cosine", seed=2))

    def copied(run: Made) -> None:
        run.loss, run.looks = other.loss, other.looks

    found = {flag.code: flag for flag in check(plant(only("cosine", copied, seed=3))).flags}
    assert "seeds 2, 3 of cosine have the same logs" in found["identical-logs"].sentence


def test_runs_that_are_only_looked_at_otherwise_may_have_the_same_logs(plant, codes):
    train = {"steps": 120, "batch_size": 64, "eval_every": 40}
    more = [made(spec_of("cosine", seed=seed, train=train)) for seed in range(6)]
    assert codes(plant(more=more)) == {"unequal-effort"}


def test_a_loss_before_a_restart_that_another_policy_cannot_have_changed(plant):
    policy = {"momentum": "reset"}
    more = [made(spec_of("sgdr", seed=seed, restart=policy)) for seed in range(6)]
    for run in more:
        # Another policy, so from the restart on other losses; before it, none.
        first = run.restarts[0]["step"]
        run.loss[first:] = [loss + 0.01 for loss in run.loss[first:]]
        run.looks[-1][1] += 0.01 + 0.002 * (run.spec.seed % 3)
    more[1].loss[5] += 1e-12
    (flag,) = check(plant(more=more)).flags
    assert flag.code == "loss-not-reproduced"
    assert "the loss before the restart at step 17 is not reproduced" in flag.sentence
    assert flag.evidence["step"] == 5


def test_losses_made_by_something_else_need_not_be_reproduced(plant, codes):
    def elsewhere(run: Made) -> None:
        _bump(0)(run)
        run.manifest["profile"] = {"digest": "another machine"}

    assert codes(plant(only("cosine", elsewhere))) == set()


def test_data_that_changed_between_arms(tmp_path, codes):
    sweep(tmp_path, schedules=("constant",), lrs=(0.4,), seeds=range(3))
    changed = {"name": "digits", "digest": "1" * 64, "params": {}}
    sweep(tmp_path, schedules=("cosine",), lrs=(0.4,), seeds=range(3), dataset=changed)
    assert codes(tmp_path) == {"changed-data"}


@pytest.mark.parametrize("noise", [0.0, 0.15])
def test_labels_learned_by_heart(tmp_path, codes, noise):
    dataset = {"name": "digits", "digest": "0" * 64, "params": {"label_noise": noise}}
    sweep(tmp_path, schedules=("constant",), lrs=(0.4,), seeds=range(2), dataset=dataset)
    assert codes(tmp_path) == ({"memorised-noise"} if noise else set())


def test_a_loser_at_the_edge_of_its_grid(tmp_path):
    def changed(run: Made) -> Made:
        if run.spec.schedule.name == "constant":
            # Best at the lowest rate, and still no match for the other.
            final(run, 0.34 + 0.1 * run.spec.optimizer.lr + (0, 0.05, -0.02)[run.spec.seed])
        return run

    sweep(tmp_path, changed, schedules=("constant", "cosine"), seeds=range(3))
    (flag,) = check(tmp_path).flags
    assert (flag.code, flag.is_serious) == ("grid-edge", False)
    assert flag.evidence == {"best_lr": LRS[0], "tried": list(LRS)}
    assert "constant does best at lr=0.03, the lowest of the 3 tried" in flag.sentence


@pytest.mark.parametrize("slope", [0.0, 0.02])
def test_on_a_flat_top_the_edge_of_a_grid_says_nothing(tmp_path, codes, slope):
    luck = {(0.03, 0): -0.03, (0.03, 1): 0.02, (0.03, 2): -0.01}

    def changed(run: Made) -> Made:
        if run.spec.schedule.name == "constant":
            lr, seed = run.spec.optimizer.lr, run.spec.seed
            final(run, 0.4 + slope * lr + (0, 0.05, -0.02)[seed] + luck.get((lr, seed), 0.0))
        return run

    # The lowest rate is the best one, by less than its luck with the seeds.
    sweep(tmp_path, changed, schedules=("constant", "cosine"), seeds=range(3))
    assert codes(tmp_path) == set()


def test_next_to_a_rate_that_diverges_the_edge_is_no_luck(tmp_path, codes):
    def changed(run: Made) -> Made:
        if run.spec.schedule.name == "constant":
            final(run, 0.4 + (0, 0.05, -0.02)[run.spec.seed])
            if run.spec.optimizer.lr > LRS[0]:
                run.result = {"outcome": "diverged", "diverged_at": 119}
        return run

    sweep(tmp_path, changed, schedules=("constant", "cosine"), seeds=range(3))
    assert "grid-edge" in codes(tmp_path)


def test_a_winner_at_the_edge_has_not_lost_by_it(tmp_path, codes):
    def changed(run: Made) -> Made:
        if run.spec.schedule.name == "constant":
            final(run, 0.2 + 0.1 * run.spec.optimizer.lr + (0, 0.05, -0.05)[run.spec.seed])
        return run

    sweep(tmp_path, changed, schedules=("constant", "cosine"), seeds=range(3))
    assert codes(tmp_path) == set()


def test_more_updates_for_one_schedule(plant):
    def longer(run: Made) -> Made:
        name, seed = run.spec.schedule.name, run.spec.seed
        return made(spec_of(name, seed=seed, steps=240)) if name == "cosine" else run

    (flag,) = check(plant(longer)).flags
    assert (flag.code, flag.evidence["what"]) == ("unequal-effort", "steps")
    assert "240 (cosine" in flag.sentence


def test_more_rates_tried_for_one_schedule(plant):
    more = [made(spec_of("cosine", 0.5, seed)) for seed in range(6)]
    for run in more:
        final(run, 0.5 + 0.01 * run.spec.seed)
    (flag,) = check(plant(more=more)).flags
    assert flag.code == "unequal-effort"
    assert flag.evidence["had"] == {"cosine": 2, "sgdr": 1, "constant": 1}


def test_updates_that_were_varied_for_all_schedules_alike_are_no_unequal_effort(tmp_path, codes):
    for steps in (120, 180):
        changes = {"train": {"steps": steps, "batch_size": 64, "eval_every": 20}, "steps": steps}
        for schedule in ("constant", "cosine"):
            for seed in range(3):
                write(tmp_path, made(spec_of(schedule, seed=seed, **changes)))
    assert "unequal-effort" not in codes(tmp_path)
    changes = {"train": {"steps": 240, "batch_size": 64, "eval_every": 20}, "steps": 240}
    write(tmp_path, made(spec_of("cosine", **changes)))
    assert "unequal-effort" in codes(tmp_path)


def test_a_schedule_cut_off_in_a_cycle(plant, codes):
    params = schedule_params("sgdr", 120) | {"first_cycle": 100, "cycle_mult": 1.0}

    def cut(run: Made) -> Made:
        if run.spec.schedule.name != "sgdr":
            return run
        schedule = {"name": "sgdr", "params": params}
        return made(spec_of("sgdr", seed=run.spec.seed, schedule=schedule))

    (flag,) = check(plant(cut)).flags
    assert flag.code == "unequal-end"
    assert flag.evidence["end"] > 0.8 > 0.01 > flag.evidence["other_end"]


def test_the_best_of_many(tmp_path, codes):
    names = ("constant", "cosine", "linear", "sgdr")
    sweep(tmp_path, schedules=names, seeds=range(3))
    (flag,) = (flag for flag in check(tmp_path).flags if flag.code == "winners-curse")
    assert flag.evidence["arms"] == 12
    assert flag.evidence["selection_seeds"] == [0, 1, 2]
    # What was chosen, on seeds that it was not chosen by.
    sweep(tmp_path, schedules=names, lrs=LRS[1:2], seeds=(3, 4, 5))
    assert codes(tmp_path) == set()


def test_one_arm_with_other_seeds_does_not_make_the_choice_a_fresh_one(tmp_path, codes):
    names = ("constant", "cosine", "linear", "sgdr")
    sweep(tmp_path, schedules=names, seeds=range(3))
    sweep(tmp_path, schedules=("constant",), lrs=(0.01,), seeds=(7, 8, 9))
    (flag,) = (flag for flag in check(tmp_path).flags if flag.code == "winners-curse")
    assert flag.evidence["selection_seeds"] == [0, 1, 2]


def test_the_best_rate_is_that_of_the_comparison():
    def arm(lr: float, finals: dict[int, float | None]) -> Arm:
        runs = [
            Facts(
                run=f"{lr}-{seed}",
                seed=seed,
                arm=str(lr),
                diverged=value is None,
                spec={},
                result={},
                looks={"val_loss": [value]},
            )
            for seed, value in finals.items()
        ]
        return Arm(str(lr), lr, tuple(runs))

    # Seed 1 is an easy one, which says nothing of the rate that alone has it.
    arms = (arm(0.1, {0: 0.5}), arm(0.2, {0: 0.6, 1: 0.1}))
    assert Contender("one", arms).best.lr == 0.1
    arms = (arm(0.1, {0: None, 1: None, 2: 0.1}), arm(0.2, {0: None, 1: 0.4, 2: 0.4}))
    assert Contender("one", arms).best.lr == 0.2


def test_restarts_that_are_best_and_have_no_control(plant, codes, tmp_path):
    folder = plant(lambda run: None if run.spec.schedule.name == "cosine" else run)
    assert codes(folder) == {"restart-without-control"}
    twin = folder / layout.TWINS / "digits-mlp-sgdr-s0-00000000"
    twin.mkdir(parents=True)
    parent = spec_of("sgdr").digest
    (twin / layout.SPEC).write_text(canonical({"fork": {"parent": parent}}))
    assert codes(folder) == set()


@pytest.mark.parametrize(
    ("audit", "is_serious"), [("kept, but the rate is doubled", False), ("momentum is 3", True)]
)
def test_a_restart_that_does_something_else(plant, audit, is_serious):
    def other(run: Made) -> None:
        run.restarts[0]["audit"] = audit

    (flag,) = check(plant(only("sgdr", other, seed=5))).flags
    assert (flag.code, flag.is_serious) == ("restart-audit", is_serious)


def test_no_time_to_recover_in_is_no_failure_to(plant, codes):
    def brief(run: Made) -> None:
        _not_back(run)
        run.restarts[-1]["recovery_censored_at"] = 30

    assert codes(plant(only("sgdr", brief))) == set()


def test_seeds_as_they_were_planned(plant, codes):
    folder = plant(lambda run: None if run.spec.seed == 2 else run)
    assert codes(folder) == {"picked-seeds"}
    names = ("constant", "cosine", "sgdr")
    plan(folder, [[spec_of(name, seed=s) for s in (0, 1, 3, 4, 5)] for name in names])
    assert codes(folder) == set()


def test_a_planned_seed_that_is_gone(plant, codes):
    def last_three(run: Made) -> Made | None:
        return run if run.spec.seed > 2 else None

    folder = plant(last_three)
    assert codes(folder) == set()
    plan(folder, [[spec_of(n, seed=s) for s in range(6)] for n in ("constant", "cosine", "sgdr")])
    assert codes(folder) == {"picked-seeds"}


def test_a_sweep_that_is_still_running_has_picked_nothing(plant, codes):
    folder = plant(lambda run: run if run.spec.seed < 5 else None)
    plan(folder, [[spec_of(n, seed=s) for s in range(9)] for n in ("constant", "cosine", "sgdr")])
    assert codes(folder) == set()


def test_few_seeds_that_agree_too_well(plant):
    def changed(run: Made) -> Made | None:
        if run.spec.schedule.name == "cosine":
            final(run, SGDR(run) - 0.02 - 1e-4 * run.spec.seed)
        return run if run.spec.seed < 4 else None

    found = check(plant(changed)).flags
    assert {flag.code for flag in found} == {"improbable-effect"}
    assert found[0].evidence["d"] > 100
    assert "with only 4 seeds" in found[0].sentence


def test_an_effect_that_a_good_schedule_may_well_have_is_no_surprise(plant, codes):
    # d = 6.5 with 4 seeds: improbable of no effect, and not of a true one of 3.
    shifts = (0.020, 0.026, 0.023, 0.018)

    def changed(run: Made) -> Made | None:
        if run.spec.schedule.name == "cosine":
            final(run, SGDR(run) - shifts[run.spec.seed % 4])
        return run if run.spec.seed < 4 else None

    found = describe(shifts)
    assert found.mean / found.sd > 5
    assert codes(plant(changed)) == set()


def test_an_effect_beyond_all_that_was_seen_before(plant, codes):
    more = [made(spec_of("linear", seed=seed)) for seed in range(6)]
    for run in more:
        final(run, CONSTANT(run) - 0.15 - 0.01 * run.spec.seed)
    folder = plant(more=more)
    assert codes(folder) == set()  # all of one time: nothing was seen before
    for run in more:
        run.began, run.ended = "2026-02-01T00:00:00.000+00:00", "2026-02-01T01:00:00.000+00:00"
        path = folder / run.spec.run_id
        path.rename(folder.parent / path.name)
        write(folder, run)
    (flag,) = check(folder).flags
    assert flag.code == "improbable-effect"
    assert "times the largest effect seen on digits mlp before" in flag.sentence


def test_effects_too_alike_over_tasks(tmp_path, codes):
    def folder(name: str, jitter: float) -> Path:
        for width in range(5):
            model = {"name": "mlp", "params": {"hidden": [8 + width]}}

            def changed(run: Made, width: int = width) -> Made:
                wobble = (0.01, 0.03, 0.02, 0.04)[run.spec.seed]
                shift = jitter * (width - 2) * 0.01
                is_constant = run.spec.schedule.name == "constant"
                final(run, 0.3 + 0.01 * run.spec.seed**2 + is_constant * (wobble + shift))
                return run

            sweep(
                tmp_path / name,
                changed,
                schedules=("constant", "cosine"),
                lrs=(0.4,),
                seeds=range(4),
                model=model,
            )
        return tmp_path / name

    assert codes(folder("alike", 0.0)) == {"too-alike"}
    assert codes(folder("sampled", 1.5)) == set()


def _claim(found: Paired) -> Claim:
    looks = {"step": [0], "val_loss": [1.0], "val_accuracy": [None]}
    facts = Facts("r", 0, "a", False, {"schedule": {"name": "x"}}, {}, looks)
    one = Contender("x", (Arm("x", 0.1, (facts,)),))
    return Claim("digits", one, one, "the baseline", (0,), found)


def test_a_p_that_so_few_seeds_cannot_give():
    honest = paired([None, None, None, 1.0], [1.0, 1.0, 1.0, 2.0])
    assert honest.test == "sign"
    assert list(impossible_p(_claim(honest))) == []
    forged = Paired((float("inf"),) * 4, "helped", "sign", p=0.01)
    (flag,) = impossible_p(_claim(forged))
    assert (flag.code, flag.is_serious) == ("impossible-p", True)
    assert flag.evidence["least_possible_p"] == 0.125


def test_a_p_that_hangs_on_normality_alone():
    split = paired([1.0, 1.1, 0.9, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0, 0.05])
    assert split.p is not None
    assert split.p < 0.05
    (flag,) = impossible_p(_claim(split))
    assert (flag.code, flag.is_serious) == ("impossible-p", False)
    agreeing = paired([1.0, 1.1, 0.9, 1.0, 0.5], [0.0] * 5)
    assert list(impossible_p(_claim(agreeing))) == []


def test_every_flag_there_is_has_been_planted_here():
    folder = Path(lrbench.report.sanity.__file__).parent
    known = {
        code
        for path in folder.glob("*.py")
        for code in re.findall(r'Flag\(\s*"([a-z-]+)"', path.read_text())
    }
    own = Path(__file__).read_text()
    assert {code for code in known if f'"{code}"' not in own} == set()
    assert len(known) > 15


def test_hostile_names_stay_inert(plant):
    def hostile(run: Made) -> None:
        run.restarts[0]["audit"] = "kept, but \x1b[31m"

    (flag,) = check(plant(only("sgdr", hostile, seed=0))).flags
    assert flag.sentence.isprintable()


def test_a_record_that_does_not_add_up_is_left_out_and_named(plant):
    folder = plant()
    path = folder / spec_of("cosine", seed=1).run_id
    text = (path / "steps.csv").read_text()
    (path / "steps.csv").unlink()
    (path / "steps.csv").write_text(text.replace("0.4,", "0.5,", 1))
    found = check(folder)
    assert (found.runs, found.has_corrupt) == (17, True)
    assert any("digest" in notice for notice in found.notices)


def test_the_same_flags_from_copies_of_one_value():
    one = made(spec_of("cosine", seed=1))
    assert copy.deepcopy(one) == one


def test_a_test_split_that_was_looked_at_twice(plant):
    folder = plant()
    first = "2026-01-05T10:00:00.000+00:00"
    for run_id in (spec_of("cosine", seed=0).run_id, spec_of("sgdr", seed=0).run_id):
        add_test_use(folder / run_id, TestUse(first, 0.3, 0.9, 100, "0" * 64))
    assert check(folder).flags == ()  # one occasion, however many runs
    later = TestUse("2026-01-06T10:00:00.000+00:00", 0.3, 0.9, 100, "0" * 64)
    add_test_use(folder / spec_of("sgdr", seed=0).run_id, later)
    (flag,) = check(folder).flags
    assert (flag.code, flag.is_serious, len(flag.runs)) == ("test-reused", False, 2)
    assert flag.evidence["occasions"] == [first, later.occasion]
