"""Figures for Prometheus: requests by route; runs, queue, workers and disk as they stand at the scrape."""

from __future__ import annotations

import shutil
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from api.service.services import Services
from api.store.runs import Figures

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

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"tideplan_{name}", text, labels, registry=self.registry)

        self.ready = gauge("ready", "1 when work is accepted.")
        self.at_work = gauge("on_demand", "Requests that make something on demand, or wait for it.")
        self.disk_free = gauge("disk_free_bytes", "Free space for the data folder.")
        self.queue_age = gauge("queue_age_seconds", "Age of the oldest run that waits.")
        self.heartbeat_age = gauge("worker_heartbeat_age_seconds", "Since a worker was last heard.", "executor")
        self.runs = gauge("runs", "Runs by kind and state.", "kind", "state")
        self.run_seconds = gauge("run_seconds_mean", "Begin to end, runs finished within a day.", "kind")
        self.gap = gauge("plan_gap_mean", "Proven gap, plans finished within a day.")
        self.failures = gauge("failures", "Failed runs by problem type.", "type")

    def text(self, services: Services) -> tuple[bytes, str]:
        """(body, content type) of a scrape."""
        self.ready.set(1 if services.readiness().ready else 0)
        self.at_work.set(services.slots.inside())
        self.disk_free.set(shutil.disk_usage(services.artifacts.incoming).free)
        try:
            self._from_database(services.runs.figures(), services.heartbeats.ages_s())
        except SQLAlchemyError:  # the rest is worth saying just then
            self._from_database(Figures(), {})
        return generate_latest(self.registry), CONTENT_TYPE_LATEST

    def _from_database(self, found: Figures, ages_s: dict[str, float]) -> None:
        self.queue_age.set(found.queue_age_s)
        self.gap.set(found.gap_mean)
        counts: dict[Any, dict[tuple[str, ...], float]] = {
            self.heartbeat_age: {(name,): age for name, age in ages_s.items()},
            self.runs: found.counts,
            self.run_seconds: {(kind,): seconds for kind, seconds in found.seconds_mean.items()},
            self.failures: {(kind,): count for kind, count in found.failures.items()},
        }
        for figure, values in counts.items():
            figure.clear()
            for labels, value in values.items():
                figure.labels(*labels).set(value)
