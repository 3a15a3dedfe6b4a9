"""Fields that change nothing in this case: what somebody wrote down and no plan will ever follow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from planner.case import Case, CVaR, Quantile, SiteStatus, WorkloadKind
from planner.case.fault import Location

Idle = tuple[Location, str, str]
"""Where the field stands, what it says, and what it would need to count."""


def idle_fields(case: Case) -> Iterator[Idle]:
    """Fields that change nothing in this case, with the reason."""
    for look in (_sites, _types, _workloads, _network, _tariffs, _policy, _futures):
        yield from look(case)


def _given(block: object, *names: str) -> list[str]:
    """Those of the fields that the block's author wrote."""
    written: set[str] = getattr(block, "model_fields_set", set())
    return [name for name in names if name in written]


def _sites(case: Case) -> Iterator[Idle]:
    power = any(kind.power_peak_kw > 0 for kind in case.module_types)
    racks = any(kind.racks > 0 for kind in case.module_types)
    for i, site in enumerate(case.sites):
        at: Location = ("sites", i)
        if site.status is SiteStatus.existing and site.opening_cost > 0:
            yield (*at, "opening_cost"), f"{site.opening_cost:g} at {site.id}, which is existing", "status: candidate"
        if site.status is SiteStatus.candidate and site.opening_cost == 0:
            yield (*at, "status"), f"candidate for {site.id}, whose opening costs nothing", "an opening_cost"
        if site.space_racks is not None and not racks:
            yield (*at, "space_racks"), f"given at {site.id}, while no module type takes racks", "racks of module types"
        if not power:
            for name in ("demand_charge_per_kw_month", "carbon_kg_per_kwh"):
                if getattr(site, name) > 0:
                    yield (*at, name), f"given at {site.id}, while no module type draws power", "power of module types"
        if site.carbon_market_kg_per_kwh is not None and site.green_share > 0 and case.policy.green_share_floor is None:
            found = f"{site.green_share:g} at {site.id}, whose carbon_market_kg_per_kwh is given"
            yield (*at, "green_share"), found, "one of the two, or policy.green_share_floor"


def _types(case: Case) -> Iterator[Idle]:
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
            yield at, f"{kind.id}, which runs no workload and no campaign", "throughput or speed on it"
        elif not orderable and kind.id not in at_hand:
            yield at, f"{kind.id}, which neither stands nor can be ordered or leased", "supply, a fleet or a lease"
        for name in _given(kind, *leaving):
            if getattr(kind, name) != type(kind).model_fields[name].default and kind.id not in leaving[name]:
                what = "may_retire" if name == "resale_price" else "may_move_to"
                found = f"{name} of {kind.id}, of which no row of the fleet has {what}"
                yield (*at, name), found, f"{what} in a row of the fleet"
        if kind.prepay_share > 0 and not budget:
            yield (
                (*at, "prepay_share"),
                f"{kind.prepay_share:g} of {kind.id}, while there is no budget",
                "policy.budget",
            )


def _workloads(case: Case) -> Iterator[Idle]:
    demand = case.demand
    hourly = demand is None or (len(demand.step_hours) == 24 and all(h == 1 for h in demand.step_hours))
    priced = bool(case.network.transfer_bands or case.network.transfer_cost_per_gb or case.network.bandwidth_gbps)
    for i, w in enumerate(case.workloads):
        at: Location = ("workloads", i)
        if w.kind is not WorkloadKind.online and w.burst_factor > 1:
            yield (*at, "burst_factor"), f"{w.burst_factor:g} of {w.id}, which is {w.kind.value}", "kind: online"
        if w.kind is not WorkloadKind.deferrable and w.window_hours != 24:
            yield (*at, "window_hours"), f"{w.window_hours} of {w.id}, which is {w.kind.value}", "kind: deferrable"
        if w.kind is WorkloadKind.deferrable and not hourly:
            for name in _given(w, "window_hours", "allowed_hours"):
                if getattr(w, name) not in (24, None):
                    found = f"given for {w.id}, while the steps of the given demand are no hours of a day"
                    yield (*at, name), found, "24 steps of one hour"
        if w.kind is WorkloadKind.training:
            names = [n for n in ("latency_ms", "residency", "traffic_gb_per_unit_hour") if getattr(w, n)]
            for name in names:
                found = f"given for {w.id}: gangs stand wherever allowed_sites lets them"
                yield (*at, name), found, "allowed_sites, or another kind"
        elif w.traffic_gb_per_unit_hour > 0 and not priced:
            found = f"{w.traffic_gb_per_unit_hour:g} of {w.id}, while traffic has neither price nor limit"
            yield (*at, "traffic_gb_per_unit_hour"), found, "transfer prices or bandwidth in network"
        if w.preemptible and w.max_yield_share == 0:
            yield (*at, "preemptible"), f"true for {w.id}, which may yield nothing", "a max_yield_share above 0"
        if w.minimum_service == 1 and w.shortfall_cost > 0:
            found = f"{w.shortfall_cost:g} of {w.id}, of which nothing may stay unserved"
            yield (*at, "shortfall_cost"), found, "a minimum_service below 1"


def _network(case: Case) -> Iterator[Idle]:
    network = case.network
    moved = any(w.traffic_gb_per_unit_hour > 0 for w in case.workloads if w.kind is not WorkloadKind.training)
    for name in ("transfer_bands", "transfer_cost_per_gb", "bandwidth_gbps"):
        if getattr(network, name) and not moved:
            yield ("network", name), "given, while no workload has traffic", "traffic_gb_per_unit_hour of workloads"


def _tariffs(case: Case) -> Iterator[Idle]:
    used = {site.tariff for site in case.sites}
    demand = case.demand
    hourly = demand is None or (len(demand.step_hours) == 24 and all(h == 1 for h in demand.step_hours))
    for i, tariff in enumerate(case.tariffs):
        if tariff.id not in used:
            yield ("tariffs", i), f"{tariff.id}, which no site has", "a site with it"
        elif tariff.windows and not hourly:
            found = f"of {tariff.id}: the steps of the given demand are no hours of a day and meet its mean price"
            yield ("tariffs", i, "windows"), found, "24 steps of one hour"


def _policy(case: Case) -> Iterator[Idle]:
    policy = case.policy
    market = policy.carbon_basis == "market"
    emits = any((s.market_carbon() if market else s.carbon_kg_per_kwh) > 0 for s in case.sites)
    priced = bool(np.any(np.asarray(policy.carbon_price_per_tonne) > 0))
    capped = policy.carbon_cap_tonnes is not None
    for name, asked in (("carbon_price_per_tonne", priced), ("carbon_cap_tonnes", capped)):
        if asked and not emits:
            yield ("policy", name), f"given, while no site emits anything ({policy.carbon_basis})", "carbon of sites"
    if market and not priced and not capped:
        yield ("policy", "carbon_basis"), "market, while carbon has neither price nor cap", "a carbon price or cap"
    for vendor, cap in policy.vendor_share_cap.items():
        if cap >= 1:
            yield ("policy", "vendor_share_cap", vendor), f"{cap:g}", "a share below 1"
    if policy.resilience is not None and not policy.resilience.workloads:
        yield ("policy", "resilience"), "no workloads", "the online workloads that must survive the loss of a site"


def _futures(case: Case) -> Iterator[Idle]:
    """What is said about futures where there is one: given demand tells how many, an outlook brings several."""
    demand, rule = case.demand, case.risk.objective
    one = isinstance(rule, Quantile) or (demand is not None and len(demand.futures) == 1)
    why = "is planned for one future" if isinstance(rule, Quantile) else "brings one future"
    if one and case.horizon.commit_periods is not None:
        found = f"{case.horizon.commit_periods}, while this case {why}"
        yield ("horizon", "commit_periods"), found, "several futures"
    elif case.horizon.commit_periods == case.horizon.periods:
        found = f"{case.horizon.commit_periods}, all periods: the same as leaving it out"
        yield ("horizon", "commit_periods"), found, f"fewer than {case.horizon.periods}"
    if isinstance(rule, CVaR) and (one or rule.weight == 0 or rule.alpha == 0):
        found = "cvar " + (f"while this case {why}" if one else "with a weight or alpha of 0, which is the mean")
        yield ("risk", "objective"), found, "several futures, and a weight and alpha above 0"
