#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""run.py BUILD-DIR LIBRARY COMPILER [--only NAME] [--keep] -- TEST-SOURCE...

Builds the engine with each seeded bug of mutants.toml in turn, as the schedule explorer sees it, and runs the explored tests on it until
one of them fails. Prints a line for each bug with the test that caught it, and "N mutants, 0 not caught". Fails if one survives.
LIBRARY is libtm-explore.a without bugs; what a bug does not change is taken from there. Work is done below BUILD-DIR/mutants.
"""
import argparse
import concurrent.futures
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIBTM = HERE.parent.parent / "libtm"
FLAGS = ["-std=c++20", "-O1", "-fsanitize=thread", "-w"]
SECONDS = 900  # of the tests on one mutant: a watchdog. The explorer notices who does not get on, so running into it proves nothing
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("TM_")}  # the usual effort, also in a long run of the tests


def includes(source):
    return set(re.findall(r'^#include ["<]([\w./]+)[">]', source.read_text(), re.M))


def dependents(root, changed):
    """The sources of the engine that see the file `changed`, through any number of headers."""
    seen, todo = {changed}, [changed]
    files = [f for f in root.rglob("*") if f.suffix in (".h", ".hpp", ".cpp")]
    while todo:
        name = todo.pop().name
        for f in files:
            if f not in seen and any(i.split("/")[-1] == name for i in includes(f)):
                seen.add(f)
                todo.append(f)
    ours = [f for f in seen if f.suffix == ".cpp" and (f.parent.name == "src" or f.name == "engine_state.cpp")]
    return [f for f in ours if f.name not in ("heap.cpp", "begin_portable.cpp")]


def run(command, **how):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", **how)


class Mutants:
    def __init__(self, args):
        self.compiler = shlex.split(args.compiler)
        self.library = Path(args.library).resolve()
        self.sources = [Path(s).resolve() for s in args.sources]
        self.dir = Path(args.build).resolve() / "mutants"
        self.tests = self.dir / "tests"

    def compile(self, source, include, target):
        result = run([*self.compiler, *FLAGS, f"-I{include}", "-c", str(source), "-o", str(target)])
        if result.returncode:
            sys.exit(f"{source} does not compile:\n{result.stderr}")
        return target

    def compile_tests(self, include, where):
        where.mkdir(parents=True, exist_ok=True)
        return [self.compile(s, include, where / (s.stem + ".o")) for s in self.sources]

    def prepare(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        self.test_objects = self.compile_tests(LIBTM / "include", self.tests)
        sound = self.link(self.test_objects, self.dir / "sound")
        if run([str(sound), "--quick"], env=ENVIRONMENT).returncode:
            sys.exit("the tests fail without any seeded bug: what they say of one would mean nothing")

    def link(self, objects, program):
        result = run([*self.compiler, "-no-pie", *map(str, objects), str(self.library), "-lboost_context", "-ldl", "-pthread", "-o", str(program)])
        if result.returncode:
            sys.exit(f"{program} does not link:\n{result.stderr}")
        return program

    def build(self, name, mutant):
        where = self.dir / name
        shutil.copytree(LIBTM, where / "libtm", ignore=shutil.ignore_patterns("doc"))
        changed = where / "libtm" / mutant["file"]
        text = changed.read_text()
        if text.count(mutant["old"]) != 1:
            sys.exit(f"mutants.toml: {name}: the text is in {mutant['file']} {text.count(mutant['old'])} times, not once; adapt `old`")
        changed.write_text(text.replace(mutant["old"], mutant["new"]))
        include = where / "libtm" / "include"
        objects = [self.compile(s, include, where / (s.parent.name + "-" + s.stem + ".o")) for s in dependents(where / "libtm", changed)]
        public = include in changed.parents
        objects += self.compile_tests(include, where / "tests") if public else self.test_objects
        return self.link(objects, where / "explore_tests")

    def test(self, name, mutant):
        program = self.build(name, mutant)
        for effort in (["--quick"], []):  # most are caught at once
            try:
                result = run([str(program), *effort], timeout=SECONDS, env=ENVIRONMENT)
            except subprocess.TimeoutExpired:
                sys.exit(f"{name}: the tests did not end in {SECONDS} s")
            if result.returncode:
                break
        else:
            return name, "", result.stdout
        caught = re.search(r"^([^\n]*): ([^\n]*), after (\d+) schedules", result.stdout, re.M)
        if caught:
            return name, f"{caught[1]}: {caught[2]}", result.stdout
        return name, f"the tests ended with status {result.returncode}", result.stdout + result.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("library")
    parser.add_argument("compiler")
    parser.add_argument("--only", help="the bugs whose names contain this")
    parser.add_argument("--keep", action="store_true", help="keep what was built")
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()
    table = tomllib.loads((HERE / "mutants.toml").read_text())
    wanted = {n: m for n, m in table.items() if not args.only or args.only in n}
    mutants = Mutants(args)
    mutants.prepare()
    survivors = []
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for name, caught, output in pool.map(lambda item: mutants.test(*item), wanted.items()):
            print(f"{name:58} {caught or 'SURVIVES'}", flush=True)
            if not caught:
                survivors.append(name)
    if not args.keep:
        shutil.rmtree(mutants.dir, ignore_errors=True)
    print(f"explored: {len(wanted)} mutants of the engine, {len(survivors)} not caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
