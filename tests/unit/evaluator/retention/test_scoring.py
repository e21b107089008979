"""References scored in llama.cpp, with tiny real GGUF files."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from signal import SIGKILL

import pytest
from tests.unit.engines.conftest import GetModel
from tests.unit.evaluator.material import make_chat
from tests.unit.evaluator.retention import material
from tests.unit.evaluator.retention.material import ITEMS, make_config, pair, score

from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.protocol import ModelFile
from so8t_evaluator.retention.judging import retention_of
from so8t_evaluator.retention.scoring import prompts_of
from so8t_shared.results.retention import ScoredReference
from so8t_shared.results.sides import Side

KILLED_AT = len(ITEMS) + 3
"""Items: A is scored, B is in work."""


def test_a_against_itself(tiny: GetModel, tmp_path: Path) -> None:
    """The same file twice: no divergence at any token, no difference, and nothing is lost."""
    told: list[tuple[int, int]] = []
    found = score(pair(tiny, tmp_path / "m"), tmp_path / "s", lambda done, total, text: told.append((done, total)))
    assert [each.item for each in found] == list(range(1, len(ITEMS) + 1))
    assert all(each.kl == [0.0] * each.tokens_a and not each.changed_top for each in found)
    assert all(each.logprob_a == each.logprob_b < 0 for each in found)
    assert told[-1] == (2 * len(ITEMS), 2 * len(ITEMS))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    (file,) = retention_of(found, make_config().ab_test).files
    assert (file.verdict, file.difference.low, file.difference.high) == ("kept", 0, 0)
    assert file.divergence
    assert (file.divergence.mean, file.divergence.largest, file.divergence.changed_top) == (0, 0, 0)
    assert file.lost_most == []


def test_a_b_that_forgot(tiny: GetModel, tmp_path: Path) -> None:
    """Weights out of proportion: the references are far less likely, and the worst items come first."""
    found = score(pair(tiny, tmp_path / "m", forgot=True), tmp_path / "s")
    result = retention_of(found, make_config().ab_test)
    (file,) = result.files
    assert file.verdict == "lost"
    assert file.b < file.a - 1
    assert file.divergence
    assert file.divergence.mean > 1
    losses = [each.b - each.a for each in file.lost_most]
    assert len(losses) == 5
    assert losses == sorted(losses)
    assert min(each.b - each.a for each in found) == losses[0]
    (line,) = result.warnings()
    assert line.startswith("retention, f16: lost")


def test_a_score_is_the_sum_of_what_each_token_gets(tiny: GetModel, tmp_path: Path) -> None:
    """The log-probability is that of the text scored as a choice, which is tested against transformers."""
    file = tiny("f16")
    (first, *_) = score(pair(tiny, tmp_path / "m"), tmp_path / "s")
    (prompt,) = prompts_of([ITEMS[0].prompt], make_chat())
    assert "ALLOW" not in prompt
    model = ModelFile("t", file.path, file.sha256, 512)
    with EmbeddedEngine(num_ctx=512, threads=1).load(model, prompts_of(["0", "?"], make_chat())) as loaded:
        said = loaded.follow(prompt, ITEMS[0].reference, 5)
        measured = loaded.measure(prompt, [ITEMS[0].reference, "\n"], 0, 5)
        assert loaded.follow(prompt * 200, ITEMS[0].reference, 5) is None
    assert said is not None
    assert measured is not None
    assert said["tokens"] == measured["answers"][0]
    assert sum(said["logprobs"]) == pytest.approx(measured["logprobs"][0], abs=1e-3)
    assert first.logprob_a == pytest.approx(sum(said["logprobs"]), abs=1e-3)
    assert [len(each) for each in said["ids"]] == [5] * len(said["tokens"])


def test_pieces_of_characters(tiny: GetModel) -> None:
    """They have the figure of the list of all tokens, also where the list that is asked for is too short for them."""
    file = tiny("f16")
    prompt, text = prompts_of(["犬は?"], make_chat())[0], "犬と猫"
    model = ModelFile("t", file.path, file.sha256, 512)
    with EmbeddedEngine(num_ctx=512, threads=1).load(model, prompts_of(["0", "?"], make_chat())) as loaded:
        whole, short = loaded.follow(prompt, text, 10_000), loaded.follow(prompt, text, 1)
    assert whole is not None
    assert short is not None
    assert len(whole["tokens"]) > len(text)
    assert short["tokens"] == whole["tokens"]
    assert short["logprobs"] == pytest.approx(whole["logprobs"], abs=1e-4)
    for token, logprob, ids, likely in zip(*(whole[k] for k in ("tokens", "logprobs", "ids", "likely")), strict=True):
        assert dict(zip(ids, likely, strict=True))[token] == pytest.approx(logprob, abs=1e-4)
        assert math.fsum(map(math.exp, likely)) == pytest.approx(1, abs=1e-3)


def test_killed_while_b_is_scored(tiny: GetModel, tmp_path: Path) -> None:
    """A's scores are kept to the last bit and its model is not loaded again; the rest is as without the kill."""
    converted, folder = pair(tiny, tmp_path / "m", forgot=True), tmp_path / "s"
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.unit.evaluator.retention.test_scoring import score_until_killed\n"
        "score_until_killed(*map(Path, sys.argv[1:]))\n"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path / "m"), str(folder)], check=False, timeout=300)
    assert died.returncode == -SIGKILL
    kept = folder / "unfinished" / f"a_{material.QUANTIZATION}.likely"
    before = kept.stat().st_mtime_ns
    resumed = score(converted, folder)
    assert kept.stat().st_mtime_ns == before
    assert resumed == score(converted, tmp_path / "whole")


def score_until_killed(models: Path, folder: Path) -> None:
    """Score in this process, which kills itself."""

    def progress(done: int, total: int, text: str) -> None:
        if done == KILLED_AT:
            os.kill(os.getpid(), SIGKILL)

    converted: dict[Side, Path] = {"a": models / "a", "b": models / "b"}
    score(converted, folder, progress)


def test_another_model_is_scored_anew(tiny: GetModel, tmp_path: Path) -> None:
    """What an attempt left of other bytes is not taken for the model's."""
    first = score(pair(tiny, tmp_path / "m"), tmp_path / "s")
    second = score(pair(tiny, tmp_path / "n", forgot=True), tmp_path / "s")
    assert _of_b(first) != _of_b(second)
    assert [each.logprob_a for each in first] == [each.logprob_a for each in second]


def _of_b(found: list[ScoredReference]) -> list[float]:
    return [each.logprob_b for each in found]
