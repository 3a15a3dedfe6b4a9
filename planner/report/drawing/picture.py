"""A figure as a static vector picture of a given width, and what hovering over it tells.

Texts and lines take the colour of the text around them, so that a picture stands on light, dark and paper alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np

from planner.report.drawing.marks import (
    DASHES,
    INK,
    Bars,
    Body,
    Labels,
    Pane,
    attributes,
    hatching,
    heatmap,
    points,
    scatter,
    shown,
    symbol,
    text,
)
from planner.report.drawing.scales import Scale
from planner.report.drawing.values import array, hover_text, numbers, text_width, wrapped
from planner.report.figures.chart import FONT, Chart
from planner.words.wording import Wording

WIDE, NARROW = 840, 370
"""Widths in pixels: screens and paper (A4 and Letter show it at about 0.8), and phones."""
_SMALLEST = 0.8
"""Of the size of other texts, that of an axis title which would not fit."""


@dataclass(frozen=True)
class Picture:
    """svg: the element. at: (x, y) of every place that hovering finds; rows: for each place its head and, by name, what
    stands there; by_column: hovering looks at x alone. axes: on a map (x, y, pixels a degree east, pixels a degree
    north) of 0° E, 0° N, so that something else can be laid over it; empty elsewhere."""

    svg: str
    at: list[tuple[float, float]]
    names: list[str]
    rows: list[list[str]]
    by_column: bool
    axes: list[float]


@dataclass
class _Sheet:
    """What a picture is put together from."""

    chart: Chart
    width: int
    words: Wording
    size: float = 13.0
    parts: list[str] = field(default_factory=list)
    defs: list[str] = field(default_factory=list)
    points: list[tuple[float, float, str, str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        body = self.chart.body()
        self.traces: list[Body] = body["data"]
        self.layout: Body = body["layout"]
        self.narrow = self.width < 600
        self.size = 11.5 if self.narrow else 13.0
        self.key = f"p{self.width}-{self.chart.id}"


def svg(chart: Chart, width: int, words: Wording, *, alone: bool = False) -> Picture:
    """A chart's figure as SVG. alone: for a file of its own, with ground, fonts and title."""
    sheet = _Sheet(chart, width, words)
    layout, size = sheet.layout, sheet.size
    bars = Bars.of([t for t in sheet.traces if t["type"] == "bar"], layout)
    scales = _scales(sheet, bars)
    legend, legend_height = _legend(sheet)
    top = legend_height + 10 + (30 if alone else 0)
    left, right = _margins(sheet, scales)
    bottom_margin = size * 1.9 + (size * 1.7 if _title(layout["xaxis"]) else 0)
    height = layout["height"] - 60 + top
    bottom = height - bottom_margin
    panes = {}
    for name in sorted(scales):
        if name.startswith("y"):
            domain = array(layout[_long(name)].get("domain")) or [0, 1]
            low, high = (bottom - d * (bottom - top) for d in domain)
            panes[name] = Pane(scales["x"], scales[name], left, width - right, high, low)
    if layout["yaxis"].get("scaleanchor"):
        panes["y"] = _same_scale(panes["y"], float(layout["yaxis"].get("scaleratio", 1)))
    for name, pane in panes.items():
        _axis_y(sheet, pane, layout[_long(name)])
    _axis_x(sheet, panes[sorted(panes)[-1]], list(panes.values()), height)
    _marks(sheet, panes, bars)
    for shape in layout.get("shapes", ()):
        _shape(sheet, panes, shape)
    ground = ""
    if alone:
        legend = f'<g transform="translate(0 30)">{legend}</g>'
        ground = '<rect width="100%" height="100%" fill="#fff"/>' + text(left, 22, chart.title, 16, font_weight=600)
    defs = f"<defs>{''.join(sheet.defs)}</defs>" if sheet.defs else ""
    about = attributes(
        xmlns="http://www.w3.org/2000/svg" if alone else None,
        viewBox=f"0 0 {width} {shown(height)}",
        font_family=FONT if alone else None,
        color="#1c2430" if alone else None,
        class_=None if alone else ("narrow" if sheet.narrow else "wide"),
        role="img",
        aria_label=chart.title,
    )
    axes: list[float] = []
    if layout["yaxis"].get("scaleanchor"):
        (x0, x1), (y0, y1) = panes["y"].across([0, 1]), panes["y"].down([0, 1])
        axes = [round(float(v), 3) for v in (x0, y0, x1 - x0, y1 - y0)]
    return _told(sheet, f"<svg{about}>{defs}{ground}{legend}{''.join(sheet.parts)}</svg>", axes)


def plot(chart: Chart, words: Wording) -> str:
    """A chart as HTML: its wide and its narrow picture, of which a style sheet shows one, and what hovering tells."""
    wide, narrow = (svg(chart, width, words) for width in (WIDE, NARROW))
    tips = {
        "names": wide.names,
        "rows": wide.rows,
        "column": wide.by_column,
        "wide": [[round(v) for v in at] for at in wide.at],
        "narrow": [[round(v) for v in at] for at in narrow.at],
        "axes": [wide.axes, narrow.axes] if wide.axes else None,
    }
    told = escape(json.dumps({k: v for k, v in tips.items() if v}, ensure_ascii=False, separators=(",", ":")))
    return f'<div class="picture" data-tips="{told}">{wide.svg}{narrow.svg}</div>'


def _long(name: str) -> str:
    """The layout's name of a trace's axis: y2 is yaxis2."""
    return f"{name[0]}axis{name[1:]}"


def _title(axis: Body) -> str:
    return str((axis.get("title") or {}).get("text") or "")


def _scales(sheet: _Sheet, bars: Bars) -> dict[str, Scale]:
    """Every axis that traces use, by its name there ("x", "y", "y2")."""
    values: dict[str, list[list[Any]]] = {"x": [], "y": []}  # a chart without anything in it has its axes, too
    from_zero, marks = set(), set()
    for trace in sheet.traces:
        x, y = trace.get("xaxis", "x"), trace.get("yaxis", "y")
        if trace["type"] == "bar":
            i = next(n for n, t in enumerate(bars.traces) if t is trace)
            ends = [*bars.base[i], *bars.top[i]]
            lying = trace.get("orientation") == "h"
            if "error_x" in trace:
                ends += list(numbers(array(trace["x"])) + numbers(array(trace["error_x"]["array"])))
            values.setdefault(x, []).append(ends if lying else array(trace["x"]))
            values.setdefault(y, []).append(array(trace["y"]) if lying else ends)
            from_zero.add(x if lying else y)
        else:
            values.setdefault(x, []).append(array(trace.get("x")))
            values.setdefault(y, []).append(array(trace.get("y")))
            if "markers" in trace.get("mode", ""):
                marks |= {x, y}
        if trace["type"] == "heatmap":
            wide = len(array(trace["x"]))
            values[x].append([array(trace["x"])[0] - 0.5, array(trace["x"])[0] + wide - 0.5])
    return {
        name: Scale.of(sheet.layout[_long(name)], found, bars=name in from_zero, marks=name in marks)
        for name, found in values.items()
    }


def _margins(sheet: _Sheet, scales: dict[str, Scale]) -> tuple[float, float]:
    widest = 0.0
    for name, scale in scales.items():
        if name.startswith("y"):
            room = (0.36 if sheet.narrow else 0.3) * sheet.width
            for _, label in scale.ticks(300, size=sheet.size, across=False):
                widest = max(widest, *(text_width(line, sheet.size) for line in wrapped(label, room, sheet.size)))
    titled = any(_title(sheet.layout[_long(name)]) for name in scales if name.startswith("y"))
    bar = any(t["type"] == "heatmap" for t in sheet.traces)
    return widest + 10 + (sheet.size * 1.5 if titled else 0), 76.0 if bar else 18.0


def _same_scale(pane: Pane, ratio: float) -> Pane:
    """A pane on which a unit of y is `ratio` units of x: the axis that has room to spare shows more."""
    x, y = pane.x, pane.y
    wide, tall = pane.right - pane.left, pane.bottom - pane.top
    per_x, per_y = wide / (x.last - x.first), tall / (y.last - y.first)
    unit = min(per_x, per_y / ratio)

    def spread(scale: Scale, pixels: float, per: float) -> Scale:
        middle, half = (scale.first + scale.last) / 2, pixels / per / 2
        return Scale(scale.kind, middle - half, middle + half, scale.categories, scale.layout)

    return Pane(spread(x, wide, unit), spread(y, tall, unit * ratio), pane.left, pane.right, pane.top, pane.bottom)


def _axis_y(sheet: _Sheet, pane: Pane, axis: Body) -> None:
    size = sheet.size
    grid = []
    lying = any(t.get("orientation") == "h" for t in sheet.traces)
    for place, label in pane.y.ticks(pane.bottom - pane.top, size=size, across=False):
        y = pane.bottom - place * (pane.bottom - pane.top)
        if not -1e-6 <= place <= 1 + 1e-6:
            continue
        if axis.get("showgrid", True) and not (pane.y.kind == "category" and lying):
            grid.append(f"M{shown(pane.left)} {shown(y)}H{shown(pane.right)}")
        lines = wrapped(label, (0.36 if sheet.narrow else 0.3) * sheet.width, size)
        for n, line in enumerate(lines):
            drop = size * 0.35 + size * 1.05 * (n - (len(lines) - 1) / 2)
            sheet.parts.append(text(pane.left - 7, y + drop, line, size, anchor="end"))
    sheet.parts.append(f'<path d="{"".join(grid)}" stroke="{INK}" stroke-opacity=".16" fill="none"/>' if grid else "")
    said = _title(axis)
    if said:
        middle = (pane.top + pane.bottom) / 2
        room = max(pane.bottom - pane.top, 90) + size  # panes stand further apart than this
        small = size * min(max(room / max(text_width(said, size), 1), _SMALLEST), 1)
        turn = f"rotate(-90 {shown(size)} {shown(middle)})"
        sheet.parts.append(text(size, middle, wrapped(said, room, small, 1)[0], small, anchor="middle", transform=turn))


def _axis_x(sheet: _Sheet, lowest: Pane, panes: Sequence[Pane], height: float) -> None:
    size, axis = sheet.size, sheet.layout["xaxis"]
    foot = max(p.bottom for p in panes)
    line = f"M{shown(lowest.left)} {shown(foot)}H{shown(lowest.right)}"
    grid = ""
    for place, label in lowest.x.ticks(lowest.right - lowest.left, size=size, across=True):
        if not -1e-6 <= place <= 1 + 1e-6:
            continue
        x = lowest.left + place * (lowest.right - lowest.left)
        if axis.get("showgrid"):
            grid += "".join(f"M{shown(x)} {shown(p.top)}V{shown(p.bottom)}" for p in panes)
        half = text_width(label, size) / 2
        inside = min(max(x, half), sheet.width - half)
        sheet.parts.append(text(inside, foot + size * 1.4, label, size, anchor="middle"))
        line += f"M{shown(x)} {shown(foot)}v4"
    sheet.parts.append(f'<path d="{grid}" stroke="{INK}" stroke-opacity=".16" fill="none"/>' if grid else "")
    sheet.parts.append(f'<path d="{line}" stroke="{INK}" stroke-opacity=".5" fill="none"/>')
    if axis.get("zeroline") and lowest.x.kind == "linear":
        zero = shown(float(lowest.across([0.0])[0]))
        sheet.parts.append(f'<path d="M{zero} {shown(lowest.top)}V{shown(foot)}" stroke="{axis["zerolinecolor"]}"/>')
    if said := _title(axis):
        sheet.parts.append(text((lowest.left + lowest.right) / 2, height - size * 0.45, said, size, anchor="middle"))


def _marks(sheet: _Sheet, panes: dict[str, Pane], bars: Bars) -> None:
    labels = Labels(sheet.size * 0.9, sheet.width)
    for trace in sheet.traces:
        if trace["type"] == "scatter" and "markers" in trace.get("mode", ""):
            labels.keep(*points(trace, panes[trace.get("yaxis", "y")]))
    late: list[str] = []
    before: Body | None = None
    for trace in sheet.traces:
        pane = panes[trace.get("yaxis", "y")]
        name = str(trace.get("name", ""))
        if trace["type"] == "bar":
            i = next(n for n, t in enumerate(bars.traces) if t is trace)
            drawn, x, y = bars.drawn(i, pane, sheet.defs, sheet.key, sheet.size)
            sheet.parts.append(drawn)
        elif trace["type"] == "heatmap":
            _heat(sheet, pane, trace)
            continue
        else:
            late.append(scatter(trace, pane, before, labels))
            before = trace
            x, y = pane.across(array(trace["x"])), pane.down(array(trace["y"]))
        if trace.get("hoverinfo") != "skip" and trace.get("hovertemplate"):
            _tips(sheet, trace, name, list(x), list(y))
    sheet.parts += late


def _tips(sheet: _Sheet, trace: Body, name: str, xs: list[float], ys: list[float]) -> None:
    """What hovering over every point of a trace tells."""
    custom = array(trace.get("customdata"))
    words, x, y = array(trace.get("text")), array(trace["x"]), array(trace["y"])
    for n, (px, py) in enumerate(zip(xs, ys, strict=True)):
        if not (math.isfinite(px) and math.isfinite(py)):
            continue
        values = {"x": x[n], "y": y[n], "text": words[n] if n < len(words) else ""}
        values["customdata"] = custom[n] if n < len(custom) else ()
        said, own = hover_text(trace["hovertemplate"], values, sheet.words)
        sheet.points.append((px, py, name if own is None else own, said, x[n]))


def _heat(sheet: _Sheet, pane: Pane, trace: Body) -> None:
    drawn, cells, (low, high), colours = heatmap(trace, pane)
    sheet.parts.append(drawn)
    z, custom = array(trace["z"]), array(trace.get("customdata"))
    x, y = array(trace["x"]), array(trace["y"])
    for px, py, r, c in cells:
        values = {"x": x[c], "y": y[r], "z": z[r][c], "customdata": custom[r][c] if custom else ""}
        said, _ = hover_text(trace["hovertemplate"], values, sheet.words)
        sheet.points.append((px, py, "", said, x[c]))
    left, size, tall = pane.right + 12, sheet.size, (pane.bottom - pane.top) / len(colours)
    for n, colour in enumerate(colours):
        top = pane.bottom - (n + 1) * tall
        sheet.parts.append(f"<rect{attributes(x=left, y=top, width=12.0, height=tall + 0.3, fill=colour)}/>")
    number = sheet.words.number
    sheet.parts.append(text(left + 16, pane.bottom, number(low), size))
    sheet.parts.append(text(left + 16, pane.top + size * 0.7, number(high), size))
    said = str(((trace.get("colorbar") or {}).get("title") or {}).get("text") or "")
    for n, line in enumerate(wrapped(said, 60, size)):
        sheet.parts.append(text(left + 16, (pane.top + pane.bottom) / 2 + n * size, line, size * 0.9))


def _shape(sheet: _Sheet, panes: dict[str, Pane], shape: Body) -> None:
    """A straight line across or down a pane."""
    pane = panes["y2" if shape.get("yref") == "y2" else "y"]
    ends = []
    for end in ("0", "1"):
        x, y = shape[f"x{end}"], shape[f"y{end}"]
        px = pane.left + x * (pane.right - pane.left) if shape.get("xref") == "paper" else float(pane.across([x])[0])
        py = pane.bottom - y * (pane.bottom - pane.top) if shape.get("yref") == "paper" else float(pane.down([y])[0])
        ends.append(f"{shown(px)} {shown(py)}")
    line = shape.get("line", {})
    sheet.parts.append(
        f'<path d="M{ends[0]}L{ends[1]}"{attributes(stroke=line.get("color"), stroke_width=line.get("width", 2))}/>'
    )


def _legend(sheet: _Sheet) -> tuple[str, float]:
    """(SVG, height) of the legend: named traces in rows as wide as the picture."""
    named = [t for t in sheet.traces if t.get("name") and t.get("showlegend", True)]
    if sheet.layout.get("showlegend") is False or len(named) < 2:
        return "", 0.0
    size, x, y, out = sheet.size, 0.0, 0.0, []
    for trace in named:
        label = wrapped(str(trace["name"]), sheet.width - 40, size, 1)[0]
        need = 30 + text_width(label, size) + 14
        if x and x + need > sheet.width:
            x, y = 0.0, y + size * 1.55
        out.append(_key(sheet, trace, x + 2, y + size * 0.75))
        out.append(text(x + 30, y + size * 1.1, label, size))
        x += need
    return "".join(out), y + size * 1.8


def _key(sheet: _Sheet, trace: Body, x: float, y: float) -> str:
    """The sign of a trace in the legend, 22 pixels wide, its middle at y."""
    marker, line = trace.get("marker", {}), trace.get("line", {})
    if trace["type"] == "bar":
        box = f"M{shown(x + 3)} {shown(y - 6)}h16v12h-16z"
        edge, colour = marker.get("line", {}), marker.get("color", INK)
        clear = colour == "rgba(0,0,0,0)"
        fill = hatching(marker, sheet.defs, sheet.key) or ("none" if clear else colour)
        return f'<path d="{box}"{attributes(fill=fill, stroke=edge.get("color"))}/>'
    mode, out = trace.get("mode", "lines"), ""
    if trace.get("fill"):
        out += f'<path d="M{shown(x)} {shown(y - 5)}h22v10h-22z"{attributes(fill=trace["fillcolor"])}/>'
    if "lines" in mode and line.get("width", 2):
        style = attributes(
            stroke=line.get("color"), stroke_width=line.get("width", 2), stroke_dasharray=DASHES.get(line.get("dash"))
        )
        out += f'<path d="M{shown(x)} {shown(y)}h22"{style}/>'
    if "markers" in mode:
        colours = marker.get("color", line.get("color"))
        colour = (
            next((c for c in array(colours) if c != "rgba(0,0,0,0)"), INK) if isinstance(colours, list) else colours
        )
        at = (np.array([x + 11]), np.array([y]), np.array([5.0]))
        out += symbol(marker.get("symbol", "circle"), *at, str(colours), marker.get("line", {}), None)
    return out


def _told(sheet: _Sheet, drawn: str, axes: list[float]) -> Picture:
    """The picture with its tips: by column all traces at one x together, else every point for itself."""
    by_column = sheet.layout.get("hovermode") == "x unified"
    if not by_column:
        rows = [["\n".join(part for part in (name, said) if part)] for _, _, name, said, _ in sheet.points]
        at = [(x, y) for x, y, *_ in sheet.points]
        return Picture(drawn, at, [], rows, False, axes)
    names = list(dict.fromkeys(name for _, _, name, _, _ in sheet.points))
    columns: dict[float, dict[str, str]] = {}
    heads: dict[float, str] = {}
    for x, _, name, said, value in sheet.points:
        key = round(x, 1)
        columns.setdefault(key, {})[name] = said
        heads[key] = value if isinstance(value, str) else sheet.words.number(float(value))
    order = sorted(columns)
    rows = [[heads[x], *(columns[x].get(name, "") for name in names)] for x in order]
    return Picture(drawn, [(x, 0.0) for x in order], names, rows, True, axes)
