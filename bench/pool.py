# SPDX-License-Identifier: MIT
"""The pool's suite: tm-pool-bench, a process per group of workloads, and its tables."""
import os
import re

from chart import Chart
from runner import Part, c_library, listed, package, print_machine, print_measured, run_parts
from tables import Figure, divide, factor, heading, print_rows, sampled

QUICK = dict(rounds=3, window=50, sustain=1500, size=64, journal=16, sustained_rounds=3)
FULL = dict(rounds=9, window=300, sustain=5000, size=1024, journal=64, sustained_rounds=5)
# What is left out of the quick form, unless it is asked for by name: see README.md.
FULL_ONLY = re.compile(r'sustain|commit-1024|commit-8-word')
# Each a process, as the stores of one are open together.
GROUPS = ['commit', 'sustain', 'detect', 'open']
STORE = 'pool.json'

COMMITS = [('commit-1', '1 page'), ('commit-8', '8 pages'), ('commit-64', '64 pages'), ('commit-1024', '1,024 pages'), ('commit-8-word', '8 words')]
SUSTAINED = [('sustain-8', 'sustained, 8'), ('sustain-1024', 'sustained, 1,024')]
SUSTAINED_WORDS = [('sustain-8-word', '8 words'), ('sustain-1024-word', '1,024 words')]
BASELINE, REUSED, CALIBRATION = 'txmem', 'txmem-reused', 'append'
VARIANTS = {
    'pool': 'pool', 'transactions': 'pool, transactions', 'transactions-soon': 'pool, transactions that do not wait', 'txmem': 'TxMem\'s procedure', 'txmem-reused': ' with a reused journal', 'txmem-kpageflags': ' with kpageflags',
    'msync': 'msync (not atomic)', 'lmdb': 'LMDB', 'sqlite': 'SQLite', 'append': 'bare append, 4 KiB', 'append-all': 'bare append of all pages'}
TO_BASELINE = {'commit-1': 15, 'commit-8': 15, 'commit-64': 8}
TIME_TO_CALIBRATION = {'commit-1': 5, 'commit-8': 5}
SUSTAINED_TO_REUSED = {('sustain-8', 'pool'): 10, ('sustain-1024', 'pool'): 2, ('sustain-8-word', 'transactions-soon'): 40, ('sustain-1024-word', 'transactions-soon'): 40}
STALL = 5
DETECTION_MS, DETECTION_MIB = 1.5, 1024


def made(results):
    """Whether they are of this suite."""
    return 'medium' in results['context']


def run(options, extra):
    """Run everything that is asked for; the merged output of Google Benchmark. None: nothing is."""
    size = FULL if options.full else QUICK
    binary = os.path.join(options.build, 'bench', 'pool', 'tm-pool-bench')
    # Milliseconds, with what has to be made and checked beside them: it grows with the image.
    weights = dict(commit=size['window'] + 100 + size['size'], sustain=size['sustain'] + 2 * size['size'], detect=20 + size['size'] / 4, open=300 + 5 * size['journal'])
    names = [name for name in listed([binary]) if re.search(options.filter, name.split('/')[0])]
    if size is QUICK and not options.filter:
        names = [name for name in names if not FULL_ONLY.match(name)]
    parts = []
    for group in GROUPS:
        chosen = {name: weights[group] for name in names if name.startswith(group)}
        if not chosen:
            continue
        workloads = '|'.join(dict.fromkeys(name.split('/')[0] for name in chosen))
        command = [binary, f'--benchmark_filter=^({workloads})/', f'--window={size["window"]}', f'--sustain={size["sustain"]}', f'--size={size["size"]}', f'--journal={size["journal"]}']
        if options.dir:
            command.append(f'--dir={os.path.abspath(options.dir)}')
        parts.append(Part(group, command + extra, size['sustained_rounds'] if group == 'sustain' else size['rounds'], chosen))
    return run_parts(parts) if parts else None


class Report:
    def __init__(self, samples, context):
        self.samples, self.missed = samples, []
        self.size, self.journal = int(context['size']), context['crash journal']

    def values(self, counter, workload, variant):
        return [entry[counter] for entry in self.samples.get((workload, variant), []) if counter in entry]

    def rate(self, workload, variant):
        return self.values('items_per_second', workload, variant)

    def note(self, where, figure):
        if figure.missed():
            self.missed.append(f'{where}: {figure.text()} ({figure.spread()}), should be {figure.goal()}')

    def workloads(self, columns):
        return [column for column in columns if any(workload == column[0] for workload, _ in self.samples)]

    def grid(self, number, text, columns, rows):
        """A row of medians, their quartiles, and their targets, per (label, function of the workload that gives a Figure)."""
        columns = self.workloads(columns)
        shown = []
        for label, figure_of in rows:
            figures = [figure_of(workload) for workload, _ in columns]
            if not any(figures):
                continue
            shown.append([label, *(f.text() if f else '-' for f in figures)])
            if any(f.spread() for f in figures):
                shown.append(['', *(f'[{f.spread()}]' if f else '' for f in figures)])
            if any(f.target is not None for f in figures if f):
                shown.append(['', *(f'{f.goal()} {f.verdict()}' if f else '' for f in figures)])
            for (_, title), figure in zip(columns, figures):
                self.note(f'({number}) {label.strip()}, {title}', figure)
        if shown:
            heading(number, text)
            print_rows(['', *(title for _, title in columns)], shown)

    def commits(self):
        def to(variant, baseline, targets):
            return lambda w: Figure(divide(self.rate(w, variant), self.rate(w, baseline)), targets.get(w))

        def cost(variant):
            return lambda w: Figure([1e6 / rate for rate in self.rate(w, variant)], digits=0)

        self.grid(1, f'commits per second, image of {self.size:,} MiB, as a ratio to TxMem\'s procedure', COMMITS, [
            (VARIANTS[v], to(v, BASELINE, TO_BASELINE if v == 'pool' else {})) for v in VARIANTS if v != BASELINE])
        self.grid(2, 'microseconds per commit', COMMITS, [(label, cost(v)) for v, label in VARIANTS.items()])
        self.grid(3, 'time of a commit as a ratio to one bare append of 4 KiB', COMMITS, [
            (VARIANTS[v], lambda w, v=v: Figure(divide(self.rate(w, CALIBRATION), self.rate(w, v)), TIME_TO_CALIBRATION.get(w) if v == 'pool' else None, True))
            for v in ('pool', 'sqlite', 'lmdb', 'append-all')])

    def sustained(self):
        self.sustained_tables(4, [('sustain-8', '8 pages'), ('sustain-1024', '1,024 pages')], {'pool'})

    def sustained_words(self):
        self.sustained_tables(10, SUSTAINED_WORDS, set())

    def sustained_tables(self, first, workloads, even):
        """One table per workload; the rows are the variants, of which those of `even` should have no long commit."""
        for number, (workload, what) in enumerate(workloads, first):
            rows = []
            for variant, label in VARIANTS.items():
                rate = self.rate(workload, variant)
                if not rate:
                    continue
                ratio = Figure(divide(rate, self.rate(workload, REUSED)), SUSTAINED_TO_REUSED.get((workload, variant)))
                stall = Figure(divide(self.values('max', workload, variant), self.values('median', workload, variant)), STALL if variant in even else None, True, 1)
                figures = [Figure(rate, digits=0), ratio, *(Figure(self.values(c, workload, variant), digits=0) for c in ('median', 'p99', 'p999', 'max')), stall]
                rows.append([label, *(f.text() if f else '-' for f in figures)])
                if any(f.spread() for f in figures):
                    rows.append(['', *(f'[{f.spread()}]' if f else '' for f in figures)])
                if any(f.target is not None for f in figures if f):
                    rows.append(['', *(f'{f.goal()} {f.verdict()}' if f else '' for f in figures)])
                for to, figure in (('to the reused journal', ratio), ('longest commit to the median', stall)):
                    self.note(f'({number}) {label}, {what}, {to}', figure)
            if rows:
                heading(number, f'sustained, {what} per commit, write-back included; ratio to TxMem\'s procedure with a reused journal; microseconds')
                print_rows(['', 'commits/s', 'ratio', 'median', 'p99', 'p99.9', 'max', 'max/median'], rows)

    def column(self, number, text, rows):
        """Rows of (label, figure, unit)."""
        rows = [row for row in rows if row[1]]
        for label, figure, _ in rows:
            self.note(f'({number}) {label}', figure)
        if rows:
            heading(number, text)
            print_rows(['', 'median', 'quartiles', 'target', ''],
                       [[label, f'{f.text()} {unit}'.strip(), f'[{f.spread()}]' if f.spread() else '', f.goal(), f.verdict()] for label, f, unit in rows])

    def detection(self):
        def milliseconds(variant, target=None):
            return Figure([us * 1e-3 for us in self.values('median', 'detect', variant)], target, True, 3)

        self.column(6, f'finding 1 % of changed pages in {self.size:,} MiB' + f' (the target is that of {DETECTION_MIB:,} MiB, in proportion)' * (self.size != DETECTION_MIB), [
            ('PAGEMAP_SCAN, written since the last scan', milliseconds('written', round(DETECTION_MS * self.size / DETECTION_MIB, 3)), 'ms'),
            ('PAGEMAP_SCAN, copied', milliseconds('copied'), 'ms'),
            ('/proc/self/pagemap', milliseconds('pagemap'), 'ms'),
            ('/proc/kpageflags', milliseconds('kpageflags'), 'ms')])

    def opening(self):
        def milliseconds(variant):
            return Figure([1e3 / rate for rate in self.rate('open', variant)], digits=1)

        self.column(7, f'opening after a crash, {self.journal} MiB of journal', [
            ('pool, its journal copied to memory', milliseconds('pool'), 'ms'),
            ('SQLite, its log read', milliseconds('sqlite'), 'ms'),
            ('SQLite, its log applied to the data file', milliseconds('sqlite-settled'), 'ms'),
            ('speed of the pool to SQLite', Figure(divide(self.rate('open', 'pool'), self.rate('open', 'sqlite')), 1), ''),
            ('speed of the pool to SQLite, log applied', Figure(divide(self.rate('open', 'pool'), self.rate('open', 'sqlite-settled'))), '')])

    def beside(self):
        def per_commit(counter):
            return lambda w: Figure(divide(self.values(counter, w, 'pool'), [e['items_per_second'] * e['real_time'] * 1e-3 for e in self.samples.get((w, 'pool'), [])]))

        self.grid(8, 'beside the targets: what the pool did', [*COMMITS, *SUSTAINED], [
            ('syncs per commit', per_commit('syncs')),
            ('bytes to the journal per commit', lambda w: Figure(per_commit('journaled')(w).values, digits=0)),
            ('bytes to the data file per commit', lambda w: Figure(per_commit('applied')(w).values, digits=0)),
            ('checkpoints', lambda w: Figure(self.values('checkpoints', w, 'pool'), digits=0)),
            ('commits that waited for one', lambda w: Figure(self.values('stalls', w, 'pool'), digits=0))])
        self.grid(9, 'bytes written per byte changed, until everything is in the data file; of those that write by calls', SUSTAINED, [
            (label, lambda w, v=v: Figure(self.amplification(w, v))) for v, label in VARIANTS.items() if not v.startswith('append')])

    def amplification(self, workload, variant):
        changed = 4096 * int(workload.split('-')[1])
        return [entry['written'] / (changed * entry['items_per_second'] * entry['real_time'] * 1e-3) for entry in self.samples.get((workload, variant), []) if entry.get('written')]

    def points(self, columns, figure_of):
        """Variant's name -> (title, ...) of each workload, for a chart. `figure_of`: (workload, variant) -> Figure"""
        series = {}
        for variant, label in VARIANTS.items():
            found = [(title, *figure_of(workload, variant).range()) for workload, title in columns if figure_of(workload, variant)]
            if found:
                series[label.replace(' with', "TxMem's with") if label.startswith(' ') else label] = found
        return series


def report(results):
    """Print the tables; the figures missed and the damages, a sentence each."""
    samples, damaged = sampled(results)
    notes = {variant: entry['label'] for (_, variant), entries in samples.items() for entry in entries if entry.get('label')}
    context = results['context']
    print_machine(context)
    print(f'storage   {context["medium"]} ({context["directory"]}); image {int(context["size"]):,} MiB, every page of it present')
    print(f'software  compiler {context["compiler"]}, C library {c_library()}, Google Benchmark {package("libbenchmark-dev")}, {context["peers"] or "no peers"}')
    if notes:
        print('          changed pages found by: ' + '; '.join(f'{variant}: {note}' for variant, note in notes.items()))
    if context['left out']:
        print(f'left out  {context["left out"]}')
    print_measured(context, max(map(len, samples.values()), default=0))
    tables = Report(samples, context)
    for table in (tables.commits, tables.sustained, tables.detection, tables.opening, tables.beside, tables.sustained_words):
        table()
    return tables.missed, damaged


def charts(results):
    tables = Report(sampled(results)[0], results['context'])

    def rate(workload, variant):
        return Figure(tables.rate(workload, variant))

    def to_baseline(workload, variant):
        return Figure([] if variant == BASELINE or variant.startswith('append') else divide(tables.rate(workload, variant), tables.rate(workload, BASELINE)))

    by_pages = [(workload, int(workload.split('-')[1])) for workload, _ in COMMITS if not workload.endswith('word')]
    found = [
        Chart('Commits per second by size', 'pages of a commit', 'commits per second', tables.points(by_pages, rate), log_x=True, log_y=True),
        Chart("Commits per second as a ratio to TxMem's procedure", '', 'ratio', tables.points(COMMITS, to_baseline), log_y=True, level=1.0),
        Chart('The longest commit while everything goes to the data file, too', '', 'microseconds', tables.points(SUSTAINED, lambda w, v: Figure(tables.values('max', w, v))), log_y=True,
              note='Compare with the bare append: what the device does by itself is in all of them.'),
        Chart(f'Opening after a crash, {tables.journal} MiB of journal', '', 'milliseconds',
              {label: [('until a page can be read', *Figure([1e3 / rate for rate in tables.rate('open', variant)]).range())]
               for variant, label in [('pool', 'pool'), ('sqlite', 'SQLite, log read'), ('sqlite-settled', 'SQLite, log applied')] if tables.rate('open', variant)})]
    return [chart for chart in found if chart.series]


def summary(results):
    """Sentences for the top of the report."""
    tables, sentences = Report(sampled(results)[0], results['context']), []
    for workload, pages in COMMITS:
        cost = Figure([1e3 / rate for rate in tables.rate(workload, 'pool')])
        if not cost or workload not in ('commit-8', 'commit-64', 'commit-1024'):
            continue
        ratios = [(label, Figure(divide(tables.rate(workload, 'pool'), tables.rate(workload, variant))))
                  for variant, label in [(BASELINE, VARIANTS[BASELINE]), ('lmdb', 'LMDB'), ('sqlite', 'SQLite'), ('msync', 'msync, which is not atomic'), (CALIBRATION, 'one bare append of 4 KiB')]]
        others = ', '.join(f'{factor(figure.median())} x {label}' for label, figure in ratios if figure)
        sentences.append(f'A commit of {pages} of an image of {tables.size:,} MiB takes {cost.text()} ms' + (f'; the rate is {others}' if others else '') + '.')
    for workload, title in SUSTAINED:
        longest = Figure([us / 1e3 for us in tables.values('max', workload, 'pool')], digits=1)
        if longest:
            peers = [(label, Figure([us / 1e3 for us in tables.values('max', workload, variant)], digits=1)) for variant, label in [('sqlite', 'SQLite'), ('lmdb', 'LMDB'), (CALIBRATION, 'a bare append')]]
            sentences.append(f'The longest commit ({title} pages, checkpoints included) takes {longest.text()} ms' + ''.join(f', of {label} {figure.text()}' for label, figure in peers if figure) + '.')
    opening = Figure([1e3 / rate for rate in tables.rate('open', 'pool')], digits=0)
    if opening:
        sentences.append(f'After a crash with {tables.journal} MiB in the journal a pool opens in {opening.text()} ms.')
    return sentences
