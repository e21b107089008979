"""`so8t-ab export`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from tests.messages import Said
from tests.tiny_gguf import gguf_bytes
from tests.unit.shared.cli.conftest import Cli
from tests.unit.shared.material import key_of, listing, manifest_of, spoil
from tests.unit.shared.namespaces import run_on_small_disk

from so8t_converter.gguf_diff import diff
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.config.load import load_config
from so8t_shared.leases.lease import acquire
from so8t_shared.results.registry import ImportedModel, Registry
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session
from so8t_shared.store.local import LocalStore

RECIPE = "FROM ./model_b_{}.gguf\nSYSTEM x\n"


def _complete(store: LocalStore, session_id: str, stage: str, folder: Path, files: dict[str, bytes]) -> Artifact:
    """A committed artifact that the session's marker names."""
    artifact = Artifact(store, stage, hashlib.sha256(stage.encode()).hexdigest())
    for name, data in files.items():
        (folder / stage / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / stage / name).write_bytes(data)
    lease = acquire(store, artifact.lease_key)
    manifest = Attempt.begin(artifact).commit(folder / stage, {"stage": stage}, lease)
    lease.stop()
    StageMarkers(store, session_id, stage).complete(
        artifact.fingerprint, manifest.content_digest(), reused=False, started=""
    )
    return artifact


def _imported(quantization: str, data: bytes) -> ImportedModel:
    return ImportedModel.model_validate(
        {
            "model": "b",
            "quantization": quantization,
            "name": f"tuned:{quantization}",
            "stage": "convert-b",
            "file": f"model_b_{quantization}.gguf",
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "modelfile": f"modelfiles/tuned.{quantization}.Modelfile",
            "aliases": ["tuned"] if quantization == "q8_0" else [],
        }
    )


@pytest.fixture
def session_id(store: LocalStore, config_file: Path) -> str:
    """The configuration's session, in which model B is not made yet."""
    return open_session(store, load_config(config_file)).session_id


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The GGUF files of model B; the first is larger than a small disk."""
    rows = {"f16": 250_000, "q8_0": 3}
    return {name: gguf_bytes(tmp_path_factory.mktemp("gguf"), name, rows=count) for name, count in rows.items()}


def _recipe(session_id: str, quantization: str) -> str:
    return f"# SO8T-AB, session {session_id}\n{RECIPE.format(quantization)}"


def _is_copy(path: Path, original: bytes, session_id: str) -> bool:
    """Whether the weights and all other metadata are the original's, and the session is named."""
    (original_path := path.with_suffix(".original")).write_bytes(original)
    found = diff(original_path, path)
    original_path.unlink()
    named = {key.key: key.b and key.b.value for key in found.keys if key.a is None}
    wanted = {"so8t.session": session_id, "so8t.evaluated_sha256": hashlib.sha256(original).hexdigest()}
    return (named, len(found.keys), found.tensors) == (wanted, len(wanted), [])


@pytest.fixture
def converted(store: LocalStore, session_id: str, models: dict[str, bytes], tmp_path: Path) -> Artifact:
    """Model B at two quantizations, converted and imported."""
    registry = Registry(engine="embedded", models=[_imported(q, data) for q, data in models.items()])
    files = {f"modelfiles/tuned.{q}.Modelfile": RECIPE.format(q).encode() for q in models}
    _complete(store, session_id, "import", tmp_path / "made", {"registry.json": registry.to_bytes(), **files})
    converted = {f"model_b_{quantization}.gguf": data for quantization, data in models.items()}
    return _complete(store, session_id, "convert-b", tmp_path / "made", converted)


def test_folder(
    cli: Cli,
    config_file: Path,
    converted: Artifact,
    models: dict[str, bytes],
    session_id: str,
    tmp_path: Path,
    said: Said,
) -> None:
    """By default the primary quantization of B, with its Modelfile and the commands that use them."""
    target = tmp_path / "to" / "my models"
    done = cli("export", "-c", config_file, "--to", target)
    assert (done.code, done.err) == (0, "")
    said(done.out, tested=hashlib.sha256(models["q8_0"]).hexdigest())
    assert {path.name for path in target.iterdir()} == {"model_b_q8_0.gguf", "tuned.q8_0.Modelfile"}
    assert _is_copy(target / "model_b_q8_0.gguf", models["q8_0"], session_id)
    assert (target / "tuned.q8_0.Modelfile").read_text() == _recipe(session_id, "q8_0")


def test_file(
    cli: Cli, config_file: Path, converted: Artifact, models: dict[str, bytes], session_id: str, tmp_path: Path
) -> None:
    """Under another name, of a named session and quantization; the Modelfile names the file."""
    target = tmp_path / "to" / "mine.gguf"
    done = cli("export", session_id, "-c", config_file, "--quantization", "F16", "--to", target)
    assert done.code == 0, done.err
    assert _is_copy(target, models["f16"], session_id)
    named = f"# SO8T-AB, session {session_id}\nFROM ./mine.gguf\nSYSTEM x\n"
    assert (tmp_path / "to" / "mine.Modelfile").read_text() == named
    assert len(list(target.parent.iterdir())) == 2


def test_again(
    cli: Cli, config_file: Path, converted: Artifact, models: dict[str, bytes], tmp_path: Path, said: Said
) -> None:
    """What is already there is not copied again; a missing Modelfile is."""
    target = tmp_path / "to"
    cli("export", "-c", config_file, "--to", target)
    before = listing(target)
    done = cli("export", "-c", config_file, "--to", target)
    said(done.out, tested=hashlib.sha256(models["q8_0"]).hexdigest())
    assert (done.code, listing(target)) == (0, before)
    (target / "tuned.q8_0.Modelfile").unlink()
    assert cli("export", "-c", config_file, "--to", target).code == 0
    assert {name: data for name, (data, _) in listing(target).items()} == {n: d for n, (d, _) in before.items()}


def test_dry_run(cli: Cli, config_file: Path, converted: Artifact, tmp_path: Path, said: Said) -> None:
    """It says what would be copied, and copies nothing."""
    done = cli("export", "-c", config_file, "--to", tmp_path / "to", "--dry-run")
    assert done.code == 0
    said(done.out)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("name", ["model_b_q8_0.gguf", "tuned.q8_0.Modelfile"])
def test_another_file(
    cli: Cli,
    config_file: Path,
    converted: Artifact,
    models: dict[str, bytes],
    session_id: str,
    tmp_path: Path,
    said: Said,
    name: str,
) -> None:
    """A file with other bytes stays, unless --force is given."""
    target = tmp_path / "to"
    target.mkdir()
    (target / name).write_bytes(b"GGUF mine")
    for more in ([], ["--dry-run"]):
        done = cli("export", "-c", config_file, "--to", target, *more)
        assert done.code == 2
        said(done.err)
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {name: b"GGUF mine"}
    assert cli("export", "-c", config_file, "--to", target, "--force").code == 0
    assert _is_copy(target / "model_b_q8_0.gguf", models["q8_0"], session_id)
    assert (target / "tuned.q8_0.Modelfile").read_text() == _recipe(session_id, "q8_0")


@pytest.mark.parametrize("more", [["--quantization", "q4_0"], ["20200101_000000"]])
def test_of_what(cli: Cli, config_file: Path, converted: Artifact, tmp_path: Path, said: Said, more: list[str]) -> None:
    """A quantization or session that is not there is refused with those that are."""
    done = cli("export", *more, "-c", config_file, "--to", tmp_path / "to")
    assert done.code == 2
    said(done.err)


def test_before_the_conversion(cli: Cli, config_file: Path, session_id: str, tmp_path: Path, said: Said) -> None:
    """Exit code 3 while the session has no model; 2 without a session."""
    done = cli("export", "-c", config_file, "--to", tmp_path / "to")
    assert done.code == 3
    said(done.err, session=session_id)
    assert cli("export", "-c", config_file, "--set", "training.seed=5", "--to", tmp_path / "to").code == 2


def test_damage(cli: Cli, config_file: Path, converted: Artifact, tmp_path: Path, said: Said) -> None:
    """Damage is exit code 5, and nothing is copied."""
    spoil(Path(converted.store.location, key_of(converted, "model_b_q8_0.gguf")), lambda data: data[::-1])
    done = cli("export", "-c", config_file, "--to", tmp_path / "to")
    assert done.code == 5
    said(done.err)
    assert list((tmp_path / "to").iterdir()) == []


def test_full_disk(config_file: Path, converted: Artifact, tmp_path: Path) -> None:
    """What does not fit leaves nothing behind."""
    (tmp_path / "disk").mkdir()
    printed = run_on_small_disk(
        tmp_path / "disk",
        f"""
        from so8t_shared.cli.main import main
        code = main(["export", "-c", {str(config_file)!r}, "-q", "f16", "--to", str(folder)])
        print(code, list(folder.iterdir()))
        """,
    )
    assert printed.splitlines()[-1] == "2 []"


def test_a_folder_that_cannot_be_written(
    cli: Cli, config_file: Path, converted: Artifact, tmp_path: Path, said: Said
) -> None:
    """A file where the folder should be is told."""
    (tmp_path / "to").write_bytes(b"")
    done = cli("export", "-c", config_file, "--to", tmp_path / "to" / "deep")
    assert done.code == 2
    said(done.err)


def test_the_artifact_stays(cli: Cli, config_file: Path, converted: Artifact, tmp_path: Path) -> None:
    """An exported file is the user's own: writing to it does not reach the store."""
    cli("export", "-c", config_file, "--to", tmp_path / "to")
    with (tmp_path / "to" / "model_b_q8_0.gguf").open("r+b") as file:
        file.write(b"XXXX")
    assert converted.inspect()[0] == manifest_of(converted)


def test_a_model_that_a_server_had(
    cli: Cli, config_file: Path, store: LocalStore, session_id: str, tmp_path: Path, said: Said
) -> None:
    """The store has no copy of it: exit 2, nothing is written."""
    model = _imported("q8_0", b"").model_copy(update={"name": "theirs:1", "modelfile": "", "server_digest": "d" * 64})
    registry = Registry(engine="ollama", models=[model])
    _complete(store, session_id, "import", tmp_path / "made", {"registry.json": registry.to_bytes()})
    done = cli("export", "-c", config_file, "--to", tmp_path / "to")
    assert (done.code, (tmp_path / "to").exists()) == (2, False)
    said(done.err)
