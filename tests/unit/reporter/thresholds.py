"""A report's inputs as if thresholds had been fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from tests.unit.evaluator.likely import draw

from so8t_evaluator.paired import by_setting
from so8t_evaluator.policies import policies_of
from so8t_reporter.inputs import ReportInputs
from so8t_shared.config.model import AbTest
from so8t_shared.results.asking import AskedFile, Asking
from so8t_shared.results.evaluation import AnswerLimit
from so8t_shared.results.sides import SIDES

SETTINGS = AbTest.model_validate({"policy": {"false_allow": 0.05, "escalate": 0.3}})


def with_thresholds(inputs: ReportInputs) -> ReportInputs:
    """The inputs with the policies of random answers, at the same quantizations."""
    e, rng = inputs.evaluation, np.random.default_rng(8)
    files = [
        AskedFile(model=side, quantization=quantization, sha256="0" * 64)
        for quantization in inputs.quantizations
        for side in SIDES
    ]
    asking = Asking(
        primary_quantization=e.primary_quantization,
        quantizations=inputs.quantizations,
        scorings=["logprob"],
        engine=e.engine,
        answer_limit=AnswerLimit(max_new_tokens=48, longest_target_tokens=None),
        speed=[],
        files=files,
    )
    validation, test = (
        [s for f in files for s in draw(rng, rows=160, model=f.model, quantization=f.quantization)] for _ in range(2)
    )
    found = policies_of(asking, validation, by_setting(test), SETTINGS, SETTINGS)
    return replace(inputs, evaluation=e.model_copy(update={"policy": found}))
