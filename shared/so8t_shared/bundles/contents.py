"""What a bundle holds: a row per stage, and how files are packed."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import Any

from pydantic import ValidationError

from so8t_shared.config.model import Config
from so8t_shared.errors import IntegrityError
from so8t_shared.foreign import UnparsableError, parse_json
from so8t_shared.results.registry import REGISTRY_FILE
from so8t_shared.results.verification import VERIFICATIONS
from so8t_shared.running.export import RESULTS_FILE
from so8t_shared.stages import BY_NAME

INDEX_FILE = "bundle.json"
CONFIGURATION_FILE = "configuration.json"
"""The session's configuration, without places and receivers."""
SIGNATURE_FILE, PUBLIC_KEY_FILE = "attestation.json", "public_key.pem"
WORDS_FILE = "words.json"
"""Without texts: the class that counting words gave each test row."""
MANIFEST_FILE = "manifest.json"
"""In each stage's folder: its key, and the digests of all its files, in the bundle or not."""

FILES: dict[str, tuple[str, ...]] = {
    "convert-a": ("conversion.json", "chat.json"),
    "train": ("splits/", "training.json", "metrics.jsonl", "data_report.json", "training_config.yaml"),
    "convert-b": ("conversion.json", "chat.json"),
    "import": (REGISTRY_FILE, *VERIFICATIONS.values()),
    "evaluate": ("",),
    "conclude": ("",),
    "report": (RESULTS_FILE,),
}
"""Prefixes of each stage's files that are packed: what conclude read and wrote, and what the results were made of."""

MOST_UNPACKED = 1 << 29
"""Bytes of all files together, unpacked."""
MOST_DOCUMENT = 64 << 20
"""Bytes of one JSON document."""
_LINES, _PACKED = ".jsonl", ".gz"


def packed_name(name: str) -> str:
    """Name in the archive of a file: lines are compressed, as there can be many."""
    return f"{name}{_PACKED}" if name.endswith(_LINES) else name


def unpacked_name(name: str) -> str:
    """The reverse of `packed_name`."""
    return name.removesuffix(_PACKED)


def packed(name: str, data: bytes) -> bytes:
    """A file's bytes as they stand in the archive; the same bytes for the same zlib."""
    return gzip.compress(data, compresslevel=9, mtime=0) if name.endswith(_LINES) else data


def unpacked(name: str, data: bytes, size: int) -> bytes:
    """The bytes of a file that has `size` of them.

    Raises:
        IntegrityError: it is damaged, or has another size; at most one byte too many is unpacked.
    """
    if not name.endswith(_PACKED):
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise IntegrityError("A compressed file is damaged.", where=name) from error
    if len(found) != size:
        raise IntegrityError(f"It does not unpack to the {size:,} bytes that bundle.json names.", where=name)
    return found


def document(data: bytes, where: str) -> dict[str, Any]:
    """The object in a JSON document of a bundle.

    Raises:
        IntegrityError: it is none, or too large.
    """
    try:
        if len(data) > MOST_DOCUMENT:
            raise UnparsableError(f"it has {len(data) >> 20:,} MiB, more than {MOST_DOCUMENT >> 20:,}")
        found = parse_json(data)
    except UnparsableError as error:
        raise IntegrityError(f"A document of the bundle is damaged: {error}.", where=where) from error
    if not isinstance(found, dict):
        raise IntegrityError("A document of the bundle is damaged: it is no object.", where=where)
    return found


def config_of(configuration: dict[str, Any]) -> Config:
    """The configuration in a bundle.

    Raises:
        IntegrityError: it is damaged.
    """
    try:
        return Config.model_validate(configuration)
    except ValidationError as error:
        raise IntegrityError("The configuration is damaged.", where=CONFIGURATION_FILE) from error


def is_expected(name: str, *, texts: bool) -> bool:
    """Whether a bundle may hold a file of that name."""
    if name in {CONFIGURATION_FILE, *(() if texts else (WORDS_FILE,))}:
        return True
    stage, _, path = unpacked_name(name).partition("/")
    known = bool(path) and stage in BY_NAME and (path == MANIFEST_FILE or path.startswith(FILES[stage]))
    return known and name == packed_name(unpacked_name(name))
