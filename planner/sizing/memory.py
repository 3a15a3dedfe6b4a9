"""What lies in a card's memory: weights, caches of keys and values, and what the runtime takes."""

from __future__ import annotations

from planner.sizing.errors import Reason
from planner.sizing.types import BYTES, Card, Layout, Load, Model, Precision

GIB = 2.0**30
USABLE_SHARE = 0.9
"""Share of the memory that engines let themselves use (the default of vLLM and TensorRT-LLM)."""
RUNTIME_GIB = 3.0
"""Context, captured graphs, communication buffers and activations, a card. Decision 0140."""


def attention_bytes(model: Model, precision: Precision) -> float:
    """Bytes a parameter of the attention weights."""
    kept = precision.weights == "fp4" and model.attention_kept
    return BYTES["bf16"] if kept else BYTES[precision.weights]


def weights_gib(model: Model, precision: Precision, layout: Layout) -> float:
    """Weights on one card, GiB.

    Attention and dense layers are cut over the tensor-parallel cards and stand once for each data-parallel rank;
    experts are cut over all cards; the two vocabulary matrices are bf16.
    """
    each = BYTES[precision.weights]
    shared = (
        model.attention_params * attention_bytes(model, precision)
        + model.dense_params * each
        + 2 * model.head_params * BYTES["bf16"]
    )
    return (shared / layout.tensor + model.expert_params * each / layout.cards) * 1e9 / GIB


def kv_bytes(model: Model, precision: Precision, layout: Layout, tokens: float) -> float:
    """Bytes that one request with `tokens` tokens keeps on one card.

    Keys and values are cut over the tensor-parallel cards as far as there are key-value heads (one for latent
    attention: every card keeps all of it). Linear layers keep a state of fixed size in 4 bytes a value.
    """
    a = model.attention
    per_layer = a.kv_values * BYTES[precision.kv] + a.index_values
    kept = (
        a.full_layers * tokens * per_layer + a.window_layers * min(tokens, a.window) * a.kv_values * BYTES[precision.kv]
    )
    return kept / min(layout.tensor, a.kv_heads) + 4.0 * a.state_values / layout.tensor


def most_requests(model: Model, card: Card, layout: Layout, precision: Precision, load: Load) -> float:
    """Requests under way at once that the memory of one replica holds; below 1 nothing can be served.

    A request holds on average its input and half of its output. 0 where not even the weights fit.
    """
    if card.memory_gib is None:
        raise ValueError(f"{card.id}: memory_gib is not known")
    free = card.memory_gib * USABLE_SHARE - weights_gib(model, precision, layout) - RUNTIME_GIB
    if free <= 0:
        return 0.0
    each = kv_bytes(model, precision, layout, load.input_tokens + load.output_tokens / 2) / GIB
    return free / each * layout.data


def fits(model: Model, card: Card, layout: Layout, precision: Precision, load: Load | None = None) -> bool:
    """Whether the weights and, with a load, all its requests under way have room on every card of the replica."""
    room = most_requests(model, card, layout, precision, load or Load(1024, 1024))
    return room >= (load.concurrency if load else 1.0)


def why_not(model: Model, card: Card, layout: Layout, precision: Precision, load: Load) -> Reason:
    """Why a layout does not fit."""
    need = weights_gib(model, precision, layout)
    have = (card.memory_gib or 0.0) * USABLE_SHARE - RUNTIME_GIB
    if need > have:
        return Reason("weights", {"need": f"{need:.0f}", "have": f"{have:.0f}"}, str(layout))
    room = most_requests(model, card, layout, precision, load)
    return Reason("memory", {"room": f"{room:.1f}", "wanted": f"{load.concurrency:.0f}"}, str(layout))
