"""chat.json: the facts that an engine needs to chat with the model, read from its tokenizer files."""

from __future__ import annotations

from so8t_converter.checkpoint import Checkpoint
from so8t_shared.errors import InputError
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.tables.fixed_by_gguf import exact_positions


def chat_info(checkpoint: Checkpoint, so8t: dict[str, str | int | float]) -> ChatInfo:
    """Return the content of chat.json for this checkpoint; `so8t` describes the folded gates.

    Raises:
        InputError: a tokenizer file is broken, the chat template cannot be rendered, or no token ends an answer.
    """
    chat = checkpoint.chat
    return ChatInfo(
        architecture=checkpoint.architecture.name,
        chat_template=chat.template,
        bos_token=chat.bos_token,
        eos_token=chat.eos_token,
        stop_tokens=chat.stop_tokens,
        markers=chat.markers,
        context_length=_context_length(checkpoint),
        parameters=checkpoint.parameters,
        layers=checkpoint.sizes.layers,
        so8t=so8t,
    )


def _context_length(checkpoint: Checkpoint) -> int:
    positions = exact_positions(checkpoint.config, checkpoint.architecture)
    if positions is None:
        raise InputError(
            f"config.json has no usable max_position_embeddings: {checkpoint.config.get('max_position_embeddings')!r}.",
            where=f"{checkpoint.folder / 'config.json'}, key max_position_embeddings",
            remedy="restore the model's original config.json",
        )
    return positions
