"""Which language a reader prefers: English or Chinese."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]
COOKIE = "tideplan_language"
"""Keeps the choice that a reader made on a page."""


def chosen(cookies: dict[str, str], accept_language: str) -> Language:
    """The language chosen on a page before, else the one that the browser prefers."""
    kept = cookies.get(COOKIE)
    return "zh" if kept == "zh" else "en" if kept == "en" else preferred(accept_language)


def preferred(accept_language: str) -> Language:
    """The better of the two in an Accept-Language header (RFC 9110 12.5.4); English when it names neither."""
    best: tuple[float, Language] = (0.0, "en")
    for part in accept_language.split(","):
        tag, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        language: Language | None = "zh" if tag.startswith("zh") else "en" if tag.startswith("en") else None
        if language is not None and quality > best[0]:
            best = (quality, language)
    return best[1]
