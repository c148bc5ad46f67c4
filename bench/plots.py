# SPDX-License-Identifier: MIT
"""Draw a chart.Chart as SVG, by gnuplot: see README.md for why it. Without it there are no plots."""
import re
import shutil
import subprocess

PACKAGE = 'gnuplot-nox'
COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#000000', '#8c6d31', '#7f7f7f', '#9467bd', '#17becf', '#bcbd22']
POINTS = [7, 5, 9, 11, 13, 6, 4, 8, 10, 12, 1, 2]
WIDTH, HEIGHT, LINE = 860, 370, 19  # the height without the lines of the legend


def available():
    return shutil.which('gnuplot') is not None


def quoted(text):
    """As a string of gnuplot's in which nothing has a meaning."""
    return "'" + ' '.join(str(text).split()).replace("'", "''") + "'"


def tics(places):
    """Labels of the x axis, each at its place. Gnuplot takes them for formats."""
    return '(' + ', '.join(f'{quoted(label).replace("%", "%%")} {place}' for label, place in places.items()) + ')'


def is_lines(chart):
    return all(isinstance(x, (int, float)) for points in chart.series.values() for x, *_ in points)


def shown(chart):
    """Its series without what a logarithmic axis cannot have, and without the empty ones. A quartile that it cannot have is as far as the median."""
    def possible(point):
        return not (chart.log_y and point[2] <= 0) and not (chart.log_x and is_lines(chart) and point[0] <= 0)

    def cut(x, low, median, high):
        return x, median if chart.log_y and low <= 0 else low, median, high
    points = {name: [cut(*p) for p in series if possible(p)] for name, series in chart.series.items()}
    return {name: series for name, series in points.items() if series}


def script(chart):
    """What gnuplot is to do."""
    series, lines = shown(chart), is_lines(chart)
    height = HEIGHT + LINE * ((len(series) + 1) // 2)
    out = [f'set terminal svg noenhanced size {WIDTH},{height} dynamic font "sans-serif,12" background "white"', 'set key below Left reverse samplen 2', 'set grid ytics lc "#dddddd" lt 1',
           'set border 3 lc "#555555"', 'set tics nomirror', f'set ylabel {quoted(chart.y_label)}', f'set xlabel {quoted(chart.x_label)}', 'set errorbars small' + ('' if lines else ' lc rgb "#222222"')]
    out += ['set logscale y', 'set yrange [*:*]'] if chart.log_y else ['set yrange [0:*]']
    plots = []
    for i, (name, points) in enumerate(series.items()):
        colour = f'lc rgb "{COLOURS[i % len(COLOURS)]}"'
        style = f'1:2:3:4 with yerrorlines {colour} lw 1.5 pt {POINTS[i % len(POINTS)]} ps 0.7' if lines else f'1:2:3:4:5 with boxerrorbars {colour}'
        plots.append(f'$data{i} using {style} title {quoted(name)}')
    if lines:
        xs = sorted({x for points in series.values() for x, *_ in points})
        out.append('set xtics ' + tics({f'{x:,}': x for x in xs}))
        if chart.log_x:
            out += ['set logscale x', f'set xrange [{xs[0] / 1.1}:{xs[-1] * 1.1}]']
        else:
            edge = 0.03 * (xs[-1] - xs[0]) or 1
            out.append(f'set xrange [{xs[0] - edge}:{xs[-1] + edge}]')
        place = {x: x for x in xs}
    else:
        groups = list(dict.fromkeys(x for points in series.values() for x, *_ in points))
        place = {x: i for i, x in enumerate(groups)}
        turn = ' rotate by -25' if sum(len(str(x)) for x in groups) > 90 else ''
        out.append(f'set xtics{turn} {tics(place)}')
        out += [f'set xrange [-0.5:{len(groups) - 0.5}]', 'set style fill solid 0.85 noborder']
    width = 0.8 / len(series)  # of a bar, where groups are 1 apart
    for i, points in enumerate(series.values()):
        shift = 0 if lines else width * (i + 0.5) - 0.4
        out.append(f'$data{i} << EOD')
        out += [f'{place[x] + shift:.6g} {median:.6g} {low:.6g} {high:.6g} {width:.4g}' for x, low, median, high in sorted(points, key=lambda p: place[p[0]])]
        out.append('EOD')
    if chart.level is not None:
        plots.append(f'{chart.level} with lines lc rgb "#444444" dt 2 notitle')
    return '\n'.join([*out, 'plot ' + ', '.join(plots), ''])


def inline(svg, prefix):
    """To stand within HTML among others: no prolog, no namespaces, identifiers of its own."""
    svg = re.sub(r'^.*?(?=<svg\b)', '', svg, flags=re.S)
    svg = re.sub(r'\s+xmlns(:\w+)?=("[^"]*"|\'[^\']*\')', '', svg)
    svg = re.sub(r'<(title|desc)>.*?</\1>', '', svg, flags=re.S)
    svg = re.sub(r'(\bid=["\'])', rf'\g<1>{prefix}-', svg)
    svg = re.sub(r'xlink:href=', 'href=', svg)
    return re.sub(r'(href=["\']#|url\(#)', rf'\g<1>{prefix}-', svg).strip()


def draw(chart, prefix):
    """An <svg> element, whose identifiers begin with the prefix. None: there is nothing to be drawn, or nothing to draw it with. Throws RuntimeError if gnuplot fails."""
    if not available() or not shown(chart):
        return None
    done = subprocess.run(['gnuplot', '-d'], input=script(chart), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0 or '<svg' not in done.stdout:
        raise RuntimeError(f'gnuplot could not draw "{chart.title}": {done.stderr.strip()}')
    return inline(done.stdout, prefix)
