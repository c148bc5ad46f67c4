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
    """One line on a terminal: what runs, how far, how long still."""

    def __init__(self, total):
        self.total, self.done, self.start = total, 0, time.monotonic()

    def step(self, name, weight):
        self.done += weight
        if not sys.stderr.isatty():
            return
        spent = time.monotonic() - self.start
        left = spent / self.done * (self.total - self.done) if self.done else 0
        text = f'{100 * self.done / self.total:3.0f} %  {int(left) // 60}:{int(left) % 60:02} left  {name}'
        print(f'\r\033[K{text}', end='', file=sys.stderr, flush=True)

    def end(self):
        if sys.stderr.isatty():
            print('\r\033[K', end='', file=sys.stderr, flush=True)


class Part:
    """A process: what it measures in words, its command, and its benchmarks, each so often, with how long they take among each other."""

    def __init__(self, title, command, rounds, weights):
        self.title, self.command, self.rounds, self.weights = title, command, rounds, weights


def listed(command):
    """The names of all benchmarks, in order."""
    return list(dict.fromkeys(subprocess.run([*command, '--benchmark_list_tests'], check=True, stdout=subprocess.PIPE, text=True).stdout.split()))


def run_parts(parts):
    """The merged output of Google Benchmark; `failed` says which processes did, and how."""
    progress = Progress(sum(part.rounds * sum(part.weights.values()) for part in parts))
    merged = {'context': None, 'benchmarks': [], 'failed': []}
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'out.json')
        for part in parts:
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


def package(name):
    query = subprocess.run(['dpkg-query', '-W', '-f', '${Version}', name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                           text=True, check=False)
    return query.stdout or 'unknown'


def print_machine(context):
    print(f'date      {context["date"]}')
    print(f'machine   {processor()}, {context["num_cpus"]} processors, {platform.system()} {platform.release()}')


def print_measured(context, rounds):
    print(f'measured  {rounds} interleaved rounds; medians, in brackets the quartiles')
    others = context.get('others', 0)
    print(f'          other processes took {100 * others:.0f} % of the machine meanwhile' + ': measure again when it is idle' * (others > 0.05))
