"""Changes a bundle as a forger would: with every digest made anew, up to the index."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from so8t_shared.artifacts.fingerprints import fingerprint, upstream_digests
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.bundles.archive import Archive, pack
from so8t_shared.bundles.contents import FILES, INDEX_FILE, packed, packed_name, unpacked, unpacked_name
from so8t_shared.bundles.scratch import scratch_folder
from so8t_shared.bundles.verifying import verify
from so8t_shared.canonical import canonical_json
from so8t_shared.results.bundle import BundledFile, BundleIndex, BundleProof
from so8t_shared.stages import BY_NAME

Files = dict[str, bytes]


def read_files(path: Path) -> Files:
    """The files in the archive, as they are there."""
    with path.open("rb") as file:
        archive = Archive(file, path)
        return {name: archive.read(name) for name in archive.members}


def write_files(path: Path, files: Files) -> Path:
    """An archive of these files."""
    path.write_bytes(b"".join(pack(files)))
    return path


def prove(path: Path, trusted: str = "") -> BundleProof:
    """Verify, in a scratch folder."""
    with scratch_folder() as scratch:
        return verify(path, scratch, trusted)


class Forgery:
    """The unpacked files of a bundle, to be changed and packed again."""

    def __init__(self, path: Path) -> None:
        files = read_files(path)
        self.index = json.loads(files[INDEX_FILE])
        sizes = {entry["name"]: entry["unpacked_bytes"] for entry in self.index["files"]}
        self.files = {unpacked_name(name): unpacked(name, files[name], size) for name, size in sizes.items()}

    def document(self, name: str) -> Any:
        """A JSON document."""
        return json.loads(self.files[name])

    def lines(self, name: str) -> list[Any]:
        """A list of lines."""
        return [json.loads(line) for line in self.files[name].splitlines()]

    def edit(self, name: str, change: Callable[[Any], None]) -> Forgery:
        """Change a JSON document."""
        found = self.document(name)
        change(found)
        self.files[name] = canonical_json(found)
        return self

    def edit_lines(self, name: str, change: Callable[[list[Any]], list[Any] | None]) -> Forgery:
        """Change a list of lines, or replace it."""
        lines = self.lines(name)
        lines = change(lines) or lines
        self.files[name] = b"".join(canonical_json(line) + b"\n" for line in lines)
        return self

    def hashed(self) -> Forgery:
        """Make the manifests, keys and fingerprints that fit the files."""
        manifests: dict[str, Manifest] = {}
        for stage in FILES:
            name = f"{stage}/manifest.json"
            found = Manifest.from_bytes(self.files[name], name)
            entries = [
                entry.model_copy(update={"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)})
                if (data := self.files.get(f"{stage}/{entry.path}")) is not None
                else entry
                for entry in found.files
            ]
            known = {entry.path for entry in entries}
            found = found.model_copy(update={"files": tuple(entries)})
            key = {**found.key, "upstream": upstream_digests(BY_NAME[stage], manifests)} if known else found.key
            manifests[stage] = found.model_copy(update={"key": key})
            self.files[name] = manifests[stage].to_bytes()
            self.index["stages"][stage] = fingerprint(key)
        return self

    def write(self, path: Path) -> Path:
        """Pack the files, unsigned, with an index that fits."""
        contents = {packed_name(name): packed(name, data) for name, data in sorted(self.files.items())}
        sizes = {packed_name(name): len(data) for name, data in self.files.items()}
        entries = [
            BundledFile(
                name=name,
                size_bytes=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
                unpacked_bytes=sizes[name],
            )
            for name, data in contents.items()
        ]
        index = BundleIndex.model_validate({**self.index, "files": [entry.model_dump() for entry in entries]})
        return write_files(path, {INDEX_FILE: index.to_bytes(), **contents})
