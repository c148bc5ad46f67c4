# SPDX-License-Identifier: MIT
"""The engine's suite: tm-bench, processes per workload; its tables are in engine_tables.py."""
import os
import re

import engine_tables
from runner import Part, c_library, listed, package, print_machine, print_measured, run_parts
from tables import ALONE

# A workload's processes run in turn, as often as `turns` says, each with its share of the rounds: one that measures one thread alone and has
# no other (see company in main.cpp), one for all numbers of threads, and one for each further method of libitm, which reads it but once.
QUICK = dict(rounds=5, window=40, turns=1, threads=[1, 2, 8], methods=[])
FULL = dict(rounds=12, window=60, turns=3, threads=[1, 2, 4, 8], methods=['gl_wt', 'serialirr', 'serialirr_onwrite'])
# The words of an array and the empty transaction: many workloads, of interest for their cost at one thread.
WORDS = re.compile(r'(empty|read|write|modify)\b')
STORE = 'bench.json'

# The quick form leaves out these workloads, and has of the variants those that tables with targets need: (workload, variant) by threads.
SECONDARY = re.compile(r'(read|write|modify)-(of|sequential)|(read|read-random|write|modify)-[18]$|skip-100$')
QUICK_VARIANTS = {
    ALONE: re.compile(r'empty/.*|malloc-free/(wb|wt|plain)|(?!malloc-free).*/(none|mutex|wb|wt|auto|ro|libitm)'),
    1: re.compile(r'.*/(mutex|wb|wt)'),
    2: re.compile(r'malloc-free/(wb|wt|plain)|(?!malloc-free).*/(mutex|shared|sharded|libitm|tbb|cds|wb|wt|auto|wb-nq)'),
    8: re.compile(r'(?!malloc-free).*/(mutex|wb|wt)')}


def made(results):
    """Whether they are of this suite."""
    return results['context'].get('suite') == 'engine'


def threads_of(name):
    return int(name.rsplit(':', 1)[1])


def weight(name):
    """Windows that it takes: they grow with the threads, see driver.hpp."""
    return max(1, threads_of(name) // 2)


def chosen(options, command, threads, wanted):
    """The benchmarks of each workload that are to be run by a process: name -> weight."""
    workloads = {}
    for name in listed(command):
        workload, variant = name.split('/')[:2]
        if not re.search(options.filter, workload) or not wanted(workload, variant):
            continue
        if not options.full:
            by_threads = ALONE if threads == [1] else threads_of(name)
            if SECONDARY.match(workload) or not QUICK_VARIANTS[by_threads].fullmatch(f'{workload}/{variant}'):
                continue
        workloads.setdefault(workload, {})[name] = weight(name)
    return workloads


def run(options, extra):
    """Run everything that is asked for; the merged output of Google Benchmark. None: nothing is."""
    size = FULL if options.full else QUICK
    binary = os.path.join(options.build, 'bench', 'tm-bench')
    structure_threads = size['threads']
    # What its arguments are, which threads, and which benchmarks.
    processes = [
        ([], [1], lambda workload, variant: True),
        ([], [1, 2] if options.full else [], lambda workload, variant: WORDS.match(workload)),
        ([], structure_threads, lambda workload, variant: not WORDS.match(workload) and variant != 'wb-no-bias'),
        *(([f'--libitm={method}'], structure_threads, lambda workload, variant: variant.startswith('libitm-') and not WORDS.match(workload))
          for method in size['methods'])]
    by_workload = {}
    for arguments, threads, wanted in processes:
        if not threads:
            continue
        command = [binary, '--threads=' + ','.join(map(str, threads)), *arguments]
        for workload, weights in chosen(options, command, threads, wanted).items():
            names = '|'.join(weights)
            by_workload.setdefault(workload, []).append(
                Part(workload, [*command, f'--benchmark_filter=^({names})$', f'--window={size["window"]}', *extra], size['rounds'] // size['turns'], weights,
                     unit=1.2 * size['window']))
    parts = [part for of_workload in by_workload.values() for _ in range(size['turns']) for part in of_workload]
    return run_parts(parts) if parts else None


def samples_of(results):
    """(workload, variant, threads) -> one entry for each round; and what was damaged."""
    samples, damaged = {}, list(results.get('failed', []))
    for entry in results['benchmarks']:
        workload, variant = entry['name'].split('/')[:2]
        if entry.get('error_occurred'):
            damaged.append(f'{entry["name"]}: {entry["error_message"]}')
        else:
            samples.setdefault((workload, variant, ALONE if entry['alone'] else entry['threads']), []).append(entry)
    return samples, damaged


def report(results):
    """Print the tables; the figures missed and the damages, a sentence each."""
    samples, damaged = samples_of(results)
    context = results['context']
    print_machine(context)
    print(f'software  libtm {context.get("libtm version", "?")}, heap {context.get("libtm heap", "?")} '
          f'({package("libjemalloc2")}), compiler {context.get("compiler", "?")}, C library {c_library()},')
    print(f'          Google Benchmark {package("libbenchmark-dev")}, libitm {package("libitm1")}')
    for number, peer in enumerate(context.get('peers', '').split('; ')):
        print(f'{"" if number else "peers":10}{peer}')
    if any(variant.startswith('libitm-') for _, variant, _ in samples):
        print(f'{"":10}libitm-METHOD: ITM_DEFAULT_METHOD=METHOD')
    if context.get('left out'):
        print(f'left out  {context["left out"]}')
    print_measured(context, max(map(len, samples.values()), default=0))
    return engine_tables.Report(samples).all(), damaged


def charts(results):
    """What is worth being drawn."""
    return engine_tables.Report(samples_of(results)[0]).charts()


def summary(results):
    """The most important findings, a sentence each."""
    return engine_tables.Report(samples_of(results)[0]).summary()
