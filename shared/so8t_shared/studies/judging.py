"""Judges a study: collects its complete members' answers, compares them, writes result and report."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from so8t_shared.files import make_folder, storage_errors
from so8t_shared.results.answers import SAMPLES_FILE
from so8t_shared.results.conversion import SERVED_FILE, Served
from so8t_shared.results.evaluation import EVALUATION_FILE
from so8t_shared.results.registry import REGISTRY_FILE, Registry
from so8t_shared.results.training import TrainingResult
from so8t_shared.sessions.outputs import output_of
from so8t_shared.store.base import ArtifactStore
from so8t_shared.studies.grid import stage_seconds
from so8t_shared.studies.load import LoadedStudy, PlannedMember, values_of
from so8t_shared.studies.member import StudyArm, StudyMember, StudyTask
from so8t_shared.studies.record import result_key
from so8t_shared.tables.functions import named

if TYPE_CHECKING:
    from so8t_shared.results.study import StudyResult

_TRAINING_FILE = "training.json"
_READ = {"evaluate": SAMPLES_FILE, "conclude": EVALUATION_FILE, "train": _TRAINING_FILE}


def judge_study(store: ArtifactStore, loaded: LoadedStudy, sessions: Sequence[str | None]) -> tuple[StudyResult, Path]:
    """Compare all complete members; return the result and the folder with the report.

    `sessions` are the members' sessions, in their order; None for one that has none yet.

    Raises:
        InputError: no member is complete.
        StorageError: the result cannot be written.
    """
    conclude = named("so8t_evaluator.study.judging:conclude_study")
    write = named("so8t_reporter.study.stages:write_study")
    folder = results_folder(loaded)
    scratch = Path(tempfile.mkdtemp(prefix="study-", dir=_made(store.local_root / "scratch")))
    try:
        found = (
            _member(store, member, session, scratch / session)
            for member, session in zip(loaded.members, sessions, strict=True)
            if session
        )
        task = _task(loaded, [member for member in found if member], _served_arms(store, loaded, sessions))
        result: StudyResult = conclude(task)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    make_folder(folder)
    with storage_errors(folder):
        write(result, folder)
    store.put_bytes(result_key(loaded.study.name), result.to_bytes())
    return result, folder


def results_folder(loaded: LoadedStudy) -> Path:
    """Folder for the study's report."""
    return Path(loaded.base.output_base_dir) / "studies" / loaded.study.name


def _made(folder: Path) -> Path:
    make_folder(folder)
    return folder


def _task(loaded: LoadedStudy, members: Sequence[StudyMember], served: Mapping[str, str]) -> StudyTask:
    study = loaded.study
    told = {arm.name: ", ".join(filter(None, (arm.description, served.get(arm.name)))) for arm in study.arms}
    return StudyTask(
        name=study.name,
        arms=[StudyArm(arm.name, told[arm.name], values_of(arm), arm.model is not None) for arm in study.arms],
        members=members,
        reference=study.reference,
        families=study.pairs(),
        settings=loaded.base.ab_test,
        primary=loaded.base.gguf.primary_quantization,
    )


def _served_arms(store: ArtifactStore, loaded: LoadedStudy, sessions: Sequence[str | None]) -> dict[str, str]:
    """What was tested on a server, by arm: the model with its digest, and the server's version."""
    found = {}
    for member, session in zip(loaded.members, sessions, strict=True):
        if member.config.served_b and session:
            folders = [
                output_of(store, session, *one) for one in (("convert-b", SERVED_FILE), ("import", REGISTRY_FILE))
            ]
            if folders[0] and folders[1]:
                model = Served.read(folders[0] / SERVED_FILE)
                version = Registry.read(folders[1] / REGISTRY_FILE).server_version
                found[member.arm.name] = f"{model.name} on Ollama {version}, digest {model.digest[:12]}"
    return found


def _member(store: ArtifactStore, member: PlannedMember, session: str, folder: Path) -> StudyMember | None:
    """Collect what a complete member left; None if it is not complete."""
    folders = {stage: output_of(store, session, stage, file) for stage, file in _READ.items()}
    if folders["evaluate"] is None or folders["conclude"] is None:
        return None
    folder.mkdir()
    for stage, file in _READ.items():
        source = folders[stage]
        if source is not None and (source / file).is_file():
            _link(source / file, folder / file)
    seconds = stage_seconds(store, session)
    if seconds.get("train") == 0.0 and (folder / _TRAINING_FILE).is_file():  # trained before the study
        seconds["train"] = TrainingResult.read(folder / _TRAINING_FILE).seconds
    return StudyMember(member.arm.name, member.seed, session, folder, seconds)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or one without links
        shutil.copyfile(source, target)
