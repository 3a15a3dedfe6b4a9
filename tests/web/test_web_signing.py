"""In a real browser: from an answer to a plan to the plan of record, two plans side by side, what everyone can read."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from api.pages import catalogue

if TYPE_CHECKING:
    from playwright.sync_api import Page

Json = dict[str, Any]
Visit = Callable[..., "Page"]
pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_from_an_answer_to_a_plan_to_the_plan_of_record(visit: Visit, planned: Json, service: httpx.Client) -> None:
    tab = visit(f"/plans/{planned['id']}")
    tab.locator(".answer").first.wait_for()
    form = tab.locator('[data-question="what_if"]')
    form.get_by_label("Module prices, % of the case's").fill("150")
    form.get_by_label("All demand, % of the plan's").fill("20000")  # refused: 100 times is the most
    form.get_by_role("button", name="Ask").click()
    wrong = form.locator("[data-field-fault]")
    wrong.wait_for()
    assert tab.evaluate("document.activeElement.name") == "multiplier"
    assert "200" in wrong.inner_text()
    form.get_by_label("All demand, % of the plan's").fill("100")
    form.get_by_role("button", name="Ask").click()
    tab.get_by_role("button", name="Make this a plan").wait_for()
    answer = tab.locator("#what-if [data-answer] .answer").inner_text()
    assert "module prices × 1.5" in answer.lower()
    tab.get_by_role("button", name="Make this a plan").click()
    tab.wait_for_url(lambda url: "/plans/plan_" in url and planned["id"] not in url)
    tab.locator("#signing").wait_for()
    other = tab.url.rpartition("/")[2]
    before, after = (
        yaml.safe_load(service.get(f"/drafts/plans/{id}/case").text)["module_types"][0]["capex"]
        for id in (planned["id"], other)
    )
    assert after == pytest.approx([1.5 * before] * len(after))

    # the answer stands below the plan that it was asked about
    tab.goto(str(service.base_url) + f"/plans/{planned['id']}#asked")
    tab.locator("#asked a").first.click()
    assert tab.locator(".answer").inner_text() == answer

    # two plans side by side, ticked in the list
    tab.goto(str(service.base_url))
    for id in (planned["id"], other):
        tab.locator(f'[data-pick="{id}"]').check()
    tab.get_by_role("button", name="Side by side").click()
    tab.locator("#costs table").wait_for()
    assert "/module_types/" in tab.locator("#case").inner_text()

    # proposed and approved, in Chinese
    tab.goto(str(service.base_url) + f"/plans/{other}?lang=zh")
    t = catalogue("zh")
    tab.get_by_role("button", name=t["sign_propose"], exact=True).click()
    tab.locator(".badge.proposed").wait_for()
    tab.locator("#signing textarea").fill("同意")
    tab.get_by_role("button", name=t["sign_approve"], exact=True).click()
    tab.locator(".badge.approved").wait_for()
    assert "同意" in tab.locator("#signing table").inner_text()
    tab.goto(str(service.base_url) + "/?standing=approved&lang=en")
    assert tab.locator("[data-pick]").count() == 1
    (record,) = service.get("/v1/plans-of-record").json()["items"]
    assert record["plan_id"] == other
    assert "APPROVED" in service.get(f"/v1/plans/{other}/report", params={"lang": "en"}).text


def test_a_finished_plan_is_there_at_the_first_look(visit: Visit, planned: Json, service: httpx.Client) -> None:
    """What the page shows was made by the run: both languages are kept before anybody has looked."""
    for language in ("en", "zh"):
        assert 'data-load="' not in service.get(f"/plans/{planned['id']}", params={"lang": language}).text


def test_a_lost_connection_is_said_and_mends_itself(visit: Visit, service: httpx.Client, stored: Any) -> None:
    tab = visit("/")
    tab.context.route("**/events", lambda route: route.fulfill(status=404))  # a proxy whose service is away
    tab.evaluate("import('/static/follow.js').then(({ follow }) => follow('/v1/plans/plan_0/events', {}))")
    tab.locator("[data-lost]:visible").wait_for(timeout=10_000)
    tab.context.unroute("**/events")
    tab.context.route(
        "**/events", lambda route: route.fulfill(body=": here\n\n", headers={"Content-Type": "text/event-stream"})
    )
    tab.locator("[data-lost]").wait_for(state="hidden", timeout=10_000)


def test_axe_finds_no_serious_fault_on_any_address(visit: Visit, planned: Json) -> None:
    """In both themes; and nothing is wider than a phone."""
    from axe_playwright_python.sync_playwright import Axe

    beside = f"/plans/beside?first={planned['id']}&second={planned['id']}"
    for path in ("/", "/plans/new", f"/plans/{planned['id']}", beside, "/comparisons", "/forecasts", "/sizing"):
        for width, scheme in ((1280, "light"), (390, "dark")):
            tab = visit(path, width=width, scheme=scheme)
            tab.locator("[data-load]").wait_for(state="detached")
            found = Axe().run(tab).response["violations"]
            grave = [
                (one["id"], node["html"][:200])
                for one in found
                if one["impact"] in ("serious", "critical")
                for node in one["nodes"]
            ]
            assert grave == [], (path, scheme)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, path
            tab.close()


def test_signing_by_keyboard_alone(visit: Visit, planned: Json) -> None:
    tab = visit(f"/plans/{planned['id']}#signing")
    tab.locator("#signing textarea").focus()
    tab.keyboard.type("Looks right")
    for _ in range(6):
        tab.keyboard.press("Tab")
        if re.fullmatch("Comment only", tab.evaluate("document.activeElement.textContent")):
            break
    tab.keyboard.press("Enter")
    tab.locator("#signing table").wait_for()
    assert "Looks right" in tab.locator("#signing table").inner_text()
