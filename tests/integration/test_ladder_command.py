"""`so8t-ab ladder` as a command: after a run, killed and resumed, and for the folder of any model."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.workspace import Workspace, kill_when, message_of

from so8t_shared.results.ladder import LadderResult

_AFTER_A_RUN = ("ladder", "-c", "config.yaml", "--rows", "8", "--rungs", "trained,merged,f16,q8_0")


def _rungs(folder: Path) -> dict[str, int]:
    """When each measured rung was written."""
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def test_a_killed_ladder_resumes(finished_copy: Workspace) -> None:
    """After a kill in its middle, done rungs are not measured again, and a third call measures nothing."""
    [session] = [path.name for path in (finished_copy.store / "sessions").iterdir() if path.name != "by-config"]
    folder = finished_copy.results / "ladders" / session
    assert kill_when(finished_copy.start(*_AFTER_A_RUN), (folder / "rungs/b/merged.json").is_file)
    before = _rungs(folder / "rungs/b")
    assert not (folder / "ladder.json").exists()
    assert {"trained", "merged"} <= before.keys()
    assert "q8_0" not in before

    done = finished_copy.cli(*_AFTER_A_RUN, "--json")
    assert done.returncode == 0, done.stderr
    result = LadderResult.model_validate_json(done.stdout)
    assert result == LadderResult.read(folder / "ladder.json")
    [ladder] = result.ladders
    assert [rung.name for rung in ladder.rungs] == ["trained", "merged", "f16", "q8_0"]
    assert (ladder.lost_at, ladder.rows) == (None, 8), ladder.sentence
    after = _rungs(folder / "rungs/b")
    assert {name: after[name] for name in before} == before
    assert {path.name for path in folder.iterdir()} == {"ladder.json", "ladder.md", "ladder.png", "rungs"}

    shown = finished_copy.cli(*_AFTER_A_RUN)
    assert (shown.returncode, _rungs(folder / "rungs/b")) == (0, after)
    assert ladder.sentence in " ".join(shown.stdout.split())
    assert "to measure" in finished_copy.cli(*_AFTER_A_RUN, "--dry-run", "--side", "a").stdout


def test_a_model_trained_elsewhere(tmp_path: Path, tiny_llama: Path, tiny_rows: Path) -> None:
    """A folder and a file of rows suffice; a damaged GGUF file is named and ends with 10 under --gate."""
    work = Workspace(tmp_path)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(tiny_rows.read_text().splitlines(keepends=True)[:8]))
    given = ("ladder", "--model", str(tiny_llama), "--rows", "rows.jsonl", "-q", "F16,Q8_0", "-o", "out")
    done = work.cli(*given, "--json")
    assert done.returncode == 0, done.stderr
    [ladder] = json.loads(done.stdout)["ladders"]
    assert (ladder["lost_at"], ladder["name"], ladder["rows"]) == (None, tiny_llama.name, 8)
    assert [rung["name"] for rung in ladder["rungs"]] == ["merged", "f16", "q8_0"]

    files = {path.stem.rpartition("-")[2]: path for path in (tmp_path / "out/gguf").glob("*.gguf")}
    files["Q8_0"].write_bytes(files["F16"].read_bytes())
    refused = work.cli(*given, "--gate")
    assert "the file says that it is F16, not Q8_0" in " ".join(message_of(refused, 10).split())


def test_what_cannot_be_asked(tmp_path: Path, tiny_llama: Path, tiny_rows: Path) -> None:
    """An unknown rung, no rows, neither a run nor a model: each ends with 2, and a server that is not there with 4."""
    work = Workspace(tmp_path)
    given = ("ladder", "--model", str(tiny_llama), "--rows", str(tiny_rows), "-q", "F16")
    assert "--rungs" in message_of(work.cli(*given, "--rungs", "q9"), 2)
    assert "--rows" in message_of(work.cli("ladder", "--model", str(tiny_llama), "-q", "F16", "--rows", "0"), 2)
    assert "--model" in message_of(work.cli("ladder"), 2)
    assert "ollama" in message_of(work.cli(*given, "--ollama", "x", "--host", "http://127.0.0.1:9"), 4)
