# SPDX-License-Identifier: MIT
"""The suite of write-back against write-through: tm-sweep-bench, its tables, and where the two cross."""
import os
import re
import statistics

from chart import Chart
from crossing import NO_DIFFERENCE, Point, enumerate_words, number, rounded
from runner import Part, c_library, listed, package, print_machine, print_measured, run_parts
from sweep_axes import BACK, MIDDLE, MODES, THROUGH, Place, axes, collect, plural, sharing
from tables import Figure, heading, print_rows

QUICK, FULL = dict(design='quick', rounds=7, window=15, threads='1,2'), dict(design='full', rounds=7, window=35, threads='1,2,4,8')
STORE = 'sweep.json'


def made(results):
    """Whether they are of this suite."""
    return results['context'].get('suite') == 'sweep'


def run(options, extra):
    """Run everything that is asked for; the merged output of Google Benchmark. None: nothing is."""
    size = FULL if options.full else QUICK
    command = [os.path.join(options.build, 'bench', 'sweep', 'tm-sweep-bench'), f'--design={size["design"]}', f'--threads={size["threads"]}']
    # Milliseconds: a window grows with the threads, and has a warm-up (see driver.hpp).
    chosen = {name: 1.125 * size['window'] * max(1, int(name.rsplit(':', 1)[1]) // 2) + 1 for name in listed(command) if re.search(options.filter, name.split('/')[0])}
    if not chosen:
        return None
    if options.filter:
        command.append(f'--benchmark_filter=^({"|".join(dict.fromkeys(name.split("/")[0] for name in chosen))})/')
    return run_parts([Part('sweep', [*command, f'--window={size["window"]}', *extra], size['rounds'], chosen)])


def overall(samples, threads):
    """How far apart they are, over everything with so many threads in which nobody is in the way."""
    points = {place: Point.of(0, ratios) for place in samples.places
              if place == MIDDLE.but(accesses=place.accesses, reads=place.reads) and (ratios := samples.ratios(place, threads))}
    if len(points) < 2:
        return None
    told = {side: [(place, point) for place, point in points.items() if point.side() == side] for side in (1, -1)}
    text = f'{plural(threads, "thread")}, nothing shared, no rollbacks: '
    if not told[1] and not told[-1]:
        return text + f'{NO_DIFFERENCE} at any of {len(points)} places.'
    clauses = []
    for side, who in ((1, THROUGH), (-1, BACK)):
        if told[side]:
            place, point = max(told[side], key=lambda item: item[1].median ** side)
            most = f'{100 * (point.median ** side - 1):.0f} %' if point.median ** side < 2 else f'{point.median ** side:.1f} times'
            clauses.append(f'{who} is faster at {len(told[side])} (most at {place.accesses} accesses, {place.reads} % reads: {most})')
    mean = statistics.geometric_mean(point.median for point in points.values())
    return text + f'of {len(points)} sizes and shares of reads, {enumerate_words(clauses)}; write-through to write-back is {mean:.2f} in the geometric mean.'


def rollbacks(samples):
    """From how many of them on the other mode is faster, and what each costs: sentences."""
    if not samples.threads:
        return []
    threads = samples.threads[0]
    how = f'half reads, {plural(threads, "thread")}'
    ahead, costs = {THROUGH: [], BACK: []}, []
    for n in samples.along('accesses'):
        place = MIDDLE.but(accesses=n)
        lost = [samples.lost(place, variant, threads) for variant in ('wt', 'wb')]
        if not all(lost):
            continue
        through, back = map(statistics.median, lost)
        costs.append(f'{through:.0f} and {back:.0f} ns with {n} accesses')
        if even := samples.even(place, threads):
            ahead[BACK if back < through else THROUGH].append(f'{number(rounded(even))} with {n} accesses')
    sentences = [f'Where rollbacks alone decide, {mode} is faster from so many rollbacks per commit on ({how}): {", ".join(places)}.' for mode, places in ahead.items() if places]
    return sentences + [f'An attempt that is rolled back takes, {THROUGH} and {BACK} ({how}): {", ".join(costs)}.'] * bool(costs)


def summary(results):
    """The findings, a sentence each, the most important first."""
    samples, _ = collect(results)
    found = axes(samples)
    sentences = [overall(samples, threads) for threads in samples.threads[:2]]
    sentences += [axis.sentence() for axis in found if axis.title.startswith(('By size', 'By rollbacks', 'By conflicts, 2'))]
    sentences += rollbacks(samples)
    sentences += [axis.sentence() for axis in found if axis.title.startswith(('By reads of own', 'By threads'))]
    return [sentence for sentence in sentences if sentence]


def cell(values):
    figure = Figure(values)
    if not figure:
        return '-'
    return f'{figure.text()}{" ~"[Point.of(0, values).side() == 0]} [{figure.spread()}]'


class Report:
    def __init__(self, samples):
        self.samples, self.number = samples, 0
        self.axes = axes(samples)

    def table(self, text, head, rows, least=1):
        """The rows in which at least so much was measured, if there are any; whether there are."""
        rows = [row for row in rows if sum(c != '-' for c in row[1:]) >= least]
        if rows:
            self.number += 1
            heading(self.number, text)
            print_rows(head, rows)
        return bool(rows)

    def said(self, beginning, threads):
        """Below a table: who is faster where."""
        for axis in self.axes:
            if axis.title.startswith(beginning) and axis.threads == threads:
                print()
                for clause in axis.clauses():
                    print(f'  {clause}.')

    def plane(self, what, threads, axis, title):
        """Size against another axis through the middle; sizes of which there are two places at least."""
        values = self.samples.along(axis)
        return self.table(f'write-through to write-back, {what}, {plural(threads, "thread")}', ['accesses', *(title.format(v) for v in values)],
                          [[str(n), *(cell(self.samples.ratios(MIDDLE.but(accesses=n, **{axis: v}), threads)) for v in values)] for n in self.samples.along('accesses')],
                          least=2)

    def rollback_table(self):
        s, threads = self.samples, self.samples.threads[0]
        rows = []
        for n in s.along('accesses'):
            place = MIDDLE.but(accesses=n)
            commits = [Figure(s.costs(place, v, threads), digits=0) for v in ('wb', 'wt')]
            lost = [Figure(s.lost(place, v, threads), digits=0) for v in ('wb', 'wt', 'wb-cpp', 'wt-cpp')]
            even = s.even(place, threads)
            if lost[0] and lost[1]:
                rows.append([str(n), *(f.text() for f in commits), *(f'{f.text()} [{f.spread()}]' if f else '-' for f in lost), number(rounded(even)) if even else '-'])
        self.table(f'nanoseconds of an attempt, {plural(threads, "thread")}, half reads, nothing shared; cpp: libtm::atomically, an exception; even: rollbacks per commit with which both modes are as fast',
                   ['accesses', 'commits: WB', 'WT', 'rolled back: WB', 'WT', 'WB cpp', 'WT cpp', 'even'], rows)

    def conflicts(self, threads):
        s = self.samples
        shared = s.sharings()
        rows = []
        for n in s.along('accesses'):
            places = [MIDDLE.but(accesses=n, shared=words) for words in shared]
            if not any(s.ratios(place, threads) for place in places if place.shared):
                continue
            rows.append([str(n), *(cell(s.ratios(place, threads)) for place in places)])
            for variant in MODES:
                figures = [Figure(s.conflicts(place, variant, threads), digits=3) for place in places]
                rows.append([f'  aborts per commit, {variant.upper()}', *(f.text() if f else '-' for f in figures)])
        if self.table(f'write-through to write-back by sharing, half reads, {threads} threads', ['accesses', *map(sharing, shared)], rows):
            self.said('By conflicts', threads)

    def to_mutex(self):
        s, sizes = self.samples, self.samples.along('accesses')
        rows = []
        for shared, reads, threads in dict.fromkeys((p.shared, p.reads, threads) for p in s.places for threads in s.threads):
            places = [Place(n, reads, shared, 0, 0) for n in sizes]
            rates = [Figure([rate / 1e6 for rate in s.rates(place, 'mutex', threads)]) for place in places]
            if not any(rates):
                continue
            what = f'{sharing(shared)}, {reads} % reads, {plural(threads, "thread")}'
            for variant in MODES:
                ratios = [Figure(s.ratios(place, threads, variant, 'mutex')) for place in places]
                rows.append([f'{what}, {variant.upper()}', *(f'{f.text()} [{f.spread()}]' if f else '-' for f in ratios)])
            rows.append(['  mutex, M/s', *(f.text() if f else '-' for f in rates)])
        self.table('throughput as a ratio to the same code under one std::mutex (1 thread: others are idle)', ['', *(f'{n} accesses' for n in sizes)], rows)

    def product(self):
        """Shares of reads together with what no plane before has had."""
        s = self.samples
        shares = s.along('reads')
        rows = []
        for shared, restarts, threads in dict.fromkeys((place.shared, place.restarts, threads) for place in s.places for threads in s.threads):
            if shared == 0 and restarts == 0 and threads in s.threads[:2]:
                continue
            for n in s.along('accesses'):
                rows.append([f'{plural(threads, "thread")}, {sharing(shared)}, {restarts} % rolled back, {n} accesses',
                             *(cell(s.ratios(Place(n, reads, shared, restarts, 0), threads)) for reads in shares)])
        self.table('write-through to write-back, all together', ['', *(f'{reads} % reads' for reads in shares)], rows, least=2)

    def all(self):
        threads_of_planes = self.samples.threads[:2]
        for threads in threads_of_planes:
            if self.plane('nothing shared, no rollbacks', threads, 'reads', '{} % reads'):
                self.said('By size', threads)
        for threads in threads_of_planes:
            if self.plane('half reads, nothing shared, so many transactions roll back once', threads, 'restarts', '{} %'):
                self.said('By rollbacks', threads)
        if self.samples.threads:
            self.rollback_table()
        for threads in self.samples.threads:
            self.conflicts(threads)
        for threads in threads_of_planes:
            if self.plane('nothing shared, so many of the reads are of own writes', threads, 'again', '{} %'):
                self.said('By reads of own', threads)
        self.to_mutex()
        self.product()


def series(points):
    return [(p.x, *p.spread()) for p in points]


def charts(results):
    """What is worth a picture."""
    samples, _ = collect(results)
    found = []
    ratio = 'write-through / write-back'
    for axis in axes(samples):
        if not axis.title.startswith('By conflicts'):
            title = axis.title.replace('By size', 'By transaction size')
            found.append(Chart(f'Write-through to write-back. {title}', axis.x_label, ratio,
                               {axis.key_title.format(key): series(points) for key, points in axis.curves.items()}, log_x=axis.log_x, level=1.0))
    for threads in samples.threads[1:]:
        bars, aborts = {}, []
        for n in samples.along('accesses'):
            shared = [MIDDLE.but(accesses=n, shared=words) for words in samples.sharings()]
            bars[f'{n} accesses'] = [(sharing(p.shared), *Point.of(0, ratios).spread()) for p in shared if (ratios := samples.ratios(p, threads))]
            if n == MIDDLE.accesses:
                aborts = [f'{samples.contention(p, threads):.2g} ({sharing(p.shared)})' for p in shared if samples.ratios(p, threads)]
        bars = {name: groups for name, groups in bars.items() if len(groups) > 1}
        if bars:
            found.append(Chart(f'Write-through to write-back. By sharing, {threads} threads, half reads', 'what the threads share', ratio, bars, level=1.0,
                               note=f'Aborts per commit with {MIDDLE.accesses} accesses, mean of both modes: {", ".join(aborts)}.' if aborts else ''))
    names = {'wb': BACK, 'wt': THROUGH, 'mutex': 'one mutex'}

    def throughput(title, x_label, places, log_x=True):
        lines = {name: series([Point.of(x, rates) for x, place, threads in places if (rates := [r / 1e6 for r in samples.rates(place, variant, threads)])])
                 for variant, name in names.items()}
        lines = {name: line for name, line in lines.items() if len(line) > 1}
        if lines:
            found.append(Chart(title, x_label, 'transactions, M/s', lines, log_x=log_x, log_y=True))

    for threads in samples.threads[:2]:
        throughput(f'Throughput by transaction size, {plural(threads, "thread")}, half reads, nothing shared', 'accesses of a transaction',
                   [(n, MIDDLE.but(accesses=n), threads) for n in samples.along('accesses')])
    for shared in samples.along('shared'):
        throughput(f'Throughput over threads, 32 accesses, half reads, {f"an array of {shared:,} words" if shared else "nothing shared"}', 'threads',
                   [(threads, MIDDLE.but(shared=shared), threads) for threads in samples.threads])
    lines = {}
    for variant, name in MODES.items():
        for what, values in (('commits', samples.costs), ('is rolled back', samples.lost)):
            points = [(n, costs) for n in samples.along('accesses') if (costs := values(MIDDLE.but(accesses=n), variant, samples.threads[0])) and min(costs) > 0]
            lines[f'{name}, {what}'] = series([Point.of(n, [cost / n for cost in costs]) for n, costs in points])
    if all(len(line) > 1 for line in lines.values()):
        found.append(Chart(f'What an attempt costs that commits or is rolled back, half reads, {plural(samples.threads[0], "thread")}', 'accesses of a transaction', 'ns per access', lines, log_x=True))
    return found


def report(results):
    """Print the tables; the figures missed (there are no targets) and the damages, a sentence each."""
    samples, damaged = collect(results)
    context = results['context']
    print_machine(context)
    print(f'software  libtm {context.get("libtm version", "?")}, compiler {context.get("compiler", "?")}, C library {c_library()}, Google Benchmark {package("libbenchmark-dev")}')
    print_measured(context, max(map(len, samples.entries.values()), default=0))
    print('          a ratio above 1.0: write-through is faster; ~: no difference beyond the noise')
    for sentence in summary(results):
        print(f'\n  {sentence}')
    Report(samples).all()
    return [], damaged
