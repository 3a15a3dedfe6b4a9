"""The fitted numbers of the roofline, each with its error, and the errors of what is estimated with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

FACTS = "data/facts.yaml"


@dataclass(frozen=True)
class Facts:
    """Efficiencies (share of the peak), times a layer and a message (ms), by engine where they differ.

    dense, expert: streaming weights; kv: streaming keys and values; dense_compute, expert_compute: a step's matrix
    products; layer, routed, latent, indexed, message: ms a step; base_*, request_*: an engine's ms a step, and a step
    and request; prefill_*: efficiencies of a prefill; first_*: an engine's ms before the first token, first_layer_*:
    ms a layer, first_routed: ms a routed layer; queue, burst: how a closed benchmark's own queue lengthens the first
    token; gain: what engines gain a year (log).
    """

    dense: float
    expert: float
    kv: float
    dense_compute: float
    expert_compute: float
    link: float
    layer: float
    routed: float
    latent: float
    indexed: float
    message: float
    base_trtllm: float
    base_vllm: float
    base_sglang: float
    request_trtllm: float
    request_vllm: float
    request_sglang: float
    prefill_dense: float
    prefill_expert: float
    prefill_attention: float
    prefill_link: float
    first_trtllm: float
    first_vllm: float
    first_sglang: float
    first_layer_trtllm: float
    first_layer_vllm: float
    first_layer_sglang: float
    first_routed: float
    queue: float
    burst: float
    gain: float


NAMES = tuple(f.name for f in fields(Facts))


@dataclass(frozen=True)
class Errors:
    """Errors measured on models that the fit had not seen: medians and 90 % quantiles of |estimate ÷ measured − 1|.

    system: median and bias of tokens/s and card by card. other_card: with a whole card left out of the fit.
    anchored: with one measured point of the same model, card, engine and precision.
    """

    tokens: float
    tokens_p90: float
    ttft_low_load: float
    ttft: float
    other_card: float
    other_card_p90: float
    anchored: float
    anchored_p90: float
    system: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Fitted:
    """The table of fitted facts: values, standard errors (relative; of `gain` absolute), spread between models
    (standard deviation of the log multiplier, used by anchors), errors of estimates, and where it comes from."""

    facts: Facts
    relative_error: Mapping[str, float]
    spread: Mapping[str, float]
    errors: Errors
    source: str
    date: str
    mark: str


@cache
def fitted() -> Fitted:
    """The facts that ship with the project."""
    return read_facts(yaml.safe_load(files("planner.sizing").joinpath(FACTS).read_text("utf-8")))


def read_facts(document: Mapping[str, Any]) -> Fitted:
    """Facts out of a document of the shape that benchmarks/sizing.py writes. Raises KeyError or TypeError."""
    table = document["facts"]
    errors = dict(document["errors"])
    errors["system"] = {key: (float(v[0]), float(v[1])) for key, v in errors["system"].items()}
    return Fitted(
        Facts(**{name: float(table[name][0]) for name in NAMES}),
        {name: float(table[name][1]) for name in NAMES},
        {str(k): float(v) for k, v in document["spread"].items()},
        Errors(**errors),
        str(document["source"]),
        str(document["date"]),
        str(document["mark"]),
    )
