"""What runs are asked for: forecasts, plans, comparisons."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from api.http import examples
from api.http.schemas.wire import Asked, Json, Name, ResourceId, Seed, example


class LimitsRequest(BaseModel):
    """How long, how close and on what to solve. `threads` left out: as many as one solve may have here."""

    seconds: Annotated[float, Field(gt=0, le=7 * 86400, allow_inf_nan=False)] = 180.0
    gap: Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)] = 0.01
    seed: Seed = 1
    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    route: Literal["auto", "one_piece", "relax_and_fix", "benders"] = "auto"
    model_config = example({"seconds": 60, "gap": 0.01, "seed": 1, "route": "auto"})


class GrowthRequest(BaseModel):
    """What is believed about growth; what is left out takes the forecast's own default.

    `per_year`: median growth a year, 0.25 for +25 %. `sigma`: standard deviation of its yearly logarithm. `common`:
    share of that which all series have in common. `half_life_years`: how fast growth that only the history shows fades.
    `doubt`: standard deviation that no history takes away.
    """

    per_year: Annotated[float, Field(gt=-1, le=100, allow_inf_nan=False)] | None = None
    sigma: Annotated[float, Field(ge=0, lt=5, allow_inf_nan=False)] | None = None
    common: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    half_life_years: Annotated[float, Field(ge=0.01, le=100, allow_inf_nan=False)] | None = None
    doubt: Annotated[float, Field(ge=0, lt=5, allow_inf_nan=False)] | None = None
    model_config = example({"per_year": 0.4, "sigma": 0.3, "half_life_years": 1.0, "doubt": 0.05})


class CeilingRequest(BaseModel):
    """Where a history shows what was served and demand may have been cut off: at one of a number in the series' unit, a
    series of capacity, or the hours in which a series of rejected or queued work is above 0. `series` is a name or
    pattern.
    """

    series: Annotated[str, Field(min_length=1, max_length=400)]
    value: Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)] | None = None
    capacity: Name | None = None
    unserved: Name | None = None
    model_config = example({"series": "chat", "value": 11.0})

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [name for name in ("value", "capacity", "unserved") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"found {' and '.join(given) or 'none'}; allowed: one of value, capacity, unserved")
        return self


class ForecastOptions(Asked):
    """How the outlook is made from a history; what is left out takes the forecast's own default.

    `growth` holds for every workload that `growth_of` does not name. `ceilings` are named beside those of the case's
    `history_mapping`; demand above them is estimated.
    """

    seed: Seed | None = None
    futures: Annotated[int, Field(ge=1, le=200)] | None = None
    evaluation: Annotated[int, Field(ge=1, le=5000)] | None = None
    growth: GrowthRequest | None = None
    growth_of: Annotated[dict[str, GrowthRequest], Field(max_length=1000)] | None = None
    ceilings: Annotated[list[CeilingRequest], Field(max_length=1000)] | None = None
    model_config = example({"seed": 1, "futures": 5, "growth": {"per_year": 0.4}})


class ForecastRequest(ForecastOptions):
    """An outlook from a stored history: over `weeks`, or over a case's horizon with its series mapped onto the case."""

    name: Name = ""
    history_id: ResourceId
    case_id: ResourceId | None = None
    weeks: Annotated[int, Field(ge=1, le=1040)] | None = Field(None, description="104 without a case.")
    backtest: bool = Field(
        True,
        description="Score forecasts made at earlier origins, a week and quarters ahead, against what came "
        "(`backtest.json`, `peaks.parquet`); it takes some times as long as the forecast itself.",
    )
    model_config = example({"history_id": examples.HISTORY_ID, "weeks": 104, "seed": 1, "futures": 5})

    @model_validator(mode="after")
    def _one_span(self) -> ForecastRequest:
        if self.case_id is not None and self.weeks is not None:
            raise ValueError("found case_id and weeks; allowed: one of them, since the case's horizon sets the weeks")
        return self


class DemandRequest(Asked):
    """A stored case and a demand for it: a history, an outlook (a finished forecast), or the case's own."""

    name: Name = ""
    case_id: ResourceId
    history_id: ResourceId | None = None
    forecast_id: ResourceId | None = None
    limits: LimitsRequest = LimitsRequest()
    forecast: ForecastOptions = ForecastOptions()

    @model_validator(mode="after")
    def _one_demand(self) -> Self:
        if self.history_id is not None and self.forecast_id is not None:
            raise ValueError("found history_id and forecast_id; allowed: one of them, or neither")
        return self

    @field_validator("limits", "forecast", mode="before")
    @classmethod
    def _null_is_default(cls, value: object) -> object:
        return {} if value is None else value


class DemandChangeRequest(BaseModel):
    """Demand that differs: `multiplier` on all of it, `growth` on its trend (0.5: half the growth), `of` on single
    workloads, besides."""

    multiplier: Annotated[float, Field(ge=0, le=100)] = 1.0
    growth: Annotated[float, Field(ge=-2, le=5)] = 1.0
    of: Annotated[dict[Name, Annotated[float, Field(ge=0, le=100)]], Field(max_length=1000)] = {}
    model_config = example({"multiplier": 1.2, "growth": 1.0, "of": {"chat": 1.5}})


class PlanRequest(DemandRequest):
    """A plan from a stored case and a demand: a history, an outlook (a finished forecast), or the case's own."""

    every_hour: bool = Field(
        True, description="With an outlook: dispatch every hour under the orders and add days that typical days missed."
    )
    demand_change: DemandChangeRequest | None = Field(None, description="How demand differs from what it rests on.")
    model_config = example({"name": "first look", "case_id": examples.CASE_ID, "limits": {"seconds": 60, "gap": 0.01}})


class SweepRequest(BaseModel):
    """A range of build-ahead ratios, each a scenario of its own: the frontier of idle cost against shortfall."""

    first: Annotated[float, Field(gt=0, le=10)]
    last: Annotated[float, Field(gt=0, le=10)]
    step: Annotated[float, Field(ge=0.01, le=5)] = 0.1
    model_config = example({"first": 0.9, "last": 1.6, "step": 0.1})


class ComparisonRequest(DemandRequest):
    """Build-ahead scenarios on one case and demand. `limits` hold for each plan."""

    scenarios: Annotated[list[Json], Field(min_length=1, max_length=100)] | None = Field(
        None, description="Each with id, names, rule, levers, overrides and demand; the standard seven if left out."
    )
    sweep: SweepRequest | None = None
    evaluation_futures: Annotated[int, Field(ge=1, le=5000)] | None = Field(
        None, description="Futures that all scenarios are judged on; as many as the outlook has if left out."
    )
    budget_seconds: Annotated[float, Field(ge=1, le=86_400)] | None = Field(
        None,
        description="Of plans, dispatch and values of information together, in place of the seconds of `limits`: plans "
        "have three quarters at most, the rest takes what it needs.",
    )
    model_config = example(
        {
            "name": "how far ahead",
            "case_id": examples.CASE_ID,
            "scenarios": [
                {"id": "jit", "names": {"en": "Just in time", "zh": "不超前"}, "rule": {"kind": "just_in_time"}},
                {"id": "ahead", "names": {"en": "Ahead", "zh": "适度超前"}, "rule": {"kind": "ratio", "ratio": 1.2}},
            ],
            "limits": {"seconds": 60, "gap": 0.01},
        }
    )
