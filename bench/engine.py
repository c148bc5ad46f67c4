# SPDX-License-Identifier: MIT
"""The engine's suite: tm-bench, a process per workload and list of threads."""
import os
import platform
import re

from runner import Part, listed, package, print_machine, print_measured, run_parts
from tables import ALONE, all_tables

# Each list of threads is a process: one that measures one thread alone has no other (see company in main.cpp).
QUICK = dict(rounds=9, window=25, words=[[1]], structures=[[1], [1, 2, 8]])
FULL = dict(rounds=11, window=100, words=[[1], [1, 2]], structures=[[1], [1, 2, 4, 8]])
# The words of an array and the empty transaction: many workloads, of interest for their cost at one thread.
WORDS = re.compile(r'(empty|read|write|modify)\b')
EXTRA_WORDS = re.compile(r'(read|write|modify)-(of|sequential)|.*-[18]$')
STORE = 'bench.json'


def weight(name):
    """Windows that it takes: they grow with the threads, see driver.hpp."""
    return max(1, int(name.rsplit(':', 1)[1]) // 2)


def run(options, extra):
    """Run everything that is asked for; the merged output of Google Benchmark. None: nothing is."""
    size = FULL if options.full else QUICK
    binary = os.path.join(options.build, 'bench', 'tm-bench')
    parts = []
    has_libitm = False
    for threads, is_words in [(t, True) for t in size['words']] + [(t, False) for t in size['structures']]:
        by_threads = '--threads=' + ','.join(map(str, threads))
        chosen = {}
        for name in listed([binary, by_threads]):
            workload, variant = name.split('/')[:2]
            has_libitm |= variant == 'libitm'
            if bool(WORDS.match(workload)) != is_words or not re.search(options.filter, workload):
                continue
            if size is QUICK and EXTRA_WORDS.match(workload):
                continue
            chosen.setdefault(workload, {})[name] = weight(name)
        for workload, weights in chosen.items():
            command = [binary, f'--benchmark_filter=^{workload}/', f'--window={size["window"]}', by_threads, *extra]
            parts.append(Part(workload, command, size['rounds'], weights, unit=1.2 * size['window']))
    if not parts:
        return None
    merged = run_parts(parts)
    if merged['context']:
        merged['context']['has libitm'] = has_libitm
    return merged


def report(results):
    """Print the tables; the figures missed and the damages, a sentence each."""
    samples, damaged = {}, list(results.get('failed', []))
    for entry in results['benchmarks']:
        workload, variant = entry['name'].split('/')[:2]
        if entry.get('error_occurred'):
            damaged.append(f'{entry["name"]}: {entry["error_message"]}')
        else:
            samples.setdefault((workload, variant, ALONE if entry['alone'] else entry['threads']), []).append(entry)
    context = results['context']
    peer = f'libitm {package("libitm1")} ({context["libitm method"]})' if context.get('has libitm') else 'no libitm (no -fgnu-tm)'
    print_machine(context)
    print(f'software  libtm {context.get("libtm version", "?")}, heap {context.get("libtm heap", "?")} '
          f'({package("libjemalloc2")}), compiler {context.get("compiler", "?")}, C library {platform.libc_ver()[1]},')
    print(f'          Google Benchmark {package("libbenchmark-dev")}, {peer}')
    print_measured(context, max(map(len, samples.values()), default=0))
    return all_tables(samples), damaged
