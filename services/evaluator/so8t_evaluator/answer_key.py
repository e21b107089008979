"""Which kept answer may stand for one that would be asked now.

Only one that the same file gave to the same prompt under the same options, run by the same version of
the same engine with the same settings, on the same host, and read by the same rules. The host counts
because other processors compute with other kernels, which decide a near tie otherwise: answers of A
from one host beside those of B from another would compare the hosts, too, and a control asked here would
condemn A's answers from there.
"""

from __future__ import annotations

import hashlib

from so8t_evaluator.engine.protocol import Engine, ModelFile, Options
from so8t_evaluator.scoring import READING_VERSION
from so8t_shared.canonical import digest


def answer_key(file: ModelFile, prompt: str, options: Options, engine: Engine, salt: str = "") -> str:
    """The key of an answer; `salt` sets apart what must be asked anew though all else is the same."""
    return digest(
        {
            "model": file.sha256,
            "prompt": hashlib.sha256(prompt.encode("utf-8")).hexdigest(),
            "options": [[name, str(value)] for name, value in sorted(vars(options).items())],
            "engine": [engine.name, engine.version],
            "settings": [[name, str(value)] for name, value in sorted(engine.answer_settings.items())],
            "host": engine.host,
            "reading": READING_VERSION,
            "salt": salt,
        }
    )
