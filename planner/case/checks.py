"""Checks across the blocks of a case: what no block can see by itself.

`cross_faults` runs on the plain document, next to pydantic's checks of single fields, so that every fault is told at
once. Numbers that are allowed but look wrong are `planner.case.plausible`'s subject; `warnings` stands here for both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from forecasts.fault import Fault
from planner.arrays import FloatArray
from planner.case.agreements import agreement_faults
from planner.case.case import Case
from planner.case.draft import Draft, draft_of
from planner.case.fault import CrossFault, Location, faults_of, periods_text, shown
from planner.case.fields import by_period
from planner.case.given import GivenDemand
from planner.case.horizon import Horizon
from planner.case.network import latency_between, pairs_within
from planner.case.plausible import warnings
from planner.case.power_checks import gangs_fit, power_somewhere, standing_power
from planner.case.references import known_ids, plain, reference_faults
from planner.case.sites import SiteStatus
from planner.case.warning import CaseWarning
from planner.case.workloads import WorkloadKind

__all__ = ["CaseWarning", "Fault", "cross_faults", "faults_of", "warnings"]

_PROBABILITY_TOLERANCE = 1e-6
SHARES_OFF = 1e-3
"""Shares that were rounded may miss 1 by so much."""


def cross_faults(value: Any, case: Case | None) -> list[CrossFault]:
    """Every fault between the blocks of a document, in the order of the checks below.

    value: what is being validated; case: what it became, or None when single fields are faulty (the checks then run on
    what is sound).
    """
    document = plain(value)
    if not isinstance(document, dict):
        return []
    faults = reference_faults(document)
    bad_lengths = {fault.location[0] for fault in faults if fault.kind == "period_count"}
    # an unknown module type or tariff leaves all else that the block says in force
    unknown = {
        fault.location[0]
        for fault in faults
        if fault.kind != "period_count" and not {"throughput", "speed", "tariff"} & set(fault.location)
    }
    draft = draft_of(document, case)
    draft = Draft(**{**vars(draft), "whole": draft.whole - bad_lengths - unknown})
    for check in (_meta, _horizon, _lead_times, _agreements, _runnable, _coordinates, _campaigns, _mapping):
        faults += check(draft, document)
    for check in (_given_demand, _policy):
        faults += check(draft, document)
    if draft.are_whole("horizon", "sites", "module_types", "fleet"):
        faults += standing_power(draft)
    if draft.are_whole("sites", "module_types", "leases", "workloads"):
        faults += power_somewhere(draft)
    powered = not any(fault.kind == "no_power" for fault in faults)
    if powered and draft.are_whole("sites", "module_types", "leases"):
        faults += gangs_fit(draft)
    reachable = draft.are_whole("regions", "sites", "network", "workloads", "demand")
    if reachable and not any(fault.kind == "no_coordinates" for fault in faults):
        faults += _reach(draft)
    return faults


def _meta(_: Draft, document: dict[str, Any]) -> Iterator[CrossFault]:
    meta = document.get("meta")
    zone = meta.get("timezone", "Asia/Shanghai") if isinstance(meta, dict) else None
    if isinstance(zone, str):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            allowed = "a name of the IANA time zone database, such as Asia/Shanghai"
            yield CrossFault(("meta", "timezone"), shown(zone), allowed, "unknown_timezone", zone)


def _horizon(draft: Draft, _: dict[str, Any]) -> Iterator[CrossFault]:
    horizon = draft.horizon
    if horizon is None:
        return
    if horizon.start.day != 1:
        yield CrossFault(
            ("horizon", "start"), str(horizon.start), "the first day of a month", "not_first_day", str(horizon.start)
        )
    if horizon.commit_periods is not None and horizon.commit_periods > horizon.periods:
        yield CrossFault(
            ("horizon", "commit_periods"),
            f"{horizon.commit_periods} for {horizon.periods} periods",
            f"0 to {horizon.periods}, or nothing (every order is the same in every future)",
            "beyond_horizon",
            horizon.commit_periods,
        )


def _lead_times(draft: Draft, _: dict[str, Any]) -> Iterator[CrossFault]:
    """An order placed in period 0 must be able to arrive inside the horizon."""
    if draft.horizon is None:
        return
    periods = draft.horizon.periods

    def late(location: Location, lead: int, what: str) -> Iterator[CrossFault]:
        if lead >= periods:
            found = f"{lead} periods, so that nothing ordered can arrive in the {periods} periods of the horizon"
            yield CrossFault(location, found, f"0 to {periods - 1}{what}", "lead_beyond_horizon", lead)

    for i, kind in draft.module_types:
        can_be_ordered = kind.supply is None or np.any(np.asarray(kind.supply) > 0)
        if can_be_ordered:
            yield from late(
                ("module_types", i, "lead_periods"), kind.lead_periods, ", or supply: 0 for a type that is not ordered"
            )
    for i, site in draft.sites:
        for j, phase in enumerate(site.phases):
            yield from late(("sites", i, "phases", j, "lead_periods"), phase.lead_periods, ", or leave the phase out")
    for i, lease in draft.leases:
        yield from late(("leases", i, "notice_periods"), lease.notice_periods, ", or leave the lease out")


def _agreements(draft: Draft, _: dict[str, Any]) -> Iterator[CrossFault]:
    if draft.horizon is not None:
        yield from agreement_faults(draft.agreements, draft.horizon.periods)


def _runnable(draft: Draft, document: dict[str, Any]) -> Iterator[CrossFault]:
    """Every workload and campaign has at least one module type of this case that can run it, and sites to run at; every
    module type has sites to be ordered for."""
    types = known_ids(document)["module_types"]
    allowed = f"at least one of the module types {', '.join(sorted(types)[:12])}" if types else "a module type"
    for i, workload in draft.workloads:
        if not types & set(workload.throughput):
            found = f"no module type that can run the workload {workload.id}"
            yield CrossFault(("workloads", i, "throughput"), found, allowed, "nothing_can_run", workload.throughput)
    for i, campaign in draft.campaigns:
        if not types & set(campaign.speed):
            found = f"no module type that can run the campaign {campaign.id}"
            yield CrossFault(("campaigns", i, "speed"), found, allowed, "nothing_can_run", campaign.speed)
    placed: dict[str, list[tuple[int, Any]]] = {
        "workloads": draft.workloads, "campaigns": draft.campaigns, "module_types": draft.module_types
    }  # fmt: skip
    for name, blocks in placed.items():
        for i, block in blocks:
            if block.allowed_sites == []:
                found = f"no site at all for {block.id}"
                allowed_sites = "at least one site, or nothing for every site"
                yield CrossFault((name, i, "allowed_sites"), found, allowed_sites, "no_site", [])


def _coordinates(draft: Draft, _: dict[str, Any]) -> Iterator[CrossFault]:
    """Where a latency is needed and not given, both ends need coordinates."""
    network = draft.network
    if network is None or not draft.are_whole("regions", "sites", "workloads"):
        return
    if not network.transfer_bands and all(w.latency_ms is None for _, w in draft.workloads):
        return
    pairs = [
        (region, site)
        for region in (r.id for _, r in draft.regions)
        for site in (s.id for _, s in draft.sites)
        if site not in network.latency_ms.get(region, {})
    ]
    wanted = {"regions": {region for region, _ in pairs}, "sites": {site for _, site in pairs}}
    lists: tuple[tuple[str, Iterable[tuple[int, Any]]], ...] = (("regions", draft.regions), ("sites", draft.sites))
    for name, blocks in lists:
        for i, block in blocks:
            missing = [field for field in ("lat", "lon") if getattr(block, field) is None]
            if missing and block.id in wanted[name]:
                yield CrossFault(
                    (name, i, missing[0]),
                    f"no {' and no '.join(missing)} for {block.id}, whose latency is needed and not given",
                    "coordinates in degrees, or every latency of it in /network/latency_ms",
                    "no_coordinates",
                )


def _campaigns(draft: Draft, _: dict[str, Any]) -> Iterator[CrossFault]:
    horizon = draft.horizon
    if horizon is None:
        return
    types = {t.id: t for _, t in draft.module_types}
    for i, campaign in draft.campaigns:
        if campaign.due >= horizon.periods:
            found = f"period {campaign.due}, after the last period {horizon.periods - 1}"
            yield CrossFault(
                ("campaigns", i, "due"), found, f"0 to {horizon.periods - 1}", "beyond_horizon", campaign.due
            )
        if campaign.earliest > campaign.due:
            found = f"period {campaign.earliest}, after due in period {campaign.due}"
            yield CrossFault(
                ("campaigns", i, "earliest"), found, f"0 to {campaign.due}", "order_of_periods", campaign.earliest
            )
        speeds = [speed for name, speed in campaign.speed.items() if name in types]
        if campaign.earliest <= campaign.due < horizon.periods and speeds:
            days = sum(horizon.days(t) for t in range(campaign.earliest, campaign.due + 1))
            most = campaign.gang_cards * max(speeds) * days
            if campaign.card_days > most * (1 + 1e-9):
                yield CrossFault(
                    ("campaigns", i, "card_days"),
                    f"{campaign.card_days:g}, while {campaign.gang_cards} cards at speed {max(speeds):g} "
                    f"do {most:g} in the {days} days from earliest to due",
                    f"at most {most:g}, a larger gang, a faster type or more periods",
                    "campaign_too_long",
                    campaign.card_days,
                )


def _mapping(draft: Draft, _: dict[str, Any]) -> Iterator[CrossFault]:
    for i, rule in draft.history_mapping:
        if (rule.region is None) == (not rule.share):
            found = "both region and share" if rule.share else "neither region nor share"
            yield CrossFault(("history_mapping", i), found, "exactly one of region and share", "region_or_share")
        elif rule.share and sum(rule.share.values()) <= 0:
            yield CrossFault(
                ("history_mapping", i, "share"), "shares that add up to 0", "at least one share above 0", "no_share"
            )
        elif rule.share and not rule.weights and abs(sum(rule.share.values()) - 1) > SHARES_OFF:
            found = f"shares that add up to {sum(rule.share.values()):g}"
            allowed = "shares that add up to 1, or weights: true, which scales them to it"
            yield CrossFault(("history_mapping", i, "share"), found, allowed, "shares")


def _given_demand(draft: Draft, _: dict[str, Any]) -> Iterator[CrossFault]:
    demand = draft.demand
    if demand is None:
        return
    total = sum(future.probability for future in demand.futures)
    if abs(total - 1) > _PROBABILITY_TOLERANCE:
        found = f"probabilities {', '.join(f'{f.probability:g}' for f in demand.futures)} that add up to {total:.6g}"
        yield CrossFault(("demand", "futures"), found, "probabilities that add up to 1", "probabilities", total)
    for f, future in enumerate(demand.futures):
        seen: dict[tuple[str, str], int] = {}
        for i, series in enumerate(future.series):
            at: Location = ("demand", "futures", f, "series", i)
            key = (series.region, series.workload)
            if key in seen:
                found = f"{series.region} and {series.workload} again (first at entry {seen[key]})"
                yield CrossFault(at, found, "every region and workload once in a future", "duplicate_series")
            else:
                seen[key] = i
            if draft.horizon is not None:
                yield from _shape(series.values, demand, draft.horizon, (*at, "values"))


def _shape(values: Any, demand: GivenDemand, horizon: Horizon, at: Location) -> Iterator[CrossFault]:
    """[step], [day][step] or [period][day][step], every list as long as its axis."""
    if not isinstance(values, list):
        return
    depth = 0
    probe: Any = values
    while isinstance(probe, list):
        depth, probe = depth + 1, probe[0] if probe else None
    axes = (("periods", horizon.periods), ("days", len(demand.days)), ("steps", len(demand.step_hours)))[3 - depth :]
    stack: list[tuple[Location, Any, int]] = [(at, values, 0)]
    while stack:
        place, part, level = stack.pop()
        name, size = axes[level]
        if len(part) != size:
            form = "".join(f"[{n}]" for n, _ in axes)
            yield CrossFault(place, f"{len(part)} entries", f"{size} {name} in the form {form}", "demand_shape")
        elif level + 1 < len(axes):
            stack += [((*place, i), inner, level + 1) for i, inner in enumerate(part)]


def _policy(draft: Draft, _: dict[str, Any]) -> Iterator[CrossFault]:
    policy = draft.policy
    if policy is None:
        return
    for name in ("green_share_floor", "domestic_share_floor", "utilisation_floor"):
        value = getattr(policy, name)
        for i, number in enumerate(value if isinstance(value, list) else [value]):
            if number is not None and number > 1:
                at: Location = ("policy", name, i) if isinstance(value, list) else ("policy", name)
                yield CrossFault(at, f"{number:g}", "a share from 0 to 1 (not a percentage)", "share", number)
    low, high = policy.build_ahead.minimum, policy.build_ahead.maximum
    if low is not None and high is not None and draft.horizon is not None and draft.are_whole("policy"):
        periods = draft.horizon.periods
        lows, highs = by_period(low, periods, -np.inf), by_period(high, periods, np.inf)
        crossed = np.flatnonzero(lows > highs)
        if crossed.size:
            t = int(crossed[0])
            found = f"minimum {lows[t]:g} above maximum {highs[t]:g} in {periods_text(crossed)}"
            yield CrossFault(("policy", "build_ahead"), found, "a minimum of at most the maximum", "crossed_range")
    kinds = {w.id: w.kind for _, w in draft.workloads}
    for i, name in enumerate(policy.resilience.workloads if policy.resilience else []):
        if kinds.get(name, WorkloadKind.online) is not WorkloadKind.online:
            online = [w for w, kind in kinds.items() if kind is WorkloadKind.online]
            yield CrossFault(
                ("policy", "resilience", "workloads", i),
                f"{name}, which is {kinds[name].value}",
                f"online workloads: {', '.join(online) or 'this case has none'}",
                "not_online",
                name,
            )
    for s, site in draft.sites:
        if site.pue_limit is not None and site.status is SiteStatus.candidate:
            mean = float(site.pue_by_month().mean())
            if mean > site.pue_limit + 1e-9:
                found = f"a mean of {mean:.3g} for the candidate {site.id}, above its pue_limit {site.pue_limit:g}"
                allowed = f"at most {site.pue_limit:g}: it could not be approved"
                yield CrossFault(("sites", s, "pue"), found, allowed, "pue_limit", site.pue)


def _reach(draft: Draft) -> Iterator[CrossFault]:
    """Every region with demand has a site that may serve it, by latency, residency and allowed sites."""
    network = draft.network
    assert network is not None
    regions, sites = [r for _, r in draft.regions], [s for _, s in draft.sites]
    workloads = [w for _, w in draft.workloads]
    latency = latency_between(network, regions, sites)
    allowed = pairs_within(latency, workloads, regions, sites)
    wanted = np.ones(allowed.shape[:2], bool)
    if draft.demand is not None:
        named = {(s.workload, s.region) for f in draft.demand.futures for s in f.series if np.any(_flat(s.values))}
        wanted = np.array([[(w.id, r.id) in named for r in regions] for w in workloads], bool)
    basis = network.latency_basis.replace("_", " ")
    for w, workload in enumerate(workloads):
        lost = np.flatnonzero(wanted[w] & ~allowed[w].any(axis=1))
        if not lost.size or workload.allowed_sites == []:
            continue
        parts = []
        for r in lost:
            s = int(np.argmin(latency[r]))
            near = f" (nearest {sites[s].id}, {latency[r, s]:.3g} ms {basis})" if np.isfinite(latency[r, s]) else ""
            parts.append(f"{regions[r].id}{near}")
        limit = "" if workload.latency_ms is None else f" within {workload.latency_ms:g} ms"
        yield CrossFault(
            ("workloads", w, "latency_ms" if workload.latency_ms is not None else "allowed_sites"),
            f"no site that may serve {workload.id}{limit} in {', '.join(parts)}",
            "a latency limit, residency and allowed sites that leave every region with demand at least one site",
            "out_of_reach",
            workload.latency_ms,
        )


def _flat(values: Any) -> FloatArray:
    if isinstance(values, list):
        return np.concatenate([_flat(v) for v in values]) if values else np.zeros(0)
    return np.array([float(values)])
