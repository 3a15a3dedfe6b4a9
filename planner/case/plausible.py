"""Numbers that are allowed but look wrong: a PUE of 3, a tariff in fen, a sparse PFLOPS figure, stale sources.

Ranges of money stand in `planner.case.money`, fields that change nothing in `planner.case.effects`. A zero is a choice
(textbook cases have free power) and never looks wrong here unless said so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from forecasts.words.note import listed, note
from planner.arrays import FloatArray
from planner.case.case import Case
from planner.case.effects import idle_fields
from planner.case.fault import Location
from planner.case.fields import by_period
from planner.case.given import GivenDemand
from planner.case.money import WIDEST_SPAN, decision_costs, energy_share
from planner.case.money import usual as usual_price
from planner.case.sites import SiteStatus
from planner.case.sources import leads_somewhere
from planner.case.tariffs import BANDS
from planner.case.warning import CaseWarning, case_warning
from planner.case.workloads import WorkloadKind

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
"""Dense FP16/BF16 PFLOPS of a card, by a word of its name (vendors' sheets, dense, without sparsity)."""

STALE_SOURCE_MONTHS = 36
STALE_CASE_DAYS = 365
MOST_POWER_MW = 1000.0
"""The largest campuses announced by 2026 have about as much."""
FAR_APART = 100.0
"""Between a site or phase and the median of the others: MW in kW are off by 1000, and small sites are often those."""
LEAST_ENERGY_SHARE, MOST_ENERGY_SHARE = 5e-4, 1.0
"""A card at 0.7 kW takes 1 to 5 % of its price in energy a year; a factor of 20 to either side is a wrong unit."""


def warnings(case: Case) -> list[CaseWarning]:
    """Everything in a sound case that looks wrong, block by block."""
    out: list[CaseWarning] = []
    looks = (_dates, _sites, _power, _tariffs, _module_types, _workloads, _fleet, _money, _given_demand)
    for look in looks:
        out += look(case)
    return out + list(idle_fields(case))


def _range(
    location: Location, value: object, low: float, high: float, unit: str, kind: str, key: str = "number", **values: str
) -> Iterator[CaseWarning]:
    """A warning when a number, or any number of a list, is neither 0 nor between low and high."""
    numbers = np.ravel(np.asarray([np.nan if v is None else v for v in np.ravel(np.asarray(value, object))], float))
    odd = numbers[(numbers != 0) & ((numbers < low) | (numbers > high))]
    if odd.size:
        worst = odd[int(np.argmax(np.abs(np.log(np.abs(odd) / np.sqrt(low * high)))))]
        yield case_warning(location, kind, key, worst=worst, low=low, high=high, unit=unit, **values)


def _dates(case: Case) -> Iterator[CaseWarning]:
    as_of = case.meta.as_of
    age = (case.horizon.start - as_of).days
    if age > STALE_CASE_DAYS:
        yield case_warning(("meta", "as_of"), "stale_case", day=as_of, n=age, most=STALE_CASE_DAYS)
    if case.horizon.start < as_of.replace(day=1):
        yield case_warning(("horizon", "start"), "past_start", start=case.horizon.start, day=as_of)
    if case.horizon.discount_rate > 0.3:
        yield case_warning(("horizon", "discount_rate"), "discount_rate", rate=case.horizon.discount_rate)
    document = case.model_dump()
    old = []
    for i, source in enumerate(case.meta.sources):
        if not leads_somewhere(source.path, document):
            yield case_warning(("meta", "sources", i, "path"), "lost_source", path=source.path)
        stamp = re.match(r"(\d{4})(?:-(\d{2}))?", source.date)
        if stamp:
            months = (as_of.year - int(stamp[1])) * 12 + as_of.month - int(stamp[2] or 12)
            if months > STALE_SOURCE_MONTHS:
                old.append(f"{source.path} ({source.date})")
    if old:
        told = {"n": len(old), "all": len(case.meta.sources), "months": STALE_SOURCE_MONTHS, "shown": "; ".join(old)}
        yield case_warning(("meta", "sources"), "stale_source", **told)


def _sites(case: Case) -> Iterator[CaseWarning]:
    for i, site in enumerate(case.sites):
        at: Location = ("sites", i)
        pue = site.pue_by_month()
        if pue.max() > 2:
            yield case_warning((*at, "pue"), "pue", pue=pue.max(), site=site.id)
        if site.pue_limit is not None and site.status is SiteStatus.existing and pue.mean() > site.pue_limit + 1e-9:
            told = {"pue": pue.mean(), "site": site.id, "most": site.pue_limit}
            yield case_warning((*at, "pue"), "pue_limit", **told)
        yield from _range((*at, "carbon_kg_per_kwh"), site.carbon_kg_per_kwh, 0.01, 1.3, "kg/kWh", "carbon")
    without = [(i, site.id) for i, site in enumerate(case.sites) if site.tariff is None]
    if without and any(kind.power_peak_kw > 0 for kind in case.module_types):
        names = ", ".join(name for _, name in without)
        where: Location = ("sites", without[0][0], "tariff") if len(without) == 1 else ("sites",)
        yield case_warning(where, "no_tariff", "no_tariff" if len(without) == 1 else "no_tariffs", names=names)


def _power(case: Case) -> Iterator[CaseWarning]:
    """Power in MW that is likely in kW: above what campuses have, or far above all others of the same case."""
    every: list[tuple[Location, str, float]] = []
    for i, site in enumerate(case.sites):
        every.append((("sites", i, "power_mw"), site.id, float(np.max(np.asarray(site.power_mw, float)))))
        phase = note("odd.phase_of", "planner", site=site.id)
        every += [(("sites", i, "phases", j, "mw"), phase, p.mw) for j, p in enumerate(site.phases)]
    for n, (at, name, mw) in enumerate(every):
        low, high = (0.002 if "mw" in at else 0.01), MOST_POWER_MW
        others = [value for m, (_, _, value) in enumerate(every) if m != n and value >= 0.01]
        typical = float(np.median(others)) if others else np.inf
        if mw > high:
            yield case_warning(at, "power", "power_kw", mw=mw, name=name, low=low, high=high)
        elif 0 < mw < low:
            yield case_warning(at, "power", "power_gw", mw=mw, name=name, low=low, high=high)
        elif mw > FAR_APART * typical:
            told = {"mw": mw, "name": name, "times": mw / typical, "low": low, "high": high}
            yield case_warning(at, "power", "power_apart", **told)


def _tariffs(case: Case) -> Iterator[CaseWarning]:
    last = case.horizon.end - timedelta(days=1)
    ended = {t.id: t.valid_to for t in case.tariffs if t.valid_to is not None and t.valid_to < last}
    if ended:
        names = ", ".join(f"{name} ({day})" for name, day in ended.items())
        yield case_warning(("tariffs",), "tariff_ended", names=names, last=last)
    for i, tariff in enumerate(case.tariffs):
        at: Location = ("tariffs", i)
        range_ = usual_price(case, "energy")
        for band in BANDS:
            price = tariff.prices_per_kwh.get(band, 0.0)
            if price < 0:
                yield case_warning((*at, "prices_per_kwh", band), "negative_price", price=price)
            elif range_ is not None and price and not range_.low <= price <= range_.high:
                key = "tariff_above" if price > range_.high else "tariff_below"
                told = {"price": price, "currency": case.meta.currency, "low": range_.low, "high": range_.high}
                yield case_warning((*at, "prices_per_kwh", band), "tariff_level", key, **told, unit=range_.unit)
        if tariff.valid_from is not None and tariff.valid_from > case.horizon.start:
            told = {"day": tariff.valid_from, "start": case.horizon.start}
            yield case_warning((*at, "valid_from"), "tariff_not_begun", **told)
        used = [tariff.prices_per_kwh.get(b) for b in ("deep_valley", "valley", "flat", "peak", "super_peak")]
        prices = [p for p in used if p is not None]
        if prices != sorted(prices):
            found = ", ".join(f"{b} {p:g}" for b, p in tariff.prices_per_kwh.items())
            yield case_warning((*at, "prices_per_kwh"), "tariff_order", prices=found)


def _module_types(case: Case) -> Iterator[CaseWarning]:
    for i, kind in enumerate(case.module_types):
        at: Location = ("module_types", i)
        dense = _dense_pflops(f"{kind.accelerator} {kind.id} {kind.names.en}")
        if dense is not None and kind.peak_pflops > 1.5 * dense:
            told = {"pflops": kind.peak_pflops, "card": kind.accelerator or kind.id, "dense": dense}
            yield case_warning((*at, "peak_pflops"), "peak_pflops", **told)
        else:
            yield from _range(
                (*at, "peak_pflops"), kind.peak_pflops, 0.02, 6, note("odd.pflops_a_card", "planner"), "peak_pflops"
            )
        per_card_kw = kind.power_peak_kw / kind.cards
        unit = note("odd.kw_a_card", "planner")
        yield from _range((*at, "power_peak_kw"), per_card_kw, 0.05, 4, unit, "card_power", "card_power")


def _money(case: Case) -> Iterator[CaseWarning]:
    """Prices out of the usual range of the currency, out of proportion to each other, or too far apart to weigh."""
    currency, known = case.meta.currency, usual_price(case, "card") is not None

    def priced(at: Location, value: object, what: str, kind: str, **values: str) -> Iterator[CaseWarning]:
        range_ = usual_price(case, what)
        if range_ is not None:
            key = f"price_{what}"
            yield from _range(at, value, range_.low, range_.high, range_.unit, kind, key, currency=currency, **values)

    for i, site in enumerate(case.sites):
        at = ("sites", i, "demand_charge_per_kw_month")
        charge = site.demand_charge_per_kw_month
        yield from priced(at, charge, "demand_charge", "demand_charge", site=site.id)
        for j, phase in enumerate(site.phases):
            per_mw = phase.capex / phase.mw
            yield from priced(("sites", i, "phases", j, "capex"), per_mw, "phase", "phase_capex")
    for i, kind in enumerate(case.module_types):
        per_card = np.asarray(kind.capex, float) / kind.cards
        yield from priced(("module_types", i, "capex"), per_card, "card", "card_capex")
        gain = np.max(np.asarray(kind.resale_price, float) - np.asarray(kind.capex, float), initial=-np.inf)
        if gain > 0 and np.any(np.asarray(kind.resale_price, float) > 0):
            yield case_warning(("module_types", i, "resale_price"), "resale", gain=gain, currency=currency)
    carbon = case.policy.carbon_price_per_tonne
    yield from priced(("policy", "carbon_price_per_tonne"), carbon, "carbon", "carbon_price")
    for k, share in [] if known else energy_share(case):
        if not LEAST_ENERGY_SHARE <= share <= MOST_ENERGY_SHARE:
            told = {"low": 100 * LEAST_ENERGY_SHARE, "high": 100 * MOST_ENERGY_SHARE, "share": 100 * share}
            name = case.module_types[k].id
            yield case_warning(("module_types", k, "capex"), "proportion", name=name, **told)
    costs = decision_costs(case)
    if costs:
        least, most = min(costs, key=lambda n: costs[n]), max(costs, key=lambda n: costs[n])
        if costs[most] >= WIDEST_SPAN * costs[least]:
            told = {
                "times": costs[most] / costs[least],
                "most": costs[most],
                "least": costs[least],
                "span": WIDEST_SPAN,
            }
            names = {"dear": most, "cheap": least, "currency": currency}
            yield case_warning((), "cost_span", **told, **names)


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
                    told = {"pflops": per_card, "share": 100 * ratio}
                    yield case_warning((*at, "throughput", name), "throughput", "throughput_pflops", **told)
            elif per_card < 1e-6:
                yield case_warning((*at, "throughput", name), "throughput", rate=per_card, unit=workload.unit)
        if workload.shortfall_cost == 0 and workload.minimum_service == 0:
            yield case_warning((*at, "shortfall_cost"), "free_shortfall", name=workload.id)
        orderable = [
            n for n in workload.throughput if types[n].supply is None or np.any(np.asarray(types[n].supply) > 0)
        ]
        if not orderable and not at_hand & set(workload.throughput):
            yield case_warning((*at, "throughput"), "no_capacity", names=", ".join(workload.throughput))
        elif workload.kind is WorkloadKind.online and not at_hand & set(workload.throughput):
            first = min(types[n].lead_periods for n in orderable)
            if first > 0:
                period = case.horizon.period_label(first)
                yield case_warning((*at, "throughput"), "late_start", name=workload.id, period=period)


def _fleet(case: Case) -> Iterator[CaseWarning]:
    for i, item in enumerate(case.fleet):
        if item.retire is not None and item.retire <= case.horizon.start:
            told = {"day": item.retire, "n": item.modules, "start": case.horizon.start}
            yield case_warning(("fleet", i, "retire"), "fleet_gone", **told)
        if item.online is not None and item.online >= case.horizon.end:
            told = {"day": item.online, "n": item.modules, "end": case.horizon.end}
            yield case_warning(("fleet", i, "online"), "fleet_late", **told)
        if item.online is not None and item.retire is not None and item.retire <= item.online:
            told = {"day": item.retire, "online": item.online}
            yield case_warning(("fleet", i, "retire"), "fleet_gone", "fleet_order", **told)


def _given_demand(case: Case) -> Iterator[CaseWarning]:
    demand = case.demand
    if demand is None:
        return
    periods = case.horizon.periods
    weight: FloatArray = sum((by_period(d.weight_days, periods, 0.0) for d in demand.days), np.zeros(periods))
    hours = weight * sum(demand.step_hours)
    true_hours = np.array([24.0 * case.horizon.days(t) for t in range(periods)])
    for t in np.flatnonzero(np.abs(hours / true_hours - 1) > 0.01):
        told = {
            "days": weight[t],
            "hours": sum(demand.step_hours),
            "all": true_hours[t],
            "true_days": true_hours[t] / 24,
        }
        yield case_warning(("demand", "days"), "weights", **told, period=case.horizon.period_label(int(t)))
        break
    for i, day in enumerate(demand.days):
        for t in np.flatnonzero(by_period(day.weight_days, periods, 0.0) > 0):
            first = case.horizon.period_start(int(t)).month - 1
            months = sorted((first + n) % 12 + 1 for n in range(case.horizon.months_per_period))
            if day.month is not None and day.month not in months:
                told = {"month": day.month, "day": day.id, "period": case.horizon.period_label(int(t))}
                yield case_warning(("demand", "days", i, "month"), "month_outside", **told, months=str(months))
                break
    yield from _missing_series(case, demand)


def _missing_series(case: Case, demand: GivenDemand) -> Iterator[CaseWarning]:
    """Workloads, regions and pairs that no series speaks of: their demand is 0, which may not be what was meant."""
    at: Location = ("demand", "futures")
    named = [{(s.workload, s.region) for s in future.series} for future in demand.futures]
    every = set().union(*named)
    lost = [w.id for w in case.workloads if all(w.id != name for name, _ in every)]
    if lost:
        yield case_warning(at, "no_demand", "no_demand_workloads", names=", ".join(lost))
    nowhere = [r.id for r in case.regions if all(r.id != name for _, name in every)]
    if nowhere:
        yield case_warning(at, "no_demand", "no_demand_regions", names=", ".join(nowhere))
    for w in case.workloads:
        here = [
            r.id
            for r in case.regions
            if (w.id, r.id) not in every
            and r.id not in nowhere
            and (w.kind is WorkloadKind.online or r.id in w.residency)
            and w.residency.get(r.id) != []
        ]
        if here and w.id not in lost:
            yield case_warning(at, "no_demand", "no_demand_pairs", name=w.id, names=", ".join(here))
    for f, (future, known) in enumerate(zip(demand.futures, named, strict=True)):
        gone = sorted(every - known)
        if gone:
            pairs = listed([note("odd.pair", "planner", workload=w, region=r) for w, r in gone[:6]])
            yield case_warning((*at, f, "series"), "no_demand", "no_demand_future", names=pairs, future=future.id)
