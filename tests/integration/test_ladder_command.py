"""`so8t-ab ladder` as a command: after a run, killed and resumed, and for the folder of any model."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.workspace import Workspace, kill_when, message_of, wait_for_children
from tests.tiny_ladder import rewritten

from so8t_shared.results.ladder import LadderResult, RungRecord


def _rungs(folder: Path) -> dict[str, int]:
    """When each measured rung was written."""
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.json")}


def test_a_killed_ladder_of_a_model_trained_elsewhere(tmp_path: Path, tiny_llama: Path, tiny_rows: Path) -> None:
    """A folder and rows suffice; a kill costs no done rung; a damaged file is named and ends with 10 under --gate."""
    work, measured = Workspace(tmp_path), tmp_path / "out/rungs/model"
    (tmp_path / "rows.jsonl").write_text("".join(tiny_rows.read_text().splitlines(keepends=True)[:8]))
    given = ("ladder", "--model", str(tiny_llama), "--rows", "rows.jsonl", "-q", "F16,Q8_0", "-o", "out")
    assert kill_when(work.start(*given), (measured / "rounded-8.json").is_file)
    before = _rungs(measured)
    assert (before.keys() & {"merged", "q8_0"}, (tmp_path / "out/ladder.json").exists()) == ({"merged"}, False)

    done = work.cli(*given, "--json")
    assert done.returncode == 0, done.stderr
    result = LadderResult.model_validate_json(done.stdout)
    assert result == LadderResult.read(tmp_path / "out/ladder.json")
    [ladder] = result.ladders
    assert (ladder.lost_at, ladder.name, ladder.rows) == (None, tiny_llama.name, 8), ladder.sentence
    assert [rung.name for rung in ladder.rungs] == ["merged", "f16", "q8_0"]
    after = _rungs(measured)
    assert {name: after[name] for name in before} == before
    assert {path.name for path in (tmp_path / "out").glob("ladder*")} == {"ladder.json", "ladder.md", "ladder.png"}

    files = {path.stem.rpartition("-")[2]: path for path in (tmp_path / "out/gguf").glob("*.gguf")}
    files["Q8_0"].write_bytes(files["F16"].read_bytes())
    refused = work.cli(*given, "--gate")
    assert "the file says that it is F16, not Q8_0" in " ".join(message_of(refused, 10).split())
    assert {name for name, written in _rungs(measured).items() if written != after[name]} == {"q8_0"}


def test_a_file_made_elsewhere(tmp_path: Path, tiny_llama: Path, tiny_rows: Path) -> None:
    """It is measured instead of a conversion of ours, and named if it lost something; its header names its type."""
    work = Workspace(tmp_path)
    assert work.cli("convert", str(tiny_llama), "-o", "made", "-q", "Q8_0").returncode == 0
    [made] = (tmp_path / "made").glob("*.gguf")
    theirs = rewritten(made, tmp_path / "theirs.gguf", {"llama.rope.freq_base": 3.0})
    given = ("ladder", "--model", str(tiny_llama), "--rows", str(tiny_rows), "-q", "F16", "-o", "out")
    done = work.cli(*given, "--gguf", str(theirs), "--json")
    assert done.returncode == 0, done.stderr
    [ladder] = LadderResult.model_validate_json(done.stdout).ladders
    assert [rung.name for rung in ladder.rungs] == ["merged", "f16", "q8_0"]
    assert ladder.lost_at == "q8_0", ladder.sentence
    assert not list((tmp_path / "out/gguf").glob("*Q8_0*"))
    assert "Q8_0" in message_of(work.cli(*given, "--gguf", str(theirs), "--gguf", str(made)), 2)
    assert "--gguf" in message_of(work.cli("ladder", "-c", "config.yaml", "--gguf", str(theirs)), 2)


def test_after_a_run(finished_copy: Workspace) -> None:
    """Both models of a session, each against its own checkpoint, without training or converting anything."""
    before = finished_copy.manifests()
    done = finished_copy.cli(
        "ladder", "-c", "config.yaml", "--rows", "8", "--rungs", "merged,q8_0", "--side", "both", "--json"
    )
    assert done.returncode == 0, done.stderr
    found = [(each["side"], each["rows"], each["lost_at"]) for each in json.loads(done.stdout)["ladders"]]
    assert found == [("a", 8, None), ("b", 8, None)]
    assert finished_copy.manifests() == before


def test_a_run_with_a_ladder(finished_copy: Workspace) -> None:
    """Models are used again; a kill keeps the done rungs; the report says what was lost, or not."""
    work = finished_copy
    work.edit(ab_test={"ladder": True})

    def done() -> dict[str, float]:
        found = [RungRecord.read(path) for path in work.store.rglob("ladder/rungs/b/*.json")]
        return {record.rung: record.seconds for record in found}

    assert kill_when(work.start(), lambda: "merged" in done())
    wait_for_children(work)
    before = done()
    work.run()
    counts = {path.parent.parent.name for path in work.store.glob("artifacts/*/*/manifest.json")}
    made = {stage: len(list(work.store.glob(f"artifacts/{stage}/*/manifest.json"))) for stage in counts}
    assert {stage for stage, count in made.items() if count > 1} == {"evaluate", "conclude", "report"}

    (found,) = work.results.glob("ab_test_results/*/ladder.json")
    (ladder,) = LadderResult.read(found).ladders
    assert (ladder.side, ladder.lost_at) == ("b", None), ladder.sentence
    assert [rung.name for rung in ladder.rungs] == ["trained", "merged", "f16", "q8_0", "q4_k_m"]
    assert {rung.name: rung.seconds for rung in ladder.rungs if rung.name in before}.items() <= before.items()
    assert {"trained", "merged"} <= before.keys()
    assert ladder.sentence.split(";")[0] in (found.parent / "report.html").read_text(encoding="utf-8")
    assert not list(work.store.rglob("ladder/rungs"))


def _files(folder: Path) -> dict[str, int]:
    """Every file and folder but the store's cache, and when it was changed."""
    found = {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*")}
    return {str(path): changed for path, changed in found.items() if ".local" not in path.parts}


def test_a_dry_run_writes_nothing(finished_copy: Workspace, tiny_llama: Path, tiny_rows: Path) -> None:
    """Neither of a session's model nor of a folder does anything lie there that was not there before."""
    before = _files(finished_copy.root)
    of_session = ("-c", "config.yaml", "--side", "both", "-o", "new")
    of_folder = ("--model", str(tiny_llama), "--rows", str(tiny_rows), "-q", "F16", "-o", "other")
    for given in (of_session, of_folder):
        done = finished_copy.cli("ladder", *given, "--dry-run")
        assert done.returncode == 0, done.stderr
        assert "about" in done.stdout
    assert _files(finished_copy.root) == before


def test_what_cannot_be_asked(tmp_path: Path, tiny_llama: Path, tiny_rows: Path) -> None:
    """An unknown rung, no rows, neither a run nor a model: each ends with 2, and a server that is not there with 4."""
    work = Workspace(tmp_path)
    given = ("ladder", "--model", str(tiny_llama), "--rows", str(tiny_rows), "-q", "F16")
    assert "--rungs" in message_of(work.cli(*given, "--rungs", "q9"), 2)
    assert "--rows" in message_of(work.cli("ladder", "--model", str(tiny_llama), "-q", "F16", "--rows", "0"), 2)
    assert "--model" in message_of(work.cli("ladder"), 2)
    assert "ollama" in message_of(work.cli(*given, "--ollama", "x", "--host", "http://127.0.0.1:9"), 4)
