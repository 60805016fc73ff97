"""How a component is named: an option of lrbench's, or the import path of the user's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from lrbench.config.findings import Findings
from lrbench.errors import nearest
from lrbench.spec.imports import code_digest, resolve_import
from lrbench.spec.parameters import problems
from lrbench.spec.run import Component, slug

Target = Callable[..., Any]
C = TypeVar("C", bound=Component)


def take_name(group: str, raw: dict[str, Any], findings: Findings) -> tuple[str, str | None]:
    """Take name and import path out of a component's settings."""
    name = str(raw.pop("name", None))
    if "_target_" not in raw:
        return name, None
    target = raw.pop("_target_")
    if isinstance(target, str):
        # Two ways to type one path are one component.
        module, _, name = target.rpartition(".")
        return slug(target), target if ":" in target or not module else f"{module}:{name}"
    relation = "must be an import path such as mypkg.nets:Net"
    findings.add(relation, f"{group}._target_", target)
    return slug(""), ""


def found_at(group: str, target: str | None, findings: Findings) -> Target | None:
    """What the import path of ``group`` leads to; None without one, or with findings."""
    if target is None:
        return None
    return findings.attempt("", resolve_import, target, key=f"{group}._target_")


def is_known(group: str, name: str, known: Mapping[str, Any], findings: Findings) -> bool:
    """Whether there is a component of that name; findings if not."""
    if name in known:
        return True
    near = nearest(name, known)
    relation = f"must be one of: {', '.join(known)}"
    findings.add(relation, f"{group}.name", name, f"{group}={near}" if near else None)
    return False


def make_component(
    kind: type[C],
    group: str,
    findings: Findings,
    name: str,
    target: str | None,
    found: Target | None,
    **fields: Any,
) -> C | None:
    """The component with its code's digest; None, and findings, where a field is wrong."""
    code = code_digest(found) if found else None
    try:
        return kind(name=name, target=target, code=code, **fields)
    except ValidationError as error:
        found_here = problems(error)
        findings.extend(
            [replace(p, key=(p.key or "").removeprefix("params.")) for p in found_here], group
        )
        return None
