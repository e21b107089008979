"""Compares GGUF files of one model on fixed texts, in llama.cpp: next tokens, and the tokenizer there and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from so8t_engines.divergence import divergence, over_positions
from so8t_engines.hearing import KINDS, LIKELY, Heard, Listener, Setting, program, texts_sha256
from so8t_engines.likely_file import by_id
from so8t_shared.errors import InputError
from so8t_shared.files import sha256_file
from so8t_shared.models.gguf_file import GgufHeader, read_header
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.verification import Divergence, Verification, VerifiedFile

_REFERENCES = ("F32", "BF16", "F16")
"""Types of a file that others are compared with, the last one first."""


def verify(
    files: Sequence[Path],
    reference: Path | None = None,
    progress: Progress = no_progress,
    *,
    setting: Setting | None = None,
    digests: Mapping[Path, str] | None = None,
) -> Verification:
    """Compare files of one model with the reference, by default the one in F16, else BF16 or F32.

    `progress` is called after every text of a file and may raise to stop. Known `digests` are not computed again.

    Raises:
        InputError: there is no reference, a file has another vocabulary, or llama.cpp cannot load it.
        IntegrityError: a file is damaged.
        EngineError: llama.cpp died.
    """
    headers = {path: read_header(path) for path in dict.fromkeys([*files, *([reference] if reference else [])])}
    reference = reference or _reference(list(headers.values()))
    vocabulary = _same_vocabulary(headers, reference)
    sha256 = {path: (digests or {}).get(path) or sha256_file(path) for path in headers}
    total = len(headers) * len(KINDS)
    counted = iter(range(1, total + 1))
    listener = Listener(setting or Setting(), lambda name: progress(next(counted), total, name))
    progress(0, total, reference.name)
    first = listener.hear(headers[reference], sha256[reference])
    found = []
    for path, header in headers.items():
        heard = first if path == reference else listener.hear(header, sha256[path])
        far = None if path == reference else _divergence(first, heard)
        found.append(_verified(header, sha256[path], heard, first, far))
    return Verification(
        program=program(),
        reference=reference.name,
        texts_sha256=texts_sha256(),
        positions=sum(len(text.likely) for text in first),
        lower_bound=vocabulary > LIKELY,
        files=found,
    )


def has_reference(headers: Iterable[GgufHeader]) -> bool:
    """Whether the others can be compared with one of them."""
    return any(header.file_type in _REFERENCES for header in headers)


def _reference(headers: Sequence[GgufHeader]) -> Path:
    if not has_reference(headers):
        raise InputError(
            "None of the files is in F16, with which the others are compared.",
            where=", ".join(str(header.path) for header in headers),
            remedy="name the F16 file of the same model with --reference",
        )
    known = [header for header in headers if header.file_type in _REFERENCES]
    return max(known, key=lambda header: _REFERENCES.index(header.file_type or "")).path


def _same_vocabulary(headers: Mapping[Path, GgufHeader], reference: Path) -> int:
    vocabulary = _vocabulary(headers[reference])
    for path, header in headers.items():
        if _vocabulary(header) != vocabulary:
            raise InputError(
                f"The files belong to different models: this one has {_vocabulary(header):,} tokens, the reference"
                f" {vocabulary:,}.",
                where=f"{path}, compared with {reference}",
                remedy="name files of one model",
            )
    return vocabulary


def _vocabulary(header: GgufHeader) -> int:
    if not header.vocabulary_size:
        raise InputError(
            "This GGUF file has no tokenizer.",
            where=str(header.path),
            remedy="name the files of a whole language model",
        )
    return header.vocabulary_size


def _verified(
    header: GgufHeader, sha256: str, heard: Sequence[Heard], known: Sequence[Heard], far: Divergence | None
) -> VerifiedFile:
    each = list(zip(KINDS, heard, known, strict=True))
    lost = [kind for (kind, text), mine, _ in each if mine.back != text]
    other = [kind for (kind, _), mine, theirs in each if mine.tokens != theirs.tokens]
    return VerifiedFile(
        file=header.path.name,
        file_type=header.file_type,
        size_bytes=header.size_bytes,
        sha256=sha256,
        types=dict(sorted(Counter(tensor.type.name for tensor in header.tensors.values()).items())),
        imatrix=header.text("quantize.imatrix.file"),
        divergence=far,
        lost_texts=list(dict.fromkeys(lost)),
        other_tokens=list(dict.fromkeys(other)),
    )


def _divergence(before: Sequence[Heard], after: Sequence[Heard]) -> Divergence:
    pairs = [(p.likely, q.likely) for p, q in zip(before, after, strict=True)]
    values = [divergence(by_id(p, place), by_id(q, place)) for p, q in pairs for place in range(len(p))]
    return over_positions(values, sum(int((p["id"][:, 0] != q["id"][:, 0]).sum()) for p, q in pairs))
