"""What would this model need here: the question, the answer, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.sizing import Engine, Load, Promise, open_library
from planner.sizing.errors import SizingError
from planner.sizing.headroom import latency
from planner.sizing.need import Need, Question, Refused, needs
from planner.sizing.replica import replica_of

LIBRARY = open_library()
ASKED = Question(
    LIBRARY.model("Llama-3.1-70B"),
    Load(2048, 256),
    Promise(2500, 45),
    12.0,
    engine=Engine("vllm"),
    price_per_card_hour={"h200": 20.0},
)


def answer(question: Question, *cards: str) -> Need:
    found = needs(question, LIBRARY, cards)[0]
    assert isinstance(found, Need)
    return found


def test_the_answer_keeps_the_promise_and_one_replica_less_does_not() -> None:
    found = answer(ASKED, "h200")
    assert found.latency.ttft_ms <= 2500
    assert found.latency.tpot_ms <= 45
    assert found.cards == found.replicas * found.stack.layout.cards
    if found.replicas > 1:
        fewer = latency(replica_of(found.stack, ASKED.load), found.replicas - 1, 12.0, 99)
        assert fewer is None or fewer.ttft_ms > 2500 or fewer.tpot_ms > 45


def test_cost_and_energy_counted_by_hand() -> None:
    found = answer(replace(ASKED, pue=1.25), "h200")
    assert found.cost_per_million_tokens == pytest.approx(20 * found.cards / (12 * 256 * 3600) * 1e6)
    assert found.kwh_per_thousand_requests == pytest.approx(0.7 * 1.25 * found.cards * (1000 / 12) / 3600)
    assert answer(ASKED, "b200").cost_per_million_tokens is None


def test_cards_by_the_error_and_none_where_it_is_not_known() -> None:
    found = answer(ASKED, "h200")
    assert found.error is not None
    assert found.cards_low is not None
    assert found.cards_low <= found.cards <= (found.cards_high or 0)
    ascend = answer(ASKED, "ascend-910c")
    assert (ascend.error, ascend.cards_low, ascend.kwh_per_thousand_requests) == (None, None, None)


def test_more_demand_more_cards_and_the_way_there_takes_from_the_first_token() -> None:
    assert answer(replace(ASKED, requests_per_s=48.0), "h200").cards > answer(ASKED, "h200").cards
    near = replace(ASKED, promise=Promise(400, 45))
    far = replace(near, network_ms=200.0)
    assert answer(far, "h200").latency.ttft_ms <= 200
    assert answer(far, "h200").cards >= answer(near, "h200").cards


def test_cards_are_sorted_and_refusals_say_why() -> None:
    found = needs(ASKED, LIBRARY, ["k100-ai", "h200", "b200"])
    assert [type(one) for one in found] == [Need, Need, Refused]
    assert isinstance(found[2], Refused)
    assert "tb_per_s, link_gb_per_s not known" in found[2].reason
    deep = needs(replace(ASKED, model=LIBRARY.model("DeepSeek-V3")), LIBRARY, ["h100"])[0]
    assert isinstance(deep, Refused)
    assert "TP8: weights take" in deep.reason


def test_every_fault_of_a_question_at_once() -> None:
    wrong = replace(ASKED, load=Load(0, 256, cache_hit=1.0), requests_per_s=-1, pue=0.5, network_ms=3000)
    with pytest.raises(SizingError) as caught:
        needs(wrong, LIBRARY, ["h200"])
    assert [p.where for p in caught.value.faults] == [
        "input_tokens",
        "requests_per_s",
        "cache_hit",
        "pue",
        "network_ms",
    ]
