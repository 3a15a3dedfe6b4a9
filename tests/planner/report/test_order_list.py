"""The list that is signed, and the workbook of a plan read back by openpyxl."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from openpyxl import load_workbook

from planner.plan import Plan
from planner.report.figures import View
from planner.report.order_list import all_orders, next_date, running_total, service
from planner.report.workbook import workbook


def test_what_is_signed_by_then_adds_up_in_every_future() -> None:
    orders = pd.DataFrame({"branch": [-1, -1, 0, 1, 0, -1], "capex": [10.0, 5.0, 3.0, 7.0, 1.0, 2.0]})
    # after the futures have parted, no one total holds for an order of all of them
    np.testing.assert_array_equal(running_total(orders), [10, 15, 18, 22, 19, np.nan])


def _bought(plan: Plan, rows: list[tuple[int, int, float]]) -> View:
    """The plan's view with purchases of (branch, order period, price)."""
    like = plan.tables["purchases"].iloc[0].to_dict()
    start = plan.case.horizon.period_start
    table = pd.DataFrame(
        [like | {"branch": b, "order_period": t, "order_date": start(t), "price": p} for b, t, p in rows],
        columns=plan.tables["purchases"].columns,
    )
    return View.of(replace(plan, tables={**plan.tables, "purchases": table}), "en")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(-1, 0, 1e6)], None),
        ([(-1, 0, 1e6), (-1, 1, 2e6), (-1, 1, 3e6)], "2027-04-01, 5 M CNY to sign whatever comes"),
        ([(-1, 0, 1e6), (0, 1, 2e6), (1, 2, 3e6)], "2027-04-01; in futures of 75 % together"),
        ([(-1, 0, 1e6), (0, 1, 2e6), (1, 1, 3e6)], "2027-04-01, 2 M CNY to 3 M CNY to sign, by how demand"),
        ([(0, 1, 2e6)], "2027-04-01; in futures of 75 % together"),
    ],
)
def test_the_next_date_says_for_whom_it_holds(
    charted: Plan, rows: list[tuple[int, int, float]], said: str | None
) -> None:
    found = next_date(_bought(charted, rows))
    assert (found == "") if said is None else (said in found), found


def test_all_orders_by_date_with_their_running_total(view: View) -> None:
    table = all_orders(view)
    bought = view.tables["purchases"]
    assert len(table) == len(bought) > 0
    assert list(table.iloc[:, 0]) == sorted(table.iloc[:, 0])
    assert any(view.words("running_total") in str(name) for name in table.columns)


def test_service_is_what_the_table_of_unserved_work_says(view: View) -> None:
    words, table = view.words, view.tables["unserved"]
    shown = service(view).set_index(words("workload"))
    assert list(shown.index) == [view.name("workload", w) for w in dict.fromkeys(table["workload"])]
    for workload, own in table.groupby("workload"):
        row = shown.loc[view.name("workload", str(workload))]
        left = own["unserved_unit_hours"].sum() / own["asked_unit_hours"].sum()
        assert (row[words("service.all")].replace(" ", "") == "100%") == (left == 0)


@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_the_workbook_has_dates_money_totals_and_every_order(charted: Plan, language: str) -> None:
    view = View.of(charted, language)
    words = view.words
    data = workbook(charted, language)
    assert data == workbook(charted, language)
    book = load_workbook(BytesIO(data))
    kinds = ("orders", "cash", "capacity", "service", "assumptions")
    assert book.sheetnames == [words(f"book.{kind}") for kind in kinds]
    orders = book[words("book.orders")]
    rows = list(orders.iter_rows(values_only=True))
    bought = charted.tables["purchases"]
    head = [str(name) for name in rows[0]]
    price = head.index(words.labelled(words("capex"), "元" if words.chinese else "CNY"))
    assert any("MW" in name for name in head)
    listed = rows[1 : 1 + len(bought)]
    assert [r[0] for r in listed] == [datetime(d.year, d.month, d.day) for d in bought["order_date"]]
    assert [r[price] for r in listed] == list(bought["price"])
    assert orders.cell(2, 1).number_format == "yyyy-mm-dd"
    assert orders.cell(2, price + 1).number_format == "#,##0"
    totals = {str(r[0]): r[price] for r in rows[1 + len(bought) :]}
    branch = bought["branch"].to_numpy()
    if (branch < 0).all():
        assert totals == {words("book.total"): bought["price"].sum()}
    else:
        for b in (0, 1):
            signed = bought["price"][(branch < 0) | (branch == b)].sum()
            assert totals[words("book.total_future", number=b + 1)] == signed
    cash = list(book[words("book.cash")].iter_rows(values_only=True))
    assert len(cash) == 1 + 3 + 1
    assert cash[1][1] == datetime.combine(date(2027, 1, 1), datetime.min.time())
    due = [str(n) for n in cash[0]].index(words.labelled(words("cash.due"), "元" if words.chinese else "CNY"))
    weighted = charted.tables["cash"]["due"] * view.weight(charted.tables["cash"])
    assert cash[-1][due] == pytest.approx(weighted.sum())
    # a text that begins like a formula stays a text
    assumed = [cell for row in book[words("book.assumptions")].iter_rows() for cell in row]
    assert charted.case.meta.name in [cell.value for cell in assumed]
    assert all(cell.data_type != "f" for sheet in book for row in sheet.iter_rows() for cell in row)
