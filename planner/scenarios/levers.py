"""Policy levers: changes of a case that operators ask about, each said in one line.

A lever turns a plain case document into another one. Levers that reach into lists (module types, sites) are kept here,
because a merge patch can only replace a list whole.
"""

from __future__ import annotations

import copy
import re
from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from forecasts.fault import Fault
from planner.case import Block, Case, Id, NonNegative, Positive, Share
from planner.case.fault import among
from planner.words.wording import Message, message

Document = dict[str, Any]


def _per_period(value: Any, periods: int, missing: Any = None) -> list[Any]:
    if isinstance(value, list):
        return list(value)
    return [missing if value is None else value] * periods


def _label(case: Case, label: str, pointer: str) -> tuple[int, list[Fault]]:
    """The period of a label such as 2028Q4 or 2028-10, or the fault that there is none."""
    labels = [case.horizon.period_label(t) for t in range(case.horizon.periods)]
    if label in labels:
        return labels.index(label), []
    return 0, [Fault(pointer, label, f"a period of the case: {labels[0]} to {labels[-1]}", "unknown_period")]


def _unknown(id: str, known: Collection[str], what: str, pointer: str) -> list[Fault]:
    return [] if id in known else [Fault(pointer, id, among(known, id, what), "unknown_id")]


class _Lever(Block):
    def faults(self, _case: Case) -> list[Fault]:
        """What in the lever does not fit the case; pointers are relative to the lever."""
        return []

    def apply(self, document: Document, case: Case) -> Document:
        """A changed copy of the document; `case` is the base case, for its horizon and names."""
        out = copy.deepcopy(document)
        self._pull(out, case)
        return out

    @abstractmethod
    def _pull(self, out: Document, case: Case) -> None:
        """Change the document in place."""

    def message(self) -> Message:
        """The change in words."""
        values: dict[str, object] = {}
        for name, value in self.model_dump().items():
            if isinstance(value, list):
                value = ", ".join(value)
            values[name] = message("lever.all") if value is None else value
        return message(f"lever.{values['kind']}", **values)


class DomesticFloor(_Lever):
    """At least this share of the PFLOPS ordered is domestic."""

    kind: Literal["domestic_floor"]
    share: Share

    def _pull(self, out: Document, _case: Case) -> None:
        out["policy"]["domestic_share_floor"] = self.share


class VendorCap(_Lever):
    """At most this share of the PFLOPS ordered comes from one vendor."""

    kind: Literal["vendor_cap"]
    vendor: str
    share: Share

    def faults(self, case: Case) -> list[Fault]:
        """What in the lever does not fit the case."""
        return _vendor_faults(case, self.vendor)

    def _pull(self, out: Document, _case: Case) -> None:
        out["policy"]["vendor_share_cap"] = {**out["policy"]["vendor_share_cap"], self.vendor: self.share}


def _vendor_faults(case: Case, vendor: str) -> list[Fault]:
    return _unknown(vendor, {k.vendor for k in case.module_types if k.vendor}, "vendors", "/vendor")


class VendorCutOff(_Lever):
    """Nothing of a vendor arrives from a period on (an interrupted supply)."""

    kind: Literal["vendor_cut_off"]
    vendor: str
    start: str | None = None

    def faults(self, case: Case) -> list[Fault]:
        """What in the lever does not fit the case."""
        late = _label(case, self.start, "/start")[1] if self.start is not None else []
        return _vendor_faults(case, self.vendor) + late

    def _pull(self, out: Document, case: Case) -> None:
        periods = case.horizon.periods
        first = 0 if self.start is None else _label(case, self.start, "/start")[0]
        for kind in out["module_types"]:
            if kind["vendor"] == self.vendor:
                # a type without a limit keeps none before the cut: more than any plan could use
                supply = _per_period(kind["supply"], periods, 1e6)
                kind["supply"] = [0.0 if t >= first else supply[t] for t in range(periods)]


class LeadTime(_Lever):
    """Module types arrive this many periods later (all, or those named)."""

    kind: Literal["lead_time"]
    periods: Annotated[int, Field(ge=1, le=40)]
    module_types: list[Id] | None = None

    def faults(self, case: Case) -> list[Fault]:
        """What in the lever does not fit the case."""
        known = {k.id for k in case.module_types}
        return [
            one
            for i, id in enumerate(self.module_types or [])
            for one in _unknown(id, known, "module types", f"/module_types/{i}")
        ]

    def _pull(self, out: Document, case: Case) -> None:
        for kind in out["module_types"]:
            if self.module_types is None or kind["id"] in self.module_types:
                kind["lead_periods"] += self.periods
                if kind["lead_periods"] >= case.horizon.periods:  # nothing arrives within the horizon
                    kind |= {"lead_periods": case.horizon.periods - 1, "supply": 0.0}


class PowerLate(_Lever):
    """New site power comes this many periods later: contracted increases and phases (all sites, or those named)."""

    kind: Literal["power_late"]
    periods: Annotated[int, Field(ge=1, le=40)]
    sites: list[Id] | None = None

    def faults(self, case: Case) -> list[Fault]:
        """What in the lever does not fit the case."""
        known = {s.id for s in case.sites}
        return [one for i, id in enumerate(self.sites or []) for one in _unknown(id, known, "sites", f"/sites/{i}")]

    def _pull(self, out: Document, case: Case) -> None:
        for site in out["sites"]:
            if self.sites is not None and site["id"] not in self.sites:
                continue
            if isinstance(site["power_mw"], list):
                power = site["power_mw"]
                delayed = ([power[0]] * self.periods + power)[: len(power)]
                site["power_mw"] = [min(old, new) for old, new in zip(power, delayed, strict=True)]
            later = [p | {"lead_periods": p["lead_periods"] + self.periods} for p in site["phases"]]
            site["phases"] = [p for p in later if p["lead_periods"] < case.horizon.periods]


class TariffFactor(_Lever):
    """Every energy price times a factor."""

    kind: Literal["tariff"]
    factor: Positive

    def _pull(self, out: Document, _case: Case) -> None:
        for tariff in out["tariffs"]:
            tariff["prices_per_kwh"] = {band: price * self.factor for band, price in tariff["prices_per_kwh"].items()}


class CarbonPrice(_Lever):
    """A price per tonne of CO2."""

    kind: Literal["carbon_price"]
    price_per_tonne: NonNegative

    def _pull(self, out: Document, _case: Case) -> None:
        out["policy"]["carbon_price_per_tonne"] = self.price_per_tonne


class ShortfallCost(_Lever):
    """The cost of an unserved unit times a factor, for all workloads."""

    kind: Literal["shortfall_cost"]
    factor: Positive

    def _pull(self, out: Document, _case: Case) -> None:
        for workload in out["workloads"]:
            workload["shortfall_cost"] *= self.factor


class HardwarePrice(_Lever):
    """The price of every module times a factor."""

    kind: Literal["hardware_price"]
    factor: Positive

    def _pull(self, out: Document, case: Case) -> None:
        for kind in out["module_types"]:
            kind["capex"] = [v * self.factor for v in _per_period(kind["capex"], case.horizon.periods)]


class LeaseInstead(_Lever):
    """Nothing is bought: modules come from leases alone, of which `factor` times as many are offered."""

    kind: Literal["lease_instead"]
    factor: Positive = 1.0

    def faults(self, case: Case) -> list[Fault]:
        """What in the lever does not fit the case."""
        if case.leases:
            return []
        return [Fault("", "a case without leases", "a case with leases to use instead", "missing")]

    def _pull(self, out: Document, case: Case) -> None:
        for kind in out["module_types"]:
            kind["supply"] = 0.0
        for lease in out["leases"]:
            most = _per_period(lease["maximum_modules"], case.horizon.periods, 0.0)
            lease["maximum_modules"] = [m * self.factor for m in most]


class Target(_Lever):
    """Installed compute of at least so many EFLOPS from a period on ("21 EFLOPS by 2028Q4 at least cost")."""

    kind: Literal["target"]
    eflops: Positive
    by: str

    def faults(self, case: Case) -> list[Fault]:
        """What in the lever does not fit the case."""
        return _label(case, self.by, "/by")[1]

    def _pull(self, out: Document, case: Case) -> None:
        periods, first = case.horizon.periods, _label(case, self.by, "/by")[0]
        before = _per_period(out["policy"]["capacity_targets_eflops"], periods)
        out["policy"]["capacity_targets_eflops"] = [
            max(self.eflops, before[t] or 0.0) if t >= first else before[t] for t in range(periods)
        ]


class SitePower(_Lever):
    """So many MW more at a site, in every period; less where it is negative, and never below none."""

    kind: Literal["site_power"]
    site: Id
    mw: Annotated[float, Field(strict=True, ge=-1e5, le=1e5, allow_inf_nan=False)]

    def faults(self, case: Case) -> list[Fault]:
        """What in the lever does not fit the case."""
        return _unknown(self.site, {s.id for s in case.sites}, "sites", "/site")

    def _pull(self, out: Document, case: Case) -> None:
        for site in out["sites"]:
            if site["id"] == self.site:
                power = _per_period(site["power_mw"], case.horizon.periods)
                site["power_mw"] = [max(mw + self.mw, 0.0) for mw in power]


class Budget(_Lever):
    """The budget of every period times a factor."""

    kind: Literal["budget"]
    factor: NonNegative

    def faults(self, case: Case) -> list[Fault]:
        """What in the lever does not fit the case."""
        if case.policy.budget is not None:
            return []
        return [Fault("", "a case without a budget", "a case with policy.budget", "missing")]

    def _pull(self, out: Document, case: Case) -> None:
        budget = _per_period(out["policy"]["budget"], case.horizon.periods)
        out["policy"]["budget"] = [None if money is None else money * self.factor for money in budget]


class Caution(_Lever):
    """Bad futures count more: (1 - weight) x mean + weight x mean of the worst tenth of futures."""

    kind: Literal["caution"]
    weight: Share

    def _pull(self, out: Document, _case: Case) -> None:
        cautious = {"kind": "cvar", "alpha": 0.9, "weight": self.weight}
        out["risk"]["objective"] = cautious if self.weight else {"kind": "expected"}


Lever = Annotated[
    DomesticFloor
    | VendorCap
    | VendorCutOff
    | LeadTime
    | PowerLate
    | TariffFactor
    | CarbonPrice
    | ShortfallCost
    | HardwarePrice
    | LeaseInstead
    | SitePower
    | Budget
    | Caution
    | Target,
    Field(discriminator="kind"),
]

_LEVER: TypeAdapter[Lever] = TypeAdapter(Lever)
_TARGET = re.compile(r"^\s*(?P<eflops>[0-9.]+)\s*EFLOPS\s+by\s+(?P<by>\S+)\s*$", re.IGNORECASE)


def target_from(text: str) -> Target:
    """The target that a line such as "21 EFLOPS by 2028Q4" states. Raises ValueError when it states none."""
    found = _TARGET.match(text)
    if found is None:
        raise ValueError(f"found {text!r}; allowed: a line such as '21 EFLOPS by 2028Q4'")
    return Target(kind="target", eflops=float(found["eflops"]), by=found["by"])


_LEVERS: TypeAdapter[list[Lever]] = TypeAdapter(list[Lever])


def levers_from(documents: Sequence[Any]) -> list[Lever]:
    """Levers of plain documents. Raises pydantic's ValidationError."""
    return _LEVERS.validate_python(list(documents))


def lever_from(text: str) -> Lever:
    """The lever of a line: "tariff:factor=1.2", "vendor_cut_off:vendor=nvidia,start=2027Q3", or a target in words.

    Lists are parted by "+": "lead_time:periods=1,module_types=h20+h800". Raises ValueError when it is none.
    """
    if _TARGET.match(text):
        return target_from(text)
    kind, _, rest = text.partition(":")
    fields: dict[str, Any] = {"kind": kind.strip()}
    for part in filter(None, rest.split(",")):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise ValueError(f"found {part!r} in {text!r}; allowed: NAME=VALUE, parted by commas")
        fields[name] = value.split("+") if name in ("module_types", "sites") else _number(value)
    try:
        return _LEVER.validate_python(fields)
    except ValidationError as error:
        said = "; ".join(f"{'/'.join(str(x) for x in e['loc'][1:]) or 'lever'}: {e['msg']}" for e in error.errors())
        raise ValueError(f"found {text!r}; {said}") from error


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
