"""The only place that reads a class from what a model wrote.

An answer is compared as it looks: a character that is a variant of another (full-width, bold; Unicode's NFKC) counts
as that one, and invisible characters (zero-width, soft hyphens, direction marks) count as absent.

Reasoning is cut out first, by the tables in `tables.reading`: a part that is never closed runs to the end, a part
inside a part belongs to it, and a closing tag without an opening one ends reasoning that the chat template opened, so
all before it is reasoning. Letters of other alphabets that look like Latin ones are not recognized.

*Strict*, the reading that counts: a complete `<final>...</final>` outside all reasoning holds exactly one label, in any
case, with nothing but white space around it (a label is one of the four names, ESCALATE, or a class's id 0 to 3).
Of several the first decides, as it does for a program that stops there: what follows an answer, such as an example of
the format with another label, does not erase it. An example without a label of its own, such as `<final>LABEL</final>`
or `<final>ALLOW|DENY</final>`, is no answer. Anything else is INVALID: what runs beside a model in production compares
labels, so a full stop or a translation is a failure to keep to the format.

*Lenient*, which is only counted: what a person would understand without guessing. Punctuation and markdown around the
label are ignored (`DENY.`, `**DENY**`), words for it count (`DENIED`, 拒否), and so does a label that stands alone as
the whole answer, or in a `<final>` that was not closed. A label inside a sentence is never picked out.

All of it takes time linear in the answer's length.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from so8t_shared.labels import INVALID, LABELS, canonical_label
from so8t_shared.models.thinking import role_of
from so8t_shared.tables.reading import MARKERS, PLACEHOLDERS, SYNONYMS, TAG_NAMES

_MOST_WORDS = 12
"""Longer texts are neither a label nor a format example."""

_NAMES = "|".join(rf"{row.name}{'[-_a-z0-9]*+' if row.any_suffix else '(?![-_a-z0-9])'}" for row in TAG_NAMES)
_PREFIX = r"[a-z]\w*+:"
"""A namespace. A possessive group would be shorter; Python before 3.11.5 misreads one (gh-106052)."""
_MARK = re.compile(
    "|".join(
        [
            rf"<\|?+\s*+(?P<slash>/?)\s*+(?P<tag>(?:{_PREFIX}|(?!{_PREFIX}))(?:{_NAMES}))[^<>]*+(?<!/)>",
            *(rf"(?P<close{i}>{row.closes})|(?P<open{i}>{row.opens})" for i, row in enumerate(MARKERS)),
        ]
    ),
    re.IGNORECASE | re.ASCII,
)
"""Linear: no repeating part can match a character that another one matches, or run over the start of the next mark."""
_FINAL = re.compile(r"<final>((?:(?!<final>).)*?)</final>", re.IGNORECASE | re.DOTALL)
_FINAL_TAG = re.compile(r"</?final>", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_SEPARATOR = re.compile(r"[|/,、・]|\bor\b|または", re.IGNORECASE)
_INVISIBLE = frozenset("\u034f\u115f\u1160\u3164\uffa0") | frozenset(map(chr, range(0xFE00, 0xFE10)))
"""Invisible characters outside the category Cf: joiners, Hangul fillers, variation selectors."""


@dataclass(frozen=True)
class Reading:
    """What an answer says."""

    predicted: str
    """The class by the strict reading, or INVALID."""
    final: str
    """The text inside the deciding `<final>`, as it looks; empty without one."""
    lenient: str
    """The class by the lenient reading, or INVALID."""
    text: str
    """What stands outside all reasoning, as the model wrote it."""
    thinking: str
    """All the rest, with its tags, as the model wrote it."""


@dataclass(frozen=True)
class Thinking:
    """An answer's thinking, as its author wrote it."""

    roles: dict[str, str]
    """Role to text, in the answer's order; a role that is there twice has both texts, on lines of their own."""
    outside: str
    """What stands outside all thinking."""
    unclosed: str
    """The role that is never closed and so runs to the end; empty if there is none."""


@dataclass(frozen=True)
class Final:
    """A complete `<final>` outside all reasoning."""

    text: str
    """The text inside, as it looks, without the white space around it."""
    tag: int
    """Place of its opening tag in the answer."""
    start: int
    """Place of the first character inside."""
    end: int
    """Place after its closing tag."""


@dataclass(frozen=True)
class Finals:
    """An answer by its places that are a `<final>`, and what stands outside reasoning around them."""

    finals: list[Final]
    before: str
    """What stands before the last one, and beside the others, as it looks; all of it if there is none."""
    after: str
    """What stands after the last one."""
    unclosed: bool
    """Whether reasoning, or a `<final>`, is never closed."""


def read_finals(answer: str) -> Finals:
    """Take an answer apart by its finals; one that reasoning interrupts is none."""
    look, places = _look(answer)
    walk = _walk(look)
    found = [each for start, end in walk.outside for each in _FINAL.finditer(look, start, end)]
    last = found[-1].end() if found else len(look)
    around = [(start, end) for start, end in walk.outside if start < last]
    before = "".join(_FINAL.sub("", look[start : min(end, last)]) for start, end in around)
    after = "".join(look[max(start, last) : end] for start, end in walk.outside if end > last)
    return Finals(
        finals=[
            Final(each[1].strip(), *(places[at] for at in (each.start(), each.start(1), each.end()))) for each in found
        ],
        before=before,
        after=after,
        unclosed=bool(walk.unclosed) or bool(_FINAL_TAG.search(before + after)),
    )


def read_answer(answer: str) -> Reading:
    """Read a model's whole answer."""
    look, places = _look(answer)
    spans = _walk(look).outside
    outside = "".join(look[start:end] for start, end in spans)
    finals = [found.strip() for found in _FINAL.findall(outside)]
    final = deciding_final(finals)
    predicted = canonical_label(final) or INVALID
    lenient = predicted if predicted != INVALID else _lenient(final, finals, outside)
    text, thinking = _apart(answer, [(places[start], places[end]) for start, end in spans])
    return Reading(predicted, final, lenient, text, thinking)


def final_texts(outside: str) -> tuple[list[str], str]:
    """Return the texts inside each `<final>`, and all that stands around them."""
    return [found.strip() for found in _FINAL.findall(outside)], _FINAL.sub(" ", outside).strip()


def deciding_final(finals: Sequence[str]) -> str:
    """The first of these texts that is no example of the format; an example if all are, and empty without any."""
    return next((found for found in finals if not _is_example(found)), finals[-1] if finals else "")


def parse_final(answer: str) -> tuple[str, str]:
    """Read (class or INVALID, the text inside the deciding `<final>`) from a model's whole answer, strictly."""
    reading = read_answer(answer)
    return reading.predicted, reading.final


def read_thinking(answer: str) -> Thinking:
    """Take an answer apart into its thinking roles and the text outside them."""
    look, places = _look(answer)
    walk = _walk(look)
    roles: dict[str, str] = {}
    for part in walk.parts:
        start = places[part.start - 1] + 1 if part.start else 0  # what is invisible there belongs to the part
        text = answer[start : places[part.end]].strip()
        roles[part.role] = f"{roles[part.role]}\n{text}" if part.role in roles else text
    outside = "".join(answer[places[start] : places[end]] for start, end in walk.outside)
    return Thinking({role: text for role, text in roles.items() if text}, outside, walk.unclosed)


class _Shapes(dict[int, str | None]):
    """For each character, by its code, how it looks: None if invisible, and itself if it looks like several."""

    def __missing__(self, code: int) -> str | None:
        c = chr(code)
        shape = unicodedata.normalize("NFKC", c)
        unseen = not c.isascii() and (c in _INVISIBLE or unicodedata.category(c) == "Cf")
        self[code] = None if unseen else shape if len(shape) == 1 else c
        return self[code]


_SHAPES = _Shapes()


def _look(answer: str) -> tuple[str, Sequence[int]]:
    """The answer as it looks, and the place in `answer` of each of its characters and of its end."""
    if answer.isascii():
        return answer, range(len(answer) + 1)
    look = answer.translate(_SHAPES)
    if len(look) == len(answer):
        return look, range(len(answer) + 1)
    return look, [*(i for i, c in enumerate(answer) if _SHAPES[ord(c)] is not None), len(answer)]


@dataclass(frozen=True)
class _Part:
    """A part of reasoning that is in no other."""

    role: str
    start: int
    end: int


@dataclass
class _Walk:
    """What is reasoning and what is not."""

    outside: list[tuple[int, int]]
    parts: list[_Part]
    unclosed: str = ""


def _walk(look: str) -> _Walk:
    """Tell reasoning from the rest."""
    opened, depth = list[str](), defaultdict[str, int](int)
    walk, position, inside, role = _Walk([], []), 0, 0, ""
    for mark in _MARK.finditer(look):
        part, closes, nests = _meaning(mark)
        if not closes:
            if not opened:
                walk.outside.append((position, mark.start()))
                inside, role = mark.end(), _role(mark)
            if nests or not depth[part]:
                opened.append(part)
                depth[part] += 1
        elif depth[part]:
            while (ended := opened.pop()) != part:
                depth[ended] -= 1
            depth[part] -= 1
            if not opened:
                walk.parts.append(_Part(role, inside, mark.start()))
        elif not opened:
            walk = _Walk([], [_Part(_role(mark), 0, mark.start())])  # the template opened it
        position = mark.end()
    if opened:
        walk.parts.append(_Part(role, inside, len(look)))
        walk.unclosed = role
    else:
        walk.outside.append((position, len(look)))
    return walk


def _role(mark: re.Match[str]) -> str:
    return role_of(mark[0].strip("<|/> ").split()[0] if mark["tag"] else "think")


def _meaning(mark: re.Match[str]) -> tuple[str, bool, bool]:
    """Which part a mark belongs to, whether it closes it, and whether such parts nest."""
    if mark["tag"]:
        return mark["tag"].lower(), mark["slash"] == "/", True
    kind = mark.lastgroup or ""
    number = int(kind.removeprefix("open").removeprefix("close"))
    return str(number), kind.startswith("close"), MARKERS[number].nests


def _apart(answer: str, spans: list[tuple[int, int]]) -> tuple[str, str]:
    """The text in the spans, and the text between them."""
    edges = [0, *(edge for span in spans for edge in span), len(answer)]
    between = zip(edges[::2], edges[1::2], strict=True)
    return "".join(answer[a:b] for a, b in spans), "".join(answer[a:b] for a, b in between)


def _words(text: str) -> list[str]:
    """The first words, without punctuation, in lower case."""
    return [unicodedata.normalize("NFKC", word[0]).casefold() for word in islice(_WORD.finditer(text), _MOST_WORDS + 1)]


def _is_example(final: str) -> bool:
    """Whether the text names no label or several to choose from, as a format example does."""
    words = _words(final)
    if " ".join(words) in PLACEHOLDERS or (final and not words):
        return True
    named = {label for word in words if word.isalpha() and (label := canonical_label(word))}
    rest = {word for word in words if word.upper() not in LABELS} - {"or", "and", "of", "one", "または"}
    return len(named) > 1 and not rest and bool(_SEPARATOR.search(final))


def _lenient(final: str, finals: list[str], outside: str) -> str:
    if finals:
        words = _words(final)
        return canonical_label(" ".join(words)) or _synonym(words)
    return _synonym(_words(_FINAL_TAG.sub(" ", outside)))


def _synonym(words: list[str]) -> str:
    word = " ".join(words)
    return (canonical_label(word) if not word.isdigit() else None) or SYNONYMS.get(word, INVALID)
