# SPDX-License-Identifier: MIT
"""Seeded bugs: what engine.py and pool.py share.

A table (TOML) names each bug, with the text that it changes: `file` below the library's directory, `old`, which stands there once, and `new`. A Library
makes a copy of the directory with one of them, and compiles what sees the change; what does not is taken from the library without bugs.

To try all takes long. A test run tries one of `share`. Which, depends on the library's sources: others after each change, and the same ones whenever the same sources are tested.
"""
import concurrent.futures
import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def run(command, timeout=None, **how):
    """As subprocess.run(), with the output; what does not end in time ends all of this, its own children included."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True, **how) as process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            sys.exit(f"{command[0]}: did not end in {timeout} s, which proves nothing")
        if process.returncode in (-signal.SIGTERM, -signal.SIGKILL, -signal.SIGINT):
            sys.exit(f"{command[0]}: was killed, which proves nothing")
        return subprocess.CompletedProcess(command, process.returncode, out, err)


def workers():
    return concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1)


def environment(**more):
    """That of the tests: the usual effort, also in a long run."""
    return {k: v for k, v in os.environ.items() if not k.startswith("TM_")} | more


def table(name):
    return tomllib.loads((Path(__file__).resolve().parent / name).read_text())


class Library:
    """The sources below `root`, whose objects are `is_object(source)`; compiled for `compiler` with `flags` below the directory `work`, which is emptied."""

    def __init__(self, root, is_object, compiler, flags, work):
        self.root = root
        self.is_object = is_object
        self.compiler = shlex.split(compiler)
        self.flags = flags
        self.work = Path(work).resolve()
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)

    def compile(self, source, includes, target):
        result = run([*self.compiler, *self.flags, *(f"-I{i}" for i in includes), "-c", str(source), "-o", str(target)])
        if result.returncode:
            sys.exit(f"{source} does not compile:\n{result.stderr}")
        return target

    def link(self, what, program):
        result = run([*self.compiler, *map(str, what), "-o", str(program)])
        if result.returncode:
            sys.exit(f"{program} does not link:\n{result.stderr}")
        return program

    def digest(self):
        """Of the sources."""
        files = sorted(f for f in self.root.rglob("*") if f.suffix in (".h", ".hpp", ".cpp"))
        return hashlib.sha256(b"\0".join(f.read_bytes() for f in files)).hexdigest()

    def demand_texts(self, mutants):
        """That each can be made: the sources may have moved on."""
        counts = {name: (self.root / m["file"]).read_text().count(m["old"]) for name, m in mutants.items()}
        wrong = [f"{name}: the text is in {mutants[name]['file']} {count} times, not once; adapt `old`" for name, count in counts.items() if count != 1]
        if wrong:
            sys.exit("\n".join(wrong))

    def change(self, name, mutant):
        """A copy of the library with the bug: its directory, and the file that has changed."""
        copy = self.work / name / self.root.name
        shutil.copytree(self.root, copy, ignore=shutil.ignore_patterns("doc"))
        changed = copy / mutant["file"]
        changed.write_text(changed.read_text().replace(mutant["old"], mutant["new"]))
        return copy, changed

    def compile_changed(self, copy, changed, includes):
        """The objects that see the file `changed`, through any number of headers."""
        seen, todo = {changed}, [changed]
        files = [f for f in copy.rglob("*") if f.suffix in (".h", ".hpp", ".cpp")]
        while todo:
            name = todo.pop().name
            for f in files:
                if f not in seen and name in {i.split("/")[-1] for i in re.findall(r'^#include ["<]([\w./]+)[">]', f.read_text(), re.M)}:
                    seen.add(f)
                    todo.append(f)
        return [self.compile(s, includes, copy.parent / f"{s.parent.name}-{s.stem}.o") for s in seen if s.suffix == ".cpp" and self.is_object(s)]


def try_all(kind, table_name, args, code, test, share):
    """Print what `test(name, mutant)`, which changes the Library `code`, says caught each bug; it returns that, or "". The status of the program."""
    mutants = table(table_name)
    code.demand_texts(mutants)
    if args.only:
        wanted = {n: m for n, m in mutants.items() if any(part in n for part in args.only.split(","))}
        if not wanted:
            sys.exit(f"no bug has {args.only} in its name")
    elif args.all or "TM_TEST_LONG" in os.environ:
        wanted = mutants
    else:
        sources = code.digest()
        wanted = {n: m for n, m in mutants.items() if zlib.crc32((n + sources).encode()) % share == 0}

    def outcome(item):
        try:
            caught = test(*item)
            return bool(caught), caught or "SURVIVES"
        except SystemExit as e:  # it does not compile, or its tests hang; the others are tried all the same
            return False, f"PROVES NOTHING: {e}"

    survivors = 0
    with workers() as pool:
        for name, (caught, how) in zip(wanted, pool.map(outcome, wanted.items())):
            print(f"{name:58} {how}", flush=True)
            survivors += not caught
    print(f"explored: {len(wanted)} of {len(mutants)} mutants of the {kind}, {survivors} not caught")
    return 1 if survivors else 0


def arguments(parser):
    """Those of both."""
    parser.add_argument("build")
    parser.add_argument("library")
    parser.add_argument("compiler")
    parser.add_argument("--only", help="the bugs whose names contain this, or one of these: A,B")
    parser.add_argument("--all", action="store_true", help="not only some of them")
    parser.add_argument("--keep", action="store_true", help="keep what was built")
    return parser
