"""The import stage: Modelfiles and the list of models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from so8t_engines import protocol
from so8t_engines.protocol import ModelFile, Recipe
from so8t_evaluator.gguf_header import adds_bos
from so8t_evaluator.template import chat_format, go
from so8t_shared.config.model import Config
from so8t_shared.errors import IntegrityError
from so8t_shared.files import sha256_file, write_atomically
from so8t_shared.json_files import write_json
from so8t_shared.models.prompts import SYSTEM_PROMPT
from so8t_shared.places import gguf_name, modelfile_name
from so8t_shared.results.conversion import CONVERTED_BY, SERVED_FILE, VOCABULARY_FILE, ChatInfo, Served
from so8t_shared.results.registry import MODELFILES, REGISTRY_FILE, ImportedModel, Registry
from so8t_shared.results.sides import Side
from so8t_shared.tables.quantizations import Quantization

Say = Callable[[str], None]


def write_registry(
    config: Config, converted: dict[Side, Path], output: Path, warn: Say = lambda text: None
) -> Registry:
    """Write registry.json and modelfiles/ for both models at every quantization.

    A model that the server had before keeps its name and needs no Modelfile.

    `converted` holds the folder of each model's GGUF files and chat.json; `warn` receives anything that
    a Modelfile cannot express.

    Raises:
        IntegrityError: a conversion file is missing or damaged.
    """
    models: list[ImportedModel] = []
    for side, folder in converted.items():
        chat = read_chat(folder)
        if (folder / SERVED_FILE).is_file():
            models.append(_served(Served.read(folder / SERVED_FILE), side))
            continue
        for quantization in config.gguf.quantizations:
            models.append(_import(config, side, quantization, folder, chat, output))
        if fault := chat_format(chat, server_adds_bos=True)[1]:
            warn(f"model {side.upper()}: {fault}; the test itself sends rendered prompts and is not affected")
    registry = Registry(engine=config.ab_test.engine, models=models)
    save(registry, output)
    return registry


def save(registry: Registry, output: Path) -> None:
    """Write registry.json."""
    write_json(output / REGISTRY_FILE, registry)


def read_chat(folder: Path) -> ChatInfo:
    """Read chat.json of a conversion."""
    return ChatInfo.read(folder / "chat.json")


def model_file(model: ImportedModel, path: Path, chat: ChatInfo, num_ctx: int) -> ModelFile:
    """Return the description of a model for an engine."""
    return ModelFile(
        name=model.name,
        path=path,
        sha256=model.sha256,
        context_length=chat.context_length,
        recipe=Recipe() if model.served else recipe(path, chat, num_ctx),
        served=protocol.Served(model.sha256, model.size_bytes) if model.served else None,
        bos_token=chat.bos_token,
        eos_token=chat.eos_token,
    )


def recipe(gguf: Path, chat: ChatInfo, num_ctx: int) -> Recipe:
    """Return the recipe for chatting with a model as the test does: same prompt, same sampling.

    Raises:
        IntegrityError: this is not a GGUF file.
    """
    found, _ = chat_format(chat, server_adds_bos=adds_bos(gguf))
    return Recipe(
        template=go(found),
        system=SYSTEM_PROMPT,
        stop=tuple(chat.stop_tokens),
        parameters={"temperature": 0.0, "repeat_penalty": 1.0, "num_ctx": min(num_ctx, chat.context_length)},
    )


def modelfile(gguf: str, recipe: Recipe) -> str:
    """Return the recipe as a Modelfile for a GGUF file beside it."""
    lines = [
        f"FROM ./{gguf}",
        f'TEMPLATE """{recipe.template}"""',
        f'SYSTEM """{recipe.system}"""',
        *(f'PARAMETER stop "{token}"' for token in recipe.stop),
        *(f"PARAMETER {name} {value:g}" for name, value in recipe.parameters.items()),
    ]
    return "\n".join(lines) + "\n"


def _served(served: Served, side: Side) -> ImportedModel:
    return ImportedModel(
        model=side,
        quantization=served.quantization,
        name=served.name,
        stage=CONVERTED_BY[side],
        file=VOCABULARY_FILE,
        sha256=served.digest,
        size_bytes=served.size_bytes,
        modelfile="",
        server_digest=served.digest,
    )


def _import(
    config: Config, side: Side, quantization: Quantization, folder: Path, chat: ChatInfo, output: Path
) -> ImportedModel:
    file = gguf_name(side, quantization)
    if not (folder / file).is_file():
        raise IntegrityError(
            f"{file} is missing.", where=CONVERTED_BY[side], remedy=f"run again from {CONVERTED_BY[side]}"
        )
    name = config.ollama.model_a_name if side == "a" else config.ollama.model_b_name
    path = output / MODELFILES / modelfile_name(name, quantization)
    write_atomically(path, modelfile(file, recipe(folder / file, chat, config.ab_test.context)).encode())
    return ImportedModel(
        model=side,
        quantization=quantization,
        name=f"{name}:{quantization}",
        stage=CONVERTED_BY[side],
        file=file,
        sha256=sha256_file(folder / file),
        size_bytes=(folder / file).stat().st_size,
        modelfile=path.relative_to(output).as_posix(),
        aliases=[name] if quantization == config.gguf.primary_quantization else [],
    )
