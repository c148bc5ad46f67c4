#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""twins.py EXPECTED OURS [REAL]
twins.py --record EXPECTED REAL

Runs OURS, and REAL if it is given, each with a pool file of a fresh directory as its argument, and compares what they print
with the file EXPECTED. OURS is a program built against libtm's libpmemobj.h, REAL the same program built against PMDK.
Exit status: 0 if all is the same; else 1, and the differences are printed. --record writes EXPECTED from what REAL prints.
"""
import difflib
import os
import subprocess
import sys
import tempfile

SECONDS = 100  # a watchdog; a program takes less than a second

# PMDK then takes ordinary files for persistent memory: no msync after every store.
ENVIRONMENT = dict(os.environ, LC_ALL='C', PMEM_IS_PMEM_FORCE='1')


def run(program):
    with tempfile.TemporaryDirectory(prefix='twins-') as directory:
        try:
            done = subprocess.run([os.path.abspath(program), os.path.join(directory, 'pool')], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=SECONDS, env=ENVIRONMENT, cwd=directory, check=False)
        except subprocess.TimeoutExpired as error:
            return (error.stdout or b'').decode(errors='replace'), f'not done after {SECONDS} s', (error.stderr or b'').decode(errors='replace')
        status = '' if done.returncode == 0 else f'killed by signal {-done.returncode}' if done.returncode < 0 else f'exit status {done.returncode}'
        return done.stdout.decode(errors='replace'), status, done.stderr.decode(errors='replace')


def differs(name, program, expected):
    output, status, errors = run(program)
    difference = list(difflib.unified_diff(expected.splitlines(), output.splitlines(), 'expected', name, lineterm='', n=6))
    if difference or status:
        print(f'{name}: {program}')
        print('\n'.join(difference))
        if status:
            print(f'{name}: {status}')
        if errors:
            print(errors.rstrip())
    return bool(difference or status)


def main():
    arguments = sys.argv[1:]
    record = arguments[:1] == ['--record']
    if record:
        del arguments[0]
    if len(arguments) not in ((2,) if record else (2, 3)):
        sys.exit(__doc__)
    expected_file, *programs = arguments
    if record:
        output, status, errors = run(programs[0])
        if status:
            sys.exit(f'{programs[0]}: {status}\n{errors}')
        with open(expected_file, 'w', encoding='utf-8') as file:
            file.write(output)
        return 0
    with open(expected_file, encoding='utf-8') as file:
        expected = file.read()
    # Both, even if the first differs: it tells whether the expectation or the library is wrong.
    return int(any([differs(name, program, expected) for name, program in zip(('ours', 'real'), programs)]))


if __name__ == '__main__':
    sys.exit(main())
