"""Pages for people: lists, plan, comparison, forecast, the API's documents, what a problem means.

HTML comes from Jinja2 templates and needs no script to be read; scripts draw the charts, follow what runs and send
forms, and call nothing but this service.
"""

from __future__ import annotations

from fastapi import APIRouter

from api.pages import about, actuals, assets, beside, comparisons, drafts, forecasts, plans, questions, replays, sizing
from api.pages.common import catalogue

router = APIRouter(include_in_schema=False)
for part in (drafts, actuals, beside, plans, comparisons, forecasts, questions, replays, sizing, about, assets):
    router.include_router(part.router)

__all__ = ["catalogue", "router"]
