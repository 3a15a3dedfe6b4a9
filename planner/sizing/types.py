"""What a serving estimate is made from: model, card, precision, layout, load and promise.

Lengths are tokens, time is milliseconds, memory is GiB (2³⁰ bytes), traffic is GB (10⁹ bytes), compute is dense.
Everything is frozen, so that estimates can be kept by their inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

PrecisionName = Literal["bf16", "fp8", "fp4"]
ENGINES = ("trtllm", "vllm", "sglang")
BYTES: dict[str, float] = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.5625}
"""Bytes a value; fp4 with its block scales (16 values share one byte: 4.5 bits)."""


@dataclass(frozen=True)
class Attention:
    """How a model's layers look back.

    heads, head_dim: query heads and the mean size of query-key and value vectors. kv_heads: heads of keys and values
    that can lie on cards apart; 1 for latent attention. kv_values: values kept a token and full layer.
    full_layers: layers that see everything. window_layers, window: layers that see the last `window` tokens.
    latent: keys and values are one compressed vector (MLA). index_values: values a token and layer of an indexer that
    picks which tokens are read (sparse attention); `selected`: how many it picks.
    state_values: values of a fixed state of one request, all linear layers together.
    """

    heads: int
    head_dim: float
    kv_heads: int
    kv_values: float
    full_layers: int
    window_layers: int = 0
    window: int = 0
    latent: bool = False
    index_values: float = 0.0
    selected: int = 0
    state_values: float = 0.0


@dataclass(frozen=True)
class Model:
    """A language model as its cards see it. Parameters are billions (10⁹).

    attention_params, dense_params (dense and shared feed-forward), head_params (one of the two vocabulary matrices),
    expert_params (all routed experts together; 0 for a dense model). Of `experts` experts a token takes
    `experts_per_token`. fp4_activations: the precision in which fp4 weights are multiplied on cards with fp4.
    attention_kept: attention weights stay in bf16 when the rest is quantised to fp4.
    """

    id: str
    name: str
    layers: int
    hidden: int
    attention: Attention
    attention_params: float
    dense_params: float
    head_params: float
    expert_params: float = 0.0
    experts: int = 0
    experts_per_token: int = 0
    fp4_activations: PrecisionName = "fp4"
    attention_kept: bool = False

    @property
    def total_params(self) -> float:
        """All parameters, billions, with both vocabulary matrices."""
        return self.attention_params + self.dense_params + self.expert_params + 2 * self.head_params

    @property
    def active_params(self) -> float:
        """Parameters that one token passes, billions."""
        share = self.experts_per_token / self.experts if self.experts else 0.0
        return self.attention_params + self.dense_params + self.head_params + self.expert_params * share


@dataclass(frozen=True)
class Card:
    """An accelerator. A number without a source is None, and what depends on it is not known.

    memory_gib; tb_per_s: memory bandwidth; pflops: dense peak by precision; link_gb_per_s: one direction, to the other
    cards of its domain; domain: cards that share the fast links; power_w: under load, idle_w: without.
    measured: whether points of this card are among those that the efficiencies were fitted on.
    """

    id: str
    name: str
    vendor: str
    domestic: bool
    memory_gib: float | None
    tb_per_s: float | None
    pflops: dict[str, float] = field(hash=False)
    link_gb_per_s: float | None
    domain: int
    power_w: float | None
    measured: bool = False

    def missing(self) -> tuple[str, ...]:
        """Names of numbers that an estimate needs and nobody has given a source for."""
        out = [name for name in ("memory_gib", "tb_per_s", "link_gb_per_s") if getattr(self, name) is None]
        return (*out, *(() if self.pflops.get("bf16") else ("pflops.bf16",)))

    def peak(self, precision: str) -> float:
        """Dense PFLOPS for weights of a precision; without units for it, they are widened to bf16 first."""
        return self.pflops.get(precision) or self.pflops["bf16"]


@dataclass(frozen=True)
class Precision:
    """In what weights and the cache of keys and values are kept. The defaults are those of the common checkpoints."""

    weights: PrecisionName = "fp8"
    kv: PrecisionName = "fp8"

    @classmethod
    def of(cls, weights: PrecisionName) -> Precision:
        """The usual pair: the cache in fp8 with quantised weights, in bf16 with bf16 weights."""
        return cls(weights, "bf16" if weights == "bf16" else "fp8")


@dataclass(frozen=True)
class Layout:
    """Cards of one replica: tensor × data (attention) parallel; experts lie over all of them."""

    tensor: int = 1
    data: int = 1

    @property
    def cards(self) -> int:
        """Cards of a replica."""
        return self.tensor * self.data

    def __str__(self) -> str:
        return f"TP{self.tensor}" + (f"×DP{self.data}" if self.data > 1 else "")


@dataclass(frozen=True)
class Load:
    """What comes: mean input and output tokens, their spread, and the share of input found in the prefix cache.

    input_cv, output_cv: standard deviation over mean (0: always the same). concurrency: requests under way at once on
    one replica.
    """

    input_tokens: float
    output_tokens: float
    concurrency: float = 1.0
    input_cv: float = 0.0
    output_cv: float = 0.0
    cache_hit: float = 0.0

    def at(self, concurrency: float) -> Load:
        """The same load at another concurrency."""
        return Load(self.input_tokens, self.output_tokens, concurrency, self.input_cv, self.output_cv, self.cache_hit)

    @property
    def computed_input(self) -> float:
        """Input tokens that a prefill has to work on."""
        return max(self.input_tokens * (1.0 - self.cache_hit), 1.0)


@dataclass(frozen=True)
class Promise:
    """What is promised: time to the first token and time a token after it, at a percentile of requests (99: P99)."""

    ttft_ms: float
    tpot_ms: float
    percentile: float = 99.0


@dataclass(frozen=True)
class Engine:
    """The serving software. name: one of ENGINES, or None for their mean. years: age against 2026-01-01, in years.

    Engines get faster; the fit found by how much a year. 0.25 is spring 2026, the newest of the measured points.
    accepted: tokens a step that speculative decoding keeps on average (1: none); it must be the owner's measurement.
    """

    name: str | None = None
    years: float = 0.25
    accepted: float = 1.0
