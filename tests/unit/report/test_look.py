"""Colours of arms: told apart by every eye, seen on every ground, the same everywhere."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from lrbench.report.charts.look import COLOURS, DARK, cast

# Machado, Oliveira and Fernandes 2009, full severity, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", ["#FFFFFF", DARK])
def test_every_colour_is_seen_on_white_and_in_the_dark(ground: str) -> None:
    # WCAG 2.2, 1.4.11: three to one for what a graphic is made of.
    assert min(contrast(colour, ground) for colour in COLOURS) >= 3.0


@pytest.mark.parametrize("vision", VISION)
def test_no_two_colours_look_alike_to_anyone(vision: str) -> None:
    seen = [lab(VISION[vision] @ linear(colour)) for colour in COLOURS]
    # Okabe and Ito's own closest pair is 16 apart for tritanopia.
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) >= 15


def test_twenty_four_contenders_all_look_different_and_labels_are_inert() -> None:
    looks = cast([f"s{n}" for n in range(24)])
    assert len({(look.colour, look.dash) for look in looks}) == 24
    assert [look.label for look in cast(["a", "b", "a", "c\x07"])] == ["a", "b", "c\\x07"]


def test_a_look_depends_on_the_place_alone() -> None:
    assert cast(["x", "y"]) == cast(["x", "y", "z"])[:2]
