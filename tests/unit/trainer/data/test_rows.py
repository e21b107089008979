"""One labeled row in each of the accepted shapes."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from tests.messages import Said

from so8t_shared.config.model import Dataset
from so8t_shared.errors import InputError
from so8t_shared.models.prompts import final_answer
from so8t_shared.models.reading import read_thinking
from so8t_trainer.data.rows import RowFormat, normalized, parse_row, row_id
from so8t_trainer.data.shapes import SHAPES

QUADRUPLE = {
    "text": "Send it.",
    "quadruple_classification": {
        "task": "the task",
        "safety": "safe enough",
        "policy": "",
        "final": "ok",
        "four_class_label": "ESCALATE",
        "four_class_label_id": 1,
    },
    "nsfw_label": "nsfw",
    "category": "mail",
    "domain": "office",
    "language": "en",
}
INSTRUCTION = {
    "instruction": "Classify.",
    "input": "Send it.",
    "output": "<think-task>a</think-task><think-safety>b</think-safety><final>DENY</final>",
    "four_class_label": "DENY",
    "domain_label": "office",
    "safety_label": "unsafe",
}
MESSAGES = {
    "messages": [
        {"role": "system", "content": "You guard a house."},
        {"role": "user", "content": "Send it."},
        {"role": "assistant", "content": "<think-policy>p</think-policy><final>refuse</final>"},
    ]
}


def test_quadruple_rows_keep_thinking_category_and_language() -> None:
    """Shape (a): parts that are empty are left out, ESCALATE is ESCALATION, the NSFW mark is read."""
    row = parse_row(QUADRUPLE, "here")
    assert (row.schema, row.text, row.label, row.nsfw) == ("quadruple", "Send it.", "ESCALATION", True)
    assert row.thinking == {"task": "the task", "safety": "safe enough"}
    assert (row.category, row.language) == ("mail", "en")


def test_text_label_rows() -> None:
    """Shape (b): a name in any case or an id; group, split and language where the row has them."""
    row = parse_row({"text": "Hi", "label": 3, "template_id": 7, "split": "test"}, "here")
    assert (row.label, row.group, row.split, row.language, row.schema) == (
        "REFUSE",
        "7",
        "test",
        "unknown",
        "text-label",
    )
    assert parse_row({"text": "Hi", "label": "allow", "group": "g"}, "here").group == "g"


def test_instruction_rows() -> None:
    """Shape (c): instruction and input are the text; thinking comes from the tags of the output."""
    row = parse_row(INSTRUCTION, "here")
    assert (row.text, row.label, row.category) == ("Classify.\nSend it.", "DENY", "office")
    assert row.thinking == {"task": "a", "safety": "b"}


def test_chat_rows() -> None:
    """Chat: the user's turns are the text, the label stands in the assistant's <final>."""
    row = parse_row(MESSAGES, "here")
    assert (row.text, row.label, row.thinking, row.schema) == ("Send it.", "REFUSE", {"policy": "p"}, "messages")
    assert row.turns == (("system", "You guard a house."),)


def test_content_of_several_parts() -> None:
    """Chat as many programs export it: each part's text is on lines of its own."""
    parts = [{"type": "text", "text": "Send it."}, "Today.", {"type": "text", "text": "Please.", "image_url": None}]
    answer = [{"type": "text", "text": "<think-policy>p</think-policy><final>DENY</final>"}]
    row = parse_row(
        {"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": answer}]}, "here"
    )
    assert (row.text, row.label, row.thinking) == ("Send it.\nToday.\nPlease.", "DENY", {"policy": "p"})


def test_whole_numbers_and_missing_values() -> None:
    """A number typed where text is meant is its digits; NaN is how pandas writes that a value is missing."""
    nan = float("nan")
    record = {
        "instruction": 110,
        "input": nan,
        "output": nan,
        "four_class_label": "DENY",
        "category": nan,
        "group": nan,
    }
    row = parse_row(record, "here")
    assert (row.text, row.thinking, row.category, row.group) == ("110", {}, "", None)
    assert parse_row({"text": "Hi", "label": 0, "template_id": 7.0}, "here").group == "7.0"


def test_the_final_answer_may_be_prose() -> None:
    """Only one that names a class is a label: it may stand for the field, and must agree with it."""
    prose = {"instruction": "How many?", "output": "<final>2</final>", "four_class_label": "ALLOW"}
    assert parse_row(prose, "here").label == "ALLOW"
    assert parse_row({"instruction": "Hi", "output": "<final>Deny</final>"}, "here").label == "DENY"
    quadruple = {"final": "Not without her consent.", "four_class_label": "DENY"}
    assert parse_row({"text": "Hi", "quadruple_classification": quadruple}, "here").label == "DENY"


@pytest.mark.parametrize(
    ("record", "schema"),
    [
        ({"text": "Hi", "four_class_label": "DENY"}, "text-four-class"),
        ({"text": "Hi", "four_class_label_id": 0, "four_class_label": "ALLOW", "label": "harmless"}, "text-four-class"),
        ({"instruction": "Hi", "output": "prose", "label": "DENY"}, "instruction"),
        ({"prompt": "Hi", "response": "DENY"}, "prompt-response"),
        ({"prompt": "Hi", "completion": "<final>DENY</final>"}, "prompt-response"),
        ({"input": "Hi", "output": "<final>DENY</final>", "safety_label": "unsafe"}, "input-output"),
        ({"text": "Hi", "output": "<think>a</think><final>拒否</final>"}, "text-output"),
        ({"text": "Hi", "safety_label": "DENY"}, "text-safety"),
        ({"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "DENY"}]}, "conversations"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_every_shape(record: dict[str, Any], schema: str) -> None:
    """One row of the table each; the label comes from a field or from the answer."""
    row = parse_row(record, "here")
    assert (row.schema, row.text) == (schema, "Hi")
    assert row.label == ("ALLOW" if "four_class_label_id" in record else "DENY")


def test_every_shape_of_the_table_is_tried() -> None:
    """A new shape needs an example."""
    marks = [mark for mark in getattr(test_every_shape, "pytestmark", []) if mark.name == "parametrize"]
    tried = {schema for _, schema in marks[0].args[1]}
    assert tried | {"quadruple", "messages", "text-label"} == {shape.name for shape in SHAPES}


@pytest.mark.parametrize(
    "answer",
    [
        "DENY",
        "**DENY**",
        "<final>DENY</final>",
        "So the answer is: <final>DENY</final> That is all.",
        "<FINAL> 2 </FINAL>",
        "<final>2.0</final>",
        "<final>拒否</final>",
        "拒否。",
        "In the form <final>LABEL</final>, rather: <final>DENY</final>",
        "<final>DENY</final> rather than <final>perhaps</final>, so <final>DENY</final>",
    ],
)
def test_answers_that_mean_deny(answer: str) -> None:
    """Bare, dressed, tagged, in prose, as a number, in Japanese; the first of several decides, as for a model."""
    assert parse_row({"prompt": "Hi", "response": answer}, "here").label == "DENY"
    row = parse_row({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": answer}]}, "x")
    assert row.label == "DENY"
    assert bool(row.unused) == ("all" in answer or "rather" in answer)


def test_thinking_roles_keep_names_and_order() -> None:
    """Whatever they are called; a role that is there twice has both texts, and tags inside one belong to it."""
    answer = (
        "<think-policy>p</think-policy><think-analysis>a</think-analysis><Think-Task>t</Think-Task>\n<think>x "
        "<think-y>z</think-y></think><think-論理>r</think-論理><think-policy>q</think-policy><final>DENY</final>"
    )
    row = parse_row({"instruction": "Hi", "output": answer}, "here")
    expected = {"policy": "p\nq", "analysis": "a", "task": "t", "<think>": "x <think-y>z</think-y>", "論理": "r"}
    assert row.thinking == expected
    assert list(row.thinking) == list(expected)
    assert read_thinking(final_answer(row.label, row.thinking)).roles == expected
    said = {"logic": "l", "ethics": "e", "practical": "p", "think_creative": "c", "final": "DENY", "score": 0.5}
    row = parse_row({"text": "Hi", "quadruple_classification": said}, "here")
    assert list(row.thinking.items()) == [("logic", "l"), ("ethics", "e"), ("practical", "p"), ("creative", "c")]
    assert row.unused == ("quadruple_classification.score",)


def test_what_is_not_used_is_named() -> None:
    """Fields that hold something, prose around the label, and an answer that says something else."""
    row = parse_row(QUADRUPLE, "here")
    assert row.unused == ("domain", "quadruple_classification.final")
    record = {**INSTRUCTION, "id": 7, "note": "", "output": "Well, <final>DENY</final>", "history": []}
    assert parse_row(record, "here").unused == ("safety_label", "id", "text of the answer beside thinking and label")
    prose = {"instruction": "How many?", "output": "<final>2</final>", "four_class_label": "ALLOW"}
    assert parse_row(prose, "here").unused == ("text of the answer beside thinking and label",)
    assert parse_row({"text": "Hi", "label": 0}, "here").unused == ()


def test_columns_of_other_names() -> None:
    """dataset.columns maps them; a field that has our name, but is not meant, is not used."""
    settings = Dataset(paths=["x"], columns={"text": "prompt_ja", "label": "クラス"}, label_words={"危険": "refuse"})
    form = RowFormat.of(settings)
    row = parse_row({"prompt_ja": "こんにちは", "クラス": "危険", "text": "Hi"}, "here", form)
    assert (row.text, row.label, row.label_word) == ("こんにちは", "REFUSE", "危険")
    assert row.unused == ("text (see dataset.columns)",)


def test_turns_are_part_of_a_rows_name() -> None:
    """The same request after other turns is another row."""
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    last = [{"role": "user", "content": "Send it."}, {"role": "assistant", "content": "DENY"}]
    alone, after = (parse_row({"messages": [*before, *last]}, "x") for before in ([], turns))
    assert alone.id == row_id("Send it.") != after.id
    assert [(turn.role, turn.content) for turn in after.exported().turns] == [("user", "Hi"), ("assistant", "Yes?")]
    assert after.said == "Hi\nYes?\nSend it."


IMAGE = {"type": "image_url", "image_url": {"url": "x"}}


@pytest.mark.parametrize(
    "record",
    [
        {"text": ["a", "b"], "label": 0},
        {"text": {"ja": "x"}, "label": 0},
        {"text": True, "label": 0},
        {"text": 0.5, "label": 0},
        {"text": b"a", "label": 0},
        {"text": "cut \ud83d", "label": 0},
        {"messages": [{"role": "user", "content": ["\udc00"]}], "label": 0},
        {"text": "Hi", "quadruple_classification": {"final": "\ud83d", "four_class_label": 0}, "group": "\ud83d"},
        {"text": float("nan"), "label": 0},
        {"text": "Hi", "label": float("nan")},
        {"text": "Hi", "label": 0, "group": ["a"]},
        {"text": "Hi", "quadruple_classification": {"four_class_label": 0, "task": ["a"]}},
        {"instruction": "Hi", "output": {"a": 1}, "four_class_label": 0},
        {"messages": [{"role": "user", "content": ["Hi", IMAGE]}], "label": 0},
        {"messages": [{"role": "user", "content": [["Hi"]]}], "label": 0},
        {"messages": [{"role": "user", "content": [{"text": 0.5}]}], "label": 0},
        {"text": "Hi", "label": "MAYBE"},
        {"text": "Hi", "label": 4},
        {"text": "Hi", "label": None},
        {"text": " ", "label": "DENY"},
        {"question": "Hi"},
        "Hi",
        {"text": "Hi", "label": "DENY", "split": "holdout"},
        {"text": "Hi", "quadruple_classification": "DENY"},
        {"messages": "Hi", "label": "DENY"},
        {"text": "Hi", "quadruple_classification": {"four_class_label": "DENY", "four_class_label_id": 0}},
        {"text": "Hi", "quadruple_classification": {"four_class_label": "DENY", "final": "ALLOW"}},
        {"instruction": "Hi", "output": "<final>DENY</final>", "four_class_label": "ALLOW"},
        {"instruction": "Hi", "output": "<final>DENY</final>", "safety_label": "ALLOW"},
        {"instruction": "Hi", "output": "<think-task>never closed <final>DENY</final>", "label": "DENY"},
        {"prompt": "Hi", "response": "I will not say."},
        {"prompt": "Hi", "response": "<final>判断はDENYです。</final>"},
        {"prompt": "Hi", "response": "<final>ALLOW</final> or rather <final>DENY</final>"},
        {"text": "Hi", "quadruple_classification": {"a<b": "x", "four_class_label": 0}},
        {"text": "Hi", "label": True},
    ],
    ids=partial(json.dumps, default=repr),
)
def test_a_bad_row_is_refused_with_its_place(record: Any, said: Said) -> None:
    """The error names what is wrong, where the row stands and what to write instead."""
    with said.raised(InputError, where="file.jsonl:7"):
        parse_row(record, "file.jsonl:7")


def test_a_row_is_named_by_its_normalized_text() -> None:
    """Case, white space and full-width forms do not make another row."""
    assert normalized(" Ｈｅｌｌｏ\n WORLD ") == "hello world"
    assert row_id("Hello  world") == row_id("ＨＥＬＬＯ world") != row_id("Hello worlds")
    assert parse_row({"text": "Hello world", "label": "DENY"}, "x").exported().id == row_id("hello world")
