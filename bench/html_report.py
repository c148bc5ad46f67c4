# SPDX-License-Identifier: MIT
"""The report: one HTML file that needs no other, with what was printed, charts and counters of each suite."""
import contextlib
import html
import io
import sys
from dataclasses import dataclass, field

import export
import plots
import tables

STYLE = '''
body { font: 15px/1.45 sans-serif; max-width: 72em; margin: 1.5em auto; padding: 0 1em; color: #222; background: #fff }
h1 { font-size: 1.6em } h2 { font-size: 1.3em; border-bottom: 1px solid #bbb; margin-top: 2em } h3 { font-size: 1em; margin: 1.6em 0 .4em }
table { border-collapse: collapse; font-size: 13px } div.wide { overflow-x: auto }
th, td { padding: .15em .7em; text-align: right; vertical-align: top; border-bottom: 1px solid #e4e4e4; white-space: nowrap } th { background: #f4f4f4 }
th:first-child, td:first-child { text-align: left; white-space: normal } td span { display: block; color: #777; font-size: 11px }
.MISSED, .DAMAGED { color: #b00020; font-weight: bold } .ok { color: #19703a }
pre { background: #f7f7f7; padding: .6em; font-size: 12px; white-space: pre-wrap } figure { margin: 1.4em 0 } figure svg { width: 100%; height: auto; max-width: 60em }
figcaption { font-weight: bold } figcaption + p, .note { color: #555; font-size: 13px; margin: .2em 0 } summary { cursor: pointer; color: #14508c; font-size: 13px }
'''
HOW = ('Each benchmark is a window of time in which its threads work as fast as they can. All variants of a workload run in turn, A B C A B C, round after round, so that the n-th figures of all can be compared on a machine '
       'whose speed changes; a ratio is formed within each round. What is shown is the median over the rounds, in brackets the lower and the upper quartile, then the target, if there is one, and whether the median reaches it. '
       'Bars and points are medians, the thin lines quartiles. After each window the data are checked. Single figures are in the CSV file beside this one, a row for each benchmark and round.')


@dataclass
class Section:
    """A suite's part."""

    name: str
    title: str
    suite: object
    results: dict
    blocks: list = field(default_factory=list)  # what it has printed: ('text', str), ('heading', str) or ('rows', head, rows)
    missed: list = field(default_factory=list)
    damaged: list = field(default_factory=list)

    def verdict(self):
        count = len(self.missed)
        return f'{count or "no"} figure{"s" * (count > 1)} missed'

    def charts(self):
        """Of a suite that has none, none."""
        return self.suite.charts(self.results) if hasattr(self.suite, 'charts') else []

    def summary(self):
        return self.suite.summary(self.results) if hasattr(self.suite, 'summary') else []


class Recorder(tables.Output, io.TextIOBase):
    """Stands for standard output while a suite reports: all goes on to the terminal, and is kept, tables as such."""

    def __init__(self):
        self.terminal, self.blocks, self.deaf = sys.stdout, [], False

    def write(self, text):
        if not self.deaf:
            if self.blocks and self.blocks[-1][0] == 'text':
                self.blocks[-1] = ('text', self.blocks[-1][1] + text)
            else:
                self.blocks.append(('text', text))
        return self.terminal.write(text)

    def flush(self):
        self.terminal.flush()

    def heading(self, text):
        self.blocks.append(('heading', text))
        self.deaf = True
        super().heading(text)
        self.deaf = False

    def rows(self, head, rows):
        self.blocks.append(('rows', head, rows))
        self.deaf = True
        super().rows(head, rows)
        self.deaf = False


@contextlib.contextmanager
def recorded():
    """The blocks of what is printed meanwhile."""
    recorder, before = Recorder(), tables.output
    tables.output = recorder
    try:
        with contextlib.redirect_stdout(recorder):
            yield recorder.blocks
    finally:
        tables.output = before


def escape(text):
    return html.escape(str(text))


def cell(lines):
    """The figure, and below it what the terminal has in the rows below: quartiles, target."""
    first, *below = lines
    def marked(text):
        text = escape(text)
        for word in ('MISSED', 'ok'):
            if text.endswith(word):
                text = text[:-len(word)] + f'<b class="{word}">{word}</b>'
        return text
    return '<td>' + marked(first) + ''.join(f'<span>{marked(line)}</span>' for line in below if line) + '</td>'


def table(head, rows):
    """A row whose first cell is empty goes on with the one before."""
    merged = []
    for row in rows:
        if row and row[0] == '' and merged:
            for lines, text in zip(merged[-1], row):
                lines.append(text)
        else:
            merged.append([[text] for text in row])
    out = ['<div class="wide"><table><thead><tr>' + ''.join(f'<th>{escape(title)}</th>' for title in head) + '</tr></thead><tbody>']
    out += ['<tr>' + ''.join(cell(lines) for lines in row) + '</tr>' for row in merged]
    return '\n'.join([*out, '</tbody></table></div>'])


def figure(chart, prefix):
    """The plot, and its figures as a table, which is all there is without gnuplot."""
    try:
        drawn, fault = plots.draw(chart, prefix), ''
    except RuntimeError as error:
        drawn, fault = None, str(error)
        print(fault, file=sys.stderr)
    xs = list(dict.fromkeys(x for points in chart.series.values() for x, *_ in points))
    points = {name: {x: rest for x, *rest in series} for name, series in chart.series.items()}
    rows = []
    for name, found in points.items():
        rows.append([name, *(export.number(found[x][1]) if x in found else '-' for x in xs)])
        rows.append(['', *(f'[{export.number(found[x][0])}-{export.number(found[x][2])}]' if x in found else '' for x in xs)])
    numbers = table([chart.x_label, *(f'{x:,}' if isinstance(x, (int, float)) else x for x in xs)], rows)
    out = [f'<figure><figcaption>{escape(chart.title)}</figcaption>', f'<p>{escape(chart.note)}</p>' if chart.note else '', f'<p class="note">{escape(fault)}</p>' if fault else '',
           drawn or '', f'<details{"" if drawn else " open"}><summary>its figures: {escape(chart.y_label)}</summary>{numbers}</details></figure>']
    return '\n'.join(line for line in out if line)


def listed(title, lines):
    if not lines:
        return f'<p>{title}: none.</p>'
    return f'<p>{title}:</p><ul>' + ''.join(f'<li>{escape(line)}</li>' for line in lines) + '</ul>'


def part(section):
    """One suite."""
    out = [f'<section><h2 id="{escape(section.name)}">{escape(section.title)}</h2>']
    for kind, *what in section.blocks:
        if kind == 'heading':
            out.append(f'<h3>{escape(what[0])}</h3>')
        elif kind == 'rows':
            out.append(table(*what))
        elif what[0].strip():
            out.append(f'<pre>{escape(what[0].strip(chr(10)))}</pre>')
    out += [figure(chart, f'{section.name}-{i}') for i, chart in enumerate(section.charts())]
    head, rows = export.counters_table(section.name, section.suite, section.results)
    if rows:
        out.append(f'<details><summary>counters: medians over the rounds, columns that are not 0</summary>{table(head, rows)}</details>')
    out.append(listed('Figures missed', section.missed))
    if section.damaged:
        out.append(listed('<b class="DAMAGED">DAMAGED</b>', section.damaged))
    return '\n'.join(line for line in [*out, '</section>'] if line)


def short(sections):
    """What the report begins with."""
    out = []
    for section in sections:
        lines = section.summary()
        damage = f', <b class="DAMAGED">{len(section.damaged)} damaged</b>' if section.damaged else ''
        out.append(f'<h3><a href="#{escape(section.name)}">{escape(section.title)}</a>: {section.verdict()}{damage}</h3>')
        if lines:
            out.append('<ul>' + ''.join(f'<li>{escape(line)}</li>' for line in lines) + '</ul>')
    return '\n'.join(out)


def page(sections, machine, lost=()):
    """The whole file. `machine`: a sentence. `lost`: what is to be told of suites that are not there."""
    lacking = '' if plots.available() else f'<p class="note">Without plots: there is no gnuplot here (Debian package {plots.PACKAGE}). The figures of each chart are there as a table.</p>'
    return '\n'.join(['<!DOCTYPE html>', '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>libtm: benchmarks</title>', f'<style>{STYLE}</style></head><body>',
                      '<h1>libtm: benchmarks</h1>', f'<p>{escape(machine)}</p>', lacking, '<h2>In short</h2>', listed('<b class="DAMAGED">Suites without figures</b>', lost) if lost else '', short(sections), '<h2>How it was measured</h2>', f'<p>{escape(HOW)}</p>',
                      *(part(section) for section in sections), '</body></html>', ''])
