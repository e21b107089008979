"""The bundles of a finished session, made once per process; they are only read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.unit.shared.bundles.finished import Finished

from so8t_evaluator.evidence import count_words
from so8t_shared.bundles import signing
from so8t_shared.bundles.collecting import archived, collect, without, write


@dataclass(frozen=True)
class Bundles:
    """Paths of the bundles of one session, and of the key that signed the first."""

    signed: Path
    unsigned: Path
    without_texts: Path
    key: Path
    key_id: str


def make_bundles(finished: Finished, folder: Path) -> Bundles:
    """Write all bundles of a session, and the key."""
    key_id = signing.make_key(folder / "key")
    private = signing.read_private_key(folder / "key")
    collected = collect(finished.store, finished.session_id)
    paths = [folder / f"{name}.zip" for name in ("signed", "unsigned", "without")]
    write(paths[0], archived(collected, texts=True, sign=lambda claim: signing.sign(claim, private)))
    write(paths[1], archived(collected, texts=True))
    write(paths[2], archived(without(collected, count_words), texts=False))
    return Bundles(*paths, folder / "key", key_id)
