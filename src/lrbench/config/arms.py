"""The arms of a command that trains nothing, as sparingly composed as they can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrbench.config.composed import Composed
from lrbench.config.plain import compose_plain, plain_arms


@dataclass(frozen=True)
class ComposedArm:
    """One arm before it is checked.

    Parameters
    ----------
    composed : Composed
    label : callable, str -> str
        From the name of what the command is about to what it is called among the arms: the option
        as typed, and the settings that vary.
    """

    composed: Composed
    label: Callable[[str], str]


def composed_arms(
    overrides: Sequence[str], config_dir: Path | None, group: str
) -> list[ComposedArm]:
    """The arms that overrides come to; several where values stand after commas.

    Hydra is loaded only for what needs it.

    Parameters
    ----------
    group : str
        What the command is about: its own settings are named without it.

    Raises
    ------
    ConfigError
        Something does not parse, or is no option or setting.
    """
    found = _composed(overrides, config_dir)
    told = [
        position
        for position in range(len(overrides))
        if len({texts[position] for _, texts in found}) > 1
    ]
    return [ComposedArm(one, _label(texts, told, group)) for one, texts in found]


def _composed(
    overrides: Sequence[str], config_dir: Path | None
) -> list[tuple[Composed, Sequence[str]]]:
    """The configuration of each arm, and its overrides as texts."""
    arms = plain_arms(overrides) if config_dir is None else None
    plain = [(compose_plain(arm), [text for _, _, text in arm]) for arm in arms or []]
    done: list[tuple[Composed, Sequence[str]]] = [
        (one, texts) for one, texts in plain if one is not None
    ]
    if arms is not None and len(done) == len(arms):
        return done
    from lrbench.config.compose import compose
    from lrbench.config.overrides import parse

    return [
        (compose(arm, config_dir), [override.text for override in arm])
        for arm in parse(overrides, sweep=True, user_folder=config_dir)
    ]


def _label(texts: Sequence[str], told: Sequence[int], group: str) -> Callable[[str], str]:
    chosen = [text.partition("=")[2] for text in texts if text.startswith(f"{group}=")]
    varying = [texts[position] for position in told if not texts[position].startswith(f"{group}=")]
    settings = [text.removeprefix(f"{group}.") for text in varying]

    def label(name: str) -> str:
        return " ".join([*(chosen or [name]), *settings])

    return label
