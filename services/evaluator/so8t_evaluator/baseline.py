"""A bag-of-words classifier on the same split: how much the words alone reveal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from so8t_evaluator.paired import Marks, marks_of, pair
from so8t_evaluator.stats.confusion import confusion_matrix
from so8t_evaluator.stats.groups import codes
from so8t_evaluator.stats.paired import Kind
from so8t_evaluator.stats.share import share_interval
from so8t_shared.f1 import macro_f1
from so8t_shared.results.answers import Sample
from so8t_shared.results.evaluation import Baseline
from so8t_shared.results.paired import BaselineComparison
from so8t_shared.results.training import LabeledRow

_CJK_CHARACTER = r"[\u3040-\u30ff\u3400-\u9fff]"
_CJK_NGRAMS = (1, 2)  # Japanese has no spaces, so characters and their pairs stand in for words
_LATIN_WORD = r"(?u)\b[^\W\d_\u3040-\u30ff\u3400-\u9fff]+\b"


@dataclass(frozen=True)
class WordCounts:
    """The classifier's scores, and the rows that it got right."""

    baseline: Baseline
    marks: Marks

    def against(self, samples: Sequence[Sample], test: Kind) -> BaselineComparison:
        """Compare a model's answers in one setting with the classifier's, row by row.

        Raises:
            ValueError: the answers are to other rows than the classifier's test rows.
        """
        return pair(BaselineComparison, self.marks, marks_of(samples), test)


def bag_of_words(train: Sequence[LabeledRow], test: Sequence[LabeledRow], confidence: float) -> WordCounts | None:
    """Train the classifier and score it; None where `predicted_by_words` returns None."""
    predicted = predicted_by_words(train, test)
    return None if predicted is None else word_counts(predicted, test, len(train), confidence)


def words_or_counted(
    train: Sequence[LabeledRow], test: Sequence[LabeledRow], confidence: float, counted: Mapping[str, str] | None
) -> WordCounts | None:
    """Do as `bag_of_words`, or score what it gave each test row where the rows' texts are not there; empty for None."""
    if counted is None:
        return bag_of_words(train, test, confidence)
    return word_counts([counted[row.id] for row in test], test, len(train), confidence) if counted else None


def predicted_by_words(train: Sequence[LabeledRow], test: Sequence[LabeledRow]) -> list[str] | None:
    """TF-IDF of space-separated words and of Japanese characters and their pairs; logistic regression.

    Returns the class of each test row; None if either split is empty, or if training has a single class or no words.
    """
    if not test or len({row.label for row in train}) < 2:
        return None
    from sklearn.linear_model import LogisticRegression  # slow, and a comparison of logs does without
    from sklearn.pipeline import make_pipeline, make_union

    texts, labels = [row.text for row in train], [row.label for row in train]
    scripts = [features for features in _vectorizers() if any(map(features.build_analyzer(), texts))]
    if not scripts:
        return None
    classifier = make_pipeline(make_union(*scripts), LogisticRegression(max_iter=2000, C=10.0))
    classifier.fit(texts, labels)
    return [str(label) for label in classifier.predict([row.text for row in test])]


def word_counts(predicted: Sequence[str], test: Sequence[LabeledRow], trained_on: int, confidence: float) -> WordCounts:
    """Score the classes that the classifier gave the test rows, in their order."""
    gold = [row.label for row in test]
    right = np.array([row.label == p for row, p in zip(test, predicted, strict=True)], np.bool_)
    groups = codes([row.group or row.id for row in test])
    baseline = Baseline(
        name="TF-IDF of words and Japanese characters, logistic regression",
        n_train=trained_on,
        n_test=len(test),
        accuracy=share_interval(right, groups, confidence),
        macro_f1=float(macro_f1(confusion_matrix(gold, predicted))),
    )
    return WordCounts(baseline, Marks([row.id for row in test], right, groups))


def _vectorizers() -> tuple[Any, Any]:
    """One vectorizer per script; a vectorizer that finds nothing in the training texts cannot be fitted."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return (
        TfidfVectorizer(token_pattern=_LATIN_WORD),
        TfidfVectorizer(token_pattern=_CJK_CHARACTER, ngram_range=_CJK_NGRAMS),
    )
