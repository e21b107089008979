"""A data set's card: dataset_card.yaml beside its files says license, origin and terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from so8t_shared.config.model import Source
from so8t_shared.errors import InputError
from so8t_shared.foreign_yaml import parse_yaml

CARD = "dataset_card.yaml"

_OPTIONAL = ("license_file", "license_notes", "robots")


def read_card(path: Path) -> Source:
    """Return what a card says; the file with the license's terms is found beside it.

    Raises:
        InputError: it cannot be read, or lacks license or provenance.
    """
    try:
        card = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"The data set's card cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            remedy="write it as YAML with the keys license and provenance",
        ) from error
    values: dict[str, Any] = card if isinstance(card, dict) else {}
    missing = [key for key in ("license", "provenance") if not isinstance(values.get(key), str)]
    if missing:
        raise InputError(
            f"The data set's card lacks {' and '.join(missing)}.",
            where=str(path),
            remedy="add the key, for example 'license: cc-by-4.0'",
        )
    optional = {key: values[key] for key in _OPTIONAL if isinstance(values.get(key), str)}
    if "license_file" in optional:
        optional["license_file"] = str(path.parent / optional["license_file"])
    return Source(license=values["license"], provenance=values["provenance"], **optional)


def terms_beside(folder: Path) -> Path | None:
    """Return the file with the license's terms that a folder's card names; None without a readable card or terms."""
    try:
        named = read_card(folder / CARD).license_file
    except InputError:
        return None
    return Path(named) if named else None
