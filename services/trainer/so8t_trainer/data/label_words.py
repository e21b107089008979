"""Reads a class from a data set: a name, an id in any spelling, or a word for it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from so8t_shared.labels import canonical_label
from so8t_shared.tables.reading import SYNONYMS

_AROUND_A_LABEL = " \t\r\n*_`\"'.。、,:;!()[]{}「」『』【】"
"""Punctuation and markdown that an answer may put around its label."""


@dataclass(frozen=True)
class Meaning:
    """The class that a value stands for."""

    label: str
    number: bool = False
    """Whether it was given by its id, so that it may also answer something else."""
    word: str = ""
    """The word, if it is neither a name nor an id."""


@dataclass(frozen=True)
class LabelWords:
    """What the words of a data set mean: its own, given by `dataset.label_words`, come first."""

    own: Mapping[str, str] = field(default_factory=dict)
    _known: dict[str, Meaning | None] = field(default_factory=dict)

    def meaning(self, value: object) -> Meaning | None:
        """Return what a field's value means, or None."""
        if isinstance(value, bool):
            return None
        text = str(value)
        if text not in self._known and len(self._known) < 10_000:
            self._known[text] = self._meaning(text)
        return self._known[text] if text in self._known else self._meaning(text)

    def answer(self, text: str) -> Meaning | None:
        """Return what an answer or the text of a `<final>` means, or None if it is more than a label."""
        return self.meaning(text.strip(_AROUND_A_LABEL)) if len(text) < 100 else None

    def _meaning(self, text: str) -> Meaning | None:
        word = folded(text)
        if word in self.own:
            return Meaning(self.own[word], word=word)
        if label := canonical_label(_without_fraction(word)):
            return Meaning(label, number=word[:1].isdigit())
        return Meaning(SYNONYMS[word], word=word) if word in SYNONYMS else None


def folded(word: str) -> str:
    """Return the form in which words are compared (NFKC, casefold)."""
    return unicodedata.normalize("NFKC", word).casefold().strip()


def _without_fraction(text: str) -> str:
    """Return 1 for 1.0, as a table with a missing number writes it."""
    whole, _, fraction = text.partition(".")
    return whole if whole.isdigit() and not fraction.strip("0") else text
