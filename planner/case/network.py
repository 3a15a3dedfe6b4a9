"""Latency and transfer price between regions and sites, and which site may serve whom."""

from __future__ import annotations

import numpy as np

from planner.arrays import BoolArray, FloatArray
from planner.case.case import Case
from planner.case.sites import Network, Region, Site
from planner.case.workloads import Workload

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG, 2a/3 + b/3 of GRS 80)."""

_SLACK_MS = 1e-9


def coordinates(places: list[Region] | list[Site]) -> FloatArray:
    """(places, 2) latitude and longitude in degrees; NaN where a place has none."""
    nowhere = float("nan")
    pairs = [(nowhere, nowhere) if p.lat is None or p.lon is None else (p.lat, p.lon) for p in places]
    return np.array(pairs, float).reshape(-1, 2)


def great_circle_km(start: FloatArray, end: FloatArray) -> FloatArray:
    """(starts, ends) distance along the surface in km between (n, 2) latitude/longitude pairs in degrees.

    The haversine formula on a sphere (Sinnott 1984, "Virtues of the Haversine"), exact for near and far points alike;
    the Earth's flattening makes up to 0.6 %. NaN where a coordinate is missing.
    """
    lat_a, lon_a = np.radians(start).T[:, :, None]
    lat_b, lon_b = np.radians(end).T[:, None, :]
    half = np.sin((lat_b - lat_a) / 2) ** 2 + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0))), float)


def latency_ms(case: Case) -> FloatArray:
    """(regions, sites) latency in ms on the case's own basis (`network.latency_basis`); inf where it is unknown.

    A given value stands as it is. Any other pair takes
    factor x great-circle km x route_factor / km_per_ms + equipment_ms, with factor 1 one way and 2 round trip.
    """
    return latency_between(case.network, case.regions, case.sites)


def latency_between(network: Network, regions: list[Region], sites: list[Site]) -> FloatArray:
    """(regions, sites) the same from the parts of a case that it depends on."""
    factor = 2.0 if network.latency_basis == "round_trip" else 1.0
    km = great_circle_km(coordinates(regions), coordinates(sites))
    out = factor * km * network.route_factor / network.km_per_ms + network.equipment_ms
    out[np.isnan(out)] = np.inf
    _lay_over(network.latency_ms, regions, sites, out)
    return out


def transfer_cost_per_gb(case: Case) -> FloatArray:
    """(regions, sites) price of moving one GB, in the case's currency.

    A given value stands as it is; any other pair takes the first band (by rising `up_to_ms`, an open band last) that
    reaches its latency, a pair beyond every band the last band's price. Without bands it is 0.
    """
    network = case.network
    latency = latency_ms(case)
    out = np.zeros(latency.shape)
    if network.transfer_bands:
        bands = sorted(network.transfer_bands, key=lambda b: np.inf if b.up_to_ms is None else b.up_to_ms)
        edges = np.array([np.inf if b.up_to_ms is None else b.up_to_ms + _SLACK_MS for b in bands])
        price = np.array([b.cost_per_gb for b in bands])
        out = price[np.minimum(np.searchsorted(edges, latency, side="left"), len(bands) - 1)]
    _lay_over(network.transfer_cost_per_gb, case.regions, case.sites, out)
    return out


def allowed_pairs(case: Case) -> BoolArray:
    """(workloads, regions, sites) whether a site may serve a region's demand of a workload.

    All of these must hold, whatever the workload's kind: its latency limit (if it has one) is met; the site is among
    `allowed_sites` (if given); the site is among the sites that `residency` names for the region (if it names any).
    """
    return pairs_within(latency_ms(case), case.workloads, case.regions, case.sites)


def pairs_within(latency: FloatArray, workloads: list[Workload], regions: list[Region], sites: list[Site]) -> BoolArray:
    """(workloads, regions, sites) the same from a (regions, sites) latency in ms and the blocks it depends on."""
    site_index = {site.id: i for i, site in enumerate(sites)}
    out = np.ones((len(workloads), *latency.shape), bool)
    for w, workload in enumerate(workloads):
        if workload.latency_ms is not None:
            out[w] &= latency <= workload.latency_ms + _SLACK_MS
        if workload.allowed_sites is not None:
            out[w] &= _among(workload.allowed_sites, site_index)
        for r, region in enumerate(regions):
            if region.id in workload.residency:
                out[w, r] &= _among(workload.residency[region.id], site_index)
    return out


def _among(names: list[str], index: dict[str, int]) -> BoolArray:
    out = np.zeros(len(index), bool)
    out[[index[name] for name in names if name in index]] = True
    return out


def _lay_over(given: dict[str, dict[str, float]], regions: list[Region], sites: list[Site], out: FloatArray) -> None:
    """Write the given values over `out` in place; names the case does not know are a fault found elsewhere."""
    site_index = {site.id: i for i, site in enumerate(sites)}
    for r, region in enumerate(regions):
        for site, value in given.get(region.id, {}).items():
            if site in site_index:
                out[r, site_index[site]] = value
