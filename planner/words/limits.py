"""Limits of a case in words: what a field limits and where, its number, and the change that is asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from forecasts.fault import Fault
from planner.arrays import FloatArray
from planner.case import Case, Names
from planner.case.movable import LimitField
from planner.words.wording import LANGUAGES, Wording, wording


def named(case: Case, field: LimitField, words: Wording) -> str:
    """What the field limits and where: "power at Harbin", "supply of H20"."""
    lists: dict[str, list[Any]] = {
        "site": case.sites,
        "module_type": case.module_types,
        "workload": case.workloads,
        "campaign": case.campaigns,
        "region": case.regions,
    }
    names: dict[str, str] = {}
    for axis, id in field.place.items():
        own = [one for one in lists.get(axis, ()) if one.id == id]
        names[axis] = words.name(own[0].names) if own else id
    return words(f"limit.{field.kind}", **names) if names else words(f"limit.{field.kind}")


def amount(field: LimitField, value: float, words: Wording) -> str:
    """A number of the field with its unit: "0.3 MW", "90 %", "5 modules"."""
    if not math.isfinite(value):
        return words("limit.none")
    if field.unit == "share":
        return (
            words.percent(value).replace(".0", "")
            if abs(value * 100 - round(value * 100)) < 1e-9
            else _percent(value, words)
        )
    if field.unit == "x":
        return _plain(value)
    number = words.number(value, 6) if abs(value) < 1000 else f"{value:,.10g}"
    key = f"limit.unit.{field.unit}"
    unit = words(key, n=number) if key in words.messages else field.unit
    gap = "" if words.chinese and not unit.isascii() else " "
    return f"{number}{gap}{unit}"


def _percent(value: float, words: Wording) -> str:
    text = f"{100 * value:.4f}".rstrip("0").rstrip(".")
    return f"{text}%" if words.chinese else f"{text} %"


def _plain(value: float) -> str:
    return f"{value:.6g}"


def change_problem(case: Case, move: tuple[LimitField, FloatArray], *, alone: bool, proven: bool) -> Fault:
    """A field's change as a problem: where, the number that stands, the number to write, and whether it is enough.

    alone: without any other change. proven: a plan was found with it (and the others that belong to it).
    Numbers: (periods,), or (1,).
    """
    en, zh = (_change(case, move, wording(language), alone=alone, proven=proven) for language in LANGUAGES)
    return replace(en, zh=zh)


def _change(case: Case, move: tuple[LimitField, FloatArray], words: Wording, *, alone: bool, proven: bool) -> Fault:
    field, new = move
    before, after = _numbers(case, field, new, words)
    found = words("relax.found", what=named(case, field, words), value=before)
    allowed = words("relax.allowed", value=after, written=_written(field, new))
    remedy = words(f"relax.{'alone' if alone else 'joint'}" if proven else "relax.unproven")
    return Fault(field.pointer, found, allowed, remedy=remedy)


def _written(field: LimitField, values: FloatArray) -> str:
    text = str(field.written(values))
    return text.replace("None", "null")


def _numbers(case: Case, field: LimitField, new: FloatArray, words: Wording) -> tuple[str, str]:
    """The numbers that change, before and after, with their periods where the field has a number for each."""
    changed = np.flatnonzero(np.nan_to_num(field.values) != np.nan_to_num(new))
    if field.spread == "whole":
        return amount(field, float(field.values[0]), words), _after(field, 0, new, words)
    if len(changed) == len(new) and len(set(field.values)) == 1 and len(set(new)) == 1:
        return amount(field, float(field.values[0]), words), _after(field, 0, new, words)
    before, after = [], []
    for t in changed:
        label = case.horizon.period_label(int(t))
        before.append(words("place.in_period", place=amount(field, float(field.values[t]), words), period=label))
        after.append(words("place.in_period", place=_after(field, int(t), new, words), period=label))
    return words.joined(before), words.joined(after)


def _after(field: LimitField, t: int, new: FloatArray, words: Wording) -> str:
    """The new number and how far it lies from the old one: "7 modules (2 more)"."""
    step = float(new[t] - field.values[t])
    key = "relax.more" if step > 0 else "relax.less"
    if field.unit == "share":
        by = f"{abs(step) * 100:.4g}"
        return words(f"{key}_points", value=amount(field, float(new[t]), words), by=by)
    by = amount(field, abs(step), words)
    return words(key, value=amount(field, float(new[t]), words), by=by)


def resilience_problem(case: Case, lost: Sequence[str], *, proven: bool) -> Fault:
    """Giving up resilience, or only the loss of the named sites, as a problem. proven: a plan was found so."""
    rule = case.policy.resilience
    asked = list(rule.sites) if rule is not None and rule.sites is not None else [s.id for s in case.sites]
    kept = [s for s in asked if s not in lost] if lost else []
    told = []
    for language in LANGUAGES:
        words = wording(language)
        names = {s.id: words.name(s.names) for s in case.sites}
        found = words("relax.resilience", sites=words.joined([names[s] for s in asked]))
        if lost:
            sites = words.joined([names[s] for s in lost])
            written = "[" + ", ".join(kept) + "]"
            told.append(
                ("/policy/resilience/sites", found, words("relax.resilience_less", sites=sites, written=written))
            )
        else:
            told.append(("/policy/resilience", found, words("relax.resilience_none")))
    remedies = [wording(language)("relax.alone" if proven else "relax.unproven") for language in LANGUAGES]
    return Fault(*told[0], remedy=remedies[0], zh=Fault(*told[1], remedy=remedies[1]))


def place_problem(
    case: Case, pointer: str, of: Names, sites: Sequence[str] | Mapping[str, Sequence[str]], *, proven: bool
) -> Fault:
    """Giving up a list of sites as a problem. sites: as the field has them. proven: a plan was found so."""
    told = []
    listed = dict.fromkeys(s for row in sites.values() for s in row) if isinstance(sites, Mapping) else sites
    for language in LANGUAGES:
        words = wording(language)
        names = {s.id: words.name(s.names) for s in case.sites}
        found = words("relax.places", name=words.name(of), sites=words.joined([names[s] for s in listed]))
        allowed = words("relax.places_none", written="{}" if isinstance(sites, Mapping) else "null")
        told.append(Fault(pointer, found, allowed, remedy=words("relax.alone" if proven else "relax.unproven")))
    return replace(told[0], zh=told[1])


def broken_problem(case: Case, pointer: str, periods: Sequence[int]) -> Fault:
    """A limit that the plan found breaks, while it is not known whether another plan keeps it."""
    labels = [case.horizon.period_label(t) for t in periods]
    en, zh = (
        Fault(pointer, words("relax.broken", periods=words.joined(labels)), words("relax.kept"))
        for words in map(wording, LANGUAGES)
    )
    return replace(en, zh=zh)
