"""Receivers of notifications on the loopback: SMTP and HTTP servers that keep, refuse, or never answer.

The SMTP server speaks the part of RFC 5321 and RFC 4954 that a client needs to hand over a mail with a password.
"""

from __future__ import annotations

import base64
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Manner = Literal["accept", "refuse", "hang"]


@dataclass
class Received:
    """What a receiver got."""

    port: int
    mails: list[Message] = field(default_factory=list)
    rcpt: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    posts: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    """Set by the first request of any kind."""


@contextmanager
def http_receiver(manner: Manner = "accept") -> Iterator[Received]:
    """A web server that takes JSON."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.asked.set()
            if manner == "hang":
                over.wait()
                return
            received.paths.append(self.path)
            received.posts.append(json.loads(body))
            self.send_response(200 if manner == "accept" else 403)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Received(server.server_address[1])
        yield from _serving(server, received, over)


@contextmanager
def smtp_receiver(manner: Manner = "accept") -> Iterator[Received]:
    """A mail server that wants a password, and refuses every mail after its text if it is to."""
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            received.asked.set()
            if manner == "hang":
                over.wait()
                return
            self._say("220 tests ESMTP")
            while line := self.rfile.readline():
                word, _, rest = line.decode("ascii").strip().partition(" ")
                if word.upper() == "QUIT":
                    self._say("221 bye")
                    return
                self._answer(word.upper(), rest)

        def _answer(self, word: str, rest: str) -> None:
            if word == "EHLO":
                self._say("250-tests", "250-8BITMIME", "250 AUTH PLAIN LOGIN")
            elif word == "AUTH":
                self._login(rest)
            elif word == "RCPT":
                received.rcpt.append(rest.partition("<")[2].partition(">")[0])
                self._say("250 ok")
            elif word == "DATA":
                self._say("354 go on")
                self._take()
            elif word in {"HELO", "MAIL", "RSET", "NOOP"}:
                self._say("250 ok")
            else:
                self._say("502 unknown")

        def _login(self, rest: str) -> None:
            how, _, given = rest.partition(" ")
            if how.upper() == "PLAIN":
                password = base64.b64decode(given).split(b"\0")[2]
            else:
                if not given:
                    self._say("334 VXNlcm5hbWU6")
                    self.rfile.readline()
                self._say("334 UGFzc3dvcmQ6")
                password = base64.b64decode(self.rfile.readline().strip())
            received.passwords.append(password.decode())
            self._say("235 welcome")

        def _take(self) -> None:
            lines = []
            while (line := self.rfile.readline()) not in {b".\r\n", b""}:
                lines.append(line[1:] if line.startswith(b".") else line)
            if manner == "refuse":
                self._say("554 no mail today")
                return
            received.mails.append(message_from_bytes(b"".join(lines), policy=default))
            self._say("250 taken")

        def _say(self, *lines: str) -> None:
            self.wfile.write("".join(f"{line}\r\n" for line in lines).encode("ascii"))

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        received = Received(server.server_address[1])
        yield from _serving(server, received, over)


def _serving(server: socketserver.TCPServer, received: Received, over: threading.Event) -> Iterator[Received]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield received
    finally:
        over.set()
        server.shutdown()
        thread.join()
