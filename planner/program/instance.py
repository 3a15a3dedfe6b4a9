"""Case and demand as aligned arrays: what every constraint function reads.

Axes: F futures, B branches, S sites, K module types, R regions, W workloads, T periods, D typical days, H steps. Work
is scaled per workload by a power of ten (`unit_scale`) so that rates stay near 1 to 1000 whatever the unit; money by
`money_unit`. Both are undone when tables are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import Case, Costing, SiteStatus, Workload, WorkloadKind, by_period
from planner.case.compute import pflops_per_unit
from planner.case.network import allowed_pairs, transfer_cost_per_gb
from planner.demand import Course, Demand, TypicalDays
from planner.demand.demand import power_bills
from planner.program.agreements import Agreements, find_agreements
from planner.program.departures import Departures, find_departures


@dataclass(frozen=True)
class PriceSlots:
    """The tariff inside merged steps. share: (T, D, S, H, B) part of a step's hours in each slot of like prices;
    price: (T, D, S, H, B) the least energy price of the slot, carbon included, in money per kWh; tariff: the same
    without carbon."""

    share: FloatArray
    price: FloatArray
    tariff: FloatArray

    @property
    def count(self) -> int:
        """Slots of like prices in a step."""
        return int(self.share.shape[-1])


@dataclass(frozen=True)
class Instance:
    """See the module. Shapes stand behind each field; money is in `money_unit`, rates in scaled units."""

    case: Case
    probability: FloatArray  # (F,)
    branch_of: IntArray  # (F,)
    days: TypicalDays
    demand: FloatArray  # (F, W, R, T, D, H) scaled rate
    unit_scale: FloatArray  # (W,) units in one scaled unit
    money_unit: float
    discount: FloatArray  # (T,)
    period_hours: FloatArray  # (T,) hours that the typical days stand for
    price: FloatArray  # (T, D, S, H) money per kWh
    pue: FloatArray  # (T, D, S)
    pue_max: FloatArray  # (S, T)
    carbon: FloatArray  # (S,) kg per kWh on the policy's basis
    carbon_price: FloatArray  # (T,) money per kg
    power_mw: FloatArray  # (S, T)
    space: FloatArray  # (S, T) racks, inf where unlimited
    cards: FloatArray  # (K,)
    pflops: FloatArray  # (K,) of a module
    idle_kw: FloatArray  # (K,)
    dynamic_kw: FloatArray  # (K,) peak - idle
    peak_kw: FloatArray  # (K,)
    racks: FloatArray  # (K,)
    availability: FloatArray  # (K,)
    lead: IntArray  # (K,)
    life: IntArray  # (K,)
    min_order: IntArray  # (K,)
    capex: FloatArray  # (K, T) money
    opex: FloatArray  # (S, K, T) money per module and period
    order_cost: FloatArray  # (K, T) money
    supply: FloatArray  # (K, T) inf where unlimited
    standing: FloatArray  # (S, K, T) without departures
    departures: Departures
    agreements: Agreements
    orderable: BoolArray  # (S, K) whether a type may be ordered for a site
    throughput: FloatArray  # (W, K) scaled units of a busy module; 0 where the type cannot run the workload
    pool_factor: FloatArray  # (W, K) share of a large pool over max_utilisation, 0 where there are none
    pool_spare: FloatArray  # (W, K) modules that a large pool keeps spare
    burst: FloatArray  # (W,)
    shortfall_cost: FloatArray  # (W,) money per scaled unit-hour
    transfer: FloatArray  # (W, R, S) money per scaled unit-hour
    allowed: BoolArray  # (W, R, S)
    pflops_per_unit: FloatArray  # (W,) per scaled unit
    needs_opening: BoolArray  # (S,)
    p50_peak: FloatArray  # (T,) PFLOPS
    course: Course  # the P50 course, in the workloads' units
    idle_follows_work: BoolArray  # (S, K, T) see `period_busy_cost`
    bill_months: FloatArray  # (T, C) months behind each power bill of a period, 0 where it has no more
    bill_days: BoolArray  # (T, D, C) whether a typical day belongs to a bill's months
    worth: float  # most that orders can save, inf where that is not known (see `_worth`)
    windows: bool  # whether windows and allowed hours are kept (not after merging)
    pooled: bool = False  # whether regions with the same sites are one origin (see `origins`)
    slots: PriceSlots | None = None  # what merged steps still know of the tariff

    @property
    def branches(self) -> int:
        """Branches that decide apart."""
        return int(self.branch_of.max()) + 1

    @property
    def branch_probability(self) -> FloatArray:
        """(branches,) probability of the futures behind each."""
        return np.bincount(self.branch_of, weights=self.probability, minlength=self.branches).astype(float)

    @cached_property
    def least_standing(self) -> FloatArray:
        """(S, K, T) modules that stand whatever leaves."""
        return self.departures.least(self.standing)

    @cached_property
    def least_capex(self) -> FloatArray:
        """(K, T) the least that any plan can pay for a module."""
        return np.asarray(self.capex * (1 - self.agreements.most_discount()), float)

    @cached_property
    def most_standing(self) -> FloatArray:
        """(S, K, T) modules that can stand without any order."""
        return self.departures.most(self.standing)

    @property
    def weight(self) -> FloatArray:
        """(periods, days) days of the calendar that a typical day stands for."""
        return self.days.weight

    @property
    def step_hours(self) -> FloatArray:
        """(steps,) hours."""
        return self.days.step_hours

    def of_kind(self, kind: WorkloadKind) -> list[int]:
        """Numbers of the workloads of a kind."""
        return [i for i, w in enumerate(self.case.workloads) if w.kind is kind]

    def of_kind_training(self) -> list[int]:
        """Numbers of the training workloads."""
        return self.of_kind(WorkloadKind.training)

    def workload(self, index: int) -> Workload:
        """The workload of a number."""
        return self.case.workloads[index]

    def gang_modules(self, gang_cards: int) -> IntArray:
        """(K,) modules that a gang of so many cards occupies."""
        return np.ceil(gang_cards / self.cards - 1e-12).astype(int)

    def charge(self, life_periods: int | IntArray) -> FloatArray:
        """(..., T) discounted charge of one unit of money for an item arriving in each period (docs/model.md §2)."""
        life = np.asarray(life_periods)
        periods = self.case.horizon.periods
        if self.case.horizon.costing is Costing.upfront:
            return np.broadcast_to(self.discount, (*life.shape, periods)).copy()
        annuity = self.payment(life)
        total = np.concatenate([[0.0], np.cumsum(self.discount)])
        arrival = np.arange(periods)
        end = np.minimum(arrival + life[..., None], periods)
        return np.asarray((total[end] - total[arrival]) * np.asarray(annuity)[..., None], float)

    def payment(self, life_periods: IntArray) -> FloatArray:
        """(...,) what one unit of money costs at the start of every period of such a life: the annuity due."""
        life = np.asarray(life_periods, float)
        rate = (1 + self.case.horizon.discount_rate) ** (self.case.horizon.months_per_period / 12) - 1
        return np.asarray(1 / life if rate == 0 else rate / ((1 - (1 + rate) ** -life) * (1 + rate)), float)

    def discount_until(self, periods: int) -> FloatArray:
        """(periods,) discount factors, beyond the horizon too."""
        horizon = self.case.horizon
        years = np.arange(periods) * horizon.months_per_period / 12
        return np.asarray((1 + horizon.discount_rate) ** -years, float)

    def lease_rest(self) -> FloatArray:
        """(L, T) discounted money still owed after the horizon for a module whose lease starts in each period.

        Counted with `costing: upfront` alone: there purchases are paid for in full, whatever of their life is left. The
        price is that of the last period.
        """
        T, leases = self.case.horizon.periods, self.case.leases
        out = np.zeros((len(leases), T))
        if self.case.horizon.costing is not Costing.upfront:
            return out
        for i, lease in enumerate(leases):
            total = np.concatenate([[0.0], np.cumsum(self.discount_until(T + lease.minimum_term_periods))])
            left = np.maximum(np.arange(T) + lease.minimum_term_periods - T, 0)
            out[i] = by_period(lease.price_per_module_period, T, 0.0)[-1] * (total[T + left] - total[T])
        return out / self.money_unit

    def leaving_cost(self) -> FloatArray:
        """(E, T) discounted money for a module that leaves, by the life that was left to it (docs/model.md §2)."""
        gone = self.departures
        return np.asarray(np.einsum("ett->et", self.charge(gone.life)) * gone.price / self.money_unit, float)

    def energy_price(self) -> FloatArray:
        """(T, D, S, H) money per kWh of facility energy, carbon price included."""
        carbon = self.carbon_price[:, None] * self.carbon
        return np.asarray(self.price + carbon[:, None, :, None], float)

    def period_energy_cost(self) -> FloatArray:
        """(S, T) discounted money for one kW of IT load through every step of a period."""
        return self._over_period(self.energy_price())

    def period_idle_cost(self) -> FloatArray:
        """(S, K, T) discounted money for the idle power of one ordered or leased module through a period.

        A negative price earns nothing with it: no module is bought for what it draws idle.
        """
        paid = self._over_period(self.energy_price() - np.minimum(self.price, 0.0))
        return np.asarray(paid[:, None] * self.idle_kw[:, None], float)

    def period_busy_cost(self) -> FloatArray:
        """(S, K, T) discounted money for keeping one module busy through a period, beside its idle power.

        Where nothing stands without an order (`idle_follows_work`), a negative price is earned on the whole power of
        a busy module: its idle power earns nothing by itself, see `period_idle_cost`.
        """
        earned = self._over_period(np.minimum(self.price, 0.0))
        busy = self.period_energy_cost()[:, None] * self.dynamic_kw[:, None]
        return np.asarray(busy + self.idle_follows_work * earned[:, None] * self.idle_kw[:, None], float)

    def _over_period(self, per_kwh: FloatArray) -> FloatArray:
        """(S, T) discounted money for one kW of IT load at prices (T, D, S, H) per kWh of facility energy."""
        hours = self.weight[:, :, None] * self.step_hours
        return np.asarray(np.einsum("tdh,tds,tdsh->st", hours, self.pue, per_kwh) * self.discount, float)


def _averaged_price(case: Case, days: TypicalDays) -> FloatArray:
    """(T, D, S, H): each site's tariff averaged over the calendar behind a typical day."""
    tariffs = {t.id: t.prices() for t in case.tariffs}
    by_site = np.stack([tariffs[s.tariff] if s.tariff else np.zeros((12, 3, 24)) for s in case.sites])
    price = np.einsum("tdmk,smkh->tdsh", days.calendar, by_site)
    if days.hourly:
        return np.asarray(price, float)
    return np.repeat(price.mean(axis=3, keepdims=True), days.steps, axis=3)


def standing_modules(case: Case) -> FloatArray:
    """(S, K, T) modules that stand without any decision."""
    sites = {s.id: i for i, s in enumerate(case.sites)}
    types = {k.id: i for i, k in enumerate(case.module_types)}
    out = np.zeros((len(sites), len(types), case.horizon.periods))
    for item in case.fleet:
        for t in range(case.horizon.periods):
            start = case.horizon.period_start(t)
            if (item.online is None or item.online <= start) and (item.retire is None or item.retire > start):
                out[sites[item.site], types[item.module_type], t] += item.modules
    return out


def standing_after(arrivals: IntArray, life: int, periods: int) -> FloatArray:
    """(periods of arrival, periods): 1 where what arrives in tau stands in t, tau <= t < tau + life."""
    t = np.arange(periods)
    return ((arrivals[:, None] <= t) & (t < arrivals[:, None] + life)).astype(float)


def _power_of_ten(value: float) -> float:
    return float(10.0 ** np.floor(np.log10(value))) if value > 0 and np.isfinite(value) else 1.0


# Prices that lie further above the cheapest module than this do not set the unit of money.
_SPAN = 10.0


def _money_unit(case: Case, demand: Demand, worth: float) -> float:
    """A power of ten near the typical cost of one decision, so that objective coefficients stay near 1.

    What counts is what can matter: a price above all that could be saved with it is never paid, and a single price far
    above the others (a type of 1e10 beside one of 100) would leave everything else below the solvers' tolerances.
    """
    periods = case.horizon.periods
    used = {k for w in case.workloads for k in w.throughput} | {k for c in case.campaigns for k in c.speed}
    capex = [float(by_period(k.capex, periods, 0.0).max()) for k in case.module_types if k.id in used]
    seen = [*capex, *(s.opening_cost for s in case.sites)]
    seen += [float(by_period(k.opex, periods, 0.0).max()) for k in case.module_types]
    top = max(seen, default=0.0)
    if top <= 0:
        hours = float(demand.days.weight.max() * demand.days.step_hours.max())
        top = max((w.shortfall_cost for w in case.workloads), default=1.0) * hours
    cheapest = min((price for price in capex if price > 0), default=np.inf)
    top = min(top, _SPAN * cheapest, worth)
    return _power_of_ten(top) if top > 0 else 1.0


def _worth(case: Case, demand: Demand, price: FloatArray) -> float:
    """Most that orders can save, in the case's currency: what all work left undone costs in the dearest future.

    Nothing ordered and nothing done is a plan wherever no limit asks for work or capacity, and every plan pays at least
    what stands by itself does: so no plan pays more than this for what it orders. inf where a limit asks, where work
    itself earns (a negative price of energy), or where an order may be worth what stands and may leave.
    """
    policy = case.policy
    asked = (
        policy.build_ahead.minimum,
        policy.capacity_targets_eflops,
        policy.utilisation_floor,
        policy.green_share_floor,
        policy.resilience,
    )
    forced = any(x is not None for x in asked) or any(w.minimum_service > 0 for w in case.workloads)
    forced = forced or any(row.may_leave for row in case.fleet)
    if forced or any(c.value is None for c in case.campaigns) or (price < 0).any():
        return float("inf")
    hours = demand.days.weight[:, :, None] * demand.days.step_hours
    volume = np.einsum("fwrtdh,tdh->fw", demand.values, hours)
    undone = float((volume @ np.array([w.shortfall_cost for w in case.workloads])).max(initial=0.0))
    undone += sum(c.value or 0.0 for c in case.campaigns)
    undone += sum(a.commitment * a.shortfall_price for a in case.agreements if a.in_force)
    return undone if undone > 0 else float("inf")


def make_instance(case: Case, demand: Demand) -> Instance:
    """Expand a case and its demand into aligned arrays. Both were checked before."""
    periods, sites, types, workloads = case.horizon.periods, case.sites, case.module_types, case.workloads
    days = demand.days
    futures = len(demand)
    commit = case.horizon.commit_periods
    split = commit is not None and commit < periods and futures > 1
    peak = demand.values.sum(axis=2).max(axis=(0, 2, 3, 4), initial=0.0)
    unit_scale = np.array([_power_of_ten(p / 100) if p > 0 else 1.0 for p in peak])
    price = _averaged_price(case, days)
    money = _money_unit(case, demand, _worth(case, demand, price))
    pue_month = np.stack([s.pue_by_month() for s in sites])
    month_share = days.calendar.sum(axis=3)
    in_period = (month_share * (days.weight[:, :, None] > 0)).sum(axis=1) > 0  # (T, 12)
    traffic = np.array([w.traffic_gb_per_unit_hour for w in workloads])
    policy = case.policy

    def per_type(name: str, missing: float = 0.0) -> FloatArray:
        return np.stack([by_period(getattr(k, name), periods, missing) for k in types])

    throughput = np.array(
        [[w.throughput.get(k.id, 0.0) * k.cards * w.max_utilisation for k in types] for w in workloads]
    )
    market = policy.carbon_basis == "market"
    standing = standing_modules(case)
    share, bill_days = power_bills(days)
    return Instance(
        case=case,
        probability=demand.probability,
        branch_of=np.arange(futures) if split else np.zeros(futures, int),
        days=days,
        demand=demand.values / unit_scale[None, :, None, None, None, None],
        unit_scale=unit_scale,
        money_unit=money,
        discount=case.horizon.discount(),
        period_hours=days.weight.sum(axis=1) * days.step_hours.sum(),
        price=price / money,
        pue=np.einsum("tdm,sm->tds", month_share, pue_month),
        pue_max=np.stack([np.where(in_period, p, 0).max(axis=1, initial=1.0) for p in pue_month]),
        carbon=np.array([s.market_carbon() if market else s.carbon_kg_per_kwh for s in sites]),
        carbon_price=by_period(policy.carbon_price_per_tonne, periods, 0.0) / 1000 / money,
        power_mw=np.stack([by_period(s.power_mw, periods, np.inf) for s in sites]),
        space=np.stack([by_period(s.space_racks, periods, np.inf) for s in sites]),
        cards=np.array([k.cards for k in types], float),
        pflops=np.array([k.module_pflops for k in types]),
        idle_kw=np.array([k.power_idle_kw for k in types]),
        dynamic_kw=np.array([k.power_peak_kw - k.power_idle_kw for k in types]),
        peak_kw=np.array([k.power_peak_kw for k in types]),
        racks=np.array([k.racks for k in types]),
        availability=np.array([k.availability for k in types]),
        lead=np.array([k.lead_periods for k in types]),
        life=np.array([k.life_periods for k in types]),
        min_order=np.array([k.min_order for k in types]),
        capex=per_type("capex") / money,
        opex=np.array([[by_period(k.opex_of(s.id), periods, 0.0) for k in types] for s in sites]) / money,
        order_cost=per_type("order_cost") / money,
        supply=np.floor(per_type("supply", np.inf) + 1e-9),
        standing=standing,
        departures=find_departures(case),
        agreements=find_agreements(case),
        orderable=np.array([[k.allowed_sites is None or s.id in k.allowed_sites for k in types] for s in sites]),
        throughput=throughput / unit_scale[:, None],
        pool_factor=np.array(
            [
                [w.large_pools[k.id].utilisation / w.max_utilisation if k.id in w.large_pools else 0.0 for k in types]
                for w in workloads
            ]
        ),
        pool_spare=np.array(
            [
                [w.large_pools[k.id].spare_cards / k.cards if k.id in w.large_pools else 0.0 for k in types]
                for w in workloads
            ]
        ),
        burst=np.array([w.burst_factor if w.kind is WorkloadKind.online else 1.0 for w in workloads]),
        shortfall_cost=np.array([w.shortfall_cost for w in workloads]) * unit_scale / money,
        transfer=(traffic * unit_scale / money)[:, None, None] * transfer_cost_per_gb(case),
        allowed=allowed_pairs(case),
        pflops_per_unit=pflops_per_unit(case) * unit_scale,
        needs_opening=np.array([s.status is SiteStatus.candidate and s.opening_cost > 0 for s in sites]),
        p50_peak=demand.p50_peak,
        course=demand.central,
        idle_follows_work=standing <= 0,
        worth=_worth(case, demand, price) / money,
        bill_months=share * case.horizon.months_per_period,
        bill_days=bill_days,
        windows=days.hourly,
    )
