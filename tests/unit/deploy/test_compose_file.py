"""What compose.yaml says, read without Docker."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from tests.unit.deploy.compose_files import (
    BESIDE,
    GATEWAY,
    OWNERS,
    ROOT,
    SERVERS,
    STAGE_OF,
    loaded_file,
    services_of,
)

from so8t_shared.config.load import load_config
from so8t_shared.config.model import Config, Ollama
from so8t_shared.config.notify import Notify
from so8t_shared.notify.receivers import receivers_of
from so8t_shared.stages import BY_NAME, STAGES


def test_a_service_for_every_stage(services: dict[str, Any]) -> None:
    """The stages, the servers, /think and the dashboard, each stage started by the name that the code knows."""
    assert set(services) == {*STAGE_OF, *SERVERS, GATEWAY, *BESIDE}
    assert [services[name]["command"] for name in STAGE_OF] == [[stage] for stage in STAGE_OF.values()]
    assert [stage.name for stage in STAGES] == list(STAGE_OF.values())


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("full", {*STAGE_OF, *SERVERS}),
        ("serve", SERVERS),
        ("convert", {"converter-a", "converter-b"}),
        ("train", {"trainer"}),
        ("evaluate", {"importer", "evaluator", "concluder"}),
        ("report", {"reporter"}),
        ("think", {GATEWAY, *SERVERS}),
        ("ui", {"ui", "minio-owner", "minio", "minio-init"}),
    ],
)
def test_profiles(services: dict[str, Any], profile: str, expected: set[str]) -> None:
    """What each profile starts; nothing starts without one."""
    assert {name for name, service in services.items() if profile in _profiles(service)} == expected
    assert all(service["profiles"] for service in services.values())


def _profiles(service: dict[str, Any], **variables: str) -> set[str]:
    """Names of the profiles that a service is in."""
    return set(_filled(service["profiles"], **variables))


def _filled(texts: list[str], **variables: str) -> list[str]:
    """The texts, ${NAME:+text} being text where the variable is set."""
    return [re.sub(r"\$\{(\w+):\+(.*?)\}", lambda m: m[2] if variables.get(m[1]) else "", each) for each in texts]


@pytest.mark.parametrize(
    ("variable", "absent"),
    [
        ("SO8T_STORE_ENDPOINT", {"minio-owner", "minio", "minio-init"}),
        ("SO8T_OLLAMA_HOST", {"ollama-owner", "ollama"}),
    ],
)
def test_servers_that_are_elsewhere_are_not_started(services: dict[str, Any], variable: str, absent: set[str]) -> None:
    """`run trainer` enables the trainer's profiles, full among them; a GPU box must not get a bucket of its own."""
    full = {
        name for name, service in services.items() if "full" in _profiles(service, **{variable: "http://elsewhere"})
    }
    assert full == {*STAGE_OF, *SERVERS} - absent
    think = {
        name for name, service in services.items() if "think" in _profiles(service, **{variable: "http://elsewhere"})
    }
    assert think == {*SERVERS, GATEWAY} - absent


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"SO8T_HOST_NAME": "workstation"}, "workstation"),
        ({"SO8T_HOST_NAME": "workstation", "SO8T_OLLAMA_HOST": "http://box:11434"}, None),
        ({"SO8T_HOST_NAME": "workstation", "SO8T_OLLAMA_HOST_NAME": "box"}, "box"),
        ({}, None),
    ],
)
def test_timings_carry_the_docker_hosts_name(
    services: dict[str, Any], variables: dict[str, str], expected: str | None
) -> None:
    """Ollama runs on the Docker host, whose name `make secrets` notes; one elsewhere is not given that name."""
    text = services["evaluator"]["environment"]["SO8T__OLLAMA__HOST_NAME"]
    while (found := re.search(r"\$\{(\w+):-([^{}]*)\}", text)) is not None:
        text = text.replace(found[0], variables.get(found[1]) or found[2])
    assert Ollama.model_validate({"host_name": yaml.safe_load(text)}).host_name == expected


def test_what_compose_sets_is_told(services: dict[str, Any]) -> None:
    """Keys that the environment sets win over the configuration's file: docs/containers.md names each of them."""
    page = (ROOT / "docs" / "containers.md").read_text("utf-8")
    paragraph = next(part for part in page.split("\n\n") if "whatever the file says" in part)
    keys = {name.removeprefix("SO8T__") for name in services["trainer"]["environment"] if name.startswith("SO8T__")}
    told = {word for word in re.findall(r"`([a-z_.]+)`", paragraph) if word not in {"compose.yaml", ".env", "ollama"}}
    assert told == {key.lower().replace("__", ".") for key in keys}


def test_the_demo_is_the_default(services: dict[str, Any]) -> None:
    """Every stage has the demo's configuration and reads it, unless SO8T_CONFIG names another."""
    file = ROOT / loaded_file("compose.yaml")["configs"]["demo"]["file"]
    assert load_config(file, environ={}).model_a.base_model == "demo-run/model"
    for name in STAGE_OF:
        assert services[name]["configs"] == [{"source": "demo", "target": "/work/demo.yaml"}]
        assert services[name]["environment"]["SO8T_CONFIG"] == "${SO8T_CONFIG:-demo.yaml}"


def test_the_cpu_file_takes_away_every_gpu(services: dict[str, Any]) -> None:
    """Each stage and Ollama may have a GPU; compose.cpu.yaml forgets none of them."""
    wanting = {name for name, service in services.items() if "deploy" in service}
    assert wanting == {*STAGE_OF, "ollama"}
    assert set(services_of("compose.cpu.yaml")) == wanting


def test_who_computes_with_torch_stays_on_the_cpu() -> None:
    """With compose.cpu.yaml a configuration for a GPU trains, and climbs its ladder, too."""
    computing = {
        n for n, s in services_of("compose.cpu.yaml").items() if s.get("environment") == {"SO8T__DEVICE": "cpu"}
    }
    assert computing == {"trainer", "evaluator"}


def test_models_and_data_are_where_stages_read_them(services: dict[str, Any]) -> None:
    """Each stage that some configuration gives a path has the folder; no other has."""
    seeing = {
        name
        for name in STAGE_OF
        if any(isinstance(v, dict) and "SO8T_INPUTS" in v["source"] for v in services[name]["volumes"])
    }
    plain = {"model_a": {"base_model": "x/a"}, "dataset": {"paths": ["x/rows"]}}
    configs = [
        {**plain, "ab_test": {"ladder": True}},
        {**plain, "model_b": {"gguf": "x/b.gguf"}, "gguf": {"quantizations": ["F16"]}},
        {**plain, "gguf": {"imatrix": "x/i.gguf"}},
    ]
    reading = {
        service
        for service, stage in STAGE_OF.items()
        if any(BY_NAME[stage].paths(Config.model_validate(raw)) for raw in configs)
    }
    assert seeing == reading == {"converter-a", "trainer", "converter-b", "evaluator"}


def test_only_who_asks_ollama_reaches_it(services: dict[str, Any]) -> None:
    """Ollama knows no users, so a stage that has no use for it is not in its network; all stages reach the bucket."""
    networks = {name: _filled(service.get("networks", [])) for name, service in services.items()}
    assert {name for name, found in networks.items() if "models" in found} == {
        "ollama",
        "converter-b",  # about a model B that Ollama has
        "importer",
        "evaluator",
        GATEWAY,
    }
    assert {name for name, found in networks.items() if "store" in found} == set(services) - {"ollama", *OWNERS}


@pytest.mark.parametrize(
    ("variables", "gateway", "ui"),
    [
        ({}, ["store", "models"], ["store"]),
        ({"SO8T_STORE_ENDPOINT": "http://far"}, ["internet-store", "models"], ["internet-store"]),
        ({"SO8T_OLLAMA_HOST": "http://far"}, ["store", "internet-models"], ["store"]),
    ],
)
def test_no_server_reaches_the_internet(
    services: dict[str, Any], variables: dict[str, str], gateway: list[str], ui: list[str]
) -> None:
    """What serves gets a way out only to a bucket or an Ollama that is elsewhere; stages have one, to notify.

    Docker takes the first network in the alphabet for the way out.
    """
    networks = loaded_file("compose.yaml")["networks"]
    closed = {name for name, each in networks.items() if each}
    assert closed == {"store", "models"}
    assert {networks[name]["driver_opts"]["com.docker.network.bridge.enable_ip_masquerade"] for name in closed} == {
        "false"
    }
    found = {name: _filled(service.get("networks", []), **variables) for name, service in services.items()}
    assert (found[GATEWAY], found["ui"]) == (gateway, ui)
    assert (found["minio"], found["ollama"]) == (["store"], ["models"])
    assert {min(found[name]) for name in STAGE_OF} == {"internet"}


@pytest.mark.parametrize("session", ["", "20260131_235959"])
def test_the_session_to_serve(services: dict[str, Any], session: str) -> None:
    """SO8T_SESSION names it: a name that YAML would take for a number stays one, and none is none."""
    text = services[GATEWAY]["environment"]["SO8T__THINK__SESSION"].replace("${SO8T_SESSION:-}", session)
    file = ROOT / loaded_file("compose.yaml")["configs"]["demo"]["file"]
    assert load_config(file, environ={"SO8T__THINK__SESSION": text}).think.session == session


def test_nobody_is_root(services: dict[str, Any]) -> None:
    """Stages and servers run as the user of .env; root alone gives the volumes to him, without a network."""
    user = "${SO8T_UID:-10001}:${SO8T_GID:-10001}"
    assert {name for name, service in services.items() if service["user"] != user} == OWNERS
    for name in OWNERS:
        assert services[name]["network_mode"] == "none"
        assert set(services[name]["cap_add"]) == {"CHOWN", "DAC_READ_SEARCH"}
        assert services[name.removesuffix("-owner")]["depends_on"][name] == {
            "condition": "service_completed_successfully"
        }


def test_every_container_has_limits(services: dict[str, Any]) -> None:
    """None takes the host's whole memory, and none writes its own, keys and rows in it, to a core file."""
    for name, service in services.items():
        assert service["ulimits"] == {"core": 0}, name
        assert re.fullmatch(r"\d+[mg]|\$\{SO8T_\w*MEMORY:-\w+\}", str(service["mem_limit"])), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["read_only"] is True, name


def test_nothing_secret_is_in_an_environment(services: dict[str, Any]) -> None:
    """Keys come as files; a variable may name a file at most."""
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|KEY|CREDENTIAL|ROOT_USER", variable):
                assert str(value).startswith("/run/secrets/"), f"{name}: {variable}"


def test_every_stage_may_notify(services: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses come as a secret like the keys do; without any, the shipped file stands in, which holds none."""
    loaded = loaded_file("compose.yaml")
    default = re.fullmatch(r"\$\{SO8T_NOTIFY_FILE:-(.+)\}", loaded["secrets"]["notify_urls"]["file"])
    assert default
    monkeypatch.delenv("SO8T_NOTIFY", raising=False)
    assert not receivers_of(Notify(urls_file=str(ROOT / default[1])))
    for name in STAGE_OF:
        assert "notify_urls" in services[name]["secrets"]
        assert services[name]["environment"]["SO8T__NOTIFY__URLS_FILE"] == "/run/secrets/notify_urls"
    assert not [name for name in SERVERS if "notify_urls" in services[name].get("secrets", [])]


def test_the_dashboard_only_reads(services: dict[str, Any]) -> None:
    """Its key may list and read; it has no results, no scratch and no addresses to notify, but it demands a token."""
    policy = json.loads((ROOT / "deploy/minio/ui.json").read_text("utf-8"))
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    assert allowed == {"s3:ListBucket", "s3:GetBucketLocation", "s3:GetObject"}
    ui = services["ui"]
    assert ui["secrets"] == [{"source": "ui", "target": "store.json"}, "ui_token"]
    assert ui["environment"]["SO8T_UI_TOKEN_FILE"] == "/run/secrets/ui_token"
    assert all(volume["read_only"] for volume in ui["volumes"])
    assert ui["ports"] == ["${SO8T_UI_PUBLISH:-127.0.0.1:8351}:8351"]


def test_think_reads_the_bucket_and_needs_tokens(services: dict[str, Any]) -> None:
    """It listens beyond its container, so clients need tokens; its own key only reads, and anchors the audit log."""
    gateway = services[GATEWAY]
    assert gateway["environment"]["SO8T__THINK__TOKENS_FILE"]
    assert gateway["secrets"] == [{"source": GATEWAY, "target": "store.json"}, "audit_key"]
    assert gateway["ports"] == ["${SO8T_THINK_PUBLISH:-127.0.0.1:8350}:8350"]
    policy = json.loads((ROOT / "deploy" / "minio" / "gateway.json").read_text("utf-8"))
    writes = [s["Resource"] for s in policy["Statement"] if any("Put" in a or "Delete" in a for a in s["Action"])]
    assert writes == [["arn:aws:s3:::@BUCKET@/audit/*"]]
