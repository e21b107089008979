"""The table of original keys is complete, and each row leads somewhere."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from so8t_shared.config.faults import field_at
from so8t_shared.config.model import Config
from so8t_shared.config.original.keys import BY_KEY, ROWS


@pytest.mark.parametrize("section", ["training", "qlora", "quantization"])
def test_every_name_of_the_libraries_has_a_row(section: str) -> None:
    """All of TrainingArguments, LoraConfig and BitsAndBytesConfig of the installed versions."""
    import peft
    import transformers

    names = {
        "training": [field.name for field in dataclasses.fields(transformers.TrainingArguments)],
        "qlora": [field.name for field in dataclasses.fields(peft.LoraConfig)],
        "quantization": [*inspect.signature(transformers.BitsAndBytesConfig).parameters],
    }
    missing = {name for name in names[section] if f"{section}.{name}" not in BY_KEY} - {"kwargs"}
    assert not missing


def test_each_key_has_one_row_with_a_key_or_a_reason() -> None:
    """What has an effect names a present key; what has none says why."""
    assert len(ROWS) == len(BY_KEY)
    for row in ROWS:
        assert bool(row.becomes) != bool(row.why), row.key
    assert {row.becomes for row in ROWS if row.becomes and field_at(Config, row.becomes) is None} == set()
