"""Faults that are said in both languages where they are found, from the notes' catalogue."""

from __future__ import annotations

from forecasts.fault import Fault
from forecasts.words.note import LANGUAGES, parted, said


def fault_of(where: str, key: str, /, **values: object) -> Fault:
    """The fault of a key with its values, which may be notes, as `where` may. Raises KeyError for an unknown key."""
    told = (where, *parted(key, **values))
    english, chinese = ([said(part, language) for part in told] for language in LANGUAGES)
    return Fault(english[0], english[1], english[2], zh=Fault(chinese[0], chinese[1], chinese[2]))
