"""SIGKILL in the middle of a chunk of rows, with llama.cpp: earlier answers stay, and only the rest is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL
from typing import Any

from tests.unit.engines.conftest import GetModel
from tests.unit.evaluator.material import make_chat, make_row

from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.protocol import ModelFile
from so8t_evaluator.asking import CHUNK_ROWS, Candidate, Respondent, ask_all
from so8t_shared.artifacts.segment_cache import SegmentCache
from so8t_shared.config.model import AbTest
from so8t_shared.results.answers import Sample
from so8t_shared.store.local import LocalStore
from so8t_shared.tables.scorings import Scoring

ROWS = CHUNK_ROWS
SCORINGS: list[Scoring] = ["logprob", "generate"]
KILLED_AT = ROWS + 3
"""Samples, of two a row: in the middle of the only chunk, between the two answers to a row."""


class Answers(SegmentCache):
    """Counts the answers that were asked for, and writes each at once."""

    asked = 0

    def put(self, key: str, entry: dict[str, Any]) -> None:
        super().put(key, entry)
        self.close()
        self.asked += 1


def ask(file: ModelFile, store: Path, run: str, until: int | None = None) -> tuple[list[Sample], int]:
    """Return all samples and how many were asked for; the process kills itself when it has `until`."""
    answers, engine, told = Answers(LocalStore(store), "answers", "run"), EmbeddedEngine(num_ctx=512, threads=1), []

    def count(sample: Sample) -> None:
        told.append(sample)
        if len(told) == until:
            os.kill(os.getpid(), SIGKILL)

    rows = [make_row(f"{number} open the door", "DENY") for number in range(ROWS)]
    one = Respondent(Candidate("a", "q8_0", file, make_chat()), engine, AbTest(max_new_tokens=8), answers, run)
    return ask_all([one], rows, SCORINGS, count), answers.asked


def test_killed_in_the_middle_of_a_chunk(tiny: GetModel, tmp_path: Path) -> None:
    """What was answered is kept to the last bit and not asked again; the rest is as without the kill."""
    file, store = tiny("q8_0"), tmp_path / "store"
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.unit.engines.conftest import model_file\n"
        "from tests.unit.evaluator.test_asking_killed import KILLED_AT, ask\n"
        "ask(model_file(Path(sys.argv[1]), 512), Path(sys.argv[2]), 'killed', KILLED_AT)\n"
    )
    died = subprocess.run([sys.executable, "-c", code, str(file.path), str(store)], check=False, timeout=120)
    assert died.returncode == -SIGKILL
    resumed, asked = ask(file, store, "resumed")
    assert (sum(sample.reused for sample in resumed), asked) == (KILLED_AT, 2 * ROWS - KILLED_AT)
    whole, _ = ask(file, tmp_path / "other", "whole")
    assert [_what(sample) for sample in resumed] == [_what(sample) for sample in whole]
    assert len({sample.answer_sha256 for sample in whole if sample.scoring == "generate"}) > 1, "rows alike"


def _what(sample: Sample) -> tuple[object, ...]:
    return sample.row_id, sample.scoring, sample.answer_sha256, sample.logprobs, sample.completion_tokens
