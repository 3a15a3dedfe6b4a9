"""Times and rates: physics that must hold whatever the fitted numbers are, and hand-counted work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.sizing import Engine, Layout, Load, Precision, Stack, curve, open_library, prefill_ms, step_ms, throughput
from planner.sizing.facts import NAMES, fitted
from planner.sizing.roofline import Scale, step_parts
from planner.sizing.serving import benchmark_times, best_layout, most_within, steady_times
from planner.sizing.types import Promise
from planner.sizing.work import work_of

LIBRARY = open_library()
LLAMA, DEEPSEEK, OSS = (LIBRARY.model(m) for m in ("Llama-3.1-70B", "DeepSeek-V3", "gpt-oss-120b"))
H200, B200, H100 = (LIBRARY.card(c) for c in ("h200", "b200", "h100"))
FP8 = Precision.of("fp8")
VLLM = Engine("vllm")


def stack(**changes: object) -> Stack:
    return replace(Stack(LLAMA, H200, Layout(4), FP8, VLLM), **changes)  # type: ignore[arg-type]


def test_the_work_of_a_step_counted_by_hand() -> None:
    load = Load(1000, 200, concurrency=10)
    work = work_of(LLAMA, H200, Layout(4), FP8, VLLM, load)
    assert work.dense_stream == pytest.approx((12.0796 + 56.3714 + 2 * 1.0507) / 4 / 4.8, rel=1e-3)
    assert work.kv_stream == pytest.approx(10 * 1100 * 80 * 2048 / 4 * 1e-9 / 4.8)
    assert work.link == pytest.approx(2 * 80 * (2 * 3 / 4) * 10 * 8192 * 2 / 450e9 * 1e3)
    assert work.prefill_dense == pytest.approx(2 * (12.0796 + 56.3714) * 1000 / 4 / 1.979e6 * 1e3, rel=1e-3)
    assert work.prefill_attention == pytest.approx(4 * 64 * 128 * 80 * 1000 * 500 / 4 / 0.989e15 * 1e3)
    moe = work_of(DEEPSEEK, H200, Layout(8), FP8, VLLM, load)
    assert moe.expert_stream == pytest.approx(653.909 * (1 - (1 - 8 / 256) ** 10) / 8 / 4.8, rel=1e-4)


def test_no_fact_is_beyond_its_peak_and_each_has_an_error() -> None:
    found = fitted()
    for name in ("dense", "expert", "kv", "dense_compute", "expert_compute", "link", "prefill_dense", "prefill_expert"):
        assert 0 < getattr(found.facts, name) <= 1
    assert set(found.relative_error) == set(NAMES)
    assert all(0 < error < 1 for error in found.relative_error.values())
    assert found.mark == "C"


def test_a_step_is_never_faster_than_streaming_at_the_full_bandwidth() -> None:
    for engine in ("trtllm", "vllm", "sglang", None):
        for n in (2, 4, 8):
            load = Load(1024, 1024, 1)
            floor = (LLAMA.total_params - LLAMA.head_params) / n / 4.8
            assert step_ms(LLAMA, H200, Layout(n), load, FP8, Engine(engine, 0.0)) > floor


def test_more_requests_more_tokens_longer_steps_and_longer_first_tokens() -> None:
    points = curve(stack(), Load(2048, 512))
    assert [p.concurrency for p in points] == sorted({p.concurrency for p in points})
    assert all(np.diff([p.tpot_ms for p in points]) > 0)
    assert all(np.diff([p.output_tokens_per_s for p in points]) > 0)
    assert points[0].output_tokens_per_s * 4 == pytest.approx(
        512 / (points[0].ttft_ms + 511 * points[0].tpot_ms) * 1000
    )


def test_what_binds() -> None:
    assert throughput(stack(layout=Layout(1)), Load(8192, 1024, 4)).binds == "bandwidth"
    assert throughput(stack(layout=Layout(1)), Load(8192, 1024, 42)).binds == "memory"
    assert throughput(stack(), Load(16000, 16, 8)).binds == "compute"
    assert throughput(Stack(OSS, B200, Layout(8), Precision.of("fp4"), VLLM), Load(128, 128, 1)).binds == "overhead"


def test_a_cache_hit_spares_prefill_and_not_memory() -> None:
    cold, warm = Load(8192, 256, 16), Load(8192, 256, 16, cache_hit=0.9)
    assert prefill_ms(LLAMA, H200, Layout(4), warm, FP8, VLLM) < 0.25 * prefill_ms(
        LLAMA, H200, Layout(4), cold, FP8, VLLM
    )
    assert step_ms(LLAMA, H200, Layout(4), warm, FP8, VLLM) == step_ms(LLAMA, H200, Layout(4), cold, FP8, VLLM)


def test_weights_in_a_precision_the_card_has_no_units_for_are_multiplied_in_bf16() -> None:
    fp4 = Precision.of("fp4")
    hopper, blackwell = (work_of(LLAMA, c, Layout(4), fp4, VLLM, Load(1024, 1024, 8)) for c in (H200, B200))
    assert hopper.prefill_dense / blackwell.prefill_dense == pytest.approx(9.0 / 0.989)
    assert hopper.dense_stream / blackwell.dense_stream == pytest.approx(7.7 / 4.8)


def test_engines_get_faster_and_accepted_drafts_shorten_the_time_a_token() -> None:
    now, later = (throughput(stack(engine=Engine("vllm", y)), Load(1024, 1024, 16)) for y in (0.25, 1.25))
    assert later.tpot_ms / now.tpot_ms == pytest.approx(np.exp(-fitted().facts.gain))
    drafted = throughput(stack(engine=Engine("vllm", 0.25, accepted=2.0)), Load(1024, 8192, 4))
    plain = throughput(stack(), Load(1024, 8192, 4))
    assert 0.5 < drafted.tpot_ms / plain.tpot_ms < 0.56


def test_beyond_the_memory_a_closed_benchmark_waits_outside() -> None:
    work = stack().work(Load(1024, 1024, 32))
    facts = fitted().facts
    inside, tpot = benchmark_times(work, 32.0, facts)
    outside, same = benchmark_times(work, 96.0, facts)
    assert same == tpot
    assert outside == pytest.approx(inside + 2 * (1024 * tpot + inside))


def test_the_best_layout_keeps_the_promise_and_a_tighter_one_takes_more_cards_a_replica() -> None:
    load = Load(2048, 512)
    loose, slack = best_layout(LLAMA, H200, Promise(2000, 80), load, FP8, VLLM)
    tight, served = best_layout(LLAMA, H200, Promise(600, 12), load, FP8, VLLM)
    assert slack.ttft_ms <= 2000
    assert slack.tpot_ms <= 80
    assert served.ttft_ms <= 600
    assert served.tpot_ms <= 12
    assert tight.layout.cards > loose.layout.cards
    assert served.requests_per_s < slack.requests_per_s
    again = most_within(tight, load, Promise(600, 12))
    assert again == served
    late = steady_times(tight, load.at(served.concurrency + 1))
    assert late[0] > 600 or late[1] > 12


def test_a_promise_that_nothing_keeps_is_refused_with_every_layout_s_reason() -> None:
    with pytest.raises(ValueError, match=r"TP1: weights take \d+ GiB.*TP8: a single request has TTFT \d+ ms"):
        best_layout(LLAMA, H100, Promise(10, 1), Load(8192, 512), Precision.of("bf16"), VLLM)


def test_errors_are_those_measured_and_not_known_where_nothing_was() -> None:
    errors = fitted().errors
    assert throughput(stack(), Load(1024, 128, 4)).error == errors.tokens
    h20 = throughput(stack(card=LIBRARY.card("h20")), Load(1024, 128, 4))
    assert h20.error == errors.other_card
    ascend = Stack(LLAMA, LIBRARY.card("ascend-910c"), Layout(8), Precision.of("bf16"))
    assert throughput(ascend, Load(1024, 128, 4)).error is None


def test_scales_move_their_own_part_only() -> None:
    work = stack().work(Load(1024, 1024, 8))
    base, moved = (step_parts(work, fitted().facts, s) for s in (Scale(), Scale(kv=2.0)))
    assert moved.total - base.total == pytest.approx(base.kv)
    assert moved.weights == base.weights
