"""How a data set names its fields and classes, and how its files are encoded."""

from __future__ import annotations

import codecs
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from so8t_shared.labels import LABELS, canonical_label

ColumnName = Literal[
    "text",
    "label",
    "four_class_label",
    "four_class_label_id",
    "safety_label",
    "quadruple_classification",
    "instruction",
    "input",
    "output",
    "prompt",
    "response",
    "completion",
    "messages",
    "conversations",
    "system",
    "history",
    "language",
    "category",
    "group",
    "split",
    "nsfw_label",
]
"""Our names of a row's fields."""


def _known_encoding(name: str) -> str:
    try:
        return name if name == "auto" else codecs.lookup(name).name
    except LookupError as error:
        raise ValueError("use auto, or an encoding that Python knows, such as utf-8, cp932, euc_jp, utf-16") from error


def _classes(words: dict[str, str]) -> dict[str, str]:
    found = {word: canonical_label(label) for word, label in words.items()}
    if unknown := [word for word, label in found.items() if label is None]:
        raise ValueError(f"give {', '.join(unknown)} one of {', '.join(LABELS)}")
    return {word: label for word, label in found.items() if label}


def _texts(words: object) -> object:
    """YAML reads an unquoted 1 or yes as a number or a truth value."""
    return {str(word): label for word, label in words.items()} if isinstance(words, dict) else words


Encoding = Annotated[str, AfterValidator(_known_encoding)]
LabelWords = Annotated[dict[str, str], BeforeValidator(_texts), AfterValidator(_classes)]
