"""Fields that change nothing in this case: what somebody wrote down and no plan will ever follow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from planner.case import Case, CVaR, Quantile, SiteStatus, WorkloadKind
from planner.case.fault import Location
from planner.case.warning import CaseWarning, case_warning


def idle_fields(case: Case) -> Iterator[CaseWarning]:
    """Every field that changes nothing, with what it would need to count."""
    for look in (_sites, _types, _agreements, _workloads, _network, _tariffs, _policy, _futures):
        yield from look(case)


def _given(block: object, *names: str) -> list[str]:
    """Those of the fields that the block's author wrote."""
    written: set[str] = getattr(block, "model_fields_set", set())
    return [name for name in names if name in written]


def _sites(case: Case) -> Iterator[CaseWarning]:
    power = any(kind.power_peak_kw > 0 for kind in case.module_types)
    racks = any(kind.racks > 0 for kind in case.module_types)
    for i, site in enumerate(case.sites):
        at: Location = ("sites", i)
        if site.status is SiteStatus.existing and site.opening_cost > 0:
            yield _idle((*at, "opening_cost"), "opening_cost", cost=site.opening_cost, site=site.id)
        if site.status is SiteStatus.candidate and site.opening_cost == 0:
            yield _idle((*at, "status"), "status", site=site.id)
        if site.space_racks is not None and not racks:
            yield _idle((*at, "space_racks"), "space_racks", site=site.id)
        if not power:
            for name in ("demand_charge_per_kw_month", "carbon_kg_per_kwh"):
                if getattr(site, name) > 0:
                    yield _idle((*at, name), "no_power", site=site.id)
        if site.carbon_market_kg_per_kwh is not None and site.green_share > 0 and case.policy.green_share_floor is None:
            yield _idle((*at, "green_share"), "green_share", share=site.green_share, site=site.id)


def _types(case: Case) -> Iterator[CaseWarning]:
    runs = {name for w in case.workloads for name in w.throughput} | {n for c in case.campaigns for n in c.speed}
    at_hand = {f.module_type for f in case.fleet if f.modules} | {lease.module_type for lease in case.leases}
    budget = case.policy.budget is not None
    leaving = {
        "resale_price": {f.module_type for f in case.fleet if f.may_retire},
        "moving_cost": {f.module_type for f in case.fleet if f.may_move_to},
        "moving_periods": {f.module_type for f in case.fleet if f.may_move_to},
    }
    for i, kind in enumerate(case.module_types):
        at: Location = ("module_types", i)
        orderable = kind.supply is None or bool(np.any(np.asarray(kind.supply) > 0))
        if kind.id not in runs:
            yield _idle(at, "no_work", name=kind.id)
        elif not orderable and kind.id not in at_hand:
            yield _idle(at, "not_to_be_had", name=kind.id)
        for name in _given(kind, *leaving):
            if getattr(kind, name) != type(kind).model_fields[name].default and kind.id not in leaving[name]:
                what = "may_retire" if name == "resale_price" else "may_move_to"
                yield _idle((*at, name), "no_leaving", field=name, name=kind.id, what=what)
        if kind.prepay_share > 0 and not budget:
            yield _idle((*at, "prepay_share"), "prepay_share", share=kind.prepay_share, name=kind.id)


def _agreements(case: Case) -> Iterator[CaseWarning]:
    for i, one in enumerate(case.agreements):
        at: Location = ("agreements", i)
        if not one.commitment and not one.breaks:
            yield _idle(at, "no_terms", name=one.id)
        for name in _given(one, "shortfall_price", "signed"):
            if getattr(one, name) and not one.commitment:
                yield _idle((*at, name), "no_commitment", field=name, name=one.id)


def _workloads(case: Case) -> Iterator[CaseWarning]:
    demand = case.demand
    hourly = demand is None or (len(demand.step_hours) == 24 and all(h == 1 for h in demand.step_hours))
    priced = bool(case.network.transfer_bands or case.network.transfer_cost_per_gb or case.network.bandwidth_gbps)
    for i, w in enumerate(case.workloads):
        at: Location = ("workloads", i)
        if w.kind is not WorkloadKind.online and w.burst_factor > 1:
            yield _idle((*at, "burst_factor"), "burst_factor", n=w.burst_factor, name=w.id, kind=w.kind.value)
        if w.kind is not WorkloadKind.deferrable and w.window_hours != 24:
            yield _idle((*at, "window_hours"), "window_hours", n=w.window_hours, name=w.id, kind=w.kind.value)
        if w.kind is WorkloadKind.deferrable and not hourly:
            for name in _given(w, "window_hours", "allowed_hours"):
                if getattr(w, name) not in (24, None):
                    yield _idle((*at, name), "no_hours", name=w.id)
        if w.kind is WorkloadKind.training:
            names = [n for n in ("latency_ms", "residency", "traffic_gb_per_unit_hour") if getattr(w, n)]
            for name in names:
                yield _idle((*at, name), "gangs", name=w.id)
        elif w.traffic_gb_per_unit_hour > 0 and not priced:
            told = {"n": w.traffic_gb_per_unit_hour, "name": w.id}
            yield _idle((*at, "traffic_gb_per_unit_hour"), "traffic", **told)
        if w.preemptible and w.max_yield_share == 0:
            yield _idle((*at, "preemptible"), "preemptible", name=w.id)
        if w.minimum_service == 1 and w.shortfall_cost > 0:
            yield _idle((*at, "shortfall_cost"), "shortfall_cost", n=w.shortfall_cost, name=w.id)


def _network(case: Case) -> Iterator[CaseWarning]:
    network = case.network
    moved = any(w.traffic_gb_per_unit_hour > 0 for w in case.workloads if w.kind is not WorkloadKind.training)
    for name in ("transfer_bands", "transfer_cost_per_gb", "bandwidth_gbps"):
        if getattr(network, name) and not moved:
            yield _idle(("network", name), "no_traffic")


def _tariffs(case: Case) -> Iterator[CaseWarning]:
    used = {site.tariff for site in case.sites}
    demand = case.demand
    hourly = demand is None or (len(demand.step_hours) == 24 and all(h == 1 for h in demand.step_hours))
    for i, tariff in enumerate(case.tariffs):
        if tariff.id not in used:
            yield _idle(("tariffs", i), "unused_tariff", name=tariff.id)
        elif tariff.windows and not hourly:
            yield _idle(("tariffs", i, "windows"), "windows", name=tariff.id)


def _policy(case: Case) -> Iterator[CaseWarning]:
    policy = case.policy
    market = policy.carbon_basis == "market"
    emits = any((s.market_carbon() if market else s.carbon_kg_per_kwh) > 0 for s in case.sites)
    priced = bool(np.any(np.asarray(policy.carbon_price_per_tonne) > 0))
    capped = policy.carbon_cap_tonnes is not None
    for name, asked in (("carbon_price_per_tonne", priced), ("carbon_cap_tonnes", capped)):
        if asked and not emits:
            yield _idle(("policy", name), "no_carbon", basis=policy.carbon_basis)
    if market and not priced and not capped:
        yield _idle(("policy", "carbon_basis"), "carbon_basis")
    for vendor, cap in policy.vendor_share_cap.items():
        if cap >= 1:
            yield _idle(("policy", "vendor_share_cap", vendor), "vendor_share_cap", cap=cap)
    if policy.resilience is not None and not policy.resilience.workloads:
        yield _idle(("policy", "resilience"), "resilience")


def _futures(case: Case) -> Iterator[CaseWarning]:
    """What is said about futures where there is one: given demand tells how many, an outlook brings several."""
    demand, rule = case.demand, case.risk.objective
    one = isinstance(rule, Quantile) or (demand is not None and len(demand.futures) == 1)
    why = "quantile" if isinstance(rule, Quantile) else "one"
    if one and case.horizon.commit_periods is not None:
        yield _idle(("horizon", "commit_periods"), f"commit_{why}", n=case.horizon.commit_periods)
    elif case.horizon.commit_periods == case.horizon.periods:
        yield _idle(("horizon", "commit_periods"), "commit_all", n=case.horizon.commit_periods)
    if isinstance(rule, CVaR) and (one or rule.weight == 0 or rule.alpha == 0):
        yield _idle(("risk", "objective"), "cvar_one" if one else "cvar_mean")


def _idle(location: Location, key: str, **values: object) -> CaseWarning:
    return case_warning(location, "no_effect", f"idle.{key}", **values)
