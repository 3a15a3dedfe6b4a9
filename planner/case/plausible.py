"""Numbers that are allowed but look wrong: a PUE of 3, a tariff in fen, a sparse PFLOPS figure, stale sources.

Ranges of money stand in `planner.case.money`, fields that change nothing in `planner.case.effects`. A zero is a choice
(textbook cases have free power) and never looks wrong here unless said so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from planner.arrays import FloatArray
from planner.case.case import Case
from planner.case.effects import idle_fields
from planner.case.fault import Location, pointer_of
from planner.case.fields import by_period
from planner.case.given import GivenDemand
from planner.case.money import WIDEST_SPAN, decision_costs, energy_share
from planner.case.money import usual as usual_price
from planner.case.sites import SiteStatus
from planner.case.sources import leads_somewhere
from planner.case.tariffs import BANDS
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


@dataclass(frozen=True)
class CaseWarning:
    """A number that looks wrong: where it stands, what was found, what is usual."""

    pointer: str
    found: str
    usual: str
    kind: str

    @property
    def message(self) -> str:
        """The warning in one line."""
        return f"{self.pointer or '/'}: {self.found}; usual: {self.usual}"

    def __str__(self) -> str:
        return self.message


def warnings(case: Case) -> list[CaseWarning]:
    """Everything in a sound case that looks wrong, block by block."""
    out: list[CaseWarning] = []
    looks = (_dates, _sites, _power, _tariffs, _module_types, _workloads, _fleet, _money, _given_demand)
    for look in looks:
        out += look(case)
    out += [_warning(at, f"{found}: it changes nothing", needs, "no_effect") for at, found, needs in idle_fields(case)]
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
    for i, site in enumerate(case.sites):
        at: Location = ("sites", i)
        pue = site.pue_by_month()
        if pue.max() > 2:
            yield _warning((*at, "pue"), f"{pue.max():g} at {site.id}", "1.05 to 1.8", "pue")
        if site.pue_limit is not None and site.status is SiteStatus.existing and pue.mean() > site.pue_limit + 1e-9:
            found = f"a mean of {pue.mean():.3g} at {site.id}, above its pue_limit"
            yield _warning((*at, "pue"), found, f"at most {site.pue_limit:g}", "pue_limit")
        yield from _range((*at, "carbon_kg_per_kwh"), site.carbon_kg_per_kwh, 0.01, 1.3, "kg/kWh", "carbon")
    without = [(i, site.id) for i, site in enumerate(case.sites) if site.tariff is None]
    if without and any(kind.power_peak_kw > 0 for kind in case.module_types):
        names = ", ".join(name for _, name in without)
        found = f"none at {names}: {'its' if len(without) == 1 else 'their'} energy is free"
        where: Location = ("sites", without[0][0], "tariff") if len(without) == 1 else ("sites",)
        yield _warning(where, found, "a tariff at every site", "no_tariff")


def _power(case: Case) -> Iterator[CaseWarning]:
    """Power in MW that is likely in kW: above what campuses have, or far above all others of the same case."""
    every: list[tuple[Location, str, float]] = []
    for i, site in enumerate(case.sites):
        every.append((("sites", i, "power_mw"), site.id, float(np.max(np.asarray(site.power_mw, float)))))
        every += [(("sites", i, "phases", j, "mw"), f"a phase of {site.id}", p.mw) for j, p in enumerate(site.phases)]
    for n, (at, name, mw) in enumerate(every):
        low, high = (0.002 if "mw" in at else 0.01), MOST_POWER_MW
        usual = f"{low:g} to {high:g} MW"
        others = [value for m, (_, _, value) in enumerate(every) if m != n and value >= 0.01]
        typical = float(np.median(others)) if others else np.inf
        if mw > high:
            yield _warning(at, f"{mw:g} MW at {name}: in kW?", usual, "power")
        elif 0 < mw < low:
            yield _warning(at, f"{mw:g} MW at {name}: in GW?", usual, "power")
        elif mw > FAR_APART * typical:
            found = f"{mw:g} MW at {name}, {mw / typical:,.0f} times the median of all other sites and phases: in kW?"
            yield _warning(at, found, f"{usual}, of like size in a case", "power")


def _tariffs(case: Case) -> Iterator[CaseWarning]:
    last = case.horizon.end - timedelta(days=1)
    ended = {t.id: t.valid_to for t in case.tariffs if t.valid_to is not None and t.valid_to < last}
    if ended:
        names = ", ".join(f"{name} ({day})" for name, day in ended.items())
        found = f"prices that end inside or before the horizon: {names}; the plan goes on with them until {last}"
        yield _warning(("tariffs",), found, f"valid_to {last} or later, or nothing", "tariff_ended")
    for i, tariff in enumerate(case.tariffs):
        at: Location = ("tariffs", i)
        range_ = usual_price(case, "energy")
        for band in BANDS:
            price = tariff.prices_per_kwh.get(band, 0.0)
            if price < 0:
                found = f"{price:g}: whoever takes energy then is paid for it"
                yield _warning((*at, "prices_per_kwh", band), found, "0 or more", "negative_price")
            elif range_ is not None and price and not range_.low <= price <= range_.high:
                why = range_.above if price > range_.high else range_.below
                found = f"{price:g} {case.meta.currency}/kWh{why}"
                said = f"{range_.low:g} to {range_.high:g} {range_.unit}"
                yield _warning((*at, "prices_per_kwh", band), found, said, "tariff_level")
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
        else:
            yield from _range((*at, "peak_pflops"), kind.peak_pflops, 0.02, 6, "PFLOPS a card", "peak_pflops")
        per_card_kw = kind.power_peak_kw / kind.cards
        yield from _range((*at, "power_peak_kw"), per_card_kw, 0.05, 4, "kW a card", "card_power", " kW a card")


def _money(case: Case) -> Iterator[CaseWarning]:
    """Prices out of the usual range of the currency, out of proportion to each other, or too far apart to weigh."""
    currency, known = case.meta.currency, usual_price(case, "card") is not None

    def priced(at: Location, value: object, what: str, kind: str, why: str) -> Iterator[CaseWarning]:
        range_ = usual_price(case, what)
        if range_ is not None:
            yield from _range(at, value, range_.low, range_.high, range_.unit, kind, why)

    for i, site in enumerate(case.sites):
        at = ("sites", i, "demand_charge_per_kw_month")
        charge = site.demand_charge_per_kw_month
        yield from priced(at, charge, "demand_charge", "demand_charge", f" {currency} at {site.id}")
        for j, phase in enumerate(site.phases):
            per_mw = phase.capex / phase.mw
            yield from priced(("sites", i, "phases", j, "capex"), per_mw, "phase", "phase_capex", f" {currency} a MW")
    for i, kind in enumerate(case.module_types):
        per_card = np.asarray(kind.capex, float) / kind.cards
        yield from priced(("module_types", i, "capex"), per_card, "card", "card_capex", f" {currency} a card")
        gain = np.max(np.asarray(kind.resale_price, float) - np.asarray(kind.capex, float), initial=-np.inf)
        if gain > 0 and np.any(np.asarray(kind.resale_price, float) > 0):
            found = f"{gain:g} {currency} above the price of a new module"
            yield _warning(("module_types", i, "resale_price"), found, "below capex", "resale")
    carbon = case.policy.carbon_price_per_tonne
    yield from priced(("policy", "carbon_price_per_tonne"), carbon, "carbon", "carbon_price", f" {currency}")
    for k, share in [] if known else energy_share(case):
        if not LEAST_ENERGY_SHARE <= share <= MOST_ENERGY_SHARE:
            found = f"a year's energy of one {case.module_types[k].id} at full load is {100 * share:.3g} % of its price"
            said = f"{100 * LEAST_ENERGY_SHARE:g} to {100 * MOST_ENERGY_SHARE:g} %, prices and tariffs in one currency"
            yield _warning(("module_types", k, "capex"), found, said, "proportion")
    costs = decision_costs(case)
    if costs:
        least, most = min(costs, key=lambda n: costs[n]), max(costs, key=lambda n: costs[n])
        if costs[most] >= WIDEST_SPAN * costs[least]:
            found = (
                f"costs that span a factor of {costs[most] / costs[least]:.2g}: {most} at {costs[most]:.4g}, "
                f"{least} at {costs[least]:.4g} {currency}"
            )
            yield _warning((), found, f"below {WIDEST_SPAN:.0e} between any two decisions", "cost_span")


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
    yield from _missing_series(case, demand)


def _missing_series(case: Case, demand: GivenDemand) -> Iterator[CaseWarning]:
    """Workloads, regions and pairs that no series speaks of: their demand is 0, which may not be what was meant."""
    at: Location = ("demand", "futures")
    named = [{(s.workload, s.region) for s in future.series} for future in demand.futures]
    every = set().union(*named)
    lost = [w.id for w in case.workloads if all(w.id != name for name, _ in every)]
    if lost:
        yield _warning(
            at, f"no series of {', '.join(lost)}: their demand is 0", "a series for every workload", "no_demand"
        )
    nowhere = [r.id for r in case.regions if all(r.id != name for _, name in every)]
    if nowhere:
        found = f"no series of any workload in {', '.join(nowhere)}: demand there is 0"
        yield _warning(at, found, "a series in every region, of 0 where there is none", "no_demand")
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
            found = f"no series of {w.id} in {', '.join(here)}: its demand there is 0"
            yield _warning(at, found, "a series in every region it serves, of 0 where there is none", "no_demand")
    for f, (future, known) in enumerate(zip(demand.futures, named, strict=True)):
        gone = sorted(every - known)
        if gone:
            found = f"no series of {', '.join(f'{w} in {r}' for w, r in gone[:6])} in the future {future.id}, "
            found += "while others have one: there the demand is 0"
            yield _warning((*at, f, "series"), found, "the same series in every future", "no_demand")
