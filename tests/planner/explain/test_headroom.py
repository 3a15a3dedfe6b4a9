"""Until when what stands lasts, against a case worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.case.file import case_from
from planner.explain.headroom import Headroom, headroom
from planner.planning import make_plan
from planner.report.questions import answer_tables
from planner.solve import Limits
from planner.words.wording import wording

LIMITS = Limits(seconds=30, gap=1e-4, threads=1, route="one_piece")
CHAT, BATCH, MODULES = (4, 5, 6, 7), 4, 10


def case(*, campaign: bool = False) -> dict[str, Any]:
    """Ten modules of one unit each; chat grows, half as much again in the future of 0.4."""
    made: dict[str, Any] = {
        "meta": {"name": "standing", "as_of": "2026-11-01"},
        "horizon": {"start": "2027-01-01", "periods": 4},
        "regions": [{"id": "r", "names": {"en": "Region"}}],
        "sites": [
            {
                "id": "s", "names": {"en": "Site"}, "power_mw": 9.0,
                "phases": [{"mw": 1, "capex": 5, "lead_periods": 1}],
            },
        ],
        "module_types": [
            {
                "id": "m", "names": {"en": "M"}, "cards": 8, "peak_pflops": 1, "power_peak_kw": 1, "capex": 10,
                "supply": 50,
            },
        ],
        "fleet": [{"site": "s", "module_type": "m", "modules": MODULES}],
        "workloads": [
            {
                "id": name, "names": {"en": name.title()}, "latency_ms": 50, "throughput": {"m": 1 / 8},
                "shortfall_cost": price, "minimum_service": floor,
            }
            for name, price, floor in (("chat", 100, 0.9), ("batch", 1, 0.0))
        ],
        "network": {"latency_ms": {"r": {"s": 1}}},
        "policy": {"build_ahead": {"minimum": 1.5}},
        "demand": {
            "days": [{"id": "day", "weight_days": 91}],
            "futures": [
                {
                    "id": name, "probability": share,
                    "series": [
                        {"region": "r", "workload": "chat", "values": [[[v * up] * 24] for v in CHAT]},
                        {"region": "r", "workload": "batch", "values": BATCH},
                    ],
                }
                for name, share, up in (("low", 0.6, 1.0), ("high", 0.4, 1.5))
            ],
        },
    }  # fmt: skip
    if campaign:
        made["campaigns"] = [
            {
                "id": "big", "names": {"en": "Big"}, "gang_cards": 32, "card_days": 32 * 60, "due": 1,
                "speed": {"m": 1.0},
            }
        ]  # fmt: skip
    return made


def asked(*, campaign: bool = False) -> Headroom:
    return headroom(make_plan(case_from(case(campaign=campaign)), limits=LIMITS), limits=LIMITS)


def test_every_workload_lasts_until_the_first_period_that_does_not_hold_it() -> None:
    found = asked()
    # low: 8, 9, 10, 11 of 10; high: 10, 11.5, 13, 14.5, of which chat alone 10.5 in the last period
    rows = found.rows.set_index("workload")
    assert list(rows.loc["batch", ["earliest", "middle", "latest"]]) == [1, 3, 3]
    assert list(rows.loc["chat", ["earliest", "middle", "latest"]]) == [3, 4, 4]
    assert not len(found.plan.tables["purchases"])
    central = found.plan.demand.central.values[:, :, :, 0].sum(axis=(0, 1)).max(axis=-1)
    np.testing.assert_allclose(found.multiples, MODULES / central, rtol=1e-5)
    english, chinese = (found.sentences(wording(tag))[0] for tag in ("en", "zh"))
    for date in ("2027-04-01", "2027-10-01"):
        assert date in english
        assert date in chinese
    (table,) = answer_tables("headroom", found.to_json(), found.plan.case, wording("en"))
    assert table.rows[0][-1] == "not within the horizon"  # chat, in the latest future
    assert found.to_json()["lasts_until"][0]["latest"] is None


def test_a_campaign_that_must_be_finished_comes_first() -> None:
    """Four of ten modules are its own until it is done: what is left holds less than the first period asks."""
    rows = asked(campaign=True).rows.set_index("workload")
    assert rows.loc["batch", "earliest"] == 0
