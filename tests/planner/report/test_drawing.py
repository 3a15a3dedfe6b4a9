"""Pictures: what stands where, against figures worked out by hand."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from planner.report.drawing import NARROW, WIDE, Picture, svg
from planner.report.drawing.values import hover_text, text_width, wrapped
from planner.report.figures.chart import Chart, Part, bar, figure
from planner.words.wording import wording

WORDS = wording("en")


def drawn(traces: list[Any], width: int = WIDE, **layout: Any) -> Picture:
    chart = Chart("c", "Title", "", figure("Title", traces, **layout), pd.DataFrame())
    return svg(chart, width, WORDS)


def texts(picture: Picture) -> list[tuple[str, float, float, str]]:
    """(text, x, y, anchor) of every text that is not turned."""
    return [
        (str(t.text), float(t.attrib["x"]), float(t.attrib["y"]), t.attrib["text-anchor"])
        for t in ElementTree.fromstring(picture.svg).iter("text")
        if "transform" not in t.attrib
    ]


def boxes(picture: Picture, fill: str) -> list[tuple[float, float, float, float]]:
    """(left, top, width, height) of the boxes of one fill, the legend's first."""
    found = re.search(rf'<path d="([^"]*)" fill="{re.escape(fill)}"/>(?!.*fill="{re.escape(fill)}")', picture.svg)
    assert found is not None
    return [
        (float(x), float(y), float(w), float(h))
        for x, y, w, h in re.findall(r"M(\S+) (\S+?)h(\S+?)v(\S+?)h\S+?z", found[1])
    ]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_stacked_bars_stand_on_each_other_in_their_proportion(width: int) -> None:
    low, high = Part("low", "#111111", "", np.array([1.0, 2.0])), Part("high", "#222222", "", np.array([3.0, 1.0]))
    picture = drawn([bar(p, x=["a", "b"], y=p.values, hovertemplate="%{y:,.4~g} MW") for p in (low, high)], width,
                    barmode="stack", xaxis={"type": "category"})  # fmt: skip
    below, above = boxes(picture, "#111111"), boxes(picture, "#222222")
    unit = abs(below[0][3])
    assert [abs(b[3]) / unit for b in (*below, *above)] == pytest.approx([1, 2, 3, 1], abs=0.02)
    for b, a in zip(below, above, strict=True):
        assert min(b[1], b[1] + b[3]) == pytest.approx(max(a[1], a[1] + a[3]), abs=0.11)  # they meet
    assert picture.rows == [["a", "1 MW", "3 MW"], ["b", "2 MW", "1 MW"]]
    assert picture.names == ["low", "high"]


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_last_category_is_always_written_and_labels_stand_apart(width: int) -> None:
    periods = [f"20{27 + i // 4}Q{i % 4 + 1}" for i in range(24)]
    picture = drawn([go.Scatter(x=periods, y=list(range(24)), mode="lines")], width, xaxis={"type": "category"})
    ticks = [(text, x) for text, x, _, _ in texts(picture) if "Q" in text]
    assert ticks[-1][0] == periods[-1]
    for (text, x), (_, after) in pairwise(ticks):
        assert after - x >= text_width(text, 11)
    assert all(0 < x < width for _, x, _, _ in texts(picture))


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_bar_below_zero_does_not_cover_its_label(width: int) -> None:
    bars = go.Bar(x=[-4.0, 10.0], y=["a", "b"], orientation="h", text=["back", "paid"], marker_color="#abcdef")
    picture = drawn([bars], width, xaxis={"range": [-5, 14]})
    left, right = ({t[0]: t for t in texts(picture)}[name] for name in ("back", "paid"))
    (x, _, w, _), (zero, _, most, _) = boxes(picture, "#abcdef")
    assert (left[3], right[3]) == ("start", "start")
    assert left[1] > max(x, x + w)
    assert left[1] < right[1]
    assert right[1] > zero + most


@pytest.mark.parametrize("width", [WIDE, NARROW])
@pytest.mark.parametrize("title", [WORDS("build_ahead_ratio"), wording("zh-CN")("build_ahead_ratio")])
def test_the_title_of_a_low_pane_is_whole(width: int, title: str) -> None:
    traces = [go.Scatter(x=[1, 2], y=[1, 2]), go.Scatter(x=[1, 2], y=[1, 2], yaxis="y2")]
    axes = {"yaxis": {"domain": [0.38, 1]}, "yaxis2": {"title": {"text": title}, "domain": [0, 0.28], "anchor": "x"}}
    assert f">{title}</text>" in drawn(traces, width, height=520, **axes).svg


def test_names_beside_points_never_lie_on_each_other() -> None:
    x, y = [1.0, 1.02, 1.04, 5.0], [1.0, 1.01, 1.0, 5.0]
    names = ["Zhangjiakou", "Horinger", "Ulanqab", "Gui'an"]
    trace = go.Scatter(x=x, y=y, mode="markers+text", text=names, marker={"size": 20}, textposition="top center")
    placed = [t for t in texts(drawn([trace], hovermode="closest")) if t[0] in names]
    assert "Gui'an" in {t[0] for t in placed}
    assert len(placed) >= 2
    for (a, ax, ay, _), (b, bx, by, _) in combinations(placed, 2):
        apart = ax + text_width(a, 11.7) <= bx or bx + text_width(b, 11.7) <= ax or abs(ay - by) >= 11.7
        assert apart, (a, b)


def test_a_gap_in_a_line_stays_a_gap_and_a_band_closes() -> None:
    low = go.Scatter(x=[0, 1, 2], y=[1, 1, 1], mode="lines", line={"width": 0}, hoverinfo="skip")
    band = go.Scatter(x=[0, 1, 2], y=[2, 3, 2], mode="lines", line={"width": 0}, fill="tonexty", fillcolor="#123456")
    gap = go.Scatter(x=[0, 1, 2, 3], y=[1, None, 2, 3], mode="lines", line={"color": "#654321"})
    picture = drawn([low, band, gap])
    line = re.search(r'<path d="([^"]*)" fill="none" stroke="#654321"', picture.svg)
    assert line is not None
    assert line[1].count("M") == 2
    area = re.search(r'<path d="([^"]*)z" fill="#123456"', picture.svg)
    assert area is not None
    assert area[1].count("L") == 5


def test_hovering_says_numbers_by_the_rule_of_all_numbers() -> None:
    assert hover_text("%{y:,.4~g} PFLOPS", {"y": 12345.678}, WORDS) == ("12,346 PFLOPS", None)
    assert hover_text("%{x:+,.4~g} k<extra></extra>", {"x": 2.5}, WORDS) == ("+2.5 k", "")
    text = "%{customdata[1]}<br>%{y:.2f}<extra>M</extra>"
    assert hover_text(text, {"customdata": ["a", "b"], "y": 1.0}, WORDS) == ("b\n1.00", "M")


def test_long_names_are_wrapped_and_cut_in_both_scripts() -> None:
    for name in (
        "Yangtze delta zone (Qingpu) with a long tail of words",
        "长三角生态绿色一体化发展示范区数据中心集群起步区",
    ):
        lines = wrapped(name, 120, 12)
        assert len(lines) == 2
        assert all(text_width(line, 12) <= 120 for line in lines)
        assert lines[-1].endswith("…")
    assert wrapped("short", 120, 12) == ["short"]


def test_intervals_and_cells_are_drawn() -> None:
    lying = go.Bar(x=[4.0], y=["a"], orientation="h", marker_color="#111111",
                   error_x={"type": "data", "array": [1.0], "arrayminus": [2.0], "color": "#333333"})  # fmt: skip
    error = re.search(r'<path d="M(\S+) \S+?H(\S+?)M[^"]*" stroke="#333333"', drawn([lying]).svg)
    assert error is not None
    box = boxes(drawn([lying]), "#111111")[0]
    unit = box[2] / 4
    assert float(error[2]) - float(error[1]) == pytest.approx(3 * unit, rel=0.02)
    heat = go.Heatmap(z=[[0.0, 1.0], [2.0, np.nan]], x=[1, 2], y=["a", "b"], hovertemplate="%{y} %{x}: %{z:.1f}")
    picture = drawn([heat], yaxis={"type": "category"}, hovermode="closest")
    assert picture.rows == [["a 1: 0.0"], ["a 2: 1.0"], ["b 1: 2.0"]]  # what is missing is no cell


def test_a_chart_with_nothing_in_it_has_its_axes() -> None:
    """A plan in which nothing stands: the report failed on it."""
    picture = drawn([])
    assert not picture.rows
    assert ElementTree.fromstring(picture.svg).tag.endswith("svg")
