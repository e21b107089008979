"""The GGUF files."""

from __future__ import annotations

from dataclasses import replace

from tests.unit.reporter.rendering import column, tables_of, text_report

from so8t_reporter.document import Facts
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.conversion import Served


def facts_of(inputs: ReportInputs) -> dict[str, str]:
    """Names and values of the section."""
    section = next(s for s in text_report(inputs).sections if s.anchor == "conversion")
    (facts,) = [dict(block.items) for block in section.blocks if isinstance(block, Facts)]
    return facts


def test_files(inputs: ReportInputs) -> None:
    """Both models' files, side by side, with sizes, types and the start of their digests."""
    table = tables_of(text_report(inputs), "conversion")["GGUF files"]
    assert column(table, "File") == [f"model_{side}_{q}.gguf" for q in ("f16", "q8_0", "q4_k_m") for side in "ab"]
    assert column(table, "Size")[0] == "271.0 MB"
    assert column(table, "Tensor types")[4] == "135 Q4_K, 61 F32, 46 Q6_K, 30 Q5_0"
    assert column(table, "sha256")[0] == inputs.conversion["convert-a"].files[0].sha256[:16]


def test_models(inputs: ReportInputs) -> None:
    """Architectures and times."""
    facts = facts_of(inputs)
    assert facts["Model A"] == (
        "LlamaForCausalLM, 134,515,008 parameters, 30 layers, context 2,048 tokens, its own chat template"
    )
    assert facts["Time to convert B"] == "11.4 s"


def test_gates_trained_here(inputs: ReportInputs) -> None:
    """The trainer folds them, so what the conversion found in B's weights is not told as "nothing"."""
    facts = {name: value for name, value in facts_of(inputs).items() if "SO8T" in name}
    assert facts == {"SO8T gates trained here": "30, folded into B after training"}
    ungated = replace(inputs, training=inputs.training.model_copy(update={"gates": 0}))
    assert not any("SO8T" in name for name in facts_of(ungated))


def test_gates_brought_along(inputs: ReportInputs) -> None:
    """A checkpoint that had gates says with which rotation they were folded."""
    brought = inputs.chat["convert-a"].model_copy(
        update={"so8t": {"gates": 32, "rotation": "cayley", "angle": 0.08314}}
    )
    facts = facts_of(replace(inputs, chat={**inputs.chat, "convert-a": brought}))
    name = "SO8T gates in A's checkpoint"
    assert facts[name] == "folded at conversion: angle 0.0831, gates 32, rotation cayley"


def test_a_model_that_a_server_had(inputs: ReportInputs) -> None:
    """Its digest, the server's version, and what was taken from it."""
    assert "External model B" not in facts_of(inputs)
    served = Served(
        name="theirs:1", digest="d" * 64, size_bytes=7, quantization="q8_0", system="be kind", parameters=""
    )
    told = facts_of(replace(inputs, served=served))["External model B"]
    assert told.startswith(f"theirs:1, digest {'d' * 64}, asked on {inputs.evaluation.engine.name} ")
    assert inputs.evaluation.engine.version in told
    assert "system text" in told
    assert (
        "system text"
        not in facts_of(replace(inputs, served=served.model_copy(update={"system": ""})))["External model B"]
    )
