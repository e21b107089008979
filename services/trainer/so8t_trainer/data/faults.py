"""All faults of a data set as one error: each kind once, with its places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from so8t_shared import formatting as fmt
from so8t_shared.errors import InputError

_IN_ROWS = "correct or remove these rows; 'so8t-ab data check' lists them without a run"
_MOST_KINDS = 20
_MOST_PLACES = 5


@dataclass
class FaultKind:
    """Faults with the same words."""

    what: str
    remedy: str
    places: list[str] = field(default_factory=list)
    count: int = 0

    def line(self) -> str:
        """What is wrong, where, and what to do, in one line."""
        more = f" and {self.count - len(self.places):,} more" if self.count > len(self.places) else ""
        return f"- {self.what} {', '.join(self.places)}{more}: {self.remedy}"


def by_kind(faults: Sequence[InputError]) -> list[FaultKind]:
    """Return the faults, those with the same words together; of their places the first few."""
    kinds: dict[tuple[str, str], FaultKind] = {}
    for fault in faults:
        kind = kinds.setdefault((fault.what, fault.remedy), FaultKind(fault.what, fault.remedy))
        kind.count += 1
        if len(kind.places) < _MOST_PLACES:
            kind.places.append(fault.where)
    return list(kinds.values())


def all_faults(faults: Sequence[InputError], remedy: str = _IN_ROWS) -> InputError:
    """Return one error that lists all faults; a lone fault is returned unchanged."""
    if len(faults) == 1:
        return faults[0]
    kinds = by_kind(faults)
    lines = [kind.line() for kind in kinds[:_MOST_KINDS]]
    if left := len(kinds) - len(lines):
        lines.append(f"- {left:,} more {fmt.plural(left, 'kind', 'kinds')} of faults")
    return InputError(
        f"The data has {len(faults):,} faults.",
        where="".join(f"\n    {line}" for line in lines),
        remedy=remedy,
    )
