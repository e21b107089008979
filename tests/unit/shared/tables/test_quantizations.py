"""The tables: rows that cannot be mistaken for each other. Each consumer's own test goes through every row."""

from __future__ import annotations

from so8t_shared.config.model import Config
from so8t_shared.tables import quantizations


def test_quantizations_are_told_apart() -> None:
    """Names, file types and markers are unique, names are lower-case tags, and the base comes from the checkpoint."""
    rows = quantizations.ROWS
    for field in ("name", "file_type", "marker"):
        assert len({getattr(row, field) for row in rows}) == len(rows), field
    assert all(row.name == row.name.lower() and row.name.isidentifier() for row in rows)
    assert quantizations.BY_NAME[quantizations.BASE].from_checkpoint


def test_every_quantization_can_be_configured() -> None:
    """The configuration takes each, in any case, and its schema lists them all."""
    names = list(quantizations.ORDER)
    given = {"model_a": {"base_model": "m"}, "dataset": {"paths": ["d"]}}
    config = Config.model_validate({**given, "gguf": {"quantizations": [name.upper() for name in names]}})
    assert config.gguf.quantizations == names
    schema = Config.model_json_schema()["$defs"]["Gguf"]["properties"]["quantizations"]
    assert names == next(part["items"]["enum"] for part in [schema, *schema.get("anyOf", [])] if "items" in part)
