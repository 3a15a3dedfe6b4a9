"""The rules of `--growth`: what is believed about growth, of all workloads or of one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from api.cli.exits import UsageError
from forecasts.fault import Fault

if TYPE_CHECKING:
    from forecasts.forecast import ForecastConfig
    from forecasts.weekly.growth import GrowthPrior

SETTINGS = {
    "sigma": "sigma",
    "common": "common",
    "half-life": "half_life_years",
    "doubt": "doubt",
}
ALLOWED = "[WORKLOAD=]RATE[,sigma=S][,half-life=YEARS][,doubt=D][,common=C], such as '0.3' or 'chat=0.6,sigma=0.4'"


def with_growth(config: ForecastConfig, rules: list[str] | None) -> ForecastConfig:
    """The settings with the rules in them; a rule without a workload holds for all that have none of their own.

    Raises UsageError with every rule that cannot be read.
    """
    general, single = config.growth, dict(config.growth_of)
    faults: list[Fault] = []
    # General rules first, so that a workload's own rule adds to them in whatever order they are given.
    for rule in sorted(rules or [], key=lambda text: _workload(text) is not None):
        try:
            workload = _workload(rule)
            found = _read(rule, single.get(workload, general) if workload is not None else general)
        except ValueError as error:
            faults.append(Fault("--growth", rule, f"{ALLOWED} ({error})"))
            continue
        if workload is None:
            general = found
        else:
            single[workload] = found
    if faults:
        raise UsageError(faults)
    return replace(config, growth=general, growth_of=single)


def _workload(rule: str) -> str | None:
    """The workload that a rule names first, if it does."""
    name, equals, _ = rule.split(",")[0].partition("=")
    return name.strip() if equals and name.strip() not in SETTINGS else None


def _read(rule: str, base: GrowthPrior) -> GrowthPrior:
    changes: dict[str, float] = {}
    for place, part in enumerate(rule.split(",")):
        name, equals, number = part.partition("=")
        if equals and name.strip() in SETTINGS:
            changes[SETTINGS[name.strip()]] = float(number)
        elif place == 0:
            changes["per_year"] = float(number if equals else name)
        else:
            raise ValueError(f"{part.strip()!r} is no setting")
    return replace(base, **changes)
