# SPDX-License-Identifier: MIT
"""The suite of durable transactions: tm-durable-bench and its tables."""
import os
import platform
import re

from runner import Part, listed, package, print_machine, print_measured, run_parts
from tables import Figure, divide, heading, print_rows

QUICK, FULL = dict(rounds=7, window=200), dict(rounds=11, window=1000)
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
    chosen = {name: size['window'] + 50 for name in listed([binary]) if re.search(options.filter, name.split('/')[0])}
    if not chosen:
        return None
    workloads = '|'.join(dict.fromkeys(name.split('/')[0] for name in chosen))
    command = [binary, f'--benchmark_filter=^({workloads})/', f'--window={size["window"]}']
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


def report(results):
    """Print the tables; the figures missed and the damages, a sentence each."""
    samples, damaged = {}, list(results.get('failed', []))
    for entry in results['benchmarks']:
        if entry.get('error_occurred'):
            damaged.append(f'{entry["name"]}: {entry["error_message"]}')
            continue
        samples.setdefault(tuple(entry['name'].split('/')[:2]), []).append(entry)
    context = results['context']
    print_machine(context)
    print(f'storage   {context["durable medium"]} ({context["directory"]}); 1,048,576 counters of 8 bytes; entries of 16 and 100 bytes')
    print(f'software  compiler {context["compiler"]}, C library {platform.libc_ver()[1]}, Google Benchmark {package("libbenchmark-dev")}, {context["peers"] or "no peers"}')
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
    return tables.missed, damaged
