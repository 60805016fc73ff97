"""What a bundle says to the stranger who opens it: README.txt and requirements.txt."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata

from lrbench.record.bundles.selection import LeftOut, OwnCode, Run, at

DISTRIBUTION = "lrbench-runner"
"""What lrbench is installed as."""

Versions = Mapping[str, str | None]


def versions_of(run: Run) -> Versions:
    """The versions of lrbench, Python and torch that a run was recorded with."""
    places = {
        "lrbench": ("lrbench", "version"),
        "python": ("python",),
        "torch": ("packages", "torch"),
    }
    found = {name: at(run.manifest, "environment", *place) for name, place in places.items()}
    return {name: value if isinstance(value, str) else None for name, value in found.items()}


def typical(runs: Sequence[Run]) -> Run:
    """A run with the versions and packages that most of ``runs`` were recorded with."""
    texts = [f"{versions_of(run)} {requirements(run)}" for run in runs]
    counts = Counter(texts)
    # Of two that are equally frequent the same one every time.
    most = max(counts, key=lambda text: (counts[text], text))
    return runs[texts.index(most)]


def requirements(run: Run) -> str:
    """The packages that lrbench needs, in the versions ``run`` was recorded with."""
    recorded = at(run.manifest, "environment", "packages") or {}
    known = {_normal(name): (name, str(version)) for name, version in recorded.items()}
    pinned = [known[name] for name in sorted(_needed() or known) if name in known]
    return "".join(
        f"{name}=={version}\n"
        for name, version in pinned
        if _normal(name) != DISTRIBUTION
        and re.fullmatch(r"[\w.-]+=[\w.!+-]+", f"{name}={version}", re.ASCII)
    )


def read_me(runs: Sequence[Run], code: Sequence[OwnCode], missing: Sequence[LeftOut]) -> str:
    """How the runs in the bundle are checked and trained again, and what that needs besides."""
    chosen = versions_of(typical(runs))
    python = ".".join((chosen["python"] or "3").split(".")[:2])
    others = sum(versions_of(run) != chosen for run in runs)
    number = f"{len(runs)} run{'s' if len(runs) != 1 else ''}"
    lines = [
        f"A bundle of {number}, recorded with lrbench {chosen['lrbench']}, "
        f"Python {chosen['python']} and torch {chosen['torch']}.",
        "",
        "To check every byte and train the runs again:",
        "",
        f"  python{python} -m venv venv",
        f"  venv/bin/pip install {_index(chosen['torch'])}-r requirements.txt",
        f"  venv/bin/pip install {DISTRIBUTION}=={chosen['lrbench']}",
        "  venv/bin/lrbench verify FILE.zip",
        "",
        "requirements.txt is in the bundle, and so are the records, below results/: unpacked, they",
        "are read by `lrbench summarize results`. bundle.json has the sha256 of every file.",
    ]
    if others:
        lines += ["", f"{others} of the runs had other versions: bundle.json says which."]
    lines += ["", "Needed besides:", "", *dict.fromkeys(map(_data_of, runs))]
    lines += [f"- {one.target}: {one.name}, in the bundle" for one in code]
    lines += [f"- {one.name}: {one.reason}" for one in missing]
    if code or missing:
        lines += ["", "Code that is not lrbench's runs with `verify --trust` only: read it first."]
        lines += ["What it imports is not in the bundle; each manifest.json lists the packages."]
    text = "\n".join(lines) + "\n"
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def _data_of(run: Run) -> str:
    dataset, data = at(run.record.spec, "dataset"), at(run.manifest, "data")
    name = at(dataset, "name")
    if target := at(dataset, "target"):
        return f"- dataset {name}: what {target} reads"
    if files := at(data, "files"):
        named = [f"    {at(one, 'name')}  sha256 {at(one, 'sha256')}" for one in files]
        return "\n".join([f"- dataset {name}: these files, which are not in the bundle", *named])
    where = at(data, "package") or at(data, "source") or "a part of it"
    return f"- dataset {name}: nothing, lrbench has it ({where})"


def _index(torch: str | None) -> str:
    """The option that finds a build of torch which stands on no index but its own."""
    build = re.fullmatch(r"[^+]+\+(cpu|cu\d+|rocm[\d.]+|xpu)", torch or "", re.ASCII)
    return f"--extra-index-url https://download.pytorch.org/whl/{build[1]} " if build else ""


def _needed() -> set[str]:
    """Every package that lrbench needs, and those need, as installed here; empty if unknown."""
    needed: set[str] = set()
    waiting = [DISTRIBUTION]
    while waiting:
        name = waiting.pop()
        if name in needed:
            continue
        try:
            found = metadata.requires(name)
        except metadata.PackageNotFoundError:
            continue
        needed.add(name)
        waiting += _names(found or [])
    return needed


def _names(requires: Iterable[str]) -> Iterable[str]:
    # What an environment marker excludes here was not installed there either, or is wanted.
    for text in requires:
        name = re.match(r"[A-Za-z0-9._-]+", text)
        if name and not re.search(r"\bextra\s*==", text):
            yield _normal(name[0])


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
