"""The seven stages: what each needs, which part of the configuration it reads, and its version.

This is the only list of stages; the runner, `plan`, the command line and the docs derive from it.
Raise a stage's `version` when its output changes for the same input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from so8t_shared import places, stage_options
from so8t_shared.config.model import Config
from so8t_shared.errors import ConfigError
from so8t_shared.results.conversion import CONVERTED_BY, SERVED_FILE
from so8t_shared.results.policy import POLICY_FILE
from so8t_shared.results.registry import MODELFILES, REGISTRY_FILE
from so8t_shared.results.retention import RETENTION_FILE
from so8t_shared.results.training import TENSORBOARD
from so8t_shared.results.verification import VERIFICATIONS
from so8t_shared.stage_inputs import (
    ExternalInput,
    PathInput,
    ServedInput,
    evaluate_inputs,
    model_a,
    model_b,
    training_inputs,
)
from so8t_shared.tables import resources

Fact = Callable[[Config], Any]


@dataclass(frozen=True)
class Export:
    """Files of a stage's output to copy for people."""

    prefix: str
    """Prefix of the files to copy; it is stripped from their names."""
    place: Callable[[Config, str, str], Path | None]
    """Path given the configuration, the session's name and the file's name; None if the file is not copied."""
    large: bool = False
    """Models, which a run does not download from a bucket."""


@dataclass(frozen=True)
class Shared:
    """Some of a stage's files, which depend on its external inputs and on fewer keys and stages than the others."""

    files: tuple[str, ...]
    """Prefixes of their paths."""
    reads: tuple[str, ...]
    """Dotted configuration keys that affect them."""
    upstream: tuple[str, ...] = ()
    """Upstream stages whose files affect them."""


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline."""

    name: str
    work: str
    """'module:function' of the service, which takes the stage's context and fills its output folder."""
    version: int
    summary: str
    reads: tuple[str, ...]
    """Dotted configuration keys that affect the output."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What else affects the output, computed from keys with equivalent values."""
    options: Mapping[str, Fact] = field(default_factory=dict)
    """What affects the output only where it is set: None is left out of the fingerprint, as if there were no such
    option."""
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Upstream stages, each with the prefixes of its files that this stage reads."""
    more_needs: Callable[[Config], dict[str, tuple[str, ...]]] = lambda config: {}
    """What only some configurations need besides; see `under`."""
    inputs: Callable[[Config], list[ExternalInput]] = lambda config: []
    """Models and data outside the store; only their bytes matter, not their location."""
    starts: Callable[[Config], tuple[str, ...]] = lambda config: ()
    """Packages of other services whose code it runs, in processes of their own, under this configuration."""
    shared: Shared | None = None
    """Files that one artifact of the stage may take over from another."""
    exports: tuple[Export, ...] = ()
    """Files copied for people."""
    check: str = ""
    """'module:function' of the service: a quick input check before a run; takes the configuration, returns notes."""
    fits: str = ""
    """'module:function' of the service: takes the configuration, raises if a run on this host would lack memory."""
    writes: str = ""
    """'module:function' of the service: takes the configuration, returns the bytes of large files, by what they are."""

    def under(self, config: Config) -> Stage:
        """The stage with all that it needs under this configuration; the same if asked again."""
        more = self.more_needs(config)
        united = {name: tuple(dict.fromkeys([*self.needs.get(name, ()), *files])) for name, files in more.items()}
        return replace(self, needs={**self.needs, **united}) if more else self

    def paths(self, config: Config) -> list[PathInput]:
        """Its inputs that are files or folders."""
        return [item for item in self.inputs(config) if not isinstance(item, ServedInput)]

    @property
    def module(self) -> str:
        """Package of the service."""
        return self.work.partition(":")[0].rpartition(".")[0]

    def modules(self, config: Config) -> tuple[str, ...]:
        """Packages that it needs under this configuration."""
        return (self.module, *self.starts(config))

    @property
    def resources(self) -> resources.Row:
        """What it needs of the host that runs it."""
        return resources.BY_STAGE[self.name]


_TRAINING_KEYS = tuple(
    f"training.{key}"
    for key in (
        *("max_steps", "epochs", "learning_rate", "gate_learning_rate", "lr_scheduler", "warmup_ratio"),
        *("adam_beta1", "adam_beta2", "adam_epsilon", "weight_decay", "max_grad_norm"),
        *("max_length", "dtype", "seed", "lora", "so8t", "pet", "loss_weights"),
        *("validate_every_steps", "validation_rows", "early_stopping", "keep_best"),
    )
)
_TRAINING_FACTS: dict[str, Fact] = {
    "base memory": lambda config: config.training.base_memory,
    "rows per step": lambda config: config.training.rows_per_step,
    "optimizer bits": lambda config: config.training.optimizer_bits,
}
"""A step's result depends on its rows, not on their passes: batch_size x gradient_accumulation_steps, but neither of
the two alone, max_tokens_per_pass nor gradient_checkpointing. So a run that ended for lack of memory resumes after
these change. The bits of base and optimizer do change results; paging does not."""
_DATASET_KEYS = tuple(
    f"dataset.{key}"
    for key in (
        *("format", "encoding", "columns", "label_words", "test_fraction", "validation_fraction"),
        *("split_seed", "near_duplicate_threshold", "policy"),
        *("source.license", "source.provenance", "source.license_notes", "source.robots"),
    )
)
_PREPARED_ROWS = Shared(
    files=("splits/", "data_report.json"),
    reads=(
        *_DATASET_KEYS,
        *("dataset.paths", "dataset.source.license_file", "ab_test.test_data", "training.max_length"),
    ),
)
"""The report names the paths; rows that are too long for training are left out."""
_ASKING_KEYS = tuple(
    f"ab_test.{key}"
    for key in (
        "max_samples",
        "engine",
        "scoring",
        "max_new_tokens",
        "num_ctx",
        "seed",
        "control",
        "speed_samples",
        "until_decided",
        "keep_answers",
    )
)


_CONCLUDING_KEYS = tuple(
    f"ab_test.{key}"
    for key in (
        *("seed", "bootstrap_resamples", "confidence", "gate", "test", "prevalence", "costs"),
        *("minimal_difference", "assumed_disagreement"),
    )
)


_GGUF_KEYS = ("gguf.quantizations", "gguf.primary")
_GGUF_AND_CHAT = ("chat.json", "model_")


def _of_both(*prefixes: str) -> dict[str, tuple[str, ...]]:
    """Needs on both conversions."""
    return dict.fromkeys(CONVERTED_BY.values(), prefixes)


_VERIFIED = Shared(tuple(VERIFICATIONS.values()), ("gguf.verify",), (CONVERTED_BY["a"],))
"""Model A is in many sessions. B's is taken over only by those with the same B, which the stage checks."""


STAGES: tuple[Stage, ...] = (
    Stage(
        "convert-a",
        "so8t_converter.stages:convert_a",
        5,
        "model A to GGUF",
        reads=("gguf.quantizations", "model_a.so8t"),
        more_needs=stage_options.prompts_a,
        inputs=model_a,
        exports=(Export("", places.model_file, large=True),),
        check="so8t_converter.check:check_model_a",
        writes="so8t_converter.file_sizes:sizes_a",
    ),
    Stage(
        "train",
        "so8t_trainer.stages:train",
        9,
        "retrain with SO8T gates",
        reads=(*_TRAINING_KEYS, *_DATASET_KEYS),
        facts=_TRAINING_FACTS,
        inputs=training_inputs,
        shared=_PREPARED_ROWS,
        check="so8t_trainer.check:check_inputs",
        fits="so8t_trainer.planned:demand_memory",
        writes="so8t_trainer.written:bytes_written",
    ),
    Stage(
        "convert-b",
        "so8t_converter.stages:convert_b",
        6,
        "model B to GGUF",
        reads=("gguf.quantizations",),
        options={"more files": stage_options.more_files},
        needs={"train": ("merged/", "training_config.yaml")},
        more_needs=stage_options.prompts_b,
        inputs=model_b,
        exports=(Export("", places.model_file, large=True),),
        check="so8t_converter.check:check_model_b",
        writes="so8t_converter.file_sizes:sizes_b",
    ),
    Stage(
        "import",
        "so8t_evaluator.stages:import_models",
        3,
        "register both models with the engine",
        reads=("ollama.model_a_name", "ollama.model_b_name", *_GGUF_KEYS, "ab_test.engine", "ab_test.num_ctx"),
        needs={**_of_both(*_GGUF_AND_CHAT), "train": ("splits/targets.json",)},
        more_needs=stage_options.import_needs,
        options={"gguf.verify": stage_options.verifies_files},
        shared=_VERIFIED,
        exports=(Export(MODELFILES, places.modelfile),),
    ),
    Stage(
        "evaluate",
        "so8t_evaluator.stages:evaluate",
        12,
        "ask both models",
        reads=(*_ASKING_KEYS, *_GGUF_KEYS),
        facts={"what ends the asking": stage_options.what_ends_the_asking},
        options={
            "validation rows": stage_options.asks_validation_rows,
            "neutral prompts": stage_options.retention_rows,
            "ladder": stage_options.ladder,
            "alternatives": stage_options.alternatives,
        },
        needs={"import": (REGISTRY_FILE, MODELFILES), "train": ("splits/",), **_of_both(*_GGUF_AND_CHAT)},
        more_needs=stage_options.evaluate_needs,
        inputs=evaluate_inputs,
        starts=stage_options.ladder_services,
        check="so8t_evaluator.retention.check:check_rows",
    ),
    Stage(
        "conclude",
        "so8t_evaluator.stages:conclude",
        6,
        "compare the answers, apply the gate",
        reads=_CONCLUDING_KEYS,
        options={
            "ab_test.policy": stage_options.policy_targets,
            **{f"ab_test.retention.{key}": stage_options.of_retention(key) for key in ("margin", "required")},
        },
        needs={"evaluate": ("",), "train": ("splits/",)},
        exports=(Export(POLICY_FILE, places.policy_file),),
    ),
    Stage(
        "report",
        "so8t_reporter.stages:report",
        14,
        "charts and reports",
        reads=(
            *("visualization", "model_a.description", "model_b.description"),
            *("ollama.model_a_name", "ollama.model_b_name", "ollama.modelfile_dir", "output_layout"),
        ),
        needs={
            "evaluate": ("samples.jsonl", RETENTION_FILE),
            "conclude": ("",),
            "import": tuple(VERIFICATIONS.values()),
            "train": (
                "training.json",
                "metrics.jsonl",
                "data_report.json",
                "training_config.yaml",
                "splits/test.jsonl",
                TENSORBOARD,
            ),
            **_of_both("conversion.json", "chat.json", SERVED_FILE),
        },
        more_needs=stage_options.ladder_report,
        exports=(Export("", places.report_file),),
    ),
)

BY_NAME: dict[str, Stage] = {stage.name: stage for stage in STAGES}


def under(config: Config, stages: Iterable[Stage] = STAGES) -> list[Stage]:
    """Each of the stages under this configuration, after those that it needs, otherwise in their order."""
    left = [stage.under(config) for stage in stages]
    ordered: list[Stage] = []
    while left:
        names = {stage.name for stage in left}
        ready = next(stage for stage in left if names.isdisjoint(stage.needs))
        left.remove(ready)
        ordered.append(ready)
    return ordered


def stage_named(name: str) -> Stage:
    """The stage with that name.

    Raises:
        ConfigError: there is no such stage.
    """
    if name not in BY_NAME:
        raise ConfigError(
            f"There is no stage named {name!r}.",
            where="stage name",
            remedy=f"use one of {', '.join(BY_NAME)}",
        )
    return BY_NAME[name]
