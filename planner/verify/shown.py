"""What the tables show beside the decisions: dates, prices, compute, power, use, energy and emissions, recomputed.

A plan's decisions are checked elsewhere (`building`, `hourly`); here every other number that a reader sees is worked
out from them again, so that no column of any table can be wrong unseen. The costs table: `planner.verify.costs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planner.arrays import FloatArray, IntArray
from planner.case import BANDS, WorkloadKind, by_period
from planner.verify.building import Capacity
from planner.verify.facts import Facts
from planner.verify.hourly import Hours
from planner.verify.reading import PlanArrays, Reader, Rows
from planner.verify.report import Book

_EMPTY = 1e-9


class Metered:
    """Sums over futures, weighted by probability, of what the hours draw and use.

    it_kw, facility_kw, paid_kw: (S, T, D, H); busy, taken: (S, K, T) module-hours at work, and at work or held; peak:
    (S, K, T) largest busy share. By future: gang_hours (F, W, T) module-hours of gangs at work, gang_work (F, W, T)
    unit-hours that they deliver.
    """

    def __init__(self, facts: Facts) -> None:
        S, K, (T, D, H) = len(facts.case.sites), len(facts.case.module_types), facts.shape
        self.facts = facts
        self.it_kw, self.facility_kw, self.paid_kw = (np.zeros((S, T, D, H)) for _ in range(3))
        self.busy, self.taken, self.peak = (np.zeros((S, K, T)) for _ in range(3))
        W = len(facts.kind)
        self.gang_hours, self.gang_work = np.zeros((facts.futures, W, T)), np.zeros((facts.futures, W, T))

    def add(self, hours: Hours, capacity: Capacity) -> None:
        """Add one future's hours, weighted by its probability."""
        facts = self.facts
        share = float(facts.demand.probability[hours.future])
        pue = facts.pue[..., None]  # 0 on a place that no day of the period takes: nothing is drawn there
        self.it_kw += share * np.divide(hours.kw, pue, out=np.zeros_like(hours.kw), where=pue > 0)
        self.facility_kw += share * hours.kw
        self.paid_kw += share * hours.paid_kw(facts)
        self.busy += share * np.einsum("tdh,sktdh->skt", facts.hours, hours.busy)
        self.taken += share * np.einsum("tdh,sktdh->skt", facts.hours, hours.busy_on)
        stands = capacity.modules[hours.future]
        used = hours.busy * facts.used[:, :, None]
        part = used.max(axis=(-2, -1)) / np.where(stands > 0, stands, np.inf)
        self.peak = np.maximum(self.peak, part)
        for w, workload in enumerate(facts.case.workloads):
            if facts.kind[w] is not WorkloadKind.training:
                continue
            at_work = np.einsum("tdh,sktdh->kt", facts.hours, hours.load[w])
            rate = np.array([workload.throughput.get(k, 0.0) for k in facts.labels["module type"]])
            cards = (workload.gang_cards or 0) / np.where(facts.gang[w] > 0, facts.gang[w], np.inf)
            self.gang_hours[hours.future, w] = at_work.sum(axis=0)
            self.gang_work[hours.future, w] = (rate * cards * workload.max_utilisation) @ at_work


@dataclass(frozen=True)
class _Columns:
    """Compares the columns of one table, row by row, with what they should be."""

    book: Book
    name: str
    rows: Rows

    @property
    def id(self) -> str:
        return f"shown.{self.name}"

    def number(self, column: str, expected: FloatArray) -> None:
        """An empty cell (NaN) is right where nothing is expected (NaN), and wrong anywhere else."""
        found = self.rows.value[column]
        expected = np.broadcast_to(expected, found.shape)
        empty = np.isnan(found) & np.isnan(expected)
        self.book.labels = {**self.book.labels, "row": [str(i) for i in range(len(found))]}
        at = f"table {self.name}, {column}"
        self.book.limit(self.id, found, "equal", expected, ("row",), at=at, where=~empty)

    def date(self, column: str, period: IntArray, facts: Facts) -> None:
        """The first day of each row's period; periods before the horizon are broken elsewhere."""
        starts = [facts.case.horizon.period_start(t).isoformat() for t in range(facts.shape[0])]
        found = self.rows.frame[column].astype(str).str[:10].to_numpy(object)
        inside = period >= 0
        wrong = inside & (found != np.array([starts[max(int(t), 0)] for t in period], object))
        at = int(wrong.argmax()) if wrong.any() else 0
        where = f"table {self.name}, row {at}, {column}: found {found[at]}" if wrong.any() else ""
        self.book.rule(self.id, len(found), int(wrong.sum()), float(wrong.sum()), where)

    def everywhere(self, axes: Sequence[str], shape: tuple[int, ...], wanted: FloatArray | float) -> None:
        """Exactly one row at every position of `axes` that is wanted, and none anywhere else."""
        flat = np.zeros(len(self.rows), int)
        for axis, size in zip(axes, shape, strict=True):
            flat = flat * size + self.rows.index[axis]
        count = np.bincount(flat, minlength=int(np.prod(shape)))
        want = np.broadcast_to(np.asarray(wanted, float), shape).ravel()
        odd = int((count != want).sum())
        where = f"table {self.name}: {odd} rows are missing or too many" if odd else ""
        self.book.rule(self.id, len(count), odd, float(odd), where)


def _future(rows: Rows) -> IntArray:
    """A future that a row's branch holds in: any, where it holds in all."""
    return np.maximum(rows.index["branch"], 0)


def check_shown(
    facts: Facts,
    plan: PlanArrays,
    capacity: Capacity,
    metered: Metered,
    tables: Mapping[str, pd.DataFrame],
    book: Book,
) -> None:
    """shown.orders to shown.carbon"""
    _check_bought(facts, plan, book)
    _check_stock(facts, plan, capacity, book)
    _check_training(facts, plan, metered, book)
    reader = Reader(facts, tables, book)
    _check_capacity(facts, capacity, reader, book)
    _check_utilisation(facts, capacity, metered, reader, book)
    _check_energy(facts, metered, reader, book)
    _check_carbon(facts, metered, reader, book)


def _check_bought(facts: Facts, plan: PlanArrays, book: Book) -> None:
    """shown.orders, shown.phases, shown.openings, shown.departures, shown.leases"""
    case, T = facts.case, facts.shape[0]
    rows = plan.tables["orders"]
    shown, modules, k, t = (
        _Columns(book, "orders", rows),
        rows.value["modules"],
        rows.index["module_type"],
        rows.index["arrival_period"],
    )
    shown.number("cards", modules * facts.cards[k])
    shown.number("pflops", modules * facts.pflops[k])
    shown.number("capex", modules * plan.price[_future(rows), k, t])
    shown.number("order_cost", np.where(modules > 0.5, facts.order_cost[k, t], 0.0))
    phases = [case.sites[s].phases[i] for s, i in facts.phases]
    built = plan.tables["phases"]
    count, flat = built.value["count"], built.index["flat"]
    for one in (shown, _Columns(book, "phases", built)):
        one.date("order_date", one.rows.index["order_period"], facts)
        one.date("arrival_date", one.rows.index["arrival_period"], facts)
    shown = _Columns(book, "phases", built)
    shown.number("mw", count * np.array([p.mw for p in phases] or [0.0])[flat])
    shown.number("capex", count * np.array([p.capex for p in phases] or [0.0])[flat])
    rows = plan.tables["openings"]
    opening = np.array([site.opening_cost for site in case.sites])
    _Columns(book, "openings", rows).number("cost", opening[rows.index["site"]])
    _check_departures(facts, plan, book)
    rows = plan.tables["leases"]
    if case.leases:
        shown = _Columns(book, "leases", rows)
        price = np.array([by_period(x.price_per_module_period, T, 0.0) for x in case.leases])
        shown.number("cost", rows.value["active"] * price[rows.index["lease"], rows.index["period"]])
        before = np.concatenate([np.zeros_like(plan.lease_active[..., :1]), plan.lease_active[..., :-1]], axis=-1)
        begun = np.maximum(plan.lease_active - before, 0.0)
        shown.number("started", begun[_future(rows), rows.index["lease"], rows.index["period"]])


def _check_departures(facts: Facts, plan: PlanArrays, book: Book) -> None:
    rows, shown = plan.tables["departures"], _Columns(book, "departures", plan.tables["departures"])
    if not facts.case.fleet:
        return
    sites, types = facts.labels["site"], facts.labels["module type"]
    places = np.array([(sites.index(x.site), types.index(x.module_type)) for x in facts.case.fleet])
    i, to, t = (rows.index[axis] for axis in ("fleet_row", "to_site", "period"))
    s, k = places[i].T
    count, retired = rows.value["modules"], to == len(sites)
    away = np.array([x.moving_periods for x in facts.case.module_types], int)
    shown.date("date", t, facts)
    shown.number("in_service_period", np.where(retired, -1, t + away[k]).astype(float))
    shown.number("freed_mw", count * facts.peak_kw[k] * facts.pue_top[s, t] / 1000)
    shown.number("price", count * np.where(retired, -facts.resale[k, t], facts.moving[k, t]))


def _check_stock(facts: Facts, plan: PlanArrays, capacity: Capacity, book: Book) -> None:
    """shown.stock, shown.billed"""
    rows = plan.tables["stock"]
    f, s, k, t = _future(rows), *(rows.index[axis] for axis in ("site", "module_type", "period"))
    shown = _Columns(book, "stock", rows)
    shown.number("pflops", capacity.modules[f, s, k, t] * facts.pflops[k])
    shown.number("power_mw", capacity.on_site_power[f, s, k, t] * facts.peak_kw[k] * facts.pue_top[s, t] / 1000)
    rows = plan.tables["billed"]
    charge = np.array([x.demand_charge_per_kw_month for x in facts.case.sites])[rows.index["site"]]
    shown = _Columns(book, "billed", rows)
    months = facts.bill_months[rows.index["period"], rows.index["month"] - 1]
    shown.number("cost", rows.value["billed_kw"] * charge * months)


def _check_training(facts: Facts, plan: PlanArrays, metered: Metered, book: Book) -> None:
    """shown.gangs, shown.campaigns, shown.training"""
    rows = plan.tables["gangs"]
    size = facts.gang[rows.index["workload"], rows.index["module_type"]]
    _Columns(book, "gangs", rows).number("modules", rows.value["gangs"] * size)
    rows = plan.tables["campaigns"]
    shown = _Columns(book, "campaigns", rows)
    if facts.case.campaigns:
        shown.number("modules", facts.campaign_gang[rows.index["campaign"], rows.index["module_type"]])
        # it may stay on in a future in which it does not run, where futures share the decision
        runs = plan.campaign_share.max(axis=0) > 0
        at = tuple(rows.index[axis] for axis in ("campaign", "site", "module_type", "period"))
        shown.number("on", runs[at].astype(float))
    rows = plan.tables["training"]
    shown = _Columns(book, "training", rows)
    f, w, t = (rows.index[axis] for axis in ("future", "workload", "period"))
    volume = np.einsum("tdh,fwrtdh->fwt", facts.hours, facts.demand.values)
    shown.number("demand_unit_hours", volume[f, w, t])
    shown.number("delivered_unit_hours", metered.gang_work[f, w, t])
    shown.number("busy_module_hours", metered.gang_hours[f, w, t])
    held = np.einsum("wk,fwskt->fwt", facts.gang, plan.gangs) * facts.period_hours
    shown.number("held_module_hours", held[f, w, t])
    is_training = np.array([kind is WorkloadKind.training for kind in facts.kind], float)
    shape = (facts.futures, len(facts.kind), facts.shape[0])
    shown.everywhere(("future", "workload", "period"), shape, is_training[:, None])


def _check_capacity(facts: Facts, capacity: Capacity, reader: Reader, book: Book) -> None:
    ratio = "capacity_to_peak"
    ahead = ["build_ahead_ratio", "months_ahead"]  # the ratio itself: `planner.verify.ahead`
    columns = ["installed_pflops", "usable_pflops", "p50_peak_pflops", "p90_peak_pflops", ratio, *ahead]
    axes = {"branch": "branch", "period": "period"}
    rows = reader.read("capacity", axes, columns, signed=["months_ahead"], empty=[ratio, *ahead])
    f, t = _future(rows), rows.index["period"]
    shown = _Columns(book, "capacity", rows)
    installed = np.einsum("k,fskt->ft", facts.pflops, capacity.modules)
    usable = np.einsum("k,k,fskt->ft", facts.pflops, facts.availability, capacity.modules)
    p50, p90 = facts.demand.p50_peak, facts.demand.p90_peak
    shown.number("installed_pflops", installed[f, t])
    shown.number("usable_pflops", usable[f, t])
    shown.number("p50_peak_pflops", p50[t])
    shown.number("p90_peak_pflops", p90[t])
    shown.number(ratio, np.where(p50[t] > 0, usable[f, t] / np.where(p50[t] > 0, p50[t], 1.0), np.nan))
    if "ratio_gangs" in reader.tables:  # that they suffice, and no more: `planner.verify.ahead`
        places = {"workload": "workload", "site": "site", "module_type": "module_type"}
        reader.read("ratio_gangs", axes | places, ["gangs"], ["gangs"])
    if ratio != "build_ahead_ratio":
        months = facts.case.horizon.months_per_period
        reached = [_months_ahead(float(x), p50, int(i)) for x, i in zip(rows.value[ahead[0]], t, strict=True)]
        shown.number("months_ahead", months * np.array(reached, float))
    shown.date("start", t, facts)
    alike = bool((rows.index["branch"] < 0).all())
    shown.everywhere(("period",), (facts.shape[0],), 1.0 if alike else float(facts.futures))
    if not alike:
        shape = (facts.futures, facts.shape[0])
        inside = rows.index["branch"] >= 0
        split = Rows({a: v[inside] for a, v in rows.index.items()}, {}, rows.frame[inside])
        _Columns(book, "capacity", split).everywhere(("branch", "period"), shape, 1.0)


def _months_ahead(ratio: float, peaks: FloatArray, period: int) -> float:
    """Periods from one until the peak is `ratio` times what it is there, by straight lines: docs/model.md §6.

    Below 1 back to when it was (negative), to the horizon's end at most; nan where the ratio is not known, or that was
    before the horizon.
    """
    level = ratio * peaks[period]
    if not (np.isfinite(level) and peaks[period] > 0):
        return float("nan")
    steps = range(period, len(peaks) - 1) if ratio >= 1 else range(period - 1, -1, -1)
    for i in steps:
        if (peaks[i + 1] > level) if ratio >= 1 else (peaks[i] <= level):
            return float(i - period + (level - peaks[i]) / (peaks[i + 1] - peaks[i]))
    return float(len(peaks) - 1 - period) if ratio >= 1 else float("nan")


def _check_utilisation(facts: Facts, capacity: Capacity, metered: Metered, reader: Reader, book: Book) -> None:
    case, T, share = facts.case, facts.shape[0], facts.demand.probability
    axes = {"period": "period", "site": "site", "module_type": "module_type"}
    columns = ["owned", "rack_occupancy", "mean_busy", "mean_held", "peak_busy"]
    rows = reader.read("utilisation", axes, columns, empty=["rack_occupancy"])
    s, k, t = (rows.index[axis] for axis in ("site", "module_type", "period"))
    stands = np.einsum("f,fskt->skt", share, capacity.modules)
    space = np.array([by_period(x.space_racks, T, np.inf) for x in case.sites])
    racks = np.einsum("f,k,fskt->st", share, facts.racks, capacity.on_site_power)
    given = np.isfinite(space) & (space > 0)
    occupancy = np.where(given, racks / np.where(given, space, 1.0), np.nan)
    here = np.where(stands > _EMPTY, stands, np.inf)
    shown = _Columns(book, "utilisation", rows)
    shown.number("owned", stands[s, k, t])
    shown.number("rack_occupancy", occupancy[s, t])
    shown.number("mean_busy", (metered.busy / (here * facts.period_hours))[s, k, t])
    shown.number("mean_held", (metered.taken / (here * facts.period_hours))[s, k, t])
    shown.number("peak_busy", metered.peak[s, k, t])
    shown.everywhere(("site", "module_type", "period"), stands.shape, (stands > _EMPTY).astype(float))


def _check_energy(facts: Facts, metered: Metered, reader: Reader, book: Book) -> None:
    """By tariff band where steps are the hours of a day, else in one row a site and period."""
    case, (T, D, H), days = facts.case, facts.shape, facts.demand.days
    S, B = len(case.sites), len(BANDS) + 1
    axes = {"period": "period", "site": "site", "band": "band"}
    rows = reader.read("energy", axes, ["it_mwh", "facility_mwh", "cost"], signed=["cost"])
    part, priced, there = np.zeros((S, T, D, H, B)), np.zeros((S, T, D, H, B)), np.zeros((S, T, B))
    tariffs = {tariff.id: tariff for tariff in case.tariffs}
    for i, site in enumerate(case.sites):
        if site.tariff is None or not days.hourly:
            part[i, ..., -1], priced[i, ..., -1], there[i, :, -1] = 1.0, facts.tariff[i], 1.0
            continue
        band = tariffs[site.tariff].bands()
        for number in range(len(BANDS)):
            mask = (band == number).astype(float)
            part[i, ..., number] = np.einsum("tdmk,mkh->tdh", days.calendar, mask)
            priced[i, ..., number] = np.einsum("tdmk,mkh->tdh", days.calendar, mask * tariffs[site.tariff].prices())
            there[i, :, number] = mask.any()
    s, t, b = (rows.index[axis] for axis in ("site", "period", "band"))
    hours = facts.hours
    shown = _Columns(book, "energy", rows)
    shown.number("it_mwh", np.einsum("tdh,stdh,stdhb->stb", hours, metered.it_kw, part)[s, t, b] / 1000)
    shown.number("facility_mwh", np.einsum("tdh,stdh,stdhb->stb", hours, metered.facility_kw, part)[s, t, b] / 1000)
    shown.number("cost", np.einsum("tdh,stdh,stdhb->stb", hours, metered.paid_kw, priced)[s, t, b])
    shown.everywhere(("site", "period", "band"), there.shape, there)


def _check_carbon(facts: Facts, metered: Metered, reader: Reader, book: Book) -> None:
    case, T = facts.case, facts.shape[0]
    columns = ["facility_mwh", "location_tonnes", "market_tonnes", "cost"]
    rows = reader.read("carbon", {"period": "period", "site": "site"}, columns)
    s, t = rows.index["site"], rows.index["period"]
    mwh = np.einsum("tdh,stdh->st", facts.hours, metered.facility_kw) / 1000
    location = np.array([x.carbon_kg_per_kwh for x in case.sites])
    market = np.array([x.market_carbon() for x in case.sites])
    price = by_period(case.policy.carbon_price_per_tonne, T, 0.0)
    shown = _Columns(book, "carbon", rows)
    shown.number("facility_mwh", mwh[s, t])
    shown.number("location_tonnes", mwh[s, t] * location[s])
    shown.number("market_tonnes", mwh[s, t] * market[s])
    shown.number("cost", mwh[s, t] * facts.carbon[s] * price[t])
    shown.everywhere(("site", "period"), mwh.shape, 1.0)
