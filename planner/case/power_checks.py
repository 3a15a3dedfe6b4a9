"""Does it fit: the standing fleet and whole gangs against the power and the space of the sites."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray
from planner.case.draft import Draft
from planner.case.fault import CrossFault, Location, periods_text
from planner.case.fields import by_period
from planner.case.horizon import Horizon
from planner.case.modules import ModuleType, Standing
from planner.case.sites import Site, SiteStatus
from planner.case.workloads import WorkloadKind

_POWER_TOLERANCE = 1e-6
_LESS = "a smaller fleet, or rows of it that may leave (may_retire, may_move_to)"


def standing_modules(
    horizon: Horizon, sites: list[Site], types: list[ModuleType], fleet: Iterable[Standing]
) -> FloatArray:
    """(sites, types, periods) modules in service: online at or before the period's start, not retired by then."""
    site_index = {s.id: i for i, s in enumerate(sites)}
    type_index = {k.id: i for i, k in enumerate(types)}
    out = np.zeros((len(sites), len(types), horizon.periods))
    for item in fleet:
        for t in range(horizon.periods):
            start = horizon.period_start(t)
            if (item.online is None or item.online <= start) and (item.retire is None or item.retire > start):
                out[site_index[item.site], type_index[item.module_type], t] += item.modules
    return out


def pue_by_period(horizon: Horizon, site: Site) -> FloatArray:
    """(periods,) the largest monthly PUE of each period, which the power limit must hold for."""
    pue = site.pue_by_month()
    months = horizon.months_per_period
    first = horizon.start.month - 1
    return np.array([max(pue[(first + t * months + n) % 12] for n in range(months)) for t in range(horizon.periods)])


def standing_power(draft: Draft) -> Iterator[CrossFault]:
    """What has to stand fits into the power and the space of its site, with every phase that can have arrived.

    Rows of the fleet that may leave do not have to.
    """
    horizon = draft.horizon
    assert horizon is not None
    sites, types = [s for _, s in draft.sites], [k for _, k in draft.module_types]
    standing = standing_modules(horizon, sites, types, [f for _, f in draft.fleet if not f.may_leave])
    peak_mw = np.array([k.power_peak_kw for k in types]) / 1000
    racks = np.array([k.racks for k in types])
    hosts = {f.site for _, f in draft.fleet if f.modules}
    for s, site in draft.sites:
        if site.status is SiteStatus.candidate and site.id in hosts:
            found = f"candidate for {site.id}, where modules of the fleet stand"
            yield CrossFault(("sites", s, "status"), found, "existing, or no fleet there", "fleet_at_candidate")
    for (s, site), modules in zip(draft.sites, standing, strict=True):
        if not modules.any():
            continue
        arrived = np.array([[p.lead_periods <= t for p in site.phases] for t in range(horizon.periods)], float)
        counts = np.array([p.max_count for p in site.phases], float)
        more_mw = arrived @ (counts * [p.mw for p in site.phases]) if site.phases else 0.0
        more_racks = arrived @ (counts * [p.space_racks for p in site.phases]) if site.phases else 0.0
        power_mw = by_period(site.power_mw, horizon.periods, 0.0) + more_mw
        used_mw = peak_mw @ modules * pue_by_period(horizon, site)
        short = np.flatnonzero(used_mw > power_mw + _POWER_TOLERANCE)
        if short.size:
            t = int(short[np.argmax((used_mw - power_mw)[short])])
            found = (
                f"{power_mw[t]:.4g} MW at {site.id} with every phase that can have arrived, where the standing fleet "
                f"takes {used_mw[t]:.4g} MW ({periods_text(short)}; {used_mw[t] - power_mw[t]:.4g} MW too little)"
            )
            yield CrossFault(("sites", s, "power_mw"), found, f"at least {used_mw[t]:.4g} MW, {_LESS}", "fleet_power")
        if site.space_racks is not None:
            space = by_period(site.space_racks, horizon.periods, np.inf) + more_racks
            used = racks @ modules
            tight = np.flatnonzero(used > space + _POWER_TOLERANCE)
            if tight.size:
                t = int(tight[np.argmax((used - space)[tight])])
                where = f"at {site.id} ({periods_text(tight)})"
                found = f"{space[t]:g} racks {where}, where the standing fleet fills {used[t]:g}"
                allowed = f"at least {used[t]:g} racks, {_LESS}"
                yield CrossFault(("sites", s, "space_racks"), found, allowed, "fleet_space")


def power_somewhere(draft: Draft) -> Iterator[CrossFault]:
    """If everything that could run work needs power, some site has some."""
    useful = {name for _, w in draft.workloads for name in w.throughput}
    needs = [k.power_peak_kw > 0 for _, k in draft.module_types if k.id in useful]
    power = [np.any(np.asarray(s.power_mw, float) > 0) or bool(s.phases) for _, s in draft.sites]
    leased = any(not lease.uses_site_power for _, lease in draft.leases)
    if needs and all(needs) and not any(power) and not leased:
        found = f"no power in any period and no phase at any of the {len(power)} sites"
        allowed = "power_mw above 0, a phase, or a lease that brings its own power"
        yield CrossFault(("sites",), found, allowed, "no_power")


@dataclass(frozen=True)
class Gang:
    """What must stand together at one site on one type: a gang of a training workload or of a campaign."""

    location: Location
    cards: int
    types: Collection[str]
    allowed_sites: list[str] | None


def gangs(draft: Draft) -> Iterator[Gang]:
    """Everything that needs whole gangs."""
    for i, campaign in draft.campaigns:
        yield Gang(("campaigns", i, "gang_cards"), campaign.gang_cards, campaign.speed, campaign.allowed_sites)
    for i, work in draft.workloads:
        if work.kind is WorkloadKind.training and work.gang_cards is not None:
            yield Gang(("workloads", i, "gang_cards"), work.gang_cards, work.throughput, work.allowed_sites)


def gangs_fit(draft: Draft) -> Iterator[CrossFault]:
    """Every gang has a site whose power and space, with every phase, can hold all of it on one of its types.

    As in the model, what is not available cannot be held: modules x availability must reach the gang.
    """
    for gang in gangs(draft):
        holds: list[tuple[float, str]] = []
        for _, site in draft.sites:
            if gang.allowed_sites is None or site.id in gang.allowed_sites:
                rooms = [_room(kind, site, draft) for _, kind in draft.module_types if kind.id in gang.types]
                holds += [(cards, f"{site.id} ({why})") for cards, why in rooms]
        if not holds:
            continue  # nowhere it may run, or nothing that runs it: told elsewhere
        most, where = max(holds)
        if most < gang.cards:
            found = f"{gang.cards} cards, while no site can hold more than {most:.0f} of them: {where}"
            allowed = f"at most {most:.0f} cards, or more power and space" if most > 0 else "more power and space"
            yield CrossFault(gang.location, found, allowed, "gang_too_large", gang.cards)


def _room(kind: ModuleType, site: Site, draft: Draft) -> tuple[float, str]:
    """The most cards of a type that can be available at a site in its best period, and what limits them."""
    mw = float(np.max(np.asarray(site.power_mw, float))) + sum(p.mw * p.max_count for p in site.phases)
    need_mw = kind.power_peak_kw * float(min(site.pue_by_month())) / 1000
    by_power = np.floor(mw / need_mw + _POWER_TOLERANCE) if need_mw > 0 else np.inf
    limit = f"{mw:.4g} MW with every phase"
    modules = by_power
    if site.space_racks is not None and kind.racks > 0:
        racks = float(np.max(np.asarray(site.space_racks, float))) + sum(
            p.space_racks * p.max_count for p in site.phases
        )
        by_space = np.floor(racks / kind.racks + _POWER_TOLERANCE)
        if by_space < modules:
            modules, limit = by_space, f"{racks:g} racks with every phase"
    leased = {True: 0.0, False: 0.0}
    for _, lease in draft.leases:
        if (lease.site, lease.module_type) == (site.id, kind.id):
            leased[lease.uses_site_power] += float(np.max(np.asarray(lease.maximum_modules, float)))
    if kind.allowed_sites is not None and site.id not in kind.allowed_sites:
        own = [f for _, f in draft.fleet if f.module_type == kind.id and site.id in (f.site, *f.may_move_to)]
        at_hand = sum(f.modules for f in own) + leased[True]
        if at_hand < modules:
            modules, limit = at_hand, f"{at_hand:g} modules that stand, move or are leased there, none to be ordered"
    modules += leased[False]
    held = np.floor(kind.availability * modules + _POWER_TOLERANCE) if np.isfinite(modules) else np.inf
    return float(held * kind.cards), f"{limit}, {kind.id}"
