"""Counters for Prometheus; no label holds anything that a client or the model wrote."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from so8t_gateway.outcome import Outcome

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The counters of one application."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        told = self._registry
        self._requests = Counter("so8t_think_requests", "Decisions.", ["api", "label", "reason"], registry=told)
        self._seconds = Histogram(
            "so8t_think_seconds", "Seconds to a decision.", ["api"], buckets=_SECONDS, registry=told
        )
        self._tokens = Counter("so8t_think_tokens", "Tokens computed.", ["kind"], registry=told)
        self._refused = Counter("so8t_think_refused", "Requests that were not admitted.", ["status"], registry=told)
        self._inside = Gauge("so8t_think_inside", "Requests at work or waiting.", registry=told)
        self._model = Gauge("so8t_think_model", "The served model.", ["name", "sha256", "session"], registry=told)

    def count(self, api: str, outcome: Outcome, seconds: float) -> None:
        """Count a decision."""
        self._requests.labels(api, outcome.label, outcome.reason).inc()
        self._seconds.labels(api).observe(seconds)
        self._tokens.labels("prompt").inc(outcome.prompt_tokens)
        self._tokens.labels("completion").inc(outcome.completion_tokens)

    def refused(self, status: int) -> None:
        """Count a request that was not admitted."""
        self._refused.labels(str(status)).inc()

    def inside(self, change: int) -> None:
        """Count a request in or out."""
        self._inside.inc(change)

    def serves(self, name: str, sha256: str, session_id: str) -> None:
        """Tell which model is served from now on."""
        self._model.clear()
        self._model.labels(name, sha256, session_id).set(1)

    def text(self) -> bytes:
        """Return all of them in Prometheus's text format."""
        return generate_latest(self._registry)
