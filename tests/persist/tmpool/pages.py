#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pages.py TMPOOL PAGE: the man page, its synopsis and --help agree on the commands, their options and arguments, and the exit statuses; the page has no mistakes."""
import re
import shutil
import subprocess
import sys
import unittest

TMPOOL, PAGE = sys.argv[1:3]
EVERYWHERE = {'help'}


def said(*arguments):
    return subprocess.run([TMPOOL, *arguments], stdout=subprocess.PIPE, check=True).stdout.decode()


def commands():
    return re.findall(r'^  (\w+)  ', said('--help').split('Subcommands:')[1], re.M)


def options_of(text):
    return set(re.findall(r'^  (?:-\w,)?--([\w-]+)', text, re.M)) - EVERYWHERE


def arguments_of(text):
    return re.findall(r'^  ([A-Z]+)(?: [A-Z:]+)? .*REQUIRED', text, re.M)


class Page(unittest.TestCase):
    def setUp(self):
        with open(PAGE, encoding='utf-8') as file:
            self.page = file.read()
        self.synopsis = {}
        for part in re.split(r'^\.Nm$', re.search(r'^\.Sh SYNOPSIS\n(.*?)^\.Sh', self.page, re.M | re.S).group(1), flags=re.M):
            command = re.search(r'^\.Cm (\w+)', part, re.M)
            if command: self.synopsis[command.group(1)] = part

    def section(self, command):
        found = re.search(rf'^\.Ss {command}\n(.*?)^\.S[sh]', self.page, re.M | re.S)
        self.assertTrue(found, f'no section about {command}')
        return found.group(1)

    def test_commands(self):
        self.assertGreaterEqual(len(commands()), 9)
        self.assertEqual(list(self.synopsis), commands())
        self.assertEqual(re.findall(r'^\.Ss (\w+)', self.page, re.M), commands())

    def test_options(self):
        for command in commands():
            options = options_of(said(command, '--help'))
            self.assertIn('json', options)
            self.assertEqual(set(re.findall(r'Fl -([\w-]+)', self.synopsis[command])), options, command)
            self.assertEqual(set(re.findall(r'^\.It Fl -([\w-]+)', self.section(command), re.M)), options - {'json'}, command)
        for option in options_of(said('--help')) | {'json', 'help'}:
            self.assertRegex(self.page, rf'(?m)^\.It .*Fl (h , )?-{option}$')

    def test_arguments(self):
        for command in commands():
            arguments = arguments_of(said(command, '--help'))
            self.assertTrue(arguments, command)
            last = [line for line in self.synopsis[command].split('\n') if line.startswith('.Ar ')][-1]
            self.assertEqual(last.split()[1:], arguments, command)

    def test_exit_statuses(self):
        part = re.search(r'^\.Sh EXIT STATUS\n(.*?)^\.Sh', self.page, re.M | re.S).group(1)
        self.assertEqual(re.findall(r'^\.It (\d)$', part, re.M), re.findall(r'\b(\d) ', re.search(r'Exit status: (.*)', said('--help')).group(1)))

    def test_version(self):
        self.assertRegex(said('--version'), r'^tmpool \d+\.\d+')

    def test_no_mistakes(self):
        checkers = (['mandoc', '-Tlint', '-Wstyle', PAGE], ['man', '--warnings', '-E', 'UTF-8', '-l', '-Tutf8', '-Z', PAGE])
        checkers = [checker for checker in checkers if shutil.which(checker[0])]
        if not checkers: self.skipTest('neither mandoc nor man')
        for checker in checkers:
            run = subprocess.run(checker, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
            self.assertEqual(run.stdout if checker[0] == 'mandoc' else run.stderr, b'', checker)


unittest.main(argv=[sys.argv[0], *sys.argv[3:]])
