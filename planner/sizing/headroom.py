"""How much load a pool of replicas can take so that a percentile of first tokens and of token times is kept.

The pool of c replicas is seen on two time scales.
1. Slowly, the number n of requests under way moves as birth and death: arrivals against n ÷ S(n/c) completions, S being
   a request's time at n/c requests a replica; at most B a replica (memory), the rest waits for a place. Processor
   sharing with state-dependent rates is insensitive to the distribution of lengths (Kelly 1979).
2. Quickly, given n, a new request waits for the prefills ahead: M^X/D/c with c · ranks servers, each taking one prefill
   and one step at a time.
First token = place + prefills ahead (or the rest of the running step) + own prefill and step + engine's overhead. A
request's time a token is the mean over its life: its variance is that of n over a life (2/3 of that at an instant for
equal lengths) and that of the prefills that fall into it. Against simulation: decision 0142.
Where prompts differ much in length the prefills are not equal: simulation.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import gamma, norm

from planner.arrays import FloatArray
from planner.sizing.queueing import equal_services, stationary
from planner.sizing.replica import Latency, Replica
from planner.sizing.simulation import simulate
from planner.sizing.types import Promise

LIFE_SHARE = 2.0 / 3.0
"""Variance of n averaged over a request's life against that at an instant: 2∫(1 − u)² du, the autocorrelation of
M/D/∞ being 1 − u."""


BINS = 9


LONG_TAIL = 0.35
"""Spread of input lengths (standard deviation over mean) from which prefills are simulated."""


@dataclass(frozen=True)
class Headroom:
    """The highest safe load of a pool. share: of the most that its replicas serve with every place taken.

    binds: ttft, tpot or capacity. latency: None where not even a trickle keeps the promise.
    """

    replicas: int
    requests_per_s: float
    share: float
    binds: str
    latency: Latency | None


def latency(
    replica: Replica, replicas: int, requests_per_s: float, percentile: float, dispersion: float = 1.0
) -> Latency | None:
    """TTFT and TPOT at a percentile; None where the load has no long run.

    dispersion: variance over mean of arrivals in intervals of some seconds (1: Poisson).
    """
    batch = (dispersion + 1.0) / 2.0
    places = int(replicas * replica.places)
    states = _states(replica, replicas)
    b = np.minimum(states[1:], places) / replicas
    rates = np.minimum(states[1:], places) / replica.life_s(b)
    if requests_per_s >= 0.999 * rates[places - 1 if places < len(rates) else -1]:
        return None
    shares = stationary(requests_per_s, rates, batch)
    mean = float(shares @ states)
    occupied = np.minimum(states, places) / replicas
    if float(shares[-1]) > 1e-4:
        return None
    ttft = _first(replica, replicas, requests_per_s, percentile, batch, (shares, states))
    if ttft is None:
        return None
    tpot = replica.tpot(occupied)
    weight = shares * np.minimum(states, places)
    weight = weight / weight.sum()
    typical = float(weight @ tpot)
    life = float(weight @ replica.life_s(occupied))
    # a router that looks at the queues deals prefills out evenly: only the pool's own variance reaches a replica
    prefills = requests_per_s * life * dispersion / (replicas * replica.ranks) ** 2
    variance = LIFE_SHARE * float(weight @ (tpot - typical) ** 2)
    variance += prefills * (replica.prefill_ms / max(replica.output_tokens, 1)) ** 2 * (1 + replica.input_cv**2)
    late = typical + _quantile(typical - float(replica.tpot(0.0)), variance, percentile / 100)
    most = replicas * replica.most_per_s
    return Latency(requests_per_s, ttft, late, typical, mean, requests_per_s / most)


def headroom(
    replica: Replica, replicas: int, promise: Promise, dispersion: float = 1.0, precision: float = 0.005
) -> Headroom:
    """The highest load at which the percentile of TTFT and of TPOT is within the promise.

    Found by bisection to `precision` of the most that the pool serves; both percentiles grow with the load.
    """
    most = replicas * replica.most_per_s

    def at(rate: float) -> Latency | None:
        if replica.input_cv > LONG_TAIL:
            return simulate(replica, replicas, rate, promise.percentile, dispersion)
        return latency(replica, replicas, rate, promise.percentile, dispersion)

    def good(found: Latency | None) -> bool:
        return found is not None and found.ttft_ms <= promise.ttft_ms and found.tpot_ms <= promise.tpot_ms

    low, high = 0.0, most
    safe = at(precision * most)
    if not good(safe):
        binds = "capacity" if safe is None else "ttft" if safe.ttft_ms > promise.ttft_ms else "tpot"
        return Headroom(replicas, 0.0, 0.0, binds, None)
    low, beyond = precision * most, None
    while high - low > precision * most:
        middle = (low + high) / 2
        found = at(middle)
        if good(found):
            low, safe = middle, found
        else:
            high, beyond = middle, found
    binds = "capacity" if beyond is None else "ttft" if beyond.ttft_ms > promise.ttft_ms else "tpot"
    return Headroom(replicas, low, low / most, binds, safe)


def headroom_curve(
    replica: Replica, pools: tuple[int, ...], promise: Promise, dispersion: float = 1.0, precision: float = 0.005
) -> tuple[Headroom, ...]:
    """Headroom by the pool's size: larger pools run hotter (spare grows as the square root of the load)."""
    return tuple(headroom(replica, c, promise, dispersion, precision) for c in pools)


def pool_line(curve: tuple[Headroom, ...]) -> tuple[float, float] | None:
    """(share, spare) of a line share x (replicas - spare) under the safe load of pools, in loads of a full replica.

    Spare that grows more slowly than the pool makes the safe load convex in the pool's size: the line through two sizes
    near each other is under it at all others. curve: of two sizes or more; the line runs through the last two, and
    under the rest. None where larger pools carry no more.
    """
    (p, low), (q, high) = ((h.replicas, h.share * h.replicas) for h in curve[-2:])
    share = min((high - low) / (q - p), 1.0)
    if share <= 0:
        return None
    spare = max(h.replicas - h.share * h.replicas / share for h in curve)
    return (share, spare) if spare > 0 else None


def _quantile(above: float, variance: float, share: float) -> float:
    """Quantile, from the mean, of what a time a token varies by.

    A sum of few and bursty requests is skewed, one of many is normal: a gamma with twice the skewness of a Poisson sum
    (`above`: mean above an empty replica's) and a normal, half each.
    """
    spread = float(np.sqrt(variance))
    if above <= 0 or spread <= 0:
        return 0.0
    skewed = float(gamma.ppf(share, (above / spread) ** 2, scale=variance / above)) - above
    return (skewed + float(norm.ppf(share)) * spread) / 2


def _states(replica: Replica, replicas: int) -> FloatArray:
    """States 0 … N, N well above the places that are taken at this load."""
    places = replicas * replica.places
    spare = 60.0 + 10 * np.sqrt(places)
    return np.arange(0.0, places + spare + 1.0)


def _first(
    replica: Replica,
    replicas: int,
    rate: float,
    percentile: float,
    batch: float,
    found: tuple[FloatArray, FloatArray],
) -> float | None:
    """The percentile of the time to the first token, ms: a mixture over the states an arrival may find, of which
    `found` has the shares and the requests under way."""
    (shares, states), places = found, int(replicas * replica.places)
    cumulative = np.cumsum(shares)
    edges = np.searchsorted(cumulative, np.linspace(0, 1, BINS + 1)[1:-1])
    bins = np.searchsorted(edges, np.arange(len(states)), side="right")
    full_rate = places / float(replica.life_s(replica.places))
    servers = replicas * replica.ranks
    times = np.concatenate([[0.0], np.geomspace(0.001, 120.0, 240)])
    late = np.zeros(len(times))
    own = np.zeros(len(times))
    for one in range(BINS):
        inside = bins == one
        weight = float(shares[inside].sum())
        if weight < 1e-12:
            continue
        n = float(shares[inside] @ states[inside]) / weight
        step = float(replica.step(min(n / replicas, replica.places))) / 1000
        service = replica.prefill_ms / 1000 + step
        running = 1.0 if n > 0.5 * replicas else n / (0.5 * replicas)
        taken = min(rate * service / servers, 1.0)
        held = service + (1.0 - taken) * running * step / 4  # see decision 0142
        try:
            queue = equal_services(rate, held, servers, batch)
        except ValueError:
            return None
        waiting = queue.late(times)
        idle = float(1.0 - waiting[0])
        rest = np.clip(1.0 - times / step, 0.0, 1.0) * running  # the running step ends first
        shifted = np.interp(times - service, times, waiting + idle * rest, left=1.0)
        late += weight * shifted
        own += weight * np.asarray(times < service, dtype=float)
    outside = shares[states >= places]
    if outside.sum() > 1e-9:
        # k-th completion at the full rate: the mean of k exponentials; mixed in as a shift of the whole
        extra = (np.arange(len(outside)) + 1.0) / full_rate
        blocked = outside.sum()
        base = late.copy()
        late = (1 - blocked) * base
        for share, shift in zip(outside, extra, strict=True):
            if share > 1e-9:
                late = late + share * np.interp(times - shift, times, base, left=1.0)
    target = 1.0 - percentile / 100
    if late[-1] > target:
        return None
    at = float(np.interp(-target, -late, times))
    return at * 1000 + replica.overhead_ms
