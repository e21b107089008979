"""A finished session in a local store: simulated answers, judged by the real conclude, and the real results."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.reporter.builders import ENGINE, Evaluation, Scenario, write_lines
from tests.unit.reporter.builders_upstream import Folders, verification, write_folders, write_record
from tests.unit.reporter.pipeline import leaves

from so8t_evaluator.asking_until import Until, in_random_order
from so8t_evaluator.paired import by_setting
from so8t_evaluator.rows import select
from so8t_evaluator.speed import make_speed
from so8t_evaluator.stages import conclude
from so8t_evaluator.until_decided import decider
from so8t_reporter.assembly import assemble_results
from so8t_reporter.inputs import ReportSettings, load_inputs
from so8t_shared.config.model import Config
from so8t_shared.files import sha256_file
from so8t_shared.interruption import StopSignal
from so8t_shared.json_files import write_json
from so8t_shared.results.answers import Sample
from so8t_shared.results.asking import Asking
from so8t_shared.results.conversion import CONVERTED_BY, ConversionResult, GgufFile
from so8t_shared.results.evaluation import AnswerLimit
from so8t_shared.results.ladder import LADDER_FILE, LadderResult
from so8t_shared.results.registry import ImportedModel, Registry
from so8t_shared.results.sides import SIDES, Side
from so8t_shared.results.training import LabeledRow, Targets
from so8t_shared.results.verification import VERIFICATIONS
from so8t_shared.running.context import StageContext, StageFunction
from so8t_shared.running.events import Listeners
from so8t_shared.running.runner import StageRun
from so8t_shared.sessions.session import open_session
from so8t_shared.stages import stage_named
from so8t_shared.store.base import ArtifactStore
from so8t_shared.store.open import open_store

SCENARIO = Scenario(
    support=dict.fromkeys(("ALLOW", "ESCALATION", "DENY", "REFUSE"), 12),
    quantizations=("q8_0", "q4_k_m"),
    scorings=("logprob", "generate"),
)
TEXT = "契約書を外部の業者に送ってください"
"""In every Japanese row."""


@dataclass(frozen=True)
class Finished:
    """The store and the configuration of a finished session."""

    root: Path
    scenario: Scenario
    gate: tuple[dict[str, Any], ...] = ()
    """With clauses, the asking ends when they are decided."""
    ladder: bool = False

    @property
    def config(self) -> Config:
        """As in `config_file`."""
        return Config.model_validate(
            {
                "model_a": {"base_model": str(self.root / "model"), "description": "<the> base"},
                "dataset": {"paths": [str(self.root / "rows.jsonl")]},
                "checkpoint_dir": str(self.root / "store"),
                "output_base_dir": str(self.root / "results"),
                "gguf": {"quantizations": list(self.scenario.quantizations)},
                "ab_test": {
                    **{"scoring": list(self.scenario.scorings), "bootstrap_resamples": 100, "speed_samples": 4},
                    **({"until_decided": True, "gate": list(self.gate)} if self.gate else {}),
                    **({"ladder": True} if self.ladder else {}),
                },
                "session_id_format": "finished",
            }
        )

    @property
    def config_file(self) -> Path:
        """The same as a file."""
        path = self.root / "config.yaml"
        path.write_text(self.config.model_dump_json(exclude_unset=True), encoding="utf-8")  # JSON is YAML
        return path

    @property
    def store(self) -> ArtifactStore:
        """The store."""
        return open_store(self.config)

    @property
    def session_id(self) -> str:
        """The session's name."""
        return "finished"


def finish_session(
    root: Path, scenario: Scenario = SCENARIO, *gate: dict[str, Any], ladder: LadderResult | None = None
) -> Finished:
    """Run every stage by the real runner; those before conclude leave what is simulated.

    With clauses of a `gate`, the answers are those until it and the headline were decided.
    """
    finished = Finished(root, scenario, gate, ladder is not None)
    folders = _upstream(root, scenario)
    if ladder:
        write_record(folders.evaluate / LADDER_FILE, ladder)
    if gate:
        _end_early(folders, finished.config, scenario)
    works: dict[str, StageFunction] = {
        "convert-a": leaves(folders.convert_a),
        "train": leaves(folders.train),
        "convert-b": leaves(folders.convert_b),
        "import": leaves(folders.imported),
        "evaluate": leaves(folders.evaluate),
        "conclude": conclude,
        "report": _results,
    }
    store = finished.store
    session = open_session(store, finished.config)
    for name, work in works.items():
        run = StageRun(stage_named(name), session, store, listeners=Listeners("child"), stop=StopSignal())
        run.run(lambda work=work: work)
    return finished


def _upstream(root: Path, scenario: Scenario) -> Folders:
    (root / "model").mkdir(parents=True)
    (root / "model" / "config.json").write_text("{}")
    (root / "rows.jsonl").write_text("{}\n")
    evaluation = Evaluation(scenario)
    folders = write_folders(root / "upstream", scenario)
    rows, samples = evaluation.rows(), evaluation.samples()
    words = dict(zip(scenario.support, ("show", "approve", "copy", "destroy"), strict=True))
    train = [
        LabeledRow(id=hashlib.sha256(f"train {i}".encode()).hexdigest()[:16], text=f"{words[row.label]} {row.text}",
                   label=row.label, thinking={"task": "It asks for something."})
        for i, row in enumerate(rows)
    ]  # fmt: skip
    write_lines(folders.train / "splits/train.jsonl", train)
    write_lines(folders.train / "splits/validation.jsonl", [])
    write_record(folders.train / "splits/targets.json", Targets(longest_tokens=9))
    write_lines(folders.evaluate / "samples.jsonl", samples)
    first = by_setting(samples)["a", "q4_k_m", scenario.scorings[0]]
    write_lines(folders.evaluate / "control.jsonl", list(first))
    write_record(folders.evaluate / "asking.json", _asking(scenario, evaluation))
    _models(folders, scenario)
    return folders


def _asking(scenario: Scenario, evaluation: Evaluation) -> Asking:
    """With the figures of the rows that are timed: the first four, which are one of each class."""
    timed = {next(row.id for row in _asked(evaluation.rows()) if row.label == label) for label in scenario.support}
    answers = by_setting(evaluation.samples())
    return Asking(
        primary_quantization="q4_k_m", quantizations=list(scenario.quantizations), scorings=list(scenario.scorings),
        engine=ENGINE, answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=9),
        speed=[
            make_speed([s for s in answers[side, q, "generate"] if s.row_id in timed], peak_memory_bytes=5,
                       file_size_bytes=9)
            for q in scenario.quantizations for side in SIDES
        ],
    )  # fmt: skip


def _end_early(folders: Folders, config: Config, scenario: Scenario) -> None:
    """Leave the answers until everything was decided, in the order of asking."""
    splits, settings = folders.train / "splits", config.ab_test
    groups = in_random_order(select(LabeledRow.read_lines(splits / "test.jsonl"), None), settings.seed)
    until = Until(groups, decider(config, groups, splits), settings.speed_samples)
    place = {row.id: number for number, row in enumerate(until.rows)}
    samples = sorted(Sample.read_lines(folders.evaluate / "samples.jsonl"), key=lambda s: place[s.row_id])
    stopped = until.ended_at([s for s in samples if s.quantization == config.gguf.primary_quantization])
    samples = [s for s in samples if place[s.row_id] < stopped.rows]
    answers = by_setting(samples)
    asking = Asking.read(folders.evaluate / "asking.json")
    speed = [
        make_speed(answers[s.model, s.quantization, "generate"][: settings.speed_samples], peak_memory_bytes=5,
                   file_size_bytes=9)
        for s in asking.speed
    ]  # fmt: skip
    write_lines(folders.evaluate / "samples.jsonl", samples)
    write_lines(folders.evaluate / "control.jsonl", list(answers["a", "q4_k_m", scenario.scorings[0]]))
    write_record(folders.evaluate / "asking.json", asking.model_copy(update={"stopped": stopped, "speed": speed}))


def _asked(rows: list[LabeledRow]) -> list[LabeledRow]:
    return select(rows, None)


def _models(folders: Folders, scenario: Scenario) -> None:
    """Files that no engine opens, and all that names their digests."""
    models = []
    sides: list[tuple[Side, Path]] = [("a", folders.convert_a), ("b", folders.convert_b)]
    for side, folder in sides:
        files = []
        for q in scenario.quantizations:
            path = folder / f"model_{side}_{q}.gguf"
            path.write_bytes(f"GGUF {side} {q}".encode())
            sha256, size = sha256_file(path), path.stat().st_size
            files.append(
                GgufFile(file=path.name, quantization=q, size_bytes=size, sha256=sha256, tensor_types={"F32": 1})
            )
            models.append(
                ImportedModel(
                    model=side, quantization=q, name=f"{side}:{q}", stage=CONVERTED_BY[side], file=path.name,
                    sha256=sha256, size_bytes=size, modelfile=f"modelfiles/{side}.{q}.Modelfile",
                )
            )  # fmt: skip
        result = ConversionResult(files=files, seconds=1.0)
        write_record(folder / "conversion.json", result)
        write_record(folders.imported / VERIFICATIONS[side], verification(side, result))
    write_record(folders.imported / "registry.json", Registry(engine="embedded", models=models))


def _results(ctx: StageContext) -> None:
    """The report stage without pictures and pages, which take seconds."""
    inputs = load_inputs(
        evaluate=ctx.input_dir("evaluate"),
        conclude=ctx.input_dir("conclude"),
        train=ctx.input_dir("train"),
        converted={stage: ctx.input_dir(stage) for stage in CONVERTED_BY.values()},
        imported=ctx.input_dir("import"),
    )
    settings = ReportSettings.from_config(ctx.config, ctx.session_id)
    write_json(ctx.output_dir / "ab_test_results.json", assemble_results(inputs, settings))
