"""How long an answer may be, by what the model was taught to say."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said

from so8t_evaluator.answer_limit import answer_limit, read_targets, warning_of
from so8t_shared.config.model import AbTest
from so8t_shared.errors import IntegrityError
from so8t_shared.results.training import Targets


@pytest.mark.parametrize(
    ("longest", "num_ctx", "expected"),
    [(11, 2048, 48), (38, 2048, 48), (200, 2048, 250), (2000, 2048, 1024), (None, 2048, 48), (11, 64, 32)],
)
def test_default(longest: int | None, num_ctx: int, expected: int) -> None:
    """A quarter more than the longest target, 48 at least, half of the context at most; 48 where nothing is known."""
    targets = None if longest is None else Targets(longest_tokens=longest)
    limit = answer_limit(AbTest(num_ctx=num_ctx), targets)
    assert (limit.max_new_tokens, limit.longest_target_tokens) == (expected, longest)
    assert limit.too_short == bool(warning_of(limit)) == ((longest or 0) > expected)


def test_a_configured_limit_stands() -> None:
    """It is not changed; one that cuts what the model was taught is warned of, with both numbers and the key."""
    targets = Targets(longest_tokens=90)
    assert warning_of(answer_limit(AbTest(max_new_tokens=90), targets)) == ""
    limit = answer_limit(AbTest(max_new_tokens=89), targets)
    assert limit.max_new_tokens == 89
    warning = warning_of(limit)
    assert all(word in warning for word in ("90", "89", "ab_test.max_new_tokens"))


def test_reading(tmp_path: Path, said: Said) -> None:
    """What train wrote; nothing where it wrote nothing; a damaged file is named."""
    assert read_targets(tmp_path) is None
    (tmp_path / "targets.json").write_text(Targets(longest_tokens=7).model_dump_json(), encoding="utf-8")
    assert read_targets(tmp_path) == Targets(longest_tokens=7)
    (tmp_path / "targets.json").write_text('{"schema_version": 1}', encoding="utf-8")
    with said.raised(IntegrityError):
        read_targets(tmp_path)
