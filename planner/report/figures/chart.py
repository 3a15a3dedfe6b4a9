"""What every chart is made of: the view of a plan, the chart with its table, colours and layout."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import Case
from planner.demand import TypicalDays
from planner.plan import Plan
from planner.words.wording import Wording, wording

# Okabe and Ito (2008), told apart with every kind of colour blindness; yellow stands last because it is weak on white.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1", "#B8A000")
GREY = "#8A8F98"
WARN = "#D55E00"
PATTERNS = ("", "/", "x", ".", "\\", "+", "|", "-")
MOST_PARTS = 7
"""Parts of a stack that are shown one by one; the smallest beyond them are added up as "others"."""

FONT = (
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", '
    "sans-serif"
)


@dataclass(frozen=True)
class Chart:
    """A figure and its table. `note` says in a sentence how to read it; `id` is stable and names files and anchors.

    table: columns are headings with units in the reader's language, one row a mark of the figure.
    """

    id: str
    title: str
    note: str
    figure: Any
    table: pd.DataFrame

    def body(self) -> dict[str, Any]:
        """The figure as plain JSON without its title, for a page that writes the title as a heading of its own."""
        plain: dict[str, Any] = json.loads(self.figure.to_json())
        plain["layout"].pop("title", None)
        plain["layout"]["margin"]["t"] = 24
        return plain


@dataclass(frozen=True)
class View:
    """A plan as the charts see it. probability: (futures,)."""

    case: Case
    tables: Mapping[str, pd.DataFrame]
    days: TypicalDays
    probability: FloatArray
    words: Wording

    @classmethod
    def of(cls, plan: Plan, language: str | None = None) -> View:
        """A plan's view in a language ("en", "zh-CN")."""
        return cls(plan.case, plan.tables, plan.demand.days, plan.demand.probability, wording(language))

    @property
    def currency(self) -> str:
        """Of all money shown."""
        return self.case.meta.currency

    @cached_property
    def periods(self) -> list[str]:
        """(periods,) labels such as 2027Q1."""
        return [self.case.horizon.period_label(t) for t in range(self.case.horizon.periods)]

    @cached_property
    def names(self) -> dict[str, dict[str, str]]:
        """For each kind of thing: id to name in the reader's language."""
        word = self.words.name
        return {
            "site": {x.id: word(x.names) for x in self.case.sites},
            "module_type": {x.id: word(x.names) for x in self.case.module_types},
            "workload": {w.id: word(w.names) for w in self.case.workloads}
            | {c.id: word(c.names) for c in self.case.campaigns},
            "region": {x.id: word(x.names) for x in self.case.regions},
        }

    def name(self, kind: str, key: str) -> str:
        """What a thing is called in the reader's language."""
        return self.names[kind].get(key, key)

    @cached_property
    def module_pflops(self) -> dict[str, float]:
        """Module type → dense FP16 PFLOPS of a module."""
        return {k.id: k.module_pflops for k in self.case.module_types}

    def weight(self, frame: pd.DataFrame) -> FloatArray:
        """(rows,) probability of every row's future or branch; 1 where it is the same in all."""
        column = "future" if "future" in frame else "branch" if "branch" in frame else None
        if column is None or frame.empty:
            return np.ones(len(frame))
        index = frame[column].to_numpy(np.int64)
        return np.where(index < 0, 1.0, self.probability[np.maximum(index, 0)])

    def mean(self, table: str, by: Sequence[str], columns: Sequence[str]) -> pd.DataFrame:
        """Sums of columns by keys, averaged over futures; keys in order of first appearance sorted."""
        frame = self.tables[table]
        weighted = frame[list(by)].copy()
        weight = self.weight(frame)
        for column in columns:
            weighted[column] = frame[column].to_numpy(float) * weight
        return weighted.groupby(list(by), as_index=False, sort=True)[list(columns)].sum()


@dataclass(frozen=True)
class Part:
    """One part of a stack: its name, colour, pattern and values."""

    name: str
    colour: str
    pattern: str
    values: FloatArray


def parts_of(
    values: Mapping[str, FloatArray], names: Mapping[str, str], order: Sequence[str], others: str
) -> list[Part]:
    """Stack parts in a fixed order, so that a thing keeps its colour from chart to chart; empty ones are left out.

    values: (positions,) each.
    """
    kept = [key for key in order if key in values and np.any(values[key])]
    kept += [key for key in values if key not in order and np.any(values[key])]
    largest = sorted(kept, key=lambda key: -float(np.sum(values[key])))[:MOST_PARTS]
    ranked = list(order) + [key for key in kept if key not in order]
    # Few things in all: colour by place in the case; many: by rank, so that no two large ones share a colour.
    place = (
        {key: ranked.index(key) for key in largest}
        if len(ranked) <= len(COLOURS)
        else {key: i for i, key in enumerate(key for key in ranked if key in largest)}
    )
    out = [
        Part(names.get(key, key), COLOURS[place[key]], PATTERNS[place[key]], np.asarray(values[key], float))
        for key in kept
        if key in largest
    ]
    rest = [values[key] for key in kept if key not in largest]
    if rest:
        out.append(Part(others, GREY, "", np.sum(rest, axis=0)))
    return out


def hatched(colour: str, pattern: str) -> dict[str, Any]:
    """A marker of a colour with a pattern over it."""
    over = {"shape": pattern, "bgcolor": colour, "fgcolor": "rgba(255,255,255,.6)", "size": 8, "solidity": 0.2}
    return {"color": colour, "pattern": over}


def bar(part: Part, **more: Any) -> Any:
    """A bar trace with the part's colour and, for those who see no colour, its pattern."""
    import plotly.graph_objects as go

    return go.Bar(name=part.name, marker={**hatched(part.colour, part.pattern), "line": {"width": 0}}, **more)


def figure(title: str, traces: Sequence[Any], *, x: str = "", y: str = "", height: int = 400, **layout: Any) -> Any:
    """A figure in the house style: transparent, so that the page's own light or dark ground shows."""
    import plotly.graph_objects as go

    axis = {
        "automargin": True,
        "zeroline": False,
        "gridcolor": "rgba(128,128,128,.22)",
        "linecolor": "rgba(128,128,128,.5)",
    }
    base: dict[str, Any] = {
        "template": "none",
        "title": {
            "text": title,
            "x": 0,
            "xanchor": "left",
            "font": {"size": 16},
            "automargin": True,
            "yref": "container",
        },
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 13, "color": "#6b7280"},
        "margin": {"l": 56, "r": 16, "t": 56, "b": 48},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "traceorder": "normal"},
        "hovermode": "x unified",
        "colorway": list(COLOURS),
        "height": height,
        "xaxis": {**axis, "title": {"text": x}, "showgrid": False},
        "yaxis": {**axis, "title": {"text": y}, "rangemode": "tozero"},
    }
    for key, value in layout.items():
        base[key] = {**base[key], **value} if isinstance(base.get(key), dict) and isinstance(value, dict) else value
    for key in layout:
        if key[:5] in ("xaxis", "yaxis") and key[5:]:
            base[key] = {**axis, **layout[key]}
    return go.Figure(data=list(traces), layout=base)
