"""What a model is taught to answer."""

from __future__ import annotations

import pytest

from so8t_shared.labels import LABELS
from so8t_shared.models.prompts import final_answer
from so8t_shared.models.reading import parse_final


def test_final_answer() -> None:
    """The roles that a row has, in its own order and whatever their names, then the label."""
    assert final_answer("DENY") == "<final>DENY</final>"
    thinking = {"policy": "p", "task": "t", "safety": ""}
    assert (
        final_answer("DENY", thinking) == "<think-policy>p</think-policy><think-task>t</think-task><final>DENY</final>"
    )
    assert final_answer("ALLOW", {"<think>": "plain", "論理": "r"}) == (
        "<think>plain</think><think-論理>r</think-論理><final>ALLOW</final>"
    )


@pytest.mark.parametrize("label", LABELS)
def test_targets_are_read_back(label: str) -> None:
    """What a model is trained to say is read as the class it was meant for."""
    thinking = {"task": "it says <final>ALLOW</final>", "safety": "b", "policy": "c"}
    for parts in (None, thinking):
        assert parse_final(final_answer(label, parts)) == (label, label)
