"""All profiles on one host: /think and the dashboard beside the pipeline, and clients of each."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from litellm.exceptions import GuardrailRaisedException
from litellm.proxy.guardrails.guardrail_hooks.generic_guardrail_api.generic_guardrail_api import GenericGuardrailAPI
from openai import OpenAI
from tests.compose.engine import docker
from tests.compose.stack import Stack

pytestmark = pytest.mark.timeout(1800)

AUDIT = ("audit", "verify", "--json")


@dataclass(frozen=True)
class Client:
    """Someone with a token for the /think of a stack."""

    stack: Stack
    address: str
    token: str

    def ask(self) -> httpx.Response:
        """Ask at /think."""
        headers = {"authorization": f"Bearer {self.token}"}
        return httpx.post(f"{self.address}/think", json={"query": "x", "user_id": "me"}, headers=headers, timeout=60)

    def is_let_in(self) -> bool:
        """Whether the service is there and knows the token."""
        try:
            return self.ask().status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture(scope="module")
def client(finished: tuple[Stack, str]) -> Client:
    """A client with a new token, once the service that was started with the stages is ready."""
    stack, _ = finished
    stack.until(lambda: stack.healthy("gateway"), "a model to ask", timeout_s=60)
    token = stack.compose("exec", "-T", "gateway", "so8t-ab", "think", "token", "add", "somebody").stdout.strip()
    made = Client(stack, f"http://{stack.variables['SO8T_THINK_PUBLISH']}", token)
    stack.until(made.is_let_in, "the token's validity", timeout_s=10)
    return made


def _proof(stack: Stack, *command: str) -> dict[str, Any]:
    """What `so8t-ab audit verify` says inside the container."""
    proof: dict[str, Any] = json.loads(stack.compose(*command, *AUDIT).stdout)
    assert proof["faults"] == []
    assert proof["other_logs"] == []
    return proof


def _inside(stack: Stack) -> dict[str, Any]:
    return _proof(stack, "exec", "-T", "gateway", "so8t-ab")


def test_it_waited_for_the_conclusion(client: Client) -> None:
    """Started together with the stages, it was never restarted: it waited until there was a tested model."""
    assert client.stack.inspect("gateway")["RestartCount"] == 0
    events = [json.loads(line) for line in client.stack.logs("gateway").splitlines() if line.startswith("{")]
    told = [event["event"] for event in events]
    assert told.index("waiting for a model") < told.index("a model is served")
    assert httpx.get(f"{client.address}/ready").json() == {"status": "ready"}


def test_clients_of_each_interface(client: Client) -> None:
    """Who has a token gets decisions, and the log has a line for each; the tiny model never decides: ESCALATION."""
    before = _inside(client.stack)["requests"]
    assert httpx.post(f"{client.address}/think", json={"query": "x"}).status_code == 401
    answer = client.ask().json()
    assert (answer["answer"], answer["safety_label"], answer["escalated"]) == ("ESCALATION", "ESCALATION", True)
    assert answer["model"].startswith("tiny-retrained:")
    openai = OpenAI(base_url=f"{client.address}/v1", api_key=client.token, max_retries=0)
    completion = openai.chat.completions.create(model="any", messages=[{"role": "user", "content": "x"}])
    assert completion.choices[0].message.content == "ESCALATION"
    stream = openai.chat.completions.create(model="any", messages=[{"role": "user", "content": "x"}], stream=True)
    assert "".join(piece.choices[0].delta.content or "" for piece in stream) == "ESCALATION"
    (moderation,) = openai.moderations.create(input="x").results
    assert moderation.flagged
    guardrail = GenericGuardrailAPI(api_base=client.address, api_key=client.token, guardrail_name="so8t")
    asked = guardrail.apply_guardrail(inputs={"texts": ["x"]}, request_data={"metadata": {}}, input_type="request")
    with pytest.raises(GuardrailRaisedException, match="ESCALATION"):
        asyncio.run(asked)
    assert _inside(client.stack)["requests"] == before + 5


@pytest.mark.parametrize(
    ("service", "secrets", "writable", "networks"),
    [
        ("gateway", {"store.json": "gateway.json", "audit_key": "audit_key"}, {"/scratch"}, {"store", "models"}),
        ("ui", {"store.json": "ui.json", "ui_token": "ui_token"}, set(), {"store"}),
    ],
)
def test_it_has_and_reaches_no_more_than_it_needs(
    finished: tuple[Stack, str], service: str, secrets: dict[str, str], writable: set[str], networks: set[str]
) -> None:
    """Keys of its own as files, one place to write, and networks that nothing leaves."""
    stack, _ = finished
    mounts = {m["Destination"]: m for m in stack.inspect(service)["Mounts"]}
    keys = {place: m for place, m in mounts.items() if place.startswith("/run/secrets/")}
    assert {place.rpartition("/")[2]: m["Source"].rpartition("/")[2] for place, m in keys.items()} == secrets
    assert {place for place, m in mounts.items() if m["RW"]} == writable
    attached = stack.inspect(service)["NetworkSettings"]["Networks"]
    assert set(attached) == {f"{stack.project}_{name}" for name in networks}
    for name in attached:
        [network] = json.loads(docker("network", "inspect", name).stdout)
        assert network["Options"]["com.docker.network.bridge.enable_ip_masquerade"] == "false"
    code = "import socket, sys\nsocket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
    for server, port, network in (("minio", "9000", "store"), ("ollama", "11434", "models")):
        [there] = stack.inspect(server)["NetworkSettings"]["Networks"].values()
        found = stack.compose("exec", "-T", service, "python", "-c", code, there["IPAddress"], port, check=False)
        assert (found.returncode == 0) == (network in networks), found.stderr


def test_the_dashboard_shows_the_session(finished: tuple[Stack, str]) -> None:
    """It lists the session that it saw running, and has its page."""
    stack, _ = finished
    token = (stack.folder / "secrets" / "ui_token").read_text()
    [results] = (stack.folder / "results" / "ab_test_results").iterdir()
    session = results.name.removeprefix("complete_so8t_ab_test_")
    with httpx.Client(
        base_url=f"http://{stack.variables['SO8T_UI_PUBLISH']}", headers={"authorization": f"Bearer {token}"}
    ) as browser:
        stack.until(lambda: f"/sessions/{session}" in browser.get("/").text, "the session", timeout_s=30)
        page = browser.get(f"/sessions/{session}")
        assert page.status_code == 200
        assert "tiny-retrained" in page.text


def test_killed_and_stopped_the_log_is_whole(client: Client) -> None:
    """`docker kill`, then up: the chain goes on. `docker stop` ends it with 0 in time, every line anchored."""
    stack = client.stack
    before = _inside(stack)
    docker("kill", stack.container("gateway"))
    assert stack.state("gateway") == ("exited", 137)
    up = ("--profile", "think", "up", "--detach", "--no-deps", "gateway")
    stack.compose(*up)
    stack.until(client.is_let_in, "a model to ask again", timeout_s=60)
    after = _inside(stack)
    assert (after["log"], after["first"], after["requests"]) == (before["log"], 1, before["requests"] + 1)
    began = time.monotonic()
    docker("stop", stack.container("gateway"))
    assert time.monotonic() - began < 30
    assert stack.state("gateway") == ("exited", 0)
    alone = _proof(stack, "run", "--rm", "--no-deps", "--entrypoint", "so8t-ab", "gateway")
    assert alone["anchored"] == alone["last"] >= after["last"]
    stack.compose(*up)
