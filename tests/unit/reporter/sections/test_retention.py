"""The section on neutral prompts."""

from __future__ import annotations

import dataclasses

from tests.unit.reporter.hostile import HOSTILE
from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_evaluator.retention.judging import retention_of
from so8t_reporter.inputs import ReportInputs
from so8t_shared.config.model import AbTest
from so8t_shared.results.retention import RETAINED, ScoredReference

ITEMS = 40
SETTINGS = AbTest.model_validate({"retention": {"margin": 0.2}})
LOSSES = (0.0, 0.2, 2.0)
"""Mean losses in nats per token: by each quantization in turn."""


def with_references(inputs: ReportInputs, *, kl: bool = True) -> ReportInputs:
    """The inputs with scored references: kept at the first quantization, open at the second, lost at the third."""
    references = [
        ScoredReference(
            quantization=quantization,
            item=item,
            kind="code" if item % 2 else "facts",
            language="ja",
            prompt=f"{item}: {HOSTILE}",
            reference="x",
            tokens_a=2,
            tokens_b=2,
            logprob_a=-2.0,
            logprob_b=-2.0 - 2 * loss * (1 + 9 * (item % 10 == 0)) / 1.9,
            kl=[0.1, 0.2] if kl else None,
            kl_lower_bound=True,
            changed_top=1,
        )
        for quantization, loss in zip(inputs.quantizations, LOSSES, strict=False)
        for item in range(1, ITEMS + 1)
    ]
    found = retention_of(references, SETTINGS)
    evaluation = inputs.evaluation.model_copy(update={"retention": found})
    return dataclasses.replace(inputs, evaluation=evaluation, references=references)


def test_tables(inputs: ReportInputs) -> None:
    """A line per quantization with its verdict; parts and the worst items of the one that ships, texts made visible."""
    shown = with_references(inputs)
    found = shown.evaluation.retention
    assert found is not None
    assert [each.verdict for each in found.files] == ["kept", "undecided", "lost"][: len(found.files)]
    tables = tables_of(text_report(shown), "retention")
    files, parts, lost = tables.values()
    assert [row[1].text for row in files.rows] == [RETAINED[each.verdict] for each in found.files]
    assert column(files, "KL mean") == ["0.150"] * len(found.files)
    assert "at least" in files.note
    assert column(parts, "Items of") == ["kind code", "kind facts", "language ja"]
    assert column(parts, "Items") == ["20", "20", "40"]
    primary = found.of(shown.evaluation.primary_quantization)
    assert primary is not None
    assert column(lost, "B") == [f"{each.b:.2f}" for each in primary.lost_most]
    prompts = zip(primary.lost_most, column(lost, "Prompt"), strict=True)
    assert all(prompt.startswith(f"{each.item}:") for each, prompt in prompts)


def test_other_tokens(inputs: ReportInputs) -> None:
    """Where A and B cut the references into other tokens, there is no divergence."""
    files, *_ = tables_of(text_report(with_references(inputs, kl=False)), "retention").values()
    assert set(column(files, "KL mean")) == {"other tokens"}


def test_off(inputs: ReportInputs) -> None:
    """Without neutral prompts there is no section."""
    assert "retention" not in [section.anchor for section in text_report(inputs).sections]
