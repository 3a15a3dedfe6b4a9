"""From a history on disk to an outlook over a case's horizon, with the mapping rules of the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.exits import UsageError

if TYPE_CHECKING:
    from forecasts.history.quality import QualityReport
    from forecasts.outlook import Outlook
    from planner.case import Case, SeriesRule

RULE = re.compile(r"(?P<series>.+)=(?P<workload>[^=@*\s]+)@(?P<where>[^*\s]+)(?:\*(?P<scale>\S+))?")


def parse_rules(rules: list[str]) -> list[SeriesRule]:
    """The rules of `--map`. Raises UsageError with every fault at once."""
    from pydantic import ValidationError

    from planner.case import SeriesRule

    out: list[SeriesRule] = []
    faults: list[dict[str, str]] = []
    for rule in rules:
        try:
            found = RULE.fullmatch(rule.strip())
            if found is None:
                raise ValueError("SERIES=WORKLOAD@REGION*SCALE, such as 'm-small=chat@east*0.003'")
            places = dict(_place(part) for part in found["where"].split(","))
            region = next(iter(places)) if len(places) == 1 else None
            share = {} if region is not None else places
            scale = float(found["scale"] or 1)
            out.append(
                SeriesRule(
                    series=found["series"],
                    workload=found["workload"],
                    region=region,
                    share=share,
                    scale=scale,
                    scale_note="--map",
                )
            )
        except ValidationError as error:
            allowed = "; ".join(f"{'/'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            faults.append({"where": "--map", "found": rule, "allowed": allowed})
        except ValueError as error:
            faults.append({"where": "--map", "found": rule, "allowed": str(error)})
    if faults:
        raise UsageError(faults)
    return out


def _place(part: str) -> tuple[str, float]:
    region, colon, share = part.partition(":")
    return region, float(share) if colon else 1.0


def outlook_of_file(
    case: Case, path: Path, maps: list[str] | None, seed: int, evaluation: int | None = None
) -> tuple[Outlook, QualityReport]:
    """An outlook that covers the case's horizon, and what the history's data are worth.

    maps: rules of the command line; without them the case's `history_mapping` holds. evaluation: futures to judge on,
    if not the forecast's own number. Raises HistoryError, ForecastError or UsageError with every fault.
    """
    from api.work.intake import outlook_for
    from forecasts.forecast import ForecastConfig
    from forecasts.history import read_history

    rules = parse_rules(maps or [])
    history, quality = read_history(path, timezone=case.meta.timezone)
    config = ForecastConfig(seed=seed) if evaluation is None else ForecastConfig(seed=seed, evaluation=evaluation)
    outlook, _report = outlook_for(case, history, rules=rules, config=config)
    return outlook, quality
