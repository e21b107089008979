"""How the figures are obtained, in a few plain sentences each."""

from __future__ import annotations

from so8t_reporter.document import Notes, Section
from so8t_shared.results.evaluation import EvaluationResult
from so8t_shared.results.stopped import UntilDecided
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
        "Paired test",
        "Only rows that exactly one of the two models gets right show which one is better."
        " Without a difference, each of them would be a fair coin toss, and p is the chance that fair coins split"
        " at least this unevenly (McNemar's exact test)."
        " Rows that share a group or a template are not independent, so a whole group is one toss.",
    ),
    (
        "Intervals of differences",
        "These are Tango's score intervals for paired proportions: they have a width even if both models got the same"
        " rows right, and are widened by the design effect where rows form groups."
        " For macro-F1, whole groups of test rows are drawn again thousands of times, each row with both answers to it,"
        " and the interval follows from the differences found."
        " Each interval covers one comparison and is not adjusted for their number.",
    ),
    (
        "Intervals of a single accuracy",
        "These are Wilson intervals for a proportion."
        " Unlike the textbook formula, they stay between 0 and 100% and work for few rows."
        " Overlapping intervals do not show that the models are equal: the paired test compares them.",
    ),
    (
        "The headline and the other tests",
        "Every quantization and scoring is a separate test, and enough tests find something by luck."
        " The headline was chosen before the run, so it is tested first at the full level."
        " The others count only if it is significant, and Holm's method raises their p values so that the chance of"
        " even one false alarm among all tests stays below the significance level.",
    ),
    (
        "Smallest detectable difference",
        "A test with few rows misses small differences."
        " This is the smallest true difference that the test finds with 80% probability, on these rows and with the"
        " assumed rate of disagreement; no answer was looked at."
        ' So "no difference is shown" never means that there is none.',
    ),
    (
        "The gate",
        "A model can gain overall and still let through what it should deny or refuse."
        " So the gate has clauses of its own for dangerous and for needless answers."
        " A clause passes if even the bad end of the interval keeps the bound; if the rows do not tell, it is"
        " undecided, and B does not pass.",
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


def method_section(evaluation: EvaluationResult) -> Section:
    """Notes for readers who do not use statistics every day."""
    ended = [_until_decided(evaluation.until_decided, evaluation.confidence)] if evaluation.until_decided else []
    return Section("method", "How to read the figures", [Notes([*NOTES, *ended])])


def _until_decided(found: UntilDecided, confidence: float) -> tuple[str, str]:
    """Say what the figures are worth where the asking could end early."""
    begin = "Groups of rows were asked in a random order that no answer changes; after each batch, the answers so far"
    begin += f" told whether to go on ({found.ending}; {found.evidence})."
    if found.decided:
        figures = "The p values, and the intervals of shares and of their differences, hold wherever the asking ends:"
        figures += " they come from bets against equal models, not from McNemar, Tango or Wilson."
        figures += " All other intervals, such as that of macro-F1, only describe the rows asked."
    else:
        figures = "A fifth of the significance level was spent on these looks, and the usual tests and intervals have"
        figures += f" the rest, so the intervals are {100 * confidence:g}% intervals."
    return "Asked until decided", f"{begin} {figures}"
