"""How a model's answer is read."""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from so8t_shared.labels import INVALID, LABELS
from so8t_shared.models.reading import parse_final, read_answer
from so8t_shared.tables.reading import MARKERS, SYNONYMS, TAG_NAMES


@pytest.mark.parametrize(
    ("answer", "label", "text"),
    [
        ("<final>DENY</final>", "DENY", "DENY"),
        ("<FINAL> deny </Final>", "DENY", "deny"),
        ("Well: <final>\nREFUSE\n</final> and more", "REFUSE", "REFUSE"),
        ("<final>escalate</final>", "ESCALATION", "escalate"),
        ("<final>DENY</final> such as <final>ALLOW</final>", "DENY", "DENY"),
        ("<final>ALLOW</final><final>DENY</final>", "ALLOW", "ALLOW"),
        ("<final>DENY.</final> such as <final>ALLOW</final>", INVALID, "DENY."),
        ("<final>perhaps</final><final>DENY</final>", INVALID, "perhaps"),
        ("<final></final>", INVALID, ""),
        ("<final>I would deny it</final>", INVALID, "I would deny it"),
        ("<final>DENY", INVALID, ""),
        ("<final>so <final>DENY</final>", "DENY", "DENY"),
        ("DENY</final>", INVALID, ""),
        ("DENY", INVALID, ""),
        ("", INVALID, ""),
        ("<think-task>hmm</think-task><final>DENY</final>", "DENY", "DENY"),
        ("<THINK-Task>hmm <final>ALLOW</final></Think-TASK><final>DENY</final>", "DENY", "DENY"),
        ("<think-task>a <final>ALLOW</final></think-task>", INVALID, ""),
        ("<think-task>never closed <final>ALLOW</final>", INVALID, ""),
        ("<think-task><think-safety>x</think-safety><final>ALLOW</final></think-task>", INVALID, ""),
        ("<think-task>a<think-safety>b</think-task><final>DENY</final>", "DENY", "DENY"),
        ("<think>a</think><final>DENY</final>", "DENY", "DENY"),
        ("<think-task >a <final>ALLOW</final></think-task ><final>DENY</final>", "DENY", "DENY"),
        ("</think-task><final>DENY</final>", "DENY", "DENY"),
        ("<final>DENY</final><think-task>now <final>ALLOW</final>", "DENY", "DENY"),
        ("<thinking>a <final>ALLOW</final></thinking><final>DENY</final>", "DENY", "DENY"),
        ("<final>DENY</final></think-task>", INVALID, ""),
        ("<final>ALL<think-task>x</think-task>OW</final>", "ALLOW", "ALLOW"),
    ],
)
def test_parse_final(answer: str, label: str, text: str) -> None:
    """The first <final> outside of every thinking part, in any case; anything else is INVALID."""
    assert parse_final(answer) == (label, text)


_FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


def _plain(text: str) -> str:
    return text


def _full_width(text: str) -> str:
    return text.translate(_FULL_WIDTH)


def _zero_width(text: str) -> str:
    return "\u200b".join(text)


def _odd_case(text: str) -> str:
    return "".join(c.upper() if i % 2 else c.lower() for i, c in enumerate(text))


_VARIANTS: tuple[Callable[[str], str], ...] = (_plain, _full_width, _zero_width, _odd_case)
_TAGS = [
    *((f"<{row.name}>", f"</{row.name}>") for row in TAG_NAMES),
    *((f"<{row.name}-x>", f"</{row.name}-x>") for row in TAG_NAMES if row.any_suffix),
    ("<thinking>", "</thinking>"),
    ("<seed:think>", "</seed:think>"),
    ("<think budget='8'>", "</think >"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("<|channel|>analysis<|message|>a<|end|><|channel|>commentary<|message|>", "<|channel|>final<|message|>"),
]


def test_every_marker_has_an_example() -> None:
    """Each row of the table of marks is tried below, except the one that depends on capitals."""
    opened = [[opens for opens, _ in _TAGS if re.search(row.opens, opens, re.IGNORECASE)] for row in MARKERS]
    assert [bool(found) for found in opened] == [True] * (len(MARKERS) - 1) + [False]


@pytest.mark.parametrize("variant", _VARIANTS)
@pytest.mark.parametrize(("opens", "closes"), _TAGS)
def test_reasoning_is_no_answer(opens: str, closes: str, variant: Callable[[str], str]) -> None:
    """Reasoning in any tag, also full-width, with invisible characters or in odd case, is cut out whole."""
    opens, closes = variant(opens), variant(closes)
    reasoning = f"{opens}is it <final>ALLOW</final>?{closes}"
    reading = read_answer(f"{reasoning}So <final>DENY</final>.")
    assert (reading.predicted, reading.text, reading.thinking) == ("DENY", "So <final>DENY</final>.", reasoning)
    assert read_answer(reasoning).predicted == INVALID
    assert read_answer(f"{opens}is it <final>ALLOW</final>").predicted == INVALID
    assert read_answer(f"<final>DENY</final>{opens}or <final>ALLOW</final>").predicted == "DENY"


@pytest.mark.parametrize("variant", _VARIANTS)
@pytest.mark.parametrize("closes", [closes for _, closes in _TAGS])
def test_the_template_opened_the_reasoning(closes: str, variant: Callable[[str], str]) -> None:
    """All before a closing tag without its opening one is reasoning: the prompt ended with that one."""
    reading = read_answer(f"is it <final>ALLOW</final>? <think-a>b</think-a>{variant(closes)}<final>DENY</final>")
    assert (reading.predicted, reading.text) == ("DENY", "<final>DENY</final>")


def test_reasoning_without_special_tokens() -> None:
    """gpt-oss on an engine that leaves special tokens out; ordinary words are no such mark."""
    reading = read_answer("analysisWe could <final>ALLOW</final> it.assistantfinal<final>DENY</final>")
    assert (reading.predicted, reading.text) == ("DENY", "<final>DENY</final>")
    assert read_answer("analysisWe could <final>ALLOW</final> it").predicted == INVALID
    for said in (
        "Analysis: fine. ",
        "analysis shows: ",
        "<reasonable> ",
        "<thing> ",
        "[thinking about it] ",
        "<think/>",
    ):
        assert read_answer(f"{said}<final>ALLOW</final>").predicted == "ALLOW"


@pytest.mark.parametrize(
    "example",
    [
        "LABEL",
        "label",
        "ALLOW|DENY",
        "ALLOW / DENY",
        "ALLOW, ESCALATION, DENY or REFUSE",
        "...",
        "[LABEL]",
        "your answer",
    ],
)
def test_format_examples_are_no_answers(example: str) -> None:
    """A repeated example of the format erases no answer, before or after it, and is none itself."""
    shown = f"<final>{example}</final>"
    assert parse_final(f"<final>DENY</final> (as in {shown})") == ("DENY", "DENY")
    assert parse_final(f"In the form {shown}: <final>DENY</final>") == ("DENY", "DENY")
    reading = read_answer(shown)
    assert (reading.predicted, reading.final, reading.lenient) == (INVALID, example, INVALID)


@pytest.mark.parametrize(
    ("answer", "strict", "lenient"),
    [
        ("<final>ＤＥＮＹ</final>", "DENY", "DENY"),
        ("＜ｆｉｎａｌ＞ＤＥＮＹ＜／ｆｉｎａｌ＞", "DENY", "DENY"),
        ("<final>DE\u200bNY\ufeff</final>", "DENY", "DENY"),
        ("<fi\u00adnal>\u3000DENY\u3000</final>", "DENY", "DENY"),
        ("<final>𝐃𝐄𝐍𝐘</final>", "DENY", "DENY"),
        ("<final>２</final>", "DENY", "DENY"),
        ("<final>DENY.</final>", INVALID, "DENY"),
        ("<final>**DENY**</final>", INVALID, "DENY"),
        ("<final>`deny`!</final>", INVALID, "DENY"),
        ("<final>2.</final>", INVALID, "DENY"),
        ("<final>DENIED</final>", INVALID, "DENY"),
        ("<final>「拒否」</final>", INVALID, "DENY"),
        ("<final>ｴｽｶﾚｰｼｮﾝ</final>", INVALID, "ESCALATION"),
        ("<final>DENY", INVALID, "DENY"),
        ("DENY</final>", INVALID, "DENY"),
        ("**DENY**", INVALID, "DENY"),
        ("<think>ALLOW</think>Refused.", INVALID, "REFUSE"),
        ("2", INVALID, INVALID),
        ("I DENY it", INVALID, INVALID),
        ("<final>not DENY</final>", INVALID, INVALID),
        ("<final>DENY ALLOW</final>", INVALID, INVALID),
        ("<final>ＤＥＮＹ。やめる</final>", INVALID, INVALID),
        ("<final>DЕNY</final>", INVALID, INVALID),  # a Cyrillic letter
        ("<final>DENY</final><final>perhaps</final>", "DENY", "DENY"),
        ("", INVALID, INVALID),
    ],
)
def test_strict_and_lenient(answer: str, strict: str, lenient: str) -> None:
    """Strict: what looks like exactly a label. Lenient: what a person understands without guessing."""
    reading = read_answer(answer)
    assert (reading.predicted, reading.lenient) == (strict, lenient)


def test_synonyms_mean_labels() -> None:
    """Each is a class, is found as it is written in the table, and is no label by itself."""
    for word, label in SYNONYMS.items():
        reading = read_answer(f"<final>{word.upper()}!</final>")
        assert (reading.predicted, reading.lenient) == (INVALID, label)
        assert label in LABELS
        assert parse_final(f"<final>{word}</final>")[0] == INVALID


_PIECES = [
    *("<think-task>", "</think-task>", "<think-safety>", "</think-safety>", "<final>", "</final>", "DENY", "x", "<"),
]
_MORE = [
    *_PIECES,
    "[THINK]",
    "[/think]",
    "</reasoning>",
    "<|channel|>",
    "final",
    "analysis",
    "＜think＞",
    "\u200b",
    "拒否",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=20).map("".join))
@settings(max_examples=200)
def test_nothing_inside_thinking_decides(answer: str) -> None:
    """Around any text, a thinking part that is never closed hides all that follows it."""
    assert parse_final(f"<think-policy>{answer}") == parse_final("") or "</think-policy>" in answer
    closed = answer + "</think-task></think-safety>" * 20
    assert parse_final(f"{closed}<final>REFUSE</final>") == ("REFUSE", "REFUSE")


@given(st.one_of(st.lists(st.sampled_from(_MORE), max_size=20).map("".join), st.text()))
@example("\ud800<think>")
@settings(max_examples=500)
def test_any_text_is_divided(answer: str) -> None:
    """Text and thinking hold every character once; what is outside is no reasoning when read again."""
    reading = read_answer(answer)
    assert sorted(reading.text + reading.thinking) == sorted(answer)
    assert reading.predicted in {INVALID, reading.lenient}
    assert {reading.predicted, reading.lenient} <= {INVALID, *LABELS}
    assert reading.predicted == INVALID or "final" in unicodedata.normalize("NFKC", reading.text.casefold())


_READ_BEFORE = re.compile(r"<final>\s*((?:(?!<final>).)*?)\s*</final>", re.IGNORECASE | re.DOTALL)
"""How answers were once read: correct, but its time grows with the cube of a run of white space."""


@given(st.lists(st.sampled_from([*_PIECES, " ", "\n", "\u3000", "\x1c", "<FINAL>", "allow"]), max_size=12).map("".join))
@example("<final></final><final><</final>")
@example("<final>DENY</final><FINAL></final>")
@settings(max_examples=500)
def test_answers_are_read_as_before(answer: str) -> None:
    """No kind of white space around a label is part of it, as before; the first one decides, signs alone do not."""
    reading = read_answer(answer)
    matches = _READ_BEFORE.findall(reading.text) or [""]
    decide = [found for found in matches if not found or re.search(r"\w", found)]
    assert reading.final == unicodedata.normalize("NFKC", decide[0] if decide else matches[-1])


@pytest.mark.parametrize("begun", ["<final>", "<final>DENY", "<think", "<", "</ think-", "<final>x</final"])
@pytest.mark.parametrize("repeated", ["\n", " ", "a", " x", "<final>", "<think-a>", "<"])
def test_a_looping_model_is_read(begun: str, repeated: str) -> None:
    """A begun tag and then the same again to the limit: read in a moment, where it once took hours."""
    assert parse_final(begun + repeated * 30_000) == (INVALID, "")


_HOSTILE = {
    "one open tag, other closing ones": ("<think-a>" * 20_000, "</think-b>"),
    "nested": ("<think-a>", "<think-b>"),
    "tags of many names": ("", "<think-{}>"),
    "closing tags only": ("", "</think>"),
    "finals": ("", "<final>LABEL</final>"),
    "open finals": ("", "<final>"),
    "one long final": ("<final>", "DENY|"),
    "long attribute": ("<think ", "a "),
    "spaces in a tag": ("<", " "),
    "channels": ("", "<|channel|>  "),
    "prefixes": ("<", "a:"),
    "zero-width": ("<final>", "\u200bx"),
    "full-width": ("", "＜think＞"),
    "one long word": ("", "拒"),
    "slashes": ("<think", "/"),
}


def _seconds(text: str) -> float:
    found = []
    for _ in range(3):
        began = time.process_time()
        read_answer(text)
        found.append(time.process_time() - began)
    return min(found)


@pytest.mark.parametrize("name", _HOSTILE)
def test_time_is_linear(name: str) -> None:
    """Four times the text takes about four times as long, up to a million characters; quadratic would be 16."""
    begun, repeated = _HOSTILE[name]
    parts = "".join(repeated.format(number) for number in range(1_000_000 // len(repeated)))
    whole = (begun + parts)[:1_000_000]
    assert _seconds(whole) <= 9 * max(_seconds(whole[:250_000]), 0.001)
