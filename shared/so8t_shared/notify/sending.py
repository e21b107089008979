"""Send notifications beside the work: a thread and a process each, with a time limit."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable

from so8t_shared.config.notify import Notify
from so8t_shared.distribution import need_extras
from so8t_shared.errors import So8tError
from so8t_shared.escapes import visible
from so8t_shared.notify.message import Alert
from so8t_shared.notify.parcel import Outcome, Parcel
from so8t_shared.notify.receivers import Receivers, receivers_of
from so8t_shared.redaction import without_secrets
from so8t_shared.terminal.console import err

DELIVERY = "so8t_shared.notify.deliver"
_START_S = 20.0
"""Time allowed for starting the process that delivers; a busy machine imports its packages slowly."""


def parcel_of(alert: Alert, receivers: Receivers, timeout_s: float) -> Parcel:
    """What the delivering process needs."""
    return Parcel(
        title=visible(without_secrets(alert.title)),
        body="\n".join(map(visible, without_secrets(alert.body).split("\n"))),
        mood=alert.row.mood,
        urls=list(receivers.urls),
        tones=list(alert.row.tones) if receivers.sound else [],
        timeout_s=timeout_s,
    )


def deliver(parcel: Parcel) -> list[Outcome]:
    """Deliver to all receivers, and return how each took it; takes little longer than the parcel's time limit."""
    process = subprocess.Popen(
        [sys.executable, "-m", DELIVERY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,  # Ctrl-C does not cut a message
    )
    try:
        said, trouble = process.communicate(parcel.model_dump_json().encode(), parcel.timeout_s + _START_S)
    except subprocess.TimeoutExpired:
        process.kill()
        said, trouble = process.communicate()
    found = [Outcome.from_bytes(line, DELIVERY) for line in said.splitlines() if line.endswith(b"}")]  # one may be cut
    if len(found) < len(parcel.urls) + bool(parcel.tones):
        last = trouble.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        found.append(Outcome(receiver="the rest", fault=without_secrets(last[0])))
    return found


class Outbox:
    """Sends alerts without holding up or ending the work; complains once."""

    def __init__(self, settings: Notify, receivers: Receivers) -> None:
        self._settings = settings
        self._receivers = receivers
        self._threads: list[threading.Thread] = []
        self._complaint = threading.Lock()

    @classmethod
    def open(cls, settings: Notify, receivers: Receivers | None = None) -> Outbox | None:
        """The outbox for these settings; None if nobody is to be told, or nothing can be sent, which is said.

        `receivers` replaces the receivers in the settings and the environment.
        """
        try:
            receivers = receivers or receivers_of(settings)
            if not receivers or not settings.on:
                return None
            need_extras([DELIVERY])
        except So8tError as error:
            _warn(error)
            return None
        return cls(settings, receivers)

    def send(self, compose: Callable[[], Alert | None]) -> None:
        """Compose and send an alert in the background."""
        thread = threading.Thread(target=self._send, args=(compose,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Wait for what is on its way, for a short time."""
        until = time.monotonic() + self._settings.timeout_s + _START_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _send(self, compose: Callable[[], Alert | None]) -> None:
        try:
            alert = compose()
            outcomes = deliver(parcel_of(alert, self._receivers, self._settings.timeout_s)) if alert else []
        except Exception as error:  # noqa: BLE001 - a run survives any fault of a notification
            self._complain([Outcome(receiver="a notification", fault=without_secrets(str(error)))])
            return
        self._complain([outcome for outcome in outcomes if outcome.fault])

    def _complain(self, faults: list[Outcome]) -> None:
        if faults and self._complaint.acquire(blocking=False):  # never released
            told = "; ".join(f"{each.receiver}: {each.fault}" for each in faults)
            _warn(f"not delivered: {told}. Try 'so8t-ab notify test'; further failures are not shown.")


def _warn(what: So8tError | str) -> None:
    err.print(f"warning: notifications: {what}", style="yellow", highlight=False, markup=False, soft_wrap=True)
