# SPDX-License-Identifier: MIT
"""What the sweep has measured, by places; and the axes along which write-back and write-through are compared."""
import re
import statistics
from dataclasses import dataclass

from crossing import Point, enumerate_words, in_words, number, rounded
from tables import divide

THROUGH, BACK = 'write-through', 'write-back'
MODES = {'wb': BACK, 'wt': THROUGH}
NAME = re.compile(r'n(\d+)-r(\d+)-(?:apart|of(\d+))-a(\d+)-w(\d+)$')


@dataclass(frozen=True)
class Place:
    """Of the sweep: see design.hpp. Shares in percent; shared: words of the array that all threads use, 0 if each has its own."""

    accesses: int
    reads: int
    shared: int
    restarts: int
    again: int

    @classmethod
    def of(cls, name):
        return cls(*(int(group or 0) for group in NAME.match(name).groups()))

    def name(self):
        return f'n{self.accesses}-r{self.reads}-{f"of{self.shared}" if self.shared else "apart"}-a{self.restarts}-w{self.again}'

    def but(self, **changes):
        return Place(**{**self.__dict__, **changes})


MIDDLE = Place(32, 50, 0, 0, 0)


class Samples:
    """Lists with one value per round, empty where it was not measured; and what of the axes there is."""

    def __init__(self, entries):
        self.entries = entries  # (place, variant, threads) -> list of entries
        self.places = sorted({place for place, _, _ in entries}, key=lambda p: (p.shared != 0, -p.shared, p.restarts, p.again, p.reads, p.accesses))
        self.threads = sorted({threads for _, _, threads in entries})

    def along(self, axis):
        """All values of one axis, ascending."""
        return sorted({getattr(place, axis) for place in self.places})

    def sharings(self):
        """Those of `shared`, the least contended first."""
        return sorted(self.along('shared'), key=lambda words: (words != 0, -words))

    def rates(self, place, variant, threads):
        return [entry['items_per_second'] for entry in self.entries.get((place, variant, threads), [])]

    def costs(self, place, variant, threads):
        """Nanoseconds of a thread for each transaction."""
        return [1e9 * threads / rate for rate in self.rates(place, variant, threads) if rate]

    def ratios(self, place, threads, above='wt', below='wb'):
        return [ratio for ratio in divide(self.rates(place, above, threads), self.rates(place, below, threads)) if ratio > 0]

    def conflicts(self, place, variant, threads):
        """Aborts per commit that the transaction did not ask for."""
        return [entry['aborts'] - entry.get('aborts_restart', 0) for entry in self.entries.get((place, variant, threads), [])]

    def contention(self, place, threads):
        """Such aborts in the mean of both modes, of the medians."""
        return statistics.mean(statistics.median(self.conflicts(place, variant, threads)) for variant in MODES)

    def lost(self, place, variant, threads):
        """Nanoseconds of a thread for an attempt that is rolled back."""
        some, none = place.but(restarts=max(self.along('restarts'), default=0)), place.but(restarts=0)
        shares = [entry.get('aborts_restart', 0) for entry in self.entries.get((some, variant, threads), [])]
        costs = zip(self.costs(some, variant, threads), self.costs(none, variant, threads), shares)
        return [(with_some - without) / share for with_some, without, share in costs if share]

    def even(self, place, threads):
        """
        How many rollbacks per commit make up for what one mode's commits are faster. None: the other's rollbacks are not, or a
        difference is not beyond the noise.
        """
        differences = []
        for values in (self.costs, self.lost):
            back, through = values(place, 'wb', threads), values(place, 'wt', threads)
            if not back or not through or min(back + through) <= 0 or Point.of(0, divide(back, through)).side() == 0:
                return None
            differences.append(statistics.median(b - t for b, t in zip(back, through)))
        commit, rollback = differences
        return -commit / rollback if commit * rollback < 0 else None

    def curve(self, places, x_of, threads):
        """Points of the ratio of write-through to write-back."""
        measured = [(place, self.ratios(place, threads)) for place in places]
        return [Point.of(x_of(place), ratios) for place, ratios in measured if ratios]


def collect(results):
    """The samples, and what is wrong: a sentence each."""
    entries, damaged = {}, list(results.get('failed', []))
    for entry in results['benchmarks']:
        workload, variant = entry['name'].split('/')[:2]
        if entry.get('error_occurred'):
            damaged.append(f'{entry["name"]}: {entry["error_message"]}')
        else:
            entries.setdefault((Place.of(workload), variant, entry['threads']), []).append(entry)
    return Samples(entries), damaged


def plural(count, word):
    return f'{count} {word}{"s" * (str(count) != "1")}'


def sharing(words):
    return f'{words:,} words' if words else 'apart'


@dataclass
class Axis:
    """Something that is varied, with one curve for each value of something else. `name(x, key)`: a place on it in words."""

    title: str
    key_title: str
    x_label: str
    threads: int
    curves: dict  # value of the other thing -> points
    name: object
    log_x: bool = False

    def clause(self, key, amounts=True):
        return in_words(self.curves[key], THROUGH, BACK, lambda x: self.name(x, key), self.log_x, amounts)

    def clauses(self, amounts=True):
        """One for all curves of which the same is to be said."""
        said = {}
        for key in self.curves:
            said.setdefault(self.clause(key, amounts), []).append(str(key))
        return [f'{self.key_title.format(enumerate_words(keys))}: {clause}' for clause, keys in said.items()]

    def sentence(self):
        return f'{self.title}: {"; ".join(self.clauses(amounts=False))}.'


def axes(samples):
    """All that has been measured, the most important first; of two points or more."""
    def curves(axis, places, x_of, threads):
        found = {key: samples.curve(places(key), x_of, threads) for key in samples.along(axis)}
        return {key: points for key, points in found.items() if len(points) > 1}

    def sized(x, key):
        writes = x * (100 - key) / 100
        return f'{number(x)} accesses ({plural(number(round(writes) if writes > 10 else rounded(writes)), "write")})'

    sizes, shares = samples.along('accesses'), samples.along('reads')
    found = []
    for threads in samples.threads[:2]:
        found.append(Axis(f'By size, {plural(threads, "thread")}, nothing shared', '{} % reads', 'accesses of a transaction', threads,
                          curves('reads', lambda key: [MIDDLE.but(accesses=n, reads=key) for n in sizes], lambda p: p.accesses, threads), sized, True))
    for threads in samples.threads[:2]:
        found.append(Axis(f'By rollbacks, {plural(threads, "thread")}, half reads', '{} accesses', 'transactions that roll back once, %', threads,
                          curves('accesses', lambda key: [MIDDLE.but(accesses=key, restarts=a) for a in samples.along('restarts')], lambda p: p.restarts, threads),
                          lambda x, key: f'{number(x)} % rolled back'))
    for threads in [t for t in samples.threads if t > 1]:
        found.append(Axis(f'By conflicts, {threads} threads, half reads', '{} accesses', 'aborts per commit (mean of both)', threads,
                          curves('accesses', lambda key: [MIDDLE.but(accesses=key, shared=s) for s in samples.along('shared')],
                                 lambda p, t=threads: samples.contention(p, t), threads),
                          lambda x, key: f'{number(rounded(x))} aborts per commit'))
    for threads in samples.threads[:2]:
        found.append(Axis(f'By reads of own writes, {plural(threads, "thread")}, half reads', '{} accesses', 'reads of own writes, % of the reads', threads,
                          curves('accesses', lambda key: [MIDDLE.but(accesses=key, again=w) for w in samples.along('again')], lambda p: p.again, threads),
                          lambda x, key: f'{number(x)} % of own writes'))
    for threads in samples.threads[:2]:
        found.append(Axis(f'By reads, {plural(threads, "thread")}, nothing shared', '{} accesses', 'reads, %', threads,
                          curves('accesses', lambda key: [MIDDLE.but(accesses=key, reads=r) for r in shares], lambda p: p.reads, threads),
                          lambda x, key: f'{number(x)} % reads'))
    found.append(Axis('By threads, half reads, nothing shared', '{} accesses', 'threads', 0,
                      {n: points for n in sizes if len(points := [Point.of(t, ratios) for t in samples.threads if (ratios := samples.ratios(MIDDLE.but(accesses=n), t))]) > 1},
                      lambda x, key: plural(number(x), 'thread'), True))
    return [axis for axis in found if axis.curves]
