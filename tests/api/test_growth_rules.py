"""Rules of --growth, and the same settings in a request."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from api.cli.exits import UsageError
from api.cli.growth import with_growth
from api.http.schemas.requests import CeilingRequest
from api.work.demand import ceilings_of, forecast_config
from forecasts.forecast import ForecastConfig
from forecasts.history.ceilings import Ceiling
from forecasts.outlook import SeriesKey
from forecasts.weekly.growth import GrowthPrior


def test_rules_hold_for_all_or_for_one_workload_in_whatever_order() -> None:
    rules = ["chat=0.6,doubt=0.1", "0.1,sigma=0.2,half-life=2"]
    config = with_growth(ForecastConfig(), rules)
    assert config.growth == GrowthPrior(0.1, 0.2, half_life_years=2.0)
    assert config.growth_of == {"chat": GrowthPrior(0.6, 0.2, half_life_years=2.0, doubt=0.1)}
    keys = (SeriesKey("east", "chat"), SeriesKey("east", "batch"))
    assert [prior.per_year for prior in config.priors(keys)] == [0.6, 0.1]
    assert with_growth(ForecastConfig(), ["sigma=0.5"]).growth == GrowthPrior(sigma=0.5)
    assert with_growth(ForecastConfig(), None) == ForecastConfig()


@pytest.mark.parametrize("rule", ["fast", "0.2,sigma=much", "0.2,pace=3", "chat=", "-2", "0.1,half-life=0"])
def test_rules_that_cannot_be_read_are_named(rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_growth(ForecastConfig(), ["0.1", rule])
    assert [fault.found for fault in caught.value.faults] == [rule]


def test_a_request_says_the_same() -> None:
    asked = {"seed": 3, "growth": {"per_year": 0.1, "sigma": None}, "growth_of": {"chat": {"doubt": 0.2}}}
    config = forecast_config(asked)
    assert config.growth == GrowthPrior(0.1)
    assert config.growth_of == {"chat": GrowthPrior(0.1, doubt=0.2)}
    assert forecast_config({}) == ForecastConfig()
    named = [{"series": "chat", "value": 11.0}, {"series": "batch", "unserved": "batch/queued"}]
    assert ceilings_of({"ceilings": named}) == [Ceiling("chat", 11.0), Ceiling("batch", unserved="batch/queued")]
    assert ceilings_of({}) == []


@pytest.mark.parametrize("given", [{}, {"value": 3.0, "capacity": "c"}, {"value": 0.0}])
def test_a_ceiling_is_named_in_one_way(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CeilingRequest.model_validate({"series": "chat", **given})
