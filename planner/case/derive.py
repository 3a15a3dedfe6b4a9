"""From `service` and `job` to throughput and max_utilisation: derived by sizing, written into the case with marks.

Works on the plain document, before the case is validated, so that every way in (file, service, patch) has it. What a
workload states itself stands: a throughput or large pool by type, max_utilisation, the unit. What was derived before is
derived again when the statement has changed, and kept otherwise.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ValidationError

from forecasts.fault import Fault
from planner.case.fault import CrossFault
from planner.case.workloads import Derived, DerivedRate, LargePool, Service, TrainingJob
from planner.sizing import Card, Engine, Library, Load, Model, Precision, Promise, best_layout, open_library
from planner.sizing.errors import SizingError
from planner.sizing.facts import fitted
from planner.sizing.headroom import LONG_TAIL, headroom, headroom_curve, pool_line
from planner.sizing.need import usual_precision
from planner.sizing.replica import replica_of
from planner.sizing.serving import error_of
from planner.sizing.training import ERROR, utilisation

NO_PROMISE = 1e9
MOST_REPLICAS = 64
"""Larger pools count as this many replicas: beyond, headroom hardly grows, and the estimate stays on the safe side."""
LINE_AT = (8, 16)
"""Replicas through which the line of large pools runs: under the curve at every other size, which is convex."""
SIMULATED_CARDS = 64
"""Cards of the pool that long-tailed prompts are simulated for, where none is stated."""
SOURCE = "tideplan sizing"
UNITS = {"requests_per_s": "requests/s", "output_tokens_per_s": "output tokens/s"}


def derived(value: Any) -> tuple[Any, list[CrossFault]]:
    """The document with its derived numbers, and what stands against deriving them. Anything else stays as it is."""
    document = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    workloads = document.get("workloads") if isinstance(document, Mapping) else None
    if not isinstance(workloads, list) or not any(
        isinstance(w, Mapping) and (w.get("service") is not None or w.get("job") is not None) for w in workloads
    ):
        return value, []
    library = open_library()
    types = _types(document)
    network = document.get("network")
    one_way = isinstance(network, Mapping) and network.get("latency_basis") == "one_way"
    faults: list[CrossFault] = []
    done, sources = [], []
    for i, workload in enumerate(workloads):
        new, fault = _workload(workload, types, library, 2.0 if one_way else 1.0)
        done.append(new)
        if fault is not None:
            faults.append(CrossFault(("workloads", i, *fault[0]), fault[1], fault[2], "underived", None))
        sources += [(f"/workloads/{i}/{path}", text) for path, text in _sources(new)]
    return _with_sources({**document, "workloads": done}, sources), faults


def _sources(workload: Any) -> list[tuple[str, str]]:
    """Place and source of each number of a workload that is derived and not the owner's own."""
    if not isinstance(workload, Mapping):
        return []
    block = workload.get("service") or workload.get("job")
    given = workload.get("throughput", {})
    if not isinstance(block, Mapping) or not isinstance(given, Mapping):
        return []
    try:
        known = Derived.model_validate(block.get("derived"))
    except ValidationError:
        return []  # not derived, or told with the fields
    out = [(f"throughput/{k}", known.source) for k, r in known.throughput.items() if given.get(k) == r.per_card]
    pools = workload.get("large_pools") or {}
    out += [(f"large_pools/{k}", known.source) for k, x in known.large_pools.items() if pools.get(k) == x.model_dump()]
    if known.max_utilisation is not None and workload.get("max_utilisation") == known.max_utilisation:
        out.append(("max_utilisation", known.source))
    return out


def _types(document: Mapping[str, Any]) -> dict[str, str]:
    """Accelerator of each module type (its id where none is named)."""
    blocks = document.get("module_types")
    known = [b for b in blocks if isinstance(b, Mapping)] if isinstance(blocks, list) else []
    return {str(b["id"]): str(b.get("accelerator") or b["id"]) for b in known if isinstance(b.get("id"), str)}


def _workload(
    workload: Any, types: Mapping[str, str], library: Library, ways: float
) -> tuple[Any, tuple[tuple[str, ...], str, str] | None]:
    """One workload with its derived numbers, and a fault (place, found, allowed) or None."""
    if not isinstance(workload, Mapping) or not isinstance(workload.get("throughput") or {}, Mapping):
        return workload, None
    name = "service" if workload.get("service") is not None else "job"
    if workload.get(name) is None:
        return workload, None
    try:
        stated = (
            Service.model_validate(workload[name]) if name == "service" else TrainingJob.model_validate(workload[name])
        )
    except ValidationError:
        return workload, None  # told with the fields
    latency = workload.get("latency_ms")
    way = float(latency) * ways if isinstance(latency, int | float) and not isinstance(latency, bool) else 0.0
    gang = workload.get("gang_cards") if isinstance(workload.get("gang_cards"), int) else 1
    key = _key(stated, types, way, int(gang or 1))
    before = stated.derived
    if before is not None and before.key == key:
        return workload, None
    try:
        new = (
            _serving(stated, types, library, way, key)
            if isinstance(stated, Service)
            else _training(stated, types, library, int(gang or 1), key)
        )
    except SizingError as error:
        problem = error.faults[0]
        return workload, ((name, problem.where), problem.found, problem.allowed)
    return _written(workload, name, stated, before, new), None


def _key(stated: Service | TrainingJob, types: Mapping[str, str], way: float, gang: int) -> str:
    asked = stated.model_dump(mode="json", exclude={"derived"})
    text = json.dumps([asked, dict(types), way, gang, fitted().date], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _written(
    workload: Mapping[str, Any], name: str, stated: Service | TrainingJob, before: Derived | None, new: Derived
) -> dict[str, Any]:
    """The workload with what was derived, where the owner has no number of his own."""
    old = before.throughput if before else {}
    given = dict(workload.get("throughput") or {})
    own = {k: v for k, v in given.items() if k not in old or v != old[k].per_card}
    throughput = {k: rate.per_card for k, rate in new.throughput.items()} | own
    out = {
        **workload,
        name: stated.model_copy(update={"derived": new}).model_dump(mode="json"),
        "throughput": throughput,
    }
    share = workload.get("max_utilisation")
    if new.max_utilisation is not None and (share is None or (before and share == before.max_utilisation)):
        out["max_utilisation"] = share = new.max_utilisation
    floor = share if isinstance(share, int | float) else 0.0
    pools = {k: x.model_dump() for k, x in new.large_pools.items() if x.utilisation > floor}
    earlier = {k: x.model_dump() for k, x in before.large_pools.items()} if before else {}
    pools |= {k: x for k, x in (workload.get("large_pools") or {}).items() if x != earlier.get(k)}
    if pools or "large_pools" in out:
        out["large_pools"] = pools
    if "unit" not in workload:
        out["unit"] = UNITS[stated.demand] if isinstance(stated, Service) else "tokens/s"
    return out


def _serving(stated: Service, types: Mapping[str, str], library: Library, way: float, key: str) -> Derived:
    """Throughput of each type: the most that its best layout serves while mean latencies keep the promise; the lowest
    of the types' safe shares of it, at which the percentile holds in a pool of `pool_cards` or of one replica; and how
    larger pools run hotter."""
    model = library.model(stated.model)
    if stated.ttft_ms is not None and stated.ttft_ms <= way:
        raise SizingError(
            [
                Fault(
                    "ttft_ms",
                    f"{stated.ttft_ms:g} ms, of which the network may take {way:g}",
                    "more than the network takes",
                )
            ]
        )
    load = Load(
        stated.input_tokens.mean,
        stated.output_tokens.mean,
        1.0,
        stated.input_tokens.cv,
        stated.output_tokens.cv,
        stated.cache_hit,
    )
    promise = Promise((stated.ttft_ms or NO_PROMISE) - way, stated.tpot_ms or NO_PROMISE, stated.percentile)
    wanted = _Wanted(
        load,
        promise,
        stated.engine,
        stated.precision,
        stated.dispersion,
        stated.pool_cards,
        stated.demand == "output_tokens_per_s",
    )
    rates: dict[str, DerivedRate] = {}
    pools: dict[str, LargePool | None] = {}
    refused: dict[str, str] = {}
    for kind, accelerator in types.items():
        try:
            card = library.card(stated.cards.get(kind, accelerator))
            rates[kind], pools[kind] = _rate(model, card, wanted)
        except SizingError as error:
            refused[kind] = "; ".join(p.found for p in error.faults)
    lowest = min((r.safe_share for r in rates.values()), default=None)
    hotter = {k: x for k, x in pools.items() if x is not None and lowest is not None and x.utilisation > lowest}
    return Derived(
        key=key,
        throughput=rates,
        max_utilisation=lowest,
        large_pools=hotter,
        refused=refused,
        source=_source(model.name, rates),
    )


@dataclass(frozen=True)
class _Wanted:
    """What a service asks of any card. in_tokens: demand counts output tokens, not requests."""

    load: Load
    promise: Promise
    engine: str | None
    precision: Any
    dispersion: float
    pool_cards: int | None
    in_tokens: bool


@lru_cache(maxsize=512)
def _rate(model: Model, card: Card, wanted: _Wanted) -> tuple[DerivedRate, LargePool | None]:
    load, promise, pool_cards = wanted.load, wanted.promise, wanted.pool_cards
    if card.missing():
        raise SizingError([Fault(card.id, f"{', '.join(card.missing())} of {card.name} not known", "a source")])
    kept = Precision.of(wanted.precision or usual_precision(model, card))
    stack, served = best_layout(model, card, promise, load, kept, Engine(wanted.engine))
    replica = replica_of(stack, load, served.concurrency)
    if pool_cards is None and load.input_cv <= LONG_TAIL:
        count = 1
    else:
        count = min(max(1, (pool_cards or SIMULATED_CARDS) // stack.layout.cards), MOST_REPLICAS)
    safe = headroom(replica, count, promise, wanted.dispersion, 0.01)
    if safe.requests_per_s <= 0:
        found = f"no load at which P{promise.percentile:g} holds in {count} replicas of {stack.layout}: {safe.binds}"
        raise SizingError([Fault(card.id, found, "a promise that can be kept")])
    each = replica.most_per_s / stack.layout.cards * (load.output_tokens if wanted.in_tokens else 1.0)
    error, _ = error_of(stack, fitted())
    rate = DerivedRate(
        per_card=_rounded(each),
        safe_share=_rounded(min(safe.share, 1.0)),
        error=error,
        replica_cards=stack.layout.cards,
        layout=f"{stack.layout} {kept.weights}",
        binds=safe.binds,
    )
    if pool_cards is not None or load.input_cv > LONG_TAIL:
        return rate, None
    line = pool_line(headroom_curve(replica, LINE_AT, promise, wanted.dispersion, 0.0025))
    if line is None:
        return rate, None
    share, spare = line
    return rate, LargePool(utilisation=_rounded(share), spare_cards=_rounded(spare * stack.layout.cards))


def _training(stated: TrainingJob, types: Mapping[str, str], library: Library, gang: int, key: str) -> Derived:
    """Tokens a second and card: utilisation × peak ÷ (6 · parameters)."""
    rates: dict[str, DerivedRate] = {}
    refused: dict[str, str] = {}
    for kind, accelerator in types.items():
        try:
            card = library.card(stated.cards.get(kind, accelerator))
        except SizingError as error:
            refused[kind] = "; ".join(p.found for p in error.faults)
            continue
        used = stated.mfu if stated.mfu is not None else utilisation(card, gang, stated.experts)
        peak = card.pflops.get(stated.precision)
        if used is None or peak is None:
            refused[kind] = f"{'utilisation in training' if used is None else 'peak in ' + stated.precision} not known"
            continue
        rates[kind] = DerivedRate(
            per_card=_rounded(peak * 1e15 * used / (6e9 * stated.parameters)),
            safe_share=1.0,
            error=ERROR if stated.mfu is None else None,
            replica_cards=gang,
            layout=f"MFU {used:.3f}",
            binds="compute",
        )
    return Derived(key=key, throughput=rates, refused=refused, source=_source(f"{stated.parameters:g} B", rates))


def _source(what: str, rates: Mapping[str, DerivedRate]) -> str:
    errors = sorted({r.error for r in rates.values() if r.error is not None})
    spoken = f"median error {errors[-1]:.0%}" if errors else "error not known"
    if errors and any(r.error is None for r in rates.values()):
        spoken += ", not known for some types"
    return f"{SOURCE}: {what}, facts of {fitted().date}, {spoken}"


def _with_sources(document: dict[str, Any], sources: list[tuple[str, str]]) -> dict[str, Any]:
    """`meta.sources` with the derived numbers' own in place of what an earlier derivation wrote."""
    meta = document.get("meta")
    if not isinstance(meta, Mapping) or not isinstance(meta.get("sources", []), list):
        return document
    new = [{"path": path, "mark": "C", "source": text, "date": fitted().date} for path, text in sources]
    kept = [
        s
        for s in meta.get("sources", [])
        if not (isinstance(s, Mapping) and str(s.get("source", "")).startswith(SOURCE))
    ]
    taken = {s.get("path") for s in kept if isinstance(s, Mapping)}
    return {**document, "meta": {**meta, "sources": [*kept, *(s for s in new if s["path"] not in taken)]}}


def _rounded(value: float) -> float:
    """Four significant figures: more would claim what nobody has measured."""
    return float(f"{value:.4g}") if math.isfinite(value) and value > 0 else value
