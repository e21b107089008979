"""The GGUF files: what quantization cost, sizes, tensor types, digests, and the gates folded into them."""

from __future__ import annotations

from so8t_reporter.document import Block, Cell, Column, Facts, Section, Table
from so8t_reporter.inputs import ReportInputs
from so8t_reporter.sections.verified_files import verified_blocks
from so8t_shared import formatting as fmt
from so8t_shared.results.conversion import CONVERTED_BY, ChatInfo, GgufFile
from so8t_shared.tables.quantizations import ORDER


def conversion_section(inputs: ReportInputs) -> Section:
    """Both models' files and architectures."""
    files = [(side, file) for side, stage in CONVERTED_BY.items() for file in inputs.conversion[stage].files]
    files.sort(key=lambda item: (ORDER.index(item[1].quantization), item[0]))
    blocks: list[Block] = [
        *verified_blocks(inputs),
        Table(
            "GGUF files",
            [
                *(Column(name, numeric=False) for name in ("Quantization", "Model", "File")),
                Column("Size"),
                *(Column(name, numeric=False) for name in ("Tensor types", "sha256")),
            ],
            [_row(side, file) for side, file in files],
        ),
        Facts(
            [
                *(_model(side, inputs.chat[stage]) for side, stage in CONVERTED_BY.items()),
                *_served(inputs),
                *_gates(inputs),
                *(
                    (f"Time to convert {side.upper()}", fmt.duration(inputs.conversion[stage].seconds))
                    for side, stage in CONVERTED_BY.items()
                ),
            ]
        ),
    ]
    return Section("conversion", "The files", blocks)


def _row(side: str, file: GgufFile) -> list[Cell]:
    types = sorted(file.tensor_types.items(), key=lambda item: (-item[1], item[0]))
    return [
        Cell(file.quantization),
        Cell(side.upper(), "a" if side == "a" else "b"),
        Cell(file.file),
        Cell(fmt.size(file.size_bytes)),
        Cell(", ".join(f"{n:,} {name}" for name, n in types)),
        Cell(file.sha256[:16], "muted"),
    ]


def _model(side: str, chat: ChatInfo) -> tuple[str, str]:
    return (
        f"Model {side.upper()}",
        f"{chat.architecture}, {fmt.count(chat.parameters)} parameters, {chat.layers:,} layers,"
        f" context {chat.context_length:,} tokens,"
        f" {'its own chat template' if chat.chat_template else 'no chat template, so the plain one is used'}",
    )


def _served(inputs: ReportInputs) -> list[tuple[str, str]]:
    """What an Ollama server says about a model B that it had before."""
    if not inputs.served:
        return []
    name, digest = inputs.served.name, inputs.served.digest
    system = "; its system text there was replaced by the test's" if inputs.served.system else ""
    engine = inputs.evaluation.engine
    found = f"{name}, digest {digest}, asked on {engine.name} {engine.version} with its own template{system}"
    return [("External model B", found)]


def _gates(inputs: ReportInputs) -> list[tuple[str, str]]:
    """Where gates became part of the weights: a checkpoint's at conversion, gates trained here before conversion."""
    found = []
    for side, stage in CONVERTED_BY.items():
        if brought := inputs.chat[stage].so8t:
            told = ", ".join(f"{key.replace('_', ' ')} {_value(value)}" for key, value in sorted(brought.items()))
            found.append((f"SO8T gates in {side.upper()}'s checkpoint", f"folded at conversion: {told}"))
    if inputs.training and inputs.training.gates:
        found.append(("SO8T gates trained here", f"{inputs.training.gates:,}, folded into B after training"))
    return found


def _value(value: str | int | float) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
