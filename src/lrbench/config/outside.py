"""What settings may refer to: one another, and nothing outside of the configuration.

A value that is looked up in the environment, or by any other of Hydra's resolvers, would make one
configuration two runs, and could carry a secret into a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lrbench.errors import Problem, origin_of

_RESOLVER = re.compile(r"\$\{.*:.*\}", re.DOTALL)
"""Of the forms of an interpolation only one that names a resolver has a colon."""

_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*(\w+)", re.ASCII)


def lookups(values: Any, origins: Mapping[str, str], key: str = "") -> Iterator[Problem]:
    """A problem for each of ``values``, nested, that is looked up outside of the configuration."""
    if isinstance(values, Mapping):
        for name, value in values.items():
            yield from lookups(value, origins, f"{key}.{name}" if key else str(name))
    elif isinstance(values, list):
        for value in values:
            yield from lookups(value, origins, key)
    elif isinstance(values, str) and _RESOLVER.search(values):
        relation = "must be a value itself, not one that is looked up outside of the configuration"
        variable = _VARIABLE.search(values)
        remedy = f'{key}="${variable[1]}", which the shell puts in' if variable else None
        yield Problem(relation, key, values, origin_of(key, dict(origins)), remedy)
