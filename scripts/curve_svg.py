"""A schedule as a small picture: written by hand, the same bytes for the same values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 420, 150
LEFT, RIGHT, TOP, BOTTOM = 26, 14, 12, 24
JUMP = 0.05
"""From this on, a change three times as large as those beside it is drawn as a vertical line."""

STYLE = """\
text { font: 12px ui-monospace, monospace; fill: #57606a; }
.axis { stroke: #8c959f; }
.restart { stroke: #8c959f; stroke-dasharray: 2 4; }
.curve { fill: none; stroke: #0969da; stroke-width: 2; stroke-linejoin: round; }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1; }
  .curve { stroke: #4493f8; }
}"""


def curve_svg(title: str, values: Sequence[float], restarts: Sequence[int] = ()) -> str:
    """The picture of ``values`` at steps 0, 1, 2, …, from 0 to 1, on a transparent ground.

    Parameters
    ----------
    title : str
        For those who do not see it.
    values : non-empty sequence of float in [0, 1]
    restarts : sequence of int
        Steps that get a faint vertical rule.
    """
    total = len(values)
    floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    rules = "".join(
        f'<line class="restart" x1="{x}" y1="2" x2="{x}" y2="{floor}"/>\n'
        for x in (_x(step, total) for step in restarts)
    )
    points = " ".join(f"{x},{y}" for x, y in _corners([*_points(values)]))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" role="img">\n'
        f"<title>{escape(title)}</title>\n"
        f"<style>\n{STYLE}\n</style>\n"
        f"{rules}"
        f'<path class="axis" fill="none" d="M{LEFT},{TOP}V{floor}H{right}"/>\n'
        f'<text x="{LEFT - 6}" y="{TOP + 4}" text-anchor="end">1</text>\n'
        f'<text x="{LEFT - 6}" y="{floor + 4}" text-anchor="end">0</text>\n'
        f'<text x="{LEFT}" y="{HEIGHT - 7}" text-anchor="middle">0</text>\n'
        f'<text x="{(LEFT + right) // 2}" y="{HEIGHT - 7}" text-anchor="middle">step</text>\n'
        f'<text x="{right}" y="{HEIGHT - 7}" text-anchor="middle">T</text>\n'
        f'<polyline class="curve" points="{points}"/>\n'
        "</svg>\n"
    )


def _x(step: int, total: int) -> float:
    return round(LEFT + (WIDTH - RIGHT - LEFT) * step / total, 1)


def _y(value: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value, 1)


def _points(values: Sequence[float]) -> Iterator[tuple[float, float]]:
    changes = [abs(after - before) for before, after in pairwise(values)]
    for step, value in enumerate(values):
        if step:
            beside = [*changes[max(0, step - 2) : step - 1], *changes[step : step + 1]]
            if changes[step - 1] > max([JUMP, *(3 * change for change in beside)]):
                yield _x(step, len(values)), _y(values[step - 1])
        yield _x(step, len(values)), _y(value)


def _corners(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The points without those in the middle of a level stretch."""
    for index, point in enumerate(points):
        beside = points[max(0, index - 1) : index + 2]
        if len(beside) < 3 or {y for _, y in beside} != {point[1]}:
            yield point
