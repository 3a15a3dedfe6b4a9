"""A pool of replicas simulated step by step: for lengths that differ much, and as a check of headroom.py.

Every rank works in steps as continuous-batching engines do: it takes the first prompt that waits, if a place is free,
and works it off within the step; every request under way gets one token at the step's end. Requests go to the rank
with the fewest prompts waiting, then the fewest under way. Lengths are log-normal; prefills grow with the prompt.
Nothing of the queueing formulas enters; step times are the replica's.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray
from planner.sizing.replica import Latency, Replica

REQUESTS = 30_000
SEED = 20261128


@dataclass(frozen=True)
class Course:
    """What each simulated request got after a warm-up: time to the first token and mean time a token, ms."""

    ttft_ms: FloatArray
    tpot_ms: FloatArray
    requests_at_once: float


def simulate(
    replica: Replica,
    replicas: int,
    requests_per_s: float,
    percentile: float,
    dispersion: float = 1.0,
    requests: int = REQUESTS,
) -> Latency | None:
    """Percentiles from a simulated course; None where requests pile up. The same seed gives the same course."""
    if requests_per_s >= 0.999 * replicas * replica.most_per_s:
        return None
    course = run(replica, replicas, requests_per_s, dispersion, requests)
    quarter = len(course.ttft_ms) // 4
    early, late = course.ttft_ms[:quarter].mean(), course.ttft_ms[-quarter:].mean()
    if late > 4 * early and late > 1000 * float(replica.life_s(replica.places)):
        return None
    return Latency(
        requests_per_s,
        float(np.quantile(course.ttft_ms, percentile / 100)),
        float(np.quantile(course.tpot_ms, percentile / 100)),
        float(course.tpot_ms.mean()),
        course.requests_at_once,
        requests_per_s / (replicas * replica.most_per_s),
    )


def run(
    replica: Replica, replicas: int, requests_per_s: float, dispersion: float, requests: int, seed: int = SEED
) -> Course:
    """Simulate `requests` requests that come in geometric batches of mean (dispersion + 1)/2."""
    rng = np.random.default_rng(seed)
    batch = (dispersion + 1.0) / 2.0
    sizes = rng.geometric(1.0 / batch, size=requests)
    stamps = np.cumsum(rng.exponential(batch / requests_per_s, size=requests))
    arrivals = np.repeat(stamps, sizes)[:requests]
    outputs = np.maximum(np.round(_lengths(rng, requests, replica.output_cv) * replica.output_tokens), 1)
    prefills = _lengths(rng, requests, replica.input_cv) * replica.prefill_ms / 1000
    pool = _Pool(replica, replicas * replica.ranks, arrivals, outputs, prefills)
    pool.play()
    kept = slice(requests // 5, requests - requests // 10)
    spent = (pool.last - pool.first)[kept]
    ttft = (pool.first - arrivals)[kept] * 1000 + replica.overhead_ms
    tpot = spent / np.maximum(outputs[kept] - 1, 1) * 1000
    alive = float((pool.last - arrivals)[kept].mean()) * requests_per_s
    return Course(ttft, tpot[outputs[kept] > 1], alive)


class _Pool:
    """The state of the simulation: per rank the prompts that wait, the requests under way by their last step."""

    def __init__(
        self, replica: Replica, ranks: int, arrivals: FloatArray, outputs: FloatArray, prefills: FloatArray
    ) -> None:
        self.arrivals, self.outputs, self.prefills = arrivals, outputs, prefills
        self.places = int(replica.places) // replica.ranks
        b = np.arange(self.places + 2) * replica.ranks
        self.step: list[float] = (replica.step(b.astype(float)) / 1000).tolist()
        self.waiting: list[deque[int]] = [deque() for _ in range(ranks)]
        self.ends: list[list[tuple[int, int]]] = [[] for _ in range(ranks)]
        self.steps, self.running, self.idle = [0] * ranks, [0] * ranks, [True] * ranks
        self.current = [-1] * ranks
        self.first, self.last = np.zeros(len(arrivals)), np.zeros(len(arrivals))
        self.events: list[tuple[float, int]] = []

    def play(self) -> None:
        at, stamps = 0, self.arrivals.tolist()
        while at < len(stamps) or self.events:
            if at < len(stamps) and (not self.events or stamps[at] <= self.events[0][0]):
                rank = min(range(len(self.waiting)), key=self._crowd)
                self.waiting[rank].append(at)
                if self.idle[rank]:
                    self._begin(rank, stamps[at])
                at += 1
            else:
                now, rank = heapq.heappop(self.events)
                self._end(rank, now)
                self._begin(rank, now)

    def _crowd(self, rank: int) -> tuple[int, int]:
        return len(self.waiting[rank]) + (self.current[rank] >= 0), self.running[rank]

    def _begin(self, rank: int, now: float) -> None:
        taken = self.waiting[rank].popleft() if self.waiting[rank] and self.running[rank] < self.places else -1
        self.idle[rank] = taken < 0 and self.running[rank] == 0
        self.current[rank] = taken
        if not self.idle[rank]:
            length = self.step[self.running[rank] + (taken >= 0)] + (self.prefills[taken] if taken >= 0 else 0.0)
            heapq.heappush(self.events, (now + length, rank))

    def _end(self, rank: int, now: float) -> None:
        self.steps[rank] += 1
        ends = self.ends[rank]
        while ends and ends[0][0] <= self.steps[rank]:
            self.last[heapq.heappop(ends)[1]] = now
            self.running[rank] -= 1
        done, self.current[rank] = self.current[rank], -1
        if done >= 0:
            self.first[done] = self.last[done] = now
            if self.outputs[done] > 1:
                heapq.heappush(ends, (self.steps[rank] + int(self.outputs[done]) - 1, done))
                self.running[rank] += 1


def _lengths(rng: np.random.Generator, count: int, cv: float) -> FloatArray:
    """Log-normal lengths of mean 1 and the coefficient of variation cv."""
    if cv <= 0:
        return np.ones(count)
    sigma = np.sqrt(np.log1p(cv**2))
    return np.asarray(rng.lognormal(-(sigma**2) / 2, sigma, size=count), dtype=float)
