"""The data policy: licenses, personal data, secrets, NSFW. Excluded text is never kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from so8t_shared.config.model import DataPolicy, Source
from so8t_shared.errors import InputError
from so8t_shared.foreign_yaml import parse_yaml
from so8t_shared.personal import holds_secret, personal_data
from so8t_shared.progress import Progress, no_progress
from so8t_trainer.data.progress import reported
from so8t_trainer.data.read import SourceRows
from so8t_trainer.data.rows import Row

CARD = "dataset_card.yaml"


def declared_source(source: SourceRows, configured: Source | None, policy: DataPolicy) -> Source:
    """Return license and provenance of a data set, from the configuration or else the card beside the files.

    Raises:
        InputError: nothing is declared, the configuration and the card name different licenses, or the license is
            not on the allowlist.
    """
    declared, where = configured, "dataset.source"
    if source.folder is not None and (source.folder / CARD).is_file():
        where = str(source.folder / CARD)
        declared = _agreed(configured, _read_card(source.folder / CARD), where)
    if declared is None:
        raise InputError(
            "The data set does not declare its license and provenance.",
            where=source.path,
            remedy=f"set dataset.source {{license, provenance}}, or add a {CARD} with both keys beside the files",
        )
    if declared.license.lower() not in {name.lower() for name in policy.allowed_licenses}:
        raise InputError(
            f"The license {declared.license!r} is not allowed for training.",
            where=where,
            remedy="use other data, or add the license to dataset.policy.allowed_licenses"
            f" (now {', '.join(policy.allowed_licenses)})",
        )
    return declared


def _agreed(configured: Source | None, card: Source, where: str) -> Source:
    """Return the configured source; it covers all folders, so it must not contradict a folder's own card."""
    if configured is not None and configured.license.lower() != card.license.lower():
        raise InputError(
            f"The data set's card says {card.license!r}, but dataset.source.license says {configured.license!r}.",
            where=where,
            remedy="remove dataset.source, so that each folder's own card counts, or correct the wrong one",
        )
    return configured or card


def _read_card(path: Path) -> Source:
    try:
        card = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"The data set's card cannot be read: {str(error).splitlines()[0]}",
            where=str(path),
            remedy="write it as YAML with the keys license and provenance",
        ) from error
    values = card if isinstance(card, dict) else {}
    missing = [key for key in ("license", "provenance") if not isinstance(values.get(key), str)]
    if missing:
        raise InputError(
            f"The data set's card lacks {' and '.join(missing)}.",
            where=str(path),
            remedy="add the key, for example 'license: cc-by-4.0'",
        )
    return Source(license=values["license"], provenance=values["provenance"])


def demand_classes(rows: list[Row]) -> None:
    """Reject a data set with a single class.

    Raises:
        InputError: all rows have the same class.
    """
    found = {row.label for row in rows}
    if len(found) == 1:
        raise InputError(
            f"The data set has a single class, {found.pop()}.",
            where="dataset.paths",
            remedy="add rows of at least one other class",
        )


def apply_policy(
    rows: list[Row], policy: DataPolicy, progress: Progress = no_progress
) -> tuple[list[Row], Counter[str]]:
    """Return the rows that may be used, and the number left out for each reason."""
    kept: list[Row] = []
    excluded: Counter[str] = Counter()
    for _, row in reported(rows, progress, "applying the policy"):
        reason = _reason_to_exclude(row, policy)
        if reason is None:
            kept.append(row)
        else:
            excluded[reason] += 1
    return kept, excluded


def _reason_to_exclude(row: Row, policy: DataPolicy) -> str | None:
    if row.nsfw and row.label == "ALLOW":
        return "NSFW labeled ALLOW"
    texts = "\n".join([row.text, *row.thinking.values()])
    if policy.exclude_secrets and holds_secret(texts):
        return "secret"
    if policy.exclude_personal_data and (kind := personal_data(texts)):
        return f"personal data: {kind}"
    return None
