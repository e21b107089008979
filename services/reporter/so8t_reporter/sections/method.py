"""How the figures come about, in three plain sentences each."""

from __future__ import annotations

from so8t_reporter.document import Notes, Section
from so8t_shared.tables import scorings

NOTES: tuple[tuple[str, str], ...] = (
    (
        "Paired design",
        "Both models answer exactly the same rows, in the same order, with the same prompt and the same engine"
        " settings. Temperature is 0 and the seed is fixed, so asking again gives the same answers."
        " Whatever makes a row easy or hard therefore works on both models alike.",
    ),
    (
        "One training",
        "The test speaks of these two models, on rows like these."
        " Another seed, or other training rows, makes another B, which may be right on a few rows more or fewer."
        " To credit a method rather than this one model, train with several values of training.seed and look at all of"
        " them.",
    ),
    (
        "Exact McNemar test",
        "Only rows that exactly one of the two models gets right say which one is better."
        " If there were no difference, each such row would fall to either side like a fair coin."
        " The p value is the chance that fair coins give a split at least this uneven.",
    ),
    (
        "Intervals of differences",
        "Those of accuracy and recall are Tango's score intervals for paired shares, on which the gate decides: even"
        " where both models got the same rows right they have a width, as few rows prove little."
        " That of macro-F1 spans the middle share of the differences found when the test rows are drawn again with"
        " replacement, thousands of times, each row together with both answers to it."
        " They stand for one comparison each and are not adjusted for their number, so the corrected test is stricter:"
        " an interval may miss 0 where no difference is shown.",
    ),
    (
        "Intervals of a single accuracy",
        "They are Wilson intervals for a share."
        " Unlike the textbook formula they stay between 0 and 100% and work for few rows."
        " Two overlapping ones do not show that the models are equal: the paired test decides that.",
    ),
    (
        "Holm's correction",
        "Every quantization and scoring is a test of its own, and enough tests find something by luck."
        " Holm's method raises the p values so that the chance of even one false alarm in the whole family stays below"
        " the level."
        " A verdict of better or worse rests on the corrected value.",
    ),
    (
        "Smallest detectable difference",
        "A test with few rows misses small differences."
        " This is the smallest true difference that the exact test at this size and disagreement finds with 80%"
        " probability, at the strictest level of Holm's correction."
        " No difference shown therefore never means no difference.",
    ),
    (
        "Recall that must not suffer",
        "A model can gain overall and still let through what it should deny or refuse."
        " So B's recall on DENY and REFUSE is compared with A's, row by row."
        " It passes when the interval's lower end lies above the allowed loss; a class with too few rows cannot pass.",
    ),
    (
        "A/A control",
        "Model A is asked every row a second time, in reversed order and in a new process, but in one setting alone:"
        " the headline's quantization and scoring."
        " Every answer must be the same, to the byte."
        " If one differs, something other than the model changes the answers and no other figure can be trusted.",
    ),
    (
        "Scoring",
        " ".join(row.explanation for row in scorings.ROWS)
        + " Where two of them disagree, the models differ in following the format.",
    ),
    (
        "Latency and memory",
        "Requests go out one at a time, after a warm-up, and A and B take turns so that a drift of the machine affects"
        " both, unless the report says that they did not."
        " p50 is the median, and 19 of 20 requests are faster than p95."
        " These figures hold for the named host only; other work on it makes them worse.",
    ),
)


def method_section() -> Section:
    """Notes for readers who do not do statistics every day."""
    return Section("method", "How to read the figures", [Notes(list(NOTES))])
