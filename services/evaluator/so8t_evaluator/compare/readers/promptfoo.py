"""promptfoo's results: the JSON of `promptfoo eval -o out.json`, or its JSONL."""

from __future__ import annotations

from collections.abc import Iterator

from so8t_evaluator.compare.faults import UnusableError
from so8t_evaluator.compare.reader import Object, Reader, at, first_at


def _entries(place: str, found: Object) -> Iterator[tuple[str, Object]]:
    results = at(found, "results.results")
    if not isinstance(results, list):
        yield place, found  # a line of the JSONL
        return
    entries = [entry for entry in results if isinstance(entry, dict)]
    asked = {(str(at(entry, "provider.id")), str(entry.get("promptIdx"))) for entry in entries}
    if len(asked) > 1:
        raise UnusableError(
            f"it holds {len(asked)} combinations of provider and prompt; keep one, for example with --filter-providers"
        )
    for number, entry in enumerate(entries, start=1):
        yield f"result {number}", entry


def _row(entry: Object) -> Object:
    output = at(entry, "response.output")
    if output is None:
        raise UnusableError("promptfoo recorded no output for it")
    return {
        "id": first_at(entry, "vars.id", "testCase.metadata.id", "testIdx"),
        "gold": first_at(
            entry,
            *("vars.gold", "vars.label", "vars.expected"),
            *("testCase.metadata.gold", "testCase.metadata.label", "testCase.metadata.expected"),
        ),
        "predicted": output,
        **{
            key: first_at(entry, f"testCase.metadata.{key}", f"vars.{key}") for key in ("group", "language", "category")
        },
    }


READER = Reader(row=_row, entries=_entries)
