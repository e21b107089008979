"""A server that gives the answers of Ollama's that no Ollama which can be built here gives, or gives quickly."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

THEIRS = {"name": "theirs:1", "digest": "d" * 64, "size": 7}
SHOWN = {"details": {"quantization_level": "Q8_0"}, "capabilities": ["completion"]}


@dataclass
class OllamaAnswers:
    """Answers by path; text is sent as it is."""

    address: str = ""
    answers: dict[str, Any] = field(
        default_factory=lambda: {
            "/api/version": {"version": "0.24.0"},
            "/api/tags": {"models": [THEIRS]},
            "/api/show": SHOWN,
        }
    )


@contextmanager
def running_answers() -> Iterator[OllamaAnswers]:
    """A server on this host, which has one model."""
    ollama_answers = OllamaAnswers()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = ollama_answers.answers.get(self.path)
            self.send_response(404 if answer is None else 500 if answer == "refused" else 200)
            self.end_headers()
            self.wfile.write(answer.encode() if isinstance(answer, str) else json.dumps(answer).encode())

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ollama_answers.address = f"http://127.0.0.1:{server.server_address[1]}"
    yield ollama_answers
    server.shutdown()
    server.server_close()
