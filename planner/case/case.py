"""The case: everything a plan is computed from, except the demand outlook.

Types, units and the checks that one block can make by itself; checks across blocks stand in `planner.case.checks`.
Unknown fields are refused everywhere. Every number carries its unit in its name; compute is dense FP16; money is in
`meta.currency`. A field marked "per period" takes one number for all periods or a list with one number a period.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from planner.arrays import FloatArray

if TYPE_CHECKING:
    from planner.case.fault import CrossFault

Id = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\s/|,]+$")]
NonNegative = Annotated[float, Field(strict=True, ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]


def _no_text(value: Any) -> Any:
    if isinstance(value, (str, bool)):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


def _day(value: Any) -> Any:
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value)):
        return value
    raise PydanticCustomError("date_type", "Input should be a date such as 2027-01-31")


Whole = Annotated[int, BeforeValidator(_no_text)]
"""2e3 is one, the text "2000" is none."""
Flag = Annotated[bool, Field(strict=True)]
Day = Annotated[date, BeforeValidator(_day)]
"""Written out, never a count of seconds."""
Count = Annotated[Whole, Field(ge=0)]
PerPeriod = NonNegative | list[NonNegative]
PerPeriodOrNone = NonNegative | list[NonNegative | None] | None
PerMonth = (
    Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)]
    | Annotated[
        list[Annotated[float, Field(strict=True, ge=1, allow_inf_nan=False)]], Field(min_length=12, max_length=12)
    ]
)


FIELDS_ONLY = "fields only"
"""Validation context in which a block leaves out the checks between its own fields."""


class Block(BaseModel):
    """Base of every block: frozen, nothing unknown, nothing silently converted."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


class Names(Block):
    """What a thing is called on the page; `zh` falls back to `en`."""

    en: str
    zh: str = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"en": value} if isinstance(value, str) else value

    def text(self, language: str = "en") -> str:
        return (self.zh or self.en) if language.startswith("zh") else self.en


class Source(Block):
    """Where a number comes from. `path` is a JSON Pointer into the case (`*` stands for any one part); it covers
    everything below it, and the longest path that covers a number speaks for it (see `planner.case.sources`).

    mark: F read in the source, E an excerpt, C computed, R recalled, U conflicting or weak, A our assumption.
    """

    path: str
    mark: Literal["F", "E", "C", "R", "U", "A"]
    source: str
    date: str = ""


class Meta(Block):
    name: str
    description: str = ""
    currency: str = "CNY"
    timezone: str = "Asia/Shanghai"
    as_of: Day
    generated_demand: Flag = False
    sources: list[Source] = []


class Costing(StrEnum):
    annuity = "annuity"
    upfront = "upfront"


class Horizon(Block):
    """Planning periods 0 … periods-1 of equal length.

    discount_rate: per year. commit_periods: orders placed before this period are the same in every future; later ones
    may differ by future (None: all orders are the same in every future).
    """

    start: Day
    periods: Annotated[Whole, Field(ge=1, le=80)]
    months_per_period: Annotated[Whole, Field(ge=1, le=12)] = 3
    discount_rate: Annotated[float, Field(strict=True, ge=0, le=1)] = 0.07
    commit_periods: Count | None = None
    costing: Costing = Costing.annuity

    def period_start(self, period: int) -> date:
        months = self.start.year * 12 + self.start.month - 1 + period * self.months_per_period
        return date(months // 12, months % 12 + 1, 1)

    @property
    def end(self) -> date:
        return self.period_start(self.periods)

    def period_label(self, period: int) -> str:
        first = self.period_start(period)
        if self.months_per_period == 3 and first.month % 3 == 1:
            return f"{first.year}Q{(first.month + 2) // 3}"
        return f"{first.year}-{first.month:02d}"

    def period_of(self, day: date) -> int:
        """The period that holds `day`: negative before the horizon, `periods` or more after it."""
        months = (day.year - self.start.year) * 12 + day.month - self.start.month
        return months // self.months_per_period

    def days(self, period: int) -> int:
        return (self.period_start(period + 1) - self.period_start(period)).days

    def discount(self) -> FloatArray:
        """(periods,) factor (1 + rate) ** -(years to the start of the period)."""
        years = np.arange(self.periods) * self.months_per_period / 12
        return np.asarray((1 + self.discount_rate) ** -years, float)


class Region(Block):
    id: Id
    names: Names
    lat: Annotated[float, Field(strict=True, ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(strict=True, ge=-180, le=180)] | None = None


class Phase(Block):
    """A block of site power and building that can be ordered, `max_count` times."""

    mw: Positive
    capex: NonNegative
    lead_periods: Count = 4
    max_count: Annotated[Whole, Field(ge=1)] = 1
    life_periods: Annotated[Whole, Field(ge=1)] = 80
    space_racks: NonNegative = 0


class SiteStatus(StrEnum):
    existing = "existing"
    candidate = "candidate"


class Site(Block):
    """A data centre or campus. Power is facility power: it includes cooling (PUE).

    A candidate hosts nothing unless it is opened; opening costs `opening_cost` once. `green_share` is the contracted
    share of green power; market-based carbon defaults to location-based x (1 - green_share).
    """

    id: Id
    names: Names
    lat: Annotated[float, Field(strict=True, ge=-90, le=90)] | None = None
    lon: Annotated[float, Field(strict=True, ge=-180, le=180)] | None = None
    hub: str = ""
    status: SiteStatus = SiteStatus.existing
    opening_cost: NonNegative = 0
    opening_life_periods: Annotated[Whole, Field(ge=1)] = 80
    power_mw: PerPeriod
    phases: list[Phase] = []
    space_racks: PerPeriod | None = None
    pue: PerMonth = 1.0
    pue_limit: Annotated[float, Field(strict=True, ge=1)] | None = None
    tariff: Id | None = None
    demand_charge_per_kw_month: NonNegative = 0
    carbon_kg_per_kwh: NonNegative = 0
    carbon_market_kg_per_kwh: NonNegative | None = None
    green_share: Share = 0
    outage_class: str = ""

    def pue_by_month(self) -> FloatArray:
        return np.broadcast_to(np.asarray(self.pue, float), 12).copy()

    def market_carbon(self) -> float:
        if self.carbon_market_kg_per_kwh is not None:
            return self.carbon_market_kg_per_kwh
        return self.carbon_kg_per_kwh * (1 - self.green_share)


class ModuleType(Block):
    """The smallest block of accelerators that can be ordered, with its nodes and network.

    Per module: cards, power, racks, capex (by arrival period), opex (per period), supply (modules that may arrive in a
    period, all sites together; None: no limit). `order_cost` is charged once per order (one site, one arrival period).
    `prepay_share` of capex falls into the budget of the order period, the rest into that of the arrival.
    Of modules that leave the fleet early (`Standing`): resale_price is received for one that is retired (below 0: its
    removal costs that much), moving_cost is paid for one that is moved, which is out of use for `moving_periods`.
    """

    id: Id
    names: Names
    accelerator: str = ""
    vendor: str = ""
    domestic: Flag = False
    cards: Annotated[Whole, Field(ge=1)]
    peak_pflops: NonNegative
    memory_gib: NonNegative = 0
    power_idle_kw: NonNegative = 0
    power_peak_kw: NonNegative
    racks: NonNegative = 0
    capex: PerPeriod
    opex: PerPeriod = 0
    lead_periods: Count = 0
    life_periods: Annotated[Whole, Field(ge=1)] = 20
    supply: PerPeriod | None = None
    min_order: Annotated[Whole, Field(ge=1)] = 1
    order_cost: PerPeriod = 0
    resale_price: Finite | list[Finite] = 0
    moving_cost: PerPeriod = 0
    moving_periods: Count = 1
    prepay_share: Share = 0
    availability: Annotated[float, Field(strict=True, gt=0, le=1)] = 1.0

    @property
    def module_pflops(self) -> float:
        """Dense FP16 PFLOPS of one module; `peak_pflops` is per card."""
        return self.cards * self.peak_pflops

    @model_validator(mode="after")
    def _idle_below_peak(self, info: ValidationInfo) -> ModuleType:
        if info.context == FIELDS_ONLY:
            return self
        if self.power_idle_kw > self.power_peak_kw:
            raise ValueError(
                f"power_idle_kw {self.power_idle_kw:g} above power_peak_kw {self.power_peak_kw:g}; "
                "allowed: at most the peak"
            )
        return self


class Standing(Block):
    """Modules that stand or are on order: in service from `online` (None: already) until `retire` (None: beyond).

    may_retire: any of them may be taken out before. may_move_to: sites that any of them may be moved to.
    """

    site: Id
    module_type: Id
    modules: Count
    online: Day | None = None
    retire: Day | None = None
    may_retire: Flag = False
    may_move_to: list[Id] = []

    @property
    def may_leave(self) -> bool:
        return self.may_retire or bool(self.may_move_to)

    @model_validator(mode="after")
    def _moves_elsewhere(self, info: ValidationInfo) -> Standing:
        if info.context == FIELDS_ONLY:
            return self
        twice = sorted({s for s in self.may_move_to if self.may_move_to.count(s) > 1})
        if self.site in self.may_move_to or twice:
            found = f"may_move_to {', '.join(self.may_move_to)} of modules at {self.site}"
            raise ValueError(f"{found}; allowed: other sites, each once")
        return self


class Lease(Block):
    """Whole modules rented at a site; the price includes power and space unless `uses_site_power`.

    A start at period t needs notice `notice_periods` before t counted from period 0 and lasts at least
    `minimum_term_periods`.
    """

    id: Id
    supplier: str = ""
    site: Id
    module_type: Id
    price_per_module_period: PerPeriod
    notice_periods: Count = 0
    minimum_term_periods: Annotated[Whole, Field(ge=1)] = 1
    maximum_modules: PerPeriod
    uses_site_power: Flag = False


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
        if self.large_pools and self.kind is WorkloadKind.training:
            faults.append("large_pools belong to online and deferrable work, this is training")
        for kind, pool in self.large_pools.items():
            if kind not in self.throughput:
                faults.append(f"large_pools.{kind}: no throughput on this type; allowed: {', '.join(self.throughput)}")
            elif pool.utilisation <= self.max_utilisation:
                found = f"large_pools.{kind}.utilisation {pool.utilisation:g}"
                faults.append(f"{found}, allowed: above max_utilisation {self.max_utilisation:g}")
        if self.job is not None and self.kind is not WorkloadKind.training:
            faults.append(f"job belongs to training, this is {self.kind.value}; allowed: service")
        if faults:
            raise ValueError("; ".join(faults))
        return self


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


class TransferBand(Block):
    """Price per GB for pairs with a latency of at most `up_to_ms` (the last band may leave it open)."""

    up_to_ms: Positive | None = None
    cost_per_gb: NonNegative


class Network(Block):
    """Latency and transfer between regions and sites.

    latency_ms: given values by region and site; pairs that are not given come from coordinates:
    factor x great-circle km x route_factor / km_per_ms + equipment_ms with factor 1 (one_way) or 2 (round_trip).
    """

    latency_basis: Literal["one_way", "round_trip"] = "round_trip"
    latency_ms: dict[Id, dict[Id, NonNegative]] = {}
    route_factor: Annotated[float, Field(strict=True, ge=1)] = 1.5
    km_per_ms: Positive = 200.0
    equipment_ms: NonNegative = 0
    transfer_cost_per_gb: dict[Id, dict[Id, NonNegative]] = {}
    transfer_bands: list[TransferBand] = []
    bandwidth_gbps: dict[Id, dict[Id, PerPeriod]] = {}


DayKind = Literal["workday", "weekend", "holiday"]
DAY_KINDS: tuple[DayKind, ...] = ("workday", "weekend", "holiday")
Band = Literal["super_peak", "peak", "flat", "valley", "deep_valley"]
BANDS: tuple[Band, ...] = ("super_peak", "peak", "flat", "valley", "deep_valley")


class Window(Block):
    """Hours [from, to) of the named months and day kinds that belong to a band; later windows override earlier ones."""

    band: Band
    hours: list[tuple[Whole, Whole]]
    months: list[Annotated[Whole, Field(ge=1, le=12)]] = list(range(1, 13))
    day_kinds: list[DayKind] = [*DAY_KINDS]

    @model_validator(mode="after")
    def _hours_in_the_day(self, info: ValidationInfo) -> Window:
        if info.context == FIELDS_ONLY:
            return self
        bad = [list(pair) for pair in self.hours if not 0 <= pair[0] < pair[1] <= 24]
        if bad:
            raise ValueError(f"hours {bad}; allowed: 0 <= from < to <= 24")
        return self


class Tariff(Block):
    """Price per kWh by band (尖峰 高峰 平段 低谷 深谷); an hour without a window is flat."""

    id: Id
    names: Names = Names(en="")
    prices_per_kwh: dict[Band, Finite]
    windows: list[Window] = []
    valid_from: Day | None = None
    valid_to: Day | None = None

    @model_validator(mode="after")
    def _bands_have_prices(self, info: ValidationInfo) -> Tariff:
        if info.context == FIELDS_ONLY:
            return self
        missing = sorted(({w.band for w in self.windows} | {"flat"}) - set(self.prices_per_kwh))
        if missing:
            raise ValueError(f"no price for band {', '.join(missing)}; allowed: a price for every band used, and flat")
        return self

    def bands(self) -> NDArray[np.int64]:
        """(12 months, 3 day kinds, 24 hours) index into BANDS."""
        out = np.full((12, len(DAY_KINDS), 24), BANDS.index("flat"))
        for window in self.windows:
            months = [m - 1 for m in window.months]
            kinds = [DAY_KINDS.index(k) for k in window.day_kinds]
            for first, last in window.hours:
                out[np.ix_(months, kinds, range(first, last))] = BANDS.index(window.band)
        return out

    def prices(self) -> FloatArray:
        """(12 months, 3 day kinds, 24 hours) price per kWh."""
        by_band = np.array([self.prices_per_kwh.get(band, float("nan")) for band in BANDS])
        return np.asarray(by_band[self.bands()], float)


class BuildAhead(Block):
    """Range of usable capacity / P50 peak, by period."""

    minimum: PerPeriodOrNone = None
    maximum: PerPeriodOrNone = None


class Resilience(Block):
    """The named online workloads are still served at the peak hour with any one of `sites` lost (None: any site)."""

    workloads: list[Id]
    sites: list[Id] | None = None


class Policy(Block):
    """Limits and prices the owner sets. A list entry of null means no limit in that period.

    budget: capex paid in a period (prepaid share at the order, the rest on arrival; phases and openings on arrival).
    domestic_share_floor: of the peak PFLOPS ordered up to each period. vendor_share_cap: the same measure, by vendor.
    capacity_targets_eflops: least installed peak EFLOPS. utilisation_floor: busy / installed module-hours, by period.
    max_module_types: by site, the most types that may stand there at one time, owned or leased.
    """

    budget: PerPeriodOrNone = None
    carbon_price_per_tonne: PerPeriod = 0
    carbon_basis: Literal["location", "market"] = "location"
    carbon_cap_tonnes: PerPeriodOrNone = None
    green_share_floor: PerPeriodOrNone = None
    domestic_share_floor: PerPeriodOrNone = None
    vendor_share_cap: dict[str, Share] = {}
    build_ahead: BuildAhead = BuildAhead()
    capacity_targets_eflops: PerPeriodOrNone = None
    utilisation_floor: PerPeriodOrNone = None
    max_module_types: dict[str, Annotated[int, Field(strict=True, ge=0)]] = {}
    resilience: Resilience | None = None


class Expected(Block):
    kind: Literal["expected"] = "expected"


class CVaR(Block):
    """(1 - weight) x mean + weight x mean of the worst (1 - alpha) of futures."""

    kind: Literal["cvar"]
    alpha: Annotated[float, Field(strict=True, ge=0, lt=1)]
    weight: Share


class Quantile(Block):
    """Plan for one future: every demand at its q-quantile over the futures."""

    kind: Literal["quantile"]
    q: Annotated[float, Field(strict=True, gt=0, lt=1)]


class Risk(Block):
    objective: Annotated[Expected | CVaR | Quantile, Field(discriminator="kind")] = Expected()


class GivenDay(Block):
    """A typical day: `weight_days` of every period (per period), in steps of the stated lengths.

    With 24 steps of one hour, step h is hour h of the day and meets the tariff there; any other steps meet the day's
    mean price. `month` and `kind` fix the calendar for tariff and PUE; left out, they are averaged.
    """

    id: Id
    weight_days: PerPeriod
    month: Annotated[Whole, Field(ge=1, le=12)] | None = None
    kind: DayKind | None = None


class GivenSeries(Block):
    """Demand of one region and workload: values[period][day][step], a mean rate in the workload's unit.

    A single number stands for all; a list shorter in depth is spread: [step], [day][step] or [period][day][step].
    """

    region: Id
    workload: Id
    values: NonNegative | list[NonNegative] | list[list[NonNegative]] | list[list[list[NonNegative]]]


class GivenFuture(Block):
    id: Id = "base"
    probability: Annotated[float, Field(strict=True, gt=0, le=1)] = 1.0
    series: list[GivenSeries]


class GivenDemand(Block):
    """Demand brought along instead of an outlook."""

    days: Annotated[list[GivenDay], Field(min_length=1)]
    step_hours: Annotated[list[Positive], Field(min_length=1)] = [1.0] * 24
    futures: Annotated[list[GivenFuture], Field(min_length=1)]


class SeriesRule(Block):
    """How a history's series becomes demand: match (exact name or shell pattern), target, and an explicit unit scale.

    share: spread over regions by these shares, which add up to 1; with `weights`, they are scaled to do so. Or one
    `region`.
    scale: the workload's units for one unit of the series; a scale of 1 between different units needs a `scale_note`.
    ceiling, ceiling_series, unserved_series: at most one of them, where the series shows what was served and demand may
    have been cut off: at a number in the series' unit, at a series of capacity, or in the hours in which a series of
    rejected or queued work is above 0.
    """

    series: str
    workload: Id
    region: Id | None = None
    share: dict[Id, NonNegative] = {}
    weights: Flag = False
    scale: Positive
    scale_note: str = ""
    ceiling: Positive | None = None
    ceiling_series: str | None = None
    unserved_series: str | None = None


class Case(Block):
    """See the module's docstring; blocks are explained on their own types and in docs/case.md."""

    meta: Meta
    horizon: Horizon
    regions: Annotated[list[Region], Field(min_length=1)]
    sites: Annotated[list[Site], Field(min_length=1)]
    module_types: Annotated[list[ModuleType], Field(min_length=1)]
    fleet: list[Standing] = []
    leases: list[Lease] = []
    workloads: Annotated[list[Workload], Field(min_length=1)]
    campaigns: list[Campaign] = []
    network: Network = Network()
    tariffs: list[Tariff] = []
    policy: Policy = Policy()
    risk: Risk = Risk()
    history_mapping: list[SeriesRule] = []
    demand: GivenDemand | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _every_fault_at_once(cls, value: Any, handler: ModelWrapValidatorHandler[Case]) -> Case:
        """Faults of single fields and faults between blocks come in one error, so that nobody mends them one by one."""
        from planner.case.checks import cross_faults  # here, because the checks need the types above
        from planner.case.fault import error_of

        if isinstance(value, Case):
            return value
        underived: list[CrossFault] = []
        if _states_service(value):
            from planner.case.derive import derived  # here, because only such cases need the sizing

            value, underived = derived(value)
        case, fields = None, None
        try:
            case = handler(value)
        except ValidationError as error:
            fields = error
        crossing = [*underived, *cross_faults(value, case)]
        if case is None or crossing:
            raise error_of(cls.__name__, fields, crossing)
        return case


def _states_service(value: Any) -> bool:
    """Whether a workload of the document states a service or a job to derive its throughput from."""
    workloads = value.get("workloads") if isinstance(value, Mapping) else None
    stated = [w for w in workloads if isinstance(w, Mapping)] if isinstance(workloads, list) else []
    return any(w.get("service") is not None or w.get("job") is not None for w in stated)


def by_period(value: float | list[float] | list[float | None] | None, periods: int, missing: float) -> FloatArray:
    """(periods,) numbers of a per-period field; None becomes `missing`. The length was checked with the case."""
    if value is None:
        return np.full(periods, missing)
    if isinstance(value, list):
        return np.array([missing if v is None else v for v in value], float)
    return np.full(periods, float(value))
