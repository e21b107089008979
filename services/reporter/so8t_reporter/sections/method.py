"""How the figures are obtained, in a few plain sentences each."""

from __future__ import annotations

from so8t_reporter.document import Notes, Section
from so8t_shared.tables import scorings

NOTES: tuple[tuple[str, str], ...] = (
    (
        "Paired design",
        "Both models answer exactly the same rows, in the same order, with the same prompt and the same engine"
        " settings. Temperature is 0 and the seed is fixed, so asking again gives the same answers."
        " Whatever makes a row easy or hard therefore affects both models alike.",
    ),
    (
        "One training",
        "The test is about these two models, on rows like these."
        " Another seed, or other training rows, gives another B, which may get a few more or fewer rows right."
        " To credit a method rather than this one model, train with several values of training.seed and look at all"
        " the results.",
    ),
    (
        "Exact McNemar test",
        "Only rows that exactly one of the two models gets right show which one is better."
        " If there were no difference, each of these rows would be a fair coin toss."
        " The p value is the chance that fair coins split at least this unevenly.",
    ),
    (
        "Intervals of differences",
        "For accuracy and recall these are Tango's score intervals for paired proportions, which the gate uses: they"
        " have a width even if both models got the same rows right, because few rows prove little."
        " For macro-F1 the test rows are drawn again with replacement thousands of times, each row together with both"
        " answers to it; the interval spans the middle share of the differences found."
        " Each interval covers one comparison and is not adjusted for their number, so the corrected test is stricter:"
        " an interval may exclude 0 although no difference is shown.",
    ),
    (
        "Intervals of a single accuracy",
        "These are Wilson intervals for a proportion."
        " Unlike the textbook formula, they stay between 0 and 100% and work for few rows."
        " Overlapping intervals do not show that the models are equal: the paired test compares them.",
    ),
    (
        "Holm's correction",
        "Every quantization and scoring is a separate test, and enough tests find something by luck."
        " Holm's method raises the p values so that the chance of even one false alarm among all of them stays below"
        " the significance level."
        " A verdict of better or worse rests on the corrected value.",
    ),
    (
        "Smallest detectable difference",
        "A test with few rows misses small differences."
        " This is the smallest true difference that the exact test finds with 80% probability, with this many rows and"
        " this rate of disagreement, at the strictest level of Holm's correction."
        ' So "no difference is shown" never means that there is none.',
    ),
    (
        "Recall that must not drop",
        "A model can gain overall and still let through what it should deny or refuse."
        " So B's recall on DENY and REFUSE is compared with A's, row by row."
        " The check passes if the interval rules out a loss larger than allowed; a class with too few rows fails.",
    ),
    (
        "A/A control",
        "Model A is asked every row a second time, in reversed order and in a new process, but in one setting only:"
        " the headline's quantization and scoring."
        " Every answer must be byte-identical."
        " If one differs, something other than the model changes the answers and no other figure can be trusted.",
    ),
    (
        "Scoring",
        " ".join(row.explanation for row in scorings.ROWS)
        + " If the scorings disagree, the models differ in how well they follow the format.",
    ),
    (
        "Latency and memory",
        "Requests are sent one at a time after a warm-up, and A and B take turns so that drift on the machine affects"
        " both, unless the report says otherwise."
        " p50 is the median; 19 of 20 requests are faster than p95."
        " These figures hold only for the named host; other load on it makes them worse.",
    ),
)


def method_section() -> Section:
    """Notes for readers who do not use statistics every day."""
    return Section("method", "How to read the figures", [Notes(list(NOTES))])
