"""Describes a model that an Ollama server had before, so that it can be asked there as it is.

The server does not give its file away, but all that asking needs: the vocabulary, and by its renderings the chat
template. Having it render each prompt would cost a request per row; the format found once gives the same prompts
(`chat_format`).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from so8t_shared.errors import InputError
from so8t_shared.files import storage_errors
from so8t_shared.foreign import parse_json
from so8t_shared.json_files import write_json
from so8t_shared.models.chat_format import ChatFormat, Messages, find_format, keeps_blanks
from so8t_shared.models.gguf_chat import chat_of
from so8t_shared.models.gguf_file import read_header
from so8t_shared.models.served import ServedModel, quantization_of
from so8t_shared.results.conversion import (
    SERVED_FILE,
    VOCABULARY_FILE,
    ChatInfo,
    ConversionResult,
    GgufFile,
    Served,
)

_PREFIX = "tokenizer.ggml."
_HIDDEN = 32
"""Width of the model that carries the vocabulary: the least that llama.cpp loads."""
_LAYER = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")


def describe(
    model: ServedModel,
    output: Path,
    warn: Callable[[str], None] = lambda text: None,
    check: Callable[[], None] = lambda: None,
) -> ConversionResult:
    """Fill `output` with the vocabulary, chat.json, model_b_served.json and conversion.json.

    `check` is called before each request, and may raise to stop.

    Raises:
        InputError: it cannot be asked like model A.
        ServerError: the server does not answer.
    """
    started = time.monotonic()
    shown = model.shown(whole=True)
    facts = shown.get("model_info") or {}
    with storage_errors(output / VOCABULARY_FILE):
        write_vocabulary(facts, output / VOCABULARY_FILE, model.where)
    try:
        found = _format(model, warn, check)
    finally:
        model.unload()
    if system := str(shown.get("system") or ""):
        warn(f"{model.name} has a system text on its server, which the test's replaces")
    parameters = "\n".join(sorted(str(shown.get("parameters") or "").splitlines()))  # it shows them in any order
    served = Served(
        name=model.name,
        digest=model.digest,
        size_bytes=model.size_bytes,
        quantization=quantization_of(shown),
        system=system,
        parameters=parameters,
    )
    types = Counter(str(tensor.get("type")) for tensor in shown.get("tensors") or [])
    file = GgufFile(
        file=model.name,
        quantization=served.quantization,
        size_bytes=model.size_bytes,
        sha256=model.digest,
        tensor_types=dict(types),
    )
    result = ConversionResult(files=[file], seconds=round(time.monotonic() - started, 3))
    write_json(output / "chat.json", _chat(facts, found, output / VOCABULARY_FILE, stops_of(parameters), model.where))
    write_json(output / SERVED_FILE, served)
    write_json(output / "conversion.json", result)
    return result


def write_vocabulary(facts: dict[str, Any], path: Path, where: str) -> None:
    """Write a model with the server's vocabulary and weights of nothing, by which llama.cpp tokenizes.

    Raises:
        InputError: the server does not give the vocabulary.
    """
    tokens = facts.get(f"{_PREFIX}tokens")
    if not isinstance(tokens, list) or not tokens or not isinstance(facts.get(f"{_PREFIX}token_type"), list):
        raise InputError(
            "The Ollama server does not give this model's vocabulary.",
            where=where,
            remedy="test its GGUF file instead (model_b.gguf)",
        )
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_block_count(1)
    writer.add_embedding_length(_HIDDEN)
    writer.add_feed_forward_length(_HIDDEN)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    for key, value in sorted(facts.items()):
        if key.startswith(_PREFIX):
            _add(writer, key, value)
    nothing, ones = np.zeros((_HIDDEN, _HIDDEN), np.float16), np.ones(_HIDDEN, np.float32)
    writer.add_tensor("token_embd.weight", np.zeros((len(tokens), _HIDDEN), np.float16))
    writer.add_tensor("output_norm.weight", ones)
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", ones)
    for name in _LAYER:
        writer.add_tensor(f"blk.0.{name}.weight", nothing)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    """Add one fact with its type in GGUF, which JSON does not tell."""
    if isinstance(value, list):
        if key == f"{_PREFIX}scores":
            value = [float(score) for score in value]
        if value:
            writer.add_array(key, value)
    elif isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)


def stops_of(parameters: str) -> list[str]:
    """Return the stop texts of parameters as a server shows them: one per line, texts quoted as in Go."""
    stops = []
    for line in parameters.splitlines():
        name, _, text = line.partition(" ")
        if name == "stop":
            try:
                stops.append(str(parse_json(text)))
            except ValueError:
                stops.append(text.strip().strip('"'))
    return [stop for stop in stops if stop]


def _format(model: ServedModel, warn: Callable[[str], None], check: Callable[[], None]) -> ChatFormat:
    def render(messages: Messages) -> str:
        check()
        return model.rendered(messages)

    found = find_format(render) or find_format(render, system=False)
    if found is None:
        raise InputError(
            "This model's template on its server does more than stand between texts.",
            where=model.where,
            remedy="test its GGUF file instead (model_b.gguf)",
        )
    if not keeps_blanks(found, render):
        warn(f"{model.name}'s template treats whitespace around a text in another way than the test's prompts")
    return found


def _chat(facts: dict[str, Any], found: ChatFormat, vocabulary: Path, stops: list[str], where: str) -> ChatInfo:
    chat = chat_of(read_header(vocabulary))
    after = found.joints.get(("assistant", "user"), "")
    ends = sorted((after.find(marker), -len(marker), marker) for marker in chat.markers if marker in after)
    architecture = facts.get("general.architecture")
    context, layers, parameters = (
        facts.get(key)
        for key in (f"{architecture}.context_length", f"{architecture}.block_count", "general.parameter_count")
    )
    if not (isinstance(context, int) and isinstance(layers, int) and isinstance(parameters, int)):
        raise InputError(
            "The Ollama server does not give this model's context length, layers and parameters.",
            where=where,
            remedy="test its GGUF file instead (model_b.gguf)",
        )
    return ChatInfo(
        architecture=str(architecture),
        chat_template=found.jinja(),
        bos_token=chat.bos_token,
        eos_token=chat.eos_token,
        stop_tokens=list(dict.fromkeys([*chat.stop_tokens, *(marker for *_, marker in ends[:1]), *stops])),
        markers=chat.markers,
        context_length=context,
        parameters=parameters,
        layers=layers,
        so8t={},
    )
