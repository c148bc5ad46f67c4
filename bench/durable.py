# SPDX-License-Identifier: MIT
"""The suite of durable transactions: tm-durable-bench and its tables."""
import os
import re

from chart import Chart
from runner import Part, c_library, listed, package, print_machine, print_measured, run_parts
from tables import Figure, divide, factor, heading, print_rows, sampled

QUICK, FULL = dict(rounds=3, window=60), dict(rounds=9, window=1000)
# What is left out of the quick form, unless it is asked for by name: see README.md.
FULL_ONLY = re.compile(r'(u1-[248]|ins-16|soon-u1-2|soon-ins-\d+)/|[^/]*/pool-through\b')
STORE = 'durable.json'
VARIANTS = {'append': 'bare append, 4 KiB', 'pool': 'pool', 'pool-through': 'pool, write-through', 'pool-group': 'pool, group',
            'sqlite': 'SQLite', 'lmdb': 'LMDB', 'pmdk': 'PMDK', 'pmemobj': 'libpmemobj.h on libtm', 'rocksdb': 'RocksDB'}
ON_RETURN = [('u1-1', 'U1, 1 thread'), ('u8-1', 'U8, 1 thread'), ('u1-16', 'U1, 16 threads')]
INSERTIONS = [('ins-1', 'INS, 1 thread'), ('ins-16', 'INS, 16 threads')]
SOON = [('soon-u1-1', 'U1, 1 thread'), ('soon-u8-1', 'U8, 1 thread'), ('soon-u1-2', 'U1, 2 threads')]
INSERTIONS_SOON = [('soon-ins-1', 'INS, 1 thread'), ('soon-ins-2', 'INS, 2 threads')]
# What the pool must reach at least, as a ratio to another one.
TARGETS = {
    ('u1-1', 'append'): 0.8, ('u1-1', 'sqlite'): 1, ('u1-1', 'lmdb'): 2, ('u1-1', 'pmdk'): 2.5,
    ('u8-1', 'sqlite'): 2, ('u8-1', 'lmdb'): 3.5, ('u8-1', 'pmdk'): 15,
    ('u1-16', 'rocksdb'): 2.5, ('u1-16', 'sqlite'): 6, ('u1-16', 'lmdb'): 12, ('u1-16', 'pmdk'): 6,
    ('ins-1', 'sqlite'): 1, ('ins-1', 'lmdb'): 2, ('ins-1', 'pmdk'): 5,
    ('soon-u1-1', 'lmdb'): 4, ('soon-u8-1', 'lmdb'): 10}
# The same program, written for libpmemobj, on libtm and on PMDK.
SAME_PROGRAM = {'u1-1': 2.5, 'u8-1': 10, 'ins-1': 4}
THREADS_16, THREADS_2, BYTES, MILLIONS, MEMORY = 5, 1.5, 4300, {'soon-u1-1': 2, 'soon-u8-1': 1}, 0.98


def made(results):
    """Whether they are of this suite."""
    return 'durable medium' in results['context']


def run(options, extra):
    """Run everything that is asked for; the merged output of Google Benchmark. None: nothing is."""
    size = FULL if options.full else QUICK
    binary = os.path.join(options.build, 'bench', 'durable', 'tm-durable-bench')
    names = [name for name in listed([binary]) if re.search(options.filter, name.split('/')[0])]
    if size is QUICK and not options.filter:
        names = [name for name in names if not FULL_ONLY.match(name)]
    if not names:
        return None
    # Beside the window: what waits for the disk in many threads ends late, and everything is checked.
    chosen = {name: 1.3 * size['window'] + (300 if '-16/' in name else 100) for name in names}
    command = [binary, f'--benchmark_filter=^({"|".join(dict.fromkeys("/".join(name.split("/")[:2]) for name in names))})/', f'--window={size["window"]}']
    if options.dir:
        command.append(f'--dir={os.path.abspath(options.dir)}')
    return run_parts([Part('durable', command + extra, size['rounds'], chosen)])


class Report:
    def __init__(self, samples):
        self.samples, self.missed = samples, []

    def values(self, counter, workload, variant):
        return [entry[counter] for entry in self.samples.get((workload, variant), []) if counter in entry]

    def rate(self, workload, variant):
        return self.values('items_per_second', workload, variant)

    def note(self, where, figure):
        if figure.missed():
            self.missed.append(f'{where}: {figure.text()} ({figure.spread()}), should be {figure.goal()}')

    def rates(self, number, text, columns, unit, digits):
        rows = []
        for variant, label in VARIANTS.items():
            figures = [Figure([rate / unit for rate in self.rate(workload, variant)], digits=digits) for workload, _ in columns]
            if any(figures):
                rows.append([label, *(f'{f.text()} [{f.spread()}]' if f else '-' for f in figures)])
        if rows:
            heading(number, text)
            print_rows(['', *(title for _, title in columns)], rows)

    def ratios(self, number, text, columns):
        rows = []
        for variant, label in VARIANTS.items():
            if variant == 'pool':
                continue
            figures = [Figure(divide(self.rate(workload, 'pool'), self.rate(workload, variant)), TARGETS.get((workload, variant))) for workload, _ in columns]
            if not any(figures):
                continue
            rows.append(['to ' + label, *(f'{f.text()} [{f.spread()}] {f.goal()} {f.verdict()}'.rstrip() if f else '-' for f in figures)])
            for (_, title), figure in zip(columns, figures):
                self.note(f'({number}) to {label}, {title}', figure)
        if rows:
            heading(number, text)
            print_rows(['', *(title for _, title in columns)], rows)

    def counted(self, number, text, figure_of):
        """Medians, per variant. `figure_of`: (workload, variant) -> Figure"""
        columns = [(workload, f'{title}, not waiting' if workload.startswith('soon') else title)
                   for workload, title in ON_RETURN + INSERTIONS + SOON + INSERTIONS_SOON if self.rate(workload, 'pool')]
        rows = []
        for variant, label in VARIANTS.items():
            figures = [figure_of(workload, variant) for workload, _ in columns]
            if any(figures):
                rows.append([label, *(f.text() if f else '-' for f in figures)])
        if rows:
            heading(number, text)
            print_rows(['', *(title for _, title in columns)], rows)

    def work(self):
        self.counted(9, 'bytes written to journal and data file per byte changed; of those that write by calls', lambda w, v: Figure(self.values('amplification', w, v), digits=1))
        self.counted(10, 'transactions per sync', lambda w, v: Figure([1 / syncs for syncs in self.values('syncs', w, v)], digits=1))

    def figures(self, columns, unit=1, counter='items_per_second'):
        """Variant's name -> the points of a chart's bars."""
        series = {}
        for variant, label in VARIANTS.items():
            points = [(title, *Figure([value / unit for value in self.values(counter, workload, variant)]).range()) for workload, title in columns if self.values(counter, workload, variant)]
            if points:
                series[label] = points
        return series

    def by_threads(self):
        series = {}
        for variant, label in VARIANTS.items():
            points = [(n, *Figure(self.rate(f'u1-{n}', variant)).range()) for n in (1, 2, 4, 8, 16) if self.rate(f'u1-{n}', variant)]
            if len(points) > 1:
                series[label] = points
        return series

    def same_program(self):
        rows = []
        for workload, title in ON_RETURN + INSERTIONS:
            figure = Figure(divide(self.rate(workload, 'pmemobj'), self.rate(workload, 'pmdk')), SAME_PROGRAM.get(workload))
            if figure:
                rows.append([title, figure.text(), f'[{figure.spread()}]', figure.goal(), figure.verdict()])
                self.note(f'(8) {title}', figure)
        if rows:
            heading(8, 'a program written for libpmemobj: on libtm, as a ratio to PMDK')
            print_rows(['', 'median', 'quartiles', 'target', ''], rows)

    def beside(self):
        figures = [
            ('U1, 16 threads to 1 thread', Figure(divide(self.rate('u1-16', 'pool'), self.rate('u1-1', 'pool')), THREADS_16)),
            ('U1, bytes to the journal per transaction', Figure(self.values('bytes', 'u1-1', 'pool'), BYTES, True, 0)),
            ('INS, 16 threads to 1 thread', Figure(divide(self.rate('ins-16', 'pool'), self.rate('ins-1', 'pool')))),
            ('INS, bytes to the journal per transaction, not waiting', Figure(self.values('bytes', 'soon-ins-1', 'pool'), digits=0)),
            *((f'{title}, millions per second', Figure([rate / 1e6 for rate in self.rate(workload, 'pool')], MILLIONS[workload])) for workload, title in SOON[:2]),
            ('not waiting: U1, 2 threads to 1 thread', Figure(divide(self.rate('soon-u1-2', 'pool'), self.rate('soon-u1-1', 'pool')), THREADS_2)),
            ('not waiting: INS, 2 threads to 1 thread', Figure(divide(self.rate('soon-ins-2', 'pool'), self.rate('soon-ins-1', 'pool')))),
            ('memory alone: with an open pool to without', Figure(divide(self.rate('memory-u1-1', 'with-pool'), self.rate('memory-u1-1', 'without')), MEMORY))]
        rows = []
        for label, figure in figures:
            if figure:
                rows.append([label, figure.text(), f'[{figure.spread()}]', figure.goal(), figure.verdict()])
                self.note(f'(7) {label}', figure)
        if rows:
            heading(7, 'the pool by itself')
            print_rows(['', 'median', 'quartiles', 'target', ''], rows)


def threads(entry):
    """The program starts them itself: the last number of the workload's name says how many."""
    return int(entry['name'].split('/')[0].rsplit('-', 1)[1])


def report(results):
    """Print the tables; the figures missed and the damages, a sentence each."""
    samples, damaged = sampled(results)
    context = results['context']
    print_machine(context)
    print(f'storage   {context["durable medium"]} ({context["directory"]}); 1,048,576 counters of 8 bytes; entries of 16 and 100 bytes')
    print(f'software  compiler {context["compiler"]}, C library {c_library()}, Google Benchmark {package("libbenchmark-dev")}, {context["peers"] or "no peers"}')
    if context['left out']:
        print(f'left out  {context["left out"]}')
    print_measured(context, max(map(len, samples.values()), default=0))
    tables = Report(samples)
    tables.rates(1, 'transactions per second, durable on return', ON_RETURN + INSERTIONS, 1, 0)
    tables.ratios(2, 'the pool\'s as a ratio', ON_RETURN)
    tables.ratios(3, 'the pool\'s as a ratio, insertions', INSERTIONS)
    tables.rates(4, 'millions of transactions per second that do not wait (the pool\'s: durable within 10 ms; LMDB\'s: MDB_WRITEMAP, MDB_NOSYNC)', SOON + INSERTIONS_SOON, 1e6, 2)
    tables.ratios(5, 'the pool\'s as a ratio', SOON)
    tables.ratios(6, 'the pool\'s as a ratio, insertions', INSERTIONS_SOON)
    tables.beside()
    tables.same_program()
    tables.work()
    return tables.missed, damaged


def charts(results):
    tables = Report(sampled(results)[0])
    found = [
        Chart('Transactions per second, durable on return', '', 'transactions per second', tables.figures(ON_RETURN + INSERTIONS), log_y=True),
        Chart('Group commit: one counter per transaction, durable on return', 'threads', 'transactions per second', tables.by_threads(), log_x=True, log_y=True,
              note='Threads that wait for the disk at the same time share a sync.'),
        Chart('Transactions that do not wait for the disk', '', 'millions of transactions per second', tables.figures(SOON + INSERTIONS_SOON, 1e6), log_y=True,
              note="The pool's are durable within 10 ms; LMDB's (MDB_WRITEMAP, MDB_NOSYNC) when the system comes to it."),
        Chart('Bytes written per transaction', '', 'bytes', tables.figures(ON_RETURN + INSERTIONS, counter='written'), log_y=True,
              note='To the journal and the data file, until everything is where it belongs. PMDK is missing, as it stores to a mapping; merges that RocksDB does later are not in it.')]
    return [chart for chart in found if chart.series]


def summary(results):
    """Sentences for the top of the report."""
    tables, sentences = Report(sampled(results)[0]), []

    def beside(workload):
        """As a ratio to each of the others."""
        ratios = [(label, Figure(divide(tables.rate(workload, 'pool'), tables.rate(workload, variant)))) for variant, label in VARIANTS.items()
                  if not variant.startswith('pool') and variant != 'pmemobj']
        return ', '.join(f'{factor(figure.median())} x {label}' for label, figure in ratios if figure)

    for workload, what in [('u1-1', 'One thread commits {} durable transactions of one counter per second'), ('u8-1', 'With eight counters in a transaction it is {}'),
                           ('u1-16', 'Sixteen threads together commit {}'), ('ins-1', 'Insertions into a map with the entries in the pool\'s heap, one thread: {} per second')]:
        rate = Figure(tables.rate(workload, 'pool'), digits=0)
        if rate:
            others = beside(workload)
            sentences.append(what.format(f'{rate.median():,.0f}') + (f' ({others})' if others else '') + '.')
    rate = Figure([rate / 1e6 for rate in tables.rate('soon-u1-1', 'pool')])
    if rate:
        lmdb = Figure(divide(tables.rate('soon-u1-1', 'pool'), tables.rate('soon-u1-1', 'lmdb')))
        sentences.append(f'Transactions that may become durable within 10 ms: {rate.median():.1f} million per second in one thread' + (f', {factor(lmdb.median())} x LMDB that never waits' if lmdb else '') + '.')
    same = [(title, Figure(divide(tables.rate(workload, 'pmemobj'), tables.rate(workload, 'pmdk')))) for workload, title in ON_RETURN + INSERTIONS]
    if any(figure for _, figure in same):
        sentences.append('The same program for libpmemobj runs on libtm at ' + ', '.join(f'{factor(figure.median())} x ({title})' for title, figure in same if figure) + ' of PMDK\'s speed.')
    return sentences
