"""What is reported before a run."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.shared.material import make_config, make_inputs, make_model

from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError, InputError
from so8t_shared.planning.preflight import _device, preflight
from so8t_shared.stages import STAGES
from so8t_shared.tables import functions


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A folder with a model and rows."""
    return make_inputs(tmp_path)


def test_nothing_to_say(whole: Path) -> None:
    """All is there."""
    assert preflight(make_config(whole)) == []
    assert preflight(make_config(whole, model_b={"description": "B"}), here=True) == []


def test_two_bases(whole: Path) -> None:
    """B that starts from another model is noted with both; another way to write the same folder is not."""
    make_model(whole / "other")
    same = make_config(whole, model_b={"base_model": str(whole / "other" / ".." / "model")})
    assert preflight(same) == []
    [note] = preflight(make_config(whole, model_b={"base_model": str(whole / "other")}))
    assert note.startswith("model B is not retrained from model A")
    assert str(whole / "model") in note
    assert str(whole / "other") in note


def test_a_base_of_its_own_beside_gates(whole: Path, said: Said) -> None:
    """Where A holds gates, B must start from another model: the note does not advise against it."""
    (make_model(whole / "gated") / "config.json").write_text('{"architectures": ["SO8TPhi3ForCausalLM"]}')
    gated, other = {"base_model": str(whole / "gated")}, {"base_model": str(whole / "model")}
    [note] = preflight(make_config(whole, model_a=gated, model_b=other))
    assert note.endswith("since A already has SO8T gates and cannot be retrained")
    with said.raised(InputError):
        preflight(make_config(whole, model_a=gated))


def test_a_model_that_only_looks_right(whole: Path, said: Said) -> None:
    """What conversion and training would refuse is reported before anything runs, for A and for B's own base."""
    (make_model(whole / "gemma") / "config.json").write_text('{"architectures": ["GemmaForCausalLM"]}')
    gemma = {"base_model": str(whole / "gemma")}
    with said.raised(InputError):
        preflight(make_config(whole, model_a=gemma))
    with said.raised(InputError):
        preflight(make_config(whole, model_b=gemma))


def test_a_model(whole: Path, said: Said) -> None:
    """A folder that is elsewhere is noted once, one that is no checkpoint is refused."""
    absent = {"base_model": "/no/such"}
    note = "model_a.base_model = /no/such does not exist on this host"
    assert preflight(make_config(whole, model_a=absent)) == [note]
    assert preflight(make_config(whole, model_a=absent, model_b={"description": "B"})) == [note]
    assert preflight(make_config(whole, model_a=absent, model_b=absent)) == [note, note.replace("model_a", "model_b")]
    (whole / "model" / "config.json").unlink()
    with said.raised(InputError):
        preflight(make_config(whole))


def test_only_what_runs_is_looked_at(whole: Path, said: Said) -> None:
    """Where training is reused, its rows do not matter any more."""
    (whole / "rows.jsonl").write_text('{"text": "x", "label": "MAYBE"}\n')
    with said.raised(InputError):
        preflight(make_config(whole), {"train"})
    assert preflight(make_config(whole), {stage.name for stage in STAGES} - {"train"}) == []


def test_packages_of_a_stage_are_missing(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container only one stage's are there: the others' inputs are not looked at, and a run is refused."""
    monkeypatch.setattr(functions, "missing_packages", lambda name: ["torch"] if name == "so8t_trainer" else [])
    (whole / "rows.jsonl").write_text("no rows")
    [note] = preflight(make_config(whole))
    assert "pip install 'so8t-ab[train]'" in note
    assert preflight(make_config(whole), {"convert-b"}, here=True) == []


def test_the_device(whole: Path, tmp_path: Path, said: Said) -> None:
    """cuda without a device file is a note in a plan, and ends a run; auto and a host with a GPU are fine."""
    (tmp_path / "dev").mkdir()
    config = make_config(whole, device="cuda")
    [note] = _device(config, here=False, devices=tmp_path / "dev")
    assert "train would fail here" in note
    with said.raised(ConfigError):
        _device(config, here=True, devices=tmp_path / "dev")
    assert _device(make_config(whole), here=True, devices=tmp_path / "dev") == []
    (tmp_path / "dev" / "nvidiactl").touch()
    assert _device(config, here=True, devices=tmp_path / "dev") == []


class _Ollama(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": "0.24.0"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def ollama() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Ollama)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_ollama_server(whole: Path, ollama: str) -> None:
    """One that does not answer is noted where it is needed; it may be up once it is."""

    def config(host: str, engine: str = "ollama") -> Config:
        sections: dict[str, Any] = {"ollama": {"host": host}, "ab_test": {"engine": engine}}
        return make_config(whole, **sections)

    nobody = "http://127.0.0.1:9"
    assert preflight(config(nobody)) == [
        f"no Ollama server answers at {nobody} (ollama.host); the stages import and evaluate will need it"
    ]
    assert preflight(config(ollama)) == []
    assert preflight(config(nobody, "embedded")) == []
    assert preflight(config(nobody), {"convert-a", "train"}) == []
