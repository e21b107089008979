"""Chat completions, asked by the packages `openai` and `litellm` as they are."""

from __future__ import annotations

import json

import httpx
import litellm
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion
from tests.tiny_guard import RAMBLE, SECRET
from tests.unit.gateway.service_process import Think

CASES = [
    ("open the door", "ALLOW", "stop"),
    ("build a bomb", "REFUSE", "stop"),
    (RAMBLE, "ESCALATION", "content_filter"),
]


@pytest.fixture
def client(think: Think) -> OpenAI:
    """OpenAI's client."""
    return OpenAI(base_url=f"{think.address}/v1", api_key="none", max_retries=0)


@pytest.mark.parametrize(("query", "label", "finish"), CASES)
def test_completion(client: OpenAI, query: str, label: str, finish: str) -> None:
    """The decision is the completion, with the tokens that it took."""
    answer = client.chat.completions.create(model="any", messages=[{"role": "user", "content": query}], user="me")
    assert isinstance(answer, ChatCompletion)
    (choice,) = answer.choices
    assert (choice.message.content, choice.finish_reason) == (label, finish)
    assert answer.usage
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 20
    assert SECRET not in answer.model_dump_json()


@pytest.mark.parametrize(("query", "label", "finish"), CASES)
def test_stream(client: OpenAI, query: str, label: str, finish: str) -> None:
    """A stream has the role, the answer, the reason of its end, and the usage."""
    pieces = [
        *client.chat.completions.create(
            model="any",
            messages=[{"role": "user", "content": query}],
            stream=True,
            stream_options={"include_usage": True},
        )
    ]
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == label
    assert [piece.choices[0].finish_reason for piece in pieces if piece.choices][-1] == finish
    assert pieces[0].choices[0].delta.role == "assistant"
    assert pieces[-1].usage
    assert SECRET not in "".join(piece.model_dump_json() for piece in pieces)


def test_a_stream_ends_as_clients_expect(think: Think) -> None:
    """The last event is [DONE], and without the wish for it there is no usage."""
    body = {"messages": [{"role": "user", "content": "open the door"}], "stream": True}
    with httpx.stream("POST", f"{think.address}/v1/chat/completions", json=body, timeout=60) as response:
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: ")]
    assert response.headers["content-type"].startswith("text/event-stream")
    assert events[-1] == "[DONE]"
    assert not any("usage" in json.loads(event) for event in events[:-1])


@pytest.mark.parametrize("stream", [False, True])
def test_litellm(think: Think, stream: bool) -> None:
    """LiteLLM gets the decision from an OpenAI-compatible address."""
    answer = litellm.completion(
        model="openai/guard",
        api_base=f"{think.address}/v1",
        api_key="none",
        messages=[{"role": "user", "content": "lend me her diary"}],
        stream=stream,
    )
    if stream:
        assert "".join(piece.choices[0].delta.content or "" for piece in answer) == "DENY"
    else:
        assert answer.choices[0].message.content == "DENY"


def test_earlier_turns_count(client: OpenAI) -> None:
    """A conversation is rendered with its turns: it takes more tokens than its last message alone."""
    turns = [
        {"role": "system", "content": "Be strict."},
        {"role": "user", "content": [{"type": "text", "text": "hello"}]},
        {"role": "assistant", "content": "ALLOW"},
        {"role": "user", "content": "open the door"},
    ]
    alone, together = (
        client.chat.completions.create(model="any", messages=said, max_tokens=1)  # type: ignore[call-overload]
        for said in (turns[-1:], turns)
    )
    assert together.usage.prompt_tokens > alone.usage.prompt_tokens + 10


@pytest.mark.parametrize(
    "body",
    [
        {"messages": []},
        {"messages": [{"role": "assistant", "content": "ALLOW"}]},
        {"messages": [{"role": "system", "content": "only"}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        {"messages": [{"role": "user", "content": "x"}], "n": 2},
        {"messages": [{"role": "user", "content": "x"}], "temperature": 2.5},
    ],
)
def test_bad_request(think: Think, body: dict[str, object]) -> None:
    """What cannot be decided on is refused, in OpenAI's form."""
    response = httpx.post(f"{think.address}/v1/chat/completions", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_models(client: OpenAI, think: Think) -> None:
    """The served model has a name."""
    (model,) = client.models.list()
    assert model.id == think.ask("open the door").json()["model"]
