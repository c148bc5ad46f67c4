#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""model_in_step.py ROOT: the page on the memory model, the sources and the model in tests/model agree on every atomic access.

- Each number of the page is at an access in each source that the page names, and each number in the sources is on the page.
- Page, source and model give it the same kind (load, store, exchange, compare-exchange) and the same memory order.
- Each access without a number is one that the model names with its source (tests/model/orders.pml), or one of those listed below with a reason.

A number belongs to the access on its line, or to the first on the lines that follow a comment which begins with it.
"""
import os
import re
import sys

# Accesses whose line bears no number though the page gives them one: number, file, text.
UNMARKED = [
    (10, 'src/threads.hpp', 'bump() { word_.exchange'),
    (15, 'src/threads.hpp', 'look() const { return word_.load'),
]

# Accesses that the model does not have: file, text, reason.
LEFT_OUT = [
    ('src/stats.hpp', '', 'counters of one writer'),
    ('src/config.hpp', '', 'options'),
    ('src/config.cpp', '', 'options'),
    ('src/labels.cpp', '', 'counters of one writer, in lists that only grow'),
    ('src/tx.cpp', 'config.manner.load', 'options'),
    ('src/contention.cpp', '', 'a guess who should wait'),
    ('src/threads.hpp', 'own() const', 'the own word'),
    ('src/threads.hpp', 'first() const', 'contexts live for ever'),
    ('src/threads.cpp', 'in_use', 'who owns a context'),
    ('src/threads.cpp', 'slots_', 'contexts live for ever'),
    ('src/threads.cpp', 'first_', 'contexts live for ever'),
    ('src/algorithm.cpp', 'w = orec.load', 'look before a lock, which looks again: as in own_stripe()'),
    ('src/hold.cpp', 'one.', 'the one context of all holders, made once'),
    ('src/serial.cpp', 'alone.', 'with the next one a protocol by itself, of two sequentially consistent variables: src/serial.hpp'),
    ('src/serial.cpp', 'holders.', 'the same'),
    ('src/serial.cpp', 'patience.looks() < polite', 'how long one is polite'),
    ('src/hold.cpp', 'Word w = orec.load', 'look before a lock, which looks again: as in own_stripe()'),
    ('src/store.cpp', 'Word w = orec.load', 'look before a lock, which looks again: as in own_stripe()'),
    ('src/store.cpp', 'tx.orec_of(at).load', 'whether the orec is the own one, which nobody else can change'),
    ('src/store.cpp', 'own_head(tx, tx.orec_of', 'the same'),
    ('include/tm/context.h', 'return __atomic_load_n', 'nobody else runs: the page, The bias'),
    ('include/tm/context.h', 'undo->old', 'the same'),
    ('include/tm/context.h', '(word)value, __ATOMIC_RELEASE', 'the same'),
    ('src/orec.hpp', 'now.load(std::memory_order_seq_cst) & flags', 'whether the bias may be taken, or turns started: the page, The bias'),
    ('src/bias.cpp', '', 'the bias: a protocol by itself, which the schedule explorer runs; the page, The bias'),
    ('src/bias.hpp', '', 'the same'),
    ('src/turns.cpp', '', 'turns: the same; the page, Turns'),
    ('src/turns.hpp', '', 'the same'),
    ('src/tx.cpp', 'signal_fence', 'the same'),
    ('src/tx.cpp', 'now = clock.now.load', 'the look at the clock of a begin with the bias, or after it has waited for its end'),
    ('src/hooks.hpp', 'range.high.load(std::memory_order_seq_cst)', 'whether there is a range: as the bias'),
    ('src/hooks.hpp', 'range.table.load', 'acquires what is behind the table that tm_hooks_install() has published'),
    ('src/hooks.cpp', 'range.table.compare_exchange', 'publishes the table, once'),
    ('src/hooks.hpp', 'range.high.load', 'told by who opened the pool to who writes to it: ordered by the program. See the page'),
    ('src/hooks.hpp', 'range.low.load', 'the same'),
    ('src/hooks.cpp', 'range.high.store', 'the same, and the bias'),
    ('src/hooks.cpp', 'range.low.store', 'the same'),
    ('src/commit.cpp', 'release_committed(tx, (clock.now.load', 'a transaction left from within an action: not modelled'),
]

ORDERS = {'relaxed': 'RELAXED', 'acquire': 'ACQUIRE', 'release': 'RELEASE', 'acq_rel': 'ACQ_REL', 'seq_cst': 'SEQ_CST', 'sc': 'SEQ_CST'}
KINDS = [('compare-exchange', r'compare_exchange'), ('exchange', r'exchange(_n)?\(|fetch_'), ('store', r'store(_n)?\('), ('load', r'load(_n)?\(')]
MODEL_KINDS = {'LOAD': 'load', 'WAIT_UNTIL': 'load', 'STORE': 'store', 'EXCHANGE': 'exchange', 'COMPARE_EXCHANGE': 'compare-exchange'}
ACCESS = re.compile(r'memory_order_(\w+)|__ATOMIC_(\w+)')
MARK = re.compile(r'(?://|/\*\*?)\s*\((\d+)\)')

faults = []


def fault(text):
    faults.append(text)


def kind_of(line):
    return next((kind for kind, pattern in KINDS if re.search(pattern, line)), '?')


def order_of(line):
    found = ACCESS.search(line)
    return ORDERS.get((found.group(1) or found.group(2)).lower(), '?') if found else None


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def page_of(root):
    """number: (kind, order, files)"""
    rows = {}
    for number, where, order in re.findall(r'^\| (\d+) \|[^|]*\|([^|]*)\|([^|]*)\|$', read(f'{root}/libtm/doc/memory-model.md'), re.M):
        word, kind = order.split()
        rows[int(number)] = (kind, ORDERS[word], re.findall(r'`([^`]+)`', where))
    return rows


def sources_of(root):
    """path within libtm: lines"""
    paths = ['include/tm/context.h'] + sorted('src/' + name for name in os.listdir(f'{root}/libtm/src') if name.endswith(('.cpp', '.hpp')))
    return {path: read(f'{root}/libtm/{path}').split('\n') for path in paths}


def marked(lines):
    """(line of the access or None, number) for each number that begins a comment"""
    for at, line in enumerate(lines):
        mark = MARK.search(line)
        if not mark:
            continue
        number = int(mark.group(1))
        if ACCESS.search(line):
            yield at, number
        elif line.strip().startswith(('//', '/*')):
            yield next((n for n in range(at + 1, min(at + 5, len(lines))) if ACCESS.search(lines[n])), None), number
        else:
            yield None, number # a call of the function that has the access


def check_sources(page, sources):
    """Numbers and orders. Returns the accesses that are accounted for."""
    known = set()
    seen = {number: set() for number in page}
    for path, lines in sources.items():
        for at, number in marked(lines):
            if number not in page:
                fault(f'{path}: number ({number}) is not on the page')
                continue
            seen[number].add(os.path.basename(path))
            if at is not None:
                known.add((path, at))
                compare(f'{path}:{at + 1}', number, page, lines[at])
    for number, path, text in UNMARKED:
        if number not in page:
            fault(f'({number}) is not on the page')
            continue
        for at, line in enumerate(sources[path]):
            if text in line:
                known.add((path, at))
                seen[number].add(os.path.basename(path))
                compare(f'{path}:{at + 1}', number, page, line)
    for number, (_, _, files) in page.items():
        for name in files:
            if os.path.basename(name) not in seen[number]:
                fault(f'({number}): the page says {name}, where no access bears it')
    return known


def compare(where, number, page, line):
    kind, order, _ = page[number]
    if kind_of(line) != kind or order_of(line) != order:
        fault(f'{where}: ({number}) is {order_of(line)} {kind_of(line)}, on the page {order} {kind}')


def check_named(orders, sources):
    """What orders.pml names without a number."""
    known = set()
    named = re.findall(r'#define ORDER_([A-Z_]+) (\w+)\s*/\* source: (\S+), ([\w:]+), (.*?) \*/', orders)
    for name, order, path, function, texts in named:
        lines = sources.get(path)
        if lines is None:
            fault(f'orders.pml: {name}: there is no {path}')
            continue
        short = function.split('::')[-1]
        start = next((n for n, line in enumerate(lines) if re.search(r'\b' + short + r'\(', line) and ' ' in line.split(short + '(')[0].strip() + ' '
                      and not line.strip().endswith(';') and not line.startswith('  ' * 4)), None)
        end = next((n for n in range((start or 0) + 1, len(lines)) if lines[n] == '}'), len(lines)) if start is not None else 0
        for text in texts.split('; '):
            at = next((n for n in range(start, end) if text in lines[n] and ACCESS.search(lines[n])), None) if start is not None else None
            if at is None:
                fault(f'orders.pml: {name}: no access {text} in {function}() of {path}')
                continue
            known.add((path, at))
            if order_of(lines[at]) != order:
                fault(f'{path}:{at + 1}: {order_of(lines[at])}, the model assumes {order} ({name})')
    return known


def check_model(root, page, orders):
    numbered = {int(n): order for n, order in re.findall(r'#define ORDER_(\d+) (\w+)', orders)}
    for number in sorted(set(page) | set(numbered)):
        if number not in numbered:
            fault(f'orders.pml: no order for ({number})')
        elif number not in page:
            fault(f'orders.pml: ({number}) is not on the page')
        elif numbered[number] != page[number][1]:
            fault(f'orders.pml: ({number}) is {numbered[number]}, on the page {page[number][1]}')
    used = {}
    names = set(re.findall(r'#define ORDER_(\w+)', orders))
    for kind, name in re.findall(r'\b(LOAD|STORE|EXCHANGE|COMPARE_EXCHANGE|WAIT_UNTIL)\((\w+),', read(f'{root}/tests/model/engine.pml')):
        used.setdefault(name, set()).add(MODEL_KINDS[kind])
    for name in sorted(names - set(used)):
        fault(f'engine.pml: nothing bears {name}')
    for name in sorted(set(used) - names):
        fault(f'orders.pml: engine.pml uses {name}, which has no order')
    for name, kinds in used.items():
        if name.isdigit() and int(name) in page and kinds != {page[int(name)][0]}:
            fault(f'engine.pml: ({name}) is {", ".join(sorted(kinds))}, on the page {page[int(name)][0]}')


def main():
    root = sys.argv[1]
    page, sources, orders = page_of(root), sources_of(root), read(f'{root}/tests/model/orders.pml')
    if len(page) < 10:
        fault('memory-model.md: its table is not understood')
    known = check_sources(page, sources) | check_named(orders, sources)
    check_model(root, page, orders)
    accesses = 0
    for path, lines in sources.items():
        for at, line in enumerate(lines):
            if not ACCESS.search(line):
                continue
            accesses += 1
            if (path, at) not in known and not any(path == p and text in line for p, text, _ in LEFT_OUT):
                fault(f'{path}:{at + 1}: an access without a number, and not listed: {line.strip()}')
    for text in faults:
        print(text)
    print(f'{len(page)} numbers, {accesses} accesses, {len(faults)} faults')
    return 1 if faults else 0


sys.exit(main())
