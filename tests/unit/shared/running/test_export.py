"""Results for people: in the original project's places, written only where they differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.shared.material import commit, key_of, listing, make_config, manifest_of
from tests.unit.shared.namespaces import run_read_only

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.errors import IntegrityError, StorageError
from so8t_shared.running.export import export_outputs, results_dir
from so8t_shared.sessions.session import Session, open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.local import LocalStore

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


def test_modelfiles(store: LocalStore, tmp_path: Path) -> None:
    """The Modelfiles of the import stage, and nothing else of it, lie below modelfile_dir."""
    config = make_config(tmp_path, ollama={"modelfile_dir": "for/ollama"})
    session = open_session(store, config)
    files = {"modelfiles/a.f16.Modelfile": b"FROM x", "registry.json": b"{}"}
    _export(store, session, commit(store, tmp_path / "out", files, stage="import"))
    assert {n: d for n, (d, _) in listing(tmp_path / "results").items()} == {"for/ollama/a.f16.Modelfile": b"FROM x"}


@pytest.mark.parametrize("stage", ["convert-a", "train", "convert-b", "evaluate"])
def test_other_stages_export_nothing(store: LocalStore, session: Session, tmp_path: Path, stage: str) -> None:
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
