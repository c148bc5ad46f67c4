# SPDX-License-Identifier: MIT
"""What was measured as rows: CSV with one for each benchmark and round, and the counters of a suite as a table."""
import csv
import statistics

# What Google Benchmark says of each entry beside the rate and the counters.
BOOKKEEPING = {'name', 'family_index', 'per_family_instance_index', 'run_name', 'run_type', 'repetitions', 'repetition_index', 'threads', 'iterations', 'real_time', 'cpu_time',
               'time_unit', 'items_per_second', 'bytes_per_second', 'label', 'alone', 'error_occurred', 'error_message'}
FIRST_COLUMNS = ['suite', 'benchmark', 'workload', 'variant', 'threads', 'alone', 'round', 'rate', 'error']
# Of no interest in a table of counters: operations of single threads.
NO_COUNTERS = {'slowest', 'fastest'}


def counters_of(entry):
    """Name -> number."""
    return {key: value for key, value in entry.items() if key not in BOOKKEEPING and isinstance(value, (int, float)) and not isinstance(value, bool)}


def threads_of(suite, entry):
    """A suite whose program starts the threads itself says how many."""
    own = getattr(suite, 'threads', None)
    return own(entry) if own else entry.get('threads', 1)


def rows(name, suite, results):
    """A dictionary for each benchmark and round, in the order of the run; counters have their own names."""
    rounds = {}
    for entry in results['benchmarks']:
        workload, _, rest = entry['name'].partition('/')
        key = (entry['name'], entry.get('alone'))
        rounds[key] = rounds.get(key, 0) + 1
        failed = entry.get('error_occurred', False)
        row = {'suite': name, 'benchmark': entry['name'], 'workload': workload, 'variant': rest.partition('/')[0], 'threads': threads_of(suite, entry),
               'alone': 'yes' if entry.get('alone') else 'no', 'round': rounds[key], 'rate': '' if failed else entry.get('items_per_second', ''),
               'error': entry.get('error_message', 'unknown') if failed else ''}
        yield row | ({} if failed else counters_of(entry))


def write_csv(file, sections):
    """`sections`: (name, suite, results)."""
    everything = [row for section in sections for row in rows(*section)]
    columns = list(dict.fromkeys([*FIRST_COLUMNS, *(key for row in everything for key in row)]))
    writer = csv.DictWriter(file, columns, lineterminator='\n')
    writer.writeheader()
    writer.writerows(everything)


def number(value):
    """Short, with three digits that mean something."""
    if value == 0:
        return '0'
    if abs(value) >= 1000:
        return f'{value:,.0f}'
    return f'{value:.3g}' if abs(value) >= 0.001 else f'{value:.1e}'


def counters_table(name, suite, results):
    """Medians over the rounds: head and rows, without columns and rows that are 0. No rows: there are none."""
    samples = {}
    for row in rows(name, suite, results):
        if not row['error']:
            key = (row['workload'], row['variant'], f'{row["threads"]} (no other)' if row['alone'] == 'yes' and row['threads'] == 1 else str(row['threads']))
            samples.setdefault(key, []).append({k: v for k, v in row.items() if k not in FIRST_COLUMNS and k not in NO_COUNTERS})
    medians = {}
    for key, rounds in samples.items():
        found = {counter: statistics.median(entry.get(counter, 0) for entry in rounds) for entry in rounds for counter in entry}
        if any(found.values()):
            medians[key] = found
    columns = [c for c in dict.fromkeys(c for found in medians.values() for c in found) if any(found.get(c) for found in medians.values())]
    return ['workload', 'variant', 'threads', *columns], [[*key, *(number(found[c]) if found.get(c) else '' for c in columns)] for key, found in medians.items()]
