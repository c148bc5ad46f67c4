#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""test_kills.py WORDINDEX [KILLS]: index a directory into a pool by a process that is killed at random moments, again and again. Each next one goes on, and in the end every file is
counted exactly once: the words are those of coreutils."""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
WORDINDEX = os.path.abspath(sys.argv[1])
KILLS = int(sys.argv[2]) if len(sys.argv) > 2 else 100
SEED = random.randrange(1 << 32)
rng = random.Random(SEED)


def fail(what):
    sys.exit(f'FAILED (seed {SEED}): {what}')


def figures(line):
    return dict(pair.split('=', 1) for pair in line.split() if '=' in pair)


def start(pool, directory, *options):
    return subprocess.Popen([WORDINDEX, '--pool', pool, '--mode', rng.choice(('wb', 'wt')), '--threads', str(rng.randint(1, 4)), *options, directory],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def make_files(directory):
    """Some hundred files that share most of their words and have some of their own."""
    lines = []
    for name in sorted(os.listdir(HERE)):
        if name.endswith('pp'):
            with open(os.path.join(HERE, name), encoding='utf-8') as file:
                lines += file.readlines()
    for number in range(300):
        folder = os.path.join(directory, f'some {number % 7}')
        os.makedirs(folder, exist_ok=True)
        own = chr(ord('a') + number % 26) * (1 + number // 26)
        with open(os.path.join(folder, f'file {number}'), 'w', encoding='utf-8') as file:
            file.writelines(rng.choices(lines, k=rng.randint(0, 400)))
            file.write(f'own{own}\n')


def one_index(work, directory, expected, lifetime):
    """From nothing to all files. Returns how many processes were killed on the way, and how many of these had done something."""
    pool, dump = os.path.join(work, 'pool'), os.path.join(work, 'dump')
    for path in (pool, pool + '-journal'):
        if os.path.exists(path):
            os.remove(path)
    kills = resumed = 0
    before = 0
    while True:
        process = start(pool, directory, '--check', '--dump', dump)
        try:
            out, err = process.communicate(timeout=rng.uniform(0, lifetime) if kills < 60 else 60)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            kills += 1
            continue
        if process.returncode:
            fail(f'after {kills} kills: status {process.returncode}: {err}')
        its = figures(out)
        if int(its['already']) < before:
            fail(f'{its["already"]} files were there, {before} before')
        resumed += int(its['already']) > 0
        if int(its['indexed']) != int(its['files']):
            fail(f'{its["indexed"]} of {its["files"]} files are in the index')
        with open(dump, 'rb') as file:
            if file.read() != expected:
                fail(f'after {kills} kills: other words than those of coreutils')
        again = start(pool, directory)  # has nothing to do
        out, err = again.communicate(timeout=60)
        if again.returncode or figures(out)['already'] != its['files'] or figures(out)['words'] != '0':
            fail(f'a further run: {again.returncode}, {out}, {err}')
        return kills, resumed


def main():
    work = tempfile.mkdtemp(prefix='libtm-kills-')
    try:
        directory = os.path.join(work, 'files')
        make_files(directory)
        expected = subprocess.run([os.path.join(HERE, 'reference'), directory], stdout=subprocess.PIPE, check=True).stdout
        begin = time.monotonic()
        one_index(work, directory, expected, 3600)
        alone = (time.monotonic() - begin) / 2  # the second run does little
        kills = indexes = resumed = 0
        while kills < KILLS:
            more, goes_on = one_index(work, directory, expected, max(0.03, alone / rng.choice((1, 3, 8))))
            kills, indexes, resumed = kills + more, indexes + 1, resumed + goes_on
        if resumed == 0:
            fail('no run went on where another one was killed')
        print(f'{kills} kills, {indexes} indexes, {resumed} of them completed by another process than the first that counted a file')
    finally:
        shutil.rmtree(work)


main()
