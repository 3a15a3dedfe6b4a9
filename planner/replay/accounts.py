"""What a replay comes to: tables of hours, days, service, idle capacity, energy, carbon and cost."""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.case import BANDS, Case, WorkloadKind, by_period
from planner.plan.tables import TABLES
from planner.program.instance import Instance
from planner.program.registry import DECIDED_TERMS
from planner.replay.dispatch import Day, Fixed
from planner.replay.paths import HourlyDemand
from planner.verify.building import Capacity
from planner.verify.costs import decided_costs
from planner.verify.facts import Facts
from planner.verify.reading import PlanArrays


@dataclass(frozen=True)
class Account:
    """Everything the tables are made from.

    places: (period, position in it) of each day; billed_kw: (S, T, 12) by calendar month in the end; it_kw,
    facility_kw: (days, S, 24); busy: (days, S, K, 24) modules.
    """

    facts: Facts
    plan: PlanArrays
    inst: Instance
    fixed: Fixed
    capacity: Capacity
    hourly: HourlyDemand
    places: tuple[tuple[int, int], ...]
    days: tuple[Day, ...]
    billed_kw: FloatArray
    period: np.typing.NDArray[np.int64] = field(init=False)
    it_kw: FloatArray = field(init=False)
    facility_kw: FloatArray = field(init=False)
    busy: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        facts, inst = self.facts, self.inst
        period = np.array([t for t, _ in self.places], np.int64)
        position = np.array([d for _, d in self.places], np.int64)
        busy = np.array([day.busy for day in self.days])  # (days, S, K, 24)
        idle = np.einsum("skt,k->ts", self.fixed.capacity, facts.idle_kw)[period]
        it_kw = idle[:, :, None] + np.einsum("nskh,k->nsh", busy, inst.dynamic_kw)
        pue = facts.pue[:, period, position].T
        object.__setattr__(self, "period", period)
        object.__setattr__(self, "busy", busy)
        object.__setattr__(self, "it_kw", it_kw)
        object.__setattr__(self, "facility_kw", it_kw * pue[:, :, None])

    @property
    def case(self) -> Case:
        """The plan's own."""
        return self.facts.case

    @property
    def covered(self) -> FloatArray:
        """(T,) share of each period's days that the course covers."""
        T = self.case.horizon.periods
        days = np.array([self.case.horizon.days(t) for t in range(T)], float)
        return np.asarray(np.bincount(self.period, minlength=T) / days, float)


# Terms decided ahead of the hours that are paid by the day.
_BY_DAYS = ("opex", "leases")

REPLAY_TABLES = ("hours", "sites", "days", "service", "idle", "energy", "carbon", "billed", "costs")


def account_tables(account: Account) -> dict[str, pd.DataFrame]:
    """Tables of a replay; every sum over hours agrees with the totals by period."""
    service = _service(account)
    energy, prices = _energy(account)
    billed = _billed(account)
    out = {
        "hours": _hours(account),
        "sites": _sites(account),
        "service": service,
        "idle": _idle(account),
        "energy": energy,
        "carbon": _carbon(account),
        "billed": billed,
        "days": _days(account, prices),
    }
    out["costs"] = _costs(account, out)
    return out


def _stamps(account: Account) -> pd.DatetimeIndex:
    return pd.date_range(account.hourly.start, periods=24 * len(account.days), freq="h")


def _hours(account: Account) -> pd.DataFrame:
    """timestamp x workload: demand, served, shortfall (rates) and backlog (unit-hours at the end of the hour).

    Training work has no hours: its gangs deliver over the period (table "service").
    """
    stamps, case = _stamps(account), account.case
    demand = account.hourly.values.sum(axis=1).reshape(len(case.workloads), -1)
    parts = []
    for w, workload in enumerate(case.workloads):
        if workload.kind is WorkloadKind.training:
            continue
        parts.append(
            pd.DataFrame(
                {
                    "timestamp": stamps,
                    "period": np.repeat(account.period, 24),
                    "workload": workload.id,
                    "demand": demand[w],
                    "served": np.concatenate([d.served[w] for d in account.days]),
                    "shortfall": np.concatenate([d.shortfall[w] for d in account.days]),
                    "backlog_unit_hours": np.concatenate([d.backlog[w] for d in account.days]),
                }
            )
        )
    empty = pd.DataFrame(
        columns=["timestamp", "period", "workload", "demand", "served", "shortfall", "backlog_unit_hours"]
    )
    return pd.concat(parts, ignore_index=True) if parts else empty


def _sites(account: Account) -> pd.DataFrame:
    stamps, sites = _stamps(account), account.facts.labels["site"]
    n = len(sites)
    return pd.DataFrame(
        {
            "timestamp": np.tile(stamps, n),
            "period": np.tile(np.repeat(account.period, 24), n),
            "site": np.repeat(np.array(sites, object), len(stamps)),
            "it_kw": np.moveaxis(account.it_kw, 1, 0).ravel(),
            "facility_kw": np.moveaxis(account.facility_kw, 1, 0).ravel(),
        }
    )


def _service(account: Account) -> pd.DataFrame:
    """period x workload: unit-hours asked, served and short, what waits at the end of the period, and the shortfall's
    cost.

    Training: asked by the course, delivered by the gangs over the days covered.
    """
    case, facts = account.case, account.facts
    T = case.horizon.periods
    rows = []
    asked = np.zeros((len(case.workloads), T))
    np.add.at(asked.T, account.period, account.hourly.values.sum(axis=(1, 3)).T)
    days = np.bincount(account.period, minlength=T)
    for t in np.unique(account.period).tolist():
        own = [d for d, p in zip(account.days, account.period, strict=True) if p == t]
        for w, workload in enumerate(case.workloads):
            volume = float(asked[w, t])
            if workload.kind is WorkloadKind.training:
                rate = np.array([workload.throughput.get(k, 0.0) for k in facts.labels["module type"]])
                rate *= (workload.gang_cards or 0) * workload.max_utilisation * (1 - workload.max_yield_share)
                could = float(np.einsum("sk,k->", account.plan.gangs[0, w, :, :, t], rate)) * 24 * days[t]
                served, short, waits = min(could, volume), max(volume - could, 0.0), 0.0
            else:
                served = float(sum(d.served[w].sum() for d in own))
                short = float(sum(d.shortfall[w].sum() for d in own))
                waits = float(own[-1].backlog[w, -1])
            rows.append((t, workload.id, volume, served, short, waits, short * workload.shortfall_cost))
    names = ["period", "workload", "demand_unit_hours", "served_unit_hours", "shortfall_unit_hours"]
    return pd.DataFrame(rows, columns=[*names, "waiting_unit_hours", "shortfall_cost"])


def _energy(account: Account) -> tuple[pd.DataFrame, FloatArray]:
    """The energy table (as in the plan) and (days, S, 24) prices per kWh."""
    case, dates = account.case, account.hourly.dates()
    tariffs = {t.id: (t.bands(), t.prices()) for t in case.tariffs}
    month = np.array([d.month - 1 for d in dates])
    where = [(t, d) for t, d in account.places]
    kind = np.array([int(account.facts.demand.days.calendar[t, d].sum(axis=0).argmax()) for t, d in where])
    S, n = len(case.sites), len(dates)
    price = np.zeros((n, S, 24))
    band = np.full((n, S, 24), -1)
    for s, site in enumerate(case.sites):
        if site.tariff is not None:
            bands, prices = tariffs[site.tariff]
            band[:, s], price[:, s] = bands[month, kind], prices[month, kind]
    T, B = case.horizon.periods, len(BANDS)
    flat = (account.period[:, None, None] * S + np.arange(S)[None, :, None]) * (B + 1) + band + 1
    size = T * S * (B + 1)

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(flat.ravel(), weights=values.ravel(), minlength=size).astype(float)

    it, facility = total(account.it_kw) / 1000, total(account.facility_kw) / 1000
    cost = total(_paid_kw(account, price) * price)
    some = np.flatnonzero(np.bincount(flat.ravel(), minlength=size))
    frame = TABLES["energy"].frame(
        {
            "period": some // (S * (B + 1)),
            "site": np.array(account.facts.labels["site"], object)[some // (B + 1) % S],
            "band": np.array(["mean", *BANDS], object)[some % (B + 1)],
            "it_mwh": it[some],
            "facility_mwh": facility[some],
            "cost": cost[some],
        }
    )
    return frame, price


def _paid_kw(account: Account, price: FloatArray) -> FloatArray:
    """(days, S, 24) facility power that the price is paid on: a negative one earns nothing on the idle power of what
    was ordered, leased or moved (docs/model.md §5, energy)."""
    if not (price < 0).any():
        return account.facility_kw
    facts, inst = account.facts, account.inst
    stands = np.moveaxis(facts.standing, 2, 0)[account.period][..., None]  # (days, S, K, 1)
    beyond = account.fixed.capacity - account.fixed.kept
    added = np.moveaxis(beyond, 2, 0)[account.period][..., None]
    idle = np.maximum(np.where(stands <= 0, added - account.busy, added), 0.0)
    position = np.array([d for _, d in account.places], np.int64)
    pue = facts.pue[:, account.period, position].T[:, :, None]
    unearned = np.einsum("nskh,k->nsh", idle, inst.idle_kw) * pue
    return np.asarray(np.where(price < 0, account.facility_kw - unearned, account.facility_kw), float)


def _carbon(account: Account) -> pd.DataFrame:
    case = account.case
    T, S = case.horizon.periods, len(case.sites)
    mwh = np.zeros((T, S))
    np.add.at(mwh, account.period, account.facility_kw.sum(axis=2) / 1000)
    seen = np.unique(account.period)
    t, s = (a.ravel() for a in np.meshgrid(seen, np.arange(S), indexing="ij"))
    price = by_period(case.policy.carbon_price_per_tonne, T, 0.0)
    location = np.array([x.carbon_kg_per_kwh for x in case.sites])
    market = np.array([x.market_carbon() for x in case.sites])
    return TABLES["carbon"].frame(
        {
            "period": t,
            "site": np.array(account.facts.labels["site"], object)[s],
            "facility_mwh": mwh[t, s],
            "location_tonnes": mwh[t, s] * location[s],
            "market_tonnes": mwh[t, s] * market[s],
            "cost": mwh[t, s] * account.facts.carbon[s] * price[t],
        }
    )


def _billed(account: Account) -> pd.DataFrame:
    """period x charged site x month: what the plan declared, the peak met, what is billed in the end, and its cost.

    A month of which the course covers a part is billed for that part.
    """
    case, dates = account.case, account.hourly.dates()
    T, S = case.horizon.periods, len(case.sites)
    month = np.array([d.month - 1 for d in dates], np.int64)
    peak, days = np.zeros((T, 12, S)), np.zeros((T, 12))
    np.maximum.at(peak, (account.period, month), account.facility_kw.max(axis=2))
    np.add.at(days, (account.period, month), 1.0)
    length = np.array([calendar.monthrange(d.year, d.month)[1] for d in dates], float)
    whole = np.ones((T, 12))
    whole[account.period, month] = length
    charge = np.array([s.demand_charge_per_kw_month for s in case.sites])
    (seen, months), sites = np.nonzero(days), np.flatnonzero(charge > 0)
    at, s = (a.ravel() for a in np.meshgrid(np.arange(len(seen)), sites, indexing="ij"))
    t, m = seen[at], months[at]
    billed = np.maximum(account.billed_kw[s, t, m], peak[t, m, s])
    return pd.DataFrame(
        {
            "period": t,
            "site": np.array(account.facts.labels["site"], object)[s],
            "month": m + 1,
            "declared_kw": account.fixed.billed_kw[s, t, m],
            "peak_kw": peak[t, m, s],
            "billed_kw": billed,
            "cost": billed * charge[s] * days[t, m] / whole[t, m],
        }
    )


def _days(account: Account, price: FloatArray) -> pd.DataFrame:
    """One row a day: cost of its hours (money of the period) and what fell short."""
    case, facts = account.case, account.facts
    penalty = np.array([w.shortfall_cost for w in case.workloads])
    T = case.horizon.periods
    carbon = by_period(case.policy.carbon_price_per_tonne, T, 0.0)[account.period] / 1000
    kwh = account.facility_kw.sum(axis=2)
    short = np.array([d.shortfall.sum(axis=1) for d in account.days]).reshape(-1, len(penalty))
    return pd.DataFrame(
        {
            "date": account.hourly.dates(),
            "period": account.period,
            "position": [d for _, d in account.places],
            "energy_cost": (_paid_kw(account, price) * price).sum(axis=(1, 2)),
            "carbon_cost": carbon * (kwh @ facts.carbon),
            "transfer_cost": [d.transfer for d in account.days],
            "shortfall_cost": short @ penalty,
            "shortfall_pflops_hours": short @ facts.installed_per_unit(),
            "peak_busy_pflops": np.einsum("nskh,k->nh", account.busy, facts.pflops).max(axis=1),
            "seconds": [d.seconds for d in account.days],
        }
    )


def _idle(account: Account) -> pd.DataFrame:
    """period x site x module type: usable, busy and idle module-hours, and what the idle part of their holding costs.

    Holding: the annuity of the price, operation and rent of a period (standing modules have no price any more),
    whatever way the case charges capex; idle share = 1 - busy / usable.
    """
    case, facts = account.case, account.facts
    T = case.horizon.periods
    days = np.bincount(account.period, minlength=T)
    busy = np.zeros((T, *account.busy.shape[1:3]))
    np.add.at(busy, account.period, account.busy.sum(axis=3))
    stands = np.moveaxis(account.fixed.capacity, 2, 0)
    usable = stands * facts.availability * 24 * days[:, None, None]
    holding = _holding(account) * account.covered[:, None, None]
    t, s, k = np.nonzero(usable > 1e-9)
    idle = np.maximum(usable[t, s, k] - busy[t, s, k], 0.0)
    return pd.DataFrame(
        {
            "period": t,
            "site": np.array(facts.labels["site"], object)[s],
            "module_type": np.array(facts.labels["module type"], object)[k],
            "usable_module_hours": usable[t, s, k],
            "busy_module_hours": busy[t, s, k],
            "idle_module_hours": idle,
            "idle_pflops_hours": idle * facts.pflops[k],
            "holding_cost": holding[t, s, k],
            "idle_cost": holding[t, s, k] * idle / usable[t, s, k],
        }
    )


def _holding(account: Account) -> FloatArray:
    """(T, S, K) money of a period for what is held: annuity of what was ordered and still lives, opex, rent."""
    case, facts, plan = account.case, account.facts, account.plan
    horizon, T = case.horizon, case.horizon.periods
    rate = (1 + horizon.discount_rate) ** (horizon.months_per_period / 12) - 1
    S, K = len(case.sites), len(case.module_types)
    out = np.zeros((T, S, K))
    for k, kind in enumerate(case.module_types):
        life = kind.life_periods
        payment = 1 / float(((1 + rate) ** -np.arange(life, dtype=float)).sum())
        for t in range(T):
            first = max(t - life + 1, 0)
            out[t, :, k] = payment * (plan.orders[0, :, k, first : t + 1] @ plan.price[0, k, first : t + 1])
    for i, lease in enumerate(case.leases):
        s = facts.labels["site"].index(lease.site)
        k = facts.labels["module type"].index(lease.module_type)
        out[:, s, k] += plan.lease_active[0, i] * by_period(lease.price_per_module_period, T, 0.0)
    owned = np.moveaxis(account.capacity.owned[0], 2, 0)
    return np.asarray(out + owned * np.moveaxis(facts.opex, 2, 0), float)


def _costs(account: Account, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Cost by term, period and site in the plan's columns, future 0.

    Terms decided ahead (`DECIDED_TERMS`) stand in full in their period when the course reaches it; opex and leases by
    the share of the period's days covered.
    """
    case, facts = account.case, account.facts
    discount, T = facts.discount, case.horizon.periods
    records: list[tuple[str, int, str, float, float]] = []

    def add(term: str, period: int, site: str, amount: float) -> None:
        if amount:
            records.append((term, period, site, amount * float(discount[period]), amount))

    for name, term in (("energy", "energy"), ("carbon", "carbon"), ("billed", "demand_charge")):
        table = tables[name]
        own = zip(table["period"].tolist(), table["site"].tolist(), table["cost"].tolist(), strict=True)
        for period, site, amount in own:
            add(term, period, site, amount)
    moved = np.bincount(account.period, weights=[d.transfer for d in account.days], minlength=T)
    short = tables["service"].groupby("period")["shortfall_cost"].sum()
    for t in np.unique(account.period).tolist():
        add("transfer", t, "", float(moved[t]))
        add("shortfall", t, "", float(short.get(t, 0.0)))
    for c, campaign in enumerate(case.campaigns):
        if account.covered[campaign.due] > 0:
            add("shortfall", campaign.due, "", (campaign.value or 0.0) * float(account.plan.unfinished[0, c]))
    records += _decided(account)
    frame = pd.DataFrame(records, columns=["term", "period", "site", "discounted", "undiscounted"])
    frame = frame.groupby(["term", "period", "site"], as_index=False, sort=False).sum()
    return TABLES["costs"].frame({"future": np.zeros(len(frame), int), **{str(c): frame[c] for c in frame.columns}})


def _decided(account: Account) -> list[tuple[str, int, str, float, float]]:
    """Records (term, period, site, discounted, undiscounted) of everything decided ahead of the hours."""
    covered, names = account.covered, [*account.facts.labels["site"], ""]
    known = decided_costs(account.facts, account.plan, account.capacity)
    out = []
    for term in DECIDED_TERMS:
        share = covered if term in _BY_DAYS else np.ones(len(covered))
        plain, discounted = (money[0] * share for money in known[term])
        paid = np.nonzero(((plain != 0) | (discounted != 0)) & (covered > 0))
        out += [
            (term, int(t), names[s], float(discounted[s, t]), float(plain[s, t])) for s, t in zip(*paid, strict=True)
        ]
    return out
