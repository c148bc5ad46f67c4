#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""commands.py TMPOOL WRITER: every command on a pool that is closed, in use, or left by a kill; what it prints, as text and as JSON, and its status."""
import os
import pty
import re
import struct
import subprocess

from harness import BLOCK, FINE, IMAGE, IN_USE, READING, SYSTEM, TMPOOL, USAGE, WRONG, PoolTest, Writer, main, set_header


class Closed(PoolTest):
    def test_create_makes_what_was_asked_for(self):
        made = self.create('64K', '--layout', 'a:b:7', '--base', '0x7ea000000000', '--reserve', '1M')
        self.assertEqual((made['size'], made['layout'], made['layout_version'], made['base'], made['reserve']), (65536, 'a:b', 7, '0x7ea000000000', 1 << 20))
        info = self.json('info', self.pool)
        for key in ('uuid', 'size', 'layout', 'layout_version', 'base', 'reserve'):
            self.assertEqual(info[key], made[key], key)
        self.assertEqual((info['state'], info['in_use'], info['holder'], info['sequence']), ('closed', False, None, 0))
        self.assertEqual(os.stat(self.pool).st_mode & 0o777, 0o600)
        self.assertEqual(os.listdir(self.directory), ['pool'])

    def test_sizes_have_suffixes(self):
        for number, (size, expected) in enumerate((('4096', 4096), ('5000', 8192), ('8K', 8192), ('2m', 2 << 20), ('1MiB', 1 << 20))):
            self.assertEqual(self.create(size, path=self.path(str(number)))['size'], expected)

    def test_create_does_not_replace(self):
        self.create()
        error = self.json('create', self.pool, '1M', status=SYSTEM)['error']
        self.assertEqual((error['code'], error['file']), ('EEXIST', self.pool))

    def test_a_new_pool_is_fine_and_empty(self):
        self.create('10000')
        check = self.json('check', self.pool)
        self.assertEqual((check['fine'], check['faults'], check['notes'], check['roots']), (True, [], [], 0))
        self.assertEqual(self.run_tool('dump', '--raw', self.pool).stdout, bytes(4096 + 12288))
        self.assertEqual(self.json('log', self.pool)['groups'], [])
        recovered = self.json('recover', self.pool)
        self.assertEqual((recovered['was_closed'], recovered['replayed_groups']), (True, 0))

    def test_stat_says_what_the_files_take_and_which_detection_works(self):
        self.create('1M')
        stat = self.json('stat', self.pool)
        self.assertEqual(stat['file_bytes'], os.stat(self.pool).st_size)
        self.assertEqual(stat['allocated_bytes'], os.stat(self.pool).st_blocks * 512)
        self.assertIsNone(stat['journal'])
        ways = {way['name']: way for way in stat['detection']['ways']}
        self.assertEqual(list(ways), ['written', 'copied', 'pagemap', 'kpageflags', 'compare'])
        self.assertTrue(ways['compare']['works'])
        self.assertEqual(stat['detection']['option'], 'auto')
        self.assertEqual(stat['detection']['chosen'], next(name for name, way in ways.items() if way['works'] and name != 'kpageflags'))
        for way in ways.values():
            self.assertEqual(way['says'] is None, way['works'])
        chosen = self.run_tool('stat', self.pool, env={**os.environ, 'TM_CONF': 'detection:compare'}).stdout.decode()
        self.assertRegex(chosen, r'chosen +compare')

    def test_resize_grows_beyond_the_reserve_too_and_never_shrinks(self):
        self.create('100K', '--reserve', '1M')
        for size in (200 << 10, 8 << 20):
            self.assertEqual(self.json('resize', self.pool, size)['size'], size)
            self.assertEqual(self.json('check', self.pool)['size'], size)
        self.assertEqual(self.json('resize', self.pool, '1M', status=USAGE)['error']['field'], 'size')
        self.assertEqual(self.json('check', self.pool)['size'], 8 << 20)

    def test_text_and_json_say_the_same(self):
        self.create('100K', '--layout', 'x:1')
        for command in ('info', 'stat', 'check', 'log'):
            text = self.text(command, self.pool)
            for key, value in self.json(command, self.pool).items():
                if isinstance(value, (int, str)) and not isinstance(value, bool):
                    self.assertRegex(text, rf'(?m)^{key.replace("_", " ")} +{re.escape(str(value))}$')

    def test_wrong_command_lines(self):
        self.create()
        for arguments in ((), ('bogus',), ('info',), ('create', self.path('x')), ('create', self.path('x'), '10Q'), ('create', self.path('x'), '0'),
                          ('create', self.path('x'), '8K', '--base', '5'), ('create', self.path('x'), '8K', '--layout', 'x:y'), ('info', self.pool, '--raw'),
                          ('dump', self.pool, '--page', '1', '--offset', '2'), ('dump', self.pool, '--page', '26'), ('dump', self.pool, '--offset', '106496')):
            self.assertTrue(self.run_tool(*arguments, status=USAGE).stderr, arguments)
        self.assertEqual(os.listdir(self.directory), ['pool'])

    def test_what_the_system_refuses(self):
        error = self.json('info', self.path('nothing'), status=SYSTEM)['error']
        self.assertEqual((error['code'], error['field']), ('ENOENT', 'open'))
        self.create()
        self.assertEqual(self.json('backup', self.pool, self.pool, status=SYSTEM)['error']['code'], 'EEXIST')
        with open('/dev/full', 'wb') as full:
            run = subprocess.run([TMPOOL, 'info', self.pool], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(run.returncode, SYSTEM)
        self.assertIn(b'standard output', run.stderr)

    def test_names_cannot_speak_to_the_terminal(self):
        self.create('8K', '--layout', 'a\x1b[2Jb')
        self.assertIn('a\\x1b[2Jb', self.text('info', self.pool))
        self.assertEqual(self.json('info', self.pool)['layout'], 'a\x1b[2Jb')

    def test_what_takes_long_shows_its_progress_on_a_terminal_only(self):
        self.create()
        huge = 1 << 40
        set_header(self.pool, 56, struct.pack('<Q', huge), copies=(0, 1))
        set_header(self.pool, 48, struct.pack('<Q', huge), copies=(0, 1))
        os.truncate(self.pool, IMAGE + huge)  # takes no space
        ours, its = pty.openpty()
        with subprocess.Popen([TMPOOL, 'check', self.pool], stdout=subprocess.DEVNULL, stderr=its) as run:
            seen = b''
            while not re.search(rb'checking: \d+ %, \d+ s', seen):
                seen += os.read(ours, 1000)
            run.kill()
        os.close(its)
        os.close(ours)


class InUse(PoolTest):
    def test_reading_commands_work_beside_a_program_and_say_who_it_is(self):
        self.create()
        with Writer(self.pool, 5) as writer:
            for command in READING:
                self.run_tool(command, self.pool)
            info = self.json('info', self.pool)
            self.assertEqual((info['in_use'], info['state'], info['sequence'], info['applied']), (True, 'open', 5, 0))
            self.assertEqual(info['holder'], {'process': writer.process.pid, 'command': 'tmpool_writer'})
            self.assertEqual(info['journal']['pending_groups'], 5)
            stat = self.json('stat', self.pool)
            self.assertEqual((stat['journal']['used_groups'], stat['journal']['used_bytes']), (5, 5 * BLOCK))
            self.assertEqual(stat['journal']['file_bytes'], os.stat(self.pool + '-journal').st_size)
            self.assertEqual(self.run_tool('dump', '--raw', '--offset', 4096, '--size', 9, self.pool).stdout, b'commit 5\0')
            writer.close()
        self.assertEqual(self.json('info', self.pool)['in_use'], False)

    def test_writing_commands_are_refused_and_say_who_has_it(self):
        self.create()
        with Writer(self.pool, 1) as writer:
            for arguments in (('recover', self.pool), ('resize', self.pool, '1M')):
                error = self.json(*arguments, status=IN_USE)['error']
                self.assertEqual((error['code'], error['file'], error['field'], error['found']), ('EBUSY', self.pool, 'lock', f'held by process {writer.process.pid}'))
                self.assertTrue(error['remedy'])
            writer.close()

    def test_a_pool_that_changes_all_the_time_is_fine_and_its_copies_are_of_one_commit(self):
        self.create()
        with Writer(self.pool, 0) as writer:
            before = 0
            for number in range(5):
                for command in READING:
                    self.run_tool(command, self.pool)
                self.assertEqual(self.json('check', self.pool)['faults'], [])
                copy = self.path(f'copy{number}')
                sequence = self.json('backup', self.pool, copy)['sequence']
                self.assertGreater(sequence, before)
                before = sequence
                memory = self.run_tool('dump', '--raw', '--offset', 4096, copy).stdout
                self.assertEqual(memory[:20], memory[9000:9020])
                self.assertEqual(self.json('check', copy)['faults'], [])
            writer.kill()
        self.assertEqual(self.json('check', self.pool)['faults'], [])


class Heap(PoolTest):
    def test_the_blocks_of_the_heap_are_checked(self):
        self.create('64K')
        with Writer(self.pool, 'heap') as writer:
            in_use = self.json('check', self.pool)
            writer.close()
        check = self.json('check', self.pool)
        for found in (in_use, check):
            self.assertEqual((found['fine'], found['size'], found['heap_size'], found['heap_blocks'], found['heap_bytes']), (True, 65536, 1 << 20, 2, 112 + 131072))
            self.assertEqual(found['notes'], ['root freed names no allocated block of the heap'])
        info = self.json('info', self.pool)
        self.assertEqual((info['size'], info['heap_size']), (65536, 1 << 20))
        copy = self.path('copy')
        self.json('backup', self.pool, copy)
        self.assertEqual(self.json('check', copy)['heap_blocks'], 2)
        error = self.json('resize', self.pool, '8M', status=WRONG)['error']
        self.assertEqual((error['code'], error['field']), ('ENOTSUP', 'heap'))


class Killed(PoolTest):
    def test_a_full_journal_is_listed_replayed_and_then_gone(self):
        self.crashed(256)  # 1 MiB of groups of 4096 bytes
        info = self.json('info', self.pool)
        self.assertEqual((info['state'], info['in_use'], info['sequence'], info['applied']), ('open', False, 256, 0))
        check = self.json('check', self.pool)
        self.assertEqual((check['fine'], check['pending_groups'], check['roots']), (True, 256, 1))
        groups = self.json('log', self.pool, '--frames')['groups']
        self.assertEqual([group['sequence'] for group in groups], list(range(1, 257)))
        for number, group in enumerate(groups):
            self.assertEqual((group['offset'], group['bytes'], group['durable'], group['state']), (BLOCK * (number + 1), BLOCK, number, 'counts'))
            self.assertEqual(len(group['frame_list']), group['frames'])
        self.assertEqual([(frame['image_offset'], frame['page'], frame['bytes']) for frame in groups[1]['frame_list']], [(4096, 1, 64), (13056, 3, 64)])
        self.assertEqual(self.run_tool('dump', '--raw', '--offset', 4096 + 9000, '--size', '11', self.pool).stdout, b'commit 256\0')
        recovered = self.json('recover', self.pool)
        self.assertEqual((recovered['was_closed'], recovered['replayed_groups'], recovered['sequence']), (False, 256, 256))
        self.assertEqual(os.listdir(self.directory), ['pool'])
        info = self.json('info', self.pool)
        self.assertEqual((info['state'], info['applied']), ('closed', 256))
        with open(self.pool, 'rb') as file:
            self.assertEqual(file.read()[IMAGE + 4096:][:11], b'commit 256\0')

    def test_a_ring_that_has_begun_again(self):
        self.crashed(300)
        self.assertEqual([group['sequence'] for group in self.json('log', self.pool)['groups']], list(range(257, 301)))
        states = [group['state'] for group in self.json('log', '--all', self.pool)['groups']]
        self.assertEqual((states.count('counts'), states.count('applied')), (44, 212))
        self.assertEqual(self.json('recover', self.pool)['replayed_groups'], 44)

    def test_dump_shows_the_same_by_page_offset_hex_and_json(self):
        self.crashed()
        image = self.run_tool('dump', '--raw', self.pool).stdout
        self.assertEqual(len(image), 4096 + 100 * 1024)
        self.assertEqual(image[4096:4105], b'commit 5\0')
        for page in range(26):
            self.assertEqual(self.run_tool('dump', '--raw', '--page', page, self.pool).stdout, image[4096 * page:4096 * (page + 1)])
        for offset, size in ((0, 1), (4095, 2), (13090, 20), (13095, 5000), (100000, 1 << 20)):
            found = self.json('dump', '--offset', offset, '--size', size, self.pool)
            self.assertEqual(bytes.fromhex(found['hex']), image[offset:offset + size])
            self.assertEqual((found['offset'], found['size'], found['sequence']), (offset, len(image[offset:offset + size]), 5))
        lines = self.text('dump', '--offset', 4096, '--size', 52, self.pool).split('\n')
        self.assertEqual(lines, ['000000001000  63 6f 6d 6d 69 74 20 35  00 00 00 00 00 00 00 00  |commit 5........|',
                                 '000000001010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|', '*',
                                 '000000001030  00 00 00 00                                       |....|', '000000001034', ''])

    def test_a_backup_needs_no_journal(self):
        self.crashed()
        made = self.json('backup', self.pool, self.path('copy'))
        info = self.json('info', self.path('copy'))
        self.assertEqual((info['state'], info['applied'], info['uuid']), ('closed', 5, made['uuid']))
        self.assertNotEqual(info['uuid'], self.json('info', self.pool)['uuid'])
        self.assertEqual(self.run_tool('dump', '--raw', self.path('copy')).stdout, self.run_tool('dump', '--raw', self.pool).stdout)

    def test_info_says_what_an_open_has_inherited(self):
        self.crashed()
        self.assertEqual(self.json('info', self.pool)['journal']['inherited_groups'], 0)
        goes_on = self.json('stat', self.pool)['detection']['chosen'] == 'written'  # else an open applies what it finds
        before = self.json('info', self.pool)['generation']
        with Writer(self.pool, 2) as writer:
            writer.kill()
        info = self.json('info', self.pool)
        now = info[f'header_{int(info["header_1"].get("counts", False))}']
        self.assertEqual((now['inherited'], now['inherited_generation']), (5, before) if goes_on else (0, 0))
        self.assertEqual((info['journal']['pending_groups'], info['journal']['inherited_groups']), (7, 5) if goes_on else (2, 0))

    def test_reading_commands_write_nothing(self):
        self.crashed()
        before = self.files()
        for command in READING:
            self.run_tool(command, self.pool)
        self.assertEqual(self.files(), before)

    def test_a_medium_that_cannot_be_written(self):
        self.crashed()
        inside = ['unshare', '-rm', 'sh', '-c', 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"', self.directory]
        if subprocess.run([*inside, 'true'], stderr=subprocess.DEVNULL, check=False).returncode != 0:
            self.skipTest('no mount namespaces here')
        for command in READING:
            subprocess.run([*inside, TMPOOL, command, self.pool], stdout=subprocess.DEVNULL, check=True)
        for arguments in (('recover', self.pool), ('resize', self.pool, '1M')):
            run = subprocess.run([*inside, TMPOOL, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
            self.assertEqual(run.returncode, SYSTEM, run.stderr)
        self.assertEqual(self.json('check', self.pool)['pending_groups'], 5)


main()
