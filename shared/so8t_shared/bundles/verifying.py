"""Proves a bundle: archive, digests, signature, chain, and all results computed again from the answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from so8t_shared.bundles.archive import Archive
from so8t_shared.bundles.attestation import TESTED_BY, statement
from so8t_shared.bundles.chain import Chain, parsed
from so8t_shared.bundles.contents import MOST_DOCUMENT, PUBLIC_KEY_FILE, SIGNATURE_FILE, document
from so8t_shared.bundles.reading import Bundle, open_bundle
from so8t_shared.bundles.recomputed import Recomputed
from so8t_shared.errors import InputError, IntegrityError, NewerFormat
from so8t_shared.results.bundle import BundleFault, BundleProof, Signing
from so8t_shared.results.evaluation import EVALUATION_FILE
from so8t_shared.tables.functions import named

_EVALUATION = f"conclude/{EVALUATION_FILE}"
_RECOMPUTED_BY = ("so8t_evaluator.evidence:recompute", "so8t_reporter.evidence:recompute")
_WITHOUT_TEXTS = (
    "that the classes of freely written answers were read from their texts",
    "that counting words gives the classes in words.json",
    "that rows and answers, apart from their texts, are the ones in the stages' manifests",
)


class Recompute(Protocol):
    """A service's function that computes its results again."""

    def __call__(self, folder: Path, configuration: dict[str, Any], *, texts: bool) -> Recomputed:
        """Read the unpacked bundle in `folder`."""


def verify(path: Path, scratch: Path, trusted: str = "") -> BundleProof:
    """Prove the bundle at `path`; its files are unpacked in the empty folder `scratch`.

    `trusted` is the id of the key that must have signed it; empty to accept any or none.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(
            f"The bundle cannot be read: {error.strerror}.", where=str(path), remedy="name a file that you can read"
        ) from error
    with file:
        try:
            return _verify(open_bundle(Archive(file, path), scratch), trusted)
        except NewerFormat as error:
            return _unread(undecided=[f"{error.what} {error.remedy}"])
        except IntegrityError as error:
            return _unread(faults=[BundleFault(where=error.where, what=error.what)])


def _verify(bundle: Bundle, trusted: str) -> BundleProof:
    faults, undecided, found = bundle.unpack(), list[str](), Recomputed()
    chain: Chain | None = None
    if not faults:
        try:
            chain = Chain(bundle)
            faults += chain.faults()
            undecided += chain.undecided()
        except NewerFormat as error:
            undecided.append(f"{error.where}: {error.what}")
        except IntegrityError as error:
            faults.append(parsed("", error, bundle.folder))
    signing, key_id, wrong = _signature(bundle, chain, trusted)
    faults += wrong
    if chain is not None and not faults and not undecided:
        found = _recompute(bundle, chain.configuration)
    return BundleProof(
        session_id=bundle.index.session_id,
        so8t_ab_version=bundle.index.so8t_ab_version,
        signing=signing,
        key_id=key_id,
        files=len(bundle.index.files),
        recomputed=found.values,
        gate=found.gate,
        not_checked=[] if bundle.index.texts else list(_WITHOUT_TEXTS),
        undecided=undecided,
        faults=[*faults, *found.faults],
    )


def _recompute(bundle: Bundle, configuration: dict[str, Any]) -> Recomputed:
    """Let each service compute its part; the second reads what the first has found right."""
    values, gate = 0, ""
    for target in _RECOMPUTED_BY:
        service: Recompute = named(target)
        try:
            found = service(bundle.folder, configuration, texts=bundle.index.texts)
        except IntegrityError as error:
            found = Recomputed([parsed(target, error, bundle.folder)])
        except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # of values that no stage writes
            what = f"no result follows from the answers: {type(error).__name__}: {error}"
            found = Recomputed([BundleFault(where="evaluate, train", what=what)])
        values, gate = values + found.values, gate or found.gate
        if found.faults:
            return Recomputed(found.faults, values, gate)
    return Recomputed([], values, gate)


def _signature(bundle: Bundle, chain: Chain | None, trusted: str) -> tuple[Signing, str, list[BundleFault]]:
    """Who signed it, with which key, and what is wrong with that."""
    if not bundle.signed:
        missing = [BundleFault(where=SIGNATURE_FILE, what="--key asks for a signature, and there is none")]
        return Signing.UNSIGNED, "", missing if trusted else []
    try:
        signer = _signer(bundle, chain)
    except IntegrityError as error:
        return Signing.WRONG, "", [BundleFault(where=error.where or SIGNATURE_FILE, what=error.what)]
    if trusted and trusted != signer:
        what = f"key {signer} signed it, and --key names {trusted}"
        return Signing.WRONG, signer, [BundleFault(where=SIGNATURE_FILE, what=what)]
    return Signing.TRUSTED if trusted else Signing.SIGNED, signer, []


def _signer(bundle: Bundle, chain: Chain | None) -> str:
    if chain is None:
        raise IntegrityError("The signature is wrong: what it is about is damaged.")
    evaluation = document(bundle.file(_EVALUATION), _EVALUATION)
    try:
        claim = statement(bundle.index_bytes, chain.manifests[TESTED_BY], evaluation)
    except (LookupError, TypeError) as error:
        raise IntegrityError("The evaluation has no gate.", where=_EVALUATION) from error
    envelope, pem = (bundle.archive.read(name, MOST_DOCUMENT) for name in (SIGNATURE_FILE, PUBLIC_KEY_FILE))
    signer: str = named("so8t_shared.bundles.signing:signer_of")(claim, envelope, pem)
    return signer


def _unread(*, undecided: list[str] | None = None, faults: list[BundleFault] | None = None) -> BundleProof:
    """The proof of a file that is no bundle, or none of this version."""
    return BundleProof(
        session_id="",
        so8t_ab_version="",
        signing=Signing.UNKNOWN,
        files=0,
        recomputed=0,
        not_checked=[],
        undecided=undecided or [],
        faults=faults or [],
    )
