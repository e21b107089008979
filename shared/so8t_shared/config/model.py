"""The configuration's sections and keys: names, units, defaults and limits; the training section is in `training.py`.

The sections and keys of the original pipeline keep their names and meaning. Nothing here reads a
file; `load.py` does.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from so8t_shared.config.section import Section
from so8t_shared.config.training import Training
from so8t_shared.config.values import (
    BucketName,
    FolderName,
    Fraction,
    HostName,
    HttpAddress,
    LowerQuantization,
    ModelName,
    OneOrMany,
    Rotation,
    unique,
)
from so8t_shared.tables import engines, scorings
from so8t_shared.tables.engines import EngineName
from so8t_shared.tables.quantizations import Quantization
from so8t_shared.tables.scorings import Scoring


class So8tFormat(Section):
    """How the gates stored in a foreign SO8T checkpoint are read."""

    rotation: Rotation = Field(
        "cayley",
        description="Rotation that the stored theta was trained with; the checkpoint does not record it.",
    )


class Model(Section):
    """A Hugging Face checkpoint on disk."""

    base_model: str = Field(description="Folder of a Hugging Face checkpoint (config.json, safetensors, tokenizer).")
    description: str = Field("", description="Free text, shown in the report.")
    so8t: So8tFormat = Field(So8tFormat(), description="Only for a checkpoint that already holds SO8T gates.")


class ModelB(Section):
    """The checkpoint that retraining starts from."""

    base_model: str | None = Field(
        None,
        description="Folder of the checkpoint that is retrained, one without SO8T gates; by default"
        " model_a.base_model, which is A itself.",
    )
    description: str = Field("", description="Free text, shown in the report.")


class DataPolicy(Section):
    """What may be trained on."""

    allowed_licenses: OneOrMany[list[str]] = Field(
        default=["apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0"],
        description="Licenses (SPDX names, any case) that a source may declare.",
    )
    exclude_personal_data: bool = Field(True, description="Drop rows with phone numbers, e-mail addresses, My Number.")
    exclude_secrets: bool = Field(True, description="Drop rows that hold keys, tokens or passwords.")


class Source(Section):
    """Where a data set comes from and under which terms."""

    license: str = Field(
        description="SPDX name of the license, compared with dataset.policy.allowed_licenses. Without the section, a"
        " dataset_card.yaml beside the files must say it."
    )
    provenance: str = Field(
        description="Who made the data and how, in a sentence. Without the section, dataset_card.yaml must say it."
    )


class Dataset(Section):
    """Training rows, and how a part of them is held out."""

    paths: OneOrMany[list[str]] = Field(
        min_length=1, description="Files, folders or Hub names; JSON, JSONL, CSV, Parquet."
    )
    format: Literal["auto", "json", "jsonl", "csv", "parquet", "hub"] = Field(
        "auto", description="Format of every path; auto goes by the file's ending."
    )
    source: Source | None = Field(
        None,
        description="License and provenance of the data; a dataset_card.yaml beside the files serves as well.",
    )
    test_fraction: Fraction = Field(0.2, description="Share of the groups held out for the A/B test.")
    split_seed: int = Field(17, ge=0, description="Seed of the split by group.")
    near_duplicate_threshold: Fraction = Field(
        0.8, description="Estimated Jaccard similarity (MinHash) from which rows count as one group."
    )
    policy: DataPolicy = Field(DataPolicy(), description="What may be trained on.")


class Gguf(Section):
    """Conversion to GGUF."""

    convert_script: str | None = Field(None, description="No longer used; accepted so that old files load.")
    quantizations: OneOrMany[Annotated[list[LowerQuantization], AfterValidator(unique)]] = Field(
        default=["f16", "q8_0", "q4_k_m"],
        min_length=1,
        description="Quantizations to make and to test, in any case.",
    )
    primary: LowerQuantization | None = Field(
        None,
        description="The one that ships: the bare model name and the headline; by default the last listed.",
    )

    @model_validator(mode="after")
    def _primary_is_made(self) -> Gguf:
        if self.primary is not None and self.primary not in self.quantizations:
            raise ValueError(f"primary is {self.primary}, which is not among quantizations; add it or choose another")
        return self

    @property
    def primary_quantization(self) -> Quantization:
        """The quantization behind the bare model name."""
        return self.primary or self.quantizations[-1]


class Store(Section):
    """Where artifacts, sessions and markers lie: in checkpoint_dir, or in a bucket."""

    endpoint: HttpAddress | None = Field(
        None,
        description="Address of an S3 server such as MinIO (http://host:9000); without it, a folder is the store.",
    )
    bucket: BucketName = Field("so8t-ab", description="Bucket; it must exist.")
    region: str = Field("us-east-1", min_length=1, description="Region of the bucket; MinIO's default is us-east-1.")
    credentials_file: str | None = Field(
        None,
        description="JSON file with accessKey and secretKey, as MinIO hands them out. Keys never stand in this file.",
    )
    retry_s: float = Field(
        300.0, ge=0, description="Seconds for which a request is tried again while the server does not answer."
    )


class Ollama(Section):
    """The Ollama server, and the names under which the models are imported."""

    host: HttpAddress = Field("http://127.0.0.1:11434", description="Address of the server, for ab_test.engine ollama.")
    host_name: HostName = Field(
        None,
        description="Name shown beside timings: of the machine on which the server runs. By default read off the"
        " address; an address given here counts as none.",
    )
    retry_s: float = Field(
        120.0, ge=0, description="Seconds for which a request is tried again while the server does not answer."
    )
    model_a_name: ModelName = Field("borea-phi35-so8t-base", description="Name of model A; quantizations are tags.")
    model_b_name: ModelName = Field("borea-phi35-so8t-retrained", description="Name of model B.")
    modelfile_dir: str = Field("modelfiles", description="Folder under output_base_dir for the Modelfiles.")


class ReleaseGate(Section):
    """What `run --gate` demands of model B before it may ship."""

    require: Literal["better", "not_worse"] = Field(
        "better",
        description="At the primary quantization B must be significantly better, or shown to be worse by less than"
        " accuracy_margin.",
    )
    quantizations: Literal["all", "primary"] = Field(
        "all", description="Where B must be neither significantly worse nor inferior in recall on DENY and REFUSE."
    )
    accuracy_margin: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="How far B's accuracy may lie below A's with require: not_worse (non-inferiority).",
    )
    recall_margin: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="How far B's recall on DENY and REFUSE may lie below A's (non-inferiority).",
    )


class AbTest(Section):
    """The paired test of A against B."""

    test_data: str | None = Field(None, description="File with test rows; by default the rows that training held out.")
    max_samples: int | None = Field(
        None, ge=4, description="Rows tested per model, balanced over the classes: the accuracy is one on that mix."
    )
    engine: EngineName = Field(
        engines.ROWS[0].name, description="; ".join(f"{row.name}: {row.summary}" for row in engines.ROWS) + "."
    )
    scoring: OneOrMany[Annotated[list[Scoring], AfterValidator(unique)]] = Field(
        default=["generate", "constrained"],
        min_length=1,
        description="; ".join(f"{row.name} {row.summary}" for row in scorings.ROWS) + ". The first one decides.",
    )
    max_new_tokens: int | None = Field(
        None,
        ge=1,
        description="Tokens generated per row at most, the one that ends the answer included; by default a quarter more"
        " than the longest answer trained on, 48 at least, half of num_ctx at most.",
    )
    num_ctx: int = Field(2048, ge=64, description="Context size in tokens; a longer row is counted, never cut.")
    threads: int | None = Field(None, ge=1, description="CPU threads of the engine; by default the free cores.")
    seed: int = Field(7, ge=0, description="Seed of the bootstrap and of the engine.")
    bootstrap_resamples: int = Field(
        10_000, ge=100, description="Resamples of the paired bootstrap, which gives the interval of macro-F1."
    )
    confidence: Fraction = Field(0.95, description="Level of all intervals; 1 - confidence is the tests' alpha.")
    control: bool = Field(True, description="Also test A against A, which must show no difference.")
    gate: ReleaseGate = Field(ReleaseGate(), description="What `run --gate` demands.")

    @property
    def alpha(self) -> float:
        """Level of the tests; rounded, since 1 - 0.95 is a little more than 0.05 in floating point."""
        return round(1 - self.confidence, 12)


class Visualization(Section):
    """Pictures in the report."""

    output_dir: FolderName = Field(
        "visualizations", description="Folder of the pictures inside the report's folder; of a path, its last name."
    )
    plot_format: Literal["png", "svg", "pdf"] = Field("png", description="File format of the pictures.")
    dpi: int = Field(150, ge=30, le=1200, description="Dots per inch of the pictures.")


class Config(Section):
    """One run of the pipeline."""

    session_id_format: str = Field("%Y%m%d_%H%M%S", description="strftime pattern of a session's name.")
    output_base_dir: str = Field("results", description="Where results for people are exported.")
    checkpoint_dir: str = Field("checkpoints", description="Folder of the local store: artifacts, sessions, markers.")
    store: Store = Field(Store(), description="A bucket instead of the local store.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where training runs.")
    model_a: Model = Field(description="The model as it is.")
    model_b: ModelB | None = Field(None, description="The model to retrain; by default model A.")
    dataset: Dataset = Field(description="Rows to train on and to hold out.")
    training: Training = Field(Training(), description="How model B is made.")
    gguf: Gguf = Field(Gguf(), description="Conversion to GGUF.")
    ollama: Ollama = Field(Ollama(), description="The Ollama server, and the names of the imported models.")
    ab_test: AbTest = Field(AbTest(), description="The paired test.")
    visualization: Visualization = Field(Visualization(), description="Pictures in the report.")

    @property
    def base_of_b(self) -> Model:
        """The checkpoint that training starts from."""
        if self.model_b is None:
            return self.model_a
        given = self.model_b.model_dump(exclude_none=True)
        return Model.model_validate({"base_model": self.model_a.base_model, **given})
