"""What plots and reports compare: the very comparison of ``lrbench compare``."""

from __future__ import annotations

import inspect
from pathlib import Path

from lrbench.workflows import contenders
from lrbench.workflows.contenders import contenders_in


def test_whatever_is_asked_is_handed_on_to_the_comparison(monkeypatch):
    asked = {
        "metric": "val_accuracy",
        "by": "optimizer",
        "baseline": "optimizer=sgd",
        "margin": 0.25,
        "tune_seeds": 2,
        "level": 0.9,
    }
    options = list(inspect.signature(contenders_in).parameters)
    assert options == ["folder", *asked]
    heard = {}
    monkeypatch.setattr(contenders, "compare", lambda folder, **given: heard.update(given))
    contenders_in(Path("results"), **asked)
    assert heard == asked
