"""Opens a bundle, compares every digest, and unpacks it; nothing in it is believed before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from so8t_shared.bundles.archive import Archive
from so8t_shared.bundles.contents import (
    CONFIGURATION_FILE,
    FILES,
    INDEX_FILE,
    MANIFEST_FILE,
    MOST_DOCUMENT,
    MOST_UNPACKED,
    PUBLIC_KEY_FILE,
    SIGNATURE_FILE,
    WORDS_FILE,
    is_expected,
    unpacked,
    unpacked_name,
)
from so8t_shared.errors import IntegrityError
from so8t_shared.results.bundle import BundledFile, BundleFault, BundleIndex


@dataclass(frozen=True)
class Bundle:
    """A bundle whose archive is sound and whose index is readable."""

    archive: Archive
    index: BundleIndex
    index_bytes: bytes
    folder: Path
    """Where `unpack` puts its files."""

    @property
    def signed(self) -> bool:
        """Whether it has a signature."""
        return SIGNATURE_FILE in self.archive.members

    def unpack(self) -> list[BundleFault]:
        """Write all files whose digests are right; return a fault for each other one."""
        return [fault for entry in self.index.files if (fault := self._unpack(entry))]

    def _unpack(self, entry: BundledFile) -> BundleFault | None:
        try:
            data = self.archive.read(entry.name)
            if len(data) != entry.size_bytes or hashlib.sha256(data).hexdigest() != entry.sha256:
                return BundleFault(where=entry.name, what="it has other bytes than bundle.json says")
            plain = unpacked(entry.name, data, entry.unpacked_bytes)
        except IntegrityError as error:
            return BundleFault(where=entry.name, what=error.what)
        target = self.folder / unpacked_name(entry.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(plain)
        return None

    def file(self, name: str) -> bytes:
        """A file that `unpack` wrote.

        Raises:
            IntegrityError: it is not in the bundle.
        """
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise IntegrityError("A file is missing.", where=name) from error


def open_bundle(archive: Archive, folder: Path) -> Bundle:
    """Read the index and compare it with the names in the archive.

    Raises:
        IntegrityError: they contradict each other, or exceed what is unpacked.
        NewerFormat: a newer program wrote the bundle.
    """
    data = archive.read(INDEX_FILE, MOST_DOCUMENT)
    index = BundleIndex.from_bytes(data, INDEX_FILE)
    for name, what in _contradictions(archive, index, data):
        raise archive.refused(what, name)
    return Bundle(archive, index, data, folder)


def _contradictions(archive: Archive, index: BundleIndex, data: bytes) -> Iterator[tuple[str, str]]:
    names = [entry.name for entry in index.files]
    if index.to_bytes() != data or names != sorted(set(names)):
        yield INDEX_FILE, "its index is not in its only form"
    for name in names:
        if not is_expected(name, texts=index.texts):
            yield name, "a file that no bundle has"
        if name not in archive.members:
            yield name, "a file is missing"
    folders = {str(parent) for name in names for parent in PurePosixPath(unpacked_name(name)).parents}
    if both := sorted(folders & set(map(unpacked_name, names))):
        yield both[0], "a file and a folder have this name"
    signature = {SIGNATURE_FILE, PUBLIC_KEY_FILE}
    present = signature & set(archive.members)
    if present and present != signature:
        yield present.pop(), "half of a signature"
    if extra := sorted(set(archive.members) - set(names) - signature - {INDEX_FILE}):
        yield extra[0], "a file that bundle.json does not name"
    needed = {CONFIGURATION_FILE, *(f"{stage}/{MANIFEST_FILE}" for stage in FILES)}
    if missing := sorted((needed | (set() if index.texts else {WORDS_FILE})) - set(names)):
        yield missing[0], "a file is missing"
    if set(index.stages) != set(FILES):
        yield INDEX_FILE, "it names other stages"
    if sum(entry.unpacked_bytes for entry in index.files) > MOST_UNPACKED:
        yield INDEX_FILE, f"its files would take more than {MOST_UNPACKED >> 20:,} MiB"
