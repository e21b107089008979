"""The GGUF files."""

from __future__ import annotations

from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.document import Facts
from so8t_reporter.inputs import ReportInputs


def test_files(inputs: ReportInputs) -> None:
    """Both models' files, side by side, with sizes, types and the start of their digests."""
    table = tables_of(text_report(inputs), "conversion")["GGUF files"]
    assert column(table, "File") == [f"model_{side}_{q}.gguf" for q in ("f16", "q8_0", "q4_k_m") for side in "ab"]
    assert column(table, "Size")[0] == "271.0 MB"
    assert column(table, "Tensor types")[4] == "135 Q4_K, 61 F32, 46 Q6_K, 30 Q5_0"
    assert column(table, "sha256")[0] == inputs.conversion["convert-a"].files[0].sha256[:16]


def test_models(inputs: ReportInputs) -> None:
    """Architecture and what was folded in."""
    section = next(s for s in text_report(inputs).sections if s.anchor == "conversion")
    (facts,) = [dict(block.items) for block in section.blocks if isinstance(block, Facts)]
    assert facts["Model A"] == (
        "LlamaForCausalLM, 134,515,008 parameters, 30 layers, context 2,048 tokens, its own chat template"
    )
    assert facts["SO8T folded into A"] == "nothing"
    assert facts["SO8T folded into B"] == "gates 30, largest angle 0.0831, rotation exp"
    assert facts["Time to convert B"] == "11.4 s"
