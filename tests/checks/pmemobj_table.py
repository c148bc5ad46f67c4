#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pmemobj_table.py DOCUMENT HEADER-DIR: the table of libpmemobj's interface is complete.

Each function that our headers declare stands in it, once, with one of its words; so does each function and public macro of PMDK's headers where those are installed, and our headers have them."""
import glob
import re
import sys

WORDS = {'same', 'better', 'different', 'refused'}
# What PMDK's headers define for themselves, or for another system.
INTERNAL = re.compile(r'^(LIBPMEMOBJ_|_|__|offsetof$|pmdk_|tx_lock|TX_ONABORT_CHECK$|POBJ_(FLAG|X)|POBJ_\w+_VALID_FLAGS$|PMEMOBJ_DIRECT|pmemobj_direct_inline$|POBJ_(CLASS|ARENA)_ID$|pmemobj_\w+[UW]$)')


def names_in(directory):
    text = ''.join(open(path, encoding='utf-8').read() for path in sorted(glob.glob(directory + '/*.h')))
    functions = set(re.findall(r'\b(pmemobj_[a-z_]+)\(', re.sub(r'/\*.*?\*/', '', text, flags=re.S)))
    macros = set(re.findall(r'^\s*#\s*define\s+(\w+)', text, re.M)) | set(re.findall(r'^(?:static inline \S+ \**)?(POBJ_\w+|TX_\w+)\(', text, re.M))
    return functions, macros


def main():
    document, ours = sys.argv[1:]
    faults, rows = [], {}
    for line in open(document, encoding='utf-8'):
        cells = [cell.strip() for cell in line.split('|')]
        if len(cells) != 5 or not cells[1].startswith('`'):
            continue
        if cells[2] not in WORDS:
            faults.append(f'"{cells[2]}" is none of {", ".join(sorted(WORDS))}: {cells[1]}')
        if cells[2] != 'same' and not cells[3]:
            faults.append(f'{cells[1]} is {cells[2]}, and nothing says why')
        for name in re.findall(r'`(\w+)`', cells[1]):
            if name in rows:
                faults.append(f'{name} stands twice')
            rows[name] = cells[2]
    functions, macros = names_in(ours + '/libpmemobj')
    faults += [f'{name} is declared, and not in the table' for name in sorted(functions - set(rows)) if not INTERNAL.match(name)]
    faults += [f'{name} is in the table, and not in the headers' for name in sorted(set(rows) - functions - macros) if name not in ('OID_NULL',)]
    real_functions, real_macros = names_in('/usr/include/libpmemobj')
    for name in sorted(real_functions | real_macros):
        if INTERNAL.match(name):
            continue
        if name not in rows:
            faults.append(f'{name} of PMDK is not in the table')
        if name not in functions | macros:
            faults.append(f'{name} of PMDK is not in our headers')
    for fault in faults:
        print(fault)
    print(f'{len(rows)} names, {len(real_functions | real_macros)} in the headers of PMDK, {len(faults)} faults')
    sys.exit(bool(faults) or len(rows) < 100)


main()
