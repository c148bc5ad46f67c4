# SPDX-License-Identifier: MIT
"""What the tables of all suites are made of: figures, their targets, their form."""
import statistics

# In the place of a number of threads: one thread, in a process that has no other.
ALONE = 'alone'


class Figure:
    """The values of all rounds, and what the median should be: at least (+) or at most (-) the target."""

    def __init__(self, values, target=None, at_most=False, digits=2):
        self.values, self.target, self.at_most, self.digits = values, target, at_most, digits

    def __bool__(self):
        return bool(self.values)

    def median(self):
        return statistics.median(self.values)

    def missed(self):
        if not self.values or self.target is None:
            return False
        return self.median() > self.target if self.at_most else self.median() < self.target

    def text(self, value=None):
        value = self.median() if value is None else value
        return f'{value:.{self.digits}f}'

    def spread(self):
        if len(self.values) < 3:
            return ''
        low, _, high = self.range()
        return f'{self.text(low)}-{self.text(high)}'

    def range(self):
        """Lower quartile, median, upper quartile, as far as there are as many values; for chart.Chart."""
        if len(self.values) < 3:
            return min(self.values), self.median(), max(self.values)
        return tuple(statistics.quantiles(self.values, n=4, method='inclusive'))

    def goal(self):
        if self.target is None:
            return ''
        return ('<= ' if self.at_most else '>= ') + f'{self.target:g}'

    def verdict(self):
        if self.target is None or not self.values:
            return ''
        return 'MISSED' if self.missed() else 'ok'


class Results:
    """Access to the samples: lists with one value per round, empty where it was not measured."""

    def __init__(self, samples):
        self.samples = samples

    def counter(self, name, workload, variant, threads=ALONE):
        """Some counters are left out where they are 0."""
        return [entry.get(name, 0) for entry in self.samples.get((workload, variant, threads), [])]

    def rate(self, workload, variant, threads=ALONE):
        return self.counter('items_per_second', workload, variant, threads)

    def cost(self, workload, variant, threads=ALONE):
        """Nanoseconds per operation."""
        return [1e9 / rate for rate in self.rate(workload, variant, threads) if rate]

    def ratio(self, workload, above, below):
        """Of the throughputs of two (variant, threads)."""
        return divide(self.rate(workload, *above), self.rate(workload, *below))


def each(function, *lists):
    return [function(*values) for values in zip(*lists)]


def divide(above, below):
    return [a / b for a, b in zip(above, below) if b]


def sampled(results):
    """(workload, variant) -> the entries of all rounds; and the damages, a sentence each."""
    samples, damaged = {}, list(results.get('failed', []))
    for entry in results['benchmarks']:
        if entry.get('error_occurred'):
            damaged.append(f'{entry["name"]}: {entry["error_message"]}')
            continue
        samples.setdefault(tuple(entry['name'].split('/')[:2]), []).append(entry)
    return samples, damaged


class Output:
    """Where headings and tables go: to the terminal. html_report.Recorder keeps them as well."""

    def heading(self, text):
        print(f'\n{text}\n')

    def rows(self, head, rows):
        widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
        for row in [head, ['-' * w for w in widths], *rows]:
            print('  ' + '  '.join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:]))]).rstrip())


output = Output()


def factor(value):
    """A ratio within a sentence."""
    return f'{value:.2f}' if value < 2 else f'{value:.1f}' if value < 10 else f'{value:,.0f}'


def heading(number, text):
    output.heading(f'({number}) {text}')


def print_rows(head, rows):
    output.rows(head, rows)
