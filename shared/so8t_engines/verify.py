"""Compares GGUF files of one model on fixed texts, in llama.cpp: next tokens, and the tokenizer there and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from so8t_engines.divergence import LIKELY, divergence, over_positions
from so8t_engines.embedded.devices import gpus
from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.probes import TEXTS
from so8t_engines.protocol import ModelFile
from so8t_engines.tokens import there_and_back
from so8t_shared.canonical import digest
from so8t_shared.errors import InputError
from so8t_shared.files import sha256_file
from so8t_shared.models.gguf_file import GgufHeader, read_header
from so8t_shared.progress import Progress, no_progress
from so8t_shared.results.verification import Divergence, Verification, VerifiedFile

_PLACES = 5
"""Positions per text."""
_CONTEXT = 512
_ANSWERS = ("a", "b")
"""What is asked for; only the next tokens before it count."""
_REFERENCES = ("F32", "BF16", "F16")
"""Types of a file that others are compared with, the last one first."""


@dataclass(frozen=True)
class _Heard:
    """What a file says at each position."""

    next_tokens: list[dict[int, float]]
    """Natural-log probability by token, likeliest first."""
    texts: list[tuple[list[int], str]]
    """Tokens of each text, and what they become."""


def verify(
    files: Sequence[Path],
    reference: Path | None = None,
    progress: Progress = no_progress,
    *,
    threads: int | None = None,
) -> Verification:
    """Compare files of one model with the reference, by default the one in F16, else BF16 or F32.

    `progress` is called after every position and may raise to stop.

    Raises:
        InputError: there is no reference, a file has another vocabulary, or llama.cpp cannot load it.
        IntegrityError: a file is damaged.
        EngineError: llama.cpp died.
    """
    headers = {path: read_header(path) for path in dict.fromkeys([*files, *([reference] if reference else [])])}
    reference = reference or _reference(list(headers.values()))
    vocabulary = _vocabulary(headers[reference])
    for path, header in headers.items():
        if _vocabulary(header) != vocabulary:
            raise InputError(
                f"The files belong to different models: this one has {_vocabulary(header):,} tokens, the reference"
                f" {vocabulary:,}.",
                where=f"{path}, compared with {reference}",
                remedy="name files of one model",
            )
    prompts = list(_prompts())
    total = len(headers) * len(prompts)
    counted = iter(range(1, total + 1))

    def hear(path: Path) -> _Heard:
        return _hear(headers[path], prompts, threads, lambda: progress(next(counted), total, path.name))

    progress(0, total, reference.name)
    first = hear(reference)
    found = {path: first if path == reference else hear(path) for path in headers}
    return Verification(
        program=f"llama.cpp (xllamacpp {EmbeddedEngine(num_ctx=_CONTEXT).version})",
        reference=reference.name,
        texts_sha256=digest({kind: list(texts) for kind, texts in TEXTS.items()}),
        positions=len(prompts),
        lower_bound=vocabulary > LIKELY,
        files=[_verified(headers[path], heard, None if path == reference else first) for path, heard in found.items()],
    )


def _reference(headers: Sequence[GgufHeader]) -> Path:
    known = [header for header in headers if header.file_type in _REFERENCES]
    if not known:
        raise InputError(
            "None of the files is in F16, with which the others are compared.",
            where=", ".join(str(header.path) for header in headers),
            remedy="name the F16 file of the same model with --reference",
        )
    return max(known, key=lambda header: _REFERENCES.index(header.file_type or "")).path


def _vocabulary(header: GgufHeader) -> int:
    if not header.vocabulary_size:
        raise InputError(
            "This GGUF file has no tokenizer.",
            where=str(header.path),
            remedy="name the files of a whole language model",
        )
    return header.vocabulary_size


def _prompts() -> Iterator[str]:
    """Yield the beginnings of the texts that end at the positions."""
    for texts in TEXTS.values():
        for text in texts:
            yield from (text[: len(text) * place // _PLACES] for place in range(1, _PLACES + 1))


def _hear(header: GgufHeader, prompts: Sequence[str], threads: int | None, on_position: Callable[[], None]) -> _Heard:
    found = []
    texts = there_and_back(header.path, [text for group in TEXTS.values() for text in group])
    likely = min(LIKELY, _vocabulary(header))
    model = ModelFile(header.path.name, header.path, "", _CONTEXT)
    with EmbeddedEngine(num_ctx=_CONTEXT, threads=threads, gpus=gpus()).load(model, []) as loaded:
        for prompt in prompts:
            said = loaded.measure(prompt, _ANSWERS, 0, likely)
            if said is None:
                raise InputError(
                    f"The model takes less than {_CONTEXT} tokens.", where=str(header.path), remedy="name another model"
                )
            found.append(dict(zip(said["ids"], said["likely"], strict=True)))
            on_position()
    return _Heard(found, texts)


def _verified(header: GgufHeader, heard: _Heard, reference: _Heard | None) -> VerifiedFile:
    kinds = [(kind, text) for kind, texts in TEXTS.items() for text in texts]
    known = (reference or heard).texts
    lost = [kind for (kind, text), (_, back) in zip(kinds, heard.texts, strict=True) if back != text]
    other = [k for (k, _), (ids, _), (theirs, _) in zip(kinds, heard.texts, known, strict=True) if ids != theirs]
    return VerifiedFile(
        file=header.path.name,
        file_type=header.file_type,
        size_bytes=header.size_bytes,
        sha256=sha256_file(header.path),
        types=dict(sorted(Counter(tensor.type.name for tensor in header.tensors.values()).items())),
        imatrix=header.text("quantize.imatrix.file"),
        divergence=_divergence(reference, heard) if reference else None,
        lost_texts=list(dict.fromkeys(lost)),
        other_tokens=list(dict.fromkeys(other)),
    )


def _divergence(before: _Heard, after: _Heard) -> Divergence:
    pairs = list(zip(before.next_tokens, after.next_tokens, strict=True))
    return over_positions([divergence(p, q) for p, q in pairs], sum(next(iter(p)) != next(iter(q)) for p, q in pairs))
