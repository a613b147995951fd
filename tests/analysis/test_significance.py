"""Significance, against enumeration of every exchange, a known null, known intervals and published corrections."""

from itertools import product

import numpy as np
import pytest

from mner.analysis.counts import Counts
from mner.analysis.significance import Resampling, benjamini_hochberg, compare, f1_interval, holm
from mner.errors import ConfigurationError, DataError


def counts(rows):
    """Counts of one type from ``(right, found, wanted)`` a post."""
    matched, predicted, gold = np.array(rows, dtype=np.int64).T[:, :, None]
    return Counts(("PER",), matched, predicted, gold)


def simulated(random, posts, seeds, quality=0.7, spread=0.0):
    """Seeds of one method: each finds each of two entities a post with its own probability, and invents a few."""
    systems = []
    for _ in range(seeds):
        chance = np.clip(quality + spread * random.standard_normal(), 0.05, 0.95)
        matched = random.binomial(2, chance, posts)
        found = matched + random.binomial(1, 0.3, posts)
        systems.append(counts(np.stack([matched, found, np.full(posts, 2)], axis=1)))
    return systems


def f1(rows):
    matched, predicted, gold = np.sum(rows, axis=0)
    return 2 * matched / (predicted + gold)


FIRST = [
    [(1, 1, 1), (2, 2, 2), (1, 2, 1), (1, 1, 2), (1, 1, 1)],
    [(1, 1, 1), (2, 3, 2), (1, 1, 1), (2, 2, 2), (0, 0, 1)],
    [(1, 2, 1), (1, 1, 2), (1, 1, 1), (2, 2, 2), (1, 1, 1)],
]
SECOND = [
    [(0, 1, 1), (1, 1, 2), (0, 1, 1), (1, 2, 2), (1, 2, 1)],
    [(1, 2, 1), (1, 2, 2), (0, 0, 1), (1, 1, 2), (0, 1, 1)],
]


def exact_p(first, second):
    """Share of the ``2 ** N`` exchanges, of all seeds of a post at once, that give as large a difference.

    Seeds are paired in order, going round where one system has fewer, so that each weighs as much as the others.
    """
    posts = range(len(first[0]))

    def difference(swaps):
        parts = []
        for index in range(len(first) * len(second)):
            one, two = first[index % len(first)], second[index % len(second)]
            ours = [two[post] if swaps[post] else one[post] for post in posts]
            theirs = [one[post] if swaps[post] else two[post] for post in posts]
            parts.append(f1(ours) - f1(theirs))
        return np.mean(parts)

    observed = abs(difference([0] * len(posts)))
    return np.mean([abs(difference(swaps)) >= observed - 1e-12 for swaps in product((0, 1), repeat=len(posts))])


@pytest.mark.parametrize(("seeds", "others"), [(1, 1), (2, 2), (1, 2), (3, 2)])
def test_p_is_that_of_every_exchange(seeds, others):
    first, second = FIRST[:seeds], SECOND[:others]
    result = compare([*map(counts, first)], [*map(counts, second)], Resampling(5, rounds=20_000))
    assert result.p_value == pytest.approx(exact_p(first, second), abs=0.01)
    expected = np.mean([f1(rows) for rows in first]) - np.mean([f1(rows) for rows in second])
    assert result.difference == pytest.approx(expected)


def test_the_smallest_p_by_hand():
    """Right everywhere against nowhere: of 2 ** 3 exchanges only none and all are as extreme, p = 2 / 8."""
    right, wrong = counts([(1, 1, 1)] * 3), counts([(0, 1, 1)] * 3)
    result = compare([right], [wrong], Resampling(3, rounds=20_000))
    assert result.difference == 1
    assert result.p_value == pytest.approx(0.25, abs=0.01)


def test_equal_systems_do_not_differ():
    system = [counts(rows) for rows in FIRST]
    result = compare(system, system, Resampling(5, rounds=500))
    assert (result.difference, result.p_value) == (0, 1)
    assert result.low <= 0 <= result.high
    assert not result.significant(result.p_value)


def test_never_0_and_the_same_again():
    right, wrong = counts([(1, 1, 1)] * 60), counts([(0, 1, 1)] * 60)
    one, other = (compare([right], [wrong], Resampling(60, rounds=99, seed=3)) for _ in range(2))
    assert one == other
    assert one.p_value == pytest.approx(1 / 100)


def test_five_percent_of_false_alarms_where_nothing_differs():
    random = np.random.default_rng(0)
    draws = Resampling(120, rounds=399)
    p_values = [compare(simulated(random, 120, 2), simulated(random, 120, 2), draws).p_value for _ in range(600)]
    alarms = np.mean(np.array(p_values) <= 0.05)
    assert abs(alarms - 0.05) < 3.3 * np.sqrt(0.05 * 0.95 / 600)
    assert abs(np.mean(np.array(p_values) <= 0.5) - 0.5) < 3.3 * np.sqrt(0.25 / 600)


def test_a_real_difference_is_found():
    random = np.random.default_rng(0)
    draws = Resampling(200, rounds=399)
    results = [compare(simulated(random, 200, 3, 0.75), simulated(random, 200, 3, 0.65), draws) for _ in range(50)]
    assert np.mean([result.significant(result.p_value) for result in results]) > 0.9


def test_the_interval_covers_posts_and_seeds():
    """Of 95% intervals some 95% hold the true value; those over posts alone would not, where seeds vary."""
    random = np.random.default_rng(0)
    draws = Resampling(150, rounds=300)

    def covers(seeds, spread):
        hits = []
        for _ in range(200):
            one, other = (simulated(random, 150, seeds, spread=spread) for _ in range(2))
            result = compare(one, other, draws)
            hits.append(result.low <= 0 <= result.high)
        return np.mean(hits)

    assert covers(1, 0.0) == pytest.approx(0.95, abs=0.05)
    assert covers(8, 0.04) > 0.88
    assert covers(1, 0.04) < 0.85  # one seed tells nothing of how seeds vary


def test_lucky_seeds_are_no_difference():
    """One method twice, its seeds of unequal quality: p alone is hasty, with the interval of three seeds it is not."""
    random = np.random.default_rng(0)
    draws = Resampling(150, rounds=300)

    def alarms(seeds):
        pairs = [[simulated(random, 150, seeds, spread=0.04) for _ in range(2)] for _ in range(200)]
        results = [compare(one, other, draws) for one, other in pairs]
        hasty = np.mean([result.p_value <= 0.05 for result in results])
        return hasty, np.mean([result.significant(result.p_value) for result in results])

    hasty, both = alarms(3)
    assert hasty > 0.15
    assert both < 0.1
    assert alarms(1)[1] > 0.1  # one seed cannot tell


def test_the_interval_of_one_score():
    rows = [(1, 1, 1)] * 50 + [(0, 1, 1)] * 50
    interval = f1_interval([counts(rows)], Resampling(100, rounds=4000))
    assert (interval.mean, interval.deviation, interval.seeds) == (0.5, None, 1)
    # F1 is the share of posts that are right: a binomial share with deviation 0.05.
    assert (interval.low, interval.high) == pytest.approx((0.5 - 1.96 * 0.05, 0.5 + 1.96 * 0.05), abs=0.012)


def test_uneven_seeds_weigh_the_same():
    """No exchange gives the difference observed: of one post, one exchange is as extreme as the other."""
    first, second = ([counts(rows[:1]) for rows in system] for system in (FIRST, SECOND))
    assert compare(first, second, Resampling(1, rounds=200)).p_value == 1


def test_other_numbers_of_posts_are_refused():
    with pytest.raises(DataError, match="expected counts of 4 posts, got 5"):
        compare([counts(FIRST[0])], [counts(SECOND[0])], Resampling(4, rounds=10))
    with pytest.raises(ConfigurationError, match="at least one post and one round"):
        Resampling(0)
    with pytest.raises(ConfigurationError, match="at least one seed per system, got 0 and 1"):
        compare([], [counts(FIRST[0])], Resampling(5, rounds=10))


def test_corrections_against_values_by_hand():
    pytest.importorskip("statsmodels")
    p_values = [0.01, 0.04, 0.03, 0.005]
    assert holm(p_values) == [0.03, 0.06, 0.06, 0.02]
    assert benjamini_hochberg(p_values) == [0.02, 0.04, 0.04, 0.02]
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == benjamini_hochberg([]) == []


def test_corrections_against_their_definitions():
    """Holm and Hochberg by the stepwise rules that define them, over a grid of levels."""
    pytest.importorskip("statsmodels")
    random = np.random.default_rng(0)
    for _ in range(20):
        p_values = random.random(7) ** 3
        ranked = np.sort(p_values)
        corrected, shared = np.array(holm(p_values)), np.array(benjamini_hochberg(p_values))
        for level in (0.01, 0.05, 0.2, 0.5):
            fails = [i for i in range(7) if ranked[i] > level / (7 - i)]
            rejected = fails[0] if fails else 7
            assert (corrected <= level).sum() == rejected
            passes = [i + 1 for i in range(7) if ranked[i] <= level * (i + 1) / 7]
            assert (shared <= level).sum() == (passes[-1] if passes else 0)


def test_the_same_trainings_under_two_conditions_are_drawn_in_pairs():
    """Seeds of different quality, each of which loses eight of 40 posts: a sure loss, whichever seeds are drawn."""
    gold = np.ones((40, 1), dtype=np.int64)
    real, worse = [], []
    for right in (10, 25, 40):
        matched = (np.arange(40) < right).astype(np.int64)[:, None]
        lost = matched.copy()
        lost[:8] = 0
        real.append(Counts(("PER",), matched, gold, gold))
        worse.append(Counts(("PER",), lost, gold, gold))
    draws = Resampling(40, 2000)
    paired, apart = (compare(real, worse, draws, same_trainings=same) for same in (True, False))
    assert paired.difference == apart.difference == pytest.approx(8 / 40)
    assert apart.low < 0 < paired.low
    with pytest.raises(ConfigurationError, match="as many on both sides"):
        compare(real, worse[:2], draws, same_trainings=True)
