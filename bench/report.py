#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run tm-bench, a process per workload, and print the tables. Python's standard library only.

A figure is a list with one value per round; ratios are formed round by round, from measurements made within a second or
so of each other. What is printed is the median, and the quartiles as its spread.
"""
import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time

from tables import ALONE, all_tables

# Each list of threads is a process: one that measures one thread alone has no other (see company in main.cpp).
QUICK = dict(rounds=9, window=25, words=[[1]], structures=[[1], [1, 2, 8]])
FULL = dict(rounds=11, window=100, words=[[1], [1, 2]], structures=[[1], [1, 2, 4, 8]])
# The words of an array and the empty transaction: many workloads, of interest for their cost at one thread.
WORDS = re.compile(r'(empty|read|write|modify)\b')
EXTRA_WORDS = re.compile(r'(read|write|modify)-(of|sequential)|.*-[18]$')


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


def listed(binary, threads):
    """The names of all benchmarks, in order."""
    command = [binary, '--benchmark_list_tests', '--threads=' + ','.join(map(str, threads))]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()


def weight(name):
    """A window grows with the threads: see driver.hpp."""
    return max(1, int(name.rsplit(':', 1)[1]) // 2)


def run(binary, size, pattern, extra):
    """Run everything that is asked for; the merged output of Google Benchmark."""
    plan = []  # (workload, threads, its benchmarks)
    has_libitm = False
    for threads, is_words in [(t, True) for t in size['words']] + [(t, False) for t in size['structures']]:
        chosen = {}
        for name in listed(binary, threads):
            workload, variant = name.split('/')[:2]
            has_libitm |= variant == 'libitm'
            if bool(WORDS.match(workload)) != is_words or not re.search(pattern, workload):
                continue
            if size is QUICK and EXTRA_WORDS.match(workload):
                continue
            chosen.setdefault(workload, []).append(name)
        plan += [(workload, threads, names) for workload, names in chosen.items()]
    if not plan:
        sys.exit(f'no workload matches {pattern}')

    progress = Progress(size['rounds'] * sum(weight(n) for _, _, names in plan for n in names))
    merged = {'context': None, 'benchmarks': []}
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'out.json')
        for workload, threads, _ in plan:
            command = [binary, f'--benchmark_filter=^{workload}/', f'--rounds={size["rounds"]}',
                       f'--window={size["window"]}', '--threads=' + ','.join(map(str, threads)),
                       f'--benchmark_out={out}', '--benchmark_out_format=json', *extra]
            with tempfile.TemporaryFile('w+') as errors, \
                    subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process:
                for line in process.stdout:
                    if line.startswith(workload + '/'):
                        progress.step('/'.join(line.split()[0].split('/')[:2]), weight(line.split()[0]))
                if process.wait() != 0:
                    progress.end()
                    errors.seek(0)
                    print(f'{workload}: tm-bench failed with {process.returncode}\n{errors.read()}', file=sys.stderr)
            try:
                with open(out) as file:
                    part = json.load(file)
            except (OSError, ValueError):
                continue  # it has crashed, and that has been said
            merged['context'] = merged['context'] or part['context']
            for entry in part['benchmarks']:
                entry['alone'] = part['context']['alone'] == 'yes'
            merged['benchmarks'] += part['benchmarks']
            os.remove(out)
    progress.end()
    if merged['context']:
        merged['context']['has libitm'] = has_libitm
    return merged


def busy_seconds():
    """Processor time that the whole machine has spent, and what this program and its children have."""
    with open('/proc/stat') as file:
        user, nice, system, _, _, irq, softirq, steal = map(int, file.readline().split()[1:9])
    everybody = (user + nice + system + irq + softirq + steal) / os.sysconf('SC_CLK_TCK')
    times = os.times()
    return everybody, times.user + times.system + times.children_user + times.children_system


def others_share(before, start):
    """How much of the machine others took meanwhile: 0 to 1. Figures measured beside others are not worth much."""
    after = busy_seconds()
    others = (after[0] - before[0]) - (after[1] - before[1])
    return max(0.0, others / (time.monotonic() - start) / os.cpu_count())


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


def print_head(context, rounds):
    peer = f'libitm {package("libitm1")} ({context["libitm method"]})' if context.get('has libitm') else 'no libitm (no -fgnu-tm)'
    print(f'date      {context["date"]}')
    print(f'machine   {processor()}, {context["num_cpus"]} processors, {platform.system()} {platform.release()}')
    print(f'software  libtm {context.get("libtm version", "?")}, heap {context.get("libtm heap", "?")} '
          f'({package("libjemalloc2")}), compiler {context.get("compiler", "?")}, C library {platform.libc_ver()[1]},')
    print(f'          Google Benchmark {package("libbenchmark-dev")}, {peer}')
    print(f'measured  {rounds} interleaved rounds; medians, in brackets the quartiles')
    others = context.get('others', 0)
    print(f'          other processes took {100 * others:.0f} % of the machine meanwhile' + ': measure again when it is idle' * (others > 0.05))


def main():
    parser = argparse.ArgumentParser(prog='bench/run', description='Measure libtm; print tables of ratios and the figures missed.',
                                     epilog='Other options go to tm-bench: --rounds=N, --window=MS, --benchmark_...')
    parser.add_argument('build', help=argparse.SUPPRESS)
    parser.add_argument('--quick', action='store_true', help='about 3 minutes (the default)')
    parser.add_argument('--full', action='store_true', help='about 20 minutes: more rounds, 4 threads, more arrays')
    parser.add_argument('--filter', default='', metavar='REGEX', help='only the workloads that match, such as bank or tree-20')
    parser.add_argument('--json', metavar='FILE', help='print the tables of an earlier run')
    options, extra = parser.parse_known_args()

    size = FULL if options.full else QUICK
    store = options.json or os.path.join(options.build, 'bench.json')
    if options.json:
        with open(store) as file:
            results = json.load(file)
    else:
        before, start = busy_seconds(), time.monotonic()
        results = run(os.path.join(options.build, 'bench', 'tm-bench'), size, options.filter, extra)
        if not results['benchmarks']:
            sys.exit(1)
        results['context']['others'] = others_share(before, start)
        with open(store, 'w') as file:
            json.dump(results, file, indent=1)

    samples, damaged = {}, []
    for entry in results['benchmarks']:
        workload, variant = entry['name'].split('/')[:2]
        if entry.get('error_occurred'):
            damaged.append(f'{entry["name"]}: {entry["error_message"]}')
        else:
            samples.setdefault((workload, variant, ALONE if entry['alone'] else entry['threads']), []).append(entry)
    print_head(results['context'], max(map(len, samples.values()), default=0))
    missed = all_tables(samples)
    print(f'\nThe figures are in {store}.' if not options.json else '')
    print('Figures missed: ' + ('none' if not missed else ''))
    for line in missed:
        print('  ' + line)
    for line in damaged:
        print('DAMAGED ' + line)
    return 1 if damaged else 0


if __name__ == '__main__':
    sys.exit(main())
