"""Samples that occur more than once, said in words: a split cannot be trusted blindly."""

from __future__ import annotations

from itertools import combinations

from lrbench.tasks.base import Split
from lrbench.tasks.data.fingerprint import row_digests


def notices(train: Split, val: Split, test: Split, *, labelled: bool) -> tuple[str, ...]:
    """What a person should know about inputs that are equal, byte for byte.

    Parameters
    ----------
    train, val, test : Split
    labelled : bool
        Whether targets are classes, so that equal inputs ought to have equal targets.
    """
    parts = {"training": train, "validation": val, "test": test}
    inputs = {
        name: [row.tobytes() for row in row_digests(part.inputs)] for name, part in parts.items()
    }
    found = []
    for first, second in combinations(parts, 2):
        others = set(inputs[second])
        shared = sum(digest in others for digest in inputs[first])
        if shared:
            what = f"{first} input occurs" if shared == 1 else f"{first} inputs occur"
            found.append(f"{shared} {what} in {second} as well")

    if labelled:
        labels: dict[bytes, set[int]] = {}
        for name, part in parts.items():
            for digest, label in zip(inputs[name], part.targets.tolist(), strict=True):
                labels.setdefault(digest, set()).add(label)
        conflicts = sum(len(seen) > 1 for seen in labels.values())
        if conflicts:
            what = "input occurs" if conflicts == 1 else "inputs occur"
            found.append(f"{conflicts} {what} with different labels")
    return tuple(found)
