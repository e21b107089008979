"""Evaluators on several hosts: the answers of one engine, in order, whichever is lost meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.messages import Said
from tests.unit.engines.conftest import MANY_REQUESTS, WARM_UP, GetModel, chatml
from tests.unit.evaluator.small_evaluation import QUANTIZATIONS, make_config, make_inputs
from tests.unit.shared.material import write
from tests.unit.shared.small_service import ROOT

from so8t_engines.choice import open_engine, open_own_engine
from so8t_engines.protocol import Completion, EngineError, Options, Outcome, PromptTooLongError, Question
from so8t_evaluator.evaluating import Inputs, ask_models
from so8t_evaluator.importing import write_registry
from so8t_evaluator.scoring import CHOICES
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.attempts import Attempt
from so8t_shared.artifacts.shelves import Shelves
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError
from so8t_shared.leases.lease import acquire
from so8t_shared.results.answers import CONTROL_FILE, SAMPLES_FILE, Sample
from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session
from so8t_shared.store.local import LocalStore

KINDS = (Options(max_tokens=6, seed=7), Options(max_tokens=32, seed=7, choices=CHOICES, score=True))
QUESTIONS = [Question(chatml(text), kind) for text in MANY_REQUESTS for kind in KINDS]
VARYING = {"latency_ms", "ttft_ms", "decode_ms", "disturbed", "host", "timed", "peak_memory_bytes"}
"""What differs between two runs of the same engine on one host."""


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.fixture
def joined(cluster: Any) -> Iterator[Callable[..., Config]]:
    """Give a small evaluation's configuration on the cluster, which is left afterward."""
    import ray

    yield lambda **other: _placed(cluster, make_config(), **other)
    ray.shutdown()


def _placed(cluster: Any, config: Config, folder: Path | None = None, **other: Any) -> Config:
    ray_section = {"address": cluster.address, "evaluators": 2, **other}
    raw = config.model_dump(mode="json", exclude_unset=True)
    place = {"checkpoint_dir": str(folder)} if folder else {}
    return Config.model_validate({**raw, **place, "execution": {"kind": "ray", "ray": ray_section}})


def _what(outcomes: Sequence[Outcome]) -> list[tuple[object, ...]]:
    return [
        (o.text, o.completion_tokens, tuple(o.logprobs or ()))
        if isinstance(o, Completion)
        else ("long", o.prompt_tokens)
        for o in outcomes
    ]


def test_answers_are_those_of_one_engine(joined: Callable[..., Config], tiny: GetModel, tmp_path: Path) -> None:
    """Bit for bit and in order; a prompt that is too long is reported in its place."""
    config = joined(folder=tmp_path)
    questions = [*QUESTIONS[:20], Question(chatml("open " * 600), KINDS[0]), *QUESTIONS[20:]]
    with open_own_engine(config).load(tiny("q4_k_m"), WARM_UP) as own:
        expected = list(own.complete_many(questions))
    engine = open_engine(config, session="any")
    assert engine.speed_settings == {"threads": 1, "evaluators": 2}
    with engine.load(tiny("q4_k_m"), WARM_UP) as model:
        assert _what(list(model.complete_many(questions))) == _what(expected)
        assert _what([model.complete(*_fields(QUESTIONS[0]))]) == _what(expected[:1])
    assert isinstance(expected[20], PromptTooLongError)
    assert len({answer[0] for answer in _what(expected)}) > 5, "all rows alike: this could not fail"


def _fields(question: Question) -> tuple[str, Options]:
    return question.prompt, question.options


def test_a_lost_evaluator_is_replaced_by_the_others(
    joined: Callable[..., Config],
    tiny: GetModel,
    tmp_path: Path,
) -> None:
    """SIGKILL of one in the middle, then of the last: all answers come, in order, each the same."""
    import ray

    config = joined(folder=tmp_path)
    with open_own_engine(config).load(tiny("q8_0"), WARM_UP) as own:
        expected = _what(list(own.complete_many(QUESTIONS)))
    engine: Any = open_engine(config, session="any")
    with engine.load(tiny("q8_0"), WARM_UP) as model:
        pids = [ray.get(each.actor.pid.remote()) for each in engine.alive]
        given = []
        for number, answer in enumerate(model.complete_many(QUESTIONS)):
            given.append(answer)
            if number in {10, 30}:
                os.kill(pids.pop(), signal.SIGKILL)
        assert _what(given) == expected
        new = [ray.get(each.actor.pid.remote()) for each in engine.alive]
    assert new
    assert pids == []


def test_questions_that_kill_evaluators_end_the_stage(
    joined: Callable[..., Config],
    tiny: GetModel,
    tmp_path: Path,
    said: Said,
) -> None:
    """Not for ever: after three in a row, the error names the model."""
    import ray

    engine: Any = open_engine(joined(folder=tmp_path), session="any")
    with engine.load(tiny("q8_0"), WARM_UP) as model:
        model._hand_out = _killing(model._hand_out, engine, ray)
        with pytest.raises(EngineError) as caught:
            list(model.complete_many(QUESTIONS))
    said(caught.value)


def _killing(hand_out: Callable[..., None], engine: Any, ray: Any) -> Callable[..., None]:
    def hand_out_and_kill(*arguments: Any) -> None:
        hand_out(*arguments)
        for each in engine.alive:
            ray.kill(each.actor)

    return hand_out_and_kill


def test_an_evaluation_is_that_of_one_host(
    cluster: Any,
    joined: Callable[..., Config],
    tiny: GetModel,
    tmp_path: Path,
) -> None:
    """samples.jsonl and control.jsonl have the same lines in the same order, apart from times."""
    assert joined
    local = make_config()
    inputs = _real_inputs(local, tmp_path, tiny)
    found = {}
    for name, config in (("here", local), ("ray", _placed(cluster, local, tmp_path / "local"))):
        output = tmp_path / name
        output.mkdir()
        with Shelves(LocalStore(tmp_path / f"store-{name}"), "samples", "first") as cache:
            ask_models(config, inputs, cache, lambda *_: None, output, fingerprint="first", session="any")
        found[name] = [_lines(output / file) for file in (SAMPLES_FILE, CONTROL_FILE)]
    assert found["ray"] == found["here"]
    assert len(found["here"][0]) == 12 * 2 * 2 * 2


def _real_inputs(config: Config, folder: Path, model: GetModel) -> Inputs:
    inputs = make_inputs(config, folder)
    for side, converted in inputs.converted.items():
        for quantization in QUANTIZATIONS:
            shutil.copy(model(quantization).path, converted / f"model_{side}_{quantization}.gguf")
    return replace(inputs, registry=write_registry(config, inputs.converted, folder / "import"))


def _lines(path: Path) -> list[dict[str, Any]]:
    return [sample.model_dump(exclude=VARYING) for sample in Sample.read_lines(path)]


def test_a_model_comes_through_the_store(joined: Callable[..., Config], tiny: GetModel, tmp_path: Path) -> None:
    """Where a host does not have the file at its path, the evaluator takes it from the session's conversions."""
    config = joined(folder=tmp_path / "store")
    session = open_session(LocalStore(tmp_path / "store"), config)
    file = tiny("q8_0")
    elsewhere = replace(file, path=tmp_path / "not" / "here.gguf")
    engine = open_engine(config, session=session.session_id)
    with pytest.raises(InputError):
        engine.load(elsewhere, WARM_UP)
    _commit_conversion(LocalStore(tmp_path / "store"), session.session_id, file.path)
    with engine.load(elsewhere, WARM_UP) as model:
        assert len(_what(list(model.complete_many(QUESTIONS[:4])))) == 4


def _commit_conversion(store: LocalStore, session: str, file: Path) -> None:
    artifact = Artifact(store, "convert-a", "f" * 64)
    lease: Any = acquire(store, artifact.lease_key)
    output = write(store.local_root / "scratch", {"model_a_q8_0.gguf": file.read_bytes()})
    manifest = Attempt.begin(artifact).commit(output, {"stage": "convert-a"}, lease)  # type: ignore[arg-type]
    lease.stop()
    markers = StageMarkers(store, session, "convert-a")
    markers.complete(artifact.fingerprint, manifest.content_digest(), reused=False, started="")


def test_one_evaluator_or_a_server_shares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the engine is the host's own, and no cluster is joined."""
    import ray

    for ray_section, engine in (({"evaluators": 1}, "embedded"), ({"evaluators": 2}, "ollama")):
        raw = make_config().model_dump(mode="json", exclude_unset=True)
        raw["ab_test"]["engine"] = engine
        raw["execution"] = {"kind": "ray", "ray": ray_section}
        assert type(open_engine(Config.model_validate(raw), session="any")).__module__.startswith("so8t_engines.")
    assert not ray.is_initialized()
