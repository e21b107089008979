"""The metadata of a model card, and the results, in the forms that the Hugging Face hub documents.

The metadata: huggingface.co/docs/hub/model-cards and modelcard.md in github.com/huggingface/hub-docs. The results:
huggingface.co/docs/hub/eval-results; the hub lists them only under a data set that is a benchmark there.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from so8t_reporter.card.facts import Facts, HubNames
from so8t_shared import formatting as fmt
from so8t_shared.errors import ConfigError
from so8t_shared.results.interval import Interval
from so8t_shared.tables import metrics

RESULTS_FOLDER = ".eval_results"
_TAGS = ("gguf", "safety", "so8t", "so8t-ab")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LANGUAGE = re.compile(r"[a-z]{2,3}")


def check_names(names: HubNames) -> None:
    """Check the names that the author gave.

    Raises:
        ConfigError: one is none of the hub's.
    """
    for option, value, form in (
        ("--base-model", names.base_model, _NAME),
        ("--dataset", names.dataset, _NAME),
        ("--license", names.license, _WORD),
        ("--task", names.task, _WORD),
    ):
        if not form.fullmatch(value) and (value or option == "--task"):
            remedy = "write OWNER/NAME" if form is _NAME else "use letters, digits, '.', '_' and '-'"
            raise ConfigError(f"{value!r} is no name on the hub.", where=option, remedy=remedy)


def front_matter(facts: Facts) -> str:
    """The YAML between the two lines of dashes at the top of README.md."""
    names = facts.names
    metadata: dict[str, Any] = {
        "language": [each for each in facts.languages if _LANGUAGE.fullmatch(each)],
        "license": names.license,
        "base_model": names.base_model,
        "base_model_relation": "finetune" if names.base_model else "",
        "pipeline_tag": "text-generation",
        "tags": list(_TAGS),
        "metrics": ["accuracy", "f1"],
        "model-index": [{"name": facts.title, "results": [_index(facts)]}],
    }
    return _dumped({key: value for key, value in metadata.items() if value})


def _index(facts: Facts) -> dict[str, Any]:
    """The measurement of model B, in the part of the metadata that many tools read."""
    evaluation = facts.evaluation
    found = [(rate, rate.b) for rate in facts.figures if rate.b is not None]
    kind = {"accuracy": "accuracy", "macro_f1": "f1"}
    return {
        "task": {"type": "text-classification", "name": "ALLOW, ESCALATION, DENY or REFUSE"},
        "dataset": {
            "type": facts.names.dataset or "held-out-rows",
            "name": facts.names.dataset or f"{evaluation.test_set.n:,} held-out rows",
            "split": "test",
        },
        "metrics": [
            {
                "type": kind.get(rate.metric, rate.metric),
                "value": round(b.value, 4),
                "name": f"{metrics.BY_NAME[rate.metric].title} at {rate.quantization}, {_interval(b, facts)}",
            }
            for rate, b in found
        ],
    }


def hub_results(facts: Facts) -> str:
    """The file below .eval_results/: model B's accuracy, 0 to 1, with its interval and how to check it in the notes."""
    evaluation = facts.evaluation
    scoring, quantization = evaluation.deciding_scoring, evaluation.primary_quantization
    rate = evaluation.rate("accuracy", quantization, scoring)
    if rate is None or rate.b is None:
        return ""
    notes = (
        f"accuracy of {quantization}, {scoring} scoring, {_interval(rate.b, facts)}, n = {rate.b.rows:,};"
        f" checked from the answers by so8t-ab verify, session {facts.proof.session_id}"
    )
    dataset = {"id": facts.names.dataset, "task_id": facts.names.task}
    entry = {"dataset": dataset, "value": round(rate.b.value, 4), "date": facts.tested, "notes": notes}
    return _dumped([entry])


def _interval(found: Interval, facts: Facts) -> str:
    return f"{100 * facts.evaluation.confidence:g}% CI {fmt.share(found.low)} to {fmt.share(found.high)}"


def _dumped(value: Any) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10_000)
    return text
