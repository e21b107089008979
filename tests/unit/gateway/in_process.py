"""The application in this process, with an engine that says what a test wants to hear."""

from __future__ import annotations

import hmac
import math
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette

from so8t_engines.protocol import ModelFile
from so8t_gateway.app import create_app
from so8t_gateway.deciding import Limits, ModelDecider, Serving
from so8t_gateway.engines.engine import Sampling, ServedModel, Written
from so8t_gateway.lane import Lane
from so8t_gateway.seams import Access, Auditor
from so8t_gateway.service import Bounds, Service
from so8t_gateway.session_model import SessionModel
from so8t_shared.classes import Likelihoods
from so8t_shared.results.conversion import ChatInfo
from so8t_shared.results.policy import QuantizationPolicy

SURE_OF_ALLOW = Likelihoods((math.log(0.97), math.log(0.01), math.log(0.01), math.log(0.01)))

CHAT = ChatInfo(
    architecture="LlamaForCausalLM",
    chat_template=None,
    bos_token="",
    eos_token="<|im_end|>",
    stop_tokens=["<|im_end|>"],
    markers=["<|im_end|>"],
    context_length=2048,
    parameters=1,
    layers=1,
    so8t={},
)


def _hash(text: str) -> str:
    return hmac.new(b"key", text.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


class Saying(ServedModel):
    """A model that gives one answer to everything, or raises."""

    def __init__(self, answer: str | BaseException, told: Likelihoods | None = SURE_OF_ALLOW) -> None:
        self.answer = answer
        self.told = told
        self.closed = False
        self.asked: list[Sampling] = []
        self.told_at_once: tuple[str, float] | None = None
        self.asked_again = 0

    async def write(self, prompt: str, sampling: Sampling) -> Written:
        """Say it."""
        self.asked.append(sampling)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return Written(self.answer, 10, 5, cut=False)

    def sure(self, written: Written, tag: int) -> tuple[str, float] | None:
        """Tell, without being asked again, what a test wants."""
        return self.told_at_once

    async def likelihoods(self, prompt: str, written: Written, tag: int) -> Likelihoods | None:
        """Be as sure as told."""
        self.asked_again += 1
        return self.told

    async def check(self) -> bool:
        """It lives."""
        return True

    async def close(self) -> None:
        """Note it."""
        self.closed = True

    async def release(self) -> None:
        """Note it."""
        self.closed = True


def session_model(policy: QuantizationPolicy | None = None) -> SessionModel:
    """A model that is nowhere."""
    file = ModelFile("guard:q8_0", Path("nowhere"), "0" * 64, 2048)
    return SessionModel("session", "identity", file, CHAT, policy, "1" * 64 if policy else "", 2048, 64)


def decider_of(
    engine: ServedModel,
    *,
    policy: QuantizationPolicy | None = None,
    concurrency: int = 4,
    queue: int = 4,
    timeout_s: float = 30.0,
) -> ModelDecider:
    """What decides by that engine."""
    decider = ModelDecider(Limits(timeout_s, 0.5), Lane(concurrency, queue), _hash)
    decider.serving = Serving(session_model(policy), engine)
    return decider


def app_of(decider: ModelDecider, auditor: Auditor | None = None, access: Access | None = None) -> Starlette:
    """The application."""
    return create_app(Service(decider, auditor, access, Bounds(max_query_chars=1_000)))


def client_of(app: Starlette) -> httpx.AsyncClient:
    """A client of the application, without a network."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test")


BODIES: dict[str, dict[str, Any]] = {
    "/think": {"query": "x", "user_id": "u"},
    "/v1/chat/completions": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/moderations": {"input": "x"},
    "/beta/litellm_basic_guardrail_api": {"input_type": "request", "texts": ["x"]},
}


async def ask_everywhere(answer: str) -> str:
    """Every byte that leaves, over all interfaces, when the model says this; the metrics too."""
    seen = []
    async with client_of(app_of(decider_of(Saying(answer)))) as client:
        for path, body in [
            *BODIES.items(),
            ("/v1/chat/completions", {**BODIES["/v1/chat/completions"], "stream": True}),
        ]:
            response = await client.post(path, json=body)
            seen.append(f"{response.status_code} {response.headers} {response.text}")
        seen.append((await client.get("/metrics")).text)
    return "\n".join(seen)
