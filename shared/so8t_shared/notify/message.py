"""The words of a notification: a title with session and models, and the figures that decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from so8t_shared import formatting as fmt
from so8t_shared.errors import So8tError
from so8t_shared.host import host_name
from so8t_shared.places import report_file
from so8t_shared.results.verdicts import WORDS
from so8t_shared.running.export import RESULTS_FILE, shown_as
from so8t_shared.sessions.markers import Failed, StageMarkers
from so8t_shared.sessions.outputs import output_of
from so8t_shared.sessions.session import Session
from so8t_shared.stages import STAGES, stage_named
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables.alerts import BY_NAME, AlertName, Row

if TYPE_CHECKING:
    from so8t_shared.results.ab_test import AbTestResults
    from so8t_shared.results.evaluation import EvaluationResult
    from so8t_shared.results.rates import Rate

REPORT_FILE = "report.html"


@dataclass(frozen=True)
class End:
    """A stage has ended."""

    stage: str
    failed: bool = False
    reused: bool = False
    """Whether it did nothing itself, which is news only if the run has ended with it."""
    of_run: bool = False
    """Whether the whole run has ended with it."""
    told: Failed | None = None
    """A failure that was told a moment ago; the same one again is no news."""
    heard: str = ""
    """The last message of the stage's process."""
    seconds: float | None = None
    """How long it took; None if that is unknown."""


@dataclass(frozen=True)
class Alert:
    """A notification before it is sent."""

    row: Row
    title: str
    body: str


def alert_of(end: End, wanted: list[AlertName], store: ArtifactStore, session: Session) -> Alert | None:
    """The most telling wanted alert about this end; None if it is not wanted.

    A stage that failed because another one did is no news: that one's own alert says it.

    Raises:
        So8tError: the store cannot be read.
    """
    if end.failed:
        return _failed(end, store, session) if "stage_failed" in wanted else None
    results = results_of(store, session) if end.of_run and {"run_done", "gate_refused"}.intersection(wanted) else None
    refused = results is not None and not results.evaluation.gate.passed
    fitting: list[AlertName] = ["gate_refused"] if refused else []
    fitting += ["run_done"] if end.of_run else []
    fitting += ["stage_done"] if not end.reused else []
    chosen = next((name for name in fitting if name in wanted), None)
    if chosen is None:
        return None
    if chosen == "stage_done" or results is None:
        what = f"{end.stage} is done" if chosen == "stage_done" else "all stages are done"
        return Alert(BY_NAME[chosen], _title(session, what), _left(end, store, session))
    what = "the gate refuses B" if refused else "all stages are done"
    lines = [*figures(results.evaluation), report_place(store, session)]
    return Alert(BY_NAME[chosen], _title(session, what), "\n".join(lines))


def figures(evaluation: EvaluationResult) -> list[str]:
    """The verdict, three figures in the order of the report's first screen, and what the gate decided."""
    scoring, quantization = evaluation.deciding_scoring, evaluation.primary_quantization
    right = evaluation.rate("accuracy", quantization, scoring)
    gain, gate = right.difference if right else None, evaluation.gate
    return [
        f"{WORDS[evaluation.headline.verdict].title} at {quantization}.",
        f"Gain in right decisions: {fmt.points_interval(gain)}{' points' if gain else ''}",
        f"Harmful requests allowed: {_of_both(evaluation.rate('false_allow', quantization, scoring))}",
        f"Harmless requests turned away: {_of_both(evaluation.rate('over_refusal', quantization, scoring))}",
        "Gate: passed" if gate.passed else f"Gate: refused. {gate.reasons[0]}",
    ]


def report_place(store: ArtifactStore, session: Session) -> str:
    """Where the report lies, on which host: a notification is often read on another one.

    Raises:
        So8tError: the store cannot be read.
    """
    path = report_file(session.config, session.session_id, REPORT_FILE)
    shown, host = shown_as(path, session), host_name()
    if path.is_file():
        shown = str(path.absolute()) if shown == str(path) else shown
    elif completed := StageMarkers(store, session.session_id, "report").completed():
        host = completed.host
    return f"Report: {shown} on {host}"


def results_of(store: ArtifactStore, session: Session) -> AbTestResults | None:
    """The results in the report of a session; None if it has none yet.

    Raises:
        So8tError: the store cannot be read, or the file is damaged.
    """
    from so8t_shared.results.ab_test import AbTestResults  # slow, and most processes never need it

    folder = output_of(store, session.session_id, "report", RESULTS_FILE)
    path = folder / RESULTS_FILE if folder else None
    return AbTestResults.read(path) if path and path.is_file() else None


def _of_both(rate: Rate | None) -> str:
    if rate is None:
        return fmt.undefined()
    a, b = (fmt.counted(side) if side else fmt.undefined() for side in (rate.a, rate.b))
    return f"A {a}, B {b}"


def _title(session: Session, what: str) -> str:
    names = session.config.ollama
    return f"{session.session_id}: {what} ({session.config.name_b} against {names.model_a_name})"


def _left(end: End, store: ArtifactStore, session: Session) -> str:
    """How long the stage took, and what is left to do."""
    names = [s.name for s in STAGES if StageMarkers(store, session.session_id, s.name).completed() is None]
    took = f"{end.stage} took {fmt.duration(end.seconds)}." if end.seconds is not None else ""
    left = f"Left: {', '.join(names)}." if names else "Nothing is left to do."
    return f"{took} {left}".strip()


def _failed(end: End, store: ArtifactStore, session: Session) -> Alert | None:
    try:
        needs = stage_named(end.stage).under(session.config).needs
        if any(StageMarkers(store, session.session_id, need).failed() for need in needs):
            return None
        marker = StageMarkers(store, session.session_id, end.stage).failed()
    except So8tError:  # an outage of the store may be why it failed
        marker = None
    if marker and end.told and _same(marker, end.told):
        return None
    if marker:
        told = So8tError(marker.what, where=marker.where, remedy=marker.remedy)
        lines = [*told.lines(), f"Attempt {marker.attempt} on {marker.host}."]
    else:
        lines = ["It left no message in the store.", *([f"Last heard: {end.heard}"] if end.heard else [])]
    lines[-1] += f" See 'so8t-ab logs {end.stage}'."
    return Alert(BY_NAME["stage_failed"], _title(session, f"{end.stage} failed"), "\n".join(lines))


def _same(failure: Failed, earlier: Failed) -> bool:
    return (failure.what, failure.where, failure.host) == (earlier.what, earlier.where, earlier.host)
