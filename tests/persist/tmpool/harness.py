# SPDX-License-Identifier: MIT
"""What the tests of tmpool share: TMPOOL and WRITER are the first arguments of each; pools in a directory of their own; the format's checksums."""
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

TMPOOL, WRITER = sys.argv[1:3]
BLOCK = 4096  # of headers and groups
IMAGE = 65536  # where it is in the data file
FINE, WRONG, USAGE, SYSTEM, IN_USE = range(5)
READING = ('info', 'check', 'dump', 'log', 'stat')


def table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        yield byte


TABLE = list(table())


def checksum(data, before=0):
    """CRC-32C, as libtm-persist/doc/format.md has it."""
    state = ~before & 0xFFFFFFFF
    for byte in data:
        state = state >> 8 ^ TABLE[(state ^ byte) & 255]
    return ~state & 0xFFFFFFFF


def patch(path, offset, data):
    with open(path, 'r+b') as file:
        file.seek(offset)
        file.write(data)


def bytes_at(path, offset, size):
    with open(path, 'rb') as file:
        file.seek(offset)
        return file.read(size)


def flip(path, offset):
    patch(path, offset, bytes([bytes_at(path, offset, 1)[0] ^ 0x10]))


def seal_header(path, copy):
    """Make the checksum of a header right."""
    at = copy * BLOCK
    patch(path, at + BLOCK - 4, struct.pack('<I', checksum(bytes_at(path, at, BLOCK - 4))))


def set_header(path, offset, data, copies=(0, 1)):
    """Change a field, as somebody would who knows the checksum."""
    for copy in copies:
        patch(path, copy * BLOCK + offset, data)
        seal_header(path, copy)


def seal_group(pool, offset):
    """Make the checksums of a group in the journal right."""
    journal = pool + '-journal'
    size, = struct.unpack('<Q', bytes_at(journal, offset + 32, 8))
    patch(journal, offset + 52, struct.pack('<I', checksum(bytes_at(journal, offset + 64, size - 64))))
    seed = checksum(struct.pack('<I', 1), checksum(bytes_at(pool, 24, 16)))
    patch(journal, offset + 60, struct.pack('<I', checksum(bytes_at(journal, offset, 60), seed)))


class Writer:
    """A program that has the pool open, and has made so many commits; 0: that goes on making them."""

    def __init__(self, pool, commits):
        self.process = subprocess.Popen([WRITER, pool, str(commits)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != b'ready\n':
            raise AssertionError('the writer has failed')

    def kill(self):
        self.process.kill()
        self.end()

    def close(self):
        self.process.stdin.close()
        self.end()
        if self.process.returncode != 0:
            raise AssertionError('the writer has failed')

    def end(self):
        self.process.wait()
        self.process.stdout.close()
        self.process.stdin.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


class PoolTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix='libtm-tmpool-', dir=os.environ.get('TMPDIR') or '/var/tmp')
        self.pool = os.path.join(self.directory, 'pool')

    def tearDown(self):
        shutil.rmtree(self.directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    def run_tool(self, *arguments, status=FINE, **options):
        run = subprocess.run([TMPOOL, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
        self.assertEqual(run.returncode, status, f'{arguments}: {run.stdout[-2000:]} {run.stderr[-2000:]}')
        return run

    def text(self, *arguments, status=FINE):
        return self.run_tool(*arguments, status=status).stdout.decode()

    def json(self, *arguments, status=FINE):
        return json.loads(self.run_tool(*arguments, '--json', status=status).stdout)

    def create(self, size='100K', *options, path=None):
        return self.json('create', path or self.pool, size, *options)

    def fresh(self):
        """A new pool, in place of what is there."""
        for name in (self.pool, self.pool + '-journal'):
            if os.path.exists(name):
                os.remove(name)
        self.create()

    def crashed(self, commits=5):
        """The same, but its program was killed when it had made so many commits."""
        self.fresh()
        with Writer(self.pool, commits) as writer:
            writer.kill()

    def files(self):
        """All that is in the directory, with its times."""
        found = {}
        for name in os.listdir(self.directory):
            status = os.stat(self.path(name))
            with open(self.path(name), 'rb') as file:
                found[name] = (status.st_mtime_ns, status.st_ctime_ns, file.read())
        return found


def main():
    unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
