"""Studies from files to findings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.study_data import StudyFiles, gold_of, said_of

from so8t_evaluator.stats.paired import paired_p
from so8t_evaluator.study.judging import conclude_study
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.results.answers import SAMPLES_FILE, Sample
from so8t_shared.results.evaluation import EVALUATION_FILE, EvaluationResult
from so8t_shared.results.study import Finding, StudyResult
from so8t_shared.results.verdicts import Verdict

ROWS = 80
SEEDS = (1, 2, 3, 4, 5)
FAMILIES = {"against A": [("plain", "A"), ("gates", "A"), ("other", "A")], "gates": [("gates", "plain")]}


def _right(share: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random(ROWS) < share


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> StudyFiles:
    """A is right in half of the rows, plain about as often, gates nearly always; rows come in pairs."""
    gold = gold_of(ROWS)
    study = StudyFiles(tmp_path_factory.mktemp("study"), gold, said_of(gold, _right(0.5, 0)), group_size=2)
    study.add("plain", {s: said_of(gold, _right(0.5, s)) for s in SEEDS}, training__so8t__enabled="false")
    study.add("gates", {s: said_of(gold, _right(0.95, 10 + s)) for s in SEEDS[:4]})
    study.add("one", {1: said_of(gold, _right(0.95, 20))}, training__lora__rank="4")
    study.add("other", {None: said_of(gold, _right(0.95, 30))})
    return study


@pytest.fixture(scope="module")
def result(files: StudyFiles) -> StudyResult:
    return conclude_study(files.task(FAMILIES, reference="plain"))


def test_findings_of_the_declared_families(result: StudyResult) -> None:
    """What differs much is found, what does not is not, and p is adjusted within its family only."""
    found = {(c.arm, c.other): c for c in result.declared}
    assert list(found) == [pair for pairs in FAMILIES.values() for pair in pairs]
    assert {pair: c.finding for pair, c in found.items()} == {
        ("plain", "A"): Finding.NO_DIFFERENCE,
        ("gates", "A"): Finding.BETTER,
        ("other", "A"): Finding.BETTER,
        ("gates", "plain"): Finding.BETTER,
    }
    alone = found["gates", "plain"]
    assert alone.p_adjusted == alone.p_value
    assert found["plain", "A"].p_adjusted == found["plain", "A"].p_value  # the largest of its family
    smallest = min((c for c in found.values() if c.family == "against A"), key=lambda c: c.p_value or 1)
    assert smallest.p_adjusted == pytest.approx(3 * (smallest.p_value or 0))


def test_arms_are_paired_by_their_common_seeds(result: StudyResult) -> None:
    """Gates has no seed 5, so four seeds are compared with themselves; by seed, they average to the difference."""
    (pair,) = (c for c in result.declared if c.other == "plain")
    assert (pair.seeds, pair.other_seeds, pair.paired) == ([1, 2, 3, 4], [1, 2, 3, 4], True)
    assert pair.difference is not None
    assert np.mean(pair.by_seed) == pytest.approx(pair.difference.value)
    assert result.arm("gates").missing == [5]  # type: ignore[union-attr]


def test_one_seed_says_nothing_about_a_method(result: StudyResult) -> None:
    """There is no interval and no p, though the file's own verdict stands."""
    found = result.against_a("one")
    assert found is not None
    assert (found.finding, found.difference, found.p_value) == (Finding.TOO_FEW_SEEDS, None, None)
    (file,) = (f for f in result.files if f.arm == "one")
    assert file.verdict is Verdict.B_BETTER


def test_files_keep_their_own_verdicts(files: StudyFiles, result: StudyResult) -> None:
    """Verdict, p, gate and rates come from each session's evaluation.json; an external model has only that."""
    assert [(f.arm, f.seed, f.session_id) for f in result.files] == [
        (m.arm, m.seed, m.session_id) for m in files.members
    ]
    for file, member in zip(result.files, files.members, strict=True):
        own = EvaluationResult.read(member.folder / EVALUATION_FILE)
        assert (file.verdict, file.p, file.gate) == (own.headline.verdict, own.headline.p, own.gate.result)
        rate = own.rate("false_allow", "q4_k_m", "generate")
        assert rate is not None
        assert file.dangers["false_allow"] == rate.b
    external = result.against_a("other")
    assert external is not None
    assert (external.over, external.variance) == ("file", None)
    assert external.p_value == result.files[-1].p


def test_the_worst_seed_stands_beside_the_mean(result: StudyResult) -> None:
    """Danger rates by hand, from the answers: ALLOW to REFUSE rows is what is wrong here."""
    arm = result.arm("plain")
    assert arm is not None
    by_seed = {s: float(np.mean([not ok for i, ok in enumerate(_right(0.5, s)) if i % 4 == 3])) / 2 for s in SEEDS}
    danger = next(d for d in arm.dangers if d.metric == "false_allow")
    assert (danger.rows, danger.worst) == (ROWS // 2, max(by_seed.values()))
    assert danger.mean == pytest.approx(np.mean(list(by_seed.values())))
    assert by_seed[danger.worst_seed or 0] == danger.worst
    assert arm.worst_accuracy == min(float(_right(0.5, s).mean()) for s in SEEDS)
    assert arm.unseen == pytest.approx(1 - 0.05 ** (1 / 5))


def test_effects_ranks_and_costs(result: StudyResult) -> None:
    """Each key has its pair of arms; ranks separate what is shown; seconds per point only where a gain is shown."""
    assert [(e.keys, e.pairs, e.kind) for e in result.effects] == [
        (["training.lora.rank"], [("gates", "one")], "pairwise"),
        (["training.so8t.enabled"], [("plain", "gates")], "pairwise"),
    ]
    assert (result.effects[0].difference, result.effects[1].seeds) == (None, [1, 2, 3, 4])
    ranks = {r.name: (r.first, r.last) for r in result.ranks}
    assert ranks["gates"][1] == ranks["plain"][0] == 3
    assert ranks["one"] == (1, 5)
    costs = {c.arm: c for c in result.costs}
    assert costs["plain"].per_point is None
    gates = costs["gates"]
    assert gates.seconds == 120.0  # not the conversion of A, which stands in the first member
    assert gates.per_point == pytest.approx(120 / (gates.points or 0))
    assert (gates.at_best or 0) < (gates.per_point or 0) < (gates.at_worst or 0)


def test_shares_of_the_variance(result: StudyResult) -> None:
    """They add up to one."""
    shares = [c.variance for c in result.contrasts if c.variance and c.variance.standard_error]
    assert shares
    for v in shares:
        assert v.rows + v.groups + v.seeds + v.seed_groups + v.seed_rows == pytest.approx(1)


def test_a_factorial_gives_main_effects(tmp_path: Path) -> None:
    """Four arms of two keys: each key's effect is the mean over both values of the other, over common seeds."""
    gold = gold_of(40)
    study = StudyFiles(tmp_path, gold, said_of(gold, [True] * 40))
    wrong = {"a": 8, "b": 4, "c": 6, "d": 0}  # rows
    keys = {"a": {}, "b": {"x__y": "1"}, "c": {"x__z": "2"}, "d": {"x__y": "1", "x__z": "2"}}
    for name, count in wrong.items():
        study.add(name, {s: said_of(gold, [i >= count for i in range(40)]) for s in (1, 2)}, **keys[name])
    effects = {tuple(e.keys): e for e in conclude_study(study.task()).effects}
    assert set(effects) == {("x.y",), ("x.z",)}
    y, z = effects["x.y",], effects["x.z",]
    assert (y.kind, y.pairs, y.before, y.after) == ("main", [("a", "b"), ("c", "d")], [""], ["1"])
    assert y.difference is not None
    assert z.difference is not None
    assert (y.difference.value, z.difference.value) == pytest.approx(((4 + 6) / 80, (2 + 4) / 80))


def test_keys_that_change_together_only(tmp_path: Path) -> None:
    """Their effects cannot be told apart, so they are named together."""
    gold = gold_of(24)
    study = StudyFiles(tmp_path, gold, gold)
    study.add("a", dict.fromkeys((1, 2), gold))
    study.add("b", dict.fromkeys((1, 2), gold), x__y="1", x__z="2")
    (effect,) = conclude_study(study.task()).effects
    assert (effect.keys, effect.kind) == (["x.y", "x.z"], "together")


def test_identical_seeds_give_the_files_p(tmp_path: Path) -> None:
    """A method whose seeds all answer alike is as sure as its file."""
    gold = gold_of(60)
    study = StudyFiles(tmp_path, gold, said_of(gold, _right(0.5, 0)[:60]), group_size=3)
    said = said_of(gold, _right(0.8, 1)[:60])
    study.add("same", dict.fromkeys((1, 2, 3), said))
    (found,) = conclude_study(study.task()).declared
    difference = _right(0.8, 1)[:60].astype(np.int8) - _right(0.5, 0)[:60]
    assert found.p_value == pytest.approx(paired_p(difference, np.arange(60) // 3))


def test_a_difference_of_form_is_not_a_better_method(tmp_path: Path) -> None:
    """A's answers to many rows cannot be read; on all others both are right."""
    gold = gold_of(60)
    study = StudyFiles(tmp_path, gold, ["INVALID"] * 25 + list(gold[25:]))
    study.add("formed", dict.fromkeys((1, 2, 3, 4), gold))
    study.add("silent", dict.fromkeys((1, 2, 3, 4), ["INVALID"] * 40 + list(gold[40:])))
    found = {c.arm: c.finding for c in conclude_study(study.task()).declared}
    assert found == {"formed": Finding.FORM_ONLY, "silent": Finding.MOSTLY_UNREAD}


def test_a_more_dangerous_method_is_named(tmp_path: Path) -> None:
    """Accuracy is equal, but the arm errs by letting requests through: the danger is found and told."""
    gold = gold_of(200)
    a = ["DENY" if g == "ALLOW" and i % 8 == 0 else g for i, g in enumerate(gold)]
    b = ["ALLOW" if g == "REFUSE" and i % 8 == 3 else g for i, g in enumerate(gold)]
    study = StudyFiles(tmp_path, gold, a)
    study.add("lax", dict.fromkeys((1, 2, 3), b))
    result = conclude_study(study.task())
    found = {c.metric: c.finding for c in result.contrasts}
    assert (found["accuracy"], found["false_allow"]) == (Finding.NO_DIFFERENCE, Finding.WORSE)
    assert any(line.startswith("danger: lax") for line in result.sentences())


def test_other_rows_are_refused(files: StudyFiles, tmp_path: Path) -> None:
    """All members whose rows differ are named, with what to do."""
    gold = gold_of(ROWS + 8)
    other = StudyFiles(tmp_path, gold, gold, group_size=2)
    other.add("longer", {3: gold, 4: gold})
    task = replace(files.task(), arms=[*files.arms, *other.arms], members=[*files.members, *other.members])
    with pytest.raises(InputError, match=r"seed 3.*seed 4") as caught:
        conclude_study(task)
    assert "test_data" in caught.value.remedy
    assert caught.value.exit_code == 2


def test_groups_of_all_members_are_merged(tmp_path: Path) -> None:
    """Arms with other data may group the same rows otherwise: rows that any of them keeps together stay together."""
    gold = gold_of(48)
    study = StudyFiles(tmp_path, gold, gold, group_size=2)
    study.add("pairs", {1: gold, 2: gold})
    study.group_size = 3
    study.add("threes", {1: gold, 2: gold})
    assert conclude_study(study.task()).groups == 8  # of six rows each


def test_nothing_complete_and_unknown_arms(files: StudyFiles) -> None:
    """An empty study and a family of unknown arms end with exit code 2; a missing file with 5."""
    with pytest.raises(InputError):
        conclude_study(replace(files.task(), members=[]))
    with pytest.raises(InputError, match="nobody") as caught:
        conclude_study(files.task({"odd": [("nobody", "A")], "same": [("plain", "plain")]}))
    assert "same" in str(caught.value)
    gone = replace(files.members[0], folder=files.folder / "gone")
    with pytest.raises(IntegrityError):
        conclude_study(replace(files.task(), members=[gone]))


def test_an_arm_without_members(files: StudyFiles) -> None:
    """It stays in the result: undecided, and named as missing."""
    members = [m for m in files.members if m.arm != "gates"]
    result = conclude_study(replace(files.task(FAMILIES), members=members))
    assert {c.finding for c in result.declared if "gates" in (c.arm, c.other)} == {Finding.TOO_FEW_SEEDS}
    assert "gates: missing seeds 1, 2, 3, 4, 5" in result.sentences()


def test_the_order_of_rows_and_members_does_not_matter(files: StudyFiles, result: StudyResult, tmp_path: Path) -> None:
    """Rows in another order in one file, and members in another order, give the same figures."""
    first = files.members[0]
    folder = tmp_path / "shuffled"
    folder.mkdir()
    lines = Sample.read_lines(first.folder / SAMPLES_FILE)
    (folder / SAMPLES_FILE).write_bytes(b"".join(line.to_bytes() + b"\n" for line in reversed(lines)))
    (folder / EVALUATION_FILE).write_bytes((first.folder / EVALUATION_FILE).read_bytes())
    members = [*reversed(files.members[1:]), replace(first, folder=folder)]
    again = conclude_study(replace(files.task(FAMILIES, reference="plain"), members=members))
    assert [(c.p_value, c.difference) for c in again.contrasts] == [(c.p_value, c.difference) for c in result.contrasts]
    assert again.ranks == result.ranks
