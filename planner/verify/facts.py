"""What a verification knows beforehand: case and demand as arrays, worked out here from the case alone.

The planner's model has arrays of its own (`planner.program`); none of them is used, so that a mistake there cannot hide
itself. Axes: F futures, S sites, K module types, W workloads, C campaigns, L leases, P phases of all sites, R regions,
T periods, D typical days, H steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import BoolArray, FloatArray
from planner.case import Case, Costing, SiteStatus, WorkloadKind, by_period
from planner.case.network import allowed_pairs, transfer_cost_per_gb
from planner.demand import Demand


@dataclass(frozen=True)
class Facts:
    """Shapes and units stand beside each field; money is in the case's currency."""

    case: Case
    demand: Demand
    labels: dict[str, list[str]]
    kind: list[WorkloadKind]
    used: BoolArray  # (T, D) days that stand for anything
    month_of_day: BoolArray  # (T, D, 12) calendar months in whose power bill a typical day counts
    bill_months: FloatArray  # (T, 12) months of the period that are billed as each calendar month
    hours: FloatArray  # (T, D, H) real hours that a step stands for
    step_hours: FloatArray  # (H,)
    period_hours: FloatArray  # (T,)
    period_days: FloatArray  # (T,)
    discount: FloatArray  # (T,)
    pue: FloatArray  # (S, T, D)
    pue_top: FloatArray  # (S, T)
    tariff: FloatArray  # (S, T, D, H) per kWh
    carbon: FloatArray  # (S,) kg per kWh on the policy's basis
    cards: FloatArray  # (K,)
    pflops: FloatArray  # (K,) of a module
    availability: FloatArray  # (K,)
    idle_kw: FloatArray  # (K,)
    peak_kw: FloatArray  # (K,)
    racks: FloatArray  # (K,)
    capex: FloatArray  # (K, T)
    opex: FloatArray  # (S, K, T)
    order_cost: FloatArray  # (K, T)
    standing: FloatArray  # (S, K, T) modules, without departures
    fleet: BoolArray  # (rows of the fleet, T) whether a row stands
    resale: FloatArray  # (K, T)
    moving: FloatArray  # (K, T)
    work: FloatArray  # (W, K) units that a busy module serves, before the burst factor
    pool_work: FloatArray  # (W, K) the same in a large pool, beyond its spare; 0 where there are none
    pool_spare: FloatArray  # (W, K) modules that a large pool keeps spare
    burst: FloatArray  # (W,)
    gang: FloatArray  # (W, K) modules of a gang; 0 where it cannot run
    campaign_gang: FloatArray  # (C, K) modules of a campaign's gang
    campaign_speed: FloatArray  # (C, K) 0 where it cannot run
    allowed: BoolArray  # (W, R, S)
    transfer: FloatArray  # (R, S) per GB
    traffic: FloatArray  # (W,) GB per unit-hour
    candidate: BoolArray  # (S,) has to be opened
    phases: tuple[tuple[int, int], ...]  # (site, position in its list) of every phase

    @property
    def shape(self) -> tuple[int, int, int]:
        """(periods, typical days, steps)"""
        days = self.demand.days
        return days.periods, days.days, days.steps

    @property
    def futures(self) -> int:
        """How many."""
        return len(self.demand)

    def charge(self, life_periods: int) -> FloatArray:
        """(T,) discounted charge of 1 paid for an item that arrives in each period (docs/model.md §2, Charges).

        The annuity due of a price over a life of L periods; only payments inside the horizon count.
        """
        horizon = self.case.horizon
        if horizon.costing is Costing.upfront:
            return self.discount
        rate = (1 + horizon.discount_rate) ** (horizon.months_per_period / 12) - 1
        payment = 1 / float(((1 + rate) ** -np.arange(life_periods, dtype=float)).sum())
        return np.array([payment * self.discount[t : t + life_periods].sum() for t in range(horizon.periods)])

    def share_within(self, life_periods: int, period: int) -> float:
        """What counts of 1 that is paid at the start of a period for something that goes on for so many periods."""
        return float(self.charge(life_periods)[period])

    def life_left(self, row: int, period: int) -> int:
        """Periods that a row of the fleet would still stand: to its own end, else a life of its type."""
        item, horizon = self.case.fleet[row], self.case.horizon
        if item.retire is None:
            return next(k.life_periods for k in self.case.module_types if k.id == item.module_type)
        end = period
        while horizon.period_start(end) < item.retire:
            end += 1
        return end - period

    def lease_rest(self, lease: int) -> tuple[FloatArray, FloatArray]:
        """(T,) of a module whose lease starts in each period: what its term leaves to pay after the horizon at the last
        period's price, undiscounted and discounted; 0 unless purchases are paid upfront (docs/model.md §5, leases)."""
        horizon, item = self.case.horizon, self.case.leases[lease]
        T, price = horizon.periods, by_period(item.price_per_module_period, horizon.periods, 0.0)[-1]
        owed, now = np.zeros(T), np.zeros(T)
        if horizon.costing is Costing.upfront:
            for t in range(T):
                late = np.arange(T, t + item.minimum_term_periods)
                owed[t] = price * len(late)
                now[t] = price * ((1 + horizon.discount_rate) ** (-late * horizon.months_per_period / 12)).sum()
        return owed, now

    def installed_per_unit(self) -> FloatArray:
        """(W,) dense FP16 PFLOPS installed that one unit needs (docs/model.md §6)."""
        out = np.zeros(len(self.case.workloads))
        for w, workload in enumerate(self.case.workloads):
            if workload.pflops_per_unit is not None:
                out[w] = workload.pflops_per_unit
                continue
            runs = self.work[w] > 0
            if runs.any():
                out[w] = float((self.burst[w] * self.pflops[runs] / self.work[w, runs]).mean())
        return out


def _labels(case: Case, demand: Demand) -> dict[str, list[str]]:
    days = demand.days
    return {
        "future": [str(f) for f in range(len(demand))],
        "period": [case.horizon.period_label(t) for t in range(case.horizon.periods)],
        "site": [s.id for s in case.sites],
        "module type": [k.id for k in case.module_types],
        "workload": [w.id for w in case.workloads],
        "region": [r.id for r in case.regions],
        "campaign": [c.id for c in case.campaigns],
        "lease": [lease.id for lease in case.leases],
        "phase": [f"{s.id}[{i}]" for s in case.sites for i in range(len(s.phases))],
        "vendor": list(case.policy.vendor_share_cap),
        "day": [f"{d} ({label})" for d, label in enumerate(days.labels)],
        "month": [str(m + 1) for m in range(12)],
        "step": [str(h) for h in range(days.steps)],
    }


def _fleet(case: Case) -> BoolArray:
    """(rows, T): `online` reached (or unset) and `retire` still ahead (or unset) at the start of the period."""
    starts = [case.horizon.period_start(t) for t in range(case.horizon.periods)]
    rows = [
        [(x.online is None or x.online <= day) and (x.retire is None or x.retire > day) for day in starts]
        for x in case.fleet
    ]
    return np.array(rows, bool).reshape(len(case.fleet), len(starts))


def _standing(case: Case, fleet: BoolArray) -> FloatArray:
    """(S, K, T) modules"""
    site = {s.id: i for i, s in enumerate(case.sites)}
    kind = {k.id: i for i, k in enumerate(case.module_types)}
    out = np.zeros((len(site), len(kind), case.horizon.periods))
    for item, there in zip(case.fleet, fleet, strict=True):
        out[site[item.site], kind[item.module_type]] += item.modules * there
    return out


def _tariff(case: Case, demand: Demand) -> FloatArray:
    """(S, T, D, H): tariff averaged over the calendar behind each typical day; the day's mean unless hourly."""
    days = demand.days
    prices = {tariff.id: tariff.prices() for tariff in case.tariffs}
    out = np.zeros((len(case.sites), days.periods, days.days, days.steps))
    for s, site in enumerate(case.sites):
        if site.tariff is None:
            continue
        by_hour = np.tensordot(days.calendar, prices[site.tariff], axes=([2, 3], [0, 1]))  # (T, D, 24)
        out[s] = by_hour if days.hourly else by_hour.mean(axis=2, keepdims=True)
    return out


def make_facts(case: Case, demand: Demand) -> Facts:
    """Work the parameters of docs/model.md §2 out of a case and its demand."""
    days, periods, types = demand.days, case.horizon.periods, case.module_types
    if demand.values.shape[1:] != (len(case.workloads), len(case.regions), periods, days.days, days.steps):
        raise ValueError(f"demand has shape {demand.values.shape}; it does not belong to this case")
    month = days.calendar.sum(axis=3)  # (T, D, 12)
    used = days.weight > 0
    met = (month * used[:, :, None]).sum(axis=1) > 0  # (T, 12) months that the period's days lie in
    month_of_day = (month > 0) & used[:, :, None]
    for t in np.flatnonzero(~met.any(axis=1)):  # days that name no month count in all of the period's own
        first = case.horizon.period_start(int(t)).month - 1
        own = [(first + i) % 12 for i in range(case.horizon.months_per_period)]
        month_of_day[t][:, own] = used[t][:, None]
    billed = month_of_day.any(axis=1).astype(float)
    billed[billed.sum(axis=1) == 0, 0] = 1.0  # a period without days draws nothing
    pue = np.array([s.pue_by_month() for s in case.sites])
    hours = days.weight[:, :, None] * days.step_hours
    market = case.policy.carbon_basis == "market"
    cards = np.array([k.cards for k in types], float)
    work = np.array(
        [[w.throughput.get(k.id, 0.0) * k.cards * w.max_utilisation for k in types] for w in case.workloads]
    )
    large = [[w.large_pools.get(k.id) for k in types] for w in case.workloads]
    pool_share = np.array([[x.utilisation if x else 0.0 for x in row] for row in large])
    pool_spare = np.array(
        [[x.spare_cards / k.cards if x else 0.0 for x, k in zip(row, types, strict=True)] for row in large]
    )
    rate = np.array([[w.throughput.get(k.id, 0.0) * k.cards for k in types] for w in case.workloads])
    gang = np.array([[-(-(w.gang_cards or 0) // k.cards) for k in types] for w in case.workloads], float)
    kinds, fleet = [w.kind for w in case.workloads], _fleet(case)
    return Facts(
        case=case,
        demand=demand,
        labels=_labels(case, demand),
        kind=kinds,
        used=used,
        month_of_day=month_of_day,
        bill_months=billed * case.horizon.months_per_period / billed.sum(axis=1, keepdims=True),
        hours=hours,
        step_hours=days.step_hours,
        period_hours=hours.sum(axis=(1, 2)),
        period_days=days.weight.sum(axis=1),
        discount=case.horizon.discount(),
        pue=np.einsum("tdm,sm->std", month, pue),
        pue_top=np.array([[max((p[met[t]]), default=1.0) for t in range(periods)] for p in pue]),
        tariff=_tariff(case, demand),
        carbon=np.array([s.market_carbon() if market else s.carbon_kg_per_kwh for s in case.sites]),
        cards=cards,
        pflops=np.array([k.module_pflops for k in types]),
        availability=np.array([k.availability for k in types]),
        idle_kw=np.array([k.power_idle_kw for k in types], float),
        peak_kw=np.array([k.power_peak_kw for k in types], float),
        racks=np.array([k.racks for k in types], float),
        capex=np.array([by_period(k.capex, periods, 0.0) for k in types]),
        opex=np.array([[by_period(k.opex_at.get(s.id, k.opex), periods, 0.0) for k in types] for s in case.sites]),
        order_cost=np.array([by_period(k.order_cost, periods, 0.0) for k in types]),
        standing=_standing(case, fleet),
        fleet=fleet,
        resale=np.array([by_period(k.resale_price, periods, 0.0) for k in types]),
        moving=np.array([by_period(k.moving_cost, periods, 0.0) for k in types]),
        work=work,
        pool_work=rate * pool_share,
        pool_spare=pool_spare,
        burst=np.array(
            [w.burst_factor if w.kind is WorkloadKind.online else 1.0 for w in case.workloads],
        ),
        gang=np.where(work > 0, gang, 0.0),
        campaign_gang=np.array([[-(-c.gang_cards // k.cards) for k in types] for c in case.campaigns], float).reshape(
            -1, len(types)
        ),
        campaign_speed=np.array([[c.speed.get(k.id, 0.0) for k in types] for c in case.campaigns]).reshape(
            -1, len(types)
        ),
        allowed=allowed_pairs(case),
        transfer=transfer_cost_per_gb(case),
        traffic=np.array([w.traffic_gb_per_unit_hour for w in case.workloads]),
        candidate=np.array([s.status is SiteStatus.candidate and s.opening_cost > 0 for s in case.sites]),
        phases=tuple((s, i) for s, site in enumerate(case.sites) for i in range(len(site.phases))),
    )
