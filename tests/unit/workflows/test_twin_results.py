"""What tells the arms of a folder of twins apart."""

from __future__ import annotations

from lrbench.workflows.twin_results import _labels


def plain(optimizer, lr, **params):
    return {
        "optimizer": {"name": optimizer, "lr": lr, "params": params},
        "seed": 0,
        "streams": {"split": 0},
    }


def test_arms_are_told_apart_by_what_was_chosen_and_not_by_what_follows_from_it():
    arms = [plain("sgd", 0.1, momentum=0.9), plain("adamw", 0.003, beta1=0.9)]
    assert _labels(arms) == ["optimizer=sgd optimizer.lr=0.1", "optimizer=adamw optimizer.lr=0.003"]
    assert _labels(arms[:1]) == [""]
    arms = [plain("sgd", 0.1, momentum=value) for value in (0.0, 0.9)]
    assert _labels(arms) == ["optimizer.momentum=0.0", "optimizer.momentum=0.9"]


def test_what_follows_is_told_where_nothing_else_tells_them_apart():
    arms = [plain("sgd", 0.1), plain("adam", 0.1, eps=1.0), plain("adam", 0.1, eps=2.0)]
    assert len(set(_labels(arms))) == 3
