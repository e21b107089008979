"""What `so8t-ab data check` found in files with rows."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part
from so8t_shared.results.plan import TestPlan


class CheckedFile(Part):
    """One of the given files or folders."""

    path: str
    rows: int = Field(description="Rows that can be used.")
    shape: str = Field(description="The detected shape, or several with their counts.")
    encoding: str = Field(description="Empty for Parquet and the Hub.")


class DataFault(Part):
    """Rows, files or settings that cannot be used, for one reason."""

    what: str
    places: list[str] = Field(description="The first few.")
    count: int
    remedy: str


class TokenNeeds(Part):
    """What the rows need of a model, in its tokens."""

    longest_prompt: int
    longest_answer: int
    longest_row: int = Field(description="Of the rows to train on: prompt and answer.")
    max_length: int = Field(description="training.max_length.")
    too_long: int = Field(description="Training rows that max_length leaves out.")
    max_new_tokens: int = Field(description="What the test allows an answer.")
    num_ctx: int = Field(description="The context of the test.")
    model_context: int | None = Field(description="The largest context of the model, if it says so.")


class DataCheck(Document):
    """The rows of some files: shape, counts, what is not used, what is wrong, what a test on them can find."""

    schema_version: Literal[1] = 1
    files: list[CheckedFile]
    rows: int
    by_label: dict[str, int]
    by_language: dict[str, int]
    marked: dict[str, int] = Field(description="Rows that say train, validation or test, by themselves or their file.")
    named_groups: int = Field(description="Groups that rows name.")
    largest_group: int = Field(description="Rows in the largest of them.")
    thinking: dict[str, int] = Field(description="Rows that have each thinking role.")
    reasoning: dict[str, int] = Field(
        default_factory=dict, description="Field read as thinking before the answer to the rows that have it."
    )
    with_system: int = Field(description="Rows with a system prompt.")
    with_turns: int = Field(description="Rows with earlier turns.")
    unused: dict[str, int] = Field(description="Field that is not used to the rows that have it.")
    label_words: dict[str, int] = Field(description="Word read as a class, as 'word = CLASS', to its number of rows.")
    faults: list[DataFault]
    sides: dict[str, dict[str, int]] = Field(
        description="train, validation and test to rows per class, after the policy and the split; empty if refused."
    )
    duplicates: int = Field(0, description="Exact repetitions, which a run leaves out.")
    excluded: dict[str, int] = Field(default_factory=dict, description="Why a run leaves rows out, to their number.")
    groups: int = Field(0, description="Groups of near duplicates and named groups.")
    refused: str = Field("", description="Why a run on these rows alone would end; empty if it would not.")
    notes: list[str] = Field(default_factory=list, description="What a run would decide or still ask for.")
    tokens: TokenNeeds | None = Field(None, description="With --model.")
    plan: TestPlan | None = Field(None, description="What a test on these rows can find, if it can be planned here.")
