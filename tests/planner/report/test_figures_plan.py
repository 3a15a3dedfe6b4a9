"""Every chart against the plan's own tables: what is drawn is what the tables say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.plan import Plan
from planner.report.figures import (
    Chart,
    View,
    busiest_day,
    capacity,
    carbon,
    costs_by_period,
    costs_by_term,
    energy,
    order_list,
    site_map,
    tide,
    timeline,
    utilisation,
)
from planner.report.figures.chart import COLOURS, MOST_PARTS, parts_of


def plan_charts(view: View) -> dict[str, Chart]:
    last = view.case.horizon.periods - 1
    tides = {f"tide_{by}": tide(view, last, busiest_day(view, last), by) for by in ("workload", "site")}
    makers = (capacity, timeline, utilisation, costs_by_term, costs_by_period, energy, carbon, site_map)
    made = {one.__name__: one(view) for one in makers} | tides
    return {name: chart for name, chart in made.items() if chart is not None}


def test_every_chart_has_a_table_titles_and_words_of_its_language(view: View) -> None:
    charts = plan_charts(view)
    assert {
        "capacity",
        "tide_workload",
        "tide_site",
        "timeline",
        "costs_by_term",
        "energy",
        "carbon",
        "site_map",
    } <= set(charts)
    for chart in charts.values():
        assert len(chart.table) > 0
        assert chart.figure.layout.title.text == chart.title
        assert "title" not in chart.body()["layout"]
        assert any("\u4e00" <= c <= "\u9fff" for c in chart.title + chart.note) == view.words.chinese


def test_axes_carry_units(view: View) -> None:
    for name, unit in (("capacity", "PFLOPS"), ("tide_workload", "PFLOPS"), ("energy", "GWh"), ("carbon", "CO₂")):
        assert unit in plan_charts(view)[name].figure.layout.yaxis.title.text


def test_capacity_draws_usable_compute_and_both_peaks(view: View) -> None:
    traces = {
        trace.name: np.asarray(trace.y, float) for trace in capacity(view).figure.data if trace.showlegend is not False
    }
    table = view.tables["capacity"].groupby("period").mean(numeric_only=True)
    assert traces[view.words("usable")] == pytest.approx(table["usable_pflops"].to_numpy())
    assert traces[view.words("p50_peak")] == pytest.approx(table["p50_peak_pflops"].to_numpy())
    assert traces[view.words("build_ahead_ratio")] == pytest.approx(table["build_ahead_ratio"].to_numpy())
    assert traces[view.words("least_allowed")] == pytest.approx(np.full(3, 0.5))


def test_the_tide_by_workload_and_by_site_add_up_to_the_load(view: View) -> None:
    day = busiest_day(view, 2)
    load = view.tables["load"]
    rows = load[(load["period"] == 2) & (load["day"] == day)]
    wanted = float((rows["busy"] * 5.0 * view.probability[rows["future"]]).sum())  # a module has 10 x 0.5 PFLOPS
    for by in ("workload", "site"):
        chart = tide(view, 2, day, by)
        columns = [c for c in chart.table.columns[1:] if not c.startswith(view.words("shortfall"))]
        assert chart.table[columns].to_numpy().sum() == pytest.approx(wanted)


def test_the_busiest_day_is_the_workday(view: View) -> None:
    assert view.days.labels[busiest_day(view, 2)] == "workday"


def test_shortfall_is_drawn_as_installed_compute(charted: Plan) -> None:
    tables = dict(charted.tables)
    one = tables["shortfall"].iloc[:0].copy()
    one.loc[0] = {"future": 1, "period": 1, "day": 0, "step": 7, "workload": "chat", "region": "east", "shortfall": 4.0}
    tables["shortfall"] = one.astype({"future": int, "period": int, "day": int, "step": int, "shortfall": float})
    view = View.of(replace(charted, tables=tables))
    missing = tide(view, 1, 0).table["shortfall (PFLOPS)"].to_numpy()
    # 4 units at 0.5 a card need 8 cards of 0.5 PFLOPS; the future has a probability of 0.25.
    assert missing[7] == pytest.approx(4.0 / 0.5 * 0.5 * 0.25)
    assert np.count_nonzero(missing) == 1


def test_cost_charts_add_up_to_the_plans_cost(view: View, charted: Plan) -> None:
    costs = charted.tables["costs"]
    weight = charted.demand.probability[costs["future"]]
    for chart, column in ((costs_by_term(view), "discounted"), (costs_by_period(view), "undiscounted")):
        wanted = float((costs[column] * weight).sum())
        assert float(np.sum(_bars(chart))) * _scale(chart, view) == pytest.approx(wanted)
    assert float((costs["discounted"] * weight).sum()) == pytest.approx(charted.certificate["objective"])


def _bars(chart: Chart) -> np.ndarray:
    return np.concatenate([np.asarray(t.x if t.orientation == "h" else t.y, float) for t in chart.figure.data])


def _scale(chart: Chart, view: View) -> float:
    axis = chart.figure.layout.xaxis.title.text or chart.figure.layout.yaxis.title.text
    signs = {"bn ": 1e9, "M ": 1e6, "k ": 1e3, "亿": 1e8, "万": 1e4}
    return next((value for sign, value in signs.items() if f"({sign}" in axis or f"（{sign}" in axis), 1.0)


def test_the_order_list_starts_with_what_is_due_first(view: View, charted: Plan) -> None:
    listed = order_list(view)
    assert listed["order_period"].is_monotonic_increasing
    assert listed["modules"].sum() == charted.tables["orders"]["modules"].sum()
    first = order_list(view, first_only=True)
    assert set(first["order_period"]) == {listed["order_period"].min()}
    chart = timeline(view)
    assert chart is not None
    assert len(chart.table) == len(listed)


def test_nothing_ordered_draws_no_timeline(charted: Plan) -> None:
    tables = {**charted.tables, **{name: charted.tables[name].iloc[:0] for name in ("orders", "phases", "purchases")}}
    assert timeline(View.of(replace(charted, tables=tables))) is None


def test_a_case_without_coordinates_draws_no_map(charted: Plan) -> None:
    sites = [site.model_copy(update={"lat": None, "lon": None}) for site in charted.case.sites]
    assert site_map(View.of(replace(charted, case=charted.case.model_copy(update={"sites": sites})))) is None


def test_energy_bands_add_up(view: View) -> None:
    drawn = sum(float(np.sum(np.asarray(trace.y, float))) for trace in energy(view).figure.data)
    assert drawn == pytest.approx(view.tables["energy"]["facility_mwh"].sum() / 1000)


def test_many_parts_keep_the_largest_and_add_up_the_rest() -> None:
    values = {f"s{i}": np.array([float(i), 1.0]) for i in range(20)}
    parts = parts_of(values, {}, list(values), "others")
    assert [part.name for part in parts] == [f"s{i}" for i in range(20 - MOST_PARTS, 20)] + ["others"]
    assert len({part.colour for part in parts}) == MOST_PARTS + 1
    assert sum(part.values for part in parts) == pytest.approx(sum(values.values()))


def test_a_thing_keeps_its_colour_from_chart_to_chart() -> None:
    one, two = np.ones(2), np.zeros(2)
    order = ["a", "b", "c"]
    both = {part.name: part.colour for part in parts_of({"a": one, "b": one, "c": one}, {}, order, "")}
    fewer = {part.name: part.colour for part in parts_of({"a": two, "b": one, "c": one}, {}, order, "")}
    assert both == {"a": COLOURS[0], "b": COLOURS[1], "c": COLOURS[2]}
    assert fewer == {"b": COLOURS[1], "c": COLOURS[2]}
