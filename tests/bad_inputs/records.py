"""Records, folders of them and bundles that are not what a command needs."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

RUN = ("run dataset=diabetes model=linear train.steps=2",)
CLAIMED = {"results/a-b-c-s0-00000000/lock": ""}
"""A run that has not begun."""

FILE = {"file": "mine"}
BUNDLE = {"b.zip": "PK"}
UNPACKED = {f"unpacked/{name}": text for name, text in CLAIMED.items()}

SECTIONS: tuple[Section, ...] = (
    section(
        "lrbench verify",
        row("verify", "PATH must be given", "lrbench verify --help"),
        row("verify nowhere", "nowhere must exist", "lrbench status results"),
        row("verify .", "must hold records of runs", "lrbench run"),
        row("verify unpacked", "try   lrbench verify unpacked/results", files=UNPACKED),
        row("verify '$(touch owned)'", "$(touch owned) must exist"),
        row("verify '\x1b[31mred'", r"\x1b[31mred must exist"),
        row(
            "verify results --files --inputs",
            "must be one tier",
            "'--files and --inputs'",
            "try   --inputs",
        ),
        row(
            "verify results --prefix 5 --from-checkpoint --full",
            "must be one tier",
            "'--prefix and --from-checkpoint and --full'",
        ),
        row("verify results --prefix 0", "--prefix must be at least 1, got '0'"),
        row("verify results --prefix all", "--prefix must be a whole number, got 'all'"),
        row("verify results --jobs 0", "--jobs must be at least 1, got '0'"),
        row("verify results --data nowhere", "--data must be a folder that exists, got 'nowhere'"),
        row("verify results --data file", "--data must be a folder, got 'file'", files=FILE),
        row("verify one two", "lrbench verify takes no further words, got 'two'"),
        row("verify results --trust=yes", "--trust must have no value"),
    ),
    section(
        "lrbench replay",
        row("replay", "RUN must be given", "lrbench replay --help"),
        row("replay nowhere", "nowhere must exist"),
        row("replay file", "file must be a record or a folder of records", files=FILE),
        row("replay .", "must hold records of runs"),
        row("replay results", "results must be one record", "try   results/diabetes-", after=RUN),
        row(
            "replay results/a-b-c-s0-00000000",
            "must be finished to be repeated (it is interrupted)",
            "try   lrbench resume results/a-b-c-s0-00000000",
            files=CLAIMED,
        ),
        row("replay results --into ''", "--into must be the path of a folder, got ''"),
        row("replay b.zip", "b.zip must be a record", "try   lrbench verify b.zip", files=BUNDLE),
        row("replay results --data nowhere", "--data must be a folder that exists, got 'nowhere'"),
    ),
    section(
        "lrbench resume",
        row("resume", "PATH must be given", "lrbench resume --help"),
        row("resume nowhere", "nowhere must exist"),
        row("resume file", "file must be a record or a folder of records", files=FILE),
        row("resume b.zip", "b.zip must be a record", "try   lrbench verify b.zip", files=BUNDLE),
        row("resume .", "must hold records of runs", "lrbench run"),
        row("resume results --jobs many", "--jobs must be a whole number, got 'many'"),
        row("resume results --data nowhere", "--data must be a folder that exists, got 'nowhere'"),
    ),
    section(
        "lrbench status",
        row("status", "results must exist", "lrbench run"),
        row("status nowhere", "nowhere must exist"),
        row("status file", "file must be a record or a folder of records", files=FILE),
        row("status b.zip", "b.zip must be a record", "try   lrbench verify b.zip", files=BUNDLE),
        row("status unpacked", "try   lrbench verify unpacked/results", files=UNPACKED),
        row("status .", "must hold records of runs", "lrbench run"),
        row("status one two", "lrbench status takes no further words, got 'two'"),
    ),
    section(
        "lrbench diff",
        row("diff", "FIRST must be given", "lrbench diff --help"),
        row("diff results/one", "SECOND must be given"),
        row("diff nowhere elsewhere", "nowhere must exist", "lrbench diff results/RUN results/RUN"),
        row("diff file file", "file must be the folder of a record", files=FILE),
        row("diff results results", "results must be", after=RUN),
        row(
            "diff results/a-b-c-s0-00000000 results/a-b-c-s0-00000000",
            "must hold more than the lock of a run that has not begun",
            files=CLAIMED,
        ),
    ),
    section(
        "lrbench bundle",
        row("bundle", "FOLDER must be given", "lrbench bundle --help"),
        row("bundle results", "--out must be given"),
        row("bundle nowhere -o b.zip", "nowhere must exist"),
        row("bundle file -o b.zip", "file must be a record or a folder of records", files=FILE),
        row(
            "bundle results -o b.zip",
            "must hold a finished run (results/a-b-c-s0-00000000: the run is interrupted)",
            files=CLAIMED,
        ),
        row("bundle results -o no/b.zip", "--out must lie in a folder that exists", files=CLAIMED),
        row("bundle results -o results", "--out must be a file", "bundle.zip", files=CLAIMED),
        row(
            "bundle results -o file",
            "--out must not be there yet",
            "try   --force",
            files=CLAIMED | FILE,
        ),
        row(
            "bundle results -o results/a-b-c-s0-00000000/b.zip",
            "--out must not lie inside of a record",
            files=CLAIMED,
        ),
    ),
    section(
        "lrbench doctor",
        row("doctor --self", "--self is not an option of lrbench doctor", "try   --selftest"),
        row("doctor --selftest=3", "--selftest must have no value"),
    ),
)
