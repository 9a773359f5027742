"""Lines as SVG, without a plotting library."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _GAP = 640, 220, 60, 50


@dataclass(frozen=True)
class Line:
    name: str
    points: Sequence[tuple[float, float]]


def plot(charts: Sequence[tuple[str, Line]]) -> str:
    """Charts one below the other, each (what its x axis is, its line); axes begin at 0."""
    height = len(charts) * (_HEIGHT + _GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH + _LEFT + 20}" height="{height}" '
        'font-family="sans-serif" font-size="12"><rect width="100%" height="100%" fill="white"/>'
    ]
    for number, (below, line) in enumerate(charts):
        parts.append(f'<g transform="translate({_LEFT},{number * (_HEIGHT + _GAP) + 20})">{_chart(below, line)}</g>')
    return "\n".join([*parts, "</svg>", ""])


def _chart(below: str, line: Line) -> str:
    right = max((x for x, _ in line.points), default=0) or 1
    top = (max((y for _, y in line.points), default=0) or 1) * 1.05
    height = _HEIGHT - 20

    def at(x: float, y: float) -> str:
        return f"{x / right * _WIDTH:.1f},{height - y / top * height:.1f}"

    parts = [f'<path d="M0,0 V{height} H{_WIDTH}" fill="none" stroke="black"/>']
    for value in _ticks(top):
        y = height - value / top * height
        parts.append(f'<path d="M0,{y:.0f} H{_WIDTH}" stroke="#ddd"/>')
        parts.append(f'<text x="-6" y="{y + 4:.0f}" text-anchor="end">{value:g}</text>')
    for value in _ticks(right):
        parts.append(f'<text x="{value / right * _WIDTH:.0f}" y="{height + 16}" text-anchor="middle">{value:g}</text>')
    points = " ".join(at(x, y) for x, y in line.points)
    parts.append(f'<polyline points="{points}" fill="none" stroke="#1f6feb" stroke-width="2"/>')
    parts.append(f'<text x="8" y="-6">{escape(line.name)} by {escape(below)}</text>')
    return "".join(parts)


def _ticks(end: float) -> list[float]:
    """Round numbers above 0 up to `end`, four to eight of them."""
    power = 10.0 ** math.floor(math.log10(end))
    step = next(power * share for share in (0.2, 0.25, 0.5, 1, 2) if end < 9 * power * share)
    return [round(step * n, 10) for n in range(1, int(end / step) + 1)]
