# SPDX-License-Identifier: MIT
"""Where the ratio of two things passes 1.0 along an axis, and that in words. Only what is beyond the noise counts."""
import math
import statistics
from dataclasses import dataclass

LEAST = 1.02  # a ratio nearer to 1.0 is no difference, however often it is measured
SPREADS = 1.5  # how many times the distance of the quartiles a median must be away from 1.0. Of 7 rounds without a difference, chance brings 1 or 2 % that far
NO_DIFFERENCE = 'no difference beyond the noise'


@dataclass(frozen=True)
class Point:
    """A ratio, measured at x: its median and quartiles."""

    x: float
    low: float
    median: float
    high: float

    @classmethod
    def of(cls, x, ratios):
        """From those of all rounds, at least one; positive."""
        if len(ratios) < 2:
            return cls(x, ratios[0], ratios[0], ratios[0])
        low, median, high = statistics.quantiles(ratios, n=4, method='inclusive')
        return cls(x, low, median, high)

    def spread(self):
        return self.low, self.median, self.high

    def side(self):
        """1: above 1.0; -1: below; 0: not beyond the noise. Distances are those of the logarithms, so that a ratio and its inverse are treated alike."""
        distance = abs(math.log(self.median))
        if distance < math.log(LEAST) or self.low <= 1 <= self.high or distance < SPREADS * math.log(self.high / self.low):
            return 0
        return 1 if self.median > 1 else -1


@dataclass(frozen=True)
class Stretch:
    """Where one side is ahead: up to `end`, or to the end of the axis if that is None. `points` are those of it that are beyond the noise."""

    side: int
    end: float | None
    points: tuple


def passes(points, log_x):
    """Where the lines between the medians pass 1.0, from the first point to the last, which are on different sides: one x, in the middle if there are several."""
    place, back = (math.log, math.exp) if log_x else (float, float)
    found = []
    for before, after in zip(points, points[1:]):
        a, b = math.log(before.median), math.log(after.median)
        if a != b and a * b <= 0:
            x = place(before.x) + (place(after.x) - place(before.x)) * a / (a - b)
            found.append(x)
    return back((found[0] + found[-1]) / 2)


def stretches(points, log_x=False):
    """Cut an axis where the sides change; points in any order. Empty: no point is beyond the noise."""
    points = sorted(points, key=lambda p: p.x)
    result, members, last = [], [], None
    for i, point in enumerate(points):
        side = point.side()
        if side == 0:
            continue
        if last is not None and points[last].side() != side:
            result.append(Stretch(-side, passes(points[last:i + 1], log_x), tuple(members)))
            members = []
        members.append(point)
        last = i
    if members:
        result.append(Stretch(members[0].side(), None, tuple(members)))
    return result


def rounded(x):
    """To two significant digits: what is interpolated is not known better."""
    return round(x, 1 - math.floor(math.log10(x))) if x > 0 else 0.0


def number(x):
    """Without digits that say nothing."""
    return f'{x:,.6f}'.rstrip('0').rstrip('.')


def gain(points, side):
    """By how much the one ahead is at most, in words."""
    most = max(p.median ** side for p in points)
    return f'by up to {100 * (most - 1):.0f} %' if most < 2 else f'up to {most:.1f} times'


def enumerate_words(words):
    return ' and '.join([', '.join(words[:-1]), words[-1]] if len(words) > 1 else words)


def where(points, decided, name):
    """Which of the points, all on one side, are beyond the noise."""
    chosen = [p in decided for p in points]
    first, last = chosen.index(True), len(chosen) - 1 - chosen[::-1].index(True)
    if first < last and all(chosen[first:]):
        return f'from {name(points[first].x)} on'
    if first < last and all(chosen[:last + 1]):
        return f'up to {name(points[last].x)}'
    if len(decided) > 2:
        return f'at {len(decided)} of {len(points)} places'
    return 'at ' + enumerate_words([name(p.x) for p in decided])


def in_words(points, above, below, name, log_x=False, amounts=True):
    """A clause: who is faster where. `above` is who is if the ratio is above 1.0; `name(x)` is a place on the axis, as in `12 writes`; what is not measured, but interpolated, it gets rounded."""
    points = sorted(points, key=lambda p: p.x)
    parts = stretches(points, log_x)
    who = {1: above, -1: below}

    def much(stretch):
        return f' ({gain(stretch.points, stretch.side)})' if amounts else ''

    if not parts:
        return NO_DIFFERENCE
    if len(parts) == 1:
        only = parts[0]
        if len(only.points) == len(points):
            return f'{who[only.side]} is faster throughout{much(only)}'
        return f'{who[only.side]} is faster {where(points, only.points, name)}{much(only)}, else {NO_DIFFERENCE}'
    if len(parts) == 2:
        first, second = parts
        return f'{who[second.side]} is faster from about {name(rounded(first.end))} on{much(second)}, before that {who[first.side]}{much(first)}'
    text = [f'{who[p.side]}{" is faster" * (i == 0)} up to about {name(rounded(p.end))}{much(p)}' for i, p in enumerate(parts[:-1])]
    return ', '.join([*text, f'{who[parts[-1].side]} beyond{much(parts[-1])}'])
