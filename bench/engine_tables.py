# SPDX-License-Identifier: MIT
"""The tables of the engine's suite, its charts, and what they come to."""
import statistics

from chart import Chart
from tables import ALONE, Figure, Results, divide, each, heading, print_rows

WORKLOADS = {
    'bank-1024': 'bank 1,024', 'bank-65536': 'bank 65,536', 'counters-256': 'counters 256', 'counters-262144': 'counters 262,144',
    'hash-20': 'hash 20 %', 'hash-100': 'hash 100 %', 'tree-0': 'tree 0 %', 'tree-20': 'tree 20 %', 'tree-100': 'tree 100 %',
    'skip-20': 'skip list 20 %', 'skip-100': 'skip list 100 %', 'list-20': 'list 20 %'}
PEERS = {'mutex': 'std::mutex', 'shared': 'shared_mutex', 'sharded': 'sharded', 'libitm': 'libitm', 'libitm-gl_wt': 'libitm gl_wt', 'libitm-serialirr': 'libitm serialirr',
         'libitm-serialirr_onwrite': 'libitm serialirr_onwrite', 'tbb': 'TBB', 'cds': 'libcds'}
MODES = {'wb': 'WB', 'wt': 'WT'}
THREADS = {ALONE: '1 thread', 1: '1, others idle', 2: '2 threads', 4: '4 threads', 8: '8 threads'}

# Write-back to the mutex at least: where its transactions take longer than this many ns under it, and where they do not.
LONG, TO_MUTEX_LONG, TO_MUTEX_SHORT = 200, 1, 0.7
# The same, by structure: one thread; two, quiescence off; two.
AIMS = {
    'bank-1024': (0.42, 1.4, 0.7), 'bank-65536': (0.42, 1.8, 0.75), 'hash-20': (0.85, 2.8, 2.0), 'hash-100': (0.55, 1.35, 0.9),
    'tree-0': (0.70, 3.7, 3.5), 'tree-20': (0.67, 3.2, 2.6), 'tree-100': (0.45, 1.2, 0.9), 'list-20': (0.42, 0.9, 0.75)}
TO_LIBITM = 2.5
WT_TO_WB = 0.85
AUTO_TO_BETTER = 0.9
TWO_THREADS = {'bank-65536': 1.6, 'hash-20': 1.6, 'tree-20': 1.6}
MANY_THREADS, EVENNESS = 0.9, 0.5
WORDS = [('read-random', 'random'), ('read', 'back to back')]


class Report:
    def __init__(self, samples):
        self.results = Results(samples)
        self.missed = []

    def note(self, where, figure):
        if figure.missed():
            self.missed.append(f'{where}: {figure.text()} ({figure.spread()}), should be {figure.goal()}')

    # Figures

    def to(self, variant, peer, threads, target=None):
        """A function of the workload: throughput as a ratio."""
        return lambda w: Figure(self.results.ratio(w, (variant, threads), (peer, threads)), target.get(w) if isinstance(target, dict) else target)

    def mutex_time(self, workload):
        """Of a transaction under one mutex, in ns, at one thread."""
        return Figure(self.results.cost(workload, 'mutex') or self.results.cost(workload, 'mutex', 1), digits=0)

    def mutex_target(self, workload):
        time = self.mutex_time(workload)
        return time and (TO_MUTEX_LONG if time.median() > LONG else TO_MUTEX_SHORT)

    def never_slower(self, workload, threads, variant='wb'):
        target = self.mutex_target(workload)
        return Figure(self.results.ratio(workload, (variant, threads), ('mutex', threads)) if target else [], target)

    def auto(self, workload, threads):
        """The mode `auto` to the better of the two."""
        rates = {mode: rate for mode in MODES if (rate := self.results.rate(workload, mode, threads))}
        if len(rates) < len(MODES):
            return Figure([])
        better = max(rates, key=lambda mode: statistics.median(rates[mode]))
        return Figure(self.results.ratio(workload, ('auto', threads), (better, threads)), AUTO_TO_BETTER)

    def evenness(self, workload, variant, target=None):
        r = self.results
        return Figure(divide(r.counter('slowest', workload, variant, 8), r.counter('fastest', workload, variant, 8)), target)

    # Tables

    def grid(self, number, text, columns, goals=True):
        """A row for each workload, and a column for each (title, function of the workload that gives a Figure); `goals`: with its target."""
        columns = [(title, {w: figure_of(w) for w in WORKLOADS}) for title, figure_of in columns]
        columns = [(title, figures) for title, figures in columns if any(figures.values())]
        rows = []
        for workload, name in WORKLOADS.items():
            if not any(figures[workload] for _, figures in columns):
                continue
            rows.append([name])
            for title, figures in columns:
                figure = figures[workload]
                self.note(f'({number}) {title}, {name}', figure)
                spread = figure.spread() if figure else ''
                cell = [figure.text(), f'[{spread}]' * bool(spread), figure.goal() * goals, figure.verdict()] if figure else ['-']
                rows[-1].append(' '.join(part for part in cell if part))
        if rows:
            heading(number, text)
            print_rows(['', *(title for title, _ in columns)], rows)

    def costs(self):
        """(1), one row per figure."""
        r, rows = self.results, []

        def add(what, figure, unit):
            if figure:
                self.note(f'(1) {what}', figure)
                rows.append([what, f'{figure.text()} {unit}'.strip(), f'[{figure.spread()}]', figure.goal(), figure.verdict()])

        for mode, name in MODES.items():
            empty = r.cost('empty', mode)
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

    def write_heavy(self):
        """Write-through should win where much is written and nobody is in the way."""
        rows = []
        for what in ('write', 'modify'):
            for n in (64, 512):
                figure = Figure(self.results.ratio(f'{what}-{n}', ('wt', ALONE), ('wb', ALONE)), 1.0)
                if figure:
                    self.note(f'(6) WT to WB, {what} N = {n}', figure)
                    rows.append([f'{what} N = {n}', figure.text(), f'[{figure.spread()}]', figure.goal(), figure.verdict()])
        if rows:
            print('\n  and where much is written and nothing conflicts (1 thread):\n')
            print_rows(['', 'median', 'quartiles', 'target', ''], rows)

    def autos(self):
        figures = {w: [self.auto(w, n) for n in THREADS] for w in WORKLOADS}
        rows = []
        for w, name in WORKLOADS.items():
            for figure, threads in zip(figures[w], THREADS.values()):
                self.note(f'(6) auto, {threads}, {name}', figure)
            if any(figures[w]):
                rows.append([name, *(f'{f.text()} [{f.spread()}] {f.verdict()}' if f else '-' for f in figures[w])])
        if rows:
            print(f'\n  and the mode auto to the better of the two, at least {AUTO_TO_BETTER:g}:\n')
            print_rows(['', *THREADS.values()], rows)

    def all(self):
        """Print them; the figures missed, a sentence each."""
        r = self.results
        self.costs()
        self.grid(2, f'throughput of write-back to the same code under one std::mutex: at least {TO_MUTEX_LONG:g} if a transaction takes more than {LONG} ns under it, else {TO_MUTEX_SHORT:g}', [
            ('mutex, ns', self.mutex_time),
            ('at least', lambda w: Figure([t] if (t := self.mutex_target(w)) else [], digits=1)),
            *((label, lambda w, n=n: self.never_slower(w, n)) for n, label in THREADS.items())], goals=False)
        self.grid(3, 'the same, and what is aimed at by structure', [
            ('WB 1 thread', self.to('wb', 'mutex', ALONE, {w: aims[0] for w, aims in AIMS.items()})),
            ('WB 2 threads, no quiescence', self.to('wb-nq', 'mutex', 2, {w: aims[1] for w, aims in AIMS.items()})),
            ('WB 2 threads', self.to('wb', 'mutex', 2, {w: aims[2] for w, aims in AIMS.items()})),
            ('WT 2 threads', self.to('wt', 'mutex', 2))])
        for n in (2, 8):
            self.grid(4, f'throughput of write-back to that of others, {n} threads', [
                (f'to {title}', self.to('wb', peer, n)) for peer, title in PEERS.items() if peer != 'mutex' or n == 2])
        self.grid(5, f'throughput to libitm (ml_wt), at least {TO_LIBITM:g}', [
            (f'{name} {THREADS[n]}', self.to(mode, 'libitm', n, TO_LIBITM)) for mode, name in MODES.items() for n in (ALONE, 2)], goals=False)
        self.grid(6, f'write-through to write-back, at least {WT_TO_WB:g}', [
            (THREADS[n] + ', no quiescence' * bool(suffix), lambda w, n=n, s=suffix: Figure(r.ratio(w, ('wt' + s, n), ('wb' + s, n)), WT_TO_WB))
            for suffix in ('', '-nq') for n in (ALONE, 2)], goals=False)
        self.write_heavy()
        self.autos()
        self.grid(7, f'more threads: two to one (at least 1.6 where transactions are disjoint); eight to two (at least {MANY_THREADS:g}); of eight the slowest to the fastest (at least {EVENNESS:g})', [
            *((f'{name} 2 to 1', lambda w, m=mode: Figure(r.ratio(w, (m, 2), (m, 1)), TWO_THREADS.get(w) if m == 'wb' else None)) for mode, name in MODES.items()),
            *((f'{name} 8 to 2', lambda w, m=mode: Figure(r.ratio(w, (m, 8), (m, 2)), MANY_THREADS if m != 'mutex' else None)) for mode, name in [*MODES.items(), ('mutex', 'mutex')]),
            *((f'{name} slowest', lambda w, m=mode: self.evenness(w, m, EVENNESS if m != 'mutex' else None)) for mode, name in [*MODES.items(), ('mutex', 'mutex')])], goals=False)
        self.grid(8, 'beside the targets: millions of transactions per second', [
            (f'{name} {threads}', lambda w, v=variant, n=n: middle([rate / 1e6 for rate in r.rate(w, v, n)]))
            for variant, name in [('none', 'none'), ('mutex', 'mutex'), *MODES.items(), ('wb-c', 'tm_begin')] for n, threads in ((ALONE, '1'), (2, '2'), (8, '8'))])
        self.grid(9, 'beside the targets: aborts and waits for quiescence, per commit', [
            (f'{name} {what}, {n}', lambda w, c=counter, m=mode, n=n: middle(r.counter(c, w, m, n), 3))
            for counter, what in (('aborts', 'aborts'), ('waits', 'waits')) for mode, name in MODES.items() for n in (2, 8)])
        if any(r.rate(w, 'wb-no-bias') for w in WORKLOADS):
            self.bias()
        return self.missed

    def bias(self):
        """What it brings a thread that is alone."""
        r = self.results
        self.grid(10, 'beside the targets: write-back in a thread alone, with the bias that spares it the orecs, and without', [
            *((f'{title}, M/s', lambda w, v=variant: middle([rate / 1e6 for rate in r.rate(w, v)])) for variant, title in (('wb', 'with'), ('wb-no-bias', 'without'))),
            ('with to without', lambda w: Figure(r.ratio(w, ('wb', ALONE), ('wb-no-bias', ALONE)))),
            *((f'{title}: commits alone', lambda w, v=variant: middle(r.counter('commits_alone', w, v, ALONE))) for variant, title in (('wb', 'with'), ('wb-no-bias', 'without')))])

    # Charts

    def charts(self):
        r = self.results
        variants = {'write-back': 'wb', 'write-through': 'wt', **{name: variant for variant, name in PEERS.items()}}
        to_mutex = Chart('Two threads, to the same code under one std::mutex', '', 'throughput, ratio', log_y=True, level=1.0,
                         note='Medians with quartiles. TBB and libcds bring their own structures; sharded: a lock for each part of the data.')
        for name, variant in variants.items():
            if variant != 'mutex':
                add_series(to_mutex, name, {WORKLOADS[w]: self.to(variant, 'mutex', 2)(w) for w in WORKLOADS})
        charts = [to_mutex]
        for workload in ('bank-65536', 'hash-20', 'tree-20', 'skip-20'):
            by_threads = Chart(f'{WORKLOADS[workload]}: more threads', 'threads', 'millions of transactions per second')
            for name, variant in variants.items():
                add_series(by_threads, name, {n: Figure([rate / 1e6 for rate in r.rate(workload, variant, n)]) for n in (1, 2, 4, 8)}, fewest=2)
            charts.append(by_threads)
        for what, title in (('read-random', 'Random reads'), ('write', 'Writes of scattered words')):
            words = Chart(f'{title}, one thread', 'words in a transaction', 'ns per word', log_x=True,
                          note='The whole transaction, divided by its words; none: plain code.')
            for name, variant in {**variants, 'read-only': 'ro', 'none': 'none'}.items():
                add_series(words, name, {n: Figure([cost / n for cost in r.cost(f'{what}-{n}', variant)]) for n in (1, 8, 64, 512)}, fewest=2)
            charts.append(words)
        return [chart for chart in charts if chart.series]

    # Findings

    def word_costs(self):
        """A sentence about what a transaction and its accesses cost, if that was measured."""
        r = self.results

        def slope(what, variant):
            return each(lambda many, few: (many - few) / 448, r.cost(f'{what}-512', variant), r.cost(f'{what}-64', variant))

        read = each(lambda with_it, plain: with_it - plain, slope('read-random', 'wb'), slope('read-random', 'none'))
        figures = [Figure(values, digits=1) for values in (r.cost('empty', 'wb'), read, slope('write', 'wb'), slope('write', 'wt'))]
        if not all(figures):
            return []
        empty, read, write, through = (figure.text() for figure in figures)
        return [f'One thread: an empty transaction takes {empty} ns; a random read adds {read} ns to the plain load; a first write takes {write} ns in write-back, {through} ns in write-through.']

    def summary(self):
        found = self.word_costs()
        for peer, title in {'mutex': 'one std::mutex', 'shared': 'one std::shared_mutex', 'sharded': 'sharded locks', 'libitm': 'libitm (ml_wt)', 'tbb': 'TBB\'s hash map',
                            'cds': 'libcds'}.items():
            found += span(f'Two threads, write-back to {title}', self.to('wb', peer, 2))
        cells = {(w, n): figure for w in WORKLOADS for n in THREADS if (figure := self.never_slower(w, n))}
        if cells:
            kept = sum(not figure.missed() for figure in cells.values())
            (workload, threads), worst = min(cells.items(), key=lambda cell: cell[1].median() / cell[1].target)
            found.append(f'Never slower than one std::mutex ({TO_MUTEX_SHORT:g} of it where a transaction takes at most {LONG} ns): '
                         f'{kept} of {len(cells)} cells; the worst is {worst.text()} ({WORKLOADS[workload]}, {THREADS[threads]}).')
        found += span('The mode auto to the better of write-back and write-through, two threads', lambda w: self.auto(w, 2))
        return found + span('Eight threads to two, write-back', lambda w: Figure(self.results.ratio(w, ('wb', 8), ('wb', 2))))


def span(text, figure_of):
    """A sentence about the lowest and the highest figure of all workloads, if there are two."""
    medians = {w: figure.median() for w in WORKLOADS if (figure := figure_of(w))}
    if len(medians) < 2:
        return []
    low, high = min(medians, key=medians.get), max(medians, key=medians.get)
    return [f'{text}: {medians[low]:.2f} ({WORKLOADS[low]}) to {medians[high]:.2f} ({WORKLOADS[high]}), median {statistics.median(medians.values()):.2f}.']


def middle(values, digits=2):
    """The median alone."""
    return Figure([statistics.median(values)] if values else [], digits=digits)


def add_series(chart, name, figures, fewest=1):
    """x -> figure; left out with fewer points than that."""
    points = [(x, *figure.range()) for x, figure in figures.items() if figure]
    if len(points) >= fewest:
        chart.series[name] = points
