#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Count the instructions of the fast path under callgrind, and compare them with those that were recorded: see check.

Exit status: 0 as recorded, or better; 1 something takes more; 77 nothing was compared.
"""
import argparse
import glob
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

TIMES = 256  # each piece of work: see instructions/main.cpp
TOLERANCE = 0.05
SKIPPED = 77
RECORD = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'instructions', 'recorded.txt')

# What is compared: its name, and of the counts of instructions/main.cpp (one minus the other) / number.
FIGURES = [('empty transaction', 'empty', None, 1), ('tm_begin and tm_commit', 'block', None, 1),
           ('read', 'read 512', 'read 64', 448), ('first write', 'write 512', 'write 64', 448),
           ('write of a word again', 'write-again 64', 'write 64', 64), ('write of another word of the stripe', 'write-neighbour 64', 'write 64', 64),
           ('read of a word written', 'write-read 64', 'write 64', 64), ('malloc and free', 'malloc-free', 'empty', 1),
           ('hash map, lookup', 'lookup', None, 1), ('hash map, insert', 'insert', None, 1), ('hash map, erase', 'erase', None, 1)]
READ_ONLY = [('empty transaction', 'empty', None, 1), ('read', 'read 512', 'read 64', 448)]
MODES = {'wb': ('write-back', FIGURES), 'wt': ('write-through', FIGURES), 'ro': ('read-only', READ_ONLY)}
COMPANY = {'alone': [], 'beside others': ['--company']}


def count(program, arguments):
    """name -> instructions, of each piece of work that the program dumps."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(('TM_', 'MALLOC_', 'VALGRIND_', 'LD_PRELOAD'))}
    environment['MALLOC_CONF'] = 'dirty_decay_ms:-1,muzzy_decay_ms:-1'  # jemalloc does nothing by the clock
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, 'out')
        command = ['valgrind', '--quiet', '--tool=callgrind', '--collect-atstart=no', f'--callgrind-out-file={out}', program, *arguments]
        run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
        if run.returncode != 0:
            sys.exit(f'{" ".join(command)} failed with {run.returncode}\n{run.stderr}')
        counts = {}
        for name in glob.glob(out + '*'):
            with open(name) as file:
                text = file.read()
            # callgrind writes: desc: Trigger: Client Request: NAME
            label = re.search(r'^desc: Trigger: Client Request: (.+)$', text, re.M)
            total = re.search(r'^totals: (\d+)', text, re.M)
            if label and total:
                counts[label[1].strip()] = int(total[1]) / TIMES
    return counts


def measure(program):
    """name -> instructions per operation."""
    figures = {}
    for company, arguments in COMPANY.items():
        counts = count(program, arguments)
        for mode, (title, wanted) in MODES.items():
            for name, above, below, number in wanted:
                less = counts[f'{mode} {below}'] if below else counts['nothing']
                figures[f'{title}, {company}: {name}'] = round((counts[f'{mode} {above}'] - less) / number, 2)
    return figures


def described(program):
    """What the counts depend on beside the code: name -> text."""
    text = subprocess.run([program, '--built'], check=True, stdout=subprocess.PIPE, text=True).stdout + f'architecture: {platform.machine()}\n'
    return dict(line.split(': ', 1) for line in text.splitlines())


def read_record(path):
    """What it depends on, and the figures."""
    description, figures = {}, {}
    with open(path) as file:
        for line in file:
            if line.startswith('#') or not line.strip():
                continue
            name, value = line.rstrip().rsplit('  ', 1) if '  ' in line else line.rstrip().split(': ', 1)
            if '  ' in line:
                figures[name.rstrip()] = float(value)
            else:
                description[name] = value
    return description, figures


def write_record(path, description, figures):
    with open(path, 'w') as file:
        file.write('# Instructions per operation. bench/check compares with them; bench/check --record writes them anew.\n')
        for name, value in description.items():
            file.write(f'{name}: {value}\n')
        file.write('\n')
        for name, value in figures.items():
            file.write(f'{name:72}  {value:9.2f}\n')


def compare(recorded, figures):
    """Print a table; what grew, a sentence each, and whether something shrank."""
    grown, shrunk = [], False
    for name, now in figures.items():
        if name not in recorded:
            grown.append(f'{name}: {now:.2f}, but it is not in the record')
            continue
        before = recorded[name]
        change = now / before - 1 if before else float(now != 0)
        word = ''
        if change > TOLERANCE:
            word = 'GREW'
            grown.append(f'{name} grew from {before:.2f} to {now:.2f} instructions ({100 * change:+.1f} %)')
        elif change < -TOLERANCE:
            word = 'improved'
            shrunk = True
        print(f'  {name:72} {before:9.2f} {now:9.2f} {100 * change:+6.1f} %  {word}'.rstrip())
    for name in recorded.keys() - figures.keys():
        grown.append(f'{name}: is in the record, but nothing counts it')
    return grown, shrunk


def main():
    parser = argparse.ArgumentParser(prog='bench/check', description='Count instructions per operation, and fail if one has grown by more than 5 % over the record.')
    parser.add_argument('program', help=argparse.SUPPRESS)
    parser.add_argument('--record', action='store_true', help='write the record anew')
    options = parser.parse_args()
    if not shutil.which('valgrind') or not os.path.exists(options.program):
        print('bench/check needs valgrind; as root: apt-get install valgrind', file=sys.stderr)
        return SKIPPED
    description = described(options.program)
    if options.record:
        write_record(RECORD, description, measure(options.program))
        print(f'recorded in {os.path.relpath(RECORD)}')
        return 0
    if not os.path.exists(RECORD):
        print('nothing is recorded: bench/check --record', file=sys.stderr)
        return SKIPPED
    wanted, recorded = read_record(RECORD)
    differ = [f'{name} {description[name]}, recorded {wanted.get(name, "without")}' for name in description if description[name] != wanted.get(name)]
    if differ:
        print(f'not compared, as counts would differ: {"; ".join(differ)}')
        return SKIPPED
    print(f'  {"instructions per operation":72} {"recorded":>9} {"now":>9}')
    grown, shrunk = compare(recorded, measure(options.program))
    if shrunk:
        print('improved: record it with bench/check --record')
    for line in grown:
        print(line)
    return 1 if grown else 0


if __name__ == '__main__':
    sys.exit(main())
