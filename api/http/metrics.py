"""Figures for Prometheus: requests by route, runs by state."""

from __future__ import annotations

import time

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.service.services import Services

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)


class Metrics:
    """One registry an app, so that two apps in one process do not share their figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("tideplan_requests", "Requests answered.", labels, registry=self.registry)
        self.seconds = Histogram(
            "tideplan_request_seconds",
            "Time to the end of the answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.runs = Gauge("tideplan_runs", "Runs by kind and state.", ("kind", "state"), registry=self.registry)
        self.ready = Gauge("tideplan_ready", "1 when work is accepted.", registry=self.registry)

    def text(self, services: Services) -> tuple[bytes, str]:
        """(body, content type) of a scrape."""
        self.ready.set(1 if services.readiness().ready else 0)
        self.runs.clear()
        for (kind, state), count in services.runs.counts().items():
            self.runs.labels(kind, state).set(count)
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


class Measured:
    """ASGI middleware that counts. Labels are route templates, never paths, so that nobody can blow them up."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watched)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self.metrics.requests.labels(method, route, str(status)).inc()
            self.metrics.seconds.labels(method, route).observe(time.perf_counter() - begun)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
