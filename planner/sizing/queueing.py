"""Queues with rates that depend on the state: birth and death, and waiting before equal services."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray

FULLEST = 0.96
"""Share of the servers taken beyond which a wait is not worth computing: no promise holds there, and it takes long."""


def stationary(arrivals: float, rates: FloatArray, batch: float = 1.0) -> FloatArray:
    """Long-run shares of the states 0 … N of a queue that arrivals raise and completions lower.

    arrivals: requests a second; rates[n]: completions a second with n + 1 in the system; N = len(rates), beyond which
    nobody is let in. batch: mean of geometric batches in which requests come (1: one by one), which gives arrivals an
    index of dispersion of 2·batch − 1. Exact: what crosses upwards after n, arrivals/batch · Σ_k π_k q^(n−k)
    with q = 1 − 1/batch, equals rates[n] · π_(n+1) that comes back. rates: (N,); the shares: (N + 1,).
    """
    if batch <= 1.0:
        plain = np.concatenate([[0.0], np.cumsum(np.log(arrivals / rates))])
        one = np.exp(plain - plain.max())
        return np.asarray(one / one.sum(), dtype=float)
    q = 1.0 - 1.0 / batch
    logs = np.empty(len(rates) + 1)
    logs[0] = 0.0
    up = 1.0  # Σ_k π_k q^(n−k) ÷ π_n, so that nothing overflows
    for n, rate in enumerate(rates):
        grow = arrivals / batch * up / rate
        logs[n + 1] = logs[n] + np.log(grow)
        up = 1.0 + q * up / grow
    shares = np.exp(logs - logs.max())
    return np.asarray(shares / shares.sum(), dtype=float)


@dataclass(frozen=True)
class EqualServices:
    """Waiting before `servers` servers, the shortest queue first, each service taking `service` seconds (M^X/D/c).

    ahead[k]: share of arrivals that find k ahead of them (waiting, in service, or before them in their batch).
    """

    servers: int
    service: float
    ahead: FloatArray

    def late(self, times: FloatArray) -> FloatArray:
        """Share of arrivals whose wait is longer than each of `times` (seconds).

        An arrival joins the shortest queue and stays there: with k ≥ c ahead that is ⌊k/c⌋, one of them in service
        with a rest uniform on [0, service). For one server the mean is exact, the tail within 0.03. (times,).
        """
        k = np.arange(self.servers, len(self.ahead))
        whole = k // self.servers - 1
        rest = np.clip(times[:, None] / self.service - whole, 0.0, 1.0)
        return np.asarray((self.ahead[k] * (1.0 - rest)).sum(axis=1), dtype=float)


def equal_services(arrivals: float, service: float, servers: int, batch: float = 1.0) -> EqualServices:
    """The queue M^X/D/c in the long run.

    Crommelin 1932: over one service time everybody in service leaves, so that Q(t + s) = max(Q(t) − c, 0) + A(s), A
    compound Poisson; its distribution is found by iteration on a vector wide enough for all but a trace.
    Raises ValueError when arrivals × service take more than FULLEST of the servers.
    """
    load = arrivals * service
    if load >= FULLEST * servers:
        raise ValueError(f"{load / servers:.3f} of the servers are taken: no long run")
    slack = 1.0 - load / servers
    width = int(servers + 8 * np.sqrt(servers * (2 * batch - 1)) + 12 * (2 * batch - 1) / slack + 20)
    size = 1 << int(np.ceil(np.log2(2 * width + 2)))
    q = 1.0 - 1.0 / batch
    z = np.exp(-2j * np.pi * np.arange(size) / size)
    came = np.exp(arrivals / batch * service * ((1 - q) * z / (1 - q * z) - 1.0))
    shares = np.clip(np.fft.ifft(came).real, 0.0, None)
    for _ in range(1000):
        left = np.zeros(size)
        left[0] = shares[: servers + 1].sum()
        left[1 : size - servers] = shares[servers + 1 :]
        now = np.clip(np.fft.ifft(np.fft.fft(left) * came).real, 0.0, None)
        now[width + 1 :] = 0.0
        now /= now.sum()
        if np.abs(now - shares).sum() < 1e-8:
            break
        shares = now
    before = (1 - q) * q ** np.arange(width + 1)
    ahead = np.convolve(now[: width + 1], before)[: 2 * width] if batch > 1 else now[: width + 1]
    return EqualServices(servers, service, ahead)
