"""What numbers an option takes: every one is held against its range before a command does anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_type_hints

import typer
from typer.core import TyperCommand

from api.cli.exits import Exit, Told
from forecasts.fault import Fault


@dataclass(frozen=True)
class Within:
    """A range of numbers, as an annotation of an option; `above` and `below` leave the ends themselves out."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def holds(self, value: float) -> bool:
        """Whether a value lies in the range."""
        low = value > self.low if self.above else value >= self.low
        high = value < self.high if self.below else value <= self.high
        return math.isfinite(value) and low and high

    def words(self, *, whole: bool) -> str:
        """The range in words."""
        out = "a whole number" if whole else "a number"
        if math.isfinite(self.low):
            out += f" {'above' if self.above else 'of at least'} {self.low:.12g}"
        if math.isfinite(self.high):
            joined = " and" if math.isfinite(self.low) else ""
            out += f"{joined} {'below' if self.below else 'at most'} {self.high:.12g}"
        return out


class Command(TyperCommand):
    """A command whose numbers are checked, all at once, before it begins; every refusal is exit 2, with --json too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As typer does it; with --json, faults are JSON too."""
        asked = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if "--json" not in asked:
                raise
            name = error.param.opts[0] if error.param is not None else ""
            self._refuse([Fault(name, "", error.message)], as_json=True, language=None)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command, if every number is in its range."""
        faults = self._faults(ctx.params)
        if faults:
            self._refuse(faults, as_json=bool(ctx.params.get("json")), language=ctx.params.get("language"))
        return super().invoke(ctx)

    def _faults(self, given: dict[str, Any]) -> list[Fault]:
        hints = get_type_hints(self.callback, include_extras=True) if self.callback is not None else {}
        names = {param.name: param.opts[0] for param in self.params}
        out = []
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            marks = getattr(hints.get(name), "__metadata__", ())
            range_ = next((mark for mark in marks if isinstance(mark, Within)), Within())
            if not range_.holds(value):
                allowed = range_.words(whole=isinstance(value, int))
                out.append(Fault(names.get(name, name), f"{value}", allowed))
        return out

    def _refuse(self, faults: list[Fault], *, as_json: bool, language: str | None) -> None:
        from api.cli import console

        console.show_failure(Told(Exit.bad_input, "error.usage", "", tuple(faults)), as_json=as_json, language=language)
        raise typer.Exit(int(Exit.bad_input))


def check_every_command(app: typer.Typer) -> None:
    """Make every command of an app, and of the apps below it, one whose numbers are checked."""
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        if group.typer_instance is not None:
            check_every_command(group.typer_instance)
