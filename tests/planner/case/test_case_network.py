"""Latency, transfer prices and allowed pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.case import Case
from planner.case.network import EARTH_RADIUS_KM, allowed_pairs, great_circle_km, latency_ms, transfer_cost_per_gb


def case(network: dict[str, Any] | None = None, **workload: Any) -> Case:
    return Case.model_validate(
        {
            "meta": {"name": "network", "as_of": "2026-11-22"},
            "horizon": {"start": "2027-01-01", "periods": 1},
            "regions": [
                {"id": "bj", "names": "Beijing", "lat": 39.9042, "lon": 116.4074},
                {"id": "sh", "names": "Shanghai", "lat": 31.2304, "lon": 121.4737},
            ],
            "sites": [
                {"id": "zw", "names": "Zhongwei", "lat": 37.6368, "lon": 105.3468, "power_mw": 1},
                {"id": "hl", "names": "Huailai", "lat": 40.3248, "lon": 115.8193, "power_mw": 1},
            ],
            "module_types": [
                {"id": "a", "names": "A", "cards": 8, "peak_pflops": 0.3, "power_peak_kw": 5, "capex": 1e6}
            ],
            "workloads": [{"id": "w", "names": "W", "throughput": {"a": 0.1}, "shortfall_cost": 1, **workload}],
            "network": network or {},
        }
    )


def test_round_trips_are_those_of_the_published_table() -> None:
    # 2 x great circle x 1.5 / 200 km per ms
    assert latency_ms(case()) == pytest.approx(np.array([[14.9, 1.0], [24.6, 17.0]]), abs=0.05)


def test_one_way_is_half_and_equipment_comes_on_top() -> None:
    round_trip = latency_ms(case())
    one_way = latency_ms(case({"latency_basis": "one_way", "equipment_ms": 2}))
    assert one_way == pytest.approx(round_trip / 2 + 2)


def test_a_quarter_and_half_of_the_globe() -> None:
    km = great_circle_km(np.array([[0.0, 0.0]]), np.array([[0.0, 90.0], [0.0, 180.0], [90.0, 7.0], [0.0, 0.0]]))
    assert km[0] / (np.pi * EARTH_RADIUS_KM) == pytest.approx([0.5, 1.0, 0.5, 0.0])


places = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(places, places, places)
def test_distance_is_a_distance(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> None:
    km = great_circle_km(np.array([a, b, c]), np.array([a, b, c]))
    assert km == pytest.approx(km.T, abs=1e-3)
    assert np.diag(km) == pytest.approx(0, abs=1e-3)
    assert km[0, 2] <= km[0, 1] + km[1, 2] + 1e-3


def test_given_latency_stands_and_decides_who_may_serve() -> None:
    network = {"latency_ms": {"sh": {"zw": 9}}}
    assert latency_ms(case(network))[1, 0] == 9
    assert allowed_pairs(case(network, latency_ms=16))[0].tolist() == [[True, True], [True, False]]
    assert allowed_pairs(case(network, latency_ms=9))[0].tolist() == [[False, True], [True, False]]


def test_residency_and_allowed_sites_cut_pairs() -> None:
    assert allowed_pairs(case(residency={"bj": ["hl"]}))[0].tolist() == [[False, True], [True, True]]
    assert allowed_pairs(case(allowed_sites=["zw"]))[0].tolist() == [[True, False], [True, False]]


def test_transfer_bands_by_latency_and_given_prices() -> None:
    bands = [{"cost_per_gb": 3}, {"up_to_ms": 5, "cost_per_gb": 1}, {"up_to_ms": 17, "cost_per_gb": 2}]
    network: dict[str, Any] = {"transfer_bands": bands, "latency_ms": {"sh": {"hl": 17}}}
    assert transfer_cost_per_gb(case(network)).tolist() == [[2, 1], [3, 2]]
    network |= {"transfer_cost_per_gb": {"bj": {"hl": 0.5}}, "transfer_bands": bands[1:]}
    assert transfer_cost_per_gb(case(network)).tolist() == [[2, 0.5], [2, 2]]  # beyond every band: the last one
    assert not transfer_cost_per_gb(case()).any()
