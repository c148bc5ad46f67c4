#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""crossing.py BENCH-DIRECTORY: what the sweep says of where write-back and write-through cross follows from its data. All data are made up."""
import math
import random
import sys
import unittest

sys.path.insert(0, sys.argv.pop(1))

import sweep  # noqa: E402
from crossing import NO_DIFFERENCE, Point, in_words, number, rounded, stretches  # noqa: E402

SIZES = [2, 8, 32, 128, 512]


def curve(ratio, xs, spread=0.01):
    """Points whose quartiles are `spread` off."""
    return [Point(x, ratio(x) * (1 - spread), ratio(x), ratio(x) * (1 + spread)) for x in xs]


def words(points, **how):
    return in_words(points, 'A', 'B', lambda x: f'{number(x)} apples', **how)


class Sides(unittest.TestCase):
    def test_a_ratio_is_on_a_side_only_beyond_its_spread(self):
        self.assertEqual(Point(1, 1.08, 1.1, 1.12).side(), 1)
        self.assertEqual(Point(1, 0.88, 0.9, 0.92).side(), -1)
        self.assertEqual(Point(1, 1.01, 1.1, 1.2).side(), 0)
        self.assertEqual(Point(1, 0.7, 0.9, 1.01).side(), 0)

    def test_a_ratio_next_to_one_is_on_no_side(self):
        self.assertEqual(Point(1, 1.009, 1.01, 1.011).side(), 0)

    def test_a_ratio_and_its_inverse_are_on_opposite_sides(self):
        for low, median, high in [(1.3, 2.0, 2.5), (1.05, 1.1, 1.2), (1.0, 1.01, 1.1), (1.02, 1.05, 1.06)]:
            self.assertEqual(Point(1, low, median, high).side(), -Point(1, 1 / high, 1 / median, 1 / low).side())

    def test_the_quartiles_are_of_all_rounds(self):
        self.assertEqual(Point.of(3, [1.4, 1.0, 1.2, 1.1, 1.3]), Point(3, 1.1, 1.2, 1.3))
        self.assertEqual(Point.of(3, [1.5]), Point(3, 1.5, 1.5, 1.5))


class Crossings(unittest.TestCase):
    def test_one_crossing_is_found_where_it_is(self):
        for at in (3, 12, 100, 300):
            first, second = stretches(curve(lambda x: (x / at) ** 0.2, SIZES), log_x=True)
            self.assertAlmostEqual(first.end, at, delta=0.001 * at)
            self.assertEqual((first.side, second.side, second.end), (-1, 1, None))

    def test_a_linear_axis_is_interpolated_linearly(self):
        first, second = stretches(curve(lambda x: math.exp(0.1 - 0.02 * x), [0, 1, 10, 50]))
        self.assertAlmostEqual(first.end, 5)
        self.assertEqual((first.side, second.side), (1, -1))

    def test_points_may_come_in_any_order(self):
        points = curve(lambda x: (x / 12) ** 0.2, SIZES)
        self.assertEqual(stretches(points, True), stretches(points[::-1], True))

    def test_no_crossing(self):
        only, = stretches(curve(lambda x: 1.2, SIZES), log_x=True)
        self.assertEqual((only.side, only.end, len(only.points)), (1, None, 5))

    def test_several_crossings(self):
        ratios = dict(zip(SIZES, [0.9, 1.1, 1.2, 0.9, 1.1]))
        cut = stretches(curve(ratios.get, SIZES), log_x=True)
        self.assertEqual([s.side for s in cut], [-1, 1, -1, 1])
        ends = [s.end for s in cut]
        self.assertTrue(2 < ends[0] < 8 and 32 < ends[1] < 128 < ends[2] < 512, ends)

    def test_what_the_noise_covers_neither_makes_nor_hides_a_crossing(self):
        points = curve({2: 0.9, 128: 1 / 0.9}.get, [2, 128]) + curve({8: 1.01, 32: 1 / 1.01}.get, [8, 32], 0.1)
        first, second = stretches(points, log_x=True)
        self.assertEqual((first.side, second.side), (-1, 1))
        self.assertAlmostEqual(first.end, 16)  # in the middle of the three where the medians pass 1.0
        covered = curve(lambda x: 1.2, [2, 8, 128, 512]) + curve(lambda x: 0.95, [32], 0.2)
        self.assertEqual(len(stretches(covered, log_x=True)), 1)

    def test_noise_alone_is_no_difference(self):
        self.assertEqual(stretches(curve(lambda x: 1.0 + 0.01 * (-1) ** (x > 10), SIZES, 0.05)), [])

    def test_random_noise_around_one_rarely_counts(self):
        chance = random.Random(1)
        points = [Point.of(x, [math.exp(chance.gauss(0, 0.05)) for _ in range(7)]) for x in range(1000)]
        self.assertLess(sum(p.side() != 0 for p in points), 30)

    def test_a_real_difference_in_random_noise_mostly_counts(self):
        chance = random.Random(2)
        points = [Point.of(x, [1.2 * math.exp(chance.gauss(0, 0.05)) for _ in range(7)]) for x in range(1000)]
        self.assertGreater(sum(p.side() == 1 for p in points), 950)


class Words(unittest.TestCase):
    def test_no_difference(self):
        self.assertEqual(words(curve(lambda x: 1.0, SIZES)), NO_DIFFERENCE)
        self.assertEqual(words([]), NO_DIFFERENCE)

    def test_throughout(self):
        self.assertEqual(words(curve(lambda x: 1.25, SIZES)), 'A is faster throughout (by up to 25 %)')
        self.assertEqual(words(curve(lambda x: 0.5, SIZES)), 'B is faster throughout (up to 2.0 times)')

    def test_on_a_part(self):
        some = {2: 1.0, 8: 1.0, 32: 1.1, 128: 1.1, 512: 1.1}
        self.assertEqual(words(curve(some.get, SIZES), amounts=False), f'A is faster from 32 apples on, else {NO_DIFFERENCE}')
        some = {2: 1.1, 8: 1.1, 32: 1.0, 128: 1.0, 512: 1.0}
        self.assertEqual(words(curve(some.get, SIZES), amounts=False), f'A is faster up to 8 apples, else {NO_DIFFERENCE}')
        some = {2: 1.0, 8: 0.9, 32: 1.0, 128: 0.9, 512: 1.0}
        self.assertEqual(words(curve(some.get, SIZES), amounts=False), f'B is faster at 8 apples and 128 apples, else {NO_DIFFERENCE}')
        some = {2: 0.9, 8: 1.0, 32: 0.9, 128: 0.9, 512: 1.0}
        self.assertEqual(words(curve(some.get, SIZES), amounts=False), f'B is faster at 3 of 5 places, else {NO_DIFFERENCE}')
        some = {2: 1.1, 8: 1.0, 32: 1.0, 128: 1.0, 512: 1.0}
        self.assertEqual(words(curve(some.get, SIZES), amounts=False), f'A is faster at 2 apples, else {NO_DIFFERENCE}')

    def test_a_crossing(self):
        text = words(curve(lambda x: (x / 12) ** 0.1, SIZES), log_x=True, amounts=False)
        self.assertEqual(text, 'A is faster from about 12 apples on, before that B')

    def test_several_crossings(self):
        ratios = dict(zip(SIZES, [0.9, 1 / 0.9, 1 / 0.9, 0.9, 0.9]))
        text = words(curve(ratios.get, SIZES), log_x=True, amounts=False)
        self.assertEqual(text, 'B is faster up to about 4 apples, A up to about 64 apples, B beyond')

    def test_numbers_have_two_digits(self):
        self.assertEqual([number(rounded(x)) for x in (0, 0.0123, 0.35, 1, 4.04, 12.4, 119, 1234)], ['0', '0.012', '0.35', '1', '4', '12', '120', '1,200'])


def results(ratio, rounds=7, noise=0.0, threads=(1, 2)):
    """What tm-sweep-bench would say if write-through were `ratio(point, threads)` times as fast."""
    chance = random.Random(3)
    places = [sweep.Place(n, r, 0, a, 0) for n in SIZES for r in (0, 50, 90, 99) for a in (0, 1, 10, 50) if a == 0 or r == 50]
    places += [sweep.Place(n, 50, shared, 0, 0) for n in (8, 32, 128) for shared in (65536, 4096, 256)]
    entries = []
    for place in places:
        for _ in range(rounds):
            for count in threads:
                for variant in ('wb', 'wt'):
                    rate = 1e8 / place.accesses / (1 + place.restarts / 100)
                    rate *= math.exp(chance.gauss(0, noise)) * (ratio(place, count) if variant == 'wt' else 1)
                    conflicts = {0: 0, 65536: 0.01, 4096: 0.1, 256: 1.0}[place.shared]
                    entries.append({'name': f'{place.name()}/{variant}/iterations:1/manual_time/threads:{count}', 'threads': count, 'items_per_second': rate,
                                    'aborts': conflicts + place.restarts / 100, 'aborts_restart': place.restarts / 100})
    return {'context': {'suite': 'sweep'}, 'benchmarks': entries}


class Summary(unittest.TestCase):
    def said(self, *arguments, **how):
        return sweep.summary(results(*arguments, **how))

    def one(self, sentences, beginning):
        found = [s for s in sentences if s.startswith(beginning)]
        self.assertEqual(len(found), 1, sentences)
        return found[0]

    def test_the_size_from_which_write_through_is_faster(self):
        sentences = self.said(lambda place, threads: (place.accesses / 24) ** 0.1 if place.restarts == 0 else 1)
        text = self.one(sentences, 'By size, 1 thread')
        self.assertIn('50 % reads: write-through is faster from about 24 accesses (12 writes) on, before that write-back', text)
        self.assertIn('0 % reads: write-through is faster from about 24 accesses (24 writes) on', text)

    def test_the_share_of_rollbacks_from_which_write_back_is_faster(self):
        sentences = self.said(lambda place, threads: math.exp(0.1 - 0.0125 * place.restarts) if place.accesses == 32 else 1.2)
        text = self.one(sentences, 'By rollbacks, 1 thread')
        self.assertIn('32 accesses: write-back is faster from about 8 % rolled back on, before that write-through', text)
        self.assertIn('2, 8, 128 and 512 accesses: write-through is faster throughout', text)

    def test_the_rollbacks_that_make_up_for_faster_commits(self):
        # Of 32 accesses, commits take 20 % less with write-through, attempts that are rolled back twice as long as commits with write-back.
        def ratio(place, threads):
            back = 1 + place.restarts / 100
            through = 0.8 + 2 * place.restarts / 100
            return back / through if place.accesses == 32 else 1.0
        text = self.one(self.said(ratio), 'Where rollbacks alone decide, write-back is faster')
        self.assertTrue(text.endswith(': 0.2 with 32 accesses.'), text)
        sentences = self.said(lambda place, threads: 1.2)
        self.assertFalse([s for s in sentences if s.startswith('Where rollbacks alone decide')])

    def test_the_conflicts_from_which_write_back_is_faster(self):
        aborts = {0: 0, 65536: 0.01, 4096: 0.1, 256: 1.0}
        sentences = self.said(lambda place, threads: math.exp(0.5 * (0.4 - aborts[place.shared])))
        self.assertIn('write-back is faster from about 0.4 aborts per commit on', self.one(sentences, 'By conflicts, 2 threads'))

    def test_equal_ones_differ_nowhere_for_all_the_noise(self):
        text = ' '.join(self.said(lambda place, threads: 1.0, noise=0.01))
        self.assertIn(NO_DIFFERENCE, text)
        self.assertNotIn('is faster', text)

    def test_of_nothing_nothing_is_said(self):
        self.assertEqual(sweep.summary({'context': {'suite': 'sweep'}, 'benchmarks': []}), [])

    def test_damaged_results_are_damaged_and_not_compared(self):
        made_up = results(lambda place, threads: 1.0)
        made_up['benchmarks'][0] |= {'error_occurred': True, 'error_message': 'torn'}
        samples, damaged = sweep.collect(made_up)
        self.assertEqual(damaged, [f'{made_up["benchmarks"][0]["name"]}: torn'])
        self.assertEqual(len(samples.rates(sweep.Place(2, 0, 0, 0, 0), 'wb', 1)), 6)

    def test_a_chart_has_what_was_measured(self):
        charts = sweep.charts(results(lambda place, threads: 1.5))
        self.assertTrue(charts)
        by_sharing = next(c for c in charts if 'By sharing, 2 threads' in c.title)
        self.assertEqual([x for x, *_ in by_sharing.series['32 accesses']], ['apart', '65,536 words', '4,096 words', '256 words'])
        self.assertIn('0.1 (4,096 words)', by_sharing.note)
        by_size = next(c for c in charts if 'transaction size, 1 thread' in c.title)
        self.assertEqual([x for x, *_ in by_size.series['50 % reads']], SIZES)
        self.assertTrue(all(abs(median - 1.5) < 1e-9 for _, _, median, _ in by_size.series['50 % reads']))


if __name__ == '__main__':
    unittest.main()
