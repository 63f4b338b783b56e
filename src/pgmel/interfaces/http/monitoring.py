"""What is counted, for Prometheus."""

from collections.abc import Mapping
from typing import Final, final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from pgmel.records import Link, LinkDecision
from pgmel.version import __version__

__all__ = ["METRICS_TYPE", "Monitor"]

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ANSWERS: Final[Mapping[LinkDecision, str]] = {"linked": "entity", "nil": "nil", "unsure": "unsure"}
_MENTIONS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@final
class Monitor:
    """Counters of one server; it keeps none of what users send."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("pgmel_requests", "Requests answered.", ["route", "method", "status"], registry=self._registry)
        self.seconds = Histogram("pgmel_request_seconds", "Time to the answer.", ["route"], buckets=_SECONDS, registry=self._registry)
        self.open = Gauge("pgmel_open_requests", "Requests that are being answered.", registry=self._registry)
        self.waiting = Gauge("pgmel_waiting_mentions", "Mentions that wait or are in work.", registry=self._registry)
        self.batches = Histogram("pgmel_batch_mentions", "Mentions linked in one call.", buckets=_MENTIONS, registry=self._registry)
        self.links = Counter("pgmel_links", "Mentions, by answer: entity, nil or unsure.", ["answer"], registry=self._registry)
        self.entities = Gauge("pgmel_entities", "Entities of the knowledge base.", registry=self._registry)
        Info("pgmel", "Version.", registry=self._registry).info({"version": __version__})

    def count_links(self, links: list[Link]) -> None:
        """Count answers."""
        for decision, answer in _ANSWERS.items():
            self.links.labels(answer).inc(sum(link.decision == decision for link in links))

    def render(self) -> bytes:
        """Return Prometheus' text format."""
        return generate_latest(self._registry)
