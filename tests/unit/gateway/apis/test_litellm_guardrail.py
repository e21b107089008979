"""LiteLLM's generic guardrail, called by its own client."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Literal

import pytest
from litellm.exceptions import GuardrailRaisedException
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


def test_tool_calls_are_judged(think: Think) -> None:
    """The words of a tool call are decided on like a text: the model knows no such form and does not allow it."""
    call = {"id": "1", "type": "function", "function": {"name": "run", "arguments": '{"text": "talk on and on"}'}}
    before = think.events()
    with suppress(GuardrailRaisedException):
        apply(think, "request", texts=[], tool_calls=[call])
    asked = [event for event in think.events()[len(before) :] if event["event"] == "answered"]
    assert [event["api"] for event in asked] == ["litellm"]
