"""A user's own files of configuration, with something wrong in them."""

from __future__ import annotations

from itertools import pairwise

from bad_inputs.row import CONFIG, Row, Section, row, section

SMALL = "dataset=wine model=linear train.steps=20"

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{later}: &{later} [{','.join([f'*{earlier}'] * 9)}]\n"
    for earlier, later in pairwise("abcdefgh")
)


def mine(text: str | bytes, *told: str, **others: object) -> Row:
    """An option of the user's own."""
    files = {"own/schedule/mine.yaml": text}
    return row(f"run --config-dir own schedule=mine {SMALL}", *told, "own", files=files, **others)


def config(old: str, new: str, *told: str, **others: object) -> Row:
    """A ``config.yaml`` of the user's own: lrbench's with a change."""
    assert old in CONFIG
    files = {"own/config.yaml": CONFIG.replace(old, new)}
    return row("run --config-dir own", *told, "own", files=files, **others)


SECTIONS: tuple[Section, ...] = (
    section(
        "An option of your own",
        mine("name: cosine\n\tdecay: 3\n", "mine.yaml", "line 2, column 1"),
        mine("name: cosine\nname: cosine\n", "duplicate key name", "mine.yaml", "line 2"),
        mine("- a\n- b\n", "mine.yaml must be a mapping"),
        mine("3", "must hold valid Hydra YAML"),
        mine("", "schedule.name must be one of", "mine.yaml"),
        mine(b"name: \xff\xfe\n", "must hold valid Hydra YAML"),
        mine("# @package _global_\nname: cosine\n", "mine.yaml must be a mapping"),
        mine("name: cosine\nwramup: 3\n", "schedule.wramup is", "schedule.warmup=…"),
        mine("name: cosine\n1: 3\n", "schedule.1 is not a setting here", "mine.yaml"),
        mine("decay: 3\n", "schedule.name must be one of", "mine.yaml"),
        mine("name: cosin\n", "schedule.name must be one of", "schedule=cosine"),
        mine("name: cosine\nwarmup: 500\n", "schedule.warmup must be shorter", "500"),
        mine("name: cosine\nfinal_factor: no\n", "must be a number, got False"),
        mine("name: cosine\ndecay: ???\n", "schedule.decay must resolve", "mine.yaml"),
        mine("name: multistep\n", "schedule.milestones must be given", "mine.yaml"),
        mine("defaults: [foo]\nname: cosine\n", "Could not load 'schedule/foo'"),
        mine("!!python/object/apply:os.system [id]", "must hold valid Hydra YAML"),
        mine("name: cosine\n_target_: os.system\n", "schedule.command must be given"),
        mine(
            "name: cosine\nfinal_factor: ${oc.env:HOME}\n",
            "schedule.final_factor must be a value itself",
        ),
        mine('name: table\nfile: "\\0"\n', "schedule.file must be a CSV file", "got '\\x00'"),
        mine(f"name: cosine\nwarmup: {'[' * 2000}{']' * 2000}\n", "(nested too deeply)"),
        mine(BOMB, "mine.yaml must come to at most 100000 values with all its aliases"),
        mine("# " + "x" * 1_000_000, "mine.yaml must have at most 1000000 bytes, got 1000002"),
        mine("name: cosine\nfinal_factor: 1e-1x\n", "must be a number, got '1e-1x'"),
    ),
    section(
        "A configuration of your own",
        config("seed: 0", "seed: -1", "seed must be at least 0, got -1"),
        config("seed: 0", "sed: 0", "seed must be given", "sed is not", problems=2),
        config("train:", "trian:", "train must be given", "trian is", problems=2),
        config(
            "batch_size:",
            "batchsize:",
            "train.batchsize is not a setting",
            "train.batch_size must be given",
            problems=2,
        ),
        config("train:", "train: 3\nx:", "train must be a mapping, got 3", problems=2),
        config(CONFIG, "seed: 3\n", "own/config.yaml must choose an option for each of"),
        config(CONFIG, "", "own/config.yaml must choose an option for each of"),
        config("  - _self_\n", "", "missing `_self_`"),
        config("dataset: digits", "dataset: digitz", "digitz"),
        config("steps: null", "steps: 9", "cannot be given together"),
        config(CONFIG, CONFIG + "\nschedule:\n  foo: 3\n", "schedule.foo is", "own/config.yaml"),
    ),
)
