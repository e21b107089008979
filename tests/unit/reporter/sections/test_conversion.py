"""The GGUF files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tests.unit.reporter.rendering import Rendered, column, tables_of, text_report

from so8t_reporter.document import Facts, FileLink, Paragraph
from so8t_reporter.inputs import ReportInputs
from so8t_shared.results.conversion import Served
from so8t_shared.results.sides import Side
from so8t_shared.results.verification import Verification, VerifiedFile

NEXT_TOKENS = "Next tokens against f16"


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


def paragraphs_of(inputs: ReportInputs) -> list[Paragraph]:
    """Running text of the section."""
    section = next(s for s in text_report(inputs).sections if s.anchor == "conversion")
    return [block for block in section.blocks if isinstance(block, Paragraph)]


def changed(inputs: ReportInputs, side: Side, change: Callable[[VerifiedFile], VerifiedFile]) -> ReportInputs:
    """The same with other findings in one model's files."""
    found = inputs.verified[side]
    files = [change(file) for file in found.files]
    return replace(inputs, verified={**inputs.verified, side: found.model_copy(update={"files": files})})


def test_what_quantization_cost(inputs: ReportInputs) -> None:
    """A sentence, then every file's figures, the reference first; both documents are named."""
    (sentence,) = paragraphs_of(inputs)
    assert sentence == Paragraph(
        "q8_0: 0.8% of A's and 1.1% of B's next tokens differ from f16's; q4_k_m: 16.8% of A's and 22.4% of B's."
        " All tokenizers give every text back."
    )
    table = tables_of(text_report(inputs), "conversion")[NEXT_TOKENS]
    assert column(table, "Quantization") == ["f16", "f16", "q8_0", "q8_0", "q4_k_m", "q4_k_m"]
    assert column(table, "Other next tokens") == ["", "", "0.8%", "1.1%", "16.8%", "22.4%"]
    assert column(table, "KL mean, at least") == ["", "", "0.009", "0.012", "0.187", "0.249"]
    assert column(table, "KL 99th percentile, at least")[-1] == "2.240"
    assert set(column(table, "Texts lost by the tokenizer")) == {"none"}
    assert "120 places" in table.note
    section = next(s for s in text_report(inputs).sections if s.anchor == "conversion")
    assert [b.path for b in section.blocks if isinstance(b, FileLink)] == ["verify_a.json", "verify_b.json"]


def test_exact_figures_are_not_called_a_bound(inputs: ReportInputs) -> None:
    """Where every token of the vocabulary was compared."""
    whole = {side: found.model_copy(update={"lower_bound": False}) for side, found in inputs.verified.items()}
    table = tables_of(text_report(replace(inputs, verified=whole)), "conversion")[NEXT_TOKENS]
    assert "KL mean" in [column.name for column in table.columns]


def test_a_tokenizer_that_loses_texts(inputs: ReportInputs) -> None:
    """The sentence names model, file and kinds, in red."""

    def lose(file: VerifiedFile) -> VerifiedFile:
        lost = {"lost_texts": ["Japanese", "emoji"]} if "q8_0" in file.file else {}
        return file.model_copy(update=lost)

    broken = changed(inputs, "b", lose)
    (sentence,) = paragraphs_of(broken)
    assert sentence.tone == "bad"
    assert sentence.text.endswith("B's q8_0: its tokenizer does not give back: Japanese, emoji.")
    table = tables_of(text_report(broken), "conversion")[NEXT_TOKENS]
    assert column(table, "Texts lost by the tokenizer") == ["none"] * 3 + ["Japanese, emoji"] + ["none"] * 2


def test_one_model_was_not_verified(inputs: ReportInputs) -> None:
    """It is said; without either there is no such part."""
    only = replace(inputs, verified={"a": inputs.verified["a"]})
    sentence, missing = paragraphs_of(only)
    assert "of A's next tokens differ" in sentence.text
    assert missing.text == "Model B's files were not verified; the log of import says why."
    neither = replace(inputs, verified={})
    assert paragraphs_of(neither) == []
    assert list(tables_of(text_report(neither), "conversion")) == ["GGUF files"]


def test_nothing_quantized(inputs: ReportInputs) -> None:
    """With the reference alone, the tokenizers count."""

    def first(found: Verification) -> Verification:
        return found.model_copy(update={"files": found.files[:1]})

    (sentence,) = paragraphs_of(replace(inputs, verified={s: first(f) for s, f in inputs.verified.items()}))
    assert sentence.text == "All tokenizers give every text back."


def test_both_formats_say_it(rendered: Rendered) -> None:
    """The sentence and the table are in Markdown and HTML."""
    for name in ("report.md", "report.html"):
        text = rendered.text(name)
        assert "The files" in text
        assert "All tokenizers give every text back." in text
        assert NEXT_TOKENS in text
        assert "verify_b.json" in text


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
