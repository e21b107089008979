"""Base of all configuration sections."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

PLACEHOLDER = "CHANGE-ME"
"""Marks the values to fill in in config/template.yaml."""


class Section(BaseModel):
    """A part of the configuration; rejects unknown keys and unfilled placeholders."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False, defer_build=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_filled_in(cls, value: Any) -> Any:
        words = value if isinstance(value, list) else [value]
        if any(isinstance(word, str) and PLACEHOLDER in word for word in words):
            raise ValueError(f"replace {PLACEHOLDER} with your own value")
        return value
