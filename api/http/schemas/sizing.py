"""What a language model would need, and the library behind it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.http.schemas.wire import Json, Name, example


class SizingRequest(BaseModel):
    """What a language model is asked to serve, and within which latency (docs/sizing.md).

    cards: of the library, by id or name; empty: all of it. network_ms: what the way to the site takes of the first
    token. dispersion: variance over mean of arrivals within seconds.
    """

    model: Name
    input_tokens: Annotated[float, Field(gt=0, le=1e8)] = 2048
    output_tokens: Annotated[float, Field(gt=0, le=1e8)] = 512
    requests_per_s: Annotated[float, Field(gt=0, le=1e9)] = 10
    ttft_ms: Annotated[float, Field(gt=0, le=1e8)] = 2000
    tpot_ms: Annotated[float, Field(gt=0, le=1e8)] = 50
    percentile: Annotated[float, Field(ge=50, lt=100)] = 99
    cards: Annotated[list[Name], Field(max_length=100)] = []
    precision: Literal["bf16", "fp8", "fp4"] | None = None
    engine: Literal["trtllm", "vllm", "sglang"] | None = None
    cache_hit: Annotated[float, Field(ge=0, lt=1)] = 0
    input_cv: Annotated[float, Field(ge=0, le=5)] = 0
    output_cv: Annotated[float, Field(ge=0, le=5)] = 0
    dispersion: Annotated[float, Field(ge=1, le=10)] = 1
    network_ms: Annotated[float, Field(ge=0, le=1e8)] = 0
    price_per_card_hour: Annotated[dict[Name, Annotated[float, Field(ge=0, le=1e9)]], Field(max_length=100)] = {}
    pue: Annotated[float, Field(ge=1, le=3)] | None = None
    model_config = example(
        {"model": "Llama-3.1-8B", "requests_per_s": 20, "cards": ["h200"], "price_per_card_hour": {"h200": 18}}
    )


class Sizing(BaseModel):
    """The cards that a model would need, by type, fewest first; and why other types will not do.

    needs: one a card type, with replicas, cards (low and high by the error that such estimates have shown, null: not
    known), latency, what binds, cost, energy, and the curve of one replica's load against latency.
    """

    model: str
    model_name: str
    load: Json
    promise: Json
    requests_per_s: float
    needs: list[Json]
    refused: list[Json]
    points_left_aside: list[str]
    facts: Json
    model_config = example(
        {
            "model": "llama-3.1-8b",
            "model_name": "Llama-3.1-8B",
            "load": {"input_tokens": 2048, "output_tokens": 512},
            "promise": {"ttft_ms": 2000, "tpot_ms": 50, "percentile": 99},
            "requests_per_s": 20,
            "needs": [{"card": "h200", "cards": 2, "cards_low": 2, "cards_high": 3, "binds": "bandwidth"}],
            "refused": [{"card": "k100-ai", "reason": "tb_per_s, link_gb_per_s not known"}],
            "points_left_aside": [],
            "facts": {"source": "benchmarks/sizing.py", "date": "2026-11-28", "mark": "C"},
        }
    )


class SizingLibrary(BaseModel):
    """Models and cards that sizing knows; a number of a card that is null is not known. marks: docs/sizing.md."""

    models: list[Json]
    cards: list[Json]
    model_config = example(
        {
            "models": [{"id": "llama-3.1-8b", "name": "Llama-3.1-8B", "billions": 8.0, "active": 8.0}],
            "cards": [{"id": "h200", "name": "NVIDIA H200 SXM", "memory_gib": 141, "marks": {"memory_gib": "F"}}],
        }
    )
