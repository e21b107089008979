"""Claim: 100,000 rows are read, checked, split and encoded in 60 CPU-seconds.

Texts in English and Japanese, a tenth of them of one template and a fifth of ten. Prints the CPU seconds of each step,
with those of the child that renders chat templates, its peak memory, and a digest of all results, by which versions
can be compared. The last step, `reused`, does the whole with rows that an earlier training has prepared. `--kind` takes
rows of one template alone, of ten, or no similar rows.

    python bench/prepare.py [--rows N] [--kind mixed|one|ten|none]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from tests.tiny_models import make_llama  # noqa: E402

from so8t_shared.config.model import Config, Dataset, Source  # noqa: E402
from so8t_shared.config.training import Training  # noqa: E402
from so8t_shared.labels import LABELS  # noqa: E402
from so8t_shared.models.rendering import RENDERER  # noqa: E402
from so8t_shared.progress import no_progress  # noqa: E402
from so8t_trainer.data.policy import apply_policy  # noqa: E402
from so8t_trainer.data.read import Reader  # noqa: E402
from so8t_trainer.data.split import split_rows  # noqa: E402
from so8t_trainer.loading import LoadedRows, load_rows  # noqa: E402

GOAL_S = 60.0
_SYLLABLES = [first + second for first, second in zip("bcdfghjklmnprstvwxyz", "aeiou" * 4, strict=True)]
_WORDS = ["".join(parts) for parts in product(_SYLLABLES, repeat=3)]
_KANJI = "会社員顧客情報契約書類送信確認承認部長秘密電話番号住所銀行口座売上報告計画研究開発医療法律"
_ENDS = (
    "を送ってください。",
    "について教えてください。",
    "を削除してもよいですか。",
    "の許可が必要です。",
    "を確認したい。",
)
_TEMPLATES = [f"Request {i}: please forward the {{}} file of the {word} team to {{}} before the end of the day."
              for i, word in enumerate(_WORDS[:4000:400])]  # fmt: skip


def _english(draw: random.Random) -> str:
    text = " ".join(draw.choices(_WORDS, k=draw.randrange(8, 50))).capitalize()
    if draw.random() < 0.3:
        text += f" on 2024-0{draw.randrange(1, 9)}-1{draw.randrange(9)} for {draw.randrange(100, 90_000):,} dollars"
    if draw.random() < 0.02:
        text += draw.choice(
            [" call 090-1234-5678", " write to taro@example.co.jp", " password: hunter2!x", " +44 20 7946 0958"]
        )
    return text + draw.choice([".", "?", ": \"it is 'done'\".", "!\nThanks."])


def _japanese(draw: random.Random) -> str:
    return "".join("".join(draw.choices(_KANJI, k=5)) + draw.choice(_ENDS) for _ in range(draw.randrange(1, 7)))


def _of(templates: int) -> Callable[[random.Random], str]:
    def fill(draw: random.Random) -> str:
        return _TEMPLATES[draw.randrange(templates)].format(*draw.sample(_WORDS, 2))

    return fill


_KINDS: dict[str, list[tuple[float, Callable[[random.Random], str]]]] = {
    "mixed": [(0.4, _english), (0.3, _japanese), (0.1, _of(1)), (0.2, _of(10))],
    "one": [(1, _of(1))],
    "ten": [(1, _of(10))],
    "none": [(0.6, _english), (0.4, _japanese)],
}
"""Share and maker of the texts of each kind of data set."""


def _rows(kind: str, count: int) -> Iterator[dict[str, Any]]:
    draw = random.Random(7)
    shares, makers = zip(*_KINDS[kind], strict=True)
    for number in range(count):
        text = draw.choices(makers, shares)[0](draw)
        thinking = {"thinking": {"task": _english(draw)}} if draw.random() < 0.1 else {}
        yield {"text": text, "label": LABELS[number % 4], **thinking}


class Steps:
    """CPU seconds of each step, its children's included, and the peak of resident memory in it."""

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time the block and print its figures."""
        _forget_peak()
        began = _cpu_s()
        yield
        RENDERER.close()  # a child counts when it has ended
        self.cpu_s[name] = _cpu_s() - began
        print(f"{name:8} {self.cpu_s[name]:8.1f} CPU-s {_peak_mib():8,.0f} MiB peak", flush=True)


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _forget_peak() -> None:
    with suppress(OSError):  # then the peak is that of all steps so far
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_mib() -> float:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def main() -> int:
    """Print the table; return 1 above the goal, which is stretched with the number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, metavar="N", help="rows (100,000)")
    parser.add_argument("--kind", choices=_KINDS, default="mixed", help="what the texts have in common (mixed)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        data, base = Path(name) / "rows.jsonl", make_llama(Path(name) / "model", vocab=2000)
        with data.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in _rows(given.kind, given.rows))
        total_s = _measure(data, base)
    goal_s = GOAL_S * given.rows / 100_000
    print(f"{'all':8} {total_s:8.1f} CPU-s; goal {goal_s:.1f}: {'met' if total_s <= goal_s else 'NOT MET'}")
    return int(total_s > goal_s)


def _measure(data: Path, base: Path) -> float:
    """Return the CPU seconds of reading to encoding; the steps before it are timed again, one by one."""
    settings = Dataset(
        paths=[str(data)],
        source=Source(license="mit", provenance="generated"),
        validation_fraction=0.1,
    )
    config = Config(model_a={"base_model": str(base)}, dataset=settings, training=Training(max_length=4096))
    steps = Steps()
    with steps.timed("read"):
        rows = Reader.of(settings).source(str(data)).rows
    with steps.timed("policy"):
        kept, _ = apply_policy(rows, settings.policy)
    with steps.timed("split"):
        split_rows(kept, settings)
    with steps.timed("whole"):
        loaded = load_rows(config, base, logging.getLogger("bench"), no_progress)
    print(
        f"{'encode':8} {steps.cpu_s['whole'] - sum(list(steps.cpu_s.values())[:3]):8.1f} CPU-s (whole less the others)"
    )
    digest = _digest(loaded, data)
    print(f"digest   {digest}")
    loaded.data.write(base.parent)
    del loaded
    with steps.timed("reused"):
        again = load_rows(config, base, logging.getLogger("bench"), no_progress, base.parent)
    print(f"reused   {'the same digest' if _digest(again, data) == digest else 'ANOTHER DIGEST'}")
    return steps.cpu_s["whole"]


def _digest(loaded: LoadedRows, data: Path) -> str:
    digest = hashlib.sha256(repr((loaded.rows, loaded.validation, loaded.targets)).encode())
    digest.update(loaded.data.report.model_dump_json().replace(str(data), "").encode())
    for side in (loaded.data.train, loaded.data.validation, loaded.data.test):
        digest.update("".join(row.model_dump_json() for row in side).encode())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
