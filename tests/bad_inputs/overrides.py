"""What is not of the form key=value, or looks outside of the configuration."""

from __future__ import annotations

from bad_inputs.row import CONFIG, Section, row, section

SECTIONS: tuple[Section, ...] = (
    section(
        "What is no override",
        row(
            "run optimizer.lr",
            "override 'optimizer.lr' must have the form key=value",
            "optimizer.lr=…",
        ),
        row("run 'seed=[1'", "override 'seed=[1' must have the form key=value in Hydra's grammar"),
        row("run =3", "override '=3' must have the form key=value"),
        row("run '~'", "override '~' must have the form key=value"),
        row("run train..steps=3", "override 'train..steps=3' must have the form key=value"),
        row("run +optimizer.foo=3", "optimizer.foo cannot be added", "override +optimizer.foo=3"),
        row("run ++optimizer.lr=3", "optimizer.lr cannot be added", "override ++optimizer.lr=3"),
        row("run '~schedule'", "schedule cannot be deleted: a run needs every setting"),
        row("run hydra.run.dir=x", "hydra.run.dir must be a group or a setting of lrbench"),
        row("run hydra/launcher=basic", "hydra/launcher must be a group or a setting of lrbench"),
        row(
            "run seed=1 seed=2",
            "seed must be set once, got ['seed=1', 'seed=2']",
            "only one of them",
        ),
        row(
            "run 'optimizer.lr=${nosuch}'",
            "optimizer.lr must resolve",
            "override optimizer.lr=${nosuch}",
        ),
        row(
            f"run schedule.warmup={'[' * 30}{']' * 30}",
            "schedule.warmup must be nested at most 20 deep",
        ),
        row(f"run schedule.warmup={'[' * 3000}{']' * 3000}", "(nested too deeply)"),
        row(
            f"run train.steps=20 train.epochs={'x' * 5000}",
            "train.steps cannot be given together with train.epochs (xxx",
            problems=2,
        ),
        row("run optimizer.lr=\"'${'\"", "optimizer.lr must resolve", "optimizer.lr=…"),
        row("run 'optimizer.lr=???'", "optimizer.lr must resolve", "override optimizer.lr=???"),
        row(
            "run 'optimizer.lr=$(id)'", "override 'optimizer.lr=$(id)' must have the form key=value"
        ),
    ),
    section(
        "What is looked up outside of the configuration",
        row(
            "run 'note=${oc.env:HOME}'",
            "note must be a value itself, not one that is looked up",
            "'${oc.env:HOME}'",
            'note="$HOME"',
        ),
        row(
            "show 'optimizer.lr=${oc.env:LR}'",
            "optimizer.lr must be a value itself",
            'optimizer.lr="$LR"',
        ),
        row("run 'note=${oc.select:seed}'", "note must be a value itself"),
        row("run 'note=${now:%Y}'", "note must be a value itself"),
        row("sweep 'note=${oc.env:HOME}'", "note must be a value itself"),
        row(
            "run schedule=multistep 'schedule.milestones=['${oc.env:HOME}']'",
            "schedule.milestones must be a value itself",
        ),
        row("run \"model='${oc.env:HOME}'\"", "model must be a value itself"),
        row(
            "run --config-dir own",
            "note must be a value itself",
            "from  own/config.yaml",
            files={"own/config.yaml": CONFIG.replace("note: null", "note: ${oc.env:HOME}")},
        ),
    ),
)
