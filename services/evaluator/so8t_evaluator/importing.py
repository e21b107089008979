"""The import stage's work: Modelfiles and the list of models that an engine can load."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from so8t_evaluator.template import family_of
from so8t_shared.config.model import Config, Quantization
from so8t_shared.errors import IntegrityError
from so8t_shared.files import sha256_file
from so8t_shared.prompts import SYSTEM_PROMPT
from so8t_shared.results import ChatInfo, ImportedModel, Registry, Side

CONVERT_STAGE: dict[Side, Literal["convert-a", "convert-b"]] = {"a": "convert-a", "b": "convert-b"}


def write_registry(config: Config, converted: dict[Side, Path], output: Path) -> Registry:
    """Write registry.json and modelfiles/ for both models at every quantisation.

    `converted` holds the folder of each model's GGUF files and chat.json.
    """
    models: list[ImportedModel] = []
    for side, folder in converted.items():
        chat = read_chat(folder)
        for quantization in config.gguf.quantizations:
            models.append(_import(config, side, quantization, folder, chat, output))
    registry = Registry(engine=config.ab_test.engine, models=models)
    (output / "registry.json").write_text(registry.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return registry


def read_chat(folder: Path) -> ChatInfo:
    """chat.json of a conversion."""
    return ChatInfo.model_validate_json((folder / "chat.json").read_text(encoding="utf-8"))


def modelfile(gguf: str, chat: ChatInfo, num_ctx: int) -> str:
    """A Modelfile whose answers are those of this project's test: same prompt, same sampling."""
    lines = [
        f"FROM ./{gguf}",
        f'TEMPLATE """{family_of(chat).template}"""',
        f'SYSTEM """{SYSTEM_PROMPT}"""',
        *(f'PARAMETER stop "{token}"' for token in chat.stop_tokens),
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1.0",
        f"PARAMETER num_ctx {min(num_ctx, chat.context_length)}",
    ]
    return "\n".join(lines) + "\n"


def _import(
    config: Config, side: Side, quantization: Quantization, folder: Path, chat: ChatInfo, output: Path
) -> ImportedModel:
    file = f"model_{side}_{quantization}.gguf"
    if not (folder / file).is_file():
        raise IntegrityError(
            f"{file} is missing.", where=CONVERT_STAGE[side], remedy=f"run again from {CONVERT_STAGE[side]}"
        )
    name = config.ollama.model_a_name if side == "a" else config.ollama.model_b_name
    path = output / "modelfiles" / f"{name}.{quantization}.Modelfile"
    path.parent.mkdir(exist_ok=True)
    path.write_text(modelfile(file, chat, config.ab_test.num_ctx), encoding="utf-8")
    return ImportedModel(
        model=side,
        quantization=quantization,
        name=f"{name}:{quantization}",
        stage=CONVERT_STAGE[side],
        file=file,
        sha256=sha256_file(folder / file),
        size_bytes=(folder / file).stat().st_size,
        modelfile=path.relative_to(output).as_posix(),
    )
