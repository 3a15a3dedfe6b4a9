"""The marks of a figure's traces as SVG: lines, areas, points, bars, cells, and where hovering finds them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from planner.arrays import FloatArray
from planner.report.drawing.scales import Scale
from planner.report.drawing.values import array, days, is_date, numbers, text_width

Body = dict[str, Any]
DASHES = {"dash": "7 5", "dot": "2 4", "dashdot": "7 4 2 4"}
INK = "currentColor"


def attributes(**values: object) -> str:
    """Attributes of an element: underscores become hyphens, numbers get one decimal, None and "" are left out."""
    return "".join(
        f' {name.rstrip("_").replace("_", "-")}="{shown(v) if isinstance(v, float) else escape(str(v))}"'
        for name, v in values.items()
        if v is not None and v != ""
    )


def shown(value: float) -> str:
    """A length in SVG units, short."""
    return "0" if abs(value) < 0.05 else f"{value:.1f}".removesuffix(".0")


def text(x: float, y: float, words: str, size: float, *, anchor: str = "start", **more: object) -> str:
    """A text element."""
    style = attributes(**{"x": x, "y": y, "font_size": size, "text_anchor": anchor, "fill": INK} | more)
    return f"<text{style}>{escape(words)}</text>"


@dataclass(frozen=True)
class Pane:
    """Two axes and the pixels that they span; y grows downwards."""

    x: Scale
    y: Scale
    left: float
    right: float
    top: float
    bottom: float

    def across(self, values: Sequence[Any]) -> FloatArray:
        """(values,) positions from left to right, SVG units."""
        return self.left + self.x.places(values) * (self.right - self.left)

    def down(self, values: Sequence[Any]) -> FloatArray:
        """(values,) positions from top to bottom, SVG units."""
        return self.bottom - self.y.places(values) * (self.bottom - self.top)


@dataclass
class Labels:
    """Texts beside points, each put where no other one and no point stands; one that finds no room is left out
    (hovering and the table tell it)."""

    size: float
    right: float
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)

    def keep(self, x: FloatArray, y: FloatArray, radius: FloatArray) -> None:
        """Keep the ground of points free. x, y, radius: (points,)."""
        self.taken += [(a - r, b - r, a + r, b + r) for a, b, r in zip(x, y, 0.8 * radius, strict=True)]

    def place(self, x: float, y: float, radius: float, words: str, position: str) -> str:
        """A label beside a mark, where it covers no other; empty where there is no room."""
        width, high, gap = text_width(words, self.size), self.size * 1.1, radius + 4
        spots = {
            "top center": (x - width / 2, y - gap - high),
            "middle right": (x + gap, y - high / 2),
            "bottom center": (x - width / 2, y + gap),
            "middle left": (x - gap - width, y - high / 2),
            **{
                f"{up} {side}": (x + right, y - 0.7 * gap - high if up == "top" else y + 0.7 * gap)
                for up in ("top", "bottom")
                for side, right in (("right", 0.7 * gap), ("left", -0.7 * gap - width))
            },
        }
        for left, top in (spots[p] for p in sorted(spots, key=lambda p: p != position)):
            box = (left, top, left + width, top + high)
            if left >= 0 and box[2] <= self.right and not any(_cross(box, other) for other in self.taken):
                self.taken.append(box)
                return text(left, top + high * 0.82, words, self.size)
        return ""


def _cross(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _polyline(x: FloatArray, y: FloatArray) -> str:
    """A path through the points; it breaks where one is missing."""
    parts, pen = [], "M"
    for a, b in zip(x, y, strict=True):
        if math.isfinite(a) and math.isfinite(b):
            parts.append(f"{pen}{shown(a)} {shown(b)}")
            pen = "L"
        else:
            pen = "M"
    return "".join(parts)


def _ring(x: float, y: float, r: float) -> str:
    arc = f"a{shown(r)} {shown(r)} 0 1 0 "
    return f"M{shown(x - r)} {shown(y)}{arc}{shown(2 * r)} 0{arc}{shown(-2 * r)} 0z"


def _corners(*at: tuple[float, float], close: bool = True) -> Callable[[float, float, float], str]:
    def drawn(x: float, y: float, r: float) -> str:
        points = "L".join(f"{shown(x + a * r)} {shown(y + b * r)}" for a, b in at)
        return f"M{points}{'z' if close else ''}"

    return drawn


def _strokes(*lines: tuple[float, float, float, float]) -> Callable[[float, float, float], str]:
    def drawn(x: float, y: float, r: float) -> str:
        return "".join(
            f"M{shown(x + a * r)} {shown(y + b * r)}L{shown(x + c * r)} {shown(y + d * r)}" for a, b, c, d in lines
        )

    return drawn


def _star(points: int, inner: float) -> Callable[[float, float, float], str]:
    turns = [math.pi * (i / points - 0.5) for i in range(2 * points)]
    radii = [1.0 if i % 2 == 0 else inner for i in range(2 * points)]
    return _corners(*((r * math.cos(t), r * math.sin(t)) for r, t in zip(radii, turns, strict=True)))


_PLUS = ((-0.35, -1), (0.35, -1), (0.35, -0.35), (1, -0.35), (1, 0.35), (0.35, 0.35), (0.35, 1), (-0.35, 1),
         (-0.35, 0.35), (-1, 0.35), (-1, -0.35), (-0.35, -0.35))  # fmt: skip
SYMBOLS: dict[str, Callable[[float, float, float], str]] = {
    "circle": _ring,
    "diamond": _corners((0, -1.2), (1.2, 0), (0, 1.2), (-1.2, 0)),
    "square": _corners((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
    "cross": _corners(*_PLUS),
    "x": _corners(*(((a - b) * 0.75, (a + b) * 0.75) for a, b in _PLUS)),
    "triangle-up": _corners((0, -1.1), (1, 0.8), (-1, 0.8)),
    "star": _star(5, 0.45),
    "pentagon": _corners(*((math.sin(t), -math.cos(t)) for t in (2 * math.pi * i / 5 for i in range(5)))),
    "x-thin": _strokes((-0.7, -0.7, 0.7, 0.7), (-0.7, 0.7, 0.7, -0.7)),
    "line-ew": _strokes((-1, 0, 1, 0)),
    "line-ns-open": _strokes((0, -1, 0, 1)),
}
_OPEN = ("x-thin", "line-ew", "line-ns-open")


def symbol(name: str, x: FloatArray, y: FloatArray, radius: FloatArray, colour: str, line: Body, opacity: Any) -> str:
    """Points of one look as one path. x, y, radius: (points,)."""
    path = "".join(
        SYMBOLS[name](float(a), float(b), float(r))
        for a, b, r in zip(x, y, radius, strict=True)
        if math.isfinite(a) and math.isfinite(b)
    )
    edge = line.get("color", colour) if name in _OPEN or line.get("width") else None
    fill = "none" if name in _OPEN or colour == "rgba(0,0,0,0)" else colour
    style = attributes(fill=fill, stroke=edge, stroke_width=line.get("width", 2) if edge else None, opacity=opacity)
    return f'<path d="{path}"{style}/>' if path else ""


def points(trace: Body, pane: Pane) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(x, y, radius) of a trace's points in pixels."""
    x, y = pane.across(array(trace["x"])), pane.down(array(trace["y"]))
    sizes = trace.get("marker", {}).get("size", 7)
    return x, y, numbers(array(sizes)) / 2 if isinstance(sizes, list | tuple | dict) else np.full(len(x), sizes / 2)


def scatter(trace: Body, pane: Pane, below: Body | None, labels: Labels) -> str:
    """A line with what lies between it and the trace before it, its points, and the texts beside them."""
    mode, out = trace.get("mode", "lines"), ""
    x, y, radius = points(trace, pane)
    if trace.get("fill") == "tonexty" and below is not None:
        bx, by = pane.across(array(below["x"])), pane.down(array(below["y"]))
        area = _polyline(np.concatenate([x, bx[::-1]]), np.concatenate([y, by[::-1]]))
        out += f'<path d="{area}z"{attributes(fill=trace["fillcolor"])}/>'
    line = trace.get("line", {})
    if "lines" in mode and line.get("width", 2):
        style = attributes(
            fill="none",
            stroke=line.get("color"),
            stroke_width=line.get("width", 2),
            stroke_dasharray=DASHES.get(line.get("dash", ""), ""),
            stroke_linejoin="round",
            opacity=trace.get("opacity"),
        )
        out += f'<path d="{_polyline(x, y)}"{style}/>'
    marker = trace.get("marker", {})
    if "markers" in mode:
        name, edge = marker.get("symbol", "circle"), marker.get("line", {})
        colours = marker.get("color", line.get("color"))
        each = array(colours) if isinstance(colours, list | tuple | dict) else [colours] * len(x)
        for colour in dict.fromkeys(each):
            own = np.array([c == colour for c in each], dtype=bool)
            out += symbol(name, x[own], y[own], radius[own], str(colour), edge, marker.get("opacity"))
    if "text" in mode:
        size = radius if "markers" in mode else np.zeros(len(x))
        for a, b, r, words in zip(x, y, size, array(trace["text"]), strict=True):
            if words and math.isfinite(a) and math.isfinite(b):
                out += labels.place(a, b, r, str(words), trace.get("textposition", "top center"))
    return out


@dataclass(frozen=True)
class Bars:
    """The bars of a figure before they have a place: positions along their axis, base and top of each, and the width
    and offset of each in units of that axis."""

    traces: list[Body]
    base: list[FloatArray]
    top: list[FloatArray]
    width: list[FloatArray]
    offset: list[float]

    @classmethod
    def of(cls, traces: Sequence[Body], layout: Body) -> Bars:
        """Where every bar begins and ends."""
        mode, kept = layout.get("barmode", "group"), list(traces)
        high: dict[Any, float] = defaultdict(float)
        low: dict[Any, float] = defaultdict(float)
        base, top, width, offset = [], [], [], []
        for i, trace in enumerate(kept):
            lying = trace.get("orientation") == "h"
            where, values = array(trace["y" if lying else "x"]), numbers(array(trace["x" if lying else "y"]))
            start = np.zeros(len(values))
            if mode == "stack":
                for n, (key, v) in enumerate(zip(where, values, strict=True)):
                    side = low if v < 0 else high
                    start[n] = side[key]
                    side[key] += 0.0 if math.isnan(v) else float(v)
            base.append(start)
            top.append(start + values)
            given = trace.get("width")
            if isinstance(given, list | tuple | dict):
                wide = numbers(array(given))
            else:
                gap = _step(where) * (1 - layout.get("bargap", 0.2))
                wide = np.full(len(values), given or (gap / len(kept) if mode == "group" else gap))
            width.append(wide)
            offset.append(float(wide[0]) * (i - (len(kept) - 1) / 2) if mode == "group" and len(wide) else 0.0)
        return cls(kept, base, top, width, offset)

    def drawn(self, i: int, pane: Pane, defs: list[str], key: str, size: float) -> tuple[str, FloatArray, FloatArray]:
        """(SVG, x, y) of one trace: its bars, and the middle of each one's end."""
        trace = self.traces[i]
        lying = trace.get("orientation") == "h"
        scale = pane.y if lying else pane.x
        pixels = (pane.top - pane.bottom if lying else pane.right - pane.left) / (scale.last - scale.first)
        at = pane.down(array(trace["y"])) if lying else pane.across(array(trace["x"]))
        at = at + self.offset[i] * abs(pixels)
        half = self.width[i] * abs(pixels) / 2
        along = pane.across if lying else pane.down
        start, end = along(list(self.base[i])), along(list(self.top[i]))
        path = "".join(
            _box(a, e, c - h, c + h) if lying else _box(c - h, c + h, a, e)
            for c, h, a, e in zip(at, half, start, end, strict=True)
            if math.isfinite(e) and abs(e - a) > 0.02
        )
        marker = trace.get("marker", {})
        colours = marker.get("color")
        out = ""
        if isinstance(colours, list | tuple):  # one colour a bar
            boxes = path.split("M")[1:]
            out = "".join(f'<path d="M{b}"{attributes(fill=c)}/>' for b, c in zip(boxes, colours, strict=False))
        elif path:
            edge = marker.get("line", {})
            fill = "none" if colours == "rgba(0,0,0,0)" else colours
            style = attributes(
                fill=hatching(marker, defs, key) or fill,
                stroke=edge.get("color"),
                stroke_width=edge.get("width") if edge.get("color") else None,
            )
            out = f'<path d="{path}"{style}/>'
        if "error_x" in trace:
            out += self._error(trace, pane, at)
        for words, a, e, c in zip(array(trace.get("text")), start, end, at, strict=False):
            if words and math.isfinite(e):
                e = max(a, e)  # beside a bar that goes the other way, at its base
                inside = e + 5 + text_width(str(words), size) > pane.right + 16
                out += text(
                    e - 5 if inside else e + 5, c + size * 0.35, str(words), size,
                    anchor="end" if inside else "start", fill="#fff" if inside else INK,
                )  # fmt: skip
        return (out, end, at) if lying else (out, at, end)

    def _error(self, trace: Body, pane: Pane, at: FloatArray) -> str:
        mean, error = numbers(array(trace["x"])), trace["error_x"]
        low = pane.across(list(mean - numbers(array(error["arrayminus"]))))
        high = pane.across(list(mean + numbers(array(error["array"]))))
        path = "".join(
            f"M{shown(a)} {shown(c)}H{shown(b)}M{shown(a)} {shown(c - 4)}v8M{shown(b)} {shown(c - 4)}v8"
            for a, b, c in zip(low, high, at, strict=True)
            if b - a > 0.5
        )
        return (
            f'<path d="{path}"{attributes(stroke=error.get("color"), stroke_width=1.5, fill="none")}/>' if path else ""
        )


def _box(left: float, right: float, top: float, bottom: float) -> str:
    wide = shown(right - left)
    return f"M{shown(left)} {shown(top)}h{wide}v{shown(bottom - top)}h-{wide}z".replace("--", "")


def _step(where: Sequence[Any]) -> float:
    """The least distance of two bars along their axis; 1 between categories."""
    if where and all(is_date(v) for v in where):
        where = [days(v) for v in where]
    if len(where) < 2 or isinstance(where[0], str):
        return 1.0
    return float(np.diff(np.unique(np.asarray(where, dtype=np.float64))).min())


_PATTERNS = {
    "/": "M-2 2L2 -2M0 8L8 0M6 10L10 6",
    "\\": "M-2 6L2 10M0 0L8 8M6 -2L10 2",
    "x": "M0 0L8 8M0 8L8 0",
    "+": "M4 0V8M0 4H8",
    "-": "M0 4H8",
    "|": "M4 0V8",
    ".": "M3 4a1 1 0 1 0 2 0a1 1 0 1 0 -2 0",
}


def hatching(marker: Body, defs: list[str], key: str) -> str:
    """The fill of a colour with a pattern over it, for those who see no colour; "" where there is no pattern."""
    shape = marker.get("pattern", {}).get("shape")
    if not shape:
        return ""
    name = f"{key}-{list(_PATTERNS).index(shape)}-{marker['color'].lstrip('#')}"
    drawn = (
        f'<pattern id="{name}" width="8" height="8" patternUnits="userSpaceOnUse">'
        f'<path d="M0 0H8V8H0z" fill="{marker["color"]}"/>'
        f'<path d="{_PATTERNS[shape]}" stroke="#fff" stroke-opacity=".55" fill="none"/></pattern>'
    )
    if drawn not in defs:
        defs.append(drawn)
    return f"url(#{name})"


def heatmap(trace: Body, pane: Pane) -> tuple[str, list[tuple[float, float, int, int]], tuple[float, float], list[str]]:
    """(SVG, (x, y, row, column) of every cell, (least, most), colours from least to most)."""
    from plotly.colors import get_colorscale, sample_colorscale

    z = np.array([numbers(row) for row in array(trace["z"])], dtype=np.float64)
    finite = z[np.isfinite(z)]
    low = float(trace.get("zmin", finite.min() if len(finite) else 0.0))
    high = max(float(finite.max()) if len(finite) else 1.0, low + 1e-12)
    colours = sample_colorscale(get_colorscale("Cividis"), [i / 24 for i in range(25)])
    if trace.get("reversescale"):
        colours = colours[::-1]
    xs, ys = pane.across(array(trace["x"])), pane.down(array(trace["y"]))
    wide = (pane.right - pane.left) / z.shape[1]
    tall = (pane.bottom - pane.top) / z.shape[0]
    by_colour: dict[str, str] = defaultdict(str)
    cells = []
    for r, c in np.argwhere(np.isfinite(z)):
        colour = colours[int(np.clip((z[r, c] - low) / (high - low), 0, 1) * 24)]
        by_colour[colour] += _box(xs[c] - wide / 2, xs[c] + wide / 2 + 0.3, ys[r] - tall / 2, ys[r] + tall / 2 + 0.3)
        cells.append((float(xs[c]), float(ys[r]), int(r), int(c)))
    return "".join(f'<path d="{d}" fill="{c}"/>' for c, d in by_colour.items()), cells, (low, high), colours
