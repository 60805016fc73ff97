"""Schedules, optimizers, models, data and import paths that cannot be."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

SECTIONS: tuple[Section, ...] = (
    section(
        "Settings of schedules",
        row(
            "run train.steps=20 schedule.warmup=20",
            "schedule.warmup must be shorter than the run (20 steps), got 20",
        ),
        row(
            "run schedule.warmup=100%", "schedule.warmup must be shorter", "got '100%'", "warmup=5%"
        ),
        row(
            "run schedule.warmup=999999999999ep",
            "schedule.warmup must be shorter",
            "'999999999999ep'",
        ),
        row("run schedule.warmup=-1", "schedule.warmup must not be negative, got -1"),
        row("run 'schedule.warmup=[1,2]'", "schedule.warmup must be whole updates", "got [1, 2]"),
        row("run schedule.warmup=null", "schedule.warmup must be whole updates", "got None"),
        row("run schedule.warmup=10epp", "schedule.warmup must be whole updates", "got '10epp'"),
        row("run schedule.warmup=inf", "schedule.warmup must be whole updates", "got inf"),
        row("run schedule.warmup_form=foo", "cosine, 1-sqrt, exponential, got 'foo'"),
        row("run schedule.final_factor=2", "schedule.final_factor must lie in [0, 1], got 2"),
        row(
            "run schedule.final_factor=nan",
            "schedule.final_factor must be a finite number, got nan",
        ),
        row("run schedule.decay=0", "schedule.decay must be at least 1 step, got 0"),
        row(
            "run schedule=sgdr schedule.first_cycle=0",
            "schedule.first_cycle must be at least 1",
            "got 0",
        ),
        row(
            "run schedule=sgdr schedule.first_cycle=2.5",
            "schedule.first_cycle must be whole",
            "got 2.5",
        ),
        row(
            "run train.steps=20 schedule=sgdr schedule.first_cycle=500",
            "must not be longer than the 20 steps",
            "got 500",
        ),
        row("run schedule=sgdr schedule.cycle_mult=0.5", "schedule.cycle_mult must be", "got 0.5"),
        row(
            "run schedule=sgdr schedule.cycle_mult=nan",
            "schedule.cycle_mult must be a finite",
            "got nan",
        ),
        row(
            "run schedule=sgdr schedule.num_cycles=0",
            "schedule.num_cycles must be at least 1, got 0",
        ),
        row(
            "run schedule=sgdr schedule.num_cycles=100", "schedule.num_cycles must leave", "got 100"
        ),
        row(
            "run schedule=step schedule.step_size=0",
            "schedule.step_size must be at least 1",
            "got 0",
        ),
        row("run schedule=step schedule.gamma=2", "schedule.gamma must lie in (0, 1], got 2"),
        row(
            "run schedule=multistep schedule.milestones=5",
            "schedule.milestones must be a list",
            "got 5",
        ),
        row(
            "run schedule=multistep 'schedule.milestones=[]'", "schedule.milestones must", "got []"
        ),
        row(
            "run schedule=multistep 'schedule.milestones=[9,5]'",
            "must increase strictly, got [9, 5]",
        ),
        row(
            "run schedule=multistep 'schedule.milestones=[null]'",
            "schedule.milestones must be",
            "got None",
        ),
    ),
    section(
        "Settings of optimizers",
        row("run optimizer.momentum=1", "optimizer.momentum must be less than 1.0, got 1"),
        row("run optimizer.momentum=-0.1", "optimizer.momentum must be at least 0.0, got -0.1"),
        row("run optimizer.momentum=nan", "optimizer.momentum must be a finite number, got nan"),
        row("run optimizer.nesterov=1", "optimizer.nesterov must be true or false, got 1"),
        row(
            "run optimizer.nesterov=true optimizer.momentum=0",
            "optimizer.nesterov needs optimizer.moment",
        ),
        row(
            "run optimizer=adam optimizer.beta2=1.0",
            "optimizer.beta2 must be less than 1.0, got 1.0",
        ),
        row("run optimizer.weight_decay=-1", "optimizer.weight_decay must be at least 0.0, got -1"),
    ),
    section(
        "Models and data that do not fit",
        row(
            "run dataset=wine model=cnn",
            "model takes images",
            "got (13,)",
            "conf/model/cnn.yaml",
            "model=mlp",
        ),
        row(
            "run dataset=noisy_quadratic model=mlp",
            "model has outputs to compare",
            "model=quadratic",
        ),
        row("run model=mlp model.dropout=1", "model.dropout must be less than 1.0, got 1"),
        row("run model=mlp model.hidden=64", "model.hidden must be a list such as [64,64], got 64"),
        row("run model=mlp 'model.hidden=[a]'", "model.hidden.0 must be a whole number, got 'a'"),
        row(
            "run model=mlp model.activation=sin",
            "model.activation must be one of: relu",
            "got 'sin'",
        ),
        row(
            "run dataset=digits model=resnet_small train.batch_size=1",
            "needs train.batch_size of at least",
        ),
        row(
            "run dataset=digits model=transformer_small model.heads=3", "model.heads must", "got 3"
        ),
        row("run dataset.val_fraction=1", "dataset.val_fraction must be less than 1.0, got 1"),
        row("run dataset.label_noise=1", "dataset.label_noise must be less than 1.0, got 1"),
        row(
            "run dataset=diabetes dataset.label_noise=0.1",
            "dataset.label_noise is not a setting of dataset=diabetes",
        ),
        row("run dataset.val_fraction=0.9", "dataset.val_fraction must leave a share", "got 0.9"),
        row("run dataset=two_spirals dataset.num_samples=3", "must leave no part empty"),
        row(
            "run dataset=noisy_quadratic model=quadratic 'dataset.curvature=[]'",
            "must not be empty, got []",
        ),
        row(
            "run dataset=mnist dataset.root=/nonexistent",
            "dataset.root must be a folder",
            "/nonexistent",
        ),
        row("run dataset=mnist dataset.root=3", "dataset.root must be a text, got 3"),
    ),
    section(
        "Import paths",
        row(
            "run model._target_=nosuch.mod:Net",
            "model._target_ must be an import path",
            "No module named",
        ),
        row(
            "run model._target_=math:nosuch",
            "model._target_ must be an import path",
            "'math:nosuch'",
        ),
        row(
            "run model._target_=math:pi", "model._target_ must lead to something that can be called"
        ),
        row(
            "run model._target_=raising:Net",
            "must be importable (it raised RuntimeError: boom)",
            files={"raising.py": 'raise RuntimeError("boom")\n'},
        ),
        row(
            "run model._target_=leaving:Net",
            "must be importable (it raised SystemExit: 5)",
            files={"leaving.py": "raise SystemExit(5)\n"},
        ),
        row(
            "run model._target_=garbled:Net",
            "must be importable (it raised SyntaxError",
            files={"garbled.py": "def (\n"},
        ),
        row("run model._target_=null", "model._target_ must be an import path such as", "got None"),
        row("run model._target_=3", "model._target_ must be an import path such as", "got 3"),
        row(
            "run model._target_=badnets:no_module",
            "must be a torch.nn.Module, got 'int'",
            files={"badnets.py": "def no_module(): return 3\n"},
        ),
        row(
            "run model._target_=badnets:number",
            "model._target_ must lead to something that can be called",
            files={"badnets.py": "number = 3\n"},
        ),
        row(
            "run model._target_=badnets:RaisesWhenBuilt",
            "model._target_ must work",
            "no such \\x1b[31mluck",
            files={
                "badnets.py": "from torch import nn\n"
                "class RaisesWhenBuilt(nn.Module):\n"
                "    def __init__(self):\n"
                "        super().__init__()\n"
                '        raise RuntimeError("no\\nsuch \\x1b[31mluck")\n'
            },
        ),
        row(
            "run model._target_=torch.nn:Linear",
            "model.in_features is required",
            "model.out_features is",
            problems=2,
        ),
        row(
            "run model._target_=torch.nn:Linear model.in_features=13 model.out_features=-3",
            "must work with",
        ),
        row(
            "run model._target_=torch.nn:Linear model.out_features=nan",
            "model.out_features must be a finite",
        ),
        row("run model._target_=torch.nn:ReLU", "must have a trainable parameter"),
        row(
            "run dataset._target_=badnets:raises",
            "dataset._target_ must work",
            "RuntimeError: boom",
            files={"badnets.py": 'def raises(): raise RuntimeError("boom")\n'},
        ),
        row(
            "run dataset._target_=badnets:not_finite",
            "dataset._target_ must return inputs",
            "finite",
            files={
                "badnets.py": "import numpy\n"
                "def not_finite():\n"
                "    return numpy.full((50, 3), numpy.nan), numpy.arange(50) % 2\n"
            },
        ),
        row(
            "run optimizer._target_=os.system optimizer.lr=1",
            "optimizer._target_ must lead to an optimizer",
        ),
        row(
            "run optimizer._target_=torch.optim:SGD",
            "optimizer.lr must be given",
            "optimizer.lr=0.1",
        ),
        row(
            "run optimizer._target_=torch.optim:SGD optimizer.lr=0.1 optimizer.momentum=-1",
            "optimizer._target_ must work with these settings",
            "Invalid momentum value: -1",
        ),
        row("run schedule._target_=os.system", "schedule.command must be given"),
    ),
)
