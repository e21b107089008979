"""Delivering: real mails, web requests and sounds, and receivers that refuse, hang or do not exist."""

from __future__ import annotations

import time
from email.message import EmailMessage

import pytest
from tests.servers.needed import free_port
from tests.servers.receivers import Received, http_receiver, smtp_receiver

from so8t_shared.notify.message import Alert
from so8t_shared.notify.receivers import Receivers
from so8t_shared.notify.sending import deliver, parcel_of
from so8t_shared.tables.alerts import BY_NAME

ALERT = Alert(BY_NAME["stage_failed"], "20260101: train failed", "The model is cut.\n  to do: fetch it again")


def _deliver(*urls: str, sound: bool = False, timeout_s: float = 30.0) -> dict[str, str]:
    """Why each receiver did not get the alert, or nothing."""
    outcomes = deliver(parcel_of(ALERT, Receivers(urls, sound), timeout_s))
    return {outcome.receiver: outcome.fault for outcome in outcomes}


def _mail(receiver: Received) -> str:
    """An address with a password."""
    at = f"ringer:pass-word-1234@127.0.0.1:{receiver.port}"
    return f"mailto://{at}?from=so8t@tests.example&to=you@tests.example"


def test_a_mail() -> None:
    """It reaches the receiver with title and text, sent with the password, which is not told."""
    with smtp_receiver() as receiver:
        told = _deliver(_mail(receiver))
    [mail] = receiver.mails
    assert isinstance(mail, EmailMessage)
    assert (mail["Subject"], receiver.rcpt) == (ALERT.title, ["you@tests.example"])
    body = mail.get_body(("plain",))
    assert body is not None
    assert "to do: fetch it again" in body.get_content()
    assert receiver.passwords == ["pass-word-1234"]
    assert list(told.values()) == [""]
    assert "pass-word" not in str(told)


def test_a_webhook_that_hangs_holds_up_nobody() -> None:
    """Others get the alert, with its urgency; the one that never answers is given up after the time limit."""
    with http_receiver("hang") as silent, http_receiver() as web, smtp_receiver("hang") as mute:
        began = time.monotonic()
        told = _deliver(
            f"json://127.0.0.1:{silent.port}/silent?rto=60",
            f"json://127.0.0.1:{web.port}/hook",
            _mail(mute),
            timeout_s=3,
        )
        took = time.monotonic() - began
    [post] = web.posts
    assert (post["title"], post["message"], post["type"]) == (ALERT.title, ALERT.body, "failure")
    assert web.paths == ["/hook"]
    assert told.pop(f"json://127.0.0.1:{web.port}/...") == ""
    assert list(told.values()) == ["no answer within 3 s"] * 2
    assert silent.asked.is_set()
    assert 3 <= took < 20


def test_refusals_say_why() -> None:
    """A server's own words, where it has some; also that nobody listens, and that an address means nothing."""
    with http_receiver("refuse") as web, smtp_receiver("refuse") as mail:
        nobody = free_port()
        told = _deliver(f"json://127.0.0.1:{web.port}", _mail(mail), f"json://127.0.0.1:{nobody}", "no-such-thing://x")
    assert len(web.posts) == 1
    assert "403" in told[f"json://127.0.0.1:{web.port}"]
    assert "you@tests.example" in told[f"mailto://ringer:****@127.0.0.1:{mail.port}/..."]
    assert told[f"json://127.0.0.1:{nobody}"]
    assert told["no-such-thing"]
    assert len(told) == 4


@pytest.mark.parametrize("url", ["discrod://tok3n", "discrod://id/tok3n", "json://tok3n:x:y", "tok3n"])
def test_an_address_that_nothing_can_read_is_not_told(url: str) -> None:
    """A mistyped service would otherwise put its token into the log."""
    told = _deliver(url)
    assert all(told.values())
    assert "tok3n" not in str(told)


def test_a_sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is played to its end, here to a device that takes samples in real time and plays nowhere."""
    monkeypatch.setenv("SO8T_SOUND_BACKEND", "null")
    began = time.monotonic()
    assert _deliver(sound=True) == {"sound": ""}
    assert time.monotonic() - began >= sum(length for _, length in ALERT.row.tones)


def test_no_such_sound_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable's value is told, and what it could be."""
    monkeypatch.setenv("SO8T_SOUND_BACKEND", "trumpet")
    fault = _deliver(sound=True)["sound"]
    assert "trumpet" in fault
    assert "pulseaudio" in fault


def test_what_a_parcel_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    """No secret of this process, and nothing of foreign data that a mail or a terminal would obey."""
    monkeypatch.setenv("HF_TOKEN", "hf-word-1234")
    alert = Alert(BY_NAME["stage_failed"], "x hf-word-1234\r\nBcc: all", "one hf-word-1234\n  two \x1b[2J")
    parcel = parcel_of(alert, Receivers((), sound=False), 1.0)
    assert parcel.title == "x ***\\r\\nBcc: all"
    assert parcel.body == "one ***\n  two \\x1b[2J"
    assert (parcel.urls, parcel.tones) == ([], [])
