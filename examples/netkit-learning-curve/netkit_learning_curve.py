"""A learning curve that is drawn while a model trains: a reporter for netkit."""

import json
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from netkit import Epoch, Reporter, RunInfo, atomic_write

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 720, 420, 70, 40, 20, 50
COLORS = {"training": "#1f77b4", "validation": "#d62728"}
Point = tuple[int, float, float | None, bool]


@dataclass
class Curve:
    """What was seen of a run: a point (number, loss, validation loss, whether it is the best) for each epoch."""

    title: str
    points: list[Point] = field(default_factory=list)
    drawn: float = -math.inf


@dataclass(frozen=True)
class LearningCurve(Reporter):
    """The loss of every epoch as a picture (SVG) in the file `path`: of the training rows, of the validation set where
    there is one, and a dot at the best.

    It is drawn anew while the model trains, at most once in `seconds`, and when it is done: a browser may show it at
    any time. The numbers are in the picture as well, and a run that is resumed goes on with them. With `logarithmic`
    a tenth of the loss is always the same way down, as far as all losses are above 0.
    """

    path: Annotated[str, Meta(min_length=1)] = "learning_curve.svg"
    logarithmic: bool = True
    seconds: Annotated[float, Meta(ge=0)] = 1.0

    def start(self, about: RunInfo) -> Curve:
        words = [about.settings[name] for name in ("loss", "optimizer") if about.settings.get(name)]
        return Curve(", ".join(map(str, words)), points_in(Path(self.path), about.done))

    def epoch(self, state: Curve, epoch: Epoch) -> None:
        state.points.append((epoch.number, epoch.loss, epoch.validation.get("loss"), epoch.best))
        if time.monotonic() - state.drawn >= self.seconds:
            self._draw(state)

    def end(self, state: Curve, trouble: BaseException | None) -> None:
        if trouble is not None:
            state.title += f" ({type(trouble).__name__} {trouble})"
        if state.points:
            self._draw(state)

    def _draw(self, state: Curve) -> None:
        with atomic_write(self.path) as temporary:
            temporary.write_text(svg(state, self.logarithmic), encoding="utf-8")
        state.drawn = time.monotonic()


def points_in(path: Path, done: int) -> list[Point]:
    """The points that a picture holds of the epochs that are done; none where it is no picture of ours."""
    try:
        found = re.search(r"<metadata>(.*)</metadata>", path.read_text("utf-8")) if done else None
        points = json.loads(found[1]) if found else []
        return [(int(number), float(loss), held, bool(best)) for number, loss, held, best in points if number <= done]
    except (OSError, ValueError, TypeError):
        return []


def svg(curve: Curve, logarithmic: bool) -> str:
    """The picture of at least one point."""
    first, last = curve.points[0][0], max(curve.points[-1][0], curve.points[0][0] + 1)
    lines = {"training": [(number, loss) for number, loss, _, _ in curve.points]}
    lines["validation"] = [(number, held) for number, _, held, _ in curve.points if held is not None]
    values = [value for line in lines.values() for _, value in line]
    logarithmic = logarithmic and min(values) > 0
    scale: Callable[[float], float] = math.log10 if logarithmic else float
    low, high = scale(min(values)), scale(max(values))
    high = high if high > low else low + 1

    def place(number: float, height: float) -> tuple[float, float]:
        x = LEFT + (WIDTH - LEFT - RIGHT) * (number - first) / (last - first)
        return round(x, 1), round(TOP + (HEIGHT - TOP - BOTTOM) * (high - height) / (high - low), 1)

    parts = [text(WIDTH / 2, 22, curve.title, "middle"), text(WIDTH / 2, HEIGHT - 12, "epoch", "middle")]
    for tick in (low + (high - low) * step / 4 for step in range(5)):
        x, y = place(first, tick)
        parts.append(f'<path d="M{x} {y}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(text(x - 6, y + 4, f"{10**tick if logarithmic else tick:.3g}", "end"))
    parts += [text(place(number, low)[0], HEIGHT - 30, str(number), "middle") for number in (first, last)]
    for row, (name, line) in enumerate((name, line) for name, line in lines.items() if line):
        places = " ".join(f"{x},{y}" for x, y in (place(number, scale(value)) for number, value in line))
        parts.append(f'<polyline points="{places}" fill="none" stroke="{COLORS[name]}" stroke-width="2"/>')
        parts.append(text(WIDTH - RIGHT, TOP + 16 + 18 * row, name, "end", COLORS[name]))
    for number, loss, held, _ in [point for point in curve.points if point[3]][-1:]:
        x, y = place(number, scale(loss if held is None else held))
        parts.append(f'<circle cx="{x}" cy="{y}" r="4"><title>best: epoch {number}</title></circle>')
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="13">'
    background = '<rect width="100%" height="100%" fill="white"/>'
    return "\n".join([start, f"<metadata>{json.dumps(curve.points)}</metadata>", background, *parts, "</svg>\n"])


def text(x: float, y: float, words: str, anchor: str, color: str = "black") -> str:
    """Words in the picture, which begin, end or have their middle at x."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{color}">{escape(words)}</text>'
