"""The chain of digests in a bundle: from model and data through every stage to the results."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from so8t_shared.artifacts.fingerprints import fingerprint, upstream_digests, value_in
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.bundles.contents import CONFIGURATION_FILE, FILES, MANIFEST_FILE, config_of, document, unpacked_name
from so8t_shared.bundles.reading import Bundle
from so8t_shared.bundles.texts import has_texts, texts_in
from so8t_shared.errors import IntegrityError
from so8t_shared.files import sha256_file
from so8t_shared.results.bundle import BundleFault
from so8t_shared.results.conversion import CONVERTED_BY, ConversionResult
from so8t_shared.results.registry import REGISTRY_FILE, Registry
from so8t_shared.results.verification import VERIFICATIONS, Verification
from so8t_shared.stages import BY_NAME

COUNTED = ("evaluate", "conclude", "report")
"""The stages whose figures are computed again."""


class Chain:
    """The stages' manifests of an unpacked bundle."""

    def __init__(self, bundle: Bundle) -> None:
        """Read them.

        Raises:
            IntegrityError: one is damaged.
            NewerFormat: a newer program wrote it.
        """
        self._bundle = bundle
        self.configuration = document(bundle.file(CONFIGURATION_FILE), CONFIGURATION_FILE)
        places = {stage: f"{stage}/{MANIFEST_FILE}" for stage in FILES}
        self.manifests = {stage: Manifest.from_bytes(bundle.file(place), place) for stage, place in places.items()}

    def undecided(self) -> list[str]:
        """A sentence for each stage whose results another version of this program counted in another way."""
        theirs = {stage: self.manifests[stage].key.get("version") for stage in COUNTED}
        ours = {stage: BY_NAME[stage].version for stage in COUNTED}
        written_by = self._bundle.index.so8t_ab_version
        return [
            f"{stage}: version {theirs[stage]} of this stage made it, and this program has {ours[stage]}; the bundle"
            f" was written by SO8T-AB {written_by}"
            for stage in COUNTED
            if theirs[stage] != ours[stage]
        ]

    def faults(self) -> list[BundleFault]:
        """What contradicts a manifest, or what a stage read."""
        found = [fault for stage in FILES for fault in (*self._key(stage), *self._files(stage))]
        return [*found, *(found or self._models())]  # what a wrong file says is no second fault

    def _key(self, stage: str) -> Iterator[BundleFault]:
        key, where = self.manifests[stage].key, f"{stage}/{MANIFEST_FILE}"
        if fingerprint(key) != self._bundle.index.stages[stage] or key.get("stage") != stage:
            yield BundleFault(where=where, what="its key is not that of the stage's fingerprint")
            return
        if key.get("version") == BY_NAME[stage].version:
            needy = BY_NAME[stage].under(config_of(self.configuration))
            expected: dict[str, Any] = upstream_digests(needy, self.manifests)
            for name in sorted({*expected, *key["upstream"]}):
                if expected.get(name) != key["upstream"].get(name):
                    yield BundleFault(where=where, what=f"it was made from other files of {name} than are listed here")
        for dotted, value in key["config"].items():
            if _is_a_key(self.configuration, dotted) and value_in(self.configuration, dotted) != value:
                yield BundleFault(where=f"{CONFIGURATION_FILE}: {dotted}", what=f"{stage} was run with another value")

    def _files(self, stage: str) -> Iterator[BundleFault]:
        listed = {f"{stage}/{entry.path}": entry for entry in self.manifests[stage].files}
        there = {unpacked_name(entry.name) for entry in self._bundle.index.files if entry.name.startswith(f"{stage}/")}
        texts = self._bundle.index.texts
        for name in sorted(there - {f"{stage}/{MANIFEST_FILE}"}):
            if name not in listed:
                yield BundleFault(where=name, what=f"{stage} left no such file")
            elif not texts and has_texts(name):
                yield from self._left_texts(name)
            elif sha256_file(self._bundle.folder / name) != listed[name].sha256:
                yield BundleFault(where=name, what=f"these are not the bytes that {stage} left")
        for name, entry in listed.items():
            if entry.path.startswith(FILES[stage]) and name not in there and (texts or not has_texts(name)):
                yield BundleFault(where=name, what=f"{stage} left this file, and the bundle lacks it")

    def _left_texts(self, name: str) -> Iterator[BundleFault]:
        try:
            left = texts_in(name, self._bundle.file(name))
        except (ValueError, AttributeError, RecursionError):
            yield BundleFault(where=name, what="its lines are damaged")
            return
        if left:
            yield BundleFault(where=name, what=f"the bundle says that it has no texts, and {left:,} lines have some")

    def _models(self) -> Iterator[BundleFault]:
        """Compare the digests of the tested models wherever they stand."""
        digests = {
            (stage, entry.path): entry.sha256
            for stage in CONVERTED_BY.values()
            for entry in self.manifests[stage].files
        }
        where = f"import/{REGISTRY_FILE}"
        for model in Registry.from_bytes(self._bundle.file(where), where).models:
            if digests.get((model.stage, model.file)) != model.sha256:
                yield BundleFault(where=f"{where}: {model.name}", what=f"{model.stage} made another {model.file}")
        for stage in CONVERTED_BY.values():
            where = f"{stage}/conversion.json"
            for file in ConversionResult.from_bytes(self._bundle.file(where), where).files:
                if digests.get((stage, file.file)) != file.sha256:
                    yield BundleFault(where=f"{where}: {file.file}", what=f"{stage} made another file of that name")
        for side, name in VERIFICATIONS.items():
            where, stage = f"import/{name}", CONVERTED_BY[side]
            if not (self._bundle.folder / where).is_file():
                continue
            for each in Verification.from_bytes(self._bundle.file(where), where).files:
                if digests.get((stage, each.file)) != each.sha256:
                    yield BundleFault(where=f"{where}: {each.file}", what=f"{stage} made another file of that name")


def _is_a_key(configuration: dict[str, Any], dotted: str) -> bool:
    """Whether the name in a stage's key is a key of the configuration, rather than a fact computed from several."""
    section: Any = configuration
    for part in dotted.split("."):
        if section is None:
            return True
        if not isinstance(section, dict) or part not in section:
            return False
        section = section[part]
    return True


def parsed(name: str, error: IntegrityError, folder: object) -> BundleFault:
    """The fault that a reader of the unpacked files met."""
    where = error.where.replace(f"{folder}/", "") or name
    return BundleFault(where=where, what=error.what)
