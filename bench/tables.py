# SPDX-License-Identifier: MIT
"""The tables that bench/run prints: their figures, their targets, their form."""
import statistics

COLUMNS = [('bank-1024', 'bank 1,024'), ('bank-65536', 'bank 65,536'), ('hash-20', 'hash 20 %'), ('hash-100', 'hash 100 %'),
           ('tree-0', 'tree 0 %'), ('tree-20', 'tree 20 %'), ('tree-100', 'tree 100 %'), ('list-20', 'list 20 %')]

# In the place of a number of threads: one thread, in a process that has no other.
ALONE = 'alone'

# (row, variant, threads, targets in the order of the columns)
ONE_THREAD = [0.42, 0.42, 0.85, 0.55, 0.70, 0.67, 0.45, 0.42]
TO_MUTEX = [
    ('1 thread', '', ALONE, ONE_THREAD),
    ('1 thread, others idle', '', 1, ONE_THREAD),
    ('2 threads, quiescence off', '-nq', 2, [1.4, 1.8, 2.8, 1.35, 3.7, 3.2, 1.2, 0.9]),
    ('2 threads, default', '', 2, [0.7, 0.75, 2.0, 0.9, 3.5, 2.6, 0.9, 0.75]),
]
TO_LIBITM = 2.5
WT_TO_WB = 0.85
MANY_THREADS = 0.8
WORDS = [('read-random', 'random'), ('read', 'back to back')]
ONE_AND_TWO = [('1 thread', ALONE), ('2 threads', 2)]


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
        low, _, high = statistics.quantiles(self.values, n=4, method='inclusive')
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
        return [entry[name] for entry in self.samples.get((workload, variant, threads), [])]

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


class Report:
    def __init__(self, samples):
        self.results = Results(samples)
        self.missed = []

    def note(self, where, figure):
        if figure.missed():
            self.missed.append(f'{where}: {figure.text()} ({figure.spread()}), should be {figure.goal()}')

    def costs(self):
        """(1), one row per figure."""
        r, rows = self.results, []

        def add(what, figure, unit):
            if figure:
                self.note(f'(1) {what}', figure)
                rows.append([what, f'{figure.text()} {unit}'.strip(), f'[{figure.spread()}]', figure.goal(), figure.verdict()])

        for mode in ('wb', 'wt'):
            empty, name = r.cost('empty', mode), mode.upper()
            add(f'{name} empty transaction', Figure(empty, 10, True), 'ns')
            for what, order in WORDS:
                for n in (64, 512):
                    above = each(lambda tx, e, plain: (tx - e - plain) / n, r.cost(f'{what}-{n}', mode), empty, r.cost(f'{what}-{n}', 'none'))
                    add(f'{name} read above the plain load, N = {n}, {order}', Figure(above, 1.5, True), 'ns')
            for n, target in ((64, 6), (512, 6)):
                first = each(lambda tx, e: (tx - e) / n, r.cost(f'write-{n}', mode), empty)
                add(f'{name} first write, N = {n}', Figure(first, target, True), 'ns')
            modify = each(lambda tx, e: (tx - e) / 64, r.cost('modify-64', mode), empty)
            add(f'{name} read and first write, N = 64', Figure(modify), 'ns')
            add(f'{name} 512 writes', Figure([ns / 1000 for ns in r.cost('write-512', mode)], 3.2, True), 'us')
            add(f'{name} malloc+free to the plain pair, 1 thread', Figure(r.ratio('malloc-free', (mode, ALONE), ('plain', ALONE)), 0.16), '')
            add(f'{name} malloc+free to the plain pair, 2 threads', Figure(r.ratio('malloc-free', (mode, 2), ('plain', 2))), '')
            add(f'{name} malloc+free, 2 threads to 1', Figure(r.ratio('malloc-free', (mode, 2), (mode, 1)), 1.0), '')
        add('empty transaction without attributes', Figure(r.cost('empty', 'default'), 10, True), 'ns')
        add('C empty transaction (WB)', Figure(r.cost('empty', 'wb-c')), 'ns')
        for what, order in WORDS:
            for n in (64, 512):
                cost, plain = r.cost(f'{what}-{n}', 'ro'), r.cost(f'{what}-{n}', 'none')
                add(f'read-only to the plain loop, N = {n}, {order}', Figure(divide(cost, plain), 1.3, True), '')
        for n in (64, 512):
            add(f'a word of the plain loop, N = {n}, random', Figure([cost / n for cost in r.cost(f'read-random-{n}', 'none')]), 'ns')
        add('std::mutex, lock and unlock', Figure(r.cost('empty', 'mutex')), 'ns')
        if rows:
            heading(1, 'costs at one thread; the empty transaction is taken off reads and writes; random of 65,536 words, else scattered over 4,096')
            print_rows(['', 'median', 'quartiles', 'target', ''], rows)

    def structures(self, number, text, rows):
        """One row of medians per (label, function of the workload and the column's index that gives a Figure)."""
        shown = []
        for label, figure_of in rows:
            figures = [figure_of(workload, i) for i, (workload, _) in enumerate(COLUMNS)]
            if not any(figures):
                continue
            for (_, title), figure in zip(COLUMNS, figures):
                self.note(f'({number}) {label}, {title}', figure)
            shown.append([label, *(f.text() if f else '-' for f in figures)])
            if any(f.spread() for f in figures):
                shown.append(['', *(f'[{f.spread()}]' if f else '' for f in figures)])
            if any(f.target is not None for f in figures):
                shown.append(['', *(f'{f.goal()} {f.verdict()}' if f else '' for f in figures)])
        if shown:
            heading(number, text)
            print_rows(['', *(title for _, title in COLUMNS)], shown)

    def all(self):
        r = self.results
        modes = ('wb', 'wt')
        self.costs()
        self.structures(2, 'throughput as a ratio to the same code under one std::mutex', [
            (f'{mode.upper()} {label}',
             lambda w, i, m=mode, s=suffix, n=threads, t=targets: Figure(r.ratio(w, (m + s, n), ('mutex', n)), t[i] if m == 'wb' else None))
            for mode in modes for label, suffix, threads, targets in TO_MUTEX])
        self.structures(3, 'throughput as a ratio to libitm (ml_wt), default settings', [
            (f'{mode.upper()} {label}',
             lambda w, i, m=mode, n=n: Figure(r.ratio(w, (m, n), ('libitm', n)), TO_LIBITM))
            for mode in modes for label, n in ONE_AND_TWO])
        self.structures(4, 'write-through to write-back', [
            (label + ', quiescence off' * (suffix != ''),
             lambda w, i, n=n, s=suffix: Figure(r.ratio(w, ('wt' + s, n), ('wb' + s, n)), WT_TO_WB))
            for suffix in ('', '-nq') for label, n in ONE_AND_TWO])
        self.write_heavy()
        self.structures(5, 'eight threads on the processors of this machine', [
            *((f'{mode.upper()} 8 threads to 2', lambda w, i, m=mode: Figure(r.ratio(w, (m, 8), (m, 2)), MANY_THREADS)) for mode in modes),
            ('mutex 8 threads to 2', lambda w, i: Figure(r.ratio(w, ('mutex', 8), ('mutex', 2)))),
            *((f'{mode.upper()} slowest to fastest thread', lambda w, i, m=mode: self.evenness(w, m)) for mode in ('wb', 'wt', 'mutex')),
            *((f'{mode.upper()} slowest thread, operations', lambda w, i, m=mode: self.least(w, m)) for mode in modes)])
        self.structures(6, 'beside the targets', [
            *((f'{mode.upper()} aborts per commit, {n} threads', lambda w, i, m=mode, n=n: Figure(r.counter('aborts', w, m, n), digits=3))
              for mode in modes for n in (2, 8)),
            *((f'WB waits per commit, {n} threads', lambda w, i, n=n: Figure(r.counter('waits', w, 'wb', n), digits=3)) for n in (2, 8)),
            *((f'WB tm_begin to libtm::atomically, {label}',
               lambda w, i, n=n: Figure(r.ratio(w, ('wb-c', n), ('wb', n)))) for label, n in ONE_AND_TWO),
            ('no synchronisation to the mutex, 1 thread', lambda w, i: Figure(r.ratio(w, ('none', ALONE), ('mutex', ALONE)))),
            ('WB 1 thread, M/s', lambda w, i: Figure([v / 1e6 for v in r.rate(w, 'wb')])),
            ('WB 2 threads to 1', lambda w, i: Figure(r.ratio(w, ('wb', 2), ('wb', 1)))),
            ('WB quiescence off, 2 threads to 1', lambda w, i: Figure(r.ratio(w, ('wb-nq', 2), ('wb-nq', 1)))),
            ('mutex 1 thread, M/s', lambda w, i: Figure([v / 1e6 for v in r.rate(w, 'mutex')])),
            ('mutex 2 threads, M/s', lambda w, i: Figure([v / 1e6 for v in r.rate(w, 'mutex', 2)]))])
        return self.missed

    def write_heavy(self):
        """Write-through should win where much is written and nobody is in the way."""
        rows = []
        for what in ('write', 'modify'):
            for n in (64, 512):
                figure = Figure(self.results.ratio(f'{what}-{n}', ('wt', ALONE), ('wb', ALONE)), 1.0)
                if figure:
                    self.note(f'(4) WT to WB, {what} N = {n}', figure)
                    rows.append([f'{what} N = {n}', figure.text(), f'[{figure.spread()}]', figure.goal(), figure.verdict()])
        if rows:
            print('\n  and where much is written and nothing conflicts (1 thread):\n')
            print_rows(['', 'median', 'quartiles', 'target', ''], rows)

    def evenness(self, workload, variant):
        r = self.results
        return Figure(divide(r.counter('slowest', workload, variant, 8), r.counter('fastest', workload, variant, 8)))

    def least(self, workload, variant):
        slowest = self.results.counter('slowest', workload, variant, 8)
        return Figure([min(slowest)] if slowest else [], 1, digits=0)


def all_tables(samples):
    """Print them; the figures missed, a sentence each."""
    return Report(samples).all()
