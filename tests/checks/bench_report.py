#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench_report.py ROOT: the report of the benchmarks tells what was measured.

Results of real runs, cut short (tests/checks/bench/), go through bench/report.py: its tables, its CSV, its HTML with and without gnuplot. Medians are computed here anew.
gnuplot need not be there: a program of the same name that draws a line takes its place, and if it is there, it draws, too.
"""
import csv
import html.parser
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import unittest

ROOT = sys.argv.pop(1)
RECORDED = os.path.join(ROOT, 'tests/checks/bench')
NAMES = sorted(name[:-len('.json')] for name in os.listdir(RECORDED))
sys.path.insert(0, os.path.join(ROOT, 'bench'))
import export  # noqa: E402
import report  # noqa: E402
import runner  # noqa: E402
from chart import Chart  # noqa: E402
import plots  # noqa: E402

STAND_IN = '''#!/bin/sh
cat >/dev/null
echo '<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"><title>G</title><defs><path id="a" d="M0,0 L9,9"/></defs>'
echo '<use xlink:href="#a"/><g clip-path="url(#a)"></g></svg>'
'''
FAILING = '#!/bin/sh\necho "no such terminal" >&2\nexit 1\n'
VOID = {'meta', 'br', 'hr', 'link', 'img', 'input'}


class Page(html.parser.HTMLParser):
    """Tags must nest; what it refers to must be within."""

    def __init__(self, text):
        super().__init__()
        self.open, self.faults, self.ids, self.references, self.cells, self.tags = [], [], [], [], [], []
        self.feed(text)
        self.close()
        if self.open:
            self.faults.append(f'never closed: {self.open}')

    def handle_startendtag(self, tag, attrs):
        self.look(tag, attrs)

    def handle_starttag(self, tag, attrs):
        self.look(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)
        if tag in ('td', 'li'):
            self.cells.append('')

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(f'</{tag}> at {self.getpos()} closes something else')

    def handle_data(self, data):
        if self.cells and ('td' in self.open or 'li' in self.open) and 'span' not in self.open:
            self.cells[-1] += data

    def look(self, tag, attrs):
        self.tags.append(tag)
        for name, value in attrs:
            if name == 'id':
                self.ids.append(value)
            if name == 'src' or (name.endswith('href') and not value.startswith('#')):
                self.faults.append(f'{tag} refers to {value}')
            elif name.endswith('href'):
                self.references.append(value[1:])
            self.references += re.findall(r'url\(#([^)]*)\)', value or '')


def recorded(name):
    with open(f'{RECORDED}/{name}.json') as file:
        return json.load(file)


def rates(results, workload, variant, threads=None, alone=False):
    return [e['items_per_second'] for e in results['benchmarks']
            if e['name'].split('/')[:2] == [workload, variant] and e['alone'] == alone and threads in (None, e['threads']) and not e.get('error_occurred')]


def times_as_fast(results, one, other, alone):
    """In each round, of applications."""
    times = [[e['real_time'] for e in results['benchmarks'] if e['name'].startswith(f'{name}/') and e['alone'] == alone] for name in (other, one)]
    return [a / b for a, b in zip(*times)]


class Reports(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.at = self.directory.name

    def write(self, name, content, mode=0o644):
        path = os.path.join(self.at, name)
        with open(path, 'w') as file:
            file.write(content if isinstance(content, str) else json.dumps(content))
        os.chmod(path, mode)
        return path

    def call(self, *args, gnuplot=None):
        """Status, output, errors. `gnuplot`: a script that takes its place; None: there is none."""
        programs = os.path.join(self.at, 'bin')
        os.makedirs(programs, exist_ok=True)
        if gnuplot:
            self.write('bin/gnuplot', gnuplot, 0o755)
        path = programs + (':/usr/bin:/bin' if gnuplot else '')
        done = subprocess.run([sys.executable, f'{ROOT}/bench/report.py', self.at, *args], env={**os.environ, 'PATH': path}, capture_output=True, text=True, check=False)
        self.assertNotIn('Traceback', done.stderr)
        return done.returncode, done.stdout, done.stderr

    def page(self, path):
        with open(path, encoding='utf-8') as file:
            text = file.read()
        self.assertNotIn('http', text)
        self.assertNotIn('<script', text)
        self.assertNotRegex(text, r'@import|url\((?!#)')
        page = Page(text)
        self.assertEqual(page.faults, [])
        self.assertEqual(len(page.ids), len(set(page.ids)))
        self.assertEqual(set(page.references) - set(page.ids), set())
        return page, text

    def make(self, names=NAMES, gnuplot=None):
        """Of recorded results: status, output, the path of the report."""
        path = os.path.join(self.at, 'out.html')
        status, output, errors = self.call(*(f'--json={RECORDED}/{name}.json' for name in names), f'--report={path}', gnuplot=gnuplot)
        return status, output, errors, path

    def test_every_suite_has_charts_a_summary_and_a_recorded_run(self):
        for name, suite in report.SUITES.items():
            self.assertTrue(hasattr(suite, 'charts') and hasattr(suite, 'summary'), name)
            self.assertIn(name, NAMES)

    def test_all_of_it_is_in_one_file_that_needs_no_other(self):
        status, output, _, path = self.make()
        self.assertEqual(status, 0)
        page, text = self.page(path)
        self.assertIn('no gnuplot', text)
        self.assertIn('no gnuplot', output)
        self.assertNotIn('<svg', text)
        for name in NAMES:
            self.assertIn(name, page.ids)
            for told in ('processor', 'kernel', 'compiler'):
                self.assertIn(recorded(name)['context'][told], text)
            for peer in filter(None, recorded(name)['context'].get('peers', '').split(', ')):
                self.assertIn(peer, text)

    def test_with_gnuplot_each_chart_is_drawn(self):
        charts = sum(len(report.SUITES[name].charts(recorded(name))) for name in NAMES)
        self.assertGreater(charts, 4)
        for gnuplot in [STAND_IN] + ([f'#!/bin/sh\nexec {shutil.which("gnuplot")} "$@"\n'] if plots.available() else []):
            status, _, errors, path = self.make(gnuplot=gnuplot)
            self.assertEqual((status, errors), (0, ''))
            page, text = self.page(path)
            self.assertGreaterEqual(page.tags.count('svg'), charts)
            self.assertNotIn('no gnuplot', text)
        if not plots.available():
            print('no gnuplot: drawn by the stand-in alone', file=sys.stderr)

    def test_a_gnuplot_that_fails_costs_the_plots_only(self):
        status, _, errors, path = self.make(gnuplot=FAILING)
        self.assertEqual(status, 0)
        self.assertIn('no such terminal', errors)
        page, text = self.page(path)
        self.assertNotIn('svg', page.tags)
        self.assertIn('no such terminal', text)

    def test_tables_and_report_have_the_medians(self):
        engine, applications, sweep, pool, durable = (recorded(name) for name in ('engine', 'applications', 'sweep', 'pool', 'durable'))
        for threads in (1, 2):
            ratio = statistics.median(a / b for a, b in zip(rates(engine, 'bank-1024', 'wb', threads), rates(engine, 'bank-1024', 'mutex', threads)))
            self.tell('engine', f'{ratio:.2f}')
        self.tell('engine', f'{statistics.median(1e9 / rate for rate in rates(engine, "empty", "wb", 1, True)):.2f} ns')
        for threads in (1, 2):
            for other in ('sequential/1', f'mutex/{threads}'):
                self.tell('applications', f'{statistics.median(times_as_fast(applications, f"kmeans/wb/{threads}", f"kmeans/{other}", threads == 1)):.2f}')
            at = 'n32-r50-apart-a0-w0'
            ratio = statistics.median(a / b for a, b in zip(rates(sweep, at, 'wt', threads), rates(sweep, at, 'wb', threads)))
            self.tell('sweep', f'{ratio:.2f}')
        for variant in ('pool', 'txmem', 'sqlite'):
            self.tell('pool', f'{statistics.median(1e6 / rate for rate in rates(pool, "commit-8", variant)):.0f}')
        self.tell('pool', f'{statistics.median(a / b for a, b in zip(rates(pool, "commit-8", "pool"), rates(pool, "commit-8", "txmem"))):.2f}')
        for workload in ('u1-1', 'u1-16', 'ins-1'):
            for variant in ('pool', 'lmdb', 'pmdk'):
                self.tell('durable', f'{statistics.median(rates(durable, workload, variant)):.0f}')
        group = statistics.median(1 / e['syncs'] for e in durable['benchmarks'] if e['name'].startswith('u1-16/pool/'))
        self.tell('durable', f'{group:.1f}')

    def tell(self, name, figure):
        """It is in the terminal's tables and in the cells of the report."""
        if not hasattr(self, 'made'):
            self.made = {}
        if name not in self.made:
            _, output, _, path = self.make([name])
            self.made[name] = output, [cell.split(' [')[0].strip(' ~') for cell in self.page(path)[0].cells]
        output, cells = self.made[name]
        self.assertRegex(output, rf'(?<![\d.]){re.escape(figure)}(?![\d.])')
        self.assertIn(figure, cells)

    def test_the_summary_says_the_same(self):
        status, output, _ = self.call(*(f'--json={RECORDED}/{name}.json' for name in ('durable', 'pool', 'applications')), '--summary')
        self.assertEqual(status, 0)
        self.assertTrue(output.startswith('2026-01-02, quick form, a processor, 2 processors, Linux 6.1.0'), output)
        self.assertIn(f'{statistics.median(rates(recorded("durable"), "u1-16", "pool")):,.0f}', output)
        self.assertIn(f'{statistics.median(1e3 / rate for rate in rates(recorded("pool"), "commit-8", "pool")):.2f} ms', output)
        self.assertIn(f'{statistics.median(times_as_fast(recorded("applications"), "kmeans/wb/2", "kmeans/sequential/1", False)):.2f} (k-means)', output)
        self.assertGreater(output.count('\n- '), 5)

    def test_the_csv_has_each_benchmark_and_round(self):
        _, _, _, path = self.make()
        with open(path.replace('.html', '.csv'), newline='') as file:
            rows = list(csv.DictReader(file))
        entries = [(name, entry) for name in NAMES for entry in recorded(name)['benchmarks']]
        self.assertEqual(len(rows), len(entries))
        found = sorted((row['suite'], row['benchmark'], row['alone'], float(row['rate'])) for row in rows)
        self.assertEqual(found, sorted((name, e['name'], 'yes' if e['alone'] else 'no', e['items_per_second']) for name, e in entries))
        self.assertEqual({row['round'] for row in rows}, {'1', '2', '3'})
        self.assertEqual({row['threads'] for row in rows if row['suite'] == 'durable'}, {'1', '16'})
        self.assertEqual({(row['threads'], row['alone']) for row in rows if row['benchmark'].startswith('kmeans/wb/')}, {('1', 'yes'), ('2', 'no')})
        for row in rows:
            if row['benchmark'].startswith('u1-16/pool/'):
                self.assertEqual((row['workload'], row['variant']), ('u1-16', 'pool'))
                self.assertGreater(float(row['group']), 1)

    def test_a_merged_file_gives_the_same_again(self):
        _, _, _, first = self.make()
        second = os.path.join(self.at, 'again.html')
        status, _, _ = self.call(f'--json={first.replace(".html", ".json")}', f'--report={second}')
        self.assertEqual(status, 0)
        for kind in ('.html', '.csv', '.json'):
            with open(first.replace('.html', kind)) as one, open(second.replace('.html', kind)) as other:
                self.assertEqual(one.read(), other.read(), kind)

    def test_damage_is_told_and_is_the_exit_status(self):
        for name in NAMES:
            results = recorded(name)
            for key in set(results['benchmarks'][0]) - {'name', 'threads', 'real_time', 'cpu_time', 'alone'}:
                del results['benchmarks'][0][key]
            results['benchmarks'][0].update(error_occurred=True, error_message='two <coins> are lost')
            results['failed'] = ['the program failed with -11']
            path = self.write('damaged.json', results)
            status, output, _ = self.call(f'--json={path}', f'--report={self.at}/damaged.html')
            self.assertEqual(status, 1)
            self.assertIn(f'DAMAGED {results["benchmarks"][0]["name"]}: two <coins> are lost', output)
            self.assertIn('DAMAGED the program failed with -11', output)
            _, text = self.page(f'{self.at}/damaged.html')
            self.assertIn('two &lt;coins&gt; are lost', text)
            self.assertIn('2 damaged', text)
            with open(f'{self.at}/damaged.csv', newline='') as file:
                self.assertEqual([row['error'] for row in csv.DictReader(file)].count('two <coins> are lost'), 1)

    def test_bad_input_is_refused_by_name(self):
        one = f'--json={RECORDED}/pool.json'
        for args in ([f'--json={self.write("a.json", "{")}'], [f'--json={self.write("b.json", "[1]")}'], [f'--json={self.write("c.json", {"suites": 3})}'], ['--json=/does/not/exist'], [one, one]):
            status, _, errors = self.call(*args)
            self.assertEqual(status, 1)
            self.assertIn(args[-1].removeprefix('--json='), errors)
        self.assertEqual(self.call('--summary')[0], 2)
        for args in ([one], []):
            status, _, errors = self.call(*args, f'--report={self.at}/no/directory.html')
            self.assertEqual((status, errors), (1, f'{self.at}/no/directory.html: cannot be written\n'))


    def test_a_suite_without_figures_is_told(self):
        """A program that fails at once, in the place of the engine's; the pool's has recorded figures."""
        results = recorded('pool')
        build = os.path.join(self.at, 'build')
        os.makedirs(f'{build}/bench/pool')
        listing = 'case "$*" in *--benchmark_list_tests*) echo commit-8/pool/iterations:1/manual_time; exit ;; esac\n'
        copy = f'for arg; do case $arg in --benchmark_out=*) /bin/cp {self.write("recorded.json", results)} "${{arg#*=}}" ;; esac; done\n'
        self.write('build/bench/pool/tm-pool-bench', '#!/bin/sh\n' + listing + copy, 0o755)
        self.write('build/bench/tm-bench', '#!/bin/sh\n' + listing.replace('commit-8/pool/iterations:1/manual_time', 'bank-1024/wb/iterations:1/manual_time/threads:1') + 'exit 7\n', 0o755)
        for other in set(report.SUITES) - {'engine', 'pool'}:
            os.makedirs(f'{build}/bench/{other}', exist_ok=True)
            self.write(f'build/bench/{other}/tm-{other}-bench', '#!/bin/sh\n', 0o755)
        done = subprocess.run([sys.executable, f'{ROOT}/bench/report.py', build, '--filter=bank|commit'], env={**os.environ, 'PATH': ''}, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn('bank-1024: tm-bench failed with 7', done.stderr)
        _, text = self.page(f'{build}/report.html')
        self.assertIn('bank-1024: tm-bench failed with 7', text)
        self.assertIn('id="pool"', text)
        with open(f'{build}/report.csv', newline='') as file:
            self.assertEqual({row['suite'] for row in csv.DictReader(file)}, {'pool'})


PROGRAM = '''#!/bin/sh
for arg; do case $arg in --benchmark_out=*) out=${arg#*=} ;; --touch=*) : >"${arg#*=}" ;; --fail) status=3 ;; esac; done
echo "a/b/threads:1    1 ms"
echo '{"context": {"alone": "yes"}, "benchmarks": [{"name": "a/b/threads:1"}]}' >"$out"
exit ${status:-0}
'''


class Runs(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.program, self.touched = (os.path.join(self.directory.name, name) for name in ('program', 'touched'))
        with open(self.program, 'w') as file:
            file.write(PROGRAM)
        os.chmod(self.program, 0o755)

    def parts(self, *args):
        return [runner.Part('a', [self.program, f'--touch={self.touched}', *args], 3, {'a/b/threads:1': 20, 'a/c/threads:1': 30})]

    def test_a_plan_measures_nothing(self):
        self.assertEqual(runner.Session.plan(lambda: runner.run_parts(self.parts())), 150)
        self.assertFalse(os.path.exists(self.touched))
        self.assertEqual(runner.Session.plan(lambda: None), 0)
        merged = runner.run_parts(self.parts())
        self.assertTrue(os.path.exists(self.touched))
        self.assertEqual(merged['benchmarks'], [{'name': 'a/b/threads:1', 'alone': True}])
        self.assertEqual(merged['failed'], [])

    def test_a_program_that_fails_is_told(self):
        sys.stderr, before = open(os.devnull, 'w'), sys.stderr
        try:
            merged = runner.run_parts(self.parts('--fail'))
        finally:
            sys.stderr.close()
            sys.stderr = before
        self.assertEqual(merged['failed'], ['a: program failed with 3'])
        self.assertEqual(len(merged['benchmarks']), 1)

    def test_the_time_left_is_that_of_all_suites(self):
        progress = runner.Progress(100_000)
        progress.begin('one', 40_000)
        self.assertAlmostEqual(progress.left(), 100, delta=1)
        progress.start -= 60  # what was expected to take 30 s took 60
        progress.step('a', 30_000)
        self.assertAlmostEqual(progress.left(), 20 + 60, delta=1)
        progress.begin('two', 60_000)
        self.assertAlmostEqual(progress.left(), 60, delta=1)  # the rest of the first will not come


class Counters(unittest.TestCase):
    def test_medians_without_what_is_always_0(self):
        entries = [{'name': f'w/{variant}', 'threads': 2, 'items_per_second': 5.0, 'alone': False, 'slowest': 7.0, 'waits': 0.0, **more}
                   for more in ({'aborts': 0.5}, {'aborts': 0.25, 'extensions': 3.0}, {'aborts': 0.125, 'extensions': 9.0}) for variant in ('wb', 'mutex')]
        for entry in entries:
            if entry['name'] == 'w/mutex':
                entry.update(aborts=0.0, extensions=0.0)
        self.assertEqual(export.counters_table('engine', report.engine, {'benchmarks': entries}), (['workload', 'variant', 'threads', 'aborts', 'extensions'], [['w', 'wb', '2', '0.25', '3']]))

    def test_charts_have_quartiles(self):
        chart = report.pool.charts(recorded('pool'))[0]
        self.assertEqual([(8, *statistics.quantiles(rates(recorded('pool'), 'commit-8', 'pool'), n=4, method='inclusive'))], chart.series['pool'])


class Plots(unittest.TestCase):
    def test_text_means_nothing_to_gnuplot(self):
        chart = Chart("a 'b'\nc", 'x', 'it\'s "$y`', {'a_{b}\'': [('u v 5 %', 1, 2, 3)]}, log_y=True)
        script = plots.script(chart)
        self.assertIn("""set ylabel 'it''s "$y`'""", script)
        self.assertIn("title 'a_{b}'''", script)
        self.assertIn('noenhanced', script)
        self.assertIn("'u v 5 %%' 0", script)
        if plots.available():
            svg = plots.draw(chart, 'p')
            for text in ('u v 5 %<', 'it\'s "$y`', "a_{b}'"):
                self.assertIn(text, svg.replace('&#39;', "'").replace('&quot;', '"'))

    def test_what_a_logarithm_does_not_have_is_left_out(self):
        chart = Chart('', '', '', {'a': [(0, 1, 1, 1), (1, 0, 1, 2), (2, 1, 2, 3)], 'b': [(1, 0, 0, 3)]}, log_x=True, log_y=True)
        self.assertEqual(plots.shown(chart), {'a': [(1, 1, 1, 2), (2, 1, 2, 3)]})
        self.assertIsNone(plots.draw(Chart('', '', '', {}), 'x'))


if __name__ == '__main__':
    unittest.main()
