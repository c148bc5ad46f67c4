#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Run the suites, print their tables, write the report. Python's standard library only, and gnuplot for the plots if it is there.

A figure is a list with one value per round; ratios are formed round by round, from measurements made within a second or
so of each other. What is printed is the median, and the quartiles as its spread.
"""
import argparse
import contextlib
import io
import json
import os
import sys

import applications
import durable
import engine
import export
import html_report
import plots
import pool
import sweep
from runner import BUSY, Progress, Session, Witness, machine

SUITES = {'engine': engine, 'applications': applications, 'sweep': sweep, 'pool': pool, 'durable': durable}
TITLES = {'engine': 'Transactions in memory', 'applications': 'Applications', 'sweep': 'Write-back against write-through', 'pool': 'Images on disk', 'durable': 'Durable transactions'}


def kind_of(results):
    """Name of the suite that has made these results."""
    name = results['context'].get('suite')
    if name in SUITES:
        return name
    return next((name for name, suite in SUITES.items() if hasattr(suite, 'made') and suite.made(results)), 'engine')


def load(paths):
    """Name of the suite -> its results. Each file is one suite's or a merged one."""
    found = {}
    for path in paths:
        try:
            with open(path) as file:
                content = json.load(file)
            for results in content['suites'] if 'suites' in content else [content]:
                name = kind_of(results)
                if name in found:
                    sys.exit(f'{path}: results of the suite {name}, which another one has, too')
                found[name] = {'failed': [], **results, 'benchmarks': list(results['benchmarks'])}
        except OSError as error:
            sys.exit(f'{path}: {error.strerror}')
        except (ValueError, KeyError, TypeError, AttributeError):
            sys.exit(f'{path}: not the results of a run: expected JSON with "context" and "benchmarks", or with "suites"')
    return {name: found[name] for name in SUITES if name in found}


def measure(name, options, extra):
    """Run a suite and keep its figures, if there are any."""
    suite, witness = SUITES[name], Witness()
    results = suite.run(options, extra)
    if not results['benchmarks']:
        return results
    results['context'].update(suite=name, others=witness.others_share(), form='full' if options.full else 'quick')
    with open(os.path.join(options.build, suite.STORE), 'w') as file:
        json.dump(results, file, indent=1)
    return results


def show(name, results, store):
    """Print the tables and what is wrong with them; the section of the report."""
    suite, Session.told = SUITES[name], results['context']
    with html_report.recorded() as blocks:
        missed, damaged = suite.report(results)
    print(f'\nThe figures are in {store}.')
    print('Figures missed: ' + ('none' if not missed else ''))
    for line in missed:
        print('  ' + line)
    for line in damaged:
        print('DAMAGED ' + line)
    return html_report.Section(name, TITLES[name], suite, results, blocks, missed, damaged)


def where(sections):
    """Date and machine, in a sentence; all of them, should they differ."""
    contexts = [section.results['context'] for section in sections]

    def all_of(values):
        return ' and '.join(dict.fromkeys(values))
    forms = all_of(f'{context["form"]} form' for context in contexts if 'form' in context)
    others = max(context.get('others', 0) for context in contexts)
    busy = f'other processes took up to {100 * others:.0f} % of it' if others > BUSY else ''
    compiler = 'compiler ' + all_of(context.get('compiler', '?') for context in contexts)
    return ', '.join(filter(None, [all_of(sorted(context['date'][:10] for context in contexts)), forms, all_of(map(machine, contexts)), compiler, busy]))


def write_report(path, sections, lost):
    """The HTML, and beside it the same as CSV and JSON; a sentence that says where they are. `lost`: what is known of suites without any figures."""
    stem = path[:-len('.html')] if path.endswith('.html') else path
    with open(path, 'w', encoding='utf-8') as file:
        file.write(html_report.page(sections, where(sections), lost))
    with open(stem + '.csv', 'w', encoding='utf-8', newline='') as file:
        export.write_csv(file, [(section.name, section.suite, section.results) for section in sections])
    with open(stem + '.json', 'w', encoding='utf-8') as file:
        json.dump({'suites': [section.results for section in sections]}, file, indent=1)
    plain = '' if plots.available() else f' Without plots: there is no gnuplot (as root: apt-get install {plots.PACKAGE}).'
    return f'The report is in {path}; single figures in {stem}.csv, all of them in {stem}.json.{plain}'


def print_summary(sections):
    """As Markdown, for a README."""
    print(f'{where(sections)}:')
    for section in sections:
        print(f'\n**{section.title}** ({section.verdict()}{", DAMAGED" * bool(section.damaged)})')
        for line in section.summary():
            print(f'- {line}')


def run_suites(options, extra):
    """Measure what is asked for, print tables on the way; the sections, and a sentence for each failure of a suite that has left no figures."""
    chosen = {name: extra if options.suite or name == 'engine' else [] for name in SUITES if options.suite in (None, name)}  # their options differ
    plan = {name: Session.plan(lambda name=name: SUITES[name].run(options, chosen[name])) for name in chosen}
    if not any(plan.values()):
        sys.exit(f'no workload matches {options.filter}')
    Session.progress = Progress(sum(plan.values()))
    sections, lost = [], []
    for name in filter(plan.get, chosen):
        Session.progress.begin(name, plan[name])
        results = measure(name, options, chosen[name])
        if not results['benchmarks']:
            lost += results['failed'] or [f'{name}: no figures']
            continue
        print('\n' * bool(sections), end='')
        sections.append(show(name, results, os.path.join(options.build, SUITES[name].STORE)))
    return sections, lost


def main():
    parser = argparse.ArgumentParser(prog='bench/run', description='Measure libtm; print tables of ratios and the figures missed; write a report.',
                                     epilog='Other options go to tm-bench, with --suite to the program of that suite: --window=MS, --benchmark_...')
    parser.add_argument('build', nargs='?', default='build-bench', help=argparse.SUPPRESS)
    parser.add_argument('--quick', action='store_true', help='less than 3 minutes (the default)')
    parser.add_argument('--full', action='store_true', help='about 75 minutes: more rounds, longer windows, 4 threads, all workloads, a pool of 1 GiB')
    parser.add_argument('--suite', choices=SUITES, help='only one of them: ' + ', '.join(f'{TITLES[name].lower()} ({name})' for name in SUITES))
    parser.add_argument('--filter', default='', metavar='REGEX', help='only the workloads that match, such as bank, tree-20 or commit-8')
    parser.add_argument('--dir', metavar='DIRECTORY', help='where the suites of pools have their files (default $TMPDIR, else /var/tmp)')
    parser.add_argument('--report', metavar='FILE.html', help='where the report goes; CSV and JSON go beside it (default report.html in the build directory)')
    parser.add_argument('--json', metavar='FILE', action='append', help='nothing is measured: the tables of an earlier run, and with --report its report; may be given for each suite')
    parser.add_argument('--summary', action='store_true', help='with --json: only its summary, as Markdown')
    options, extra = parser.parse_known_args()
    if options.summary and not options.json:
        parser.error('--summary needs --json FILE')

    path = options.report or (None if options.json else os.path.join(options.build, 'report.html'))
    if path and (os.path.isdir(path) or not os.access(os.path.dirname(path) or '.', os.W_OK)):
        sys.exit(f'{path}: cannot be written')  # now, and not after an hour

    if options.json:
        lost, output = [], io.StringIO() if options.summary else sys.stdout
        with contextlib.redirect_stdout(output):
            sections = [show(name, results, ', '.join(options.json)) for name, results in load(options.json).items()]
    else:
        sections, lost = run_suites(options, extra)
    if options.summary:
        print_summary(sections)
    if path and sections:
        message = write_report(path, sections, lost)
        if not options.summary:
            print(message)
    return bool(lost) or any(section.damaged for section in sections)


if __name__ == '__main__':
    sys.exit(main())
