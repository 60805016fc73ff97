"""Settings with values they cannot have, as ``run`` is told them."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

SECTIONS: tuple[Section, ...] = (
    section(
        "The learning rate",
        row("run optimizer.lr=-0.1", "optimizer.lr must be greater than 0.0, got -0.1"),
        row("run optimizer.lr=0", "optimizer.lr must be greater than 0.0, got 0"),
        row("run optimizer.lr=nan", "optimizer.lr must be a finite number, got nan"),
        row("run optimizer.lr=inf", "optimizer.lr must be a finite number, got inf"),
        row(
            "run optimizer.lr=1e400",
            "optimizer.lr must be a finite number",
            "override optimizer.lr=1e400",
        ),
        row("run optimizer.lr=1e-3x", "optimizer.lr must be a number, got '1e-3x'"),
        row("run optimizer.lr=fast", "optimizer.lr must be a number, got 'fast'"),
        row(
            "run optimizer.lr=0,1", "must have one value", "'0,1'", "lrbench sweep optimizer.lr=0,1"
        ),
        row(
            "run 'optimizer.lr=interval(0,1)'",
            "optimizer.lr must have one value",
            "'interval(0,1)'",
        ),
        row("run optimizer.lr=true", "optimizer.lr must be a number, got True"),
        row("run optimizer.lr=", "optimizer.lr must have a value"),
        row("run optimizer.lr=null", "optimizer.lr must be given, got None", "optimizer.lr=0.1"),
        row("run optimizer.lr=" + "9" * 5000, "must have the form key=value"),
    ),
    section(
        "Names that are none",
        row("run lr=0.1", "lr is not a setting", "got 0.1", "optimizer.lr=…"),
        row("run learning_rate=0.1", "learning_rate is not a setting", "got 0.1"),
        row("run optimiser=sgd", "optimiser is not a setting", "got 'sgd'", "try   optimizer=…"),
        row("run train.step=3", "train.step is not a setting", "got 3", "train.steps=…"),
        row("run streams.innit=3", "streams.innit is not a setting", "streams.init=…"),
        row("run seed.x=3", "seed.x is not a setting", "got 3", "seed=…"),
        row(
            "run schedule=cosin", "schedule must be one of: anytime, ", "'cosin'", "schedule=cosine"
        ),
        row("run dataset=digit", "dataset must be one of: ", "'digit'", "dataset=digits"),
        row("run model=../../evil", "model must be one of: ", "'../../evil'"),
        row("run model=custom", "model must be one of: ", "'custom'"),
        row("run 'schedule=[cosine]'", "schedule must be one of: ", "['cosine']"),
        row("run schedule=null", "schedule must be one of: ", "None"),
        row("run schedule=", "schedule must have a value"),
        row(
            "run schedule.wramup=3",
            "schedule.wramup is not a setting",
            "got 3",
            "schedule.warmup=…",
        ),
        row(
            "run optimizer=adam 'optimizer.betas=[0.9]'",
            "optimizer.betas is not a setting",
            "optimizer.beta",
        ),
        row("run train=3", "train must be set one setting at a time, got 3", "train.epochs=…"),
        row(
            "run 'streams={split:3}'",
            "streams must be set one setting at a time",
            "streams.split=…",
        ),
        row(
            "run compute.name=fast", "compute.name is chosen by compute=…", "'fast'", "compute=fast"
        ),
        row("run optimizer.name=adam", "optimizer.name is chosen by optimizer=…", "optimizer=adam"),
    ),
    section(
        "Lengths of a run",
        row("run train.steps=0", "train.steps must be at least 1, got 0"),
        row("run train.steps=-1", "train.steps must be at least 1, got -1"),
        row("run train.steps=1.5", "train.steps must be a whole number, got 1.5"),
        row("run train.steps=1e3", "train.steps must be a whole number, got 1000.0"),
        row("run train.steps=true", "train.steps must be a whole number, got True"),
        row("run train.steps=01", "train.steps must be a whole number, got '01'"),
        row(
            "run train.steps=99999999999999999999",
            "train.steps must come to",
            "got 99999999999999999999",
        ),
        row("run train.epochs=0", "train.epochs must be greater than 0.0, got 0"),
        row("run train.epochs=nan", "train.epochs must be a finite number, got nan"),
        row("run train.epochs=1e300", "train.epochs must ", "override train.epochs=1e300"),
        row("run train.epochs=0.001", "train.epochs must come to at least one", "0.001"),
        row(
            "run train.epochs=null", "train.epochs must be given, or train.steps", "train.epochs=20"
        ),
        row(
            "run train.steps=20 train.epochs=5",
            "train.steps cannot be given together",
            "(5), got 20",
        ),
        row("run train.batch_size=0", "train.batch_size must be at least 1, got 0"),
        row("run train.batch_size=-1", "train.batch_size must be at least 1, got -1"),
        row("run train.batch_size=1.5", "train.batch_size must be a whole number, got 1.5"),
        row("run train.batch_size=01", "train.batch_size must be a whole number, got '01'"),
        row(
            "run dataset=wine model=linear train.batch_size=107",
            "must not exceed the 106 training samples, got 107",
            "size=32",
        ),
        row("run train.eval_every=0", "train.eval_every must be at least 1 update, got 0"),
        row(
            "run train.eval_every=nan",
            "train.eval_every must be whole updates (300), epochs",
            "got nan",
        ),
        row(
            "run train.eval_every=null", "train.eval_every must be whole updates (300)", "got None"
        ),
        row(
            "run diagnostics.layers_every=0%", "diagnostics.layers_every must be at least 1", "'0%'"
        ),
        row(
            "run diagnostics.layers_every=1.5",
            "diagnostics.layers_every must be whole updates",
            "1.5",
        ),
    ),
    section(
        "Seeds",
        row("run seed=-5", "seed must be at least 0, got -5"),
        row("run seed=1.0", "seed must be a whole number, got 1.0"),
        row("run seed=1e9", "seed must be a whole number, got 1000000000.0"),
        row("run seed=a", "seed must be a whole number, got 'a'"),
        row("run seed=9223372036854775808", "seed must be less than 9223372036854775808"),
        row("run streams.init=-1", "streams.init must be at least 0, got -1"),
    ),
    section(
        "Devices and what is said of them",
        row(
            "run compute.device=cuda:77",
            "compute.device must be a device of this machine",
            "compute=cpu",
        ),
        row(
            "run compute.device=tpu", "compute.device must be cpu, cuda or cuda:<number>, got 'tpu'"
        ),
        row("run compute.precision=fp17", "must be one of: float32, float64, bf16, got 'fp17'"),
        row("run compute.threads=0", "compute.threads must be at least 1, got 0"),
        row("run compute.threads=1000", "compute.threads must not exceed", "got 1000"),
        row(
            "run compute.profile=fast",
            "compute.profile must be one of: native, strict, portable, got 'fast'",
        ),
        row(
            "run compute.profile=strict compute.threads=2",
            "compute.threads must be 1 with",
            "got 2",
        ),
        row("run compute.deterministic=maybe", "must be true or false, got 'maybe'"),
        row("run note=3", "note must be a text, got 3"),
    ),
)
