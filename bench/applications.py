# SPDX-License-Identifier: MIT
"""The suite of applications: tm-applications-bench, a process per application, and its tables."""
import os
import re

from chart import Chart
from runner import Part, c_library, listed, package, print_machine, print_measured, run_parts
from tables import Figure, divide, each, heading, print_rows

# Each list of threads is a process: one that measures one thread alone has no other. The sequential program is in both.
QUICK = dict(rounds=5, threads=[[1], [2]], variants='sequential|mutex|wb|wt|libitm')
FULL = dict(rounds=11, threads=[[1], [2, 4, 8]], variants='.*')
STORE = 'applications.json'
MILLISECONDS = 90  # that one takes about, with making its data and looking at them
APPLICATIONS = {'reservation': 'reservation', 'reassembly': 'reassembly', 'kmeans': 'k-means', 'graph': 'graph', 'maze': 'maze'}
VARIANTS = {'wb': 'WB', 'wt': 'WT', 'default': 'default', 'mutex': 'mutex', 'libitm': 'libitm'}
MODES = ('wb', 'wt')
# Two threads to the sequential program, where few attempts abort and otherwise.
FEW_ABORTS, TO_SEQUENTIAL, TO_SEQUENTIAL_OTHERWISE = 0.05, 1.5, 1.0
# To the mutex, where a transaction takes long under it and otherwise.
LONG_NS, TO_MUTEX, TO_MUTEX_OTHERWISE = 200, 1.0, 0.7
REASONS = {'found it held': ['locked'], 'what it had read has changed': ['changed', 'validation']}


def made(results):
    """Whether they are of this suite."""
    return results['context'].get('suite') == 'applications'


def run(options, extra):
    """Run everything that is asked for; the merged output of Google Benchmark. None: nothing is."""
    size = FULL if options.full else QUICK
    binary = os.path.join(options.build, 'bench', 'applications', 'tm-applications-bench')
    parts = []
    for threads in size['threads']:
        command = [binary, '--threads=' + ','.join(map(str, threads))]
        chosen = {}
        for name in listed(command):
            application, variant = name.split('/')[:2]
            if re.search(options.filter, application) and re.fullmatch(size['variants'], variant):
                chosen.setdefault(application, {})[name] = 1
        parts += [Part(application, [*command, f'--benchmark_filter=^{application}/({size["variants"]})/', *extra], size['rounds'], names, unit=MILLISECONDS)
                  for application, names in chosen.items()]
    return run_parts(parts) if parts else None


def sequential(threads):
    """The sequential program, as it was measured in the process of so many threads."""
    return ('sequential', 1) if threads == 1 else ('sequential beside', 1)


class Samples:
    """Lists with one value per round, empty where it was not measured. A subject is (variant, threads)."""

    def __init__(self, results):
        self.entries, self.damaged = {}, list(results.get('failed', []))
        for entry in results['benchmarks']:
            application, variant, threads = entry['name'].split('/')[:3]
            if variant == 'sequential' and not entry['alone']:
                variant, _ = sequential(2)
            if entry.get('error_occurred'):
                self.damaged.append(f'{entry["name"]}: {entry["error_message"]}')
            else:
                self.entries.setdefault((application, variant, int(threads)), []).append(entry)
        self.threads = sorted({threads for _, _, threads in self.entries})

    def rounds(self):
        return max(map(len, self.entries.values()), default=0)

    def values(self, counter, application, subject):
        return [entry[counter] for entry in self.entries.get((application, *subject), []) if counter in entry]

    def speed(self, application, above, below):
        """How many times as fast."""
        return divide(self.values('real_time', application, below), self.values('real_time', application, above))

    def per_commit(self, application, subject, *counters):
        """Sum of counters, each absent where it is 0, to the commits. Only of libtm."""
        return [sum(entry.get(counter, 0) for counter in counters) / entry['commits']
                for entry in self.entries.get((application, *subject), []) if entry['commits']]

    def against_sequential(self, application, mode):
        """Of two threads, with its target."""
        aborts = Figure(self.per_commit(application, (mode, 2), 'aborts'))
        share = aborts.median() / (1 + aborts.median()) if aborts else 0
        return Figure(self.speed(application, (mode, 2), sequential(2)), TO_SEQUENTIAL if share <= FEW_ABORTS else TO_SEQUENTIAL_OTHERWISE)

    def against_mutex(self, application, mode, threads):
        """With its target."""
        under = Figure(self.values('transaction_ns', application, ('mutex', 1)))
        target = (TO_MUTEX if under.median() > LONG_NS else TO_MUTEX_OTHERWISE) if under else None
        return Figure(self.speed(application, (mode, threads), ('mutex', threads)), target)


def threads(entry):
    """The program starts them itself: the name says how many."""
    return int(entry['name'].split('/')[2])


def named(threads):
    return '1 thread' if threads == 1 else f'{threads} threads'


class Report:
    def __init__(self, samples):
        self.samples, self.missed = samples, []

    def table(self, number, text, rows):
        """A row of medians, with the quartiles and the targets below, per (label, function of the application that gives a Figure)."""
        shown = []
        for label, figure_of in rows:
            figures = [figure_of(application) for application in APPLICATIONS]
            if not any(figures):
                continue
            for title, figure in zip(APPLICATIONS.values(), figures):
                if figure.missed():
                    self.missed.append(f'({number}) {label}, {title}: {figure.text()} ({figure.spread()}), should be {figure.goal()}')
            shown.append([label, *(f.text() if f else '-' for f in figures)])
            if any(f.spread() for f in figures):
                shown.append(['', *(f'[{f.spread()}]' if f else '' for f in figures)])
            if any(f.verdict() for f in figures):
                shown.append(['', *(f'{f.goal()} {f.verdict()}' if f else '' for f in figures)])
        if shown:
            heading(number, text)
            print_rows(['', *APPLICATIONS.values()], shown)

    def all(self):
        s = self.samples

        def to_sequential(application, variant, threads):
            if variant in MODES and threads == 2:
                return s.against_sequential(application, variant)
            return Figure(s.speed(application, (variant, threads), sequential(threads)))

        self.table(1, 'speed as a ratio to the sequential program', [
            (f'{title}, {named(n)}', lambda a, v=variant, n=n: to_sequential(a, v, n)) for variant, title in VARIANTS.items() for n in s.threads])
        self.table(2, 'speed as a ratio to one std::mutex', [
            (f'{VARIANTS[mode]}, {named(n)}', lambda a, m=mode, n=n: s.against_mutex(a, m, n)) for mode in MODES for n in s.threads])
        self.table(3, 'write-through to write-back', [
            (named(n), lambda a, n=n: Figure(s.speed(a, ('wt', n), ('wb', n)))) for n in s.threads])
        several = [(mode, n) for mode in MODES for n in s.threads if n > 1]
        self.table(4, 'aborts per commit', [row for mode, n in several for row in [
            (f'{VARIANTS[mode]}, {named(n)}', lambda a, u=(mode, n): Figure(s.per_commit(a, u, 'aborts'), digits=4)),
            *((f'  {reason}', lambda a, u=(mode, n), c=counters: Figure(s.per_commit(a, u, *(f'aborted_{name}' for name in c)), digits=4))
              for reason, counters in REASONS.items())]])
        self.work()
        return self.missed

    def work(self):
        s = self.samples
        self.table(5, 'the work', [
            ('sequential program, ms', lambda a: Figure(s.values('real_time', a, sequential(1)), digits=0)),
            ('transactions', lambda a: Figure(s.values('transactions', a, ('wb', 1)), digits=0)),
            *((f'a transaction, ns: {VARIANTS[variant]}, {named(n)}', lambda a, u=(variant, n): Figure(s.values('transaction_ns', a, u), digits=0))
              for variant in ('mutex', 'wb', 'wt', 'libitm') for n in s.threads[:2]),
            *((f'WB waits for quiescence per commit, {named(n)}', lambda a, n=n: Figure(s.per_commit(a, ('wb', n), 'waits'))) for n in s.threads if n > 1),
            *((f'private work done again, WB, {named(n)}', lambda a, n=n: Figure(s.per_commit(a, ('wb', n), 'redone'), digits=3)) for n in s.threads if n > 1),
            *((f'WB, {named(n)}, processor time to real', lambda a, n=n: Figure(each(
                lambda busy, real: 1e3 * busy / real, s.values('busy', a, ('wb', n)), s.values('real_time', a, ('wb', n))))) for n in s.threads)])


def report(results):
    """Print the tables; the figures missed and the damages, a sentence each."""
    samples, context = Samples(results), results['context']
    print_machine(context)
    print(f'software  libtm {context["libtm version"]}, heap {context["libtm heap"]} ({package("libjemalloc2")}), compiler {context["compiler"]}, '
          f'C library {c_library()},')
    print(f'          Google Benchmark {package("libbenchmark-dev")}, libitm {package("libitm1")}; {context["peers"]}')
    if context['left out']:
        print(f'left out  {context["left out"]}')
    print_measured(context, samples.rounds())
    return Report(samples).all(), samples.damaged


def bars(title, y_label, subjects, ratio_of):
    """Groups of bars: for each application one for each (name, argument of ratio_of). Nothing without figures."""
    chart = Chart(title, '', y_label, level=1.0)
    for name, subject in subjects:
        figures = [(label, ratio_of(application, subject)) for application, label in APPLICATIONS.items()]
        if any(values for _, values in figures):
            chart.series[name] = [(label, *Figure(values).range()) for label, values in figures if values]
    return [chart] if chart.series else []


def charts(results):
    """The two tables of ratios at 2 threads; write-back by threads, where there are more than two numbers of them."""
    s = Samples(results)
    drawn = bars('Applications with 2 threads, against the sequential program', 'times as fast', [(title, (variant, 2)) for variant, title in VARIANTS.items()],
                 lambda a, subject: s.speed(a, subject, sequential(2)))
    drawn += bars('Applications, against one mutex with as many threads', 'times as fast',
                  [(f'{VARIANTS[mode]}, {named(n)}', (mode, n)) for mode in MODES for n in s.threads[:2]],
                  lambda a, subject: s.speed(a, subject, ('mutex', subject[1])))
    if len(s.threads) > 2:
        lines = Chart('Applications in write-back by threads, against the sequential program', 'threads', 'times as fast', level=1.0)
        for application, label in APPLICATIONS.items():
            figures = [(n, s.speed(application, ('wb', n), sequential(n))) for n in s.threads]
            if any(values for _, values in figures):
                lines.series[label] = [(n, *Figure(values).range()) for n, values in figures if values]
        drawn += [lines] if lines.series else []
    return drawn


def listed_figures(figures):
    """The medians with their titles, the highest first: "1.60 (maze), 0.90 (graph)"."""
    return ', '.join(f'{figure.text()} ({title})' for title, figure in sorted(figures, key=lambda pair: -pair[1].median()))


def summary(results):
    """The most important findings, a sentence each."""
    s, found = Samples(results), []

    def of_all(figure_of):
        return [(title, figure) for application, title in APPLICATIONS.items() if (figure := figure_of(application))]

    for mode in MODES:
        figures = of_all(lambda a: s.against_sequential(a, mode))
        if figures:
            reached = [title for title, figure in figures if not figure.missed()]
            found.append(f'Applications with 2 threads in {VARIANTS[mode]}, as a ratio to the sequential program: {listed_figures(figures)}; '
                         f'{len(reached)} of {len(figures)} reach their target.')
    for threads in (1, 2):
        figures = of_all(lambda a: s.against_mutex(a, 'wb', threads))
        if figures:
            found.append(f'Against one mutex, {named(threads)}, write-back: {listed_figures(figures)}.')
    figures = of_all(lambda a: Figure(s.speed(a, ('wt', 2), ('wb', 2))))
    if figures:
        found.append(f'Write-through to write-back in applications, 2 threads: {listed_figures(figures)}.')
    return found
