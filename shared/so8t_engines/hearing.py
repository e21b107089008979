"""What GGUF files say on the fixed texts, in llama.cpp: the next tokens, and the texts through their tokenizers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from so8t_engines.embedded.devices import gpus
from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.likely_file import Likely, LikelyFile, Text, likely_of
from so8t_engines.probes import TEXTS
from so8t_engines.protocol import ModelFile
from so8t_shared.canonical import digest
from so8t_shared.errors import InputError
from so8t_shared.models.gguf_file import GgufHeader

LIKELY = 2048
"""Tokens per position that are compared one by one. More take longer, and raise the mean divergence by 2 % at most
(SmolLM2-135M, Q4_K_M: 0.0876 nats, of 8,192 tokens 0.0892)."""
_PLACES = 3
"""Positions per text."""
KINDS = [(kind, text) for kind, texts in TEXTS.items() for text in texts]
"""Every text, with its kind."""
_CONTEXT = 512


@dataclass(frozen=True)
class Heard:
    """What a file makes of one text."""

    tokens: list[int]
    back: str
    """What they stand for."""
    likely: Likely
    """After each beginning of the text, the likeliest next tokens."""


@dataclass(frozen=True)
class Setting:
    """How files are asked."""

    threads: int | None = None
    """By default the free cores."""
    device: str = "auto"
    folder: Path | None = None
    """Keeps what each file said, for another attempt."""


class Listener:
    """Asks one file after the other."""

    def __init__(self, setting: Setting, on_text: Callable[[str], None]) -> None:
        """`on_text` gets a file's name after each text and may raise to stop."""
        found = [] if setting.device == "cpu" else gpus()
        self._engine = EmbeddedEngine(num_ctx=_CONTEXT, threads=setting.threads, gpus=found)
        self._folder = setting.folder
        self._on_text = on_text

    def hear(self, header: GgufHeader, sha256: str) -> list[Heard]:
        """Return what a file makes of every text.

        Raises:
            InputError: llama.cpp cannot load it, or it takes too few tokens.
            EngineError: llama.cpp died.
        """
        if self._folder is None:
            return [_heard(text) for text in self._ask(header)]
        key = digest([sha256, KINDS, _PLACES, LIKELY, self._engine.version, self._engine.answer_settings])
        kept = LikelyFile(self._folder, sha256, key)
        if kept.known:
            for _ in KINDS:
                self._on_text(header.path.name)
        else:
            kept.write(self._ask(header))
        return [_heard(text) for text in kept]

    def _ask(self, header: GgufHeader) -> Iterator[Text]:
        likely = min(LIKELY, header.vocabulary_size)
        model = ModelFile(header.path.name, header.path, "", _CONTEXT)
        with self._engine.load(model, []) as loaded:
            for _, text in KINDS:
                ends = [len(text) * place // _PLACES for place in range(1, _PLACES + 1)]
                said = loaded.hear(text, ends, likely)
                if said is None:
                    raise InputError(
                        f"The model takes less than {_CONTEXT} tokens.",
                        where=str(header.path),
                        remedy="name another model",
                    )
                yield {"tokens": said["tokens"], "back": said["back"]}, likely_of(said["ids"], said["likely"])
                self._on_text(header.path.name)


def texts_sha256() -> str:
    """Digest of the fixed texts and of what is asked about them."""
    return digest([{kind: list(texts) for kind, texts in TEXTS.items()}, _PLACES, LIKELY])


def program() -> str:
    """What computes the figures, with its version."""
    return f"llama.cpp (xllamacpp {metadata.version('xllamacpp')})"


def _heard(text: Text) -> Heard:
    about, likely = text
    return Heard(about["tokens"], about["back"], likely)
