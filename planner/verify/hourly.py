"""Limits on every step of every typical day, one future at a time: demand, serving, capacity, energy (model.md §4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import WorkloadKind, by_period
from planner.verify.building import Capacity
from planner.verify.facts import Facts
from planner.verify.reading import PlanArrays, Rows
from planner.verify.report import Book


@dataclass(frozen=True)
class Hours:
    """One future's hours, summed from the placement, load and shortfall tables.

    served, shortfall: (W, R, T, D, H) rate; site_served: (W, S, T, D, H) rate; load: (W + C, S, K, T, D, H) modules;
    busy_on, busy: (S, K, T, D, H) modules that are taken and that are at work (they differ by campaigns and by gangs
    that may not yield, which hold their modules while they stand still); kw_on, kw: (S, T, D, H) facility power of the
    two; unearned_kw: the part of kw on which a negative price earns nothing; transfer: (S, T) undiscounted money.
    """

    future: int
    served: FloatArray
    shortfall: FloatArray
    site_served: FloatArray
    load: FloatArray
    busy_on: FloatArray
    busy: FloatArray
    kw_on: FloatArray
    kw: FloatArray
    unearned_kw: FloatArray
    transfer: FloatArray

    def paid_kw(self, facts: Facts) -> FloatArray:
        """(S, T, D, H) facility power that meets the tariff: all of it, less what a negative price does not earn on."""
        return np.where(facts.tariff < 0, self.kw - self.unearned_kw, self.kw)


class RowsOfFutures:
    """A table's rows by future, sorted once, so that ten futures do not read the table ten times."""

    def __init__(self, rows: Rows, futures: int) -> None:
        self._rows = rows
        future = rows.index["future"]
        self._order = np.argsort(future, kind="stable")
        self._edge = np.searchsorted(future[self._order], np.arange(futures + 1))

    def of(self, future: int) -> tuple[dict[str, IntArray], dict[str, FloatArray]]:
        """Index and value columns of one future. (rows,) each."""
        take = self._order[self._edge[future] : self._edge[future + 1]]
        return {n: v[take] for n, v in self._rows.index.items()}, {n: v[take] for n, v in self._rows.value.items()}


def _total(index: dict[str, IntArray], axes: tuple[str, ...], shape: tuple[int, ...], weight: FloatArray) -> FloatArray:
    flat = np.zeros(len(weight), np.int64)
    for axis, size in zip(axes, shape, strict=True):
        flat *= size
        flat += index[axis]
    total = int(np.prod(shape, dtype=np.int64))
    return np.asarray(np.bincount(flat, weights=weight, minlength=total), float)[:total].reshape(shape)


_WHEN = ("period", "day", "step")
_TYPE_HOUR = ("site", "module type", *_WHEN)


def sum_hours(
    facts: Facts, plan: PlanArrays, capacity: Capacity, tables: dict[str, RowsOfFutures], future: int, book: Book
) -> Hours:
    """Sum one future's rows onto the axes; rows between pairs that may not meet break check `demand.pairs`."""
    case, when = facts.case, facts.shape
    W, R, S, K, C = (len(x) for x in (case.workloads, case.regions, case.sites, case.module_types, case.campaigns))
    index, value = tables["placement"].of(future)
    rate = value["served"]
    w, r, s = index["workload"], index["region"], index["site"]
    pairs = np.bincount((w * R + r) * S + s, weights=rate, minlength=W * R * S).reshape(W, R, S)
    axes = ("workload", "region", "site")
    at = f"future {future}, rate served over all hours"
    book.limit("demand.pairs", pairs, "most", 0.0, axes, at=at, where=~facts.allowed)
    _check_bandwidth(facts, index, rate, future, book)
    hours = facts.hours[index["period"], index["day"], index["step"]]
    price = hours * rate * facts.transfer[r, s] * facts.traffic[w]
    transfer = np.asarray(np.bincount(s * when[0] + index["period"], weights=price, minlength=S * when[0]), float)
    served = _total(index, ("workload", "region", *_WHEN), (W, R, *when), rate)
    site_served = _total(index, ("workload", "site", *_WHEN), (W, S, *when), rate)
    index, value = tables["shortfall"].of(future)
    shortfall = _total(index, ("workload", "region", *_WHEN), (W, R, *when), value["shortfall"])
    index, value = tables["load"].of(future)
    load = _total(index, ("workload", "site", "module_type", *_WHEN), (W + C, S, K, *when), value["busy"])
    busy_on, busy = _busy(facts, plan, load, future)
    idle = np.einsum("k,skt->st", facts.idle_kw, capacity.modules[future])[:, :, None, None]
    dynamic = facts.peak_kw - facts.idle_kw
    pue = facts.pue[:, :, :, None]
    kw_on = pue * (idle + np.einsum("k,sktdh->stdh", dynamic, busy_on))
    kw = pue * (idle + np.einsum("k,sktdh->stdh", dynamic, busy))
    unearned = pue * _idle_kw_not_paid(facts, capacity, busy, future)
    return Hours(
        future, served, shortfall, site_served, load, busy_on, busy, kw_on, kw, unearned, transfer.reshape(S, -1)
    )


def _idle_kw_not_paid(facts: Facts, capacity: Capacity, busy: FloatArray, future: int) -> FloatArray:
    """(S, T, D, H) idle IT power of ordered, leased and moved modules, which earns nothing at a negative price.

    Where nothing stands without them, that of busy modules does earn it (docs/model.md §5, energy).
    """
    added = (capacity.modules[future] - capacity.kept[future])[..., None, None]
    nothing_stands = (facts.standing <= 0)[..., None, None]
    modules = np.maximum(np.where(nothing_stands, added - busy, added), 0.0)
    return np.asarray(np.einsum("k,sktdh->stdh", facts.idle_kw, modules), float)


def _busy(facts: Facts, plan: PlanArrays, load: FloatArray, future: int) -> tuple[FloatArray, FloatArray]:
    """(S, K, T, D, H) modules that are taken, and modules that are at work.

    Whole gangs that may not yield, and campaigns that are on, take their modules whatever the load table says; at work
    are gangs as the load table says and campaigns by their share.
    """
    taken, working = np.zeros(load.shape[1:]), load[: len(facts.kind)].sum(axis=0)
    for w, workload in enumerate(facts.case.workloads):
        if facts.kind[w] is WorkloadKind.training and not workload.preemptible:
            taken += np.einsum("k,skt->skt", facts.gang[w], plan.gangs[future, w])[..., None, None]
        else:
            taken += load[w]
    on, share = (
        np.einsum("ck,cskt->skt", facts.campaign_gang, part[future])[..., None, None]
        for part in (plan.campaign_on, plan.campaign_share)
    )
    return taken + on, working + share


def _check_bandwidth(facts: Facts, index: dict[str, IntArray], rate: FloatArray, future: int, book: Book) -> None:
    """bandwidth: GB per hour to Gb/s between a region and a site."""
    regions, sites = facts.labels["region"], facts.labels["site"]
    for region, by_site in facts.case.network.bandwidth_gbps.items():
        for site, limit in by_site.items():
            if region not in regions or site not in sites:
                continue
            here = (index["region"] == regions.index(region)) & (index["site"] == sites.index(site))
            own = {axis: index[axis][here] for axis in _WHEN}
            gb_per_hour = _total(own, _WHEN, facts.shape, rate[here] * facts.traffic[index["workload"][here]])
            most = by_period(limit, facts.shape[0], np.inf)[:, None, None]
            at = f"future {future}, region {region}, site {site}, Gb/s"
            book.limit("bandwidth", gb_per_hour * 8 / 3600, "most", most, _WHEN, at=at, where=facts.used[:, :, None])


def check_hours(facts: Facts, plan: PlanArrays, capacity: Capacity, hours: Hours, book: Book) -> None:
    """demand, deferral, serving, capacity, yield, minimum_service, demand_charge and the limits on totals."""
    f, at = hours.future, f"future {hours.future}"
    used = facts.used[:, :, None]
    asked = facts.demand.values[f]
    is_kind = {kind: np.array([k is kind for k in facts.kind]) for kind in WorkloadKind}
    online = is_kind[WorkloadKind.online][:, None, None, None, None]
    axes = ("workload", "region", *_WHEN)
    book.limit("demand", hours.served + hours.shortfall, "equal", asked, axes, at=at, where=online & used)
    training = is_kind[WorkloadKind.training][:, None, None, None, None]
    book.limit("demand.training", hours.served + hours.shortfall, "most", 0.0, axes, at=at, where=training & used)
    for w in np.flatnonzero(is_kind[WorkloadKind.deferrable]):
        _check_deferral(facts, hours, int(w), book)
    W = len(facts.kind)
    supplied = _carried(facts, plan.pools[f], hours.load[:W])
    needed = facts.burst[:, None, None, None, None] * hours.site_served
    axes_w = ("workload", "site", *_WHEN)
    book.limit("serving", needed, "most", supplied, axes_w, at=at, where=used)
    placed = np.array([k is not WorkloadKind.training for k in facts.kind])[:, None, None, None, None]
    book.limit("serving.busy", supplied, "most", needed, axes_w, at=at, where=placed & used)
    cannot = (facts.work <= 0)[:, None, :, None, None, None]
    book.limit("serving.type", hours.load[:W], "most", 0.0, ("workload", *_TYPE_HOUR), at=at, where=cannot & used)
    usable = (facts.availability[:, None] * capacity.modules[f])[..., None, None]
    book.limit("capacity", hours.busy_on, "most", usable, _TYPE_HOUR, at=at, where=used)
    _check_gang_hours(facts, plan, hours, book)
    _check_service(facts, hours, asked, book)
    charged = np.array([s.demand_charge_per_kw_month > 0 for s in facts.case.sites])[:, None, None, None]
    # a day is billed in every month that it stands for, so that the least of these bills must hold its highest power
    least = np.where(facts.month_of_day, plan.billed_kw[f][:, :, None, :], np.inf).min(axis=3)  # (S, T, D)
    top = hours.kw_on.max(axis=-1)
    by_day = ("site", "period", "day")
    book.limit("demand_charge", top, "most", least, by_day, at=f"{at}, kW", where=charged[..., 0] & facts.used)
    _check_totals(facts, capacity, hours, book)


def _carried(facts: Facts, pools: FloatArray, load: FloatArray) -> FloatArray:
    """(W, S, T, D, H) work that busy modules (W, S, K, T, D, H) carry, p of them theta n eta p, or theta n a (p - o) as
    a large pool."""
    plain: FloatArray = np.einsum("wk,wsktdh->wstdh", facts.work, load)
    if not pools.any():
        return plain
    hotter = np.einsum("wk,wsktdh->wsktdh", facts.pool_work - facts.work, load)
    spare = (facts.pool_work * facts.pool_spare)[:, None, :, None, None, None]
    return np.asarray(plain + np.einsum("wskt,wsktdh->wstdh", pools, hotter - spare), float)


def _check_deferral(facts: Facts, hours: Hours, w: int, book: Book) -> None:
    """deferral: some backlog between 0 and the arrivals of the window explains what was served.

    The tables hold no backlog. With c_h the running sum of arrivals less work done, the backlog is b + c_h for some b:
    it exists when every -c_h is at most every (window_h - c_h), which is what is checked; and the day must end as it
    began.
    """
    workload, days = facts.case.workloads[w], facts.demand.days
    at, axes = f"future {hours.future}, workload {workload.id}", ("region", "period", "day")
    asked = facts.demand.values[hours.future, w]
    left = facts.step_hours * (asked - hours.served[w] - hours.shortfall[w])
    volume = (facts.step_hours * asked).sum(axis=-1)
    done = volume - left.sum(axis=-1)
    book.limit("deferral", done, "equal", volume, axes, at=f"{at}, unit-hours of the day", where=facts.used)
    if days.hourly:
        running = np.cumsum(left, axis=-1)
        window = sum((np.roll(asked, back, axis=-1) for back in range(workload.window_hours - 1)), np.zeros_like(asked))
        least, most = (-running).max(axis=-1), (window - running).min(axis=-1)
        book.limit("deferral.window", least, "most", most, axes, at=f"{at}, backlog", where=facts.used)
        if workload.allowed_hours:
            open_hours = np.zeros(24, bool)
            for first, last in workload.allowed_hours:
                open_hours[first:last] = True
            shut = ~open_hours & facts.used[:, :, None]
            book.limit("deferral.hours", hours.served[w], "most", 0.0, ("region", *_WHEN), at=at, where=shut)
    if workload.max_rate_factor is not None:
        mean = (asked.sum(axis=0) * facts.step_hours).sum(axis=-1, keepdims=True) / facts.step_hours.sum()
        rate = hours.served[w].sum(axis=0)
        most = workload.max_rate_factor * mean
        book.limit("deferral.rate", rate, "most", most, _WHEN, at=at, where=facts.used[:, :, None])


def _check_gang_hours(facts: Facts, plan: PlanArrays, hours: Hours, book: Book) -> None:
    """training, yield: what the load table says of gangs is the work that they deliver, and no more.

    running: gangs at work, in modules, from the module-hours of the whole period.
    """
    used = facts.used[:, :, None]
    day_hours = facts.step_hours.sum()
    for w, workload in enumerate(facts.case.workloads):
        if facts.kind[w] is not WorkloadKind.training:
            continue
        load, at = hours.load[w], f"future {hours.future}, workload {workload.id}"
        held = facts.gang[w][:, None] * plan.gangs[hours.future, w]
        keeps = 1 - workload.max_yield_share
        module_hours = np.einsum("tdh,sktdh->skt", facts.hours, load)
        running = module_hours / (keeps * facts.period_hours) if keeps > 0 else np.zeros_like(module_hours)
        book.limit("yield.held", running, "most", held, ("site", "module type", "period"), at=f"{at}, modules at work")
        at_work = running[..., None, None]
        if workload.preemptible:
            book.limit("yield.most", load, "most", at_work, _TYPE_HOUR, at=at, where=used)
            done = (load * facts.step_hours).sum(axis=-1)
            axes = ("site", "module type", "period", "day")
            due = keeps * running[..., None] * day_hours
            book.limit("yield", done, "equal", due, axes, at=f"{at}, module-hours", where=facts.used)
        else:
            book.limit("capacity.load_table", load, "equal", at_work, _TYPE_HOUR, at=at, where=used)
        _check_training(facts, plan, module_hours, w, hours.future, book)
    for c, campaign in enumerate(facts.case.campaigns):
        own = hours.load[len(facts.kind) + c]
        if own.any():
            at_work = (facts.campaign_gang[c][:, None] * plan.campaign_share[hours.future, c])[..., None, None]
            at = f"future {hours.future}, campaign {campaign.id}"
            book.limit("capacity.load_table", own, "equal", at_work, _TYPE_HOUR, at=at, where=used)


def _check_training(facts: Facts, plan: PlanArrays, module_hours: FloatArray, w: int, future: int, book: Book) -> None:
    """training: module-hours at work (S, K, T) deliver the work asked, less what falls short."""
    workload = facts.case.workloads[w]
    rate = np.array([workload.throughput.get(k, 0.0) for k in facts.labels["module type"]])
    gang = np.where(facts.gang[w] > 0, facts.gang[w], 1.0)
    per_module = rate * (workload.gang_cards or 0) * workload.max_utilisation / gang
    delivered = np.einsum("k,skt->t", per_module, module_hours)
    volume = np.einsum("tdh,rtdh->t", facts.hours, facts.demand.values[future, w])
    late = plan.training_shortfall[future, w]
    at = f"future {future}, workload {workload.id}, unit-hours"
    book.limit("training", delivered + late, "equal", volume, ("period",), at=at)
    if workload.minimum_service > 0:
        book.limit("minimum_service", late, "most", (1 - workload.minimum_service) * volume, ("period",), at=at)


def _check_service(facts: Facts, hours: Hours, asked: FloatArray, book: Book) -> None:
    """minimum_service on every typical day (training: in every period, see `planner.verify.building`)."""
    level = np.array([w.minimum_service for w in facts.case.workloads])
    day = np.array([k is not WorkloadKind.training for k in facts.kind])
    where: BoolArray = (day & (level > 0))[:, None, None] & facts.used
    missed = np.einsum("h,wrtdh->wtd", facts.step_hours, hours.shortfall)
    volume = np.einsum("h,wrtdh->wtd", facts.step_hours, asked)
    most = (1 - level)[:, None, None] * volume
    at = f"future {hours.future}, unit-hours"
    book.limit("minimum_service", missed, "most", most, ("workload", "period", "day"), at=at, where=where)


def _check_totals(facts: Facts, capacity: Capacity, hours: Hours, book: Book) -> None:
    """carbon_cap, green_share, utilisation: over a period, in every future."""
    policy, T = facts.case.policy, facts.shape[0]
    at = f"future {hours.future}"
    kwh = np.einsum("tdh,stdh->st", facts.hours, hours.kw)
    tonnes = facts.carbon @ kwh / 1000
    book.limit("carbon_cap", tonnes, "most", by_period(policy.carbon_cap_tonnes, T, np.inf), ("period",), at=f"{at}, t")
    floor = by_period(policy.green_share_floor, T, -np.inf)
    green = np.array([s.green_share for s in facts.case.sites]) @ kwh
    some = np.isfinite(floor)
    need = np.where(some, floor, 0) * kwh.sum(axis=0)
    book.limit("green_share", green, "least", need, ("period",), at=f"{at}, kWh", where=some)
    floor = by_period(policy.utilisation_floor, T, -np.inf)
    some = np.isfinite(floor)
    busy = np.einsum("tdh,sktdh->t", facts.hours, hours.busy)
    need = np.where(some, floor, 0) * facts.period_hours * capacity.modules[hours.future].sum(axis=(0, 1))
    book.limit("utilisation", busy, "least", need, ("period",), at=f"{at}, module-hours", where=some)
