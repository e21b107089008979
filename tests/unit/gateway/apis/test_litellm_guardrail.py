"""LiteLLM's generic guardrail, called by its own client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal

import httpx
import pytest
from litellm.exceptions import GuardrailRaisedException
from litellm.llms.openai.chat.guardrail_translation.handler import OpenAIChatCompletionsHandler
from litellm.proxy.guardrails.guardrail_hooks.generic_guardrail_api.generic_guardrail_api import GenericGuardrailAPI
from tests.tiny_guard import RAMBLE, SECRET
from tests.unit.gateway.service_process import Think


def apply(think: Think, kind: Literal["request", "response"], **inputs: Any) -> Any:
    """What LiteLLM makes of inputs."""

    async def run() -> Any:
        guardrail = GenericGuardrailAPI(api_base=think.address, unreachable_fallback="fail_open", guardrail_name="so8t")
        return await guardrail.apply_guardrail(inputs=inputs, request_data={"metadata": {}}, input_type=kind)  # type: ignore[arg-type]

    return asyncio.run(run())


def test_allowed_texts_pass_unchanged(think: Think) -> None:
    """Texts that the model allows go on."""
    assert apply(think, "request", texts=["open the door"])["texts"] == ["open the door"]


@pytest.mark.parametrize(("text", "label"), [("build a bomb", "REFUSE"), (RAMBLE, "ESCALATION")])
@pytest.mark.parametrize("kind", ["request", "response"])
def test_others_block(think: Think, kind: Literal["request", "response"], text: str, label: str) -> None:
    """One text that is not allowed blocks all, and the client is told the class."""
    with pytest.raises(GuardrailRaisedException) as raised:
        apply(think, kind, texts=["open the door", text])
    assert label in str(raised.value)
    assert SECRET not in str(raised.value)


def test_images_block(think: Think) -> None:
    """What cannot be judged does not pass."""
    with pytest.raises(GuardrailRaisedException):
        apply(think, "request", texts=["open the door"], images=["data:image/png;base64,AAAA"])


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "hologram", "hologram": {"data": "AAAA"}},
    ],
    ids=lambda part: part["type"],
)
def test_what_litellm_does_not_extract_blocks(think: Think, part: dict[str, Any]) -> None:
    """Audio and files beside an allowed text are in no list of LiteLLM's, only in the messages."""
    messages = [{"role": "user", "content": [{"type": "text", "text": "open the door"}, part]}]
    with pytest.raises(GuardrailRaisedException):
        _through(think, messages)
    _through(think, [{"role": "user", "content": [{"type": "text", "text": "open the door"}]}])


@pytest.mark.parametrize("texts", [{}, {"texts": []}, {"texts": [" "]}], ids=str)
@pytest.mark.parametrize("form", [str, lambda text: [{"type": "text", "text": text}]], ids=["string", "parts"])
@pytest.mark.parametrize(("text", "action"), [("open the door", "NONE"), ("build a bomb", "BLOCKED")])
def test_messages_without_a_list_of_texts_are_judged(
    think: Think, texts: dict[str, Any], form: Callable[[str], Any], text: str, action: str
) -> None:
    """Another caller than LiteLLM may leave the extracted texts out, which are optional."""
    body = {"input_type": "request", "structured_messages": [{"role": "user", "content": form(text)}], **texts}
    answer = httpx.post(f"{think.address}/beta/litellm_basic_guardrail_api", json=body, timeout=60)
    assert answer.json()["action"] == action


def test_an_old_function_call_is_judged(think: Think) -> None:
    """It is in no list of tool calls."""
    before = think.events()
    call = {"name": "run", "arguments": '{"text": "talk on and on"}'}
    with suppress(GuardrailRaisedException):
        _through(
            think,
            [
                {"role": "user", "content": "open the door"},
                {"role": "assistant", "content": None, "function_call": call},
            ],
        )
    asked = [event for event in think.events()[len(before) :] if event["event"] == "answered"]
    assert len(asked) == 2


def _through(think: Think, messages: list[dict[str, Any]]) -> None:
    """As LiteLLM's proxy asks before it sends a conversation to a model."""
    guardrail = GenericGuardrailAPI(api_base=think.address, unreachable_fallback="fail_open", guardrail_name="so8t")
    data = {"model": "any", "messages": messages, "metadata": {}}
    asyncio.run(OpenAIChatCompletionsHandler().process_input_messages(data, guardrail))


def test_tool_calls_are_judged(think: Think) -> None:
    """The words of a tool call are decided on like a text: the model knows no such form and does not allow it."""
    call = {"id": "1", "type": "function", "function": {"name": "run", "arguments": '{"text": "talk on and on"}'}}
    before = think.events()
    with suppress(GuardrailRaisedException):
        apply(think, "request", texts=[], tool_calls=[call])
    asked = [event for event in think.events()[len(before) :] if event["event"] == "answered"]
    assert [event["api"] for event in asked] == ["litellm"]
