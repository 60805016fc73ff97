"""A docstring in parts: what lists and pages are made of."""

from __future__ import annotations

import doctest
import re

import pytest

from lrbench.schedules import documentation as module
from lrbench.schedules.catalog import SCHEDULES
from lrbench.schedules.documentation import Field, documentation, plain, read_docstring

TEXT = """A drop, said
in two lines.

``f(t) = x`` for
``t < drop_steps``.

And a second paragraph.

Parameters
----------
drop_steps : int in [1, inf), in updates, optional
    Length. Default: none.

    The paper's T_d.
low, high : float in [0, 1], default 0.1 and 0.3
    Both ends.
form : {"round", "square"}
count : int, strictly increasing, default 3

Returns
-------
Schedule
    Something special.

Notes
-----
torch's ``drop_steps`` differs.

References
----------
Somebody 1999.
"""


def test_a_docstring_comes_apart_into_its_parts() -> None:
    found = read_docstring(TEXT)
    assert found.summary == "A drop, said in two lines."
    assert found.body == ("``f(t) = x`` for ``t < drop_steps``.", "And a second paragraph.")
    assert found.sections == {
        "Returns": "Schedule Something special.",
        "Notes": "torch's ``drop_steps`` differs.",
        "References": "Somebody 1999.",
    }


def test_parameters_have_kind_range_and_meaning_without_their_default() -> None:
    assert read_docstring(TEXT).parameters == {
        "drop_steps": Field("int", "[1, inf)", "Length. Default: none. The paper's T_d."),
        "low": Field("float", "[0, 1]", "Both ends."),
        "high": Field("float", "[0, 1]", "Both ends."),
        "form": Field("choice", "round, square", ""),
        "count": Field("int", "strictly increasing", ""),
    }


def test_a_docstring_of_one_line_has_nothing_else() -> None:
    found = read_docstring("One line.")
    assert (found.summary, found.body, found.parameters, found.sections) == (
        "One line.",
        (),
        {},
        {},
    )


def test_lengths_are_named_as_in_a_configuration() -> None:
    about = documentation(SCHEDULES["sgdr"])
    settings = {setting.name: setting for setting in about.settings}
    first = settings["first_cycle"]
    assert (first.keyword, first.kind, first.range) == ("first_cycle_steps", "length", "[1, inf)")
    assert settings["cycle_lengths"].kind == "list of lengths"
    assert "W = cycle_warmup``" in about.formula[0]
    assert "round(first_cycle * cycle_mult**i)" in about.formula[0]


def test_what_other_libraries_call_something_keeps_its_name() -> None:
    assert "``decay_rate / decay_steps``" in documentation(SCHEDULES["inverse_time"]).notes


def test_papers_symbols_are_found_where_the_docstring_tells_them() -> None:
    told = {
        f"{name}.{setting.name}": setting.symbol
        for name, entry in SCHEDULES.items()
        for setting in documentation(entry).settings
        if setting.symbol
    }
    expected = {
        "cosine.decay": "T_i",
        "tanh.lower": "L",
        "tanh.upper": "U",
        "slanted_triangle.cut": "cut_frac",
        "noam.model_size": "d_model",
        "anytime.timescale": "alpha",
        "triangular.min_factor": "base_lr",
        "sgdr.first_cycle": "T_0",
        "sgdr.cycle_mult": "T_mult",
        "sgdr.final_factor": "eta_min",
        "snapshot.num_cycles": "M",
        "infinite.constant_factor": "eta_const",
    }
    assert told.items() >= expected.items()


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_says_what_it_is_and_computes(name: str) -> None:
    about = documentation(SCHEDULES[name])
    assert about.summary.endswith(".")
    assert "``" in about.formula[0]
    assert about.family == SCHEDULES[name].builder.__module__.rpartition(".")[2]
    assert about.family_summary.endswith(".")


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_setting_is_described_by_the_docstring(name: str) -> None:
    entry = SCHEDULES[name]
    settings = documentation(entry).settings
    assert [setting.name for setting in settings] == list(entry.parameters)
    for setting in settings:
        assert setting.kind, setting.name
        assert setting.range or setting.kind in ("bool", "path", "schedule"), setting.name
        assert not re.search(r"_steps\b", plain(setting.meaning).replace("total_steps", ""))


@pytest.mark.parametrize("name", SCHEDULES)
def test_published_schedules_name_their_source(name: str) -> None:
    source = documentation(SCHEDULES[name]).source
    if name in ("sequence", "scaled", "frozen", "table"):
        assert not source
    else:
        assert re.search(r"\b(19|20)\d\d\b", source)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_docstring_says_the_defaults_that_the_signature_has(name: str) -> None:
    said = dict(
        re.findall(r"^(\w+) : .*, default (\S+)$", SCHEDULES[name].documentation, re.MULTILINE)
    )
    for parameter in SCHEDULES[name].parameters.values():
        if parameter.keyword in said and parameter.keyword != "warmup_steps":
            default = said[parameter.keyword].strip('"')
            words = str(parameter.default)
            assert default == words or float(default) == parameter.default


def test_the_shared_warmup_is_described_where_it_is_made() -> None:
    settings = {setting.name: setting for setting in documentation(SCHEDULES["cosine"]).settings}
    assert settings["warmup"].is_shared
    assert settings["warmup_start"].meaning == "Where the ramp begins, as a fraction of its end."
    own = {setting.name: setting for setting in documentation(SCHEDULES["noam"]).settings}
    assert not own["warmup"].is_shared
    assert own["warmup"].meaning == "The peak is the last of them."


def test_the_example_holds() -> None:
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=1)
