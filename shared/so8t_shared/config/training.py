"""Training section of the configuration: names, units, defaults and limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from so8t_shared.config.layers import ALL, Layers
from so8t_shared.config.section import Section
from so8t_shared.config.values import ClassWeights, Fraction, OneOrMany, Rotation, unique
from so8t_shared.tables.trackers import TrackerName


class Lora(Section):
    """LoRA adapter; see PEFT's LoraConfig."""

    r: int = Field(8, ge=1, le=512, description="Rank.")
    alpha: int = Field(16, ge=1, description="Scale: the update times alpha / r.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share dropped before the adapter.")
    target_modules: OneOrMany[list[str] | None] = Field(None, description="By default all in attention and MLP.")


class So8tGates(Section):
    """SO8T gates before the attention's output projection."""

    enabled: bool = Field(True, description="false trains the adapter alone.")
    rotation: Rotation = Field("exp", description="R = exp(S), or the cheaper Cayley transform of S.")
    layers: Layers = Field(ALL, description="Layers with gates, from 0: all, 4-11, or [4, 5].")


class Pet(Section):
    """Penalty on the second difference of hidden states along the sequence."""

    lambdas: tuple[float, float, float] = Field(
        (0.01, 0.05, 0.1),
        description="Weights in three phases; all 0: none.",
    )
    boundaries: tuple[Fraction, Fraction] = Field((0.2, 0.6), description="Where phases end, as shares of steps.")


Optimizer = Literal["adamw", "adamw_8bit", "paged_adamw_8bit"]
BaseMemory = Literal["auto", "full", "16", "8", "4"]


class EarlyStopping(Section):
    """End the training when validation no longer improves."""

    patience: int = Field(
        3,
        ge=1,
        description="Validations without improvement that end training; off without this section.",
    )
    metric: Literal["decision_loss", "macro_f1"] = Field("decision_loss", description="Also chooses the best step.")
    min_delta: float = Field(0.0, ge=0, description="Least change that counts.")


def _no_trackers(value: object) -> object:
    return [] if value in ("none", ["none"]) else value


class LossWeights(Section):
    """Weights of tokens in the loss; tags and the end of the answer weigh 1."""

    thinking: float = Field(1.0, ge=0, description="Of thinking's tokens; 0 trains none.")
    label: float = Field(1.0, gt=0, description="Of the label's tokens.")
    classes: Literal["equal", "balanced"] | ClassWeights = Field(
        "equal", description="Of rows by class; or weights: {DENY: 2}."
    )


class Training(Section):
    """How model B is trained from its base."""

    config: str | None = Field(None, description="YAML file for this section; keys here win.")
    use_qlora: bool = Field(False, description="Load the base in 8 bits.")
    use_full_finetuning: bool = Field(False, description="Train all weights, without an adapter.")
    base_bits: Literal["auto", 16, 8, 4] = Field(
        "auto",
        description="Bits of the base in memory; 4: NF4; auto: 8 with use_qlora or if a GPU lacks room for 16. Merging"
        " takes the checkpoint's weights.",
    )
    max_steps: int | None = Field(None, ge=0, description="Optimizer steps; 0 changes nothing (A/A control).")
    epochs: float = Field(1.0, gt=0, description="Passes over the rows, without max_steps.")
    batch_size: int = Field(8, ge=1, description="Rows per forward pass, at most.")
    gradient_accumulation_steps: int = Field(1, ge=1, description="Forward passes per optimizer step.")
    learning_rate: float = Field(2e-4, gt=0, description="Peak rate.")
    gate_learning_rate: float | None = Field(None, gt=0, description="Peak of the gates; by default learning_rate.")
    lr_scheduler: Literal["linear", "cosine", "constant"] = Field("linear", description="After the warm-up.")
    warmup_ratio: float = Field(0.05, ge=0, lt=1, description="Share of steps to the peak.")
    optimizer: Optimizer = Field(
        "adamw", description="8 bits need less memory; paged moves state to the host when needed."
    )
    adam_beta1: float = Field(0.9, ge=0, lt=1, description="Decay of the mean gradient.")
    adam_beta2: float = Field(0.95, ge=0, lt=1, description="Decay of the mean squared gradient.")
    adam_epsilon: float = Field(1e-8, gt=0, description="Smallest divisor.")
    weight_decay: float = Field(0.0, ge=0, description="Never applied to gates.")
    max_grad_norm: float = Field(1.0, gt=0, description="Largest gradient norm.")
    max_length: int = Field(1024, ge=16, description="Maximum tokens per row; longer rows are dropped.")
    max_tokens_per_pass: int | None = Field(
        None,
        ge=16,
        description="Tokens of all rows per forward pass, at most; by default what memory allows.",
    )
    gradient_checkpointing: bool | Literal["auto"] = Field(
        "auto", description="Less memory, 1.3-1.5x the time; auto: where memory needs it."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="auto: bfloat16 where the processor has it, float16 on other GPUs.",
    )
    seed: int = Field(42, ge=0, description="Of initialization, order, dropout.")
    checkpoint_every_steps: int = Field(20, ge=1, description="Optimizer steps between checkpoints.")
    checkpoint_every_minutes: float = Field(3, gt=0, description="Minutes between them, at most.")
    checkpoints_kept: int = Field(5, ge=1, description="Newest ones kept during training.")
    validate_every_steps: int | None = Field(
        None,
        ge=1,
        description="Steps between validations; by default up to ten validations.",
    )
    validation_rows: int = Field(64, ge=1, description="Rows per validation.")
    early_stopping: EarlyStopping | None = Field(
        None, description="Off without this section; {} turns it on with its defaults."
    )
    keep_best: bool | None = Field(
        None,
        description="Keep the best validation's weights; by default with early_stopping.",
    )
    processes: Literal["auto"] | Annotated[int, Field(ge=1)] = Field(
        1, description="Processes per host that share each step; auto: one per GPU. Results agree to rounding."
    )
    hosts: int = Field(1, ge=1, description="Hosts that train together; see docs/multi-gpu.md.")
    rendezvous: str | None = Field(
        None, description="host:port where several hosts meet; by default this host's name and port 29400."
    )
    shard_weights: bool = Field(
        False, description="Split weights and optimizer over the processes (FSDP2) instead of copying them."
    )
    report_to: Annotated[OneOrMany[list[TrackerName]], BeforeValidator(_no_trackers), AfterValidator(unique)] = Field(
        ["tensorboard"], description="Beside metrics.jsonl; or none."
    )
    lora: Lora = Field(Lora(), description="LoRA adapter.")
    so8t: So8tGates = Field(So8tGates(), description="SO8T gates.")
    pet: Pet = Field(Pet(), description="Smoothness penalty.")
    loss_weights: LossWeights = Field(LossWeights(), description="Weights of tokens in the loss.")

    @property
    def shares_prefixes(self) -> bool:
        """Whether a pass computes once what its prompts begin with; LoRA dropout must be drawn for each row."""
        return self.use_full_finetuning or not self.lora.dropout

    @property
    def keeps_best(self) -> bool:
        """Whether the result has the weights of the best validation."""
        return self.early_stopping is not None if self.keep_best is None else self.keep_best

    @model_validator(mode="after")
    def _one_method(self) -> Training:
        if self.use_qlora and self.use_full_finetuning:
            raise ValueError("use_qlora and use_full_finetuning are mutually exclusive; set one of them to false")
        if self.base_bits in (4, 8) and self.use_full_finetuning:
            raise ValueError("use_full_finetuning needs all bits of the base; remove base_bits")
        if self.use_qlora and self.base_bits == 16:
            raise ValueError("use_qlora loads the base in 8 bits; remove use_qlora or base_bits: 16")
        return self

    @model_validator(mode="after")
    def _together(self) -> Training:
        if self.shard_weights and (self.use_qlora or self.base_bits in (4, 8) or self.optimizer_bits == 8):
            raise ValueError(
                "shard_weights cannot split a base or an optimizer of 8 or 4 bits; set base_bits: 16 and"
                " optimizer: adamw, or remove shard_weights"
            )
        together = self.processes != 1 or self.hosts > 1
        if together and self.lora.dropout and not self.use_full_finetuning:
            raise ValueError(
                "each process draws a dropout of its own, so the result would depend on their number; set"
                " lora.dropout: 0 or processes: 1"
            )
        return self

    @property
    def base_memory(self) -> BaseMemory:
        """How the base is kept in memory: `full` if all weights are trained, else bits or `auto`."""
        if self.use_full_finetuning:
            return "full"
        bits: BaseMemory = "8" if self.use_qlora and self.base_bits == "auto" else _BITS[self.base_bits]
        return bits

    @property
    def rows_per_step(self) -> int:
        """Rows of one optimizer step."""
        return self.batch_size * self.gradient_accumulation_steps

    @property
    def weight_parts(self) -> int:
        """Parts into which weights and optimizer are split; `auto` counts as one process per host."""
        return self.hosts * (1 if self.processes == "auto" else self.processes) if self.shard_weights else 1

    @property
    def optimizer_bits(self) -> int:
        """Bits of the optimizer's state."""
        return 8 if self.optimizer.endswith("8bit") else 32


_BITS: dict[str | int, BaseMemory] = {"auto": "auto", 16: "16", 8: "8", 4: "4"}
