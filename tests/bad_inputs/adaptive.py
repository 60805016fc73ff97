"""Restarts that an optimizer cannot have, triggers that do not fit a run, and their commands."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

SMALL = "dataset=diabetes model=linear train.steps=100"
PLAIN = (f"run {SMALL}",)
ADAPTIVE = (f"run {SMALL} trigger=plateau --results r",)
CLAIMED = {"results/a-b-c-s0-00000000/lock": ""}

OWN = """
import torch
class Plain(torch.optim.Optimizer):
    def __init__(self, params, lr):
        super().__init__(params, {"lr": lr})
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                weight.data -= group["lr"] * weight.grad
"""

SECTIONS: tuple[Section, ...] = (
    section(
        "What restarts do",
        row("run restart=foo", "restart must be one of: adam_rel,", "got 'foo'", "restart=foo"),
        row("run restart=full_rest", "got 'full_rest'", "try   restart=full_reset"),
        row("run restart._target_=x:y", "restart._target_ can only be given for dataset,"),
        row(
            "run restart.momentums=reset",
            "restart.momentums is not a setting of restart=keep",
            "from  override restart.momentums=reset",
            "try   restart.momentum=…",
        ),
        row(
            "run restart.momentum=half",
            "restart.momentum must be one of: keep, reset, delete, or a scale between 0 and 1",
            "got 'half'",
        ),
        row("run restart.momentum=1.5", "restart.momentum", "got 1.5", "try   restart.momentum="),
        row(
            "run restart=adam_rel",
            "restart.counter needs an optimizer that corrects the bias of its moments",
            "from  conf/restart/adam_rel.yaml",
            "try   restart=reset_momentum",
        ),
        row(
            "run optimizer=adamw restart=reset_momentum",
            "restart.momentum needs an optimizer that keeps its momentum buffer",
            "AdamW keeps exp_avg, exp_avg_sq, step",
            "from  conf/restart/reset_momentum.yaml",
            "try   restart=full_reset",
        ),
        row(
            "run optimizer=adam restart.first_moment=reset restart.second_moment=max",
            "restart.counter must belong to the moments it corrects",
            "try   restart.allow_mismatch=true",
        ),
        row(
            "run optimizer=adam restart.second_moment=reset restart.counter=keep",
            "hides a multiplier of the learning rate (first moment kept, second moment zeroed",
            "times 31.6",
            "from  override restart.counter=keep",
            "try   restart.allow_mismatch=true",
        ),
        row(
            "run 'restart.state_names={momentun: buf}'",
            "restart.state_names must name the state of a switch",
            "got 'momentun'",
            "try   'restart.state_names={momentum: buf}'",
        ),
        row(
            "run optimizer._target_=plain:Plain optimizer.lr=0.1 restart=reset_momentum",
            "restart.momentum needs an optimizer that keeps its momentum buffer",
            "Plain keeps nothing",
            "try   restart=keep",
            files={"plain.py": OWN},
        ),
        row(
            f"run {SMALL} schedule=sgdr schedule.first_cycle=20 restart=rewarm restart.rewarm=50",
            "restart.rewarm must not be longer than the shortest cycle after a restart (40 steps)",
            "from  override restart.rewarm=50",
            "try   restart.rewarm=40",
        ),
        row("run restart.rewarm=5.5", "restart.rewarm must be whole updates (300)", "got 5.5"),
        row("run restart.rewarm=-3", "restart.rewarm must be at least 0 updates, got -3"),
    ),
    section(
        "Triggers",
        row("run trigger=platau", "trigger must be one of:", "'platau'", "try   trigger=plateau"),
        row("run trigger._target_=x:y", "trigger._target_ can only be given for dataset, model,"),
        row("run trigger.name=plateau", "trigger.name is chosen by trigger=…", "trigger=plateau"),
        row(
            "run trigger.patience=3",
            "trigger.patience is not a setting of trigger=none, which has none, got 3",
            "from  override trigger.patience=3",
            "try   trigger=plateau trigger.patience=3",
        ),
        row(
            "run trigger=stall trigger.threshhold=0.1",
            "trigger.threshhold is not a setting of trigger=stall (there are: on_stall, threshold,",
            "try   trigger.threshold=…",
        ),
        row(
            "run trigger=plateau trigger.watch=test",
            "trigger.watch must be one of: train, val, got 'test'",
            "from  override trigger.watch=test",
            "try   trigger.watch=train",
        ),
        row(
            "run trigger=plateau trigger.patience=2.5 trigger.every=soon trigger.gate=low",
            "trigger.patience must be a whole number, got 2.5",
            "trigger.every must be whole updates (300)",
            "trigger.gate must be a number, got 'low'",
            "try   trigger.patience=null",
            problems=3,
        ),
        row(
            f"run {SMALL} trigger=plateau trigger.patience=500",
            "trigger.patience must end before the final anneal at step 75: it ends at step 501",
            "from  override trigger.patience=500",
            "try   trigger.patience=73",
        ),
        row(
            f"run {SMALL} trigger=stall trigger.window=200%",
            "trigger.window must be shorter than the run (100 steps), got '200%'",
            "from  override trigger.window=200%",
            "try   trigger.window=5%",
        ),
        row(
            f"run {SMALL} trigger=function_scheme trigger.window=60 restart=reset_momentum",
            "trigger.consecutive must end before the final anneal at step 100",
        ),
        row(
            f"run {SMALL} trigger=plateau trigger.half_life=100",
            "trigger.half_life must be at least 1 step and shorter than the run (100 steps)",
            "try   trigger.half_life=null",
        ),
        row(
            f"run {SMALL} trigger=plateau trigger.refractory=1",
            "trigger.refractory must be at least the re-warmup and the window",
            "try   trigger.refractory=2",
        ),
        row(
            f"run {SMALL} trigger=plateau trigger.watch=val trigger.every=3 train.eval_every=2",
            "trigger.every must be a multiple of train.eval_every (2 steps) with watch=val, got 3",
            "try   trigger.every=null",
        ),
        row(
            f"run {SMALL} trigger=plateau schedule=sgdr",
            "schedule must have no restarts of its own where a trigger decides on them",
            "from  conf/schedule/sgdr.yaml",
            "try   schedule=cosine",
        ),
        row(
            f"run {SMALL} trigger=plateau schedule.warmup=50",
            "schedule.warmup must be shorter than the run (25 steps); here that is a cycle of 25",
            "from  override schedule.warmup=50",
            "try   schedule.warmup=5%",
        ),
        row(
            f"run {SMALL} trigger=plateau restart=rewarm restart.rewarm=20",
            "restart.rewarm must not be longer than the shortest cycle the trigger may begin (8",
            "from  override restart.rewarm=20",
            "try   restart.rewarm=8",
        ),
        row(
            f"run {SMALL} trigger=gradient_scheme",
            "trigger only does to the state what restart says, and that is nothing",
            "try   restart=reset_momentum",
        ),
        row(
            f"run {SMALL} trigger=function_scheme optimizer=adamw",
            "trigger only does to the state what restart says, and that is nothing",
            "try   restart=full_reset",
        ),
        row(
            f"run {SMALL} trigger=gradient_scheme optimizer.momentum=0 restart.weights=rewind_best",
            "trigger watches the momentum, and the optimizer keeps none, got 'gradient_scheme'",
            "try   optimizer.momentum=0.9",
        ),
        row(
            f"run {SMALL} trigger=snr train.batch_size=1",
            "trigger watches the noise of the gradient, which needs batches of at least 2 samples",
            "try   train.batch_size=32",
        ),
        row(
            "run --config-dir mine trigger=mild",
            "trigger.patiense is not a setting here",
            "from  mine/trigger/mild.yaml",
            "try   trigger.patience=…",
            files={"mine/trigger/mild.yaml": "name: plateau\npatiense: 5\n"},
        ),
        row(
            "run --config-dir mine trigger=calm",
            "trigger.patience is no setting without a trigger (there are: plateau,",
            "from  mine/trigger/calm.yaml",
            files={"mine/trigger/calm.yaml": "name: none\npatience: 5\n"},
        ),
    ),
    section(
        "Curvature",
        row(
            "run diagnostics.curvature.every=5",
            "diagnostics.curvature.every is not a setting of diagnostics=default",
            "try   diagnostics=curvature diagnostics.curvature.every=5",
        ),
        row(
            "run diagnostics=curvature diagnostics.curvature.method=lanzcos",
            "diagnostics.curvature.method must be one of: lanczos, power, got 'lanzcos'",
        ),
        row(
            "run diagnostics=curvature diagnostics.curvature.iterations=0",
            "diagnostics.curvature.iterations must be at least 1, got 0",
        ),
        row(
            "run diagnostics=curvature diagnostics.curvature.samples=100000",
            "diagnostics.curvature.samples must not exceed the 1079 training samples, got 100000",
        ),
        row(
            "run diagnostics=curvature diagnostics.curvature.every=0",
            "diagnostics.curvature.every must be at least 1 update, got 0",
        ),
    ),
    section(
        "lrbench trigger-test",
        row(
            "trigger-test",
            "trigger must be one of: plateau, plateau_slope,",
            "got 'none'",
            "try   trigger=plateau",
        ),
        row("trigger-test plateau", "override 'plateau' must have the form", "trigger=plateau"),
        row("trigger-test trigger=platau", "'platau'", "try   trigger=plateau"),
        row(
            "trigger-test trigger=plateau train.steps=100 trigger.patience=80",
            "trigger.patience must end before the final anneal at step 75",
            "from  override trigger.patience=80",
            "try   trigger.patience=73",
        ),
        row(
            "trigger-test trigger=plateau dataset=digit",
            "dataset must be one of:",
            "try   dataset=digits",
        ),
        row("trigger-test trigger=plateau --trials 0", "--trials must be at least 1, got '0'"),
    ),
    section(
        "lrbench freeze",
        row("freeze", "PATH must be given", "lrbench freeze --help"),
        row("freeze nowhere", "nowhere must exist"),
        row("freeze .", "must hold records of runs"),
        row("freeze results", "results must be one record", after=PLAIN),
        row(
            "freeze results/a-b-c-s0-00000000",
            "must be finished to be frozen (it is interrupted)",
            "try   lrbench resume results/a-b-c-s0-00000000",
            files=CLAIMED,
        ),
        row(
            "freeze results/diabetes-linear-cosine-s0-ca9774f2",
            "must be of a run with a trigger; the restarts of this one stand in its schedule",
            "try   lrbench run trigger=plateau",
            after=PLAIN,
        ),
        row(
            "freeze r/diabetes-linear-cosine-s0-ffb107b4 -o there.txt",
            "-o must be a file NAME.yaml, from which schedule=NAME takes its name",
            "got 'there.txt'",
            "try   -o there.yaml",
            after=ADAPTIVE,
        ),
        row(
            "freeze r/diabetes-linear-cosine-s0-ffb107b4 -o there.yaml",
            "there.yaml must not be there yet; nothing is overwritten",
            "try   -o there_2.yaml",
            after=ADAPTIVE,
            files={"there.yaml": "name: cosine\n"},
        ),
        row(
            "freeze r/diabetes-linear-cosine-s0-ffb107b4 -o file/there.yaml",
            "file must be a place that can be written to",
            after=ADAPTIVE,
            files={"file": "mine"},
        ),
    ),
    section(
        "Restarts and triggers that are listed",
        row(
            "list triggers platau",
            "triggers must be one of: plateau,",
            "'platau'",
            "try   lrbench list triggers plateau",
        ),
        row(
            "list restarts keeep",
            "restarts must be one of: adam_rel,",
            "try   lrbench list restarts keep",
        ),
    ),
)
