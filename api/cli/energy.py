"""energy: a plan's energy ledger as a data package, set against what the meters say."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.command import command
from api.cli.exits import Exit
from api.cli.options import PlanFolder, Screen
from api.cli.output import output_or_none

if TYPE_CHECKING:
    from planner.energy import Ledger, Reconciliation
    from planner.words.wording import Wording


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    app.command()(command(energy))


def energy(
    plan_folder: PlanFolder,
    screen: Screen,
    metered: Annotated[
        Path | None,
        typer.Option(
            help="Readings to reconcile, CSV: site, start, end, facility_kwh, and if known it_kwh, cost, pflops_hours."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the data package; nothing is written if left out.", metavar="DIR")
    ] = None,
    version: Annotated[str, typer.Option(help="Version of the data product, major.minor.patch.")] = "1.0.0",
    classification: Annotated[
        str, typer.Option(help="Label of the package: public, internal, restricted, important or core.")
    ] = "internal",
    created: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day it is handed over; today if left out.")
    ] = None,
) -> None:
    """The energy ledger of a plan: kWh, cost, PUE and carbon by site, period and tariff band.

    With readings, the difference is split into volume, efficiency, PUE and price, without a rest. The package describes
    and hashes itself; it is checked after it is written.
    """
    from api.cli import console
    from planner.energy import (
        Edition,
        check_package,
        package_files,
        plan_ledger,
        read_metered,
        reconcile,
        write_package,
    )
    from planner.plan import Plan

    text = screen.words
    package: dict[str, Any] | None = None
    faults: list[str] = []
    with output_or_none(out, package_files(out) if out else (), text) as output:
        plan = Plan.load(plan_folder)
        ledger = plan_ledger(plan)
        read = None if metered is None else read_metered(plan.case, metered)
        compared = None if read is None else reconcile(ledger, read)

        day = created.date() if created else datetime.now().astimezone().date()

        def write(draft: Path) -> None:
            nonlocal package
            package = write_package(
                draft,
                ledger,
                Edition(version, day, classification, plan.provenance),
                metered=read,
                reconciliation=compared,
            )
            faults.extend(check_package(draft))

        if output is not None:
            output.fill(write)
    if screen.json:
        told: dict[str, Any] = {"currency": plan.case.meta.currency, "total": ledger.total()}
        told["sites"] = ledger.sites.to_dict("records")
        if compared is not None:
            told["reconciliation"] = compared.table.to_dict("records")
            told["unmatched"] = [list(one) for one in compared.unmatched]
        if package is not None:
            told["package"] = {"folder": out, "faults": faults, **package}
        console.show_json(told)
    else:
        _show(ledger, compared, text)
        if package is not None:
            _show_package(package, out, faults, text)
    if faults:
        raise typer.Exit(int(Exit.internal))


def _show(ledger: Ledger, compared: Reconciliation | None, text: Wording) -> None:
    """Totals, sites over the horizon, and the parts of the difference where there are readings."""
    import pandas as pd

    from api.cli import console
    from api.cli.answers import show_table

    case, total = ledger.case, ledger.total()
    currency = case.meta.currency
    names = {s.id: text.name(s.names) for s in case.sites}
    said = text(
        "energy.total",
        gwh=text.number(total["facility_kwh"] / 1e6),
        cost=text.money(total["total_cost"], currency),
        pue=text.number(total["pue"]),
        each=text.number(total["kwh_per_pflops_hour"]),
        location=text.number(total["location_tonnes"]),
        market=text.number(total["market_tonnes"]),
    )
    console.out().print(said, markup=False, style="bold")
    summed = ledger.sites.groupby("site", sort=False)[["facility_kwh", "it_kwh", "total_cost", "market_tonnes"]].sum()
    rows = [
        {
            text("site"): names[str(site)],
            "MWh": text.number(row["facility_kwh"] / 1000),
            "PUE": text.number(row["facility_kwh"] / row["it_kwh"] if row["it_kwh"] else float("nan")),
            text("cost"): text.money(row["total_cost"], currency),
            text("energy.market"): text.number(row["market_tonnes"]),
        }
        for site, row in summed.iterrows()
    ]
    show_table(pd.DataFrame(rows), text("energy.sites"), text)
    if compared is None:
        return
    rows = [
        {
            text("period"): row["label"],
            text("site"): names[str(row["site"])],
            text("energy.planned"): text.number(row["planned_kwh"] / 1000),
            text("energy.metered"): text.number(row["metered_kwh"] / 1000),
            **{
                text(f"energy.{part}"): text.money(row[f"{part}_cost"], currency)
                for part in ("volume", "efficiency", "pue", "price")
            },
            text("energy.assumed"): _assumed(str(row["assumed"]), text),
        }
        for row in compared.table.to_dict("records")
    ]
    show_table(pd.DataFrame(rows), text("energy.reconciled"), text)
    for period, site, why in compared.unmatched:
        kind = f"energy.unmatched.{why.replace(', ', '_').replace(' ', '_')}"
        console.say(text(kind, site=names.get(site, site), period=period))


def _assumed(found: str, text: Wording) -> str:
    return text.joined([text(f"energy.as.{one}") for one in filter(None, found.split("; "))]) or "–"


def _show_package(package: dict[str, Any], folder: Path | None, faults: list[str], text: Wording) -> None:
    from api.cli import console

    rules = package["quality"]["rules"]
    good = sum(rule["ok"] for rule in rules)
    said = text("energy.package", folder=folder, version=package["version"], label=package["classification"]["label"])
    console.out().print(said, markup=False, style="bold")
    console.out().print(text("energy.quality", good=good, count=len(rules)), markup=False)
    for rule in rules:
        if not rule["ok"]:
            console.say(f"· {rule['sentence']} {rule['broken']}/{rule['rows']} ({rule['detail']})")
    for fault in faults:
        console.say(f"! {fault}")
