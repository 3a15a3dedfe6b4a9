"""The work of one decode step and of one prefill, as milliseconds at the card's peak: no fitted number enters here.

GB ÷ TB/s = ms; TFLOP ÷ PFLOPS = ms. Each figure is for one card of the replica. What a real engine needs beyond the
peak is in `roofline.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from planner.arrays import FloatArray
from planner.sizing.memory import attention_bytes, kv_bytes
from planner.sizing.types import BYTES, ENGINES, Card, Engine, Layout, Load, Model, Precision

Number = float | FloatArray


@dataclass(frozen=True)
class Work:
    """One step for `requests` requests, and one prefill; scalars, or arrays of one length for many points.

    step: dense and expert weights to stream and to compute with, keys and values to stream and (latent attention) to
    compute with, activations over the links; counts of layers, of layers × experts a token ÷ 8 (routing and
    dispatch), of layers with latent and with indexed attention, of messages between cards.
    prefill: dense, expert and attention arithmetic and link traffic of one request's computed input.
    """

    requests: Number
    output_tokens: Number
    cards: Number
    ranks: Number
    dense_stream: Number
    dense_compute: Number
    expert_stream: Number
    expert_compute: Number
    kv_stream: Number
    kv_compute: Number
    link: Number
    layers: Number
    routed: Number
    latent: Number
    indexed: Number
    messages: Number
    prefill_dense: Number
    prefill_expert: Number
    prefill_attention: Number
    prefill_link: Number
    prefill_routed: Number
    trtllm: Number
    vllm: Number
    sglang: Number
    years: Number


def work_of(model: Model, card: Card, layout: Layout, precision: Precision, engine: Engine, load: Load) -> Work:
    """The work of a replica under a load. Raises ValueError where the card's numbers are not known.

    Experts touched by b requests that take k of E experts each: 1 − (1 − k/E)^b of them (uniform routing).
    All-reduces: two a layer, 2·(n − 1)/n of the activations over each link (ring).
    """
    if card.missing():
        raise ValueError(f"{card.id}: {', '.join(card.missing())} not known")
    bandwidth, link_speed = float(card.tb_per_s or 0), float(card.link_gb_per_s or 0)
    a, n, tp = model.attention, layout.cards, layout.tensor
    b, mine = load.concurrency, load.concurrency / layout.data
    each, attended = BYTES[precision.weights], attention_bytes(model, precision)
    peak = _peak(model, card, precision)
    attention_peak = card.pflops["bf16"] if attended == BYTES["bf16"] else peak
    dense_gb = (model.attention_params * attended + model.dense_params * each + model.head_params * 2.0) / tp
    share = model.experts_per_token / model.experts if model.experts else 0.0
    touched = 1.0 - (1.0 - share) ** b
    context = load.input_tokens + load.output_tokens / 2
    read = kv_bytes(model, precision, layout, min(context, a.selected) if a.selected else context)
    if a.selected:
        read += a.full_layers * (context - min(context, a.selected)) * a.index_values / min(tp, a.kv_heads)
    state = 4.0 * a.state_values / tp  # linear layers read and write their state, so it counts twice
    attended_tokens = min(context, a.selected) if a.selected else context
    latent_tflop = a.heads * 1088 * 2 * a.full_layers * attended_tokens * mine * 1e-12 / tp if a.latent else 0.0
    s = load.computed_input
    seen = a.full_layers * (load.input_tokens - s / 2) + a.window_layers * min(load.input_tokens, a.window)
    several = tp > 1
    ring = (tp - 1) / tp
    return Work(
        requests=b,
        output_tokens=load.output_tokens,
        cards=float(n),
        ranks=float(layout.data),
        dense_stream=dense_gb / bandwidth,
        dense_compute=2e-3
        * mine
        / tp
        * (model.attention_params / attention_peak + (model.dense_params + model.head_params) / peak),
        expert_stream=model.expert_params * each * touched / n / bandwidth,
        expert_compute=2e-3 * model.expert_params * share * b / n / peak,
        kv_stream=(read + state) * mine * 1e-9 / bandwidth,
        kv_compute=latent_tflop / card.pflops["bf16"],
        link=several * 2 * model.layers * 2 * mine * model.hidden * 2e-6 * ring / link_speed,
        layers=float(model.layers),
        routed=model.layers * model.experts_per_token / 8.0,
        latent=float(model.layers * a.latent),
        indexed=float(model.layers * (a.selected > 0)),
        messages=float(several * 2 * model.layers),
        prefill_dense=2e-3 * s / tp * (model.attention_params / attention_peak + model.dense_params / peak),
        prefill_expert=2e-3 * model.expert_params * share * s * layout.data / n / peak,
        prefill_attention=4e-12 * a.heads * a.head_dim * seen * s / tp / card.pflops["bf16"],
        prefill_link=several * 2 * model.layers * 2 * s * model.hidden * 2e-6 * ring / link_speed,
        prefill_routed=model.layers * model.experts_per_token / 8.0,
        **{name: _is(engine, name) for name in ENGINES},
        years=engine.years,
    )


def stacked(works: list[Work]) -> Work:
    """Many points as one, for vectorised estimates and fits."""
    return Work(**{f.name: np.array([getattr(w, f.name) for w in works], dtype=float) for f in fields(Work)})


def _peak(model: Model, card: Card, precision: Precision) -> float:
    if precision.weights == "fp4" and card.pflops.get("fp4"):
        return card.peak(model.fp4_activations)
    return card.peak(precision.weights)


def _is(engine: Engine, name: str) -> float:
    return 1.0 / len(ENGINES) if engine.name is None else float(engine.name == name)
