"""Value types of configuration keys, and their checks."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from so8t_shared.labels import LABELS
from so8t_shared.tables.quantizations import Quantization

Rotation = Literal["exp", "cayley"]

_FOLDER = re.compile(r"\w[\w. -]*")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_SERVED = re.compile(r"(?:[\w.-]+(?::\d+)?/)?(?:[\w.-]+/)*[\w.-]+(?::[\w.-]+)?", re.ASCII)


def lower(value: Any) -> Any:
    """Return a text in lower case, anything else unchanged."""
    return value.lower() if isinstance(value, str) else value


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


T = TypeVar("T")
OneOrMany = Annotated[T, BeforeValidator(_one_or_many)]
"""A list of words; a single word may be given without a list."""


def _model_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("use lower-case letters, digits, '.', '_' and '-' only, without a tag")
    return value


def served_name(value: str) -> str:
    """Return a name as an Ollama server lists it, with its tag; ValueError if it cannot be one."""
    if not _SERVED.fullmatch(value):
        raise ValueError("use a name as in 'ollama list', such as qwen3:4b or hf.co/owner/model:Q4_K_M")
    return value if ":" in value.rpartition("/")[2] else f"{value}:latest"


def unique(values: list[Any]) -> list[Any]:
    """Return the list unchanged; ValueError if it has duplicates."""
    if len(set(values)) != len(values):
        raise ValueError("the list contains a value twice")
    return values


def _last_name(value: str) -> str:
    name = re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    if not _FOLDER.fullmatch(name):
        raise ValueError("use a folder name: letters, digits, '.', '_' and '-'")
    return name


LowerQuantization = Annotated[Quantization, BeforeValidator(lower)]


def _http_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"} or parts.query:
        raise ValueError("write http://HOST:PORT or https://HOST:PORT, without a path")
    if parts.username or parts.password:
        raise ValueError("remove the user and password from the address; they belong in a separate file")
    return value.rstrip("/")


def _no_address(value: Any) -> Any:
    """Drop an address: Compose passes one when it has no name for a remote server."""
    return None if value is None or "://" in str(value) else str(value)


def _session_name(value: Any) -> Any:
    """Reject a number, which is what YAML makes of the usual name, 20260131_235959, and which has lost its line."""
    if isinstance(value, int):
        raise ValueError("put the session's name in quotes, or YAML takes it for a number")
    return value


def _bucket_name(value: str) -> str:
    if not _BUCKET.fullmatch(value):
        raise ValueError("use 3 to 63 lower-case letters, digits and '-'")
    return value


def _of_classes(weights: dict[str, float]) -> dict[str, float]:
    if not set(weights) <= set(LABELS):
        raise ValueError(f"give weights for {', '.join(LABELS)}")
    return weights


ClassWeights = Annotated[dict[str, Annotated[float, Field(gt=0)]], AfterValidator(_of_classes)]
HttpAddress = Annotated[str, AfterValidator(_http_address)]
HostName = Annotated[str | None, BeforeValidator(_no_address)]
BucketName = Annotated[str, AfterValidator(_bucket_name)]
SessionName = Annotated[str, BeforeValidator(_session_name)]
FolderName = Annotated[str, AfterValidator(_last_name)]
ModelName = Annotated[str, AfterValidator(_model_name)]
ServedName = Annotated[str, AfterValidator(served_name)]
"""A model on an Ollama server; the tag is added if it is missing."""
Fraction = Annotated[float, Field(gt=0, lt=1)]
