"""The proof that a log is as it was written: every line, the order of lines, erasures, deletions and anchors.

The chain alone shows any change that does not rewrite all lines behind it; the anchors show that, and a cut at the end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from so8t_gateway.audit.anchors import Anchor
from so8t_gateway.audit.chain import Chain, Misplaced
from so8t_gateway.audit.line import Line
from so8t_gateway.audit.reading import Item, Place, items_of, with_next
from so8t_gateway.audit.segments import TORN, Segment, segments_of
from so8t_gateway.audit.tail import damaged, first_line
from so8t_shared.errors import InputError
from so8t_shared.results.audit import AuditFault, AuditProof, FaultKind


@dataclass
class _Seen:
    """What the lines say about each other."""

    lines: int = 0
    requests: int = 0
    erased: dict[int, Place] = field(default_factory=dict)
    erasures: list[tuple[int, int]] = field(default_factory=list)
    """First and last line of each recorded run of erased lines."""
    retired: dict[int, Line] = field(default_factory=dict)
    anchored: dict[int, tuple[str, Place]] = field(default_factory=dict)
    """Hash and place of each line that has an anchor."""
    ends: dict[Segment, Item] = field(default_factory=dict)
    """The last item of each segment."""

    def take(self, item: Item, wanted: set[int]) -> None:
        """Note what is needed of a line."""
        self.lines += 1
        self.ends[item.place.segment] = item
        line = item.line
        if line is None:
            return
        self.requests += line.kind == "request"
        if line.erased:
            self.erased[line.n] = item.place
        if line.kind == "erased":
            self.erasures += [(first, last) for first, last in line.facts["lines"]]
        if line.kind == "retired":
            self.retired[line.facts["segment"]] = line
        if line.n in wanted:
            self.anchored[line.n] = (line.hash, item.place)


def log_id(folder: Path) -> str:
    """The log's name, from the first line of a segment that can be read.

    Raises:
        InputError: there is no log.
        IntegrityError: there is one, but every opening line is damaged.
    """
    segments = segments_of(folder)
    for line in map(first_line, segments):
        if line is not None and line.kind == "open":
            return str(line.facts["log"])
    begun = [segment for segment in segments if not next(iter(segment.lines()), TORN).endswith(TORN)]
    if begun:
        raise damaged(begun[0], "no opening line can be read, so it is not known which log this is")
    raise InputError(
        "There is no audit log here.", where=str(folder), remedy="correct think.audit.folder, or start 'so8t-ab think'"
    )


def verify(folder: Path, anchors: Iterable[Anchor] | None, others: Iterable[str] = ()) -> AuditProof:
    """Check a whole log; `anchors` are those of the store, None if they are not to be compared.

    Raises:
        InputError: there is no log.
    """
    name, segments = log_id(folder), segments_of(folder)
    known = None if anchors is None else list(anchors)
    chain, seen = Chain.starting_with(segments[0]), _Seen()
    wanted = {anchor.n for anchor in known or ()}
    for item, after in with_next(items_of(segments)):
        chain.follow(item, after)
        seen.take(item, wanted)
    chain.end()
    last = chain.expected - 1
    faults = [
        *chain.faults,
        *_moved_or_lost(segments, chain.misplaced),
        *_beginning(segments[0], chain.first, seen),
        *_ends(segments, seen),
        *_erasures(segments, chain.first.n if chain.first else 0, last, seen),
        *_anchored(segments[-1], known or [], chain.first, last, seen),
    ]
    return AuditProof(
        folder=str(folder),
        log=name,
        segments=len(segments),
        lines=seen.lines,
        first=chain.first.n if chain.first else 0,
        last=last,
        requests=seen.requests,
        erased=len(seen.erased),
        anchors=None if known is None else len(known),
        anchored=max(seen.anchored, default=None),
        other_logs=sorted(others),
        faults=sorted(faults, key=_rank),
    )


def _rank(fault: AuditFault) -> tuple[int, str, int]:
    """Order in the log; what may follow from a lost line comes behind all others, and anchors come last."""
    return {"erased": 1, "not erased": 1, "anchor": 2}.get(fault.kind, 0), fault.segment, fault.line


def _moved_or_lost(segments: list[Segment], misplaced: list[Misplaced]) -> list[AuditFault]:
    """Say of each line out of its place whether it was lost, moved or copied, by reading the log once more."""
    if not misplaced:
        return []
    spans = [range(each.first, each.last + 1) for each in misplaced]
    numbers = (item.line.n for item in items_of(segments) if item.line)
    count = Counter(n for n in numbers if any(n in span for span in spans))
    found = []
    for each in misplaced:
        lines = f"line {each.first}" if each.first == each.last else f"lines {each.first} to {each.last}"
        kind: FaultKind
        if each.absent:
            kind = "reordered" if count[each.first] else "missing"
            what = (
                f"{lines} should come before this one and {'stand elsewhere' if count[each.first] else 'are missing'}"
            )
        else:
            kind = "duplicated" if count[each.first] > 1 else "reordered"
            what = f"{lines} should not stand here" + (", and are there twice" if kind == "duplicated" else "")
        found.append(each.place.fault(kind, each.first, what))
    return found


def _beginning(segment: Segment, first: Line | None, seen: _Seen) -> list[AuditFault]:
    """Check that a log without its first segment starts behind one whose deletion is recorded."""
    if first is None or segment.number == 1:
        return []
    record = seen.retired.get(segment.number - 1)
    if record and (record.facts["last"], record.facts["hash"]) == (first.n - 1, first.prev):
        return []
    what = f"what stood before line {first.n} is missing, and its deletion is not recorded"
    return [Place(segment, 1).fault("missing", 1, what)]


def _ends(segments: list[Segment], seen: _Seen) -> list[AuditFault]:
    """Check each file's name, its opening line, and all closing lines but the last file's."""
    found = []
    for segment in segments:
        line = first_line(segment)
        if line is not None and (line.kind, line.facts.get("segment")) != ("open", segment.number):
            kind: FaultKind = "reordered" if line.kind == "open" else "missing"
            found.append(Place(segment, 1).fault(kind, line.n, "it is not the opening line of this file"))
        end = seen.ends.get(segment)
        if segment == segments[-1] or (end and end.line and end.line.kind == "close") or (end and end.torn):
            continue
        place = Place(segment, end.place.line + 1 if end else 1)
        found.append(place.fault("truncated", None, "the file ends without its closing line"))
    for before, segment in pairwise(segments):
        if segment.number != before.number + 1:
            found.append(Place(segment, 0).fault("missing", None, f"the files behind {before.path.name} are missing"))
    return found


def _erasures(segments: list[Segment], first: int, last: int, seen: _Seen) -> list[AuditFault]:
    """Check that exactly the recorded lines are erased."""
    recorded = {n for low, high in seen.erasures for n in range(max(low, first), min(high, last) + 1)}
    found = [
        place.fault("erased", n, "it was erased, which no line records")
        for n, place in seen.erased.items()
        if n not in recorded
    ]
    left = recorded - set(seen.erased)
    places = {item.line.n: item for item in items_of(segments) if left and item.line and item.line.n in left}
    what = "its erasure is recorded, but it is not erased: run 'so8t-ab audit erase' again"
    return found + [places[n].place.fault("not erased", n, what) for n in sorted(left) if n in places]


def _anchored(segment: Segment, anchors: list[Anchor], first: Line | None, last: int, seen: _Seen) -> list[AuditFault]:
    """Compare the log with its anchors; those of deleted segments are passed over."""
    found = [AuditFault(kind="anchor", segment=a.key, line=0, n=a.n or None, what=a.fault) for a in anchors if a.fault]
    good = first.n - 1 if first else 0
    for anchor in anchors:
        line = seen.anchored.get(anchor.n)
        if line is not None and line[0] == anchor.hash:
            good = anchor.n
        elif line is not None:
            what = f"its anchor has another hash: a line from {good + 1} to {anchor.n} was rewritten"
            found.append(line[1].fault("rewritten", anchor.n, what))
            break
    end = max((anchor.n for anchor in anchors), default=0)
    if end > last:
        item = seen.ends.get(segment)
        place = Place(segment, item.place.line + 1 if item else 1)
        found.append(place.fault("truncated", last + 1, f"lines {last + 1} to {end} are missing at the end of the log"))
    return found
