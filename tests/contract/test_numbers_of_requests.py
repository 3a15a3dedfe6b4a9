"""Every number of every request of the API has ends: what is no number, or beyond all sense, is refused."""

from __future__ import annotations

import math
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from api.http.schemas import questions, requests, sizing


def numeric(annotation: Any) -> bool:
    return annotation in (int, float) or any(numeric(inner) for inner in get_args(annotation))


REQUESTS = {
    name: model
    for module in (questions, requests, sizing)
    for name, model in vars(module).items()
    if isinstance(model, type) and issubclass(model, BaseModel) and name.endswith(("Request", "Options"))
}
FIELDS = [(m, name) for m in REQUESTS.values() for name, field in m.model_fields.items() if numeric(field.annotation)]


def test_there_are_numbers() -> None:
    found = {name for _, name in FIELDS}
    assert {"seconds", "gap", "seed", "threads", "futures", "weeks", "budget_seconds", "first", "step"} <= found


@pytest.mark.parametrize(("model", "field"), FIELDS, ids=[f"{m.__name__}.{f}" for m, f in FIELDS])
def test_what_is_no_number_in_its_range_is_refused(model: type[BaseModel], field: str) -> None:
    for value in (math.nan, math.inf, -math.inf, -1e12, 1e300, "x"):
        with pytest.raises(ValidationError) as error:
            model.model_validate({field: value})
        assert any(line["loc"][:1] == (field,) for line in error.value.errors()), (field, value)
