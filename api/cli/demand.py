"""From a history on disk to an outlook over a case's horizon, with the mapping rules of the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.exits import UsageError
from api.cli.options import Ceilings, Growth, History, Maps, OutlookFile, Reads
from api.cli.output import of_history
from forecasts.fault import Fault

if TYPE_CHECKING:
    from forecasts.history import History as ReadHistory
    from forecasts.history.ceilings import Ceiling
    from forecasts.history.quality import QualityReport
    from forecasts.outlook import Outlook
    from planner.case import Case, SeriesRule

RULE = re.compile(r"(?P<series>.+)=(?P<workload>[^=@*\s]+)@(?P<weights>~?)(?P<where>[^*\s]+)(?:\*(?P<scale>\S+))?")
FORM = "SERIES=WORKLOAD@REGION*SCALE, such as 'm-small=chat@east*0.003'"


def parse_rules(rules: list[str]) -> list[SeriesRule]:
    """The rules of `--map`. Raises UsageError with every fault at once."""
    from pydantic import ValidationError

    out: list[SeriesRule] = []
    faults: list[Fault] = []
    for rule in rules:
        try:
            found = RULE.fullmatch(rule.strip())
            if found is None:
                raise ValueError(FORM)
            if found["scale"] is None:
                raise ValueError(
                    f"{FORM}: how many units of the workload a unit of the series is, *1 when they are one"
                )
            out.append(_rule(found))
        except ValidationError as error:
            allowed = "; ".join(f"{'/'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            faults.append(Fault("--map", rule, allowed))
        except ValueError as error:
            faults.append(Fault("--map", rule, str(error)))
    if faults:
        raise UsageError(faults)
    return out


def _rule(found: re.Match[str]) -> SeriesRule:
    """Raises ValueError for numbers that are none, and for shares that add up to something else than 1."""
    from planner.case.checks import SHARES_OFF
    from planner.case.given import SeriesRule

    weights = bool(found["weights"])
    places: dict[str, float] = {}
    for part in found["where"].split(","):
        region, colon, share = part.partition(":")
        if region in places:
            raise ValueError(f"every region once in a rule ({region} again)")
        places[region] = _number(share, f"the share of {region}") if colon else 1.0
    total = sum(places.values())
    alone = len(places) == 1 and ":" not in found["where"]
    if not (alone or weights or abs(total - 1) <= SHARES_OFF):
        raise ValueError(
            f"shares that add up to 1 (these: {total:g}), or weights, which are scaled to it: @~{found['where']}"
        )
    region = next(iter(places)) if len(places) == 1 else None
    return SeriesRule(
        series=found["series"],
        workload=found["workload"],
        region=region,
        share={} if region is not None else places,
        weights=weights,
        scale=_number(found["scale"], "the scale"),
        scale_note="--map",
    )


def _number(text: str, what: str) -> float:
    from planner.case.document import number_of

    number = number_of(text)
    if number is None or not 0 < number < float("inf"):
        raise ValueError(f"a number above 0 as {what}")
    return float(number)


@dataclass(frozen=True)
class Rules:
    """What the command line says of a history, as it was typed."""

    map: Maps = None
    reads: Reads = None
    ceiling: Ceilings = None
    growth: Growth = None

    @property
    def any(self) -> bool:
        """Whether anything is said."""
        return bool(self.map or self.reads or self.ceiling or self.growth)

    def read(self, path: Path, timezone: str, case: Case | None = None) -> tuple[ReadHistory, QualityReport]:
        """The history of a file, for a case. Raises HistoryError or UsageError with every fault."""
        from forecasts.history import read_history
        from forecasts.history.asked import reading_of_texts
        from forecasts.history.mapping import ceilings_of

        own = [] if case is None or self.map else ceilings_of(case.history_mapping)
        named = [one.series for one in (*own, *self.named_ceilings())]
        return read_history(path, timezone=timezone, asked=reading_of_texts(self.reads or (), named))

    def named_ceilings(self) -> list[Ceiling]:
        """The ceilings of --ceiling. Raises UsageError with every fault."""
        return parse_ceilings(self.ceiling or [])

    def rules(self) -> list[SeriesRule]:
        """The rules of --map. Raises UsageError with every fault."""
        return parse_rules(self.map or [])


@dataclass(frozen=True)
class Source(Rules):
    """Where demand comes from: a history, an outlook, or neither (the case's own)."""

    history: History = None
    outlook: OutlookFile = None


def parse_ceilings(rules: list[str]) -> list[Ceiling]:
    """'SERIES=11', 'SERIES=capacity:NAME' or 'SERIES=unserved:NAME'. Raises UsageError with every fault at once."""
    from forecasts.history.ceilings import Ceiling

    out, faults = [], []
    for rule in rules:
        series, _, said = rule.rpartition("=")
        kind, colon, name = said.partition(":")
        if series and colon and name and kind in ("capacity", "unserved"):
            capacity, unserved = (name, None) if kind == "capacity" else (None, name)
            out.append(Ceiling(series, capacity=capacity, unserved=unserved))
            continue
        try:
            out.append(Ceiling(series, value=_number(said, "the ceiling")))
            if not series:
                raise ValueError
        except ValueError:
            allowed = "SERIES=NUMBER, SERIES=capacity:NAME or SERIES=unserved:NAME"
            faults.append(Fault("--ceiling", rule, allowed))
    if faults:
        raise UsageError(faults)
    return out


def outlook_of_file(
    case: Case, path: Path, given: Rules, seed: int, evaluation: int | None = None
) -> tuple[Outlook, QualityReport]:
    """An outlook that covers the case's horizon, and what the history's data are worth.

    given: what the command line says; without rules of its own the case's `history_mapping` holds. evaluation: futures
    to judge on, if not the forecast's own number. Raises HistoryError, ForecastError or UsageError with every fault.
    """
    from api.cli.growth import with_growth
    from api.work.intake import outlook_for
    from forecasts.forecast import ForecastConfig

    rules = given.rules()
    ceilings = given.named_ceilings()
    history, quality = given.read(path, case.meta.timezone, case)
    config = ForecastConfig(seed=seed) if evaluation is None else ForecastConfig(seed=seed, evaluation=evaluation)
    config = with_growth(config, given.growth)
    outlook, _report = outlook_for(case, history, rules=rules, ceilings=ceilings, config=config)
    said = {"map": given.map, "read": given.reads, "ceiling": given.ceiling}
    told = {name: values for name, values in said.items() if values}
    return replace(outlook, provenance={**outlook.provenance, **of_history(path), **told}), quality
