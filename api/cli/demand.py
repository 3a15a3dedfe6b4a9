"""From a history on disk to an outlook over a case's horizon, with the mapping rules of the command line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.cli.exits import UsageError

if TYPE_CHECKING:
    from forecasts.history import History
    from forecasts.history.ceilings import Ceiling
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


@dataclass(frozen=True)
class Given:
    """What the command line says of a history: the values of --map, --read and --ceiling as they were typed."""

    maps: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    ceilings: tuple[str, ...] = ()

    @classmethod
    def of(cls, maps: list[str] | None, reads: list[str] | None, ceilings: list[str] | None) -> Given:
        """Options that may be left out."""
        return cls(tuple(maps or ()), tuple(reads or ()), tuple(ceilings or ()))

    def __bool__(self) -> bool:
        return bool(self.maps or self.reads or self.ceilings)

    def read(self, path: Path, timezone: str, case: Case | None = None) -> tuple[History, QualityReport]:
        """The history of a file, for a case. Raises HistoryError or UsageError with every fault."""
        from forecasts.history import read_history
        from forecasts.history.asked import reading_of_texts
        from forecasts.history.mapping import ceilings_of

        own = [] if case is None or self.maps else ceilings_of(case.history_mapping)
        named = [one.series for one in (*own, *self.named_ceilings())]
        return read_history(path, timezone=timezone, asked=reading_of_texts(self.reads, named))

    def named_ceilings(self) -> list[Ceiling]:
        """The ceilings of --ceiling. Raises UsageError with every fault."""
        return parse_ceilings(list(self.ceilings))


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
            out.append(Ceiling(series, value=float(said)))
            if not series:
                raise ValueError
        except ValueError:
            allowed = "SERIES=NUMBER, SERIES=capacity:NAME or SERIES=unserved:NAME"
            faults.append({"where": "--ceiling", "found": rule, "allowed": allowed})
    if faults:
        raise UsageError(faults)
    return out


def outlook_of_file(
    case: Case, path: Path, given: Given, seed: int, evaluation: int | None = None
) -> tuple[Outlook, QualityReport]:
    """An outlook that covers the case's horizon, and what the history's data are worth.

    given: what the command line says; without rules of its own the case's `history_mapping` holds. evaluation: futures
    to judge on, if not the forecast's own number. Raises HistoryError, ForecastError or UsageError with every fault.
    """
    from api.work.intake import outlook_for
    from forecasts.forecast import ForecastConfig

    rules = parse_rules(list(given.maps))
    ceilings = given.named_ceilings()
    history, quality = given.read(path, case.meta.timezone, case)
    config = ForecastConfig(seed=seed) if evaluation is None else ForecastConfig(seed=seed, evaluation=evaluation)
    outlook, _report = outlook_for(case, history, rules=rules, ceilings=ceilings, config=config)
    return outlook, quality
