"""Faults of answers in an evidence bundle: other rows than were to be asked, or classes that the answers do not say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from so8t_shared.labels import INVALID, LABELS, canonical_label
from so8t_shared.results.answers import FINAL_KEPT, Sample
from so8t_shared.results.bundle import BundleFault
from so8t_shared.results.training import LabeledRow
from so8t_shared.tables.scorings import BY_NAME


def same_rows(rows: dict[str, LabeledRow], found: Sequence[Sample], where: str, name: str) -> Iterator[BundleFault]:
    """Rows that were to be asked and were not, or were not as they are."""
    ids = [sample.row_id for sample in found]
    if missing := sorted(set(rows) - set(ids)):
        yield BundleFault(where=where, what=f"{name}: no answer to row {missing[0]}, nor to {len(missing) - 1:,} more")
    if extra := sorted(set(ids) - set(rows)):
        yield BundleFault(where=where, what=f"{name}: row {extra[0]} was not to be asked")
    if len(ids) > len(set(ids)):
        yield BundleFault(where=where, what=f"{name}: a row has two answers")
    for sample in found:
        row = rows.get(sample.row_id)
        facts = (sample.gold, sample.group, sample.language, sample.category)
        if row and facts != (row.label, row.group, row.language, row.category):
            yield BundleFault(where=f"{where}: {name}, row {sample.row_id}", what="the row's class or group is another")


def classes(samples: Sequence[Sample], where: str, *, texts: bool) -> Iterator[BundleFault]:
    """Answers whose class does not follow from what is kept of them."""
    for sample in samples:
        expected = class_of(sample, texts=texts)
        if expected is not None and sample.predicted != expected:
            place = f"{sample.model} {sample.quantization} {sample.scoring}, row {sample.row_id}"
            yield BundleFault(where=f"{where}: {place}", what=f"it counts as {sample.predicted}, and says {expected}")


def class_of(sample: Sample, *, texts: bool) -> str | None:
    """The class that the answer says; None if what is kept does not tell."""
    if sample.over_long:
        return INVALID
    if BY_NAME[sample.scoring].scored:
        if sample.logprobs is None or set(sample.logprobs) != set(LABELS):
            return None
        best = max(LABELS, key=sample.logprobs.__getitem__)  # the first of equals, as where the answer was read
        return INVALID if best in sample.upper_bounds else best
    if not texts or len(sample.final) >= FINAL_KEPT or "[redacted" in sample.final:
        return None
    return canonical_label(sample.final) or INVALID
