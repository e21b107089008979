"""How to use model B."""

from __future__ import annotations

from so8t_reporter.document import Code, Paragraph, Section
from so8t_reporter.inputs import ReportInputs, ReportSettings
from so8t_shared.places import modelfile_name

_TITLE = "How to use model B"


def handover_section(inputs: ReportInputs, settings: ReportSettings) -> Section:
    """Where model B is, and the commands that serve it; names no session, as another one may reuse the report."""
    if inputs.served:
        own = "Model B stays where it was before the test: on its Ollama server."
        return Section("handover", _TITLE, [Paragraph(own), Code("Commands", f"ollama run {inputs.served.name}\n")])
    name, quantization = settings.names.b, inputs.evaluation.primary_quantization
    export = f"so8t-ab export -c config.yaml --model b --quantization {quantization} --to FOLDER"
    serve = f"""\
cd {settings.models}      # from the folder of this report
ollama create {name} -f {modelfile_name(name, quantization)}
ollama run {name}

"""
    return Section(
        "handover",
        _TITLE,
        [
            Paragraph(
                "The Modelfiles have the prompt format, system text and sampling of this test. The last command copies"
                " the model and its Modelfile to any folder; with a bucket as store it is the only way to get them, as"
                " a run downloads no models."
            ),
            Code("Commands", f"{serve if settings.models else ''}{export}\n"),
        ],
    )
