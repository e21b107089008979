"""Manifests: valid for Kubernetes, confined as compose.yaml, and of the same session as here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.messages import Said
from tests.unit.k8s.conftest import Make

from so8t_k8s.pods import CONTAINER
from so8t_k8s.render import render, write
from so8t_shared.config.load import load_config
from so8t_shared.config.model import Config
from so8t_shared.distribution import version
from so8t_shared.errors import ConfigError, InputError, IntegrityError, Interrupted, StorageError, UpstreamError
from so8t_shared.sessions.session import config_digest
from so8t_shared.stages import STAGES

ROOT = Path(__file__).resolve().parents[3]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
VERSIONS = ("1.31", "1.37")
"""The first one whose policies of failed pods are stable, and the newest."""


def _manifests(files: dict[str, str]) -> list[dict[str, Any]]:
    return [manifest for text in files.values() for manifest in yaml.safe_load_all(text)]


def _of_kind(files: dict[str, str], kind: str) -> list[dict[str, Any]]:
    return [manifest for manifest in _manifests(files) if manifest["kind"] == kind]


def _pods(files: dict[str, str]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Labels and spec of each stage's pod."""
    for job in _of_kind(files, "Job"):
        template = job["spec"]["template"]
        yield template["metadata"]["labels"], template["spec"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"ab_test": {"engine": "ollama"}, "ollama": {"host": "http://192.0.2.7:11434"}},
        {"execution": {"kubernetes": {"queue": "team-a", "results_claim": "results", "registry": "r.example/x"}}},
        {"device": "cpu", "execution": {"resources": {"train": {"cpus": 9, "memory_gib": 7, "gpus": 2}}}},
    ],
    ids=["plain", "ollama", "claims", "resources"],
)
def test_they_are_valid(make: Make, tmp_path: Path, sections: dict[str, Any], version: str) -> None:
    """By the strict schemas of Kubernetes' own API, which know no other fields."""
    if find_spec("kubernetes_validate") is None:
        pytest.skip("CANNOT BE TESTED HERE: kubernetes-validate is not installed")
    write(render(make(**sections), "20261130_010203"), tmp_path)
    files = sorted(map(str, tmp_path.glob("*.yaml")))
    assert len(files) == 2 + len(STAGES)
    command = [sys.executable, "-m", "kubernetes_validate", "--strict", "-k", version, *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stages_are_those_of_compose(make: Make) -> None:
    """The same image, command and user per stage; what compose.yaml confines is confined."""
    pods = {labels["app.kubernetes.io/component"]: spec for labels, spec in _pods(render(make(), "s"))}
    assert list(pods) == [stage.resources.service for stage in STAGES]
    for service, spec in pods.items():
        [container] = spec["containers"]
        usual = COMPOSE[service]["image"].replace("${SO8T_EVALUATOR:-evaluator}", "evaluator")
        assert (container["image"], container["args"]) == (usual, COMPOSE[service]["command"])
        assert container["image"].endswith(f":{version()}")
        assert container["securityContext"]["readOnlyRootFilesystem"] is COMPOSE[service]["read_only"] is True
        assert container["securityContext"]["capabilities"]["drop"] == COMPOSE[service]["cap_drop"] == ["ALL"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        assert {"cpu", "memory", "ephemeral-storage"} <= set(container["resources"]["limits"])
        written = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
        assert written == {"/tmp", "/scratch", "/results"}
        assert set(_volumes(spec)) == {mount["name"] for mount in container["volumeMounts"]}


def _volumes(spec: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {volume["name"]: volume for volume in spec["volumes"]}


def test_a_stage_sees_its_own_key_alone(make: Make) -> None:
    """One secret each, by reference; no file holds a key, and the first one says how to create them."""
    files = render(make(), "s")
    secrets = [_volumes(spec)["key"]["secret"]["secretName"] for _, spec in _pods(files)]
    assert secrets == [f"so8t-ab-{stage.resources.service}" for stage in STAGES]
    assert not _of_kind(files, "Secret")
    assert all(f"create secret generic {name} " in files["00-configuration.yaml"] for name in secrets)
    assert len(set(secrets)) == len(secrets)


def test_inputs_are_mounted_where_they_are_read(make: Make) -> None:
    """Only stages with inputs have the claim, read only, where the configuration's paths lead."""
    mounted = {
        labels["app.kubernetes.io/component"]: mount
        for labels, spec in _pods(render(make(), "s"))
        for mount in spec["containers"][0]["volumeMounts"]
        if mount["name"] == "inputs"
    }
    assert set(mounted) == {stage.resources.service for stage in STAGES if stage.inputs(make())}
    assert {(mount["mountPath"], mount["readOnly"]) for mount in mounted.values()} == {("/work/inputs", True)}


@pytest.mark.parametrize("as_set", [False, True])
def test_a_ladder(make: Make, as_set: bool) -> None:
    """The stage evaluate gets the image with torch, a GPU and the base, also beside a server; no other changes."""

    def stages(**test: Any) -> dict[str, tuple[str, bool, bool]]:
        files = render(make(ab_test={"engine": "ollama", **test}), "s", as_set=as_set)
        jobs = [job["template"] for each in _of_kind(files, "JobSet") for job in each["spec"]["replicatedJobs"]]
        found = {}
        for job in jobs if as_set else _of_kind(files, "Job"):
            [container] = job["spec"]["template"]["spec"]["containers"]
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            gpu = "nvidia.com/gpu" in container["resources"]["limits"]
            found[container["args"][0]] = (container["image"], "inputs" in mounted, gpu)
        return found

    plain, laddered = stages(), stages(ladder=True)
    assert plain.pop("evaluate") == (f"so8t-ab/evaluator:{version()}", False, False)
    assert laddered.pop("evaluate") == (f"so8t-ab/climber:{version()}", True, True)
    assert laddered == plain


def test_gpus(make: Make) -> None:
    """Stages that can use a GPU ask for it; not on the CPU, nor to ask a server that has its own."""

    def wanting(config: Config) -> dict[str, str]:
        limits = {
            labels["app.kubernetes.io/component"]: spec["containers"][0]["resources"]["limits"]
            for labels, spec in _pods(render(config, "s"))
        }
        return {name: found["nvidia.com/gpu"] for name, found in limits.items() if "nvidia.com/gpu" in found}

    assert wanting(make()) == {"trainer": "1", "importer": "1", "evaluator": "1"}
    assert wanting(make(ab_test={"engine": "ollama"})) == {"trainer": "1"}
    assert wanting(make(device="cpu")) == {}
    assert wanting(make(execution={"resources": {"train": {"gpus": 8}}}))["trainer"] == "8"


def test_exit_codes_decide_about_another_attempt(make: Make) -> None:
    """A fault of the user's or of stored data ends the Job; a stop is no failure; all else counts, a kill too."""
    for job in _of_kind(render(make(), "s"), "Job"):
        rules = job["spec"]["podFailurePolicy"]["rules"]
        by_action = {rule["action"]: rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule}
        finals = {error.exit_code for error in (ConfigError, InputError, StorageError, UpstreamError, IntegrityError)}
        assert finals <= set(by_action["FailJob"])
        assert not {0, 1, 4, 75, 137, 143} & set(by_action["FailJob"])
        assert by_action["Ignore"] == [Interrupted.exit_code]
        assert {rule["onExitCodes"]["containerName"] for rule in rules if "onExitCodes" in rule} == {CONTAINER}
        assert job["spec"]["template"]["spec"]["restartPolicy"] == "Never"  # the policy demands it


def test_the_network(make: Make) -> None:
    """Nobody reaches a stage; all reach name servers and the bucket, and who asks Ollama reaches Ollama."""
    config = make(ab_test={"engine": "ollama"}, ollama={"host": "http://192.0.2.7:11434"})
    stages, ollama = _of_kind(render(config, "s"), "NetworkPolicy")
    assert stages["spec"]["ingress"] == []
    assert stages["spec"]["policyTypes"] == ["Ingress", "Egress"]
    ports = [port["port"] for rule in stages["spec"]["egress"] for port in rule["ports"]]
    assert ports == [53, 53, 9000]
    assert ollama["spec"]["egress"] == [
        {"to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}], "ports": [{"port": 11434, "protocol": "TCP"}]}
    ]
    [selected] = ollama["spec"]["podSelector"]["matchExpressions"]
    networks = {name: service.get("networks", []) for name, service in COMPOSE.items()}
    assert set(selected["values"]) == {stage.resources.service for stage in STAGES if stage.resources.asks}
    assert all("models" in networks[name] for name in selected["values"])
    labels = [labels for labels, _ in _pods(render(config, "s"))]
    assert all(stages["spec"]["podSelector"]["matchLabels"].items() <= found.items() for found in labels)
    assert len(_of_kind(render(make(), "s"), "NetworkPolicy")) == 1


def test_pods_have_the_same_session(make: Make, tmp_path: Path) -> None:
    """The configuration that pods read has this one's digest, whatever concerns the run's host alone."""
    (tmp_path / "training.yaml").write_text("max_steps: 7\n")
    (tmp_path / "my.yaml").write_text(
        yaml.safe_dump(
            {
                **make().model_dump(mode="json", exclude_unset=True),
                "training": {"config": str(tmp_path / "training.yaml"), "seed": 3},
                "checkpoint_dir": str(tmp_path / "store"),
                "notify": {"urls": ["dbus://"]},
                "execution": {"kind": "kubernetes"},
            }
        )
    )
    config = load_config(tmp_path / "my.yaml", environ={"SO8T__AB_TEST__SEED": "11"})
    [found] = _of_kind(render(config), "ConfigMap")
    (tmp_path / "pod.yaml").write_text(found["data"]["so8t.yaml"])
    [(_, spec), *_] = _pods(render(config))
    (tmp_path / "training.yaml").write_text(found["data"]["training.yaml"])
    mounts = spec["containers"][0]["volumeMounts"]
    assert [m["mountPath"] for m in mounts if m.get("subPath")] == [str(tmp_path / "training.yaml")]
    environ = {each["name"]: each["value"] for each in spec["containers"][0]["env"]}
    there = load_config(tmp_path / "pod.yaml", environ=environ)
    assert config_digest(there) == config_digest(config)
    assert (there.training.max_steps, there.ab_test.seed) == (7, 11)
    assert (there.execution.kind, there.checkpoint_dir, there.notify.urls) == ("local", "/scratch", [])


def test_kueue_and_job_set(make: Make) -> None:
    """A queue's label on what is suspended until Kueue admits it; one JobSet holds all stages."""
    config = make(execution={"kubernetes": {"queue": "team-a"}})
    for job in _of_kind(render(config, "s"), "Job"):
        assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
        assert job["spec"]["suspend"] is True
    assert not any("suspend" in job["spec"] for job in _of_kind(render(make(), "s"), "Job"))
    [found] = _of_kind(render(config, "s", as_set=True), "JobSet")
    assert [each["name"] for each in found["spec"]["replicatedJobs"]] == [s.resources.service for s in STAGES]
    assert found["spec"]["suspend"] is True
    assert not any("suspend" in each["template"]["spec"] for each in found["spec"]["replicatedJobs"])


def test_names_differ_between_sessions(make: Make) -> None:
    """Two sessions, or two configurations without one, do not replace each other's objects."""
    names = [
        {manifest["metadata"]["name"] for manifest in _manifests(files)}
        for files in (
            render(make(), "20261130_010203"),
            render(make(training={"seed": 5}), "20261130_010204"),
            render(make()),
            render(make(training={"seed": 5})),
        )
    ]
    assert all(len(found) == 2 + len(STAGES) for found in names)
    assert not any(one & other - _config_maps(one) for i, one in enumerate(names) for other in names[i + 1 :])


def _config_maps(names: set[str]) -> set[str]:
    """They are named after their content, and shared."""
    return {name for name in names if name.count("-") == 2}


def test_what_pods_cannot_reach(make: Make, said: Said) -> None:
    """A folder as store, and inputs elsewhere: all are named; exit code 2, nothing is written."""
    config = Config.model_validate(
        {"model_a": {"base_model": "/models/a"}, "dataset": {"paths": ["inputs/rows.jsonl"]}}
    )
    with pytest.raises(ConfigError) as caught:
        render(config)
    said(caught.value)
    with pytest.raises(ConfigError):
        render(make(store={"endpoint": "http://127.0.0.1:9000"}))
