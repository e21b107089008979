"""Claim: every file has the bytes that llama.cpp's own converter and quantizer write.

All combinations of architecture, stored type, files, tied or own output, tokenizer and quantization, with tiny random
weights: tests/identity.py says what is compared, and which keys may differ and why.

    python bench/identity.py [--only LlamaForCausalLM]

Needs llama.cpp's quantizer (make servers). Takes about 6 minutes of CPU.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / ".ci")]
os.environ["TQDM_DISABLE"] = "1"  # the converter's progress bars

from tests.identity import EXCEPTIONS, FOLDER, Found, all_cases, check, make  # noqa: E402

from servers import llama_quantize_binary  # noqa: E402
from so8t_shared.tables.architectures import BY_NAME  # noqa: E402
from so8t_shared.tables.quantizations import ORDER  # noqa: E402


def main() -> int:
    """Compare; print what differs and the totals; return 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=BY_NAME, help="one architecture")
    only = parser.parse_args().only
    if llama_quantize_binary() is None:
        print("CANNOT BE MEASURED HERE: llama.cpp's quantizer is missing: make servers")
        return 0
    logging.disable(logging.WARNING)  # the converter's
    cases = [case for case in all_cases() if only in {None, case.architecture}]
    total = Found()
    with tempfile.TemporaryDirectory() as root:
        for case in cases:
            with tempfile.TemporaryDirectory(dir=root) as scratch:
                source = make(case, Path(scratch) / FOLDER, Path(root) / "tokenizers")
                for found in check(source, Path(scratch), ORDER):
                    total += found
                    for text in found.differing:
                        print(f"{case}: {text}", flush=True)
    compared = f"{len(cases)} checkpoints, {total.files:,} files, {total.tensors:,} tensors"
    print(f"{compared}: {len(total.differing)} differences")
    print("\n".join(f"excepted: {key}: {EXCEPTIONS[key]}" for key in sorted(total.excepted)))
    return 1 if total.differing else 0


if __name__ == "__main__":
    sys.exit(main())
