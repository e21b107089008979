"""The data policy: licenses, personal data, secrets, NSFW. Excluded text is never kept."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from so8t_shared.config.model import DataPolicy, Source
from so8t_shared.dataset_card import CARD, read_card
from so8t_shared.errors import InputError
from so8t_shared.files import sha256_file
from so8t_shared.personal import holds_secret, personal_data
from so8t_shared.progress import Progress, no_progress
from so8t_trainer.data.progress import reported
from so8t_trainer.data.read import SourceRows
from so8t_trainer.data.rows import Row

_SPDX = {"odc-by": "odc-by-1.0"}
"""The Hub's names and SPDX's."""


def declared_source(source: SourceRows, configured: Source | None, policy: DataPolicy) -> Source:
    """Return license and provenance of a data set, from the configuration or else the card beside the files.

    Raises:
        InputError: nothing is declared, the configuration and the card name different licenses, the license is not on
            the allowlist, or its terms are not there.
    """
    declared, where = configured, "dataset.source"
    if source.folder is not None and (source.folder / CARD).is_file():
        where = str(source.folder / CARD)
        declared = _agreed(configured, read_card(source.folder / CARD), where)
    if declared is None:
        raise InputError(
            "The data set does not declare its license and provenance.",
            where=source.path,
            remedy=f"set dataset.source {{license, provenance}}, or add a {CARD} with both keys beside the files",
        )
    if _license(declared.license) not in map(_license, policy.allowed_licenses):
        raise InputError(
            f"The license {declared.license!r} is not allowed for training.",
            where=where,
            remedy="use other data, or add the license to dataset.policy.allowed_licenses"
            f" (now {', '.join(policy.allowed_licenses)})",
        )
    _demand_terms(declared, where)
    return declared


def source_facts(declared: Source) -> dict[str, str]:
    """Return what the data report says about a source: license, origin, and its terms if there are any."""
    facts = {name: value for name, value in declared.model_dump().items() if value}
    if declared.license_file:
        terms = Path(declared.license_file)
        facts |= {"license_file": terms.name, "license_sha256": sha256_file(terms)}
    return facts


def facts_of_test(source: SourceRows) -> dict[str, str]:
    """Return what the data report says about rows that are only tested on; their license need not be on the list."""
    facts = {"license": "not trained on", "provenance": "ab_test.test_data"}
    if source.folder is None or not (source.folder / CARD).is_file():
        return facts
    try:
        card = read_card(source.folder / CARD)
    except InputError:
        return facts  # training needs the card, a test does not
    notes = {name: value for name, value in card.model_dump().items() if value and name != "license_file"}
    return {**facts, **notes, "license": f"{card.license}; not trained on"}


def _license(name: str) -> str:
    lower = name.lower()
    return _SPDX.get(lower, lower)


def _demand_terms(declared: Source, where: str) -> None:
    """Custom terms must be a file: what was agreed to is then known by its digest."""
    if declared.license_file is None and _license(declared.license) == "other":
        raise InputError(
            "The license is 'other', but no file has its terms.",
            where=where,
            remedy="add license_file with the name of a file that holds the terms",
        )
    if declared.license_file is not None and not Path(declared.license_file).is_file():
        raise InputError(
            f"The file with the license's terms does not exist: {declared.license_file}.",
            where=where,
            remedy="correct license_file, which is relative to the card, or to the working folder in dataset.source",
        )


def _agreed(configured: Source | None, card: Source, where: str) -> Source:
    """Return the configured source, which must not contradict a folder's own card; the card fills what it lacks."""
    if configured is None:
        return card
    if _license(configured.license) != _license(card.license):
        raise InputError(
            f"The data set's card says {card.license!r}, but dataset.source.license says {configured.license!r}.",
            where=where,
            remedy="remove dataset.source, so that each folder's own card counts, or correct the wrong one",
        )
    given = {name: value for name, value in configured.model_dump().items() if value}
    return card.model_copy(update=given)


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
    texts = "\n".join([*(text for _, text in row.turns), row.text, *row.thinking.values()])
    if policy.exclude_secrets and holds_secret(texts):
        return "secret"
    if policy.exclude_personal_data and (kind := personal_data(texts)):
        return f"personal data: {kind}"
    return None
