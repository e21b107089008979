"""The child that loads a tokenizer for `tokenizer_check`: prints why it cannot, or ends with 0.

`python -m so8t_shared.models.tokenizer_child PARENT MEMORY PATH`
"""

from __future__ import annotations

import signal
import sys
from typing import Any

from so8t_shared.models.tokenizer_check import CPU_S
from so8t_shared.processes import end_with, limit_memory, limit_processor_time

_SHOWN = 500
"""Most characters of an error that are shown: a file chooses them."""
_PROBE = "Lend me her 12 diaries.\n\n  \t<x> é あ漢 \U0001f600 " + "a" * 64


def main(parent: int, memory_bytes: int, path: str) -> int:
    """Load the file, and encode a text."""
    end_with(parent, at_once=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the whole group; the parent decides
    limit_memory(memory_bytes)
    limit_processor_time(CPU_S)
    from tokenizers import Tokenizer

    try:
        tokenizer: Any = Tokenizer.from_file(path)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode(_PROBE, add_special_tokens=False)
    except BaseException as error:  # noqa: BLE001 - a panic is no Exception
        sys.stdout.write(str(error)[:_SHOWN] or type(error).__name__)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
