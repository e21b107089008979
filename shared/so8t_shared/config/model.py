"""Sections and keys of the configuration: names, units, defaults and limits; the training section is in `training.py`.

The original pipeline's sections and keys keep their names and meaning. Only `load.py` reads files.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from so8t_shared.config.columns import ColumnName, Encoding, LabelWords
from so8t_shared.config.costs import DEFAULT_COSTS, Costs, Prevalence
from so8t_shared.config.drives import HostPath
from so8t_shared.config.execution import Execution
from so8t_shared.config.gate import DEFAULT_GATE, Clause, Gate, named_once, until_decided_faults
from so8t_shared.config.gguf import Gguf
from so8t_shared.config.models import Model, ModelB
from so8t_shared.config.notify import Notify
from so8t_shared.config.policy import PolicyTargets, policy_faults
from so8t_shared.config.retention import Retention, section_of_rows
from so8t_shared.config.section import Section
from so8t_shared.config.think import Think
from so8t_shared.config.training import Training
from so8t_shared.config.values import (
    BucketName,
    FolderName,
    Fraction,
    HostName,
    HttpAddress,
    ModelName,
    OneOrMany,
    unique,
)
from so8t_shared.tables import engines, layouts, scorings
from so8t_shared.tables.engines import EngineName
from so8t_shared.tables.layouts import LayoutName
from so8t_shared.tables.scorings import Scoring


class DataPolicy(Section):
    """Which data may be used for training."""

    allowed_licenses: OneOrMany[list[str]] = Field(
        default=[
            *("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0"),
            *("odc-by-1.0", "other"),
        ],
        description="Permitted licenses (SPDX).",
    )
    exclude_personal_data: bool = Field(True, description="Drop rows with phone numbers, e-mail addresses, My Number.")
    exclude_secrets: bool = Field(True, description="Drop rows with keys, tokens or passwords.")


class Source(Section):
    """Origin and license of a data set."""

    license: str = Field(description="SPDX name. A dataset_card.yaml beside the files can replace this section.")
    provenance: str = Field(description="Who made it, how.")
    license_file: HostPath | None = Field(None, description="File with the terms; license other needs it.")
    license_notes: str = Field("", description="The owner's other wishes.")
    robots: str = Field("", description="What robots.txt said, for collected data.")


class Dataset(Section):
    """Training rows, and the split that holds some of them out."""

    paths: OneOrMany[list[HostPath]] = Field(min_length=1, description="Files, folders or Hub names.")
    format: Literal["auto", "json", "jsonl", "csv", "tsv", "parquet", "hub"] = Field(
        "auto", description="auto goes by the extension."
    )
    encoding: Encoding = Field("auto", description="Of text files, such as cp932; auto never guesses between two.")
    columns: dict[ColumnName, str] = Field(default={}, description="Names of fields: {text: prompt_ja, label: class}.")
    label_words: LabelWords = Field(default={}, description="More words for classes: {danger: REFUSE}.")
    source: Source | None = Field(
        None,
        description="License and provenance of the data; a dataset_card.yaml next to the files works too.",
    )
    test_fraction: Fraction = Field(0.2, description="Share of groups to test on.")
    validation_fraction: float = Field(
        0.1,
        ge=0,
        lt=1,
        description="Share of training groups to validate on, unless rows are marked; 0: none.",
    )
    split_seed: int = Field(17, ge=0, description="Seed of the split.")
    near_duplicate_threshold: Fraction = Field(0.8, description="Jaccard similarity (MinHash) that makes rows a group.")
    policy: DataPolicy = Field(DataPolicy(), description="Which data may be used for training.")


class Store(Section):
    """Where artifacts, sessions and markers are stored: in checkpoint_dir, or in a bucket."""

    endpoint: HttpAddress | None = Field(
        None,
        description="S3 server; by default checkpoint_dir is the store.",
    )
    bucket: BucketName = Field("so8t-ab", description="It must exist.")
    region: str = Field("us-east-1", min_length=1, description="The bucket's region.")
    credentials_file: HostPath | None = Field(
        None,
        description="JSON file with accessKey and secretKey.",
    )
    retry_s: float = Field(300.0, ge=0, description="Seconds to retry a silent server.")


class Ollama(Section):
    """The Ollama server, and the names under which the models are imported."""

    host: HttpAddress = Field("http://127.0.0.1:11434", description="The server.")
    hosts: list[HttpAddress] = Field(
        default=[],
        description="More servers of its version and machine, to share the rows.",
    )
    host_name: HostName = Field(
        None,
        description="Name beside timings; by default from the address.",
    )
    retry_s: float = Field(120.0, ge=0, description="Seconds to retry a silent server.")
    model_a_name: ModelName = Field("borea-phi35-so8t-base", description="Model A; quantizations are tags.")
    model_b_name: ModelName = Field("borea-phi35-so8t-retrained", description="Model B.")
    modelfile_dir: HostPath = Field("modelfiles", description="Where output_layout original puts Modelfiles.")


LEAST_CONTEXT = 2048
"""Context size in tokens, unless the rows need more or the configuration says another."""


class AbTest(Section):
    """The paired test of A against B."""

    test_data: HostPath | None = Field(None, description="Test rows; by default held out.")
    max_samples: int | None = Field(None, ge=4, description="Test rows at most, balanced across classes.")
    engine: EngineName = Field(
        engines.ROWS[0].name, description="; ".join(f"{row.name}: {row.summary}" for row in engines.ROWS) + "."
    )
    scoring: OneOrMany[Annotated[list[Scoring], AfterValidator(unique)]] = Field(
        default=["logprob", "generate"],
        min_length=1,
        description="; ".join(f"{row.name} {row.summary}" for row in scorings.ROWS) + ". The first one decides.",
    )
    max_new_tokens: int | None = Field(
        None,
        ge=1,
        description="Tokens per answer; by default 1.25 times the longest trained on, at least 48, at most half a given"
        " num_ctx.",
    )
    num_ctx: int | None = Field(
        None,
        ge=64,
        description="Tokens of context; by default what the rows need, at least 2048. Rows are never truncated.",
    )
    threads: int | None = Field(None, ge=1, description="CPU threads; by default all free cores.")
    seed: int = Field(7, ge=0, description="Seed of bootstrap and engine.")
    bootstrap_resamples: int = Field(10_000, ge=100, description="For macro-F1.")
    confidence: Fraction = Field(0.95, description="Level of intervals; 1 minus the tests' alpha.")
    control: bool = Field(True, description="Ask A again; answers must be the same.")
    until_decided: bool = Field(
        False,
        description="Stop asking once headline and gate are decided.",
    )
    speed_samples: int = Field(20, ge=1, description="Rows per quantization to time.")
    keep_answers: bool = Field(
        True,
        description="Keep answers, without thinking, personal data, secrets.",
    )
    test: Literal["exact", "mid_p"] = Field(
        "exact", description="mid_p finds more, but keeps its level only on average."
    )
    minimal_difference: Fraction = Field(
        0.05,
        description="Difference in accuracy that matters; plan says whether it can be found.",
    )
    assumed_disagreement: Fraction = Field(0.2, description="For plan: share of rows that one model alone gets right.")
    prevalence: Prevalence = Field(None, description="Class weights where B will run, for more figures.")
    costs: Costs = Field(
        DEFAULT_COSTS,
        description="Cost of an answer by the row's class; 1 is a human's look at a harmless request. Unread costs as"
        " much as ESCALATION.",
    )
    gate: Gate = Field(list(DEFAULT_GATE), description="Clauses that B must pass.")
    policy: PolicyTargets | None = Field(None, description="Fit /think's thresholds on validation rows, with logprob.")
    retention: Annotated[Retention | None, BeforeValidator(section_of_rows)] = Field(
        None, description="Measure what B forgot on neutral prompts."
    )

    ladder: bool = Field(False, description="Climb B's [ladder](ladder.md) for the report.")

    @model_validator(mode="after")
    def _fits_scoring_and_gate(self) -> AbTest:
        open_ended = until_decided_faults(self.gate, self.scoring) if self.until_decided else []
        faults = [f"until_decided could never end the asking: {'; '.join(open_ended)}"] if open_ended else []
        faults += policy_faults(self.policy, self.scoring)
        if faults:
            raise ValueError("; ".join(faults))
        named_once(self.clauses)
        return self

    @property
    def clauses(self) -> list[Clause]:
        """The clauses of the gate, with what other sections add."""
        return [*self.gate, *([self.retention.clause] if self.retention else [])]

    @property
    def context(self) -> int:
        """Context size in tokens where nothing is known about the rows."""
        return self.num_ctx or LEAST_CONTEXT

    @property
    def alpha(self) -> float:
        """Significance level of the tests; rounded, since 1 - 0.95 exceeds 0.05 in floating point."""
        return round(1 - self.confidence, 12)


class Visualization(Section):
    """Charts in the report."""

    output_dir: FolderName = Field(
        "visualizations",
        description="Folder of charts, in the report's.",
    )
    plot_format: Literal["png", "svg", "pdf"] = Field("png", description="Format of charts.")
    dpi: int = Field(150, ge=30, le=1200, description="Dots per inch.")


class Config(Section):
    """One run of the pipeline."""

    session_id_format: str = Field("%Y%m%d_%H%M%S", description="Pattern of session names (strftime).")
    output_base_dir: HostPath = Field("results", description="For reports and models.")
    output_layout: LayoutName = Field(
        layouts.ROWS[0].name,
        description="Models to copy there. " + "; ".join(f"{row.name}: {row.summary}" for row in layouts.ROWS) + ".",
    )
    checkpoint_dir: HostPath = Field("checkpoints", description="Folder of the local store.")
    inputs_root: str | None = Field(
        None,
        description="Folder in which D:/x is x, or D/x if it has D; also SO8T_INPUTS_ROOT.",
    )
    store: Store = Field(Store(), description="A bucket instead of the local store.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="For training; cpu also keeps the embedded engine off GPUs."
    )
    model_a: Model = Field(description="The unchanged model.")
    model_b: ModelB | None = Field(None, description="The model to retrain; by default model A.")
    dataset: Dataset = Field(description="Rows to train on and to hold out for the test.")
    training: Training = Field(Training(), description="How model B is made.")
    gguf: Gguf = Field(Gguf(), description="Conversion to GGUF.")
    ollama: Ollama = Field(Ollama(), description="The Ollama server, and the names of the imported models.")
    ab_test: AbTest = Field(AbTest(), description="The paired test.")
    visualization: Visualization = Field(Visualization(), description="Charts in the report.")
    notify: Notify = Field(Notify(), description="Notifications when something ends.")
    think: Think = Field(Think(), description="The /think service.")
    execution: Execution = Field(Execution(), description="Where stages run; changes no result.")

    @model_validator(mode="after")
    def _external_b_can_be_tested(self) -> Config:
        engine, taken = engines.BY_NAME[self.ab_test.engine], self.imported_names()
        faults = self.model_b.faults(self.gguf.quantizations, engine, taken) if self.model_b else []
        if self.external_b and self.gguf.alternatives:
            faults.append(f"gguf.alternatives are files of a model B that is trained here, not {self.external_b}")
        if self.served_b and self.ab_test.retention:
            faults.append("ab_test.retention scores GGUF files, and model_b.ollama has none here; remove one")
        if faults:
            raise ValueError("; ".join(faults))
        if self.external_b and self.ab_test.ladder:
            raise ValueError(
                f"ab_test.ladder climbs a model B that is trained here, not {self.external_b};"
                " leave it out, and use so8t-ab ladder --model"
            )
        return self

    @property
    def external_b(self) -> str:
        """Key of a model B that is not trained here, but tested as it is; empty if it is trained."""
        return self.model_b.external if self.model_b else ""

    @property
    def gguf_b(self) -> str | None:
        """GGUF file of an external model B."""
        return self.model_b.gguf if self.model_b else None

    @property
    def served_b(self) -> str | None:
        """Name, with tag, of a model B that the Ollama server has."""
        return self.model_b.ollama if self.model_b else None

    @property
    def name_b(self) -> str:
        """Model B's name for people."""
        return self.served_b or self.ollama.model_b_name

    def imported_names(self) -> set[str]:
        """Names, with tags, under which models are put on an Ollama server."""
        names = [self.ollama.model_a_name, *([] if self.served_b else [self.ollama.model_b_name])]
        return {f"{name}:{tag}" for name in names for tag in (*self.gguf.quantizations, "latest")}

    @property
    def test_data(self) -> str | None:
        """File or folder of test rows; None if they are held out of the data set, as when both are the same."""
        return None if self.ab_test.test_data in self.dataset.paths else self.ab_test.test_data

    @property
    def base_of_b(self) -> Model:
        """The checkpoint that training starts from; for an external B, the one whose tokenizer counts the rows."""
        if self.model_b is None:
            return self.model_a
        given = self.model_b.model_dump(exclude_none=True, exclude={"gguf", "ollama"})
        return Model.model_validate({"base_model": self.model_a.base_model, **given})
