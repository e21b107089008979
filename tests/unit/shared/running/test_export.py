"""Results and models for people: where the layout puts them, written only where they differ."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path

import pytest
from tests.tiny_gguf import gguf_bytes
from tests.unit.shared.material import commit, key_of, listing, make_config, manifest_of
from tests.unit.shared.namespaces import run_read_only

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.config.model import Config
from so8t_shared.errors import IntegrityError, Interrupted, StorageError
from so8t_shared.models.gguf_file import read_header
from so8t_shared.results.stamp import CONFIGURATION, CREATED, SESSION
from so8t_shared.running.export import export_outputs, results_dir, shown_as
from so8t_shared.sessions.session import Session, config_digest, open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.local import LocalStore
from so8t_shared.tables import layouts

REPORT = {
    "report.md": b"# Report",
    "report.html": b"<html>",
    "ab_test_results.json": json.dumps({"session_id": "the first one", "n": 1}).encode(),
    "visualizations/metrics_comparison.png": b"png",
}


def _export(store: LocalStore, session: Session, artifact: Artifact) -> None:
    export_outputs(stage_named(artifact.stage), artifact, manifest_of(artifact), session)


def test_a_report(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """All files of the report, below ab_test_results/complete_so8t_ab_test_<session>."""
    artifact = commit(store, tmp_path / "out", REPORT, stage="report")
    _export(store, session, artifact)
    folder = tmp_path / "results" / "ab_test_results" / f"complete_so8t_ab_test_{session.session_id}"
    assert folder == results_dir(session)
    assert {name: data for name, (data, _) in listing(folder).items() if not name.endswith(".json")} == {
        name: data for name, data in REPORT.items() if not name.endswith(".json")
    }


def test_a_reused_report_speaks_for_its_session(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """ab_test_results.json names the session in whose folder it lies, also when another one made it."""
    artifact = commit(store, tmp_path / "out", REPORT, stage="report")
    for each in (session, open_session(store, session.config, new=True)):
        _export(store, each, artifact)
        results = json.loads((results_dir(each) / "ab_test_results.json").read_text())
        assert results == {"session_id": each.session_id, "n": 1}


def test_a_reused_report_names_its_session(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """Reports and explorer name the session, date and configuration in whose folder they lie, other files do not."""
    marks = f"{SESSION} {CREATED} {CONFIGURATION}".encode()
    names = ("report.md", "report.html", "explorer.html", "answers.csv")
    artifact = commit(store, tmp_path / "out", REPORT | dict.fromkeys(names, marks), stage="report")
    for each in (session, open_session(store, session.config, new=True)):
        _export(store, each, artifact)
        found = {name: (results_dir(each) / name).read_bytes() for name in names}
        filled = f"{each.session_id} {each.created} {config_digest(each.config)}".encode()
        assert found == dict.fromkeys(names[:3], filled) | {"answers.csv": marks}


def test_a_second_export_writes_nothing(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """Files that are right are not touched; a changed or missing one is put right."""
    artifact = commit(store, tmp_path / "out", REPORT, stage="report")
    _export(store, session, artifact)
    before = listing(tmp_path / "results")
    _export(store, session, artifact)
    assert listing(tmp_path / "results") == before
    (results_dir(session) / "report.md").write_text("edited")
    (results_dir(session) / "report.html").unlink()
    _export(store, session, artifact)
    assert {name: data for name, (data, _) in listing(tmp_path / "results").items()} == {
        name: data for name, (data, _) in before.items()
    }


REPORT_FOLDER = "ab_test_results/complete_so8t_ab_test_SESSION"
NAMED = "# SO8T-AB, session SESSION\n"
MODELS = "../../gguf_models/model_"
PLACES: dict[str, dict[str, str]] = {
    "session": {
        f"{REPORT_FOLDER}/models/model_b_f16.gguf": "b f16",
        f"{REPORT_FOLDER}/models/model_b_q8_0.gguf": "b q8_0",
        f"{REPORT_FOLDER}/models/tuned.f16.Modelfile": f"{NAMED}FROM ./model_b_f16.gguf\nSYSTEM",
        f"{REPORT_FOLDER}/models/tuned.q8_0.Modelfile": f"{NAMED}FROM ./model_b_q8_0.gguf\nSYSTEM",
    },
    "original": {
        "gguf_models/model_a/model_a_f16.gguf": "a f16 of SESSION",
        "gguf_models/model_a/model_a_q8_0.gguf": "a q8_0 of SESSION",
        "gguf_models/model_b/model_b_f16.gguf": "b f16 of SESSION",
        "gguf_models/model_b/model_b_q8_0.gguf": "b q8_0 of SESSION",
        "for/ollama/base.f16.Modelfile": f"{NAMED}FROM {MODELS}a/model_a_f16.gguf\nSYSTEM",
        "for/ollama/base.q8_0.Modelfile": f"{NAMED}FROM {MODELS}a/model_a_q8_0.gguf\nSYSTEM",
        "for/ollama/tuned.f16.Modelfile": f"{NAMED}FROM {MODELS}b/model_b_f16.gguf\nSYSTEM",
        "for/ollama/tuned.q8_0.Modelfile": f"{NAMED}FROM {MODELS}b/model_b_q8_0.gguf\nSYSTEM",
    },
    "report": {},
}
"""Where the layouts put files: text of a Modelfile, name of a model and the session that it names."""


def _shown(path: Path) -> str:
    if path.suffix != ".gguf":
        return path.read_text()
    header = read_header(path)
    session_id = header.text("so8t.session")
    return f"{header.text('general.name')}{f' of {session_id}' if session_id else ''}"


def _models_config(tmp_path: Path, layout: str = "session") -> Config:
    names = {"model_a_name": "base", "model_b_name": "tuned", "modelfile_dir": "for/ollama"}
    return make_config(tmp_path, output_layout=layout, ollama=names, gguf={"quantizations": ["f16", "q8_0"]})


def _commit_models(store: LocalStore, tmp_path: Path) -> list[Artifact]:
    """What both conversions and the import leave in the store."""
    files: dict[str, dict[str, bytes]] = {"import": {"registry.json": b"{}"}}
    for side, name in (("a", "base"), ("b", "tuned")):
        files[f"convert-{side}"] = {"chat.json": b"{}", "conversion.json": b"{}"}
        for quantization in ("f16", "q8_0"):
            gguf = f"model_{side}_{quantization}.gguf"
            files[f"convert-{side}"][gguf] = gguf_bytes(tmp_path, f"{side} {quantization}")
            files["import"][f"modelfiles/{name}.{quantization}.Modelfile"] = f"FROM ./{gguf}\nSYSTEM".encode()
    return [commit(store, tmp_path / stage, content, stage=stage) for stage, content in files.items()]


@pytest.mark.parametrize("layout", layouts.BY_NAME)
def test_layouts(store: LocalStore, tmp_path: Path, layout: str) -> None:
    """Which models are copied, and where; each Modelfile names its model relative to its own folder."""
    session = open_session(store, _models_config(tmp_path, layout))
    for artifact in _commit_models(store, tmp_path):
        _export(store, session, artifact)
    results = tmp_path / "results"
    found = {name: _shown(results / name) for name in (listing(results) if results.exists() else ())}

    def masked(text: str) -> str:
        return text.replace(session.session_id, "SESSION")

    assert {masked(name): masked(text) for name, text in found.items()} == PLACES[layout]


def _model_of(session: Session) -> Path:
    return results_dir(session) / "models" / "model_b_q8_0.gguf"


def test_a_copy_is_the_users(store: LocalStore, tmp_path: Path) -> None:
    """Writing to a copy, and making it writable, leaves the artifact as it was; so does deleting the artifact."""
    session = open_session(store, _models_config(tmp_path))
    converted = next(a for a in _commit_models(store, tmp_path) if a.stage == "convert-b")
    _export(store, session, converted)
    copy = _model_of(session)
    original = copy.read_bytes()
    copy.chmod(0o666)
    with copy.open("r+b") as file:
        file.write(b"XXXX")
    assert converted.inspect()[0] is not None
    _export(store, session, converted)
    assert copy.read_bytes() == original
    converted.delete()
    assert copy.read_bytes() == original


def test_a_model_takes_space_once(store: LocalStore, tmp_path: Path) -> None:
    """Several sessions with the same model share one copy, unless it was changed."""
    config = _models_config(tmp_path)
    one, two, three = (open_session(store, config, new=True) for _ in range(3))
    converted = next(a for a in _commit_models(store, tmp_path) if a.stage == "convert-b")
    _export(store, one, converted)
    _export(store, two, converted)
    assert _model_of(one).samefile(_model_of(two))
    original = _model_of(one).read_bytes()
    for changed in (one, two):
        _model_of(changed).unlink()
        _model_of(changed).write_bytes(b"x" * len(original))
    _export(store, three, converted)
    assert _model_of(three).read_bytes() == original
    assert _model_of(one).read_bytes() == b"x" * len(original)


@pytest.mark.parametrize(("layout", "files"), [("session", 4), ("original", 8)])
def test_a_second_export_copies_no_model(store: LocalStore, tmp_path: Path, layout: str, files: int) -> None:
    """Models that are right are not touched."""
    session = open_session(store, _models_config(tmp_path, layout))
    artifacts = _commit_models(store, tmp_path)
    for _ in range(2):
        for artifact in artifacts:
            _export(store, session, artifact)
        before = listing(tmp_path / "results")
    assert listing(tmp_path / "results") == before
    assert len(before) == files


def test_a_stop_ends_the_copying(store: LocalStore, tmp_path: Path) -> None:
    """A stop request ends a copy, of which nothing stays."""
    session = open_session(store, _models_config(tmp_path))
    converted = next(a for a in _commit_models(store, tmp_path) if a.stage == "convert-b")
    calls = count()

    def check() -> None:
        if next(calls) == 1:  # while the first model is copied
            raise Interrupted("stopped")

    with pytest.raises(Interrupted):
        export_outputs(stage_named("convert-b"), converted, manifest_of(converted), session, check)
    assert list((results_dir(session) / "models").iterdir()) == []


@pytest.mark.parametrize("stage", ["convert-a", "train", "convert-b", "evaluate"])
def test_other_files_are_not_exported(store: LocalStore, session: Session, tmp_path: Path, stage: str) -> None:
    """What is not for people stays in the store."""
    _export(store, session, commit(store, tmp_path / "out", REPORT, stage=stage))
    assert not (tmp_path / "results").exists()


def test_damage_is_not_exported(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """A damaged report is an IntegrityError, not a damaged copy."""
    artifact = commit(store, tmp_path / "out", REPORT, stage="report")
    path = Path(store.location, key_of(artifact, "report.md"))
    path.chmod(0o644)
    path.write_bytes(b"# Rep")
    with pytest.raises(IntegrityError):
        _export(store, session, artifact)
    assert not results_dir(session).exists()


def test_a_file_in_the_way(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """A file where the results' folder should be is named."""
    artifact = commit(store, tmp_path / "out", REPORT, stage="report")
    (tmp_path / "results").write_text("a file")
    with pytest.raises(StorageError) as caught:
        _export(store, session, artifact)
    assert str(tmp_path / "results") in caught.value.where


def test_read_only_results(store: LocalStore, session: Session, tmp_path: Path) -> None:
    """Where results cannot be written the message says so, and the store keeps them."""
    commit(store, tmp_path / "out", REPORT, stage="report")
    (tmp_path / "results").mkdir()
    printed = run_read_only(
        tmp_path / "results",
        f"""
        from tests.unit.shared.material import manifest_of
        from so8t_shared.artifacts.artifact import Artifact
        from so8t_shared.config.model import Config
        from so8t_shared.errors import StorageError
        from so8t_shared.running.export import export_outputs
        from so8t_shared.sessions.session import Session
        from so8t_shared.stages import stage_named
        from so8t_shared.store.local import LocalStore
        config = Config.model_validate_json({session.config.model_dump_json()!r})
        artifact = Artifact(LocalStore(Path({store.location!r})), "report", "f" * 64)
        try:
            export_outputs(stage_named(artifact.stage), artifact, manifest_of(artifact), Session("s", config, ""))
        except StorageError as error:
            print(error.what, str(folder) in error.where)
        """,
    )
    assert printed == "The folder cannot be written: the disk is read-only. True\n"


@pytest.mark.parametrize("outside", ["./results", "/data/results/"])
def test_a_path_is_shown_as_the_host_knows_it(session: Session, outside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container knows its results as /results; the user must be told the folder that is mounted there."""
    monkeypatch.setenv("SO8T_RESULTS_SHOWN_AS", outside)
    assert shown_as(results_dir(session), session).startswith(f"{outside.rstrip('/')}/ab_test_results/")


def test_without_a_container_the_path_is_what_it_is(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is renamed where nothing is mounted."""
    monkeypatch.delenv("SO8T_RESULTS_SHOWN_AS", raising=False)
    assert shown_as(results_dir(session), session) == str(results_dir(session))
