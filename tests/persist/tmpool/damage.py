#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""damage.py TMPOOL WRITER: pools with something wrong: check names the file, the field and the place, and no command crashes or writes."""
import os
import random
import shutil
import struct
import subprocess

from harness import BLOCK, FINE, IMAGE, READING, SYSTEM, TMPOOL, WRONG, PoolTest, Writer, bytes_at, flip, main, patch, seal_group, seal_header, set_header

ROOTS = IMAGE + 64
ROOT = 56  # bytes of one


class Damage(PoolTest):
    def faults(self, status=WRONG):
        """What check has against the pool; all else must refuse it or live with it, and nobody may write."""
        before = self.files()
        for command in READING:
            run = self.run_any(command, self.pool)
            self.assertIn(run.returncode, (FINE, WRONG, SYSTEM), (command, run.stderr))
        check = self.json('check', self.pool, status=status)
        self.assertEqual(self.files(), before)
        self.assertEqual(check['fine'], status == FINE)
        self.assertEqual(check['faults'] == [], status == FINE)
        text = self.text('check', self.pool, status=status)
        for fault in check['faults']:
            self.assertTrue(fault['found'] and fault['expected'] and fault['remedy'], fault)
            for key in ('file', 'field', 'offset', 'found', 'expected', 'remedy'):
                self.assertIn(str(fault[key]), text)
        self.notes = check['notes']
        return [(fault['code'], os.path.basename(fault['file']), fault['field'], fault['offset']) for fault in check['faults']]

    def run_any(self, *arguments):
        run = subprocess.run([TMPOOL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=120)
        self.assertGreaterEqual(run.returncode, 0, (arguments, run.stderr))
        return run

    # The heap

    def test_chunks_that_are_none(self):
        self.create('64K')
        with Writer(self.pool, 'heap') as writer:
            writer.close()
        heap = IMAGE + 4096 + 65536
        for offset, data, found in ((8, struct.pack('<Q', 33), 'of kind 33'), (8, struct.pack('<Q', 7 + 256), 'with a count of 1'), (65536 + 9 * 8, b'\x80' * 8, 'behind its last one'),
                                    (16, struct.pack('<Q', 255 + (15 << 8)), 'first of 15'), (16, struct.pack('<Q', 255), 'first of 0')):
            before = bytes_at(self.pool, heap + offset, len(data))
            patch(self.pool, heap + offset, data)
            self.assertEqual(self.faults(), [('EBADMSG', 'pool', 'heap', heap)])
            self.assertIn(found, self.json('check', self.pool, status=WRONG)['faults'][0]['found'])
            patch(self.pool, heap + offset, before)
        self.assertEqual(self.faults(FINE), [])

    # The data file

    def test_what_is_no_pool(self):
        for content in (b'', b'hello\n', bytes(5000), b'x' * 100000):
            with open(self.pool, 'wb') as file:
                file.write(content)
            self.assertEqual(self.faults(), [('EMEDIUMTYPE', 'pool', 'header 0: magic', 0)])

    def test_kinds_of_files(self):
        os.mkdir(self.pool)
        self.assertEqual(self.json('check', self.pool, status=WRONG)['error']['field'], 'kind')
        os.mkfifo(self.path('fifo'))
        self.assertEqual(self.json('check', self.path('fifo'), status=WRONG)['error']['field'], 'kind')
        self.create(path=self.path('real'))
        os.symlink('real', self.path('symbolic'))
        self.assertEqual(self.json('check', self.path('symbolic'), status=SYSTEM)['error']['code'], 'ELOOP')
        os.link(self.path('real'), self.path('hard'))
        self.assertEqual(self.json('check', self.path('real'), status=WRONG)['error']['field'], 'names')

    def test_both_headers_lost(self):
        self.create()
        flip(self.pool, 200)
        flip(self.pool, BLOCK + 60)
        self.assertEqual(self.faults(), [('EBADMSG', 'pool', 'header 0: checksum', 4092), ('EBADMSG', 'pool', 'header 1: checksum', 8188)])

    def test_one_header_torn_is_what_a_crash_leaves(self):
        self.crashed()
        other = int(self.json('info', self.pool)['header_0']['counts'])
        flip(self.pool, other * BLOCK + 60)
        self.assertEqual(self.faults(FINE), [])
        self.assertIn(f'header {other}', self.notes[0])
        patch(self.pool, other * BLOCK, b'notapool')
        self.assertEqual(self.faults(), [('EMEDIUMTYPE', 'pool', f'header {other}: magic', other * BLOCK)])

    def test_each_field_of_the_header(self):
        number = lambda size: lambda value: value.to_bytes(size, 'little')
        short, long = number(4), number(8)
        cases = (('byte order', 8, b'\1\2\3\4', 'ENOTSUP'), ('byte order', 8, short(77), 'EBADMSG'), ('format', 12, short(2), 'ENOTSUP'), ('word size', 16, short(4), 'ENOTSUP'),
                 ('page size', 20, short(16384), 'ENOTSUP'), ('base', 40, long(5), 'EBADMSG'), ('reserve', 48, long(4096), 'EBADMSG'), ('image size', 56, long(0), 'EBADMSG'),
                 ('image size', 56, long(4097), 'EBADMSG'), ('image size', 56, long(1 << 62), 'EBADMSG'), ('tail', 88, long(5), 'EBADMSG'), ('state', 96, short(7), 'EBADMSG'),
                 ('layout', 104, b'x' * 64, 'EBADMSG'))
        for field, offset, value, code in cases:
            with self.subTest(field=field):
                self.fresh()
                set_header(self.pool, offset, value)
                self.assertEqual(self.faults(), [(code, 'pool', f'header {copy}: {field}', copy * BLOCK + offset) for copy in (0, 1)])

    def test_headers_that_do_not_fit_each_other(self):
        for field, offset, value in (('uuid', 24, b'0' * 16), ('base', 40, struct.pack('<Q', 1 << 32)), ('number', 64, struct.pack('<Q', 1)),
                                     ('generation', 72, struct.pack('<Q', 1 << 61)), ('applied', 80, struct.pack('<Q', 99)), ('image size', 56, struct.pack('<Q', 1 << 20))):
            with self.subTest(field=field):
                self.fresh()
                other = int(self.json('info', self.pool)['header_0']['counts'])
                set_header(self.pool, offset, value, copies=(other,))
                self.assertEqual(self.faults(), [('EBADMSG', 'pool', f'header {other}: {field}', other * BLOCK + offset)])

    def test_a_file_cut_off(self):
        self.create()
        for size in (IMAGE + 50000, IMAGE, 9000):
            os.truncate(self.pool, size)
            self.assertEqual(self.faults(), [('EBADMSG', 'pool', 'size', 0)])

    # The journal

    def test_the_journal_is_missing_or_of_another_pool(self):
        self.crashed()
        mine = self.pool + '-journal'
        os.rename(mine, self.path('kept'))
        self.assertEqual(self.faults(), [('EBADMSG', 'pool-journal', 'journal', 0)])
        for content in (b'', b'diary', bytes_at(self.path('kept'), 0, 16) + b'0' * 16 + bytes(4064)):
            with open(mine, 'wb') as file:
                file.write(content)
            self.assertEqual(self.faults(), [('EBADMSG', 'pool-journal', 'journal', 0)])

    def test_a_journal_beside_a_closed_pool(self):
        self.crashed()
        shutil.copy(self.pool + '-journal', self.path('kept'))
        self.json('recover', self.pool)
        shutil.copy(self.path('kept'), self.pool + '-journal')
        self.assertEqual(self.faults(FINE), [])
        self.assertIn('journal', self.notes[0])
        patch(self.pool + '-journal', 0, b'my diary')
        self.assertEqual(self.faults(), [('EEXIST', 'pool-journal', 'uuid', 16)])

    def test_a_group_damaged_before_others(self):
        for offset in (2 * BLOCK, 2 * BLOCK + 8, 2 * BLOCK + 100, 3 * BLOCK - 1):  # magic, sequence, a frame, the zeros at the end
            self.crashed()
            flip(self.pool + '-journal', offset)
            self.assertEqual(self.faults(), [('EBADMSG', 'pool-journal', 'group 2', 2 * BLOCK)])

    def test_the_last_group_torn_is_what_a_crash_leaves(self):
        self.crashed()
        flip(self.pool + '-journal', 5 * BLOCK + 100)
        self.assertEqual(self.faults(FINE), [])
        self.assertEqual(self.json('check', self.pool)['sequence'], 4)
        groups = self.json('log', '--all', '--frames', self.pool)['groups']
        self.assertEqual([(group['sequence'], group['state'], group['whole']) for group in groups][3:], [(4, 'counts', True), (5, 'not finished', False)])

    def test_frames_that_do_not_fit_though_the_checksums_are_right(self):
        for what, at, value in (('frame: offset', 0, 1 << 40), ('frame: offset', 0, 4096 + 4090), ('frame: bytes', 8, 0), ('frame: bytes', 8, 5000), ('frame: zero', 12, 1), ('frames', 0, None)):
            self.crashed()
            group = 5 * BLOCK
            if value is None: patch(self.pool + '-journal', group + 48, struct.pack('<I', 1000))
            else: patch(self.pool + '-journal', group + 64 + at, struct.pack('<Q' if at == 0 else '<I', value))
            seal_group(self.pool, group)
            (code, file, field, _), = self.faults()
            # A count that is too large is noticed where zeros follow the last frame.
            self.assertEqual((code, file, field), ('EBADMSG', 'pool-journal', 'group 5: ' + (what if value is not None else 'frame: bytes')))
            self.assertEqual(self.json('log', self.pool)['listed'], 4)

    # The directory of roots

    def test_roots(self):
        cases = (('root 0: offset', 48, struct.pack('<Q', 1 << 40), 48), ('root 0: offset', 48, struct.pack('<Q', 64), 48), ('root 0: name', 0, b'x' * 48, 0), ('root 0: name', 0, bytes(48), 0),
                 ('root 1: name', ROOT, b'first'.ljust(48, b'\0') + struct.pack('<Q', 5000), ROOT), ('directory: reserved', -64, b'\1', -64))
        for field, offset, value, place in cases:
            self.crashed()
            self.json('recover', self.pool)
            patch(self.pool, ROOTS + offset, value)
            self.assertEqual(self.faults(), [('EBADMSG', 'pool', field, ROOTS + place)])

    # All of it

    def test_no_byte_that_is_changed_makes_a_command_crash(self):
        self.crashed()
        numbers = random.Random(1)
        clean = self.files()
        for _ in range(40):
            for name, (_, _, content) in clean.items():
                with open(self.path(name), 'wb') as file:
                    file.write(content)
            for _ in range(numbers.randrange(1, 4)):
                name = numbers.choice((self.pool, self.pool + '-journal'))
                patch(name, numbers.choice((0, BLOCK, 2 * BLOCK, 3 * BLOCK, IMAGE)) + numbers.randrange(160), numbers.randbytes(numbers.choice((1, 4, 8))))
                if name == self.pool and numbers.randrange(2):
                    seal_header(name, 0)
                    seal_header(name, 1)
            for command in (*READING, 'recover'):
                self.run_any(command, self.pool)


main()
