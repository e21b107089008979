"""What this program, transformers and llama.cpp expect of the values in a model folder's JSON files.

Only keys that are read are described; other keys are left alone. A file is checked when it is read, so that a wrong
type is one message with every faulty key, not an AttributeError in whatever reads it first.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, Strict, ValidationError, model_validator

from so8t_shared.errors import InputError

_MOST_SHOWN = 5
_MOST_LAYERS = 10_000
_MOST_WIDE = 1 << 24
"""Sizes of a model; the largest ones have 130 layers, widths of 60,000 and vocabularies of 300,000."""

Text = Annotated[str, Strict()]
AnyId = Annotated[int, Strict(), Field(gt=-(1 << 31), lt=1 << 31)]
"""A token's id, or a negative number for none, as old files have it."""
TokenId = Annotated[int, Strict(), Field(ge=0, lt=1 << 31)]
Layers = Annotated[int, Strict(), Field(gt=0, le=_MOST_LAYERS)]
Width = Annotated[int, Strict(), Field(gt=0, le=_MOST_WIDE)]
Positive = Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)]


def _finite(value: Any) -> Any:
    numbers = [value] if not isinstance(value, dict | list) else _numbers(value)
    if any(isinstance(number, float) and not math.isfinite(number) for number in numbers):
        raise ValueError("a number is not finite")
    return value


def _numbers(value: Any) -> list[Any]:
    parts = value.values() if isinstance(value, dict) else value
    return [number for part in parts for number in (_numbers(part) if isinstance(part, dict | list) else [part])]


class ForeignShape(BaseModel):
    """Base of the descriptions of other programs' files, whose other keys are left alone."""

    model_config = ConfigDict(extra="allow", defer_build=True, protected_namespaces=())


class _AddedToken(ForeignShape):
    content: Text
    special: bool | None = None


class _NumberedToken(_AddedToken):
    id: TokenId | None = None


class _Named(ForeignShape):
    name: Text
    template: Text


class _TokenizerModel(ForeignShape):
    type: Text | None = None
    vocab: dict[str, TokenId] | list[Any] | None = None
    byte_fallback: bool | None = None
    ignore_merges: bool | None = None


class _Tokenizer(ForeignShape):
    """tokenizer.json."""

    model: _TokenizerModel | None = None
    added_tokens: list[_NumberedToken] | None = None
    normalizer: dict[str, Any] | None = None
    pre_tokenizer: dict[str, Any] | None = None


class _TokenizerConfig(ForeignShape):
    """tokenizer_config.json."""

    added_tokens_decoder: dict[Annotated[str, Field(pattern=r"^\d{1,9}$")], _AddedToken] | None = None
    chat_template: Text | dict[str, Any] | list[_Named] | None = None
    additional_special_tokens: list[Text | _AddedToken] | dict[str, Any] | None = None
    tokenizer_class: Text | None = None


class _SpecialTokens(ForeignShape):
    """special_tokens_map.json."""

    additional_special_tokens: list[Text | _AddedToken] | dict[str, Any] | None = None


class _ChatTemplate(ForeignShape):
    """chat_template.json."""

    chat_template: Text | dict[str, Any] | list[_Named] | None = None


class _Generation(ForeignShape):
    """generation_config.json."""

    eos_token_id: AnyId | list[AnyId] | None = None


class _Rope(ForeignShape):
    """rope_parameters or rope_scaling."""

    rope_theta: Positive | None = None
    factor: Positive | None = None
    rope_type: Text | None = None
    type: Text | None = None
    long_factor: list[Positive] | None = None
    short_factor: list[Positive] | None = None


class _Config(_Generation):
    """config.json."""

    architectures: list[Any] | Text | None = None
    num_hidden_layers: Layers | None = None
    hidden_size: Width | None = None
    intermediate_size: Width | None = None
    vocab_size: Width | None = None
    num_attention_heads: Width | None = None
    num_key_value_heads: Width | None = None
    head_dim: Width | None = None
    max_position_embeddings: Annotated[int, Strict(), Field(gt=0, lt=1 << 31)] | None = None
    original_max_position_embeddings: Annotated[int, Strict(), Field(gt=0, lt=1 << 31)] | None = None
    sliding_window: Annotated[int, Strict(), Field(ge=0, lt=1 << 31)] | None = None
    rope_theta: Positive | None = None
    rope_local_base_freq: Positive | None = None
    partial_rotary_factor: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    rms_norm_eps: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = None
    initializer_range: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)] | None = None
    rope_scaling: _Rope | None = None
    rope_parameters: _Rope | None = None
    layer_types: list[Text] | None = None
    tie_word_embeddings: bool | None = None
    attention_bias: bool | None = None
    mlp_bias: bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _finite_numbers(cls, raw: Any) -> Any:
        return _finite(raw)


class _AddedTokens(ForeignShape):
    """added_tokens.json: ids by text."""

    __pydantic_extra__: dict[str, TokenId] = Field(init=False)


_SHAPES: dict[str, type[ForeignShape]] = {
    "config.json": _Config,
    "generation_config.json": _Generation,
    "tokenizer.json": _Tokenizer,
    "tokenizer_config.json": _TokenizerConfig,
    "special_tokens_map.json": _SpecialTokens,
    "added_tokens.json": _AddedTokens,
    "chat_template.json": _ChatTemplate,
}


def check_values(path: Path, values: dict[str, Any]) -> None:
    """Check the values of one of a model folder's files, by its name; other names have no description.

    Raises:
        InputError: a value has the wrong type or size; all of them are named.
    """
    shape = _SHAPES.get(path.name)
    if shape is None:
        return
    try:
        shape.model_validate(values)
    except ValidationError as error:
        faults = list(
            dict.fromkeys(f"{_key(fault['loc'])}: {fault['msg']}" for fault in error.errors(include_url=False))
        )
        more = f"; and {len(faults) - _MOST_SHOWN} more" if len(faults) > _MOST_SHOWN else ""
        raise InputError(
            f"{path.name} has values that no model can have: {'; '.join(faults[:_MOST_SHOWN])}{more}.",
            where=str(path),
            remedy="restore the model's original file",
        ) from error


def _key(place: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in place[:3])[:200] or "the file"
