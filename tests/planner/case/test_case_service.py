"""A workload stated as a service or a job: throughput and headroom are derived, marked, and can be overridden."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from planner.case import Case
from planner.case.file import CaseError, case_from, case_hash, dump_case, merge_patch
from planner.case.sources import source_of
from planner.planning import make_plan
from planner.solve.limits import Limits

Small = Callable[..., dict[str, Any]]
SERVICE = {
    "model": "Llama-3.1-70B",
    "input_tokens": {"mean": 2048, "cv": 0.2},
    "output_tokens": 256,
    "ttft_ms": 1500.0,
    "tpot_ms": 45.0,
    "engine": "vllm",
    "pool_cards": 64,
}


def stated(small: Small, service: dict[str, Any] = SERVICE, **changes: Any) -> dict[str, Any]:
    """The small case with types a (H200) and b (B200), its chat stated as a service."""
    document = small()
    document["module_types"][0]["accelerator"] = "H200 SXM"
    document["module_types"][1]["accelerator"] = "b200"
    chat = document["workloads"][0]
    del chat["throughput"], chat["max_utilisation"]
    chat |= {"service": copy.deepcopy(service)} | changes
    return document


def chat(case: Case) -> Any:
    return case.workloads[0]


def test_throughput_and_headroom_are_derived_and_marked(small: Small) -> None:
    case = case_from(stated(small))
    w = chat(case)
    assert set(w.throughput) == {"a", "b"}
    assert 1.3 < w.throughput["b"] / w.throughput["a"] < 3.0
    assert w.unit == "requests/s"
    derived = w.service.derived
    assert w.max_utilisation == derived.max_utilisation == min(r.safe_share for r in derived.throughput.values())
    assert 0.5 < w.max_utilisation < 1
    source = source_of(case.meta.sources, "/workloads/0/throughput/a")
    assert source is not None
    assert source.mark == "C"
    assert "median error 13%" in source.source


def test_the_stored_case_derives_nothing_again_and_keeps_its_hash(small: Small) -> None:
    case = case_from(stated(small))
    again = case_from(dump_case(case))
    assert dump_case(again) == dump_case(case)
    assert case_hash(again) == case_hash(case)


def test_a_changed_statement_is_derived_again_and_own_numbers_stand(small: Small) -> None:
    case = case_from(stated(small))
    document = dump_case(case)
    document["workloads"][0]["throughput"]["a"] = 0.05
    document["workloads"][0]["service"]["output_tokens"] = {"mean": 512.0, "cv": 0.0}
    new = chat(case_from(document))
    assert new.throughput["a"] == 0.05
    assert new.throughput["b"] < 0.85 * chat(case).throughput["b"]
    assert new.max_utilisation == new.service.derived.max_utilisation
    own = chat(case_from(stated(small, max_utilisation=0.5, throughput={"b": 0.3})))
    assert (own.max_utilisation, own.throughput["b"]) == (0.5, 0.3)
    assert own.throughput["a"] == chat(case).throughput["a"]


def test_larger_pools_run_hotter_where_no_size_is_stated(small: Small) -> None:
    service = {k: v for k, v in SERVICE.items() if k != "pool_cards"} | {"dispersion": 2.0}
    case = case_from(stated(small, service))
    w = chat(case)
    fixed = chat(case_from(stated(small, SERVICE | {"dispersion": 2.0})))
    assert w.max_utilisation < fixed.max_utilisation  # one replica carries less than a pool of 64 cards
    assert set(w.large_pools) == {"a", "b"}
    for kind, pool in w.large_pools.items():
        assert w.max_utilisation < pool.utilisation <= 1
        at_64 = pool.utilisation * (1 - pool.spare_cards / 64)
        assert at_64 == pytest.approx(fixed.service.derived.throughput[kind].safe_share, rel=0.05)
    assert source_of(case.meta.sources, "/workloads/0/large_pools/a") is not None
    again = dump_case(case)
    assert dump_case(case_from(again)) == again
    again["workloads"][0]["large_pools"]["a"]["spare_cards"] = 99.0
    again["workloads"][0]["service"]["ttft_ms"] = 1400.0
    own = chat(case_from(again))
    assert own.large_pools["a"].spare_cards == 99.0
    assert own.service.derived.key != w.service.derived.key
    high = chat(case_from(stated(small, service, max_utilisation=0.995)))
    assert high.max_utilisation == 0.995
    assert high.large_pools == {}  # no pool runs hotter than what the owner states for all


def test_a_number_of_one_s_own_is_not_marked_as_derived(small: Small) -> None:
    case = case_from(stated(small, throughput={"b": 0.3}))
    assert source_of(case.meta.sources, "/workloads/0/throughput/b") is None
    assert source_of(case.meta.sources, "/workloads/0/throughput/a") is not None
    assert source_of(case.meta.sources, "/workloads/0/max_utilisation") is not None


def test_demand_in_tokens_is_the_same_in_another_unit(small: Small) -> None:
    tokens = chat(case_from(stated(small, SERVICE | {"demand": "output_tokens_per_s"})))
    requests = chat(case_from(stated(small)))
    assert tokens.unit == "output tokens/s"
    assert tokens.throughput["a"] == pytest.approx(256 * requests.throughput["a"], rel=1e-3)


def test_network_and_first_token_share_one_budget(small: Small) -> None:
    """With latency_ms of 20 a promise of 15 cannot be; a far site leaves less, never more."""
    with pytest.raises(CaseError) as caught:
        case_from(stated(small, SERVICE | {"ttft_ms": 15.0}))
    fault = next(f for f in caught.value.faults if "ttft_ms" in f.where)
    assert fault.where == "/workloads/0/service/ttft_ms"
    assert "of which the network may take 20" in fault.found
    near = chat(case_from(stated(small, SERVICE | {"ttft_ms": 420.0})))
    document = stated(small, SERVICE | {"ttft_ms": 420.0}, latency_ms=250)
    far = chat(case_from(document))
    assert far.throughput["a"] * far.max_utilisation <= near.throughput["a"] * near.max_utilisation


def test_types_that_are_not_known_or_will_not_do_are_left_out_with_the_reason(small: Small) -> None:
    document = stated(small)
    document["module_types"][0]["accelerator"] = "昇腾 910B"
    w = chat(case_from(document))
    assert set(w.throughput) == {"b"}
    assert w.service.derived.refused["a"] == "tb_per_s, link_gb_per_s of 昇腾 910B not known"
    document["module_types"][1]["accelerator"] = "a card of our own"
    with pytest.raises(CaseError) as caught:
        case_from(document)
    assert any(f.kind == "nothing_can_run" for f in caught.value.faults)
    document["workloads"][0]["service"]["cards"] = {"b": "b200"}
    assert set(chat(case_from(document)).throughput) == {"b"}


def test_every_fault_of_a_statement(small: Small) -> None:
    document = stated(small, SERVICE | {"model": "Llama-9", "cache_hit": 0.2})
    document["sites"][0]["power_mw"] = "nine"
    with pytest.raises(CaseError) as caught:
        case_from(document)
    assert {"/workloads/0/service/model", "/sites/0/power_mw"} <= {f.where for f in caught.value.faults}
    wrong = stated(small, SERVICE | {"cache_hit": 1.5, "speed": 3})
    with pytest.raises(CaseError) as caught:
        case_from(wrong)
    assert {"/workloads/0/service/cache_hit", "/workloads/0/service/speed"} <= {f.where for f in caught.value.faults}
    misplaced = small(workloads__2__service=SERVICE)
    with pytest.raises(CaseError, match="service belongs to online and deferrable work"):
        case_from(misplaced)


def test_a_training_job_gives_tokens_a_second_and_card(small: Small) -> None:
    document = small()
    document["module_types"][0]["accelerator"] = "h800"
    document["module_types"][1]["accelerator"] = "海光 K100-AI"
    train = document["workloads"][2]
    del train["throughput"]
    train["job"] = {"parameters": 70.0, "tokens": 2000.0}
    w = case_from(document).workloads[2]
    assert w.throughput == {"a": pytest.approx(989e12 * 0.45 / (6 * 70e9), rel=1e-3)}
    assert w.unit == "tokens/s"
    assert "not known" in w.job.derived.refused["b"]
    train["job"]["mfu"] = 0.3
    assert set(case_from(document).workloads[2].throughput) == {"a", "b"}


def test_a_case_without_services_stays_as_it_is(small: Small) -> None:
    plain = case_from(small())
    assert plain.workloads[0].service is None
    assert plain.meta.sources == []


def test_the_plan_of_a_stated_service_holds(small: Small) -> None:
    """From the statement to an order list: the derived numbers enter the model as any others, and the plan verifies."""
    document = stated(small)
    del document["workloads"][1:]
    for future in document["demand"]["futures"]:
        future["series"] = [
            s | {"values": [[[40 * x for x in day] for day in period] for period in s["values"]]}
            for s in future["series"]
            if s["workload"] == "chat"
        ]
    case = case_from(merge_patch(document, {}))
    plan = make_plan(case, limits=Limits(seconds=30, gap=0.05))
    w = plan.case.workloads[0]
    placed, busy = plan.tables["placement"]["served"].sum(), plan.tables["load"]
    able = busy["module_type"].map({"a": w.throughput["a"], "b": w.throughput["b"]}) * 128 * w.max_utilisation
    assert placed > 0
    assert (busy["busy"] * able).sum() == pytest.approx(1.1 * placed, rel=1e-6)


@pytest.mark.parametrize(
    "broken",
    [
        {"throughput": [1, 2]},
        {"throughput": "much"},
        {"service": "Llama-3.1-70B"},
        {"service": {"model": 5}},
        {"service": SERVICE | {"input_tokens": "many"}},
        {"service": SERVICE | {"derived": {"throughput": 5}}},
        {"service": SERVICE | {"derived": {"key": "x", "throughput": {"a": {"per_card": -1}}}}},
        {"service": SERVICE | {"cards": ["b200"]}},
        {"service": SERVICE | {"output_tokens": 1e300}},
        {"service": SERVICE | {"tpot_ms": 0.01}},
        {"latency_ms": "near"},
        {"job": {"parameters": 7.0}},
    ],
)
def test_whatever_is_broken_is_told_as_a_fault(small: Small, broken: dict[str, Any]) -> None:
    with pytest.raises(CaseError) as caught:
        case_from(stated(small, **broken))
    assert caught.value.faults
    assert all(f.where.startswith("/workloads/0") for f in caught.value.faults)
