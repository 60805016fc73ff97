"""docs/schedules.md and its pictures, made from the docstrings of the schedules.

python scripts/schedules_page.py            write them
python scripts/schedules_page.py --check    only say whether they are current; exit 1 if not
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from curve_svg import curve_svg
from lrbench.cli.listing import as_typed
from lrbench.schedules.base import Schedule
from lrbench.schedules.catalog import build_schedule
from lrbench.schedules.compose import ramp
from lrbench.schedules.shapes import curve
from lrbench.schedules.table import table
from lrbench.workflows.catalogue import CURVE_STEPS, catalogue, default_schedule

DOCS = Path(__file__).resolve().parents[1] / "docs"

FAMILIES = {
    "decay": "Falls to a known end",
    "annealing": "Smooth curves",
    "drops": "Level between drops",
    "horizon_free": "Without a horizon",
    "cyclic": "Up and down again",
    "one_cycle": "Once up, once down",
    "restarts": "Warm restarts",
    "trapezoids": "Warm restarts with a level",
    "wsd": "Hold, then cool down",
    "continual": "Training that goes on",
    "compose": "Made of other schedules",
    "frozen": "What a trigger decided",
    "table": "From a file",
    "": "From another library",
}
"""Headings; none may be the name of a schedule, for each is an anchor of the page."""

WARMUP_FORMS = {
    "first": "(t + 1) / W",
    "zero": "t / W",
    "open": "(t + 1) / (W + 1)",
    "cosine": "(1 - cos(pi * t / W)) / 2",
    "1-sqrt": "1 - sqrt(1 - t / W)",
    "exponential": "1 - exp(-2 * (t + 1) / W)",
}

SHAPES = {
    "linear": "e + (1 - e) * (1 - q)",
    "cosine": "e + (1 - e) * (1 + cos(pi * q)) / 2",
    "polynomial": "e + (1 - e) * (1 - q)**a",
    "1-sqrt": "e + (1 - e) * (1 - sqrt(q))",
    "power": "e + (1 - e) * (1 - q**a)",
    "square": "e + (1 - e) * (1 - q**2)",
    "mirror_cosine": "e + (1 - e) * (2 * (1 - q) - (1 + cos(pi * q)) / 2)",
    "tanh": "e + (1 - e) * (1 - tanh(-6 * (1 - q) + 3 * q)) / 2",
    "rex": "e + (1 - e) * (1 - q) / (1 - q / 2)",
    "normalized_exponential": "e + (1 - e) * (0.1**q - 0.1) / 0.9",
    "exponential": "e**q",
    "inverse_linear": "1 / (q / e + (1 - q))",
    "inverse_sqrt": "1 / sqrt(q / e**2 + (1 - q))",
}

EXAMPLES = {
    "table": "an example of five rows",
    "frozen": "an example with two restarts and a decay between them",
}
"""What the pictures show of schedules that without settings would show nothing."""

LIBRARIES = ("torch", "optax", "timm", "transformers", "Keras")
OTHER_NAMES = (
    ("decay", "T_max, total_iters", "decay_steps, transition_steps", "t_initial",
     "num_training_steps", "decay_steps"),
    ("final_factor", "eta_min / lr, end_factor", "alpha, end_value / init_value", "lr_min / lr",
     "min_lr_rate, lr_end / lr", "alpha, end_learning_rate / lr"),
    ("power (polynomial)", "power", "power", "power", "power", "power"),
    ("exponent (cosine)", "", "exponent", "", "", ""),
    ("k (k_decay)", "", "", "k_decay", "", ""),
    ("step_size (step)", "step_size", "transition_steps, staircase=True", "decay_t", "",
     "decay_steps, staircase=True"),
    ("gamma", "gamma", "decay_rate", "decay_rate", "", "decay_rate"),
    ("milestones", "milestones", "boundaries_and_scales", "decay_t", "", "boundaries"),
    ("warmup", "LinearLR(total_iters)", "warmup_steps", "warmup_t", "num_warmup_steps",
     "warmup_steps"),
    ("warmup_start", "LinearLR(start_factor)", "init_value / peak_value", "warmup_lr_init / lr",
     "", "initial_learning_rate / warmup_target"),
    ("half_cycle, down", "step_size_up, step_size_down", "", "", "", ""),
    ("min_factor (triangular)", "base_lr / max_lr", "", "", "", ""),
    ("peak (one_cycle)", "pct_start * total_steps - 1", "pct_start * transition_steps", "", "", ""),
    ("start_factor (one_cycle)", "1 / div_factor", "1 / div_factor", "", "", ""),
    ("final_factor (one_cycle)", "1 / (div_factor * final_div_factor)",
     "1 / (div_factor * final_div_factor)", "", "", ""),
    ("first_cycle (sgdr)", "T_0", "", "t_initial", "", "first_decay_steps"),
    ("cycle_mult (sgdr)", "T_mult", "", "cycle_mul", "", "t_mul"),
    ("peak_decay, form peak", "", "", "cycle_decay", "", "m_mul"),
    ("num_cycles (sgdr)", "", "", "cycle_limit", "num_cycles", ""),
    ("cooldown (wsd)", "", "", "", "num_decay_steps", ""),
)  # fmt: skip


def pages() -> dict[Path, str]:
    """Every file this script makes, and its text."""
    entries = catalogue("schedules")["schedules"]
    pictures = {
        DOCS / "schedules" / f"{entry['name']}.svg": _picture(entry, schedule)
        for entry in entries
        if (schedule := _drawn(entry["name"])) is not None
    }
    return {DOCS / "schedules.md": "\n".join(_page(entries)) + "\n", **pictures}


def main() -> int:
    """Write what is not current, or only say so; the exit code is 1 if there was something."""
    check = sys.argv[1:] == ["--check"]
    wanted = pages()
    stale = [path for path, text in wanted.items() if not path.exists() or _read(path) != text]
    left_over = [path for path in (DOCS / "schedules").glob("*.svg") if path not in wanted]
    for path in [*stale, *left_over]:
        print(f"{'not current' if check else 'written'}: {path.relative_to(DOCS.parent)}")
    if check:
        return 1 if stale or left_over else 0
    for path in stale:
        path.parent.mkdir(exist_ok=True)
        path.write_text(wanted[path], encoding="utf-8", newline="\n")
    for path in left_over:
        path.unlink()
    return 0


def _read(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def _drawn(name: str) -> Schedule | None:
    if name == "table":
        steps = range(0, CURVE_STEPS, CURVE_STEPS // 5)
        return table(steps=tuple(steps), factors=(0.2, 1.0, 0.6, 0.45, 0.1))
    if name == "frozen":
        steps = range(CURVE_STEPS // 4, CURVE_STEPS * 3 // 4, CURVE_STEPS // 6)
        actions = ("restart", "decay", "restart")
        events = [{"step": s, "action": a} for s, a in zip(steps, actions, strict=True)]
        settings = {"of": "cosine", "events": events, "num_cycles": 4, "decay_factor": 0.5}
        return build_schedule(name, settings, CURVE_STEPS)
    return default_schedule(name, CURVE_STEPS)


def _picture(entry: Mapping[str, Any], schedule: Schedule) -> str:
    values = [schedule(step) for step in range(CURVE_STEPS)]
    return curve_svg(_code_free(_caption(entry)), values, schedule.restarts(CURVE_STEPS))


def _caption(entry: Mapping[str, Any]) -> str:
    what = EXAMPLES.get(entry["name"], entry["summary"].rstrip("."))
    return f"{entry['name']}: {what}"


def _page(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    families = _families(entries)
    yield "# Schedules"
    yield ""
    yield "<!-- Made by scripts/schedules_page.py from the docstrings; make docs makes it anew. -->"
    yield ""
    yield (
        "Every schedule of lrbench: what it does, its formula, its settings and where it comes "
        "from. The same in a terminal:"
    )
    yield ""
    yield "```console"
    yield "$ lrbench list schedules"
    yield "$ lrbench list schedules sgdr wsd"
    yield "```"
    yield ""
    for family, members in families.items():
        links = " · ".join(f"[{entry['name']}](#{entry['name']})" for entry in members)
        yield f"- **{_heading(family)}**: {links}"
    yield (
        "- **What all have in common**: [conventions](#conventions) · [warmup](#warmup) · "
        "[shapes of a fall](#shapes-of-a-fall) · "
        "[names in other libraries](#names-in-other-libraries)"
    )
    yield ""
    yield from _conventions()
    yield from _warmup()
    yield from _shapes()
    yield from _other_libraries()
    for family, members in families.items():
        yield f"## {_heading(family)}"
        yield ""
        if members[0]["family_summary"]:
            yield members[0]["family_summary"]
            yield ""
        for entry in members:
            yield from _section(entry)


def _families(entries: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The schedules of each family, in the order of the headings; a new family comes last."""
    order = [*FAMILIES, *(entry["family"] for entry in entries)]
    ordered = sorted(entries, key=lambda entry: order.index(entry["family"]))
    return {family: [*members] for family, members in groupby(ordered, lambda e: e["family"])}


def _heading(family: str) -> str:
    return FAMILIES.get(family) or f"The {family.replace('_', ' ')} family"


def _conventions() -> Iterator[str]:
    yield "## Conventions"
    yield ""
    yield from (
        "- **Step.** `t` is the number of updates already made, from 0. `f(t)` is the factor of "
        "the next update; a run of `T` updates uses `f(0)` to `f(T - 1)`. As in optax and Keras; "
        "in torch, the rate after `t` calls of `scheduler.step()`.",
        "- **Factor.** What is computed is a multiplier of `optimizer.lr`, so every schedule goes "
        "with every rate. A floor is a fraction of it (`final_factor`), never an absolute rate.",
        "- **End.** `endpoint: exclusive` (the default but for `one_cycle`): progress is `t / D` "
        "in a decay of `D` updates, and the end value lies one update after its last. "
        "`inclusive`: progress is `t / (D - 1)`, and the last update has the end value.",
        "- **Past its end** a decay holds its last value and never rises again; what has no end "
        "(a power of time, cycles without number) goes on.",
        "- **Lengths** are updates (`300`), epochs (`10ep`) or a part of the run (`20%`), rounded "
        "once to the nearest update, halves up. In the formulas a length is a number of updates.",
        "- **`decay: null`** is the rest of the run after the warmup; `total_steps` in a formula "
        "is its length.",
        "- **Tail.** What becomes of the steps that full cycles leave over: `truncate` (one more "
        "cycle, cut short), `stretch` (the last full cycle takes them), `hold` (the end value is "
        "held).",
        "- **Warm restarts** are dashed lines in the pictures. Cycles that begin without a jump, "
        "as those of `triangular`, restart nothing.",
    )
    yield ""
    yield (
        f"Pictures and conventions below belong to a run of {CURVE_STEPS} updates with the "
        "defaults of `conf/schedule`."
    )
    yield ""


def _warmup() -> Iterator[str]:
    yield "## Warmup"
    yield ""
    yield (
        "Every schedule without a warmup of its own has `warmup` (its length `W`, default 0), "
        "`warmup_form` (default `first`) and `warmup_start` (`s`, default 0). With `r` from the "
        "table, `f(t) = (s + (1 - s) * r(t)) * g(0)` for `t < W`, and `g(t - W)` from then on, `g` "
        "being the schedule that follows; the exponential one goes on as a factor of `g`."
    )
    yield ""
    steps = range(5)
    yield from _table(
        ("form", "r(t)", *(f"t = {t}, W = 4" for t in steps)),
        (
            (f"`{form}`", f"`{formula}`", *(f"{ramp(t, 4, form):.4g}" for t in steps))
            for form, formula in WARMUP_FORMS.items()
        ),
    )


def _shapes() -> Iterator[str]:
    yield "## Shapes of a fall"
    yield ""
    yield (
        "Where a schedule has a `shape`, it is one of these: from 1 to the end `e`, while progress "
        "`q` goes from 0 to 1; `a` is the setting `power`. The last three need an end above 0."
    )
    yield ""
    progress = (0.25, 0.5, 0.75)
    yield from _table(
        ("shape", "value", *(f"q = {q:g}, e = 0.1, a = 2" for q in progress)),
        (
            (
                f"`{shape}`",
                f"`{formula}`",
                *(
                    f"{curve(shape, power=2.0, final_factor=0.1)(1.0, 0.1, q):.4g}"
                    for q in progress
                ),
            )
            for shape, formula in SHAPES.items()
        ),
    )


def _other_libraries() -> Iterator[str]:
    yield "## Names in other libraries"
    yield ""
    yield (
        "An empty cell: there is no setting for that alone. Absolute rates are divided by the "
        "optimizer's `lr` here. The length of a decay includes the warmup in transformers, in "
        "optax's schedules with a warmup, and in timm unless `warmup_prefix=True`; it does not in "
        "Keras, torch and here."
    )
    yield ""
    rows = ([f"`{cell}`" if cell else "" for cell in row] for row in OTHER_NAMES)
    yield from _table(("lrbench", *LIBRARIES), rows)


def _section(entry: Mapping[str, Any]) -> Iterator[str]:
    name = entry["name"]
    yield f"### {name}"
    yield ""
    if _drawn(name):
        yield f"![{_code_free(_caption(entry))}](schedules/{name}.svg)"
        yield ""
    yield _code(entry["summary"])
    yield ""
    if entry["formula"]:
        paragraphs = "\n\n".join(entry["formula"])
        yield f"**Formula.** {_code(paragraphs)}"
        yield ""
    yield from _settings(entry)
    if entry["conventions"]:
        yield "**Conventions.**"
        yield ""
        yield from (f"- {words}" for words in entry["conventions"])
        yield ""
    for label, text in (
        ("To know.", entry["returns"]),
        ("Other libraries.", entry["notes"]),
        ("Source.", entry["source"]),
    ):
        if text:
            yield f"**{label}** {_code(text)}"
            yield ""
    yield f"**Try it.** `{_command(name)}`"
    yield ""


def _settings(entry: Mapping[str, Any]) -> Iterator[str]:
    own = {key: about for key, about in entry["settings"].items() if not about["is_shared"]}
    if own:
        yield from _table(
            ("setting", "default", "range", "meaning", "in the paper"),
            (
                (
                    f"`{key}`",
                    f"`{as_typed(about['default'])}`",
                    _range(about),
                    _code(about["meaning"]),
                    f"`{about['symbol']}`" if about["symbol"] else "",
                )
                for key, about in own.items()
            ),
        )
    if len(own) < len(entry["settings"]):
        yield f"{'And those' if own else 'No settings but those'} of the [warmup](#warmup)."
        yield ""


def _range(about: Mapping[str, Any]) -> str:
    words = about["range"].split(", ")
    if words == list(SHAPES):
        return "a [shape](#shapes-of-a-fall)"
    if words == list(WARMUP_FORMS):
        return "a [warmup form](#warmup)"
    if about["kind"] == "choice":
        return ", ".join(f"`{word}`" for word in words)
    return f"{about['kind']} `{about['range']}`" if about["range"] else about["kind"]


def _command(name: str) -> str:
    if name == "table":
        return "lrbench preview schedule=table schedule.file=rates.csv"
    if name == "torch_adapter":
        return "lrbench preview schedule=torch:CosineAnnealingLR schedule.T_max=100%"
    if name.endswith("_momentum"):
        rate = name.removesuffix("_momentum")
        return f"lrbench run schedule={rate} optimizer.momentum_schedule={name}"
    return f"lrbench preview schedule={name}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    for cells in (head, ["---"] * len(head), *rows):
        escaped = (cell.replace("|", "\\|") for cell in cells)
        yield f"| {' | '.join(escaped)} |"
    yield ""


def _code(text: str) -> str:
    return text.replace("``", "`")


def _code_free(text: str) -> str:
    return text.replace("``", "")


if __name__ == "__main__":
    sys.exit(main())
