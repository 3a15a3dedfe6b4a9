"""Time of a decode step and of a prefill from their work and the fitted facts, and what binds.

step = max₄(dense stream, dense compute) + max₄(expert stream, expert compute) + max(kv stream, kv compute) + links
       + layers · (c₀ + c_m·k/8 + c_latent + c_indexed) + engine's base + requests · engine's own
prefill = dense + expert + attention + links, each at its efficiency
with max₄(x, y) = (x⁴ + y⁴)^¼, a maximum without a kink. Sources: the roofline of Williams et al. 2009 (CACM 52/4) with
streaming as in Pope et al. 2022 (arXiv:2211.05102); its few numbers are fitted (facts.yaml, decision 0140).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.sizing.facts import Facts, fitted
from planner.sizing.types import ENGINES, Card, Engine, Layout, Load, Model, Precision
from planner.sizing.work import Number, Work, work_of


@dataclass(frozen=True)
class Scale:
    """Multipliers of the parts of a time, as anchors set them; 1 is the fit."""

    overhead: float = 1.0
    weights: float = 1.0
    kv: float = 1.0
    links: float = 1.0
    prefill: float = 1.0
    first: float = 1.0


FIT = Scale()


@dataclass(frozen=True)
class StepParts:
    """A decode step in ms by part; `bandwidth` and `compute` say which of the two bound each part.

    total is the time of the step; with speculative decoding it is divided by the accepted tokens where it is used.
    """

    weights: Number
    kv: Number
    links: Number
    overhead: Number
    total: Number
    compute: Number


def _soft_max(x: Number, y: Number) -> Number:
    return (x**4 + y**4) ** 0.25


def _by_engine(work: Work, facts: Facts, name: str) -> Number:
    total: Number = 0.0
    for engine in ENGINES:
        total = total + getattr(work, engine) * getattr(facts, f"{name}_{engine}")
    return total


def speed(work: Work, facts: Facts) -> Number:
    """Time against that of 1 January 2026: engines gain exp(−gain) a year."""
    return np.exp(-facts.gain * np.asarray(work.years, dtype=float))


def step_parts(work: Work, facts: Facts, scale: Scale = FIT) -> StepParts:
    """A decode step, ms. Formula: the module's docstring."""
    now = speed(work, facts)
    dense = _soft_max(work.dense_stream / facts.dense, work.dense_compute / facts.dense_compute)
    expert = _soft_max(work.expert_stream / facts.expert, work.expert_compute / facts.expert_compute)
    kv_compute = work.kv_compute / facts.dense_compute
    kv = np.maximum(work.kv_stream / facts.kv, kv_compute)
    links = work.messages * facts.message + work.link / facts.link
    overhead = (
        work.layers * facts.layer
        + work.routed * facts.routed
        + work.latent * facts.latent
        + work.indexed * facts.indexed
        + _by_engine(work, facts, "base")
        + work.requests * _by_engine(work, facts, "request")
    )
    parts = [(dense + expert) * scale.weights, kv * scale.kv, links * scale.links, overhead * scale.overhead]
    weights_compute = np.where(work.dense_compute / facts.dense_compute > work.dense_stream / facts.dense, dense, 0.0)
    weights_compute = weights_compute + np.where(
        work.expert_compute / facts.expert_compute > work.expert_stream / facts.expert, expert, 0.0
    )
    compute = weights_compute * scale.weights + np.where(kv_compute >= kv, kv, 0.0) * scale.kv
    timed = [part * now for part in parts]
    return StepParts(timed[0], timed[1], timed[2], timed[3], sum(timed[1:], start=timed[0]), compute * now)


def prefill_time(work: Work, facts: Facts, scale: Scale = FIT) -> Number:
    """Time that one request's prefill keeps its rank busy, ms."""
    p = (
        work.prefill_dense / facts.prefill_dense
        + work.prefill_expert / facts.prefill_expert
        + work.prefill_attention / facts.prefill_attention
        + work.prefill_link / facts.prefill_link
    )
    return p * scale.prefill * speed(work, facts)


def first_overhead(work: Work, facts: Facts, scale: Scale = FIT) -> Number:
    """What passes before the first token beside prefill and queue, ms: the engine's own, and launching every layer."""
    launch = work.layers * _by_engine(work, facts, "first_layer") + work.prefill_routed * facts.first_routed
    return (_by_engine(work, facts, "first") + launch) * scale.first


def step_ms(model: Model, card: Card, layout: Layout, load: Load, precision: Precision, engine: Engine) -> float:
    """One decode step of a replica with `load.concurrency` requests, ms, without anybody's prefill in it."""
    return float(step_parts(work_of(model, card, layout, precision, engine, load), fitted().facts).total)


def prefill_ms(model: Model, card: Card, layout: Layout, load: Load, precision: Precision, engine: Engine) -> float:
    """The prefill of one request on an idle replica, ms, without the engine's overhead before the first token."""
    return float(prefill_time(work_of(model, card, layout, precision, engine, load), fitted().facts))
