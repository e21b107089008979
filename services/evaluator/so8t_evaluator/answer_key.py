"""When a stored answer may be reused instead of asking again.

The model file, prompt, options, engine with its version and settings, host, and reading rules must all
match. The host matters because another processor uses other kernels, which may resolve a near tie
differently. Comparing A's answers from one host with B's from another would also compare the hosts, and
a control run on this host would fail A's answers from the other.
"""

from __future__ import annotations

import hashlib
from typing import Any

from so8t_engines.protocol import Engine, ModelFile, Options
from so8t_evaluator.scoring import READING_VERSION
from so8t_shared.canonical import digest


def answer_key(file: ModelFile, prompt: str, options: Options, engine: Engine, salt: str = "") -> str:
    """Return the key of an answer; `salt` separates answers that must be asked again although all else is equal."""
    return digest(
        _asked(file, engine)
        | {
            "prompt": hashlib.sha256(prompt.encode("utf-8")).hexdigest(),
            "options": [[name, str(value)] for name, value in sorted(vars(options).items())],
            "salt": salt,
        }
    )


def shelf_digest(file: ModelFile, engine: Engine) -> str:
    """Return what all of a model's answers that an evaluation could reuse have in common, as a digest."""
    return digest(_asked(file, engine))


def _asked(file: ModelFile, engine: Engine) -> dict[str, Any]:
    return {
        "model": file.sha256,
        "engine": [engine.name, engine.version],
        "settings": [[name, str(value)] for name, value in sorted(engine.answer_settings.items())],
        "host": engine.host,
        "reading": READING_VERSION,
    }
