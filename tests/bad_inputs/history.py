"""The central record, notes and the notebook, asked for what is not there."""

from __future__ import annotations

from bad_inputs.row import Section, row, section

RUN = ("run dataset=diabetes model=linear train.steps=2",)
TWO = (*RUN, "run dataset=diabetes model=linear train.steps=2 seed=1 --tag pilot")

SECTIONS: tuple[Section, ...] = (
    section(
        "lrbench history",
        row("history", "results must exist", "lrbench run"),
        row("history file", "file must be a folder of results", files={"file": "mine"}),
        row("history .", "must hold records of runs", "lrbench run"),
        row("history one two", "lrbench history takes no further words"),
        row(
            "history --filter 'optimizer.lrr<0.1' --filter lr=1",
            "--filter must name one of started,",
            "got 'optimizer.lrr'",
            "try   --filter 'optimizer.lr<0.1'",
            "try   --filter optimizer.lr=1",
            after=RUN,
            problems=2,
        ),
        row(
            "history --filter status=divergd --filter sgdr --filter since=monday",
            "--filter must name a status (one of complete, diverged,",
            "try   --filter status=diverged",
            "--filter must be a column, one of = !=",
            "must be a day or a moment: since=",
            after=RUN,
            problems=3,
        ),
        row(
            "history --filter 'val_loss<low' --filter 'schedule<3'",
            "--filter must compare with a number",
            "no run has one as schedule",
            after=RUN,
            problems=2,
        ),
        row("history --sort -val_los", "try   --sort -val_loss", after=RUN),
    ),
    section(
        "lrbench note",
        row("note", "RUN must be given", "lrbench note --help"),
        row("note nowhere 'a remark'", "RUN must be the path of a record, or the name of one"),
        row("note . 'a remark'", "RUN must hold the record of a run", "lrbench history"),
        row("note results 'a remark'", "RUN must be one record", "results/diabetes-", after=RUN),
        row(
            "note diabetes 'a remark'",
            "RUN must stand for one run (diabetes-linear-",
            "got 'diabetes'",
            after=TWO,
        ),
        row("note diabetes", "a note must say something, or change tags"),
        row("note diabetes ''", "TEXT must say something, got ''"),
        row(
            "note diabetes --tag 'my pilot'",
            "--tag must be a letter or digit, then at most 39",
            "try   --tag my-pilot",
        ),
        row("note diabetes --untag pilot", "--untag must be a tag that the run has", after=RUN),
        row("note diabetes --tag a --untag a", "must not be both given and taken"),
        row("run --tag ''", "--tag must be a letter or digit", "got ''", "try   --tag pilot"),
        row("sweep --tag 'a b'", "--tag must be a letter or digit", "try   --tag a-b"),
    ),
    section(
        "lrbench log",
        row("log", "results must exist", "lrbench run"),
        row("log .", "must hold records of runs", "lrbench run"),
        row(
            "log results --markdown -o file",
            "--out must not be there yet, got 'file'",
            "--force",
            after=RUN,
            files={"file": "mine"},
        ),
        row("log results -o no/where", "--out must be a file that can be written", after=RUN),
        row("log results --json --markdown", "--markdown must not be given together with --json"),
        row("log results --force", "--force must be given with --out"),
    ),
)
