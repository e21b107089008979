"""Writes the bundle of a finished session."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.bundles.archive import pack
from so8t_shared.bundles.attestation import TESTED_BY, statement
from so8t_shared.bundles.contents import (
    CONFIGURATION_FILE,
    FILES,
    INDEX_FILE,
    MANIFEST_FILE,
    PUBLIC_KEY_FILE,
    SIGNATURE_FILE,
    WORDS_FILE,
    document,
    packed,
    packed_name,
)
from so8t_shared.bundles.texts import without_texts
from so8t_shared.canonical import canonical_json
from so8t_shared.distribution import version
from so8t_shared.part_file import part_file
from so8t_shared.privacy import private_files
from so8t_shared.results.bundle import BundledFile, BundleIndex
from so8t_shared.results.evaluation import EVALUATION_FILE
from so8t_shared.sessions.outputs import demand_output
from so8t_shared.sessions.session import SessionRecord, read_record, without_places
from so8t_shared.store.base import ArtifactStore

Sign = Callable[[bytes], tuple[bytes, bytes]]
"""Statement to envelope and public key."""
CountWords = Callable[[bytes, bytes, bytes], dict[str, str]]
"""Training rows, test rows and answers, as lines, to the class of each tested row by counting words; may be empty."""


@dataclass(frozen=True)
class Collected:
    """A session's files by their names in the bundle, unpacked."""

    record: SessionRecord
    files: dict[str, bytes]
    stages: dict[str, str]
    converted: Manifest
    """Of model B."""


def collect(store: ArtifactStore, session_id: str) -> Collected:
    """Read what a bundle holds, verified against the manifests.

    Raises:
        InputError: there is no such session.
        UpstreamError: a stage has not finished.
        IntegrityError: a stored file is damaged.
    """
    record = read_record(store, session_id)
    files = {CONFIGURATION_FILE: canonical_json(without_places(record.config))}
    stages, manifests = dict[str, str](), dict[str, Manifest]()
    for stage, prefixes in FILES.items():
        artifact, manifest = demand_output(store, session_id, stage)
        stages[stage], manifests[stage] = artifact.fingerprint, manifest
        files[f"{stage}/{MANIFEST_FILE}"] = manifest.to_bytes()
        names = [entry.path for entry in manifest.files if entry.path.startswith(prefixes)]
        if names:
            folder = artifact.materialize(manifest, prefixes)
            files |= {f"{stage}/{name}": (folder / name).read_bytes() for name in names}
    return Collected(record, files, stages, manifests[TESTED_BY])


def without(collected: Collected, count_words: CountWords) -> Collected:
    """The same without the texts of rows and answers; what counting words gave takes the place of the rows' texts."""
    files = collected.files
    train, test = (files[f"train/splits/{part}.jsonl"] for part in ("train", "test"))
    words = count_words(train, test, files["evaluate/samples.jsonl"])
    left = {name: kept for name, data in files.items() if (kept := without_texts(name, data)) is not None}
    return Collected(
        collected.record, {**left, WORDS_FILE: canonical_json(words)}, collected.stages, collected.converted
    )


def archived(collected: Collected, *, texts: bool, sign: Sign | None = None) -> dict[str, bytes]:
    """The files of the archive: packed, with the index and the signature."""
    contents = {packed_name(name): (packed(name, data), len(data)) for name, data in sorted(collected.files.items())}
    record = collected.record
    index = BundleIndex(
        so8t_ab_version=version(),
        session_id=record.session_id,
        created=record.created,
        versions=record.versions,
        texts=texts,
        stages=collected.stages,
        files=[
            BundledFile(
                name=name, size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), unpacked_bytes=unpacked
            )
            for name, (data, unpacked) in contents.items()
        ],
    ).to_bytes()
    files = {INDEX_FILE: index, **{name: data for name, (data, _) in contents.items()}}
    if sign is not None:
        where = f"conclude/{EVALUATION_FILE}"
        claim = statement(index, collected.converted, document(collected.files[where], where))
        files[SIGNATURE_FILE], files[PUBLIC_KEY_FILE] = sign(claim)
    return files


def write(path: Path, files: dict[str, bytes]) -> int:
    """Replace `path` with the archive in one step, readable by its owner only; return its size in bytes.

    Raises:
        InputError: the archive would be larger than a reader accepts.
        StorageError: the folder cannot be written.
    """
    with private_files(), part_file(path) as part, part.open("r+b") as file:
        for piece in pack(files):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
        return file.tell()
