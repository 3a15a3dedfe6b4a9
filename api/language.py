"""Which language a reader prefers: English or Chinese."""

from __future__ import annotations

from typing import Literal

Language = Literal["en", "zh"]


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
