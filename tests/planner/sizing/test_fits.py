"""Memory: what fits on which card, counted from published configurations."""

from __future__ import annotations

import math

import pytest

from planner.sizing import Layout, Load, Precision, fits, most_requests, open_library
from planner.sizing.errors import SizingError
from planner.sizing.memory import kv_bytes, weights_gib
from planner.sizing.serving import Stack, best_layout, curve, layouts, throughput
from planner.sizing.types import Engine, Promise

LIBRARY = open_library()
CHAT = Load(2048, 512)
NEVER_LATE = Promise(math.inf, math.inf)


@pytest.mark.parametrize(
    ("model", "billions", "active"),
    [
        ("Llama-3.1-8B", 8.0, 7.5),
        ("Llama-3.1-70B", 70.6, 69.5),
        ("Qwen3-235B-A22B", 235, 21.5),
        ("DeepSeek-V3", 671, 36.5),
        ("Kimi-K2", 1026, 31.5),
        ("gpt-oss-120b", 116.8, 5.1),
        ("GLM-5", 743, 40),
    ],
)
def test_counted_parameters_are_the_published_ones(model: str, billions: float, active: float) -> None:
    found = LIBRARY.model(model)
    assert found.total_params == pytest.approx(billions, rel=0.01)
    assert found.active_params == pytest.approx(active, rel=0.03)


@pytest.mark.parametrize(
    ("model", "weights", "card", "cards"),
    [
        # (model, precision, card, fewest cards in powers of two)
        ("Llama-3.1-8B", "bf16", "h100", 1),
        ("Llama-3.1-70B", "bf16", "h100", 4),
        ("Llama-3.1-70B", "bf16", "h200", 2),
        ("Llama-3.1-70B", "bf16", "b200", 1),
        ("Llama-3.1-70B", "fp8", "h100", 2),
        ("Llama-3.1-70B", "fp8", "h200", 1),
        ("Qwen3-235B-A22B", "fp8", "h100", 4),
        ("Qwen3-235B-A22B", "fp8", "h200", 2),
        ("Qwen3-235B-A22B", "fp8", "b200", 2),
        ("Qwen3-235B-A22B", "bf16", "h100", 8),
        ("Qwen3-235B-A22B", "bf16", "h200", 4),
        ("DeepSeek-V3", "fp8", "h100", None),
        ("DeepSeek-V3", "fp8", "h200", 8),
        ("DeepSeek-V3", "fp8", "b200", 4),
        ("DeepSeek-V3", "fp4", "b200", 4),
        ("DeepSeek-V3", "bf16", "h200", None),
    ],
)
def test_the_known_limits_of_80_141_and_180_gb(model: str, weights: str, card: str, cards: int | None) -> None:
    """With 16 requests of 2,048 + 512 tokens under way in one node of eight."""
    m, c = LIBRARY.model(model), LIBRARY.card(card)
    load = Load(2048, 512, concurrency=16)
    good = [n for n in (1, 2, 4, 8) if fits(m, c, Layout(n), Precision.of(weights), load)]  # type: ignore[arg-type]
    assert (good[0] if good else None) == cards


def test_weights_are_cut_over_tensor_parallel_cards_and_stand_again_for_every_data_parallel_rank() -> None:
    m = LIBRARY.model("DeepSeek-V3")
    tensor, data = (weights_gib(m, Precision(), x) for x in (Layout(8), Layout(1, 8)))
    shared = m.attention_params + m.dense_params + 4 * m.head_params
    assert data - tensor == pytest.approx(shared * 7 / 8 * 1e9 / 2**30)


def test_keys_and_values_are_cut_no_further_than_there_are_heads() -> None:
    qwen, mla = LIBRARY.model("Qwen3.5-397B-A17B"), LIBRARY.model("DeepSeek-V3")
    assert kv_bytes(mla, Precision(), Layout(8), 1000) == kv_bytes(mla, Precision(), Layout(1), 1000) == 61 * 576 * 1000
    state = 4 * qwen.attention.state_values
    assert kv_bytes(qwen, Precision(), Layout(8), 1000) == pytest.approx(15 * 1024 * 1000 / 2 + state / 8)


def test_a_window_bounds_what_its_layers_keep() -> None:
    m = LIBRARY.model("gpt-oss-120b")
    each = [kv_bytes(m, Precision(), Layout(1), n) for n in (1000, 2000)]
    assert each[1] - each[0] == 18 * 1000 * 1024


@pytest.mark.parametrize("model", sorted(LIBRARY.models))
@pytest.mark.parametrize("card", [c for c in sorted(LIBRARY.cards) if not LIBRARY.cards[c].missing()])
def test_never_a_layout_or_a_point_that_does_not_fit(model: str, card: str) -> None:
    m, c = LIBRARY.model(model), LIBRARY.card(card)
    for weights in ("bf16", "fp8", "fp4"):
        precision = Precision.of(weights)  # type: ignore[arg-type]
        able = [x for x in layouts(m, c) if fits(m, c, x, precision, CHAT)]
        if not able:
            with pytest.raises(SizingError):
                best_layout(m, c, NEVER_LATE, CHAT, precision)
            continue
        stack, served = best_layout(m, c, NEVER_LATE, CHAT, precision)
        assert stack.layout in able
        need = (
            weights_gib(m, precision, stack.layout)
            + served.concurrency
            / stack.layout.data
            * kv_bytes(m, precision, stack.layout, CHAT.input_tokens + CHAT.output_tokens / 2)
            / 2**30
        )
        assert need <= 0.9 * (c.memory_gib or 0)
        for point in curve(stack, CHAT, 5):
            assert point.concurrency <= most_requests(m, c, stack.layout, precision, CHAT)


def test_what_does_not_fit_is_refused_with_what_is_missing() -> None:
    stack = Stack(LIBRARY.model("DeepSeek-V3"), LIBRARY.card("h100"), Layout(8), Precision(), Engine())
    with pytest.raises(ValueError, match=r"weights take 7\d+|weights take \d+ GiB a card, 69 GiB are free"):
        throughput(stack, CHAT)


def test_a_card_without_a_sourced_bandwidth_gives_not_known() -> None:
    stack = Stack(LIBRARY.model("Llama-3.1-8B"), LIBRARY.card("昇腾 910B"), Layout(1), Precision.of("bf16"))
    with pytest.raises(ValueError, match=r"tb_per_s, link_gb_per_s not known"):
        throughput(stack, CHAT)
