"""The rule of what may leave: an allow-list over the whole answer, whatever the model wrote.

Only what one complete `<final>` outside all thinking holds is let out, and only if everything else is as expected:
thinking in known tags and plain prose before it, white space after it. Where the tags of another model family, a
look-alike or a tool call stand outside, nobody knows what they mean, so nothing leaves. Of the text inside, a bare
label leaves as a constant of ours; any other text only if it is short and of ordinary characters, without markup.

Letting out needs the whole answer. So it does not depend on the pieces in which an engine sent it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from so8t_shared.labels import canonical_label
from so8t_shared.models.reading import read_finals

LONGEST_FINAL = 4_000
"""Most characters of a text that is let out."""

_MARKUP = re.compile(r"[<>{}◁▷|]|\[/?\s*[a-z_]+\s*\]|assistantfinal|\Aanalysis(?=[A-Z])", re.IGNORECASE)
"""What tags, turns and tool calls of any model family are made of."""

_CATEGORIES = frozenset("LMNPSZ")
"""Letters, marks, numbers, punctuation, symbols, spaces; no control, format, private or surrogate character."""


@dataclass(frozen=True)
class Letting:
    """What may leave of an answer."""

    label: str = ""
    """The class, if `<final>` holds a bare label."""
    text: str = ""
    """Else the text inside `<final>`."""
    reason: str = ""
    """Why nothing leaves: a row of `reasons`."""
    tag: int = 0
    """Place of the deciding `<final>` in the answer."""
    thinking: str = ""
    """All the rest, which never leaves."""


def let_out(answer: str, *, cut: bool = False) -> Letting:
    """Return what may leave of a model's whole answer; `cut` if a limit ended it.

    Takes time linear in the answer's length.
    """
    found = read_finals(answer)
    reason = "cut" if cut else _fault(found.before, found.after, unclosed=found.unclosed, finals=len(found.finals))
    if reason:
        return Letting(reason=reason, thinking=answer)
    said = {canonical_label(final.text) or final.text for final in found.finals}
    if len(said) > 1:
        return Letting(reason="contradiction", thinking=answer)
    last, text = found.finals[-1], said.pop()
    thinking = answer[: last.tag] + answer[last.end :]
    if canonical_label(text):
        return Letting(label=text, tag=last.tag, thinking=thinking)
    if not _is_plain(text):
        return Letting(reason="final_refused", thinking=answer)
    return Letting(text=text, tag=last.tag, thinking=thinking)


def _fault(before: str, after: str, *, unclosed: bool, finals: int) -> str:
    if unclosed:
        return "unclosed"
    if not finals:
        return "no_final"
    if after.strip():
        return "text_after_final"
    return "markup" if _MARKUP.search(before) else ""


def _is_plain(text: str) -> bool:
    if not text or len(text) > LONGEST_FINAL or _MARKUP.search(text):
        return False
    return all(c == "\n" or unicodedata.category(c)[0] in _CATEGORIES for c in text)
