#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""examples.py NAME PROGRAM

Uses one of examples/pmemobj as a person would: some commands, each a process of its own, with what they must print; mistakes; and then a
`fill` that is killed at random moments, again and again. After each kill the structure must be whole: what the program said is done is there,
at most one step more, and nothing else. NAME is tree, map, queue or strings.
"""
import os
import random
import signal
import subprocess
import sys
import tempfile

KILLS = 12
MOST = 150  # steps between two kills
SECONDS = 60  # a watchdog
SEED = random.randrange(1 << 32)
rng = random.Random(SEED)
ENVIRONMENT = dict(os.environ, LC_ALL='C', PMEM_IS_PMEM_FORCE='1')


def fail(what):
    sys.exit(f'FAILED (seed {SEED}): {what}')


class Pool:
    """A pool of the program, and its commands."""

    def __init__(self, program, path):
        self.program, self.path = os.path.abspath(program), path

    def run(self, *words):
        return subprocess.run([self.program, self.path, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                              timeout=SECONDS, env=ENVIRONMENT, check=False)

    def ask(self, *words):
        """The lines that a command prints; it must succeed."""
        done = self.run(*words)
        if done.returncode or done.stderr:
            fail(f'{words}: status {done.returncode}, {done.stderr}')
        return done.stdout.splitlines()

    def expect(self, words, *lines):
        found = self.ask(*words)
        if found != [str(line) for line in lines]:
            fail(f'{words}: expected {lines}, found {found}')

    def refuse(self, words, status, message):
        """It must end with this status and one line on stderr that contains the message."""
        done = self.run(*words)
        if done.returncode != status or message not in done.stderr or done.stderr.count('\n') != 1:
            fail(f'{words}: expected status {status} and "{message}", found {done.returncode}: {done.stderr}')

    def fill_and_kill(self, start):
        """Fill from `start`, kill it, and return the number behind the last that it said is done."""
        process = subprocess.Popen([self.program, self.path, 'fill', str(start), str(start + 1000000)], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        acknowledged = start
        for _ in range(rng.randrange(MOST)):
            line = process.stdout.readline()
            if line != f'{acknowledged}\n':
                process.kill()
                fail(f'fill: expected {acknowledged}, found {line!r}')
            acknowledged += 1
        process.send_signal(signal.SIGKILL)
        acknowledged += process.stdout.read().count('\n')  # what it had said before, too
        process.wait(timeout=SECONDS)
        process.stdout.close()
        return acknowledged


def common_mistakes(pool, layout_of_another):
    done = subprocess.run([pool.program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=SECONDS, check=False)
    if done.returncode != 2 or 'usage' not in done.stderr:
        fail(f'no arguments: {done.returncode}, {done.stderr}')
    pool.refuse(['check'], 1, 'there is no such pool')
    pool.refuse(['no-such-command'], 2, 'usage')
    pool.refuse(['fill', 'x', '5'], 2, 'is not a number')
    pool.refuse(['fill', '0', '-5'], 2, 'is not a number')
    if os.path.exists(pool.path):
        fail('a command that was refused has made a pool')
    with open(layout_of_another, 'wb') as file:
        file.write(b'no pool at all' * 100000)
    done = Pool(pool.program, layout_of_another).run('check')
    if done.returncode != 1 or not done.stderr:
        fail(f'a file that is no pool: {done.returncode}, {done.stderr}')


def kills(pool, after_kill):
    """after_kill(start, acknowledged) checks what is there and returns where to go on."""
    start = 0
    for _ in range(KILLS):
        start = after_kill(start, pool.fill_and_kill(start))
    print(f'{KILLS} kills, {start} steps done')


def there_are(acknowledged, found, what):
    """Everything that was said to be done, and perhaps the step after it. Returns how many there are."""
    if found not in (acknowledged, acknowledged + 1):
        fail(f'{what}: {acknowledged} were said to be done, {found} are there')
    return found


def tree(pool):
    numbers = list(range(1, 40))
    rng.shuffle(numbers)
    for number in numbers:
        pool.expect(('insert', number, number * 10))
    pool.expect(('print',), *(f'{number} {number * 10}' for number in range(1, 40)))
    pool.expect(('check',), '39 keys, all is well')
    pool.expect(('find', 17), 170)
    pool.expect(('insert', 17, 5))
    pool.expect(('find', 17), 5)
    rng.shuffle(numbers)
    for gone, number in enumerate(numbers, 1):
        pool.expect(('remove', number))
        pool.refuse(('find', number), 1, 'is not there')
        pool.expect(('check',), f'{39 - gone} keys, all is well')
    pool.refuse(('remove', 17), 1, 'is not there')
    largest = (1 << 64) - 1
    for key in (largest, 0, largest - 1, 1):
        pool.expect(('insert', key, key))
    pool.expect(('check',), '4 keys, all is well')
    for key in (0, 1, largest - 1, largest):
        pool.expect(('find', key), key)
        pool.expect(('remove', key))
    pool.expect(('print',))

    def after_kill(_, acknowledged):
        count = there_are(acknowledged, int(pool.ask('check')[0].split()[0]), 'keys')
        lines = sorted((tuple(map(int, line.split())) for line in pool.ask('print')), key=lambda pair: pair[1])
        if lines != [(number * 2654435761 % (1 << 32), number) for number in range(count)]:
            fail('other keys than those that were inserted')
        return count
    kills(pool, after_kill)


def map_(pool):
    pool.expect(('set', 'a', 1))
    pool.expect(('set', 'a name with blanks', 2))
    pool.expect(('set', '', 3))
    pool.expect(('get', 'a'), 1)
    pool.expect(('get', ''), 3)
    pool.expect(('add', 'a', 10))
    pool.expect(('add', 'new', 7))
    pool.expect(('get', 'a'), 11)
    pool.expect(('get', 'new'), 7)
    pool.refuse(('get', 'b'), 1, 'is not there')
    pool.refuse(('remove', 'b'), 1, 'is not there')
    pool.expect(('remove', 'a'))
    pool.refuse(('get', 'a'), 1, 'is not there')
    if sorted(pool.ask('list')) != [' 3', 'a name with blanks 2', 'new 7']:
        fail('list')
    pool.expect(('check',), '3 names, all is well')
    for name in ('', 'new', 'a name with blanks'):
        pool.expect(('remove', name))
    pool.expect(('check',), '0 names, all is well')

    def after_kill(_, acknowledged):
        count = there_are(acknowledged, int(pool.ask('check')[0].split()[0]), 'names')
        if sorted(pool.ask('list')) != sorted(f'name {number} {number}' for number in range(count)):
            fail('other names than those that were set')
        return count
    kills(pool, after_kill)


def queue(pool):
    pool.expect(('push', 'one', 'two', 'three'))
    pool.expect(('push', 'a text with blanks', ''))
    pool.expect(('list',), 'one', 'two', 'three', 'a text with blanks', '')
    pool.expect(('check',), '5 items, all is well')
    pool.expect(('pop',), 'one')
    pool.expect(('pop', 2), 'two', 'three')
    pool.expect(('push', 'last'))
    pool.expect(('pop', 0))
    done = pool.run('pop', 5)
    if done.returncode != 1 or done.stdout != 'a text with blanks\n\nlast\n' or 'nothing is left' not in done.stderr:
        fail(f'pop 5: {done}')
    pool.refuse(('pop',), 1, 'nothing is left')
    pool.expect(('check',), '0 items, all is well')
    popped = 0

    def after_kill(_, acknowledged):
        nonlocal popped
        pool.ask('check')
        waiting = pool.ask('list')
        last = there_are(acknowledged, popped + len(waiting), 'items')
        if waiting != [str(number) for number in range(popped, last)]:
            fail(f'other items than those that were pushed: {waiting}')
        take = rng.randrange(len(waiting) + 1)
        pool.expect(('pop', take), *waiting[:take])
        popped += take
        return last
    kills(pool, after_kill)


def strings(pool):
    pool.expect(('add', 'a text'), 0)
    pool.expect(('add', ''), 1)
    pool.expect(('add', 'another'), 2)
    pool.expect(('append', 0, ' that goes on'))
    pool.expect(('append', 1, 'begun'))
    pool.expect(('append', 1, ''))
    pool.expect(('append', 1, ' and made much longer' * 20))
    pool.expect(('list',), '2 another', '1 begun' + ' and made much longer' * 20, '0 a text that goes on')
    pool.refuse(('append', 1, 'x' * 900), 1, 'no more than 1000 bytes')
    pool.expect(('get', 1), 'begun' + ' and made much longer' * 20)
    pool.refuse(('add', 'x' * 1001), 1, 'no more than 1000 bytes')
    pool.expect(('check',), '3 texts, all is well')
    pool.expect(('remove', 1))
    pool.refuse(('get', 1), 1, 'there is no text 1')
    pool.expect(('add', 'new'), 3)
    pool.expect(('list',), '3 new', '2 another', '0 a text that goes on')
    pool.expect(('check',), '3 texts, all is well')
    for number in (0, 2, 3):
        pool.expect(('remove', number))
    pool.expect(('check',), '0 texts, all is well')

    def after_kill(start, acknowledged):
        pool.ask('check')
        lines = [line.split(' ', 1) for line in reversed(pool.ask('list'))]
        # Each step is two transactions: the last may be there and not yet longer.
        short = len(lines) > acknowledged and not lines[-1][1].endswith('and more')
        count = there_are(acknowledged, len(lines), 'texts')
        whole = lines[:-1] if short else lines
        if any(text != f'text {i}, made longer by this much and more' for i, (_, text) in enumerate(whole)):
            fail(f'other texts than those that were added from {start}')
        if short:
            if lines[-1][1] != f'text {acknowledged}':
                fail(f'the last text is {lines[-1]}')
            pool.expect(('append', lines[-1][0], ', made longer by this much and more'))
        return count
    kills(pool, after_kill)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ('tree', 'map', 'queue', 'strings'):
        sys.exit(__doc__)
    name, program = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix='pmemobj-') as directory:
        pool = Pool(program, os.path.join(directory, 'pool'))
        common_mistakes(pool, os.path.join(directory, 'no-pool'))
        {'tree': tree, 'map': map_, 'queue': queue, 'strings': strings}[name](pool)


if __name__ == '__main__':
    main()
