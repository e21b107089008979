"""What all sections of the configuration have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator

PLACEHOLDER = "CHANGE-ME"
"""Stands in config/template.yaml wherever a value of one's own belongs."""


class Section(BaseModel):
    """A part of the configuration; unknown keys and what the template left open are refused."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False, defer_build=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _is_filled_in(cls, value: Any) -> Any:
        words = value if isinstance(value, list) else [value]
        if any(isinstance(word, str) and PLACEHOLDER in word for word in words):
            raise ValueError(f"put your own value in place of {PLACEHOLDER}")
        return value
