"""Regions taken together by the hub that lies nearest, for a smaller case with the same sites, orders and policies."""

from __future__ import annotations

import numpy as np

from planner.case.case import Case
from planner.case.fields import Names
from planner.case.given import SeriesRule
from planner.case.network import coordinates, great_circle_km
from planner.case.sites import Region


def nearest_hub(case: Case) -> dict[str, str]:
    """Region id -> hub of the nearest site that has one. Regions or sites without coordinates stay by themselves."""
    hubs = [s for s in case.sites if s.hub and s.lat is not None and s.lon is not None]
    if not hubs:
        return {r.id: r.id for r in case.regions}
    km = great_circle_km(coordinates(case.regions), coordinates(hubs))
    return {
        region.id: region.id if np.isnan(row).any() else hubs[int(row.argmin())].hub
        for region, row in zip(case.regions, km, strict=True)
    }


def grouped_by_hub(case: Case) -> tuple[Case, dict[str, str]]:
    """The case with one region a hub, and which region went where.

    A group lies at the mean of its members' coordinates; the case's history mapping adds up its members' series. Only
    for cases whose regions are told apart by coordinates: given latencies, transfer prices, bandwidths and residency by
    region have no meaning for a group and raise ValueError.
    """
    network = case.network
    by_region = [network.latency_ms, network.transfer_cost_per_gb, network.bandwidth_gbps]
    if any(by_region) or any(w.residency for w in case.workloads) or case.demand is not None:
        raise ValueError("found latency, price, bandwidth, residency or demand by region; allowed: coordinates only")
    group = nearest_hub(case)
    regions = []
    for name in dict.fromkeys(group.values()):
        members = [r for r in case.regions if group[r.id] == name]
        lat = [r.lat for r in members if r.lat is not None]
        lon = [r.lon for r in members if r.lon is not None]
        listed_en, listed_zh = (", ".join(r.names.text(x) for r in members) for x in ("en", "zh"))
        names = Names(en=f"{name}: {listed_en}", zh=f"{name}：{listed_zh}")
        middle = (float(np.mean(lat)), float(np.mean(lon))) if lat and lon else (None, None)
        regions.append(Region(id=name, names=names, lat=middle[0], lon=middle[1]))
    sources = [s for s in case.meta.sources if not s.path.startswith("/regions/")]
    meta = case.meta.model_copy(update={"sources": sources})
    rules = [
        SeriesRule(series=f"{r.id}/{w.id}", workload=w.id, region=group[r.id], scale=1.0)
        for r in case.regions
        for w in case.workloads
    ]
    grouped = case.model_copy(update={"regions": regions, "meta": meta, "history_mapping": rules})
    return Case.model_validate(grouped.model_dump(mode="json")), group
