"""Writing a session's bundle."""

from __future__ import annotations

import gzip
import json
import os
import signal
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from tests.unit.bundled import Bundles
from tests.unit.shared.bundles.finished import TEXT, Finished
from tests.unit.shared.material import make_config

from so8t_shared.bundles.collecting import archived, collect, write
from so8t_shared.errors import InputError, UpstreamError
from so8t_shared.sessions.session import open_session
from so8t_shared.store.local import LocalStore

NAMES = {
    *("attestation.json", "bundle.json", "configuration.json", "public_key.pem"),
    *(f"{stage}/{name}" for stage in ("convert-a", "convert-b") for name in ("chat.json", "conversion.json")),
    *("train/data_report.json", "train/metrics.jsonl.gz", "train/training.json", "train/training_config.yaml"),
    *(f"train/splits/{name}" for name in ("test.jsonl.gz", "train.jsonl.gz", "validation.jsonl.gz", "targets.json")),
    *(
        "import/registry.json",
        "import/verify_a.json",
        "import/verify_b.json",
        "evaluate/asking.json",
        "evaluate/control.jsonl.gz",
        "evaluate/samples.jsonl.gz",
    ),
    *("conclude/evaluation.json", "report/ab_test_results.json"),
    *(
        f"{stage}/manifest.json"
        for stage in ("convert-a", "train", "convert-b", "import", "evaluate", "conclude", "report")
    ),
}


def test_any_zip_program_opens_it(bundles: Bundles) -> None:
    """The exact set of files, in order, with the first time that the format knows; Python's reader finds no fault."""
    with zipfile.ZipFile(bundles.signed) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == sorted(NAMES)
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        samples = gzip.decompress(archive.read("evaluate/samples.jsonl.gz"))
    assert {json.loads(line)["model"] for line in samples.splitlines()} == {"a", "b"}
    assert stat.S_IMODE(bundles.signed.stat().st_mode) == 0o600


def test_the_same_session_gives_the_same_bytes(finished: Finished, bundles: Bundles, tmp_path: Path) -> None:
    """Written again, also at another time and place, nothing differs."""
    write(tmp_path / "again.zip", archived(collect(finished.store, finished.session_id), texts=True))
    assert (tmp_path / "again.zip").read_bytes() == bundles.unsigned.read_bytes()


def test_no_place_of_this_host_is_in_the_configuration(finished: Finished, bundles: Bundles) -> None:
    """Folders for results and the store, servers and receivers stay here."""
    with zipfile.ZipFile(bundles.signed) as archive:
        configuration = json.loads(archive.read("configuration.json"))
    assert {"output_base_dir", "checkpoint_dir", "store", "notify", "think"}.isdisjoint(configuration)
    assert configuration["ab_test"]["bootstrap_resamples"] == 100


def test_without_texts_no_text_is_left(bundles: Bundles) -> None:
    """No row, answer or thinking is there; classes, groups and digests are."""
    with zipfile.ZipFile(bundles.without_texts) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    plain = {name: gzip.decompress(data) if name.endswith(".gz") else data for name, data in contents.items()}
    assert all(TEXT.encode() not in data and b"asks for something" not in data for data in plain.values())
    rows = [json.loads(line) for line in plain["train/splits/test.jsonl.gz"].splitlines()]
    assert {row["text"] for row in rows} == {""}
    assert {row["label"] for row in rows} == {"ALLOW", "ESCALATION", "DENY", "REFUSE"}
    assert set(json.loads(plain["words.json"])) == {row["id"] for row in rows}
    with zipfile.ZipFile(bundles.signed) as archive:
        assert TEXT.encode() in gzip.decompress(archive.read("train/splits/test.jsonl.gz"))


def test_a_session_that_has_not_finished(tmp_path: Path) -> None:
    """Its first missing stage is named, with exit code 3."""
    config = make_config(tmp_path)
    store = LocalStore(tmp_path / "store")
    session = open_session(store, config)
    with pytest.raises(UpstreamError, match="convert-a") as caught:
        collect(store, session.session_id)
    assert caught.value.exit_code == 3


def test_a_bundle_that_no_reader_would_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too large: refused before anything is written."""
    monkeypatch.setattr("so8t_shared.bundles.archive.MOST_BYTES", 100)
    with pytest.raises(InputError) as caught:
        write(tmp_path / "big.zip", {"bundle.json": bytes(200)})
    assert caught.value.exit_code == 2
    assert list(tmp_path.iterdir()) == []


_KILLED = """
import os, signal, sys
from pathlib import Path
from so8t_shared.bundles.collecting import write
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
write(Path(sys.argv[1]), {"bundle.json": bytes(1 << 20)})
"""


def test_killed_while_writing(bundles: Bundles, tmp_path: Path) -> None:
    """The old bundle stays whole; the next one takes its place and removes what the killed process left."""
    path = tmp_path / "evidence.zip"
    path.write_bytes(bundles.unsigned.read_bytes())
    done = subprocess.run([sys.executable, "-c", _KILLED, str(path)], env=os.environ, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == bundles.unsigned.read_bytes()
    assert len(list(tmp_path.iterdir())) == 2  # beside it, what was being written
    write(path, {"bundle.json": b"{}"})
    assert list(tmp_path.iterdir()) == [path]
