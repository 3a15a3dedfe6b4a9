"""What an operator compares: a build-ahead rule and changed assumptions.

A scenario's levers and then its overrides (a JSON merge patch, RFC 7396) make a case of their own, and `demand` changes
the outlook. Changed assumptions hold for the world in which the scenario is judged, not only for its planning:
scenarios are compared with each other where their worlds are the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError, model_validator

from forecasts.fault import Fault
from planner.case import Block, Case, Id, Names, NonNegative, Share
from planner.case.document import DocumentError, read_document
from planner.case.fault import among, faults_of
from planner.case.file import CaseError, dump_case, merge_patch
from planner.scenarios.levers import Lever


class JustInTime(Block):
    """不超前: plan for the P50 outlook, without reserve."""

    kind: Literal["just_in_time"] = "just_in_time"


class MeanValue(Block):
    """Plan for the mean of the futures as if it were certain; what VSS is measured against."""

    kind: Literal["mean_value"]


class Ratio(Block):
    """适度超前: usable capacity of at least `ratio` x P50 peak in every period, or as much of it as can be built."""

    kind: Literal["ratio"]
    ratio: Annotated[float, Field(strict=True, gt=0, le=10)]


class QuantileOf(Block):
    """Plan for one future whose every demand is the q-quantile over the futures."""

    kind: Literal["quantile"]
    q: Annotated[float, Field(strict=True, gt=0, lt=1)]


class BringForward(Block):
    """The P50 plan, every order `periods` earlier, or as early as lead times, supply, power and budget allow."""

    kind: Literal["bring_forward"]
    periods: Annotated[int, Field(ge=1, le=40)]


class Stochastic(Block):
    """The two-stage model: least expected cost over the futures."""

    kind: Literal["stochastic"]


class Averse(Block):
    """The two-stage model: (1 - weight) x expected cost + weight x CVaR_alpha."""

    kind: Literal["cvar"]
    alpha: Annotated[float, Field(strict=True, ge=0, lt=1)] = 0.9
    weight: Share = 0.5


class WaitAndSee(Block):
    """Perfect information: every future is planned knowing it. No rule can do better; nobody can follow it."""

    kind: Literal["wait_and_see"]


Rule = Annotated[
    JustInTime | MeanValue | Ratio | QuantileOf | BringForward | Stochastic | Averse | WaitAndSee,
    Field(discriminator="kind"),
]


_RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
_NUMBER_OF = {"ratio": "ratio", "quantile": "q", "bring_forward": "periods", "cvar": "alpha"}


def rule_from(text: str) -> Rule:
    """The rule of a line such as "just_in_time", "ratio:1.2", "quantile:0.9", "bring_forward:1" or "cvar:0.9".

    Raises ValueError when it is none.
    """
    kind, _, number = (part.strip() for part in text.partition(":"))
    fields: dict[str, Any] = {"kind": kind}
    try:
        if number:
            fields[_NUMBER_OF.get(kind, "number")] = int(number) if kind == "bring_forward" else float(number)
        return _RULE.validate_python(fields)
    except ValidationError as error:
        said = "; ".join(f"{'/'.join(str(x) for x in e['loc'][1:]) or 'rule'}: {e['msg']}" for e in error.errors())
        raise ValueError(f"found {text!r}; {said}") from error
    except ValueError as error:
        raise ValueError(f"found {text!r}; allowed: RULE or RULE:NUMBER, such as ratio:1.2") from error


class DemandChange(Block):
    """How demand differs from the outlook: `multiplier` on all of it, `growth` on its trend (0.5: half the growth).

    of: further factors, on single workloads.
    """

    multiplier: NonNegative = 1.0
    growth: Annotated[float, Field(strict=True, ge=-2, le=5)] = 1.0
    of: dict[Id, NonNegative] = Field(default_factory=dict)

    @property
    def none(self) -> bool:
        """Whether it changes nothing."""
        return self.multiplier == 1 and self.growth == 1 and all(factor == 1 for factor in self.of.values())

    def factor(self, workload: str) -> float:
        """What demand of a workload is multiplied by, its growth aside."""
        return self.multiplier * self.of.get(workload, 1.0)


class Scenario(Block):
    """See the module. `overrides` is a JSON merge patch on the case: null removes, lists are replaced whole."""

    id: Id
    names: Names
    rule: Rule = JustInTime()
    levers: list[Lever] = Field(default_factory=list)
    overrides: dict[str, Any] = Field(default_factory=dict)
    demand: DemandChange = DemandChange()


@dataclass(frozen=True)
class Posed:
    """A scenario with its own case. `changed` says whether case or demand differ from the base."""

    scenario: Scenario
    case: Case
    changed: bool


class ScenarioError(CaseError):
    """Scenarios that cannot be compared; `faults` holds every reason of every scenario at once."""


def pose(case: Case, scenarios: Sequence[Scenario]) -> list[Posed]:
    """Every scenario's case, levers first, then overrides. Raises ScenarioError with all faults of all scenarios."""
    faults: list[Fault] = []
    posed: list[Posed] = []
    seen: set[str] = set()
    if not scenarios:
        faults.append(Fault("/scenarios", "no scenario", "one scenario or more", "missing"))
    for position, scenario in enumerate(scenarios):
        at = f"/scenarios/{position}"
        if scenario.id in seen:
            faults.append(Fault(f"{at}/id", f"{scenario.id} again", "every id once", "duplicate"))
        seen.add(scenario.id)
        known = {w.id for w in case.workloads}
        faults += [
            Fault(f"{at}/demand/of/{id}", id, among(known, id, "workloads"), "unknown_id")
            for id in scenario.demand.of
            if id not in known
        ]
        if not scenario.levers and not scenario.overrides:
            posed.append(Posed(scenario, case, not scenario.demand.none))
            continue
        document = dump_case(case)
        for i, lever in enumerate(scenario.levers):
            problems = lever.faults(case)
            faults += [replace(f, where=f"{at}/levers/{i}{f.where}") for f in problems]
            if not problems:
                document = lever.apply(document, case)
        document = merge_patch(document, scenario.overrides)
        try:
            own = Case.model_validate(document)
        except ValidationError as error:
            name = f"scenario {scenario.id}"
            found = faults_of(error, document)
            faults += [replace(f, where=f"{at}/overrides{f.where}", note=name) for f in found]
            continue
        posed.append(Posed(scenario, own, own != case or not scenario.demand.none))
    if faults:
        raise ScenarioError(faults)
    return posed


class Sweep(Block):
    """Ratios from `first` to `last` by `step`, a `ratio` scenario each: the frontier of idle against shortfall."""

    first: Annotated[float, Field(strict=True, gt=0, le=10)]
    last: Annotated[float, Field(strict=True, gt=0, le=10)]
    step: Annotated[float, Field(strict=True, ge=0.01, le=5)] = 0.1

    @model_validator(mode="after")
    def _in_order(self) -> Sweep:
        if self.last < self.first:
            raise ValueError("last lies below first; allowed: at least first")
        if self.count > MOST_RATIOS:
            raise ValueError(f"{self.count} ratios; allowed: at most {MOST_RATIOS}")
        return self

    @property
    def count(self) -> int:
        """How many ratios."""
        return int((self.last - self.first) / self.step + 1e-9) + 1

    def scenarios(self) -> list[Scenario]:
        """One scenario a ratio."""
        ratios = [round(self.first + i * self.step, 4) for i in range(self.count)]
        rules = ((f"ratio-{r:g}", f"Ratio {r:g}", f"超前度 {r:g}", Ratio(kind="ratio", ratio=r)) for r in ratios)
        return named(rules)


MOST_RATIOS = 40


def sweep_from(text: str) -> Sweep:
    """The sweep of a line such as "0.9:1.6:0.1" (the step may be left out). Raises ValueError for another."""
    try:
        numbers = [float(part) for part in text.split(":")]
        if len(numbers) not in (2, 3):
            raise ValueError(text)
        return Sweep.model_validate(dict(zip(("first", "last", "step"), numbers, strict=False)))
    except ValidationError as error:
        said = "; ".join(str(e["msg"]).removeprefix("Value error, ") for e in error.errors())
        raise ValueError(f"found {text!r}: {said}") from error
    except ValueError as error:
        raise ValueError(f"found {text!r}; allowed: FIRST:LAST or FIRST:LAST:STEP, such as 0.9:1.6:0.1") from error


def with_sweep(scenarios: Sequence[Scenario], sweep: Sweep | None) -> list[Scenario]:
    """The scenarios, and those of the sweep whose rule is not among them in an unchanged world."""
    if sweep is None:
        return list(scenarios)
    plain = [s.rule for s in scenarios if not s.levers and not s.overrides and s.demand.none]
    return [*scenarios, *(s for s in sweep.scenarios() if s.rule not in plain)]


class _File(Block):
    scenarios: list[Scenario] = Field(default_factory=list)
    sweep: Sweep | None = None


_LIST = TypeAdapter(list[Scenario])


def scenarios_from(document: Any) -> list[Scenario]:
    """Scenarios of a plain document: a list, or a mapping with `scenarios`, `sweep` or both.

    Raises ScenarioError with every fault.
    """
    try:
        if isinstance(document, dict):
            unknown = [str(name) for name in document if name not in _File.model_fields]
            if unknown:
                raise ScenarioError(
                    [Fault(f"/{name}", f"the unknown field {name}", "scenarios, sweep", "unknown") for name in unknown]
                )
            found = _File.model_validate(document)
            return with_sweep(found.scenarios, found.sweep)
        return _LIST.validate_python(document)
    except ValidationError as error:
        at = "" if isinstance(document, dict) else "/scenarios"
        raise ScenarioError([replace(f, where=f"{at}{f.where}") for f in faults_of(error, document)]) from error


def read_scenarios(path: str | Path) -> list[Scenario]:
    """Scenarios of a YAML or JSON file. Raises ScenarioError with every fault."""
    path = Path(path)
    try:
        document = read_document(path, "a list of scenarios")
    except DocumentError as error:
        raise ScenarioError(list(error.faults)) from error
    return scenarios_from(document)


def named(rules: Iterable[tuple[str, str, str, Rule]]) -> list[Scenario]:
    """Scenarios from (id, English name, Chinese name, rule)."""
    return [Scenario(id=key, names=Names(en=en, zh=zh), rule=rule) for key, en, zh, rule in rules]


def standard_scenarios() -> list[Scenario]:
    """The seven that a first comparison lays side by side."""
    return named(
        (
            ("just-in-time", "Just in time", "不超前", JustInTime()),
            ("ratio-1.2", "Moderately ahead (1.2)", "适度超前（1.2）", Ratio(kind="ratio", ratio=1.2)),
            ("ratio-1.5", "Far ahead (1.5)", "大幅超前（1.5）", Ratio(kind="ratio", ratio=1.5)),
            ("p90", "Plan for P90", "按 P90 规划", QuantileOf(kind="quantile", q=0.9)),
            (
                "one-earlier",
                "P50 plan, one period earlier",
                "P50 方案提前一期",
                BringForward(kind="bring_forward", periods=1),
            ),
            ("stochastic", "Least expected cost", "期望成本最小", Stochastic(kind="stochastic")),
            ("cautious", "Cautious (CVaR 90 %)", "谨慎（CVaR 90%）", Averse(kind="cvar", alpha=0.9, weight=0.5)),
        )
    )


def asked_scenarios(scenarios: Sequence[Any] | None, sweep: Mapping[str, Any] | None = None) -> list[Scenario]:
    """Scenarios of plain documents (None: the standard seven), and those of a sweep. Raises ScenarioError."""
    document: dict[str, Any] = {} if scenarios is None else {"scenarios": list(scenarios)}
    if sweep is not None:
        document["sweep"] = dict(sweep)
    if scenarios is not None:
        return scenarios_from(document)
    ratios = scenarios_from(document) if sweep is not None else []
    plain = standard_scenarios()
    rules = [one.rule for one in plain]
    return [*plain, *(one for one in ratios if one.rule not in rules)]
