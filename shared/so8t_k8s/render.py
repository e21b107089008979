"""Writes a session's objects as files for `kubectl apply`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from so8t_k8s.manifests import check_places, config_map, job, job_set, network_policies
from so8t_k8s.pods import Manifest, secret_name
from so8t_shared.config.model import Config
from so8t_shared.files import make_folder, storage_errors, write_together
from so8t_shared.stages import STAGES, Stage


def render(
    config: Config, session: str = "", *, as_set: bool = False, stages: Sequence[Stage] = STAGES
) -> dict[str, str]:
    """Return the text of each file by its name; `as_set` makes one JobSet of all stages.

    Without a session's name, the stages agree on the configuration's session through the bucket.

    Raises:
        ConfigError: pods could not reach the store or an input.
    """
    check_places(config, stages)
    shared = config_map(config, session)
    name = shared["metadata"]["name"]
    files = {
        "00-configuration.yaml": _text([shared], _keys(config, stages)),
        "01-network.yaml": _text(network_policies(config, session)),
    }
    if as_set:
        files["10-stages.yaml"] = _text([job_set(stages, config, config_map_name=name, session=session)])
        return files
    for number, stage in enumerate(stages, start=10):
        manifest = job(stage, config, config_map_name=name, session=session)
        files[f"{number}-{stage.name}.yaml"] = _text([manifest])
    return files


def write(files: dict[str, str], folder: Path) -> None:
    """Write the files.

    Raises:
        StorageError: the folder cannot be written.
    """
    make_folder(folder)
    with storage_errors(folder):
        write_together({folder / name: text.encode() for name, text in files.items()})


def _text(manifests: list[Manifest], head: str = "") -> str:
    return head + yaml.safe_dump_all(manifests, sort_keys=False, allow_unicode=True, width=120)


def _keys(config: Config, stages: Sequence[Stage]) -> str:
    """A comment: how the cluster gets the keys, which are in no file."""
    return "".join(
        ["# Keys are not in these files. Once, after 'so8t-ab secrets':\n", *_commands(config, stages), "#\n"]
    )


def _commands(config: Config, stages: Sequence[Stage]) -> Iterator[str]:
    settings = config.execution.kubernetes
    for stage in stages:
        file = f"deploy/secrets/{stage.resources.service}.json"
        name = secret_name(stage, config)
        yield f"#   kubectl -n {settings.namespace} create secret generic {name} --from-file=store.json={file}\n"
