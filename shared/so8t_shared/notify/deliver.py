"""Deliver one notification: `python -m so8t_shared.notify.deliver`, with the notification as JSON on standard input.

A process of its own: a receiver that never answers, or a sound driver that crashes, does not concern the run, and the
packages that it needs are not loaded beside a model. Prints one JSON object per receiver, as soon as it is known.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial

import apprise

from so8t_shared.notify.parcel import Outcome, Parcel
from so8t_shared.notify.sound import play
from so8t_shared.redaction import remember_address, without_secrets

Job = tuple[str, Callable[[], str]]
"""A receiver, and what delivers to it: it returns why that failed, or nothing."""


class _Reasons(logging.Handler):
    """What apprise logs while it sends, by thread: it returns only whether it succeeded."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last: dict[int | None, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the last line of a thread."""
        self._last[record.thread] = record.getMessage().strip()

    def of_this_thread(self) -> str:
        """Its last line."""
        return self._last.get(threading.get_ident(), "")


def main() -> int:
    """Deliver what standard input holds, to all receivers at once; give up on silent ones."""
    parcel = Parcel.from_bytes(sys.stdin.buffer.read(), "standard input")
    for url in parcel.urls:
        remember_address(url)
    reasons = _Reasons()
    logging.getLogger("apprise").addHandler(reasons)
    logging.getLogger("apprise").propagate = False
    jobs: list[Job] = [(_shown(url), partial(_send, url, parcel, reasons)) for url in parcel.urls]
    if parcel.tones:
        jobs.append(("sound", partial(_play, parcel)))
    _do_all(jobs, parcel.timeout_s)
    return 0


def _do_all(jobs: list[Job], timeout_s: float) -> None:
    """Start every job, and print how each ended; then end this process, whatever a thread still waits for."""
    until = time.monotonic() + timeout_s
    lock, open_jobs = threading.Lock(), dict(enumerate(name for name, _ in jobs))

    def tell(number: int, reason: str) -> None:
        with lock:
            if number in open_jobs:
                outcome = Outcome(receiver=open_jobs.pop(number), fault=" ".join(without_secrets(reason).split()))
                print(outcome.model_dump_json(), flush=True)

    def run(number: int, job: Callable[[], str]) -> None:
        try:
            tell(number, job())
        except Exception as error:  # noqa: BLE001 - a plugin of a service may fail in any way; the others go on
            tell(number, f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=run, args=(n, job), daemon=True) for n, (_, job) in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    for number in range(len(jobs)):
        tell(number, f"no answer within {timeout_s:g} s")
    os._exit(0)


def _send(url: str, parcel: Parcel, reasons: _Reasons) -> str:
    """Send to one address; return why that failed, or nothing."""
    service = apprise.Apprise.instantiate(url)
    if not isinstance(service, apprise.NotifyBase):  # apprise's own words quote the address, token and all
        return "apprise knows no such address; see its list of services"
    sent = service.notify(body=parcel.body, title=parcel.title, notify_type=apprise.NotifyType(parcel.mood))
    return "" if sent else reasons.of_this_thread() or "refused"


def _play(parcel: Parcel) -> str:
    try:
        play(parcel.tones)
    except OSError as error:
        return str(error)
    return ""


def _shown(url: str) -> str:
    """The address without what must stay secret: apprise hides passwords and tokens, but no path."""
    service = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    known = isinstance(service, apprise.NotifyBase)
    named = url.partition("://")[0] if "://" in url else "***"
    shown = str(service.url(privacy=True)) if known else named  # type: ignore[union-attr]
    place, _, path = shown.partition("?")[0].partition("://")[2].partition("/")
    return without_secrets(shown.partition("://")[0]) + (f"://{place}{'/...' if path else ''}" if place else "")


if __name__ == "__main__":
    raise SystemExit(main())
