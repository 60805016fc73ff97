"""What is known of a dataset, and which settings it has: its functions' signatures say so."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_type_hints

from lrbench.tasks.data.archive import Archive
from lrbench.tasks.data.noise import relabelled
from lrbench.tasks.data.splits import divide


@dataclass(frozen=True)
class DatasetEntry:
    """A dataset, and what a list of datasets says about it.

    Parameters
    ----------
    name : str
        As in ``dataset=NAME`` and ``conf/dataset/NAME.yaml``.
    builder : callable
        ``builder(**settings)``, or ``builder(files, **settings)`` if there is an archive.
    summary, source, licence, num_samples : str
        One line each.
    archive : Archive, optional
        The files it is made of; its ``root``, ``download`` and ``mirror`` are settings too.
    package : str, optional
        The distribution whose version decides the samples.
    is_divided : bool, default True
        Whether ``val_fraction`` and ``test_fraction`` are settings; else the parts are given.
    has_classes : bool, default False
        Whether ``label_noise`` is a setting.
    """

    name: str
    builder: Callable[..., Any]
    summary: str = "a dataset of your own"
    source: str = "given by an import path"
    licence: str = "unknown"
    num_samples: str = "unknown"
    archive: Archive | None = None
    package: str | None = None
    is_divided: bool = True
    has_classes: bool = False

    @property
    def files(self) -> bool:
        """Whether it needs files that do not come with lrbench."""
        return self.archive is not None

    @cached_property
    def parameters(self) -> inspect.Signature:
        """All its settings as keyword-only parameters, annotations resolved."""
        functions: list[Callable[..., Any]] = [self.builder]
        if self.archive:
            functions.insert(0, self.archive.locate)
        if self.is_divided:
            functions.append(divide)
        if self.has_classes:
            functions.append(relabelled)
        settings = {name: p for function in functions for name, p in settings_of(function).items()}
        return inspect.Signature(list(settings.values()))

    @cached_property
    def schema(self) -> Callable[..., None]:
        """A function with that signature, for whoever checks settings against a function."""

        def schema(**settings: Any) -> None:
            """Nothing but its signature."""

        schema.__signature__ = self.parameters  # type: ignore[attr-defined]
        schema.__annotations__ = {
            name: parameter.annotation for name, parameter in self.parameters.parameters.items()
        }
        return schema

    def complete(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """``params`` with the default of every setting that is not among them."""
        bound = self.parameters.bind(**params)
        bound.apply_defaults()
        return bound.kwargs


def settings_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a function that can be given by name, as keyword-only ones."""
    hints = get_type_hints(function, include_extras=True)
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {
        p.name: p.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints.get(p.name, Any))
        for p in inspect.signature(function).parameters.values()
        if p.kind in by_name
    }


def only_of(function: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the settings that the function takes."""
    return {name: settings[name] for name in settings_of(function) if name in settings}


def without_silent(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without label noise where there is none.

    Data, and runs on them, are the same ones as before there could be any.
    """
    return {name: v for name, v in settings.items() if name != "label_noise" or v != 0}
