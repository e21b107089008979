"""Assembles the report from its parts."""

from __future__ import annotations

from so8t_reporter.document import Picture, Report, Section
from so8t_reporter.inputs import ReportInputs, ReportSettings
from so8t_reporter.sections import overview
from so8t_reporter.sections.alternatives import alternatives_sections
from so8t_reporter.sections.checks import checks_section
from so8t_reporter.sections.conversion import conversion_section
from so8t_reporter.sections.cost import cost_section
from so8t_reporter.sections.data import data_section
from so8t_reporter.sections.flips import flips_section
from so8t_reporter.sections.gate import gate_section
from so8t_reporter.sections.handover import handover_section
from so8t_reporter.sections.ladder import ladder_sections
from so8t_reporter.sections.method import method_section
from so8t_reporter.sections.plan import plan_section
from so8t_reporter.sections.policy import policy_sections
from so8t_reporter.sections.provenance import provenance
from so8t_reporter.sections.quality import classes_section, grid_section
from so8t_reporter.sections.rates import rates_section
from so8t_reporter.sections.reproduction import reproduction_section
from so8t_reporter.sections.retention import retention_sections
from so8t_reporter.sections.slices import slices_sections
from so8t_reporter.sections.training import training_section
from so8t_reporter.sections.unread import unread_sections
from so8t_reporter.summary import headline, summary_sentence
from so8t_shared.distribution import version
from so8t_shared.results.ab_test import AbTestResults
from so8t_shared.results.stamp import CREATED, SESSION


def assemble_report(inputs: ReportInputs, settings: ReportSettings, pictures: dict[str, Picture]) -> Report:
    """Return the report as sections of plain text, tables and pictures."""
    evaluation = inputs.evaluation
    return Report(
        title=f"A/B test of {settings.names.b}",
        headline=headline(evaluation),
        summary=summary_sentence(evaluation),
        tone=overview.verdict_tone(evaluation),
        dated=f"{CREATED}, session {SESSION}",
        models=overview.models(settings.names),
        first=overview.first_screen(inputs),
        provenance=provenance(inputs),
        sections=_sections(inputs, settings),
        pictures=pictures,
    )


def _sections(inputs: ReportInputs, settings: ReportSettings) -> list[Section]:
    return [
        gate_section(inputs),
        plan_section(inputs),
        rates_section(inputs),
        grid_section(inputs),
        classes_section(inputs),
        *slices_sections(inputs),
        flips_section(inputs),
        *unread_sections(inputs),
        *policy_sections(inputs),
        *retention_sections(inputs),
        *alternatives_sections(inputs),
        cost_section(inputs),
        training_section(inputs),
        data_section(inputs),
        checks_section(inputs),
        conversion_section(inputs),
        *ladder_sections(inputs),
        handover_section(inputs, settings),
        method_section(inputs.evaluation),
        reproduction_section(inputs),
    ]


def assemble_results(inputs: ReportInputs, settings: ReportSettings) -> AbTestResults:
    """Return the content of ab_test_results.json: all measurements, unrounded, with the one-sentence answer."""
    return AbTestResults(
        so8t_ab_version=version(),
        session_id=settings.session_id,
        model_a=settings.names.a,
        model_b=settings.names.b,
        summary=summary_sentence(inputs.evaluation),
        evaluation=inputs.evaluation,
        training=inputs.training,
        data=inputs.data,
        conversion=inputs.conversion,
    )
