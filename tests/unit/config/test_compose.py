"""Composing again what has been composed: as good as the first time, and as new as the files."""

from __future__ import annotations

from pathlib import Path

from lrbench.config import compose as module
from lrbench.config.compose import compose
from lrbench.config.overrides import parse


def composed(*texts: str, folder: Path | None = None):
    (arm,) = parse(texts, user_folder=folder)
    return compose(arm, folder)


def test_what_one_caller_does_with_a_configuration_the_next_one_does_not_see() -> None:
    first = composed("schedule=cosine", "optimizer.lr=0.5")
    first.values["schedule"]["name"] = "another"
    first.values["model"]["hidden"].append(7)
    second = composed("schedule=cosine")
    assert second.values["schedule"]["name"] == "cosine"
    assert second.values["optimizer"]["lr"] != 0.5
    assert 7 not in second.values["model"]["hidden"]


def test_a_file_that_has_changed_is_read_again(tmp_path: Path) -> None:
    (tmp_path / "schedule").mkdir()
    mine = tmp_path / "schedule" / "mine.yaml"
    for fraction in (0.25, 0.75):
        mine.write_text(f"name: linear\nend_factor: {fraction}\n")
        found = composed("schedule=mine", folder=tmp_path)
        assert found.values["schedule"]["end_factor"] == fraction


def test_hydra_is_asked_once_for_arms_that_choose_the_same(monkeypatch) -> None:
    module._with_hydra.cache_clear()
    asked = []
    usual = module.hydra_compose
    monkeypatch.setattr(
        module, "hydra_compose", lambda *a, **k: asked.append(k["overrides"]) or usual(*a, **k)
    )
    rates = [composed("schedule=cosine", f"optimizer.lr={lr}") for lr in (0.1, 0.2, 0.3)]
    assert [one.values["optimizer"]["lr"] for one in rates] == [0.1, 0.2, 0.3]
    assert len(asked) == 1
    composed("schedule=sgdr")
    assert len(asked) == 2
