"""Which runs cannot be gone on with unless the person says that they are trusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lrbench.workflows.recorded import FROM_TORCH


def needs_trust(spec: Mapping[str, Any]) -> bool:
    """Whether a specification, of whatever form, names code that is not torch's."""
    return any(not FROM_TORCH.fullmatch(target) for target in _targets(spec))


def _targets(value: Any) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if key == "target" and isinstance(inner, str):
            yield inner
        elif key != "params":
            yield from _targets(inner)
