"""Sections and keys of a study's file: one model A, several arms, several seeds."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from so8t_shared.config.drives import HostPath
from so8t_shared.config.section import Section
from so8t_shared.config.values import HttpAddress, ServedName, unique

MODEL_A = "A"
"""Model A's name in pairs."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("use up to 40 lower-case letters, digits, '.', '_' and '-'")
    return value


Name = Annotated[str, AfterValidator(_name)]
Pair = Annotated[list[str], Field(min_length=2, max_length=2)]


class ExternalModel(Section):
    """A model that was trained elsewhere."""

    gguf: HostPath | None = Field(None, description="GGUF file; its own chat template counts.")
    ollama: ServedName | None = Field(None, description="Model on an Ollama server; its template there counts.")
    host: HttpAddress | None = Field(None, description="That server; by default ollama.host. A is asked there, too.")

    @model_validator(mode="after")
    def _is_one(self) -> ExternalModel:
        if (self.gguf is None) == (self.ollama is None):
            raise ValueError("name either a gguf file or a model on an ollama server")
        if self.host and self.gguf:
            raise ValueError("host belongs to ollama; remove it")
        return self


class Arm(Section):
    """One way to make model B."""

    name: Name = Field(description="Lower-case letters, digits, '.', '_' and '-'; part of its sessions' names.")
    description: str = Field("", description="Text for the report.")
    set: dict[str, Any] = Field(
        default={}, description="Keys that differ from the base: {training.so8t.enabled: false}."
    )
    model: ExternalModel | None = Field(None, description="A model that is tested as it is, instead of training one.")

    @model_validator(mode="after")
    def _is_one_or_other(self) -> Arm:
        if self.model and self.set:
            raise ValueError("an arm with a model is not trained; remove its set")
        return self


class Study(Section):
    """Several arms, each trained with several seeds, against one model A."""

    name: Name = Field(description="Sessions are called NAME-ARM-sSEED.")
    base: HostPath = Field(description="Configuration file, relative to this one: model A, rows, test.")
    set: dict[str, Any] = Field(
        default={}, description="Keys that differ from the base in all arms: {ab_test.scoring: logprob}."
    )
    seeds: Annotated[list[Annotated[int, Field(ge=0)]], AfterValidator(unique)] = Field(
        min_length=1, description="Values of training.seed; five or more say something about a method."
    )
    arms: list[Arm] = Field(min_length=1, description="What is compared.")
    reference: str = Field("", description="Arm that the others are compared with, besides A; by default none.")
    families: dict[str, list[Pair]] = Field(
        default={},
        description="Pairs of arms, or an arm and A, whose p-values are corrected together; by default all arms against"
        " A, and the others against the reference.",
    )

    @model_validator(mode="after")
    def _names_agree(self) -> Study:
        names = [arm.name for arm in self.arms]
        unique(names)
        faults = [] if self.reference in {"", *names} else [f"reference: there is no arm {self.reference!r}"]
        for family, pairs in self.families.items():
            for pair in pairs:
                faults += [
                    f"families.{family}: there is no arm {name!r}" for name in pair if name not in {MODEL_A, *names}
                ]
                faults += [f"families.{family}: {pair[0]!r} is paired with itself"] if pair[0] == pair[1] else []
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def pairs(self) -> dict[str, list[tuple[str, str]]]:
        """Each family's pairs; the second of a pair is what the first is compared with."""
        if self.families:
            return {name: [(one, other) for one, other in pairs] for name, pairs in self.families.items()}
        found = {"against A": [(arm.name, MODEL_A) for arm in self.arms]}
        others = [(arm.name, self.reference) for arm in self.arms if arm.name != self.reference]
        return {**found, f"against {self.reference}": others} if self.reference and others else found
