#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""snippets.py BUILD-DIR CC CXX INCLUDE-DIR[:DIR] FILE...: each ```c and ```cpp block of the documents compiles.

A block that includes a header or defines main() stands for itself, or else is tried at file scope and then as the body of a function,
after the usual headers. A block is left out if its fence says so: ```c ignore. Extra compiler flags: environment variable SNIPPET_FLAGS."""
import os
import re
import subprocess
import sys

PRELUDE = {
    'c': '#include <errno.h>\n#include <pthread.h>\n#include <stdbool.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n'
         '#include <unistd.h>\n#include <tm/tm.h>\n#include <tm/persist.h>\n',
    'cpp': '#include <cstdio>\n#include <cstdlib>\n#include <cstring>\n#include <string>\n#include <thread>\n#include <vector>\n'
           '#include <tm/tm.hpp>\n#include <tm/var.hpp>\n'
           '#include <tm/persist.hpp>\n',
}
FENCE = re.compile(r'^```(cpp|c)\b[ \t]*(\w*)[ \t]*\n(.*?)^```', re.M | re.S)


def compiles(compiler, language, source, path, include):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(source)
    standard = '-std=gnu11' if language == 'c' else '-std=c++20'
    command = [*compiler.split(), standard, '-O1', '-Wall', '-Wextra', '-Wno-unused', '-Werror', *(f'-I{directory}' for directory in include.split(':')),
               *os.environ.get('SNIPPET_FLAGS', '').split(), '-c', path, '-o', os.devnull]
    run = subprocess.run(command, capture_output=True, text=True)
    return run.returncode == 0, run.stderr


def main():
    build, cc, cxx, include, *files = sys.argv[1:]
    directory = os.path.join(build, 'snippets')
    os.makedirs(directory, exist_ok=True)
    count, failed = 0, 0
    for document in files:
        if not os.path.exists(document):
            continue
        text = open(document, encoding='utf-8').read()
        for fence in FENCE.finditer(text):
            language, word, code = fence.groups()
            if word == 'ignore':
                continue
            count += 1
            line = text.count('\n', 0, fence.start()) + 2
            path = os.path.join(directory, f'{os.path.basename(document)}-{line}.{language}')
            located = f'#line {line} "{document}"\n{code}'
            if '#include' in code or re.search(r'\bmain\(', code):
                candidates = [located]
            else:
                candidates = [PRELUDE[language] + located, f'{PRELUDE[language]}void snippet(void);\nvoid snippet(void)\n{{\n{located}\n}}\n']
            errors = []
            for candidate in candidates:
                good, message = compiles(cc if language == 'c' else cxx, language, candidate, path, include)
                if good:
                    break
                errors.append(message)
            else:
                failed += 1
                print(f'{document}:{line}: this block does not compile:\n{errors[-1]}', file=sys.stderr)
    print(f'{count} blocks, {failed} do not compile')
    if count == 0:
        sys.exit(77)  # meson: skipped
    sys.exit(failed != 0)


main()
