"""What a model is taught to answer."""

from __future__ import annotations

import pytest

from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import final_answer
from so8t_shared.models.reading import parse_final


def test_final_answer() -> None:
    """The parts that a row has, in the order task, safety, policy, then the label."""
    assert final_answer("DENY") == "<final>DENY</final>"
    thinking = {"policy": "p", "task": "t", "safety": ""}
    assert (
        final_answer("DENY", thinking) == "<think-task>t</think-task><think-policy>p</think-policy><final>DENY</final>"
    )


@pytest.mark.parametrize("label", LABELS)
def test_targets_are_read_back(label: str) -> None:
    """What a model is trained to say is read as the class it was meant for."""
    thinking = {"task": "it says <final>ALLOW</final>", "safety": "b", "policy": "c"}
    for parts in (None, thinking):
        assert parse_final(final_answer(label, parts)) == (label, label)
