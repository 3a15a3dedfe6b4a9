"""Promises on latency: known answers of queues, and percentiles against a simulation that shares no formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.sizing import Engine, Layout, Load, Precision, Promise, Stack, open_library
from planner.sizing.headroom import headroom, headroom_curve, latency, pool_line
from planner.sizing.queueing import equal_services, stationary
from planner.sizing.replica import Replica, replica_of
from planner.sizing.simulation import run, simulate

LIBRARY = open_library()


def pool(model: str, card: str, cards: int, load: Load) -> Replica:
    return replica_of(
        Stack(LIBRARY.model(model), LIBRARY.card(card), Layout(cards), Precision.of("fp8"), Engine("vllm")), load, 64
    )


CHAT = pool("llama-3.1-70b", "h200", 4, Load(1024, 256))
SMALL = pool("llama-3.1-8b", "h100", 1, Load(2048, 128))
DEEP = pool("deepseek-v3", "h200", 8, Load(2048, 256))


def promise(r: Replica) -> Promise:
    return Promise(r.overhead_ms + 4 * (r.prefill_ms + float(r.step(20.0))), float(r.tpot(40.0)))


def test_birth_and_death_is_erlang_where_rates_are_and_exact_where_they_are_not() -> None:
    loss = stationary(20.0, np.arange(1.0, 31.0))
    assert loss[-1] == pytest.approx(0.0084575, abs=5e-8)  # Erlang B of 30 servers and a load of 20
    waiting = stationary(100.0, np.minimum(np.arange(1.0, 3001.0), 110))
    assert waiting[110:].sum() == pytest.approx(0.2370075, abs=5e-8)  # Erlang C of 110 servers and a load of 100
    rates = np.array([1.0, 1.8, 2.4, 2.9])
    by_hand = np.array([1, 1.5, 1.5**2 / 1.8, 1.5**3 / 1.8 / 2.4, 1.5**4 / 1.8 / 2.4 / 2.9])
    assert stationary(1.5, rates) == pytest.approx(by_hand / by_hand.sum())


def test_batches_give_the_dispersion_they_are_meant_to() -> None:
    """With a server for everybody (M^X/M/∞) the number present has variance over mean (1 + I)/2 = the mean batch."""
    shares = stationary(10.0, np.arange(1.0, 400.0), batch=3.0)
    n = np.arange(400)
    mean = shares @ n
    assert mean == pytest.approx(10.0)
    assert shares @ (n - mean) ** 2 / mean == pytest.approx(3.0, rel=1e-6)


def test_waits_before_equal_services_are_those_of_m_d_1() -> None:
    """Erlang 1909: P(W ≤ t) = (1 − ρ) Σ_k (−ρ(t/s − k))^k/k! · e^(ρ(t/s − k)); mean ρs/2(1 − ρ)."""
    for rho in (0.5, 0.8):
        queue = equal_services(rho, 1.0, 1)
        times = np.linspace(0, 60, 30001)
        assert np.trapezoid(queue.late(times), times) == pytest.approx(rho / 2 / (1 - rho), rel=2e-3)
        for t in (0.5, 1.5, 2.0):
            inside = (1 - rho) * sum(
                (-rho * (t - k)) ** k / math.factorial(k) * math.exp(rho * (t - k)) for k in range(int(t) + 1)
            )
            assert float(queue.late(np.array([t]))[0]) == pytest.approx(1 - inside, abs=0.03)
    with pytest.raises(ValueError, match="no long run"):
        equal_services(2.0, 1.0, 2)


@pytest.mark.slow
@pytest.mark.parametrize("replica", [CHAT, SMALL, DEEP], ids=["chat", "small", "deep"])
@pytest.mark.parametrize("replicas", [1, 2, 4, 16])
@pytest.mark.parametrize("dispersion", [1.0, 3.0])
def test_p99_is_that_of_the_simulation_up_to_the_safe_load(replica: Replica, replicas: int, dispersion: float) -> None:
    """Within 10 % for what binds at the safe load, within 15 % for the other."""
    found = headroom(replica, replicas, promise(replica), dispersion)
    if found.latency is None:
        assert (replicas, dispersion) == (1, 3.0), "a single replica cannot take bursts within four prefills"
        return
    for share in (0.8, 1.0):
        rate = share * found.requests_per_s
        told = latency(replica, replicas, rate, 99, dispersion)
        seen = simulate(replica, replicas, rate, 99, dispersion, 40_000 if replicas < 16 else 60_000)
        assert told is not None
        assert seen is not None
        bound = {"ttft": (0.10, 0.15), "tpot": (0.15, 0.10), "capacity": (0.15, 0.15)}[found.binds]
        assert told.ttft_ms == pytest.approx(seen.ttft_ms, rel=bound[0])
        assert told.tpot_ms == pytest.approx(seen.tpot_ms, rel=bound[1])


def test_p99_is_that_of_the_simulation_on_one_pool() -> None:
    told = latency(CHAT, 4, 30.0, 99)
    seen = simulate(CHAT, 4, 30.0, 99)
    assert told is not None
    assert seen is not None
    assert told.ttft_ms == pytest.approx(seen.ttft_ms, rel=0.1)
    assert told.tpot_ms == pytest.approx(seen.tpot_ms, rel=0.1)
    assert told.requests_at_once == pytest.approx(seen.requests_at_once, rel=0.05)


def test_larger_pools_run_hotter_and_spare_grows_as_a_root() -> None:
    curve = headroom_curve(CHAT, (1, 2, 4, 8, 16, 32), promise(CHAT))
    shares = [h.share for h in curve]
    assert all(np.diff(shares) > 0)
    assert shares[-1] - shares[0] > 0.15
    gaps = np.diff(shares)
    assert gaps[-1] < gaps[0]


def test_the_line_of_large_pools_is_under_the_curve_of_all_sizes_and_near_it() -> None:
    """Spare grows as a root: the safe load is convex in the pool, and the line through two sizes is safe for all."""
    line = pool_line(headroom_curve(CHAT, (8, 16), promise(CHAT), precision=0.0025))
    assert line is not None
    share, spare = line
    for h in headroom_curve(CHAT, (1, 2, 4, 8, 16, 32), promise(CHAT), precision=0.0025):
        told, seen = share * (h.replicas - spare), h.share * h.replicas
        assert told <= seen * 1.003
        assert told >= 0.97 * seen or h.replicas < 8
    steps = np.diff([h.share * h.replicas / 1.0 for h in headroom_curve(CHAT, (1, 2, 3), promise(CHAT))])
    assert steps[1] > steps[0]  # two small pools carry less than a large one


def test_tighter_promises_burstier_arrivals_and_longer_prompts_take_load_away() -> None:
    base = headroom(CHAT, 8, promise(CHAT)).requests_per_s
    tight = Promise(promise(CHAT).ttft_ms, 0.8 * promise(CHAT).tpot_ms)
    assert headroom(CHAT, 8, tight).requests_per_s < base
    assert headroom(CHAT, 8, promise(CHAT), dispersion=4.0).requests_per_s < base
    assert headroom(pool("llama-3.1-70b", "h200", 4, Load(4096, 256)), 8, promise(CHAT)).requests_per_s < base


def test_a_promise_no_pool_keeps_says_what_stands_against_it() -> None:
    never = headroom(CHAT, 8, Promise(1.0, 100.0))
    assert (never.requests_per_s, never.binds, never.latency) == (0.0, "ttft", None)
    assert headroom(CHAT, 8, Promise(1e9, 0.5)).binds == "tpot"
    assert headroom(CHAT, 8, Promise(1e9, 1e9)).binds == "capacity"


def test_long_tailed_prompts_are_simulated_and_cost_load() -> None:
    tailed = pool("llama-3.1-8b", "h100", 1, Load(2048, 128, input_cv=1.0, output_cv=1.0))
    kept = Promise(SMALL.overhead_ms + 12 * SMALL.prefill_ms, promise(SMALL).tpot_ms)
    wide = headroom(tailed, 2, kept, precision=0.08)
    even = headroom(SMALL, 2, kept, precision=0.08)
    assert 0 < wide.requests_per_s < 0.9 * even.requests_per_s
    assert simulate(tailed, 4, 20.0, 99) == simulate(tailed, 4, 20.0, 99)


def test_the_simulation_keeps_what_must_be_kept() -> None:
    course = run(SMALL, 2, 20.0, 1.0, 20_000)
    assert course.ttft_ms.min() >= SMALL.overhead_ms + SMALL.prefill_ms
    assert course.tpot_ms.min() >= float(SMALL.step(1.0)) * 0.999
    assert course.requests_at_once == pytest.approx(
        20 * ((course.ttft_ms.mean() - SMALL.overhead_ms) + 127 * course.tpot_ms.mean()) / 1000, rel=0.01
    )
