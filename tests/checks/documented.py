#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""documented.py HEADER...: each public function, macro with arguments, type and option is preceded by a doc comment.

A comment may stand for several declarations that follow each other without an empty line, as in `@name` groups. Names that end in
an underscore are the library's own. Fails on the first header in which it finds nothing, lest it pass because it reads nothing."""
import re
import sys

DECLARATION = re.compile(
    r'^(?:static inline |inline |\[\[noreturn\]\] )*[A-Za-z_][\w:<>,\s*&]*?[\s*&](?P<name>~?\w+)\([^;{]*\)[^;{]*[;{]?\s*$')
MACRO = re.compile(r'^#define (?P<name>\w+)\(')
SKIPPED = ('return', 'if', 'for', 'while', 'switch', 'else', 'typedef', 'requires', 'throw', 'using', 'static_assert', 'case')


def undocumented(path):
    lines = open(path, encoding='utf-8').read().split('\n')
    found, bare = 0, []
    in_comment = continued = False
    documented = False  # a doc comment stands above, with no empty line in between
    depth = 0
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if in_comment:
            in_comment = '*/' not in text
            continue
        if continued:
            continued = line.endswith('\\')
            continue
        if text.startswith('/*'):
            if text.startswith('/**') and '@{' not in text and '@}' not in text:
                documented = True
            in_comment = '*/' not in text
            continue
        if text.startswith('//'):
            continue
        if not text:
            documented = False
            continue
        macro = MACRO.match(text)
        name = None
        if macro:
            name = macro.group('name')
        elif depth == 0 and not text.startswith('#') and not text.startswith(SKIPPED) and not line.startswith((' ', '}')):
            match = DECLARATION.match(text)
            if match:
                name = match.group('name')
        if name and not name.endswith('_'):
            found += 1
            if not documented:
                bare.append((number, name))
        continued = line.endswith('\\')
        if not text.startswith('#') and not continued:
            if 'extern "C"' not in text and not text.startswith('namespace') and text not in ('}', '} // namespace libtm'):
                depth += text.count('{') - text.count('}')
            elif text == '}' and depth:
                depth -= 1
    return found, bare


def main():
    total, failed = 0, False
    for path in sys.argv[1:]:
        found, bare = undocumented(path)
        total += found
        for number, name in bare:
            print(f'{path}:{number}: {name} has no doc comment', file=sys.stderr)
            failed = True
    if total < 50:
        sys.exit(f'only {total} declarations found: does this script still read the headers?')
    sys.exit(failed)


main()
