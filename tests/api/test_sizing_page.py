"""What would this model need here: the API and the page, with the true work behind them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

ASKED = {"model": "llama-3.1-8b", "requests_per_s": 20, "input_tokens": 1024, "output_tokens": 128}


@pytest.fixture(name="client")
def true_client(make_client: Callable[..., TestClient]) -> TestClient:
    return make_client(work_module="api.work.work", read_seconds_max=600)


def test_the_api_says_cards_cost_and_why(client: TestClient) -> None:
    body = ASKED | {"cards": ["h200", "mlu590"], "price_per_card_hour": {"h200": 18}}
    told = client.post("/v1/sizing", json=body).json()
    (need,) = told["needs"]
    assert need["cards"] == need["replicas"] * need["tensor"] * need["data"] >= 1
    assert need["cost_per_million_output_tokens"] == pytest.approx(18 * need["cards"] / (20 * 128 * 3.6e-3), rel=1e-9)
    assert [p["tpot_ms"] for p in need["curve"]] == sorted(p["tpot_ms"] for p in need["curve"])
    assert [one["card"] for one in told["refused"]] == ["mlu590"]
    wrong = client.post("/v1/sizing", json=body | {"model": "Llama-9"})
    assert wrong.status_code == 422
    assert "one of" in wrong.json()["errors"][0]["allowed"]


def test_the_page_answers_in_both_languages_without_a_script(client: TestClient) -> None:
    empty = client.get("/sizing", params={"lang": "en"}).text
    assert "What would this model need here" in empty
    assert ">Llama-3.1-8B<" in empty
    asked = {**ASKED, "card": ["h200", "mlu590"], "price": "h200=18"}
    chinese = client.get("/sizing", params={**asked, "lang": "zh"}).text
    for said in ("满足承诺所需的卡", "负载与时延", "<polyline", "不适用的卡及原因", "未知"):
        assert said in chinese, said
    assert "not known" not in chinese
    wrong = client.get("/sizing", params={**asked, "lang": "en", "price": "18", "percentile": "7"})
    assert wrong.status_code == 422
    assert "CARD=MONEY" in wrong.text
    assert "percentile" in wrong.text
