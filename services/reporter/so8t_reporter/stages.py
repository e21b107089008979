"""The report stage."""

from __future__ import annotations

import shutil

from so8t_reporter.inputs import ReportSettings, load_inputs
from so8t_reporter.report import write_report
from so8t_shared.json_files import write_json
from so8t_shared.results.conversion import CONVERTED_BY
from so8t_shared.results.ladder import LADDER_FILE
from so8t_shared.results.training import TENSORBOARD
from so8t_shared.results.verification import VERIFICATIONS
from so8t_shared.running.context import StageContext


def report(ctx: StageContext) -> None:
    """Charts, Markdown and HTML report, machine-readable results, JUnit."""
    inputs = load_inputs(
        evaluate=ctx.input_dir("evaluate"),
        conclude=ctx.input_dir("conclude"),
        train=ctx.input_dir("train"),
        converted={stage: ctx.input_dir(stage) for stage in CONVERTED_BY.values()},
        imported=ctx.input_dir("import"),
        input_digests=ctx.input_digests("train") | ctx.input_digests("convert-b"),
        trained=not ctx.config.external_b,
    )

    def progress(done: int, total: int, message: str) -> None:
        ctx.progress(done, total, message)
        ctx.check_interrupted()

    write_report(inputs, ReportSettings.from_config(ctx.config, ctx.session_id), ctx.output_dir, progress)
    if inputs.ladder:
        write_json(ctx.output_dir / LADDER_FILE, inputs.ladder)
    for side, found in inputs.verified.items():
        write_json(ctx.output_dir / VERIFICATIONS[side], found)
    metrics = ctx.input_dir("train") / TENSORBOARD
    if metrics.is_dir():  # training.report_to may leave it out
        shutil.copytree(metrics, ctx.output_dir / "training" / TENSORBOARD, copy_function=shutil.copyfile)
