#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the suites and print their tables. Python's standard library only.

A figure is a list with one value per round; ratios are formed round by round, from measurements made within a second or
so of each other. What is printed is the median, and the quartiles as its spread.
"""
import argparse
import json
import os
import sys

import applications
import durable
import engine
import pool
from runner import Witness

SUITES = {'engine': engine, 'applications': applications, 'pool': pool, 'durable': durable}


def measure(suite, options, extra):
    """Run it and keep the figures; where, and the figures. Nothing if nothing of it is asked for."""
    witness = Witness()
    results = suite.run(options, extra)
    if not results or not results['benchmarks']:
        return None, results
    results['context']['others'] = witness.others_share()
    store = os.path.join(options.build, suite.STORE)
    with open(store, 'w') as file:
        json.dump(results, file, indent=1)
    return store, results


def show(suite, results, store):
    """Print the tables and what is wrong with them; whether data were damaged."""
    missed, damaged = suite.report(results)
    print(f'\nThe figures are in {store}.')
    print('Figures missed: ' + ('none' if not missed else ''))
    for line in missed:
        print('  ' + line)
    for line in damaged:
        print('DAMAGED ' + line)
    return bool(damaged)


def main():
    parser = argparse.ArgumentParser(prog='bench/run', description='Measure libtm; print tables of ratios and the figures missed.',
                                     epilog='Other options go to tm-bench, with --suite pool or durable to tm-pool-bench or tm-durable-bench: --window=MS, --benchmark_...')
    parser.add_argument('build', help=argparse.SUPPRESS)
    parser.add_argument('--quick', action='store_true', help='about 7 minutes (the default)')
    parser.add_argument('--full', action='store_true', help='about 40 minutes: more rounds, 4 threads, more arrays, a pool of 1 GiB')
    parser.add_argument('--suite', choices=SUITES, help='only the transactions in memory (engine), images on disk (pool) or transactions on disk (durable)')
    parser.add_argument('--filter', default='', metavar='REGEX', help='only the workloads that match, such as bank, tree-20 or commit-8')
    parser.add_argument('--dir', metavar='DIRECTORY', help='where the suites of pools have their files (default $TMPDIR, else /var/tmp)')
    parser.add_argument('--json', metavar='FILE', help='print the tables of an earlier run')
    options, extra = parser.parse_known_args()

    if options.json:
        with open(options.json) as file:
            results = json.load(file)
        return show(next((suite for suite in (applications, pool, durable) if suite.made(results)), engine), results, options.json)

    damaged, found = False, False
    for name, suite in SUITES.items():
        if options.suite not in (None, name):
            continue
        # Their options differ.
        store, results = measure(suite, options, extra if options.suite or suite is engine else [])
        if not results:
            continue
        print('\n' * found, end='')
        found = True
        damaged |= show(suite, results, store) if store else True
    if not found:
        sys.exit(f'no workload matches {options.filter}')
    return damaged


if __name__ == '__main__':
    sys.exit(main())
