"""Classes of demand and how modules serve them; campaigns."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from planner.case.fields import FIELDS_ONLY, Block, Count, Flag, Id, Names, NonNegative, Positive, Share, Whole


class WorkloadKind(StrEnum):
    online = "online"
    deferrable = "deferrable"
    training = "training"


class Tokens(Block):
    """A distribution of token counts: mean, and standard deviation over mean."""

    mean: Positive
    cv: Annotated[float, Field(strict=True, ge=0, le=5)] = 0.0

    @model_validator(mode="before")
    @classmethod
    def _from_number(cls, value: Any) -> Any:
        return {"mean": value} if isinstance(value, int | float) else value


class LargePool(Block):
    """How a large pool of one type at one site serves a workload: after `spare_cards` a share of `utilisation`.

    A pool of c cards takes throughput x utilisation x (c - spare_cards): the larger, the hotter (docs/model.md).
    """

    utilisation: Annotated[float, Field(strict=True, gt=0, le=1)]
    spare_cards: Positive


class DerivedRate(Block):
    """What one card of a type serves, in the workload's unit, as sizing derived it.

    safe_share: highest safe load over per_card in a pool of pool_cards, or of one replica. error: median relative
    error that such estimates have shown on measured points; None: not known. binds: what gives first when load grows.
    """

    per_card: Positive
    safe_share: Share
    error: NonNegative | None
    replica_cards: Annotated[int, Field(ge=1)]
    layout: str
    binds: str


class Derived(Block):
    """What sizing wrote into a workload, kept beside it so that a change of the statement is derived again.

    key: hash of what it was derived from. refused: module types that will not do, with the reason.
    """

    key: str
    throughput: dict[Id, DerivedRate] = {}
    max_utilisation: Share | None = None
    large_pools: dict[Id, LargePool] = {}
    refused: dict[Id, str] = {}
    source: str = ""


class Service(Block):
    """Online or batch serving of a language model, from which throughput, max_utilisation and large_pools are derived.

    ttft_ms, tpot_ms: promises to the first token (from end to end: the workload's latency_ms is part of it) and a
    token after it, at `percentile` of requests; None: no promise. demand: what the workload's demand counts.
    pool_cards: cards at one site that the headroom is taken for; None: from one replica on, with the larger share that
    larger pools carry in `large_pools`. dispersion: variance over mean of arrivals within
    seconds. cards: card of the sizing library by module type, where the type's `accelerator` does not name it.
    """

    model: str
    input_tokens: Tokens
    output_tokens: Tokens
    ttft_ms: Positive | None = None
    tpot_ms: Positive | None = None
    percentile: Annotated[float, Field(strict=True, ge=50, lt=100)] = 99.0
    cache_hit: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.0
    demand: Literal["requests_per_s", "output_tokens_per_s"] = "requests_per_s"
    pool_cards: Annotated[int, Field(ge=1)] | None = None
    dispersion: Annotated[float, Field(strict=True, ge=1, le=10)] = 1.0
    engine: Literal["trtllm", "vllm", "sglang"] | None = None
    precision: Literal["bf16", "fp8", "fp4"] | None = None
    cards: dict[Id, str] = {}
    derived: Derived | None = None


class TrainingJob(Block):
    """Training of a model of `parameters` billions that a token passes, from which tokens a second and card follow.

    tokens: billions of the whole job, a note. mfu: utilisation of the peak; None: the default of docs/sizing.md.
    """

    parameters: Positive
    tokens: Positive | None = None
    precision: Literal["bf16", "fp8"] = "bf16"
    experts: bool = False
    mfu: Annotated[float, Field(strict=True, gt=0, le=1)] | None = None
    cards: dict[Id, str] = {}
    derived: Derived | None = None


class Workload(Block):
    """A class of demand with a unit of its own.

    service, job: what is served or trained, in place of throughput and max_utilisation: these are then derived and
    written in (planner/case/derive.py); a number that is given stands.
    throughput: unit per card, by module type; a type that is not named cannot run the workload. Serving one unit keeps
    burst_factor / (throughput x max_utilisation) cards busy. shortfall_cost is per unit-hour not served.
    large_pools: by module type, how a pool serves that is large enough to run hotter than max_utilisation.
    deferrable: work that arrives in an hour is finished within `window_hours` (24: within the day), only in
    `allowed_hours` [from, to) if given, at most `max_rate_factor` times the day's mean rate.
    training: demand is a mean rate; whole gangs of `gang_cards` at one site on one type serve it; a preemptible gang
    may give up at most `max_yield_share` of the hours of a day, and then counts for that much less work.
    pflops_per_unit: installed dense FP16 PFLOPS that one unit needs, for the build-ahead ratio; None: the mean over the
    types that can run it.
    """

    id: Id
    names: Names
    kind: WorkloadKind = WorkloadKind.online
    unit: str = "PFLOPS"
    latency_ms: NonNegative | None = None
    service: Service | None = None
    job: TrainingJob | None = None
    throughput: dict[Id, Positive] = {}
    max_utilisation: Annotated[float, Field(strict=True, gt=0, le=1)] = 1.0
    large_pools: dict[Id, LargePool] = {}
    burst_factor: Annotated[float, Field(strict=True, ge=1)] = 1.0
    shortfall_cost: NonNegative = 0
    minimum_service: Share = 0
    allowed_sites: list[Id] | None = None
    residency: dict[Id, list[Id]] = {}
    traffic_gb_per_unit_hour: NonNegative = 0
    window_hours: Annotated[Whole, Field(ge=1, le=24)] = 24
    allowed_hours: list[tuple[Whole, Whole]] | None = None
    max_rate_factor: Annotated[float, Field(strict=True, ge=1)] | None = None
    gang_cards: Annotated[Whole, Field(ge=1)] | None = None
    preemptible: Flag = False
    max_yield_share: Share = 0
    pflops_per_unit: NonNegative | None = None

    @model_validator(mode="after")
    def _kind_fields(self, info: ValidationInfo) -> Workload:
        if info.context == FIELDS_ONLY:
            return self
        faults = []
        if self.kind is WorkloadKind.training and self.gang_cards is None:
            faults.append("a training workload needs gang_cards")
        if self.kind is not WorkloadKind.training and (self.gang_cards is not None or self.preemptible):
            faults.append(f"gang_cards and preemptible belong to training, this is {self.kind.value}")
        if self.kind is not WorkloadKind.deferrable and (self.allowed_hours or self.max_rate_factor is not None):
            faults.append(f"allowed_hours and max_rate_factor belong to deferrable work, this is {self.kind.value}")
        bad = [list(pair) for pair in self.allowed_hours or [] if not 0 <= pair[0] < pair[1] <= 24]
        if bad:
            faults.append(f"allowed_hours {bad}, which are not 0 <= from < to <= 24")
        if self.max_yield_share and not self.preemptible:
            faults.append("max_yield_share needs preemptible: true")
        if self.service is not None and self.kind is WorkloadKind.training:
            faults.append("service belongs to online and deferrable work, this is training; allowed: job")
        faults += self._pool_faults()
        if self.job is not None and self.kind is not WorkloadKind.training:
            faults.append(f"job belongs to training, this is {self.kind.value}; allowed: service")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _pool_faults(self) -> list[str]:
        faults = []
        if self.large_pools and self.kind is WorkloadKind.training:
            faults.append("large_pools belong to online and deferrable work, this is training")
        for kind, pool in self.large_pools.items():
            if kind not in self.throughput:
                faults.append(f"large_pools.{kind}: no throughput on this type; allowed: {', '.join(self.throughput)}")
            elif pool.utilisation <= self.max_utilisation:
                found = f"large_pools.{kind}.utilisation {pool.utilisation:g}"
                faults.append(f"{found}, allowed: above max_utilisation {self.max_utilisation:g}")
        return faults


class Campaign(Block):
    """One training job: `card_days` of work (on a type of speed 1) for a whole gang at one site on one type.

    earliest, due: periods (due is the last period in which it may run). value: lost if the job is not finished (in
    proportion to what is missing); None: it must be finished.
    """

    id: Id
    names: Names
    gang_cards: Annotated[Whole, Field(ge=1)]
    card_days: Positive
    earliest: Count = 0
    due: Count
    speed: dict[Id, Positive]
    allowed_sites: list[Id] | None = None
    value: NonNegative | None = None
