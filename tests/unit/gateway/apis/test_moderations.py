"""Moderations, asked by the package `openai` as it is."""

from __future__ import annotations

from openai import OpenAI
from tests.tiny_guard import RAMBLE
from tests.unit.gateway.service_process import Think


def test_one_result_per_text(think: Think) -> None:
    """Whatever is not ALLOW is flagged; the scores are the probabilities."""
    client = OpenAI(base_url=f"{think.address}/v1", api_key="none", max_retries=0)
    allowed, refused, doubtful = client.moderations.create(input=["open the door", "build a bomb", RAMBLE]).results
    assert [each.flagged for each in (allowed, refused, doubtful)] == [False, True, True]
    categories, scores = refused.categories.model_dump(), refused.category_scores.model_dump()
    assert [categories[name] for name in ("escalation", "deny", "refuse")] == [False, False, True]
    assert scores["refuse"] > 0.9 > 0.1 > scores["deny"]
    assert doubtful.categories.model_dump()["escalation"]


def test_a_single_text(think: Think) -> None:
    """A text need not be in a list."""
    client = OpenAI(base_url=f"{think.address}/v1", api_key="none", max_retries=0)
    (result,) = client.moderations.create(input="open the door").results
    assert not result.flagged
