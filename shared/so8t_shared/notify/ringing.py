"""Ring while following a session: the terminal's bell, a sound, and notifications."""

from __future__ import annotations

from functools import partial

from so8t_shared.config.notify import Notify
from so8t_shared.notify.message import End, alert_of
from so8t_shared.notify.receivers import Receivers
from so8t_shared.notify.sending import Outbox
from so8t_shared.sessions.session import Session
from so8t_shared.sessions.stage_state import StageState, is_over
from so8t_shared.stages import STAGES
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables.alerts import BY_NAME, AlertName
from so8t_shared.terminal.console import err


class Ringer:
    """Rings for every change of a stage's state that is news."""

    def __init__(self, store: ArtifactStore, session: Session, *, sound: bool, settings: Notify | None) -> None:
        """`settings` says which notifications to send; None sends none."""
        everything: list[AlertName] = [row.name for row in BY_NAME.values()]
        self._store, self._session = store, session
        self._outboxes: list[tuple[Outbox | None, list[AlertName]]] = []
        if sound:
            self._outboxes.append((Outbox.open(Notify(on=everything), Receivers((), sound=True)), everything))
        if settings:
            quiet = settings.model_copy(update={"sound": settings.sound and not sound})
            self._outboxes.append((Outbox.open(quiet), settings.on))

    def ring(self, before: dict[str, StageState], after: dict[str, StageState]) -> None:
        """Ring for what has changed, in the background; `before` is empty at the first look, which is no change.

        A session that has already ended at the first look rings once for its end.
        """
        over = is_over(after)
        for name, known in after.items():
            changed = bool(before) and before[name].state != known.state
            if changed and (known.state == "failed" or (known.state == "done" and not over)):
                self._send(End(name, failed=known.state == "failed"))
        if over:
            self._send(End(STAGES[-1].name, of_run=True))

    def close(self) -> None:
        """Wait for what is still ringing, for a short time."""
        for outbox, _ in self._outboxes:
            if outbox:
                outbox.close()

    def _send(self, end: End) -> None:
        if err.is_terminal:
            err.bell()
        for outbox, wanted in self._outboxes:
            if outbox:
                outbox.send(partial(alert_of, end, wanted, self._store, self._session))
