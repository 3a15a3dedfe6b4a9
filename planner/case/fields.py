"""Kinds of fields that all blocks of a case share: names, bounded numbers, days, numbers by period."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from planner.arrays import FloatArray

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
        """The name in a language."""
        return (self.zh or self.en) if language.startswith("zh") else self.en


def by_period(value: float | list[float] | list[float | None] | None, periods: int, missing: float) -> FloatArray:
    """(periods,) numbers of a per-period field; None becomes `missing`. The length was checked with the case."""
    if value is None:
        return np.full(periods, missing)
    if isinstance(value, list):
        return np.array([missing if v is None else v for v in value], float)
    return np.full(periods, float(value))
