"""Numbers that are allowed but look wrong: a PUE of 3, a tariff in fen, a sparse PFLOPS figure, stale sources.

The usual ranges are those of domain-facts.md (November 2026), widened. Ranges in money are for CNY and are not applied
to other currencies. A zero is a choice (textbook cases have free power) and never looks wrong here unless said so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from planner.arrays import FloatArray
from planner.case.case import BANDS, Case, SiteStatus, WorkloadKind, by_period
from planner.case.fault import Location, pointer_of
from planner.case.sources import leads_somewhere

DENSE_PFLOPS = {
    "A100": 0.312,
    "A800": 0.312,
    "H100": 0.989,
    "H800": 0.989,
    "H200": 0.989,
    "H20": 0.148,
    "L20": 0.1195,
    "L40S": 0.362,
    "B200": 2.25,
    "B300": 2.25,
    "GB200": 2.5,
    "GB300": 2.5,
    "910B": 0.313,
    "910C": 0.752,
}
"""Dense FP16/BF16 PFLOPS of a card, by a word of its name (vendors' sheets as collected in domain-facts.md 1.1)."""

COST_SPAN = 1e8
"""Costs further apart than this are beyond what a solver tells apart: it works to some eight digits of the largest."""

STALE_SOURCE_MONTHS = 36
STALE_CASE_DAYS = 365


@dataclass(frozen=True)
class CaseWarning:
    """A number that looks wrong: where it stands, what was found, what is usual."""

    pointer: str
    found: str
    usual: str
    kind: str

    @property
    def message(self) -> str:
        return f"{self.pointer or '/'}: {self.found}; usual: {self.usual}"

    def __str__(self) -> str:
        return self.message


def warnings(case: Case) -> list[CaseWarning]:
    """Everything in a sound case that looks wrong, block by block."""
    out: list[CaseWarning] = []
    for look in (_dates, _sites, _tariffs, _module_types, _workloads, _fleet, _given_demand, _cost_span):
        out += look(case)
    return out


def _warning(location: Location, found: str, usual: str, kind: str) -> CaseWarning:
    return CaseWarning(pointer_of(location), found, usual, kind)


def _range(
    location: Location, value: object, low: float, high: float, unit: str, kind: str, why: str = ""
) -> Iterator[CaseWarning]:
    """A warning when a number, or any number of a list, is neither 0 nor between low and high."""
    numbers = np.ravel(np.asarray([np.nan if v is None else v for v in np.ravel(np.asarray(value, object))], float))
    odd = numbers[(numbers != 0) & ((numbers < low) | (numbers > high))]
    if odd.size:
        worst = odd[int(np.argmax(np.abs(np.log(np.abs(odd) / np.sqrt(low * high)))))]
        usual = f"{low:g} to {high:g} {unit}".strip()
        yield _warning(location, f"{worst:g}{why}", usual, kind)


def _dates(case: Case) -> Iterator[CaseWarning]:
    as_of = case.meta.as_of
    age = (case.horizon.start - as_of).days
    if age > STALE_CASE_DAYS:
        found = f"{as_of}, {age} days before the horizon starts"
        yield _warning(("meta", "as_of"), found, f"at most {STALE_CASE_DAYS} days", "stale_case")
    if case.horizon.start < as_of.replace(day=1):
        found = f"{case.horizon.start}, before the case's own date {as_of}"
        yield _warning(("horizon", "start"), found, "a start after meta.as_of", "past_start")
    if case.horizon.discount_rate > 0.3:
        yield _warning(
            ("horizon", "discount_rate"), f"{case.horizon.discount_rate:g} a year", "0.03 to 0.15", "discount_rate"
        )
    document = case.model_dump()
    old = []
    for i, source in enumerate(case.meta.sources):
        if not leads_somewhere(source.path, document):
            found = f"{source.path}, which leads nowhere in this case"
            yield _warning(("meta", "sources", i, "path"), found, "a JSON Pointer into the case", "lost_source")
        stamp = re.match(r"(\d{4})(?:-(\d{2}))?", source.date)
        if stamp:
            months = (as_of.year - int(stamp[1])) * 12 + as_of.month - int(stamp[2] or 12)
            if months > STALE_SOURCE_MONTHS:
                old.append(f"{source.path} ({source.date})")
    if old:
        found = (
            f"{len(old)} of {len(case.meta.sources)} sources older than {STALE_SOURCE_MONTHS} months: {'; '.join(old)}"
        )
        yield _warning(("meta", "sources"), found, f"sources of the last {STALE_SOURCE_MONTHS} months", "stale_source")


def _sites(case: Case) -> Iterator[CaseWarning]:
    priced = any(site.tariff is not None for site in case.sites)
    for i, site in enumerate(case.sites):
        at: Location = ("sites", i)
        pue = site.pue_by_month()
        if pue.max() > 2:
            yield _warning((*at, "pue"), f"{pue.max():g} at {site.id}", "1.05 to 1.8", "pue")
        if site.pue_limit is not None and site.status is SiteStatus.existing and pue.mean() > site.pue_limit + 1e-9:
            found = f"a mean of {pue.mean():.3g} at {site.id}, above its pue_limit"
            yield _warning((*at, "pue"), found, f"at most {site.pue_limit:g}", "pue_limit")
        yield from _range((*at, "carbon_kg_per_kwh"), site.carbon_kg_per_kwh, 0.01, 1.3, "kg/kWh", "carbon")
        yield from _range((*at, "power_mw"), site.power_mw, 0.01, 2000, "MW", "power", f" at {site.id}")
        if priced and site.tariff is None:
            yield _warning(
                (*at, "tariff"), f"none at {site.id}: its energy is free", "a tariff at every site", "no_tariff"
            )
        if case.meta.currency == "CNY":
            charge = site.demand_charge_per_kw_month
            yield from _range((*at, "demand_charge_per_kw_month"), charge, 5, 100, "CNY/kW a month", "demand_charge")
            for j, phase in enumerate(site.phases):
                per_mw = phase.capex / phase.mw
                if per_mw and not 2e6 <= per_mw <= 2e8:
                    found = f"{per_mw:.3g} CNY per MW"
                    yield _warning((*at, "phases", j, "capex"), found, "2 to 200 million CNY per MW", "phase_capex")


def _tariffs(case: Case) -> Iterator[CaseWarning]:
    last = case.horizon.end - timedelta(days=1)
    ended = {t.id: t.valid_to for t in case.tariffs if t.valid_to is not None and t.valid_to < last}
    if ended:
        names = ", ".join(f"{name} ({day})" for name, day in ended.items())
        found = f"prices that end inside or before the horizon: {names}; the plan goes on with them until {last}"
        yield _warning(("tariffs",), found, f"valid_to {last} or later, or nothing", "tariff_ended")
    for i, tariff in enumerate(case.tariffs):
        at: Location = ("tariffs", i)
        if case.meta.currency == "CNY":
            for band in BANDS:
                price = tariff.prices_per_kwh.get(band, 0.0)
                if price > 3 or 0 < price < 0.02:
                    unit = ": in fen?" if price > 3 else ": in thousands, or per Wh?"
                    found = f"{price:g} CNY/kWh{unit}"
                    yield _warning((*at, "prices_per_kwh", band), found, "0.05 to 2.5 CNY/kWh", "tariff_level")
        if tariff.valid_from is not None and tariff.valid_from > case.horizon.start:
            found = f"{tariff.valid_from}, after the horizon starts"
            yield _warning((*at, "valid_from"), found, f"{case.horizon.start} or earlier", "tariff_not_begun")
        used = [tariff.prices_per_kwh.get(b) for b in ("deep_valley", "valley", "flat", "peak", "super_peak")]
        prices = [p for p in used if p is not None]
        if prices != sorted(prices):
            found = ", ".join(f"{b} {p:g}" for b, p in tariff.prices_per_kwh.items())
            usual = "deep_valley <= valley <= flat <= peak <= super_peak"
            yield _warning((*at, "prices_per_kwh"), found, usual, "tariff_order")


def _module_types(case: Case) -> Iterator[CaseWarning]:
    for i, kind in enumerate(case.module_types):
        at: Location = ("module_types", i)
        dense = _dense_pflops(f"{kind.accelerator} {kind.id} {kind.names.en}")
        if dense is not None and kind.peak_pflops > 1.5 * dense:
            found = f"{kind.peak_pflops:g} PFLOPS a card for {kind.accelerator or kind.id}: a sparse or FP8 figure?"
            yield _warning((*at, "peak_pflops"), found, f"{dense:g} dense FP16", "peak_pflops")
        elif case.meta.currency == "CNY":
            yield from _range((*at, "peak_pflops"), kind.peak_pflops, 0.02, 6, "PFLOPS a card", "peak_pflops")
        per_card_kw = kind.power_peak_kw / kind.cards
        yield from _range((*at, "power_peak_kw"), per_card_kw, 0.05, 4, "kW a card", "card_power", " kW a card")
        if case.meta.currency == "CNY":
            per_card = np.asarray(kind.capex, float) / kind.cards
            yield from _range((*at, "capex"), per_card, 5e3, 1e6, "CNY a card", "card_capex", " CNY a card")


def _dense_pflops(name: str) -> float | None:
    words = re.split(r"[^A-Z0-9]+", name.upper())
    return next((DENSE_PFLOPS[w] for word in words for w in (word, word[-4:]) if w in DENSE_PFLOPS), None)


def _workloads(case: Case) -> Iterator[CaseWarning]:
    types = {kind.id: kind for kind in case.module_types}
    at_hand = {f.module_type for f in case.fleet} | {lease.module_type for lease in case.leases}
    for i, workload in enumerate(case.workloads):
        at: Location = ("workloads", i)
        for name, per_card in workload.throughput.items():
            if workload.unit == "PFLOPS" and types[name].peak_pflops > 0:
                ratio = per_card / types[name].peak_pflops
                if ratio > 1.0001 or ratio < 0.01:
                    found = f"{per_card:g} PFLOPS a card, {100 * ratio:.3g} % of its peak"
                    yield _warning((*at, "throughput", name), found, "1 to 100 % of the peak", "throughput")
            elif per_card < 1e-6:
                found = f"{per_card:g} {workload.unit} a card"
                yield _warning((*at, "throughput", name), found, "above 1e-6", "throughput")
        if workload.shortfall_cost == 0 and workload.minimum_service == 0:
            found = f"0 for {workload.id}, with minimum_service 0: leaving it unserved costs nothing"
            yield _warning((*at, "shortfall_cost"), found, "a price, or a minimum_service", "free_shortfall")
        orderable = [
            n for n in workload.throughput if types[n].supply is None or np.any(np.asarray(types[n].supply) > 0)
        ]
        if not orderable and not at_hand & set(workload.throughput):
            found = f"only {', '.join(workload.throughput)}, which neither stand nor can be ordered or leased"
            yield _warning((*at, "throughput"), found, "a type that can be had", "no_capacity")
        elif workload.kind is WorkloadKind.online and not at_hand & set(workload.throughput):
            first = min(types[n].lead_periods for n in orderable)
            if first > 0:
                found = f"nothing standing or leased runs {workload.id} before {case.horizon.period_label(first)}"
                yield _warning((*at, "throughput"), found, "a fleet or a lease for the first periods", "late_start")


def _fleet(case: Case) -> Iterator[CaseWarning]:
    for i, item in enumerate(case.fleet):
        if item.retire is not None and item.retire <= case.horizon.start:
            found = f"{item.retire}, before the horizon starts: these {item.modules} modules never count"
            yield _warning(("fleet", i, "retire"), found, f"after {case.horizon.start}", "fleet_gone")
        if item.online is not None and item.online >= case.horizon.end:
            found = f"{item.online}, after the horizon: these {item.modules} modules never count"
            yield _warning(("fleet", i, "online"), found, f"before {case.horizon.end}", "fleet_late")
        if item.online is not None and item.retire is not None and item.retire <= item.online:
            found = f"{item.retire}, not after online {item.online}"
            yield _warning(("fleet", i, "retire"), found, "after online", "fleet_gone")


def _given_demand(case: Case) -> Iterator[CaseWarning]:
    demand = case.demand
    if demand is None:
        return
    periods = case.horizon.periods
    weight: FloatArray = sum((by_period(d.weight_days, periods, 0.0) for d in demand.days), np.zeros(periods))
    hours = weight * sum(demand.step_hours)
    true_hours = np.array([24.0 * case.horizon.days(t) for t in range(periods)])
    for t in np.flatnonzero(np.abs(hours / true_hours - 1) > 0.01):
        found = f"{weight[t]:g} days of {sum(demand.step_hours):g} hours in {case.horizon.period_label(int(t))}"
        usual = f"{true_hours[t]:g} hours ({true_hours[t] / 24:g} days of 24)"
        yield _warning(("demand", "days"), found, usual, "weights")
        break
    for i, day in enumerate(demand.days):
        for t in np.flatnonzero(by_period(day.weight_days, periods, 0.0) > 0):
            first = case.horizon.period_start(int(t)).month - 1
            months = sorted((first + n) % 12 + 1 for n in range(case.horizon.months_per_period))
            if day.month is not None and day.month not in months:
                label = case.horizon.period_label(int(t))
                found = f"month {day.month} of {day.id}, which has weight in {label}"
                yield _warning(("demand", "days", i, "month"), found, f"a month of {label}: {months}", "month_outside")
                break
    unnamed = {w.id for w in case.workloads} - {s.workload for f in demand.futures for s in f.series}
    if unnamed:
        found = f"no series of {', '.join(sorted(unnamed))}: their demand is 0"
        yield _warning(("demand", "futures"), found, "a series for every workload", "no_demand")


def _cost_span(case: Case) -> Iterator[CaseWarning]:
    """Prices of single decisions, and what a module-hour of work is worth, that lie too far apart for one solve."""
    priced: list[tuple[float, Location]] = []
    for i, kind in enumerate(case.module_types):
        own = (("capex", kind.capex), ("order_cost", kind.order_cost), ("opex", kind.opex))
        priced += [(float(np.max(price)), ("module_types", i, name)) for name, price in own]
        for w, workload in enumerate(case.workloads):
            rate = workload.throughput.get(kind.id, 0.0) * kind.cards * workload.max_utilisation
            priced.append((workload.shortfall_cost * rate, ("workloads", w, "shortfall_cost")))
    for s, site in enumerate(case.sites):
        priced.append((site.opening_cost, ("sites", s, "opening_cost")))
        priced += [(phase.capex, ("sites", s, "phases", p, "capex")) for p, phase in enumerate(site.phases)]
    for i, lease in enumerate(case.leases):
        priced.append((float(np.max(lease.price_per_module_period)), ("leases", i, "price_per_module_period")))
    priced += [(job.value or 0.0, ("campaigns", i, "value")) for i, job in enumerate(case.campaigns)]
    positive = [(price, at) for price, at in priced if price > 0]
    if not positive:
        return
    (least, small), (most, large) = min(positive), max(positive)
    if most > COST_SPAN * least:
        found = f"{most:g}, {most / least:.0e} times {least:g} at {pointer_of(small)}"
        yield _warning(large, found, f"costs within a factor of {COST_SPAN:g} of each other", "cost_span")
