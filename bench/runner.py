# SPDX-License-Identifier: MIT
"""Run benchmark programs, one process after the other, and merge what they say; and what is known of the machine meanwhile."""
import json
import os
import platform
import subprocess
import sys
import tempfile
import time


class Progress:
    """One line on a terminal: how far all of it is, how long still, what runs. Milliseconds are those that were expected; how wrong that is in a suite is seen on its way."""

    def __init__(self, total):
        self.total, self.over = total, 0
        self.suite, self.own, self.own_done, self.start = '', total, 0, time.monotonic()

    def begin(self, suite, milliseconds):
        """A suite begins, which is expected to take so long; the one before is over."""
        self.over += self.own if self.suite else 0
        self.suite, self.own, self.own_done, self.start = suite, milliseconds, 0, time.monotonic()

    def left(self):
        """Seconds."""
        spent = 1000 * (time.monotonic() - self.start)
        trust = min(1.0, 4 * self.own_done / self.own) if self.own else 1.0  # what is seen at first is little
        pace = (1 - trust) + trust * spent / self.own_done if self.own_done else 1.0
        return (pace * max(0.0, self.own - self.own_done) + max(0.0, self.total - self.over - self.own)) / 1000

    def step(self, name, milliseconds):
        self.own_done += milliseconds
        if not sys.stderr.isatty():
            return
        left, share = self.left(), min(1.0, (self.over + self.own_done) / self.total) if self.total else 0
        text = f'{100 * share:3.0f} %  {int(left) // 60}:{int(left) % 60:02} left  {self.suite + ": " if self.suite else ""}{name}'
        print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)

    def end(self):
        if sys.stderr.isatty():
            print('\r\033[K', end='', file=sys.stderr, flush=True)


class Part:
    """A process: what it measures in words, its command, and its benchmarks, each so many rounds, with how long they take, in `unit` milliseconds."""

    def __init__(self, title, command, rounds, weights, unit=1.0):
        self.title, self.command, self.rounds = title, command, rounds
        self.weights = {name: unit * weight for name, weight in weights.items()}


class Planned(Exception):
    """Instead of a run: what it would take."""

    def __init__(self, milliseconds):
        super().__init__()
        self.milliseconds = milliseconds


class Session:
    """What the suites share: a plan, one line of progress, then the machine that is told of."""

    planning = False
    progress = None  # of all suites; without it each run has its own
    told = {}  # context of the results that are being told: where they were measured

    @classmethod
    def plan(cls, run):
        """Milliseconds that run() is expected to take; it measures nothing."""
        cls.planning = True
        try:
            run()
        except Planned as planned:
            return planned.milliseconds
        finally:
            cls.planning = False
        return 0


def listed(command):
    """The names of all benchmarks, in order."""
    return list(dict.fromkeys(subprocess.run([*command, '--benchmark_list_tests'], check=True, stdout=subprocess.PIPE, text=True).stdout.split()))


def run_parts(parts):
    """The merged output of Google Benchmark; `failed` says which processes did, and how. A suite calls it once, with all that it has to do."""
    expected = sum(part.rounds * sum(part.weights.values()) for part in parts)
    if Session.planning:
        raise Planned(expected)
    progress = Session.progress or Progress(expected)
    merged = {'context': None, 'benchmarks': [], 'failed': []}
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'out.json')
        for part in parts:
            progress.step(part.title, 0)
            # What the user has asked for comes last, and so wins.
            command = [part.command[0], f'--rounds={part.rounds}', f'--benchmark_out={out}', '--benchmark_out_format=json', *part.command[1:]]
            with tempfile.TemporaryFile('w+') as errors, \
                    subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
                for line in process.stdout:
                    name = line.split()[0] if line.strip() else ''
                    if name in part.weights:
                        progress.step('/'.join(name.split('/')[:2]), part.weights[name])
                if process.wait() != 0:
                    progress.end()
                    errors.seek(0)
                    text = f'{part.title}: {os.path.basename(part.command[0])} failed with {process.returncode}'
                    print(f'{text}\n{errors.read()}', file=sys.stderr)
                    merged['failed'].append(text)
            try:
                with open(out) as file:
                    result = json.load(file)
            except (OSError, ValueError):
                continue  # it has crashed, and that has been said
            merged['context'] = merged['context'] or result['context']
            for entry in result['benchmarks']:
                entry['alone'] = result['context'].get('alone') == 'yes'
            merged['benchmarks'] += result['benchmarks']
            os.remove(out)
    progress.end()
    if merged['context']:
        describe_machine(merged['context'])
    return merged


def busy_seconds():
    """Processor time that the whole machine has spent, and what this program and its children have."""
    with open('/proc/stat') as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    everybody = (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')
    times = os.times()
    return everybody, times.user + times.system + times.children_user + times.children_system


class Witness:
    """How much of the machine others take meanwhile: figures measured beside others are not worth much."""

    def __init__(self):
        self.before, self.start = busy_seconds(), time.monotonic()

    def others_share(self):
        """0 to 1."""
        after = busy_seconds()
        others = (after[0] - self.before[0]) - (after[1] - self.before[1])
        return max(0.0, others / (time.monotonic() - self.start) / os.cpu_count())


def processor():
    with open('/proc/cpuinfo') as file:
        for line in file:
            if line.startswith('model name'):
                return line.split(':')[1].strip()
    return platform.machine()


# A share of the machine that others take meanwhile, above which figures are not worth much.
BUSY = 0.05
PACKAGES = ('libbenchmark-dev', 'libitm1', 'libjemalloc2')


def describe_machine(context):
    """Add what is to be told of this machine, also by a report that is made elsewhere."""
    context['processor'], context['kernel'] = processor(), f'{platform.system()} {platform.release()}'
    context['C library'] = platform.libc_ver()[1]
    context['packages'] = {name: package(name) for name in PACKAGES}


def package(name):
    """Its version: where it was measured, or else here."""
    recorded = Session.told.get('packages', {})
    if name in recorded:
        return recorded[name]
    try:
        query = subprocess.run(['dpkg-query', '-W', '-f', '${Version}', name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    except OSError:
        return 'unknown'
    return query.stdout or 'unknown'


def c_library():
    return Session.told.get('C library') or platform.libc_ver()[1]


def machine(context):
    kernel = context.get('kernel') or f'{platform.system()} {platform.release()}'
    return f'{context.get("processor") or processor()}, {context["num_cpus"]} processors, {kernel}'


def print_machine(context):
    print(f'date      {context["date"]}')
    print(f'machine   {machine(context)}')


def print_measured(context, rounds):
    print(f'measured  {rounds} interleaved rounds; medians, in brackets the quartiles')
    others = context.get('others', 0)
    print(f'          other processes took {100 * others:.0f} % of the machine meanwhile' + ': measure again when it is idle' * (others > BUSY))
