"""Questions to a finished plan, and explanations of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

from api.http import examples
from api.http.schemas.requests import DemandChangeRequest, LimitsRequest
from api.http.schemas.wire import Asked, Json, Name, example


class WhyNotRequest(Asked):
    """Why not at least (or at most) so many modules of these orders, or departures? A field left out means any."""

    site: Name | None = None
    module_type: Name | None = None
    period: Annotated[int, Field(ge=0, le=1000)] | None = Field(None, description="By number; the first is 0.")
    sense: Literal["at_least", "at_most"] = "at_least"
    modules: Annotated[int, Field(ge=0, le=10**7)] = 1
    decision: Literal["orders", "departures"] = "orders"
    limits: LimitsRequest = LimitsRequest()
    model_config = example({"site": "near", "module_type": "m128", "modules": 2, "limits": {"seconds": 60}})

    @field_validator("limits", mode="before")
    @classmethod
    def _null_is_default(cls, value: object) -> object:
        return {} if value is None else value


class QuestionRequest(Asked):
    """A question that is answered by solving again.

    what_if: `levers`, `overrides` (a merge patch) and `demand` make another world. alternatives: plans within `epsilon`
    of the cost that differ most in each of `qualities`, `tries` solves each. sensitivity: one assumption at a time, all
    or those of `factors`. filling: modules avoided because work can wait. resilience: what surviving a lost site costs.
    headroom: until when what stands lasts without any order.
    `limits` hold for each solve.
    """

    kind: Literal["what_if", "alternatives", "sensitivity", "filling", "resilience", "headroom"]
    levers: Annotated[list[Json], Field(max_length=50)] = []
    overrides: Json = {}
    demand: DemandChangeRequest = DemandChangeRequest()
    qualities: list[Literal["fewest_sites", "most_domestic", "least_carbon"]] = [
        "fewest_sites",
        "most_domestic",
        "least_carbon",
    ]
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.02
    tries: Annotated[int, Field(ge=1, le=20)] = 3
    factors: list[Name] | None = None
    limits: LimitsRequest = LimitsRequest()
    model_config = example(
        {"kind": "what_if", "levers": [{"kind": "tariff", "factor": 1.2}], "limits": {"seconds": 60}}
    )


class Explanation(BaseModel):
    """Rows about a finished plan; they never change. note, note_zh: how they were found, where that has to be said."""

    plan_id: str
    rows: list[Json]
    note: str = ""
    note_zh: str = ""
    model_config = example(
        {
            "plan_id": examples.PLAN_ID,
            "rows": [
                {
                    "family": "site_power",
                    "pointer": "/sites/0/power_mw",
                    "written": "[2.0, 3.0]",
                    "unit": "MW",
                    "step": 1.0,
                    "price": 3.1e6,
                    "less": 3.4e6,
                }
            ],
            "note": "What one unit more room is worth, the whole case planned again with the number changed:",
            "note_zh": "放宽一个单位的价值（改动该数值后整个算例重新求解）：",
        }
    )
