"""Scores the reference answers: teacher-forced in llama.cpp, one model loaded at a time.

Ollama cannot score given tokens, so the embedded engine runs the GGUF files, whatever `ab_test.engine` is. A prompt is
one user message in the model's own chat template. It lacks the system prompt that names the classes: under that, a
reference would be the wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from so8t_engines.divergence import divergence
from so8t_engines.embedded.devices import gpus
from so8t_engines.embedded.engine import EmbeddedEngine
from so8t_engines.likely_file import by_id
from so8t_engines.protocol import ModelFile
from so8t_evaluator.importing import read_chat
from so8t_evaluator.retention.followed import Followed, FollowedFile
from so8t_evaluator.rows import PROBES
from so8t_shared.canonical import digest
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.json_files import write_lines
from so8t_shared.models.gguf_file import read_header
from so8t_shared.models.prompts import PLAIN_TEMPLATE, neutralise_markers, render_chats
from so8t_shared.progress import Progress
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.results.registry import ImportedModel, Registry
from so8t_shared.results.retention import RETENTION_FILE, ScoredReference
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.retention.items import Item

LIKELY = 1024
"""Tokens per position that are compared one by one: more take longer, and all others hold a percent at most."""
_SPARE_TOKENS = 64
_CONTEXT_STEP = 256


@dataclass(frozen=True)
class _Model:
    """A model at one quantization, with its prompts."""

    side: Side
    registered: ImportedModel
    path: Path
    chat: ChatInfo
    prompts: list[str]

    @property
    def name(self) -> str:
        return f"{self.registered.quantization} {self.side}"


def score_references(
    config: Config,
    registry: Registry,
    converted: dict[Side, Path],
    items: Sequence[Item],
    folder: Path,
    progress: Progress,
    output: Path,
) -> None:
    """Write retention.jsonl; `folder` keeps what another attempt can use.

    `progress` is called after every item and may raise to stop.

    Raises:
        InputError: a model cannot be loaded, or has too small a context.
        EngineError: llama.cpp died.
    """
    models = _models(registry, converted, items)
    scorer = _Scorer(config, items, folder, progress, len(models) * len(items))
    lines: list[ScoredReference] = []
    for quantization in config.gguf.quantizations:
        a, b = (models[side, quantization] for side in SIDES)
        lines += scorer.compared(a, b)
    write_lines(output / RETENTION_FILE, lines)


def _models(registry: Registry, converted: dict[Side, Path], items: Sequence[Item]) -> dict[tuple[Side, str], _Model]:
    chats = {side: read_chat(folder) for side, folder in converted.items()}
    prompts = {side: prompts_of([item.prompt for item in items], chat) for side, chat in chats.items()}
    return {
        (m.model, m.quantization): _Model(m.model, m, converted[m.model] / m.file, chats[m.model], prompts[m.model])
        for m in registry.models
    }


def prompts_of(texts: Sequence[str], chat: ChatInfo) -> list[str]:
    """Return each text as the only message in the model's chat template, with control tokens neutralized."""
    said = [[{"role": "user", "content": neutralise_markers(text, chat.markers)}] for text in texts]
    template = chat.chat_template or PLAIN_TEMPLATE
    return render_chats(template, said, bos_token=chat.bos_token, eos_token=chat.eos_token)


class _Scorer:
    """Scores one model after the other."""

    def __init__(self, config: Config, items: Sequence[Item], folder: Path, progress: Progress, total: int) -> None:
        self._items, self._folder = items, folder
        self._progress, self._done, self._total = progress, 0, total
        self._threads = config.ab_test.threads
        self._gpus = [] if config.device == "cpu" else gpus()

    def compared(self, a: _Model, b: _Model) -> Iterator[ScoredReference]:
        """Yield each item's scores, after both models were asked what is not known."""
        sides = [self._followed(model) for model in (a, b)]
        for number, (item, first, second) in enumerate(zip(self._items, *sides, strict=True), 1):
            yield _scored(item, number, a, first, second)

    def _followed(self, model: _Model) -> FollowedFile:
        engine = EmbeddedEngine(num_ctx=self._context(model), threads=self._threads, gpus=self._gpus)
        likely = min(LIKELY, read_header(model.path).vocabulary_size)
        asked = [[prompt, item.reference] for prompt, item in zip(model.prompts, self._items, strict=True)]
        settings = [engine.version, {k: v for k, v in engine.answer_settings.items() if k != "num_ctx"}, likely]
        key = digest([model.registered.sha256, asked, settings])
        file = FollowedFile(self._folder, f"{model.side}_{model.registered.quantization}", key)
        if file.known:
            self._count(model, len(self._items))
        else:
            file.write(self._ask(model, engine, likely))
        return file

    def _ask(self, model: _Model, engine: EmbeddedEngine, likely: int) -> Iterator[Followed]:
        chat = model.chat
        file = ModelFile(
            *(model.registered.name, model.path, model.registered.sha256, chat.context_length),
            bos_token=chat.bos_token,
            eos_token=chat.eos_token,
        )
        self._count(model, 0)
        with engine.load(file, prompts_of(PROBES, chat)) as loaded:
            for number, (item, prompt) in enumerate(zip(self._items, model.prompts, strict=True), 1):
                said = loaded.follow(prompt, item.reference, likely)
                if said is None:
                    raise InputError(
                        f"Prompt and reference of item {number} need more than the {chat.context_length:,} tokens of"
                        f" model {model.side.upper()}'s context.",
                        where="ab_test.retention.rows",
                        remedy="shorten or remove the item",
                    )
                yield Followed.of(said)
                self._count(model, 1)

    def _context(self, model: _Model) -> int:
        """Return the room for the longest item: no token is shorter than a byte."""
        longest = max(
            len(f"{prompt}{item.reference}".encode()) for prompt, item in zip(model.prompts, self._items, strict=True)
        )
        return -(-(longest + _SPARE_TOKENS) // _CONTEXT_STEP) * _CONTEXT_STEP

    def _count(self, model: _Model, done: int) -> None:
        self._done += done
        self._progress(self._done, self._total, f"retention {model.name}")


def _scored(item: Item, number: int, model: _Model, a: Followed, b: Followed) -> ScoredReference:
    same = a.tokens == b.tokens
    return ScoredReference(
        quantization=model.registered.quantization,
        item=number,
        kind=item.kind,
        language=item.language,
        prompt=item.prompt,
        reference=item.reference,
        tokens_a=len(a.tokens),
        tokens_b=len(b.tokens),
        logprob_a=sum(a.logprobs),
        logprob_b=sum(b.logprobs),
        kl=[divergence(by_id(a.likely, n), by_id(b.likely, n)) for n in range(len(a.tokens))] if same else None,
        kl_lower_bound=a.likely.shape[1] >= LIKELY,
        changed_top=int((a.likely["id"][:, 0] != b.likely["id"][:, 0]).sum()) if same else 0,
    )
