"""A function's signature as the schema of its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from lrbench.errors import NOTHING, ConfigError, Problem, nearest


def settings_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters of ``function``: what a user may set."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}


def check(function: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings``, checked against the annotations of the keyword-only parameters.

    Parameters
    ----------
    function : callable
        Annotated with plain types or pydantic's ``Annotated[int, Field(ge=1)]``.
    settings : mapping

    Returns
    -------
    dict
        Every parameter with the value given or its default.

    Raises
    ------
    ConfigError
        Unknown keys with their nearest neighbours, wrong types and values outside their interval,
        all at once.
    """
    hints = get_type_hints(function, include_extras=True)
    known = settings_of(function)
    unknown = [
        unknown_key(name, known, got=value) for name, value in settings.items() if name not in known
    ]
    if unknown:
        raise ConfigError(unknown)
    fields: dict[str, Any] = {
        name: (hints.get(name, Any), ... if p.default is inspect.Parameter.empty else p.default)
        for name, p in known.items()
    }
    schema = create_model(
        "Settings",
        __config__=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False),
        **fields,
    )
    try:
        checked = schema.model_validate(dict(settings))
    except ValidationError as error:
        raise ConfigError(problems(error)) from None
    return {name: getattr(checked, name) for name in known}


def unknown_key(name: str, known: Mapping[str, Any], got: object = NOTHING) -> Problem:
    """The problem of a setting that does not exist."""
    near = nearest(name, known)
    options = ", ".join(known) or "none"
    relation = f"is not a setting here (there are: {options})"
    return Problem(relation, key=name, got=got, remedy=f".{near}=…" if near else None)


def problems(error: ValidationError, prefix: str = "") -> list[Problem]:
    """What pydantic found, in lrbench's words; one problem a setting."""
    found: dict[str, Problem] = {}
    for detail in error.errors():
        parts = [str(part) for part in detail["loc"] if not _is_union_branch(part)]
        key = ".".join([prefix, *parts] if prefix else parts)
        got = NOTHING if detail["type"] == "missing" else detail["input"]
        found.setdefault(key, Problem(_relation(detail), key=key, got=got))
    return list(found.values())


def _is_union_branch(part: int | str) -> bool:
    # pydantic names the member of a union it tried ('int', 'list[int]', 'constrained-int') as if
    # it were a key; settings are never called that.
    if isinstance(part, int):
        return False
    return part in ("int", "float", "str", "bool", "none") or "[" in part or "-" in part


_RELATIONS = {
    "missing": "must be given",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be a text",
    "list_type": "must be a list such as [64,64]",
    "tuple_type": "must be a list such as [64,64]",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "too_short": "must not be empty",
    "finite_number": "must be a finite number",
    "extra_forbidden": "is not a setting here",
}

_SIGNS = {
    "greater_than": ("gt", "must be greater than"),
    "greater_than_equal": ("ge", "must be at least"),
    "less_than": ("lt", "must be less than"),
    "less_than_equal": ("le", "must be at most"),
}


def _relation(detail: Any) -> str:
    kind: str = detail["type"]
    context = detail.get("ctx", {})
    if kind in _SIGNS:
        name, words = _SIGNS[kind]
        return f"{words} {context[name]}"
    if kind == "literal_error":
        return f"must be one of: {context['expected']}".replace("'", "").replace(" or ", ", ")
    message: str = detail["msg"]
    if message.startswith("must "):  # one of lrbench's own validators
        return message
    return _RELATIONS.get(kind, f"is refused: {message[:1].lower()}{message[1:]}")
