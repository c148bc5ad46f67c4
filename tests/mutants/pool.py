#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pool.py BUILD-DIR LIBRARY COMPILER [--all] [--only NAME] [--keep] [--quick] [--link FILE]... -- PROGRAM...

Builds the pools with each seeded bug of pool.toml in turn and runs the programs of tests, in their order, until one of them fails. Prints a line for each bug with the
test that caught it, and "N of M mutants of the pool, 0 not caught". Fails if one survives. LIBRARY is libtm-persist-objects.a without bugs; what a bug does not
change is taken from there. A PROGRAM is an archive of the objects of one, and what it is called with. Work is done below BUILD-DIR/mutants-of-the-pool.
"""
import argparse
import os
import re
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

import seeded

SECONDS = 600  # of a program: a watchdog. A test whose subject may hang has to notice that by itself
MEMORY = "/dev/shm"  # no mutant is about what a real disk does, and syncs of one take most of the time


class Program:
    def __init__(self, text):
        archive, *self.arguments = shlex.split(text)
        self.archive = Path(archive).resolve()
        self.name = self.archive.stem.removeprefix("lib")


class Pool:
    def __init__(self, args, directory):
        self.library = Path(args.library).resolve()
        self.links = [Path(l).resolve() for l in args.link]
        self.programs = [Program(text) for text in args.programs]
        self.code = seeded.Library(seeded.ROOT / "libtm-persist", lambda source: source.parent.name == "src", args.compiler, ["-std=c++20", "-O1", "-w"],
                                   Path(args.build) / "mutants-of-the-pool")
        self.directory = directory
        self.is_quick = args.quick
        self.left_out = set()
        with seeded.workers() as workers:
            for skipped in workers.map(self.skipped_without_bugs, self.programs):
                self.left_out |= skipped

    def skipped_without_bugs(self, program):
        """The tests that this machine is not made for. All others must pass."""
        result = self.run(self.link(program, [], self.code.work), program, True, names_tests=True)
        if result.returncode:
            said = "\n".join(line for line in result.stdout.splitlines() if line and not line.endswith(": Skipped"))
            sys.exit(f"{program.name} fails without any seeded bug: what it says of one would mean nothing\n{said}")
        return set(re.findall(r"\[  SKIPPED \] ([^\s,]+) \(", result.stdout))

    def link(self, program, objects, where):
        # Objects of the library come first, so that their versions of what headers define are taken.
        return self.code.link([*objects, "-Wl,--whole-archive", program.archive, "-Wl,--no-whole-archive", "-Wl,--start-group", self.library, *self.links, "-Wl,--end-group",
                               *(f"-Wl,-rpath,{l.parent}" for l in self.links), "-lgtest_main", "-lgtest", "-lisal", "-pthread"], where / program.name)

    def run(self, path, program, is_quick=False, test=None, names_tests=False):
        arguments = [a for a in program.arguments if not (names_tests and a == "--gtest_brief=1")]
        quick = {"TM_TEST_QUICK": "1"} if is_quick else {}
        return seeded.run([str(path), *arguments, *([f"--gtest_filter={test}"] if test else [])], timeout=SECONDS,
                          env=seeded.environment(TMPDIR=self.directory, **quick), cwd=path.parent)

    def test(self, name, mutant):
        if mutant.get("needs") in self.left_out:
            return f"left out: {mutant['needs']} is skipped here"
        copy, changed = self.code.change(name, mutant)
        objects = self.code.compile_changed(copy, changed, [copy / "include", seeded.ROOT / "libtm" / "include"])
        paths = {}
        for program, is_quick, test in self.tries(mutant):
            if program.name not in paths:
                paths[program.name] = self.link(program, objects, copy.parent)
            result = self.run(paths[program.name], program, is_quick, test)
            if result.returncode:
                said = re.search(r"^\[  FAILED  \] ([^\s,]+)", result.stdout, re.M) or re.search(r"^((?!Running|Note).*\S.*)", result.stdout + result.stderr, re.M)
                return f"{program.name}: {said[1] if said else f'ended with status {result.returncode}'}" + ("" if is_quick else " (at full effort)")
        return ""

    def tries(self, mutant):
        """Programs, whether in the quick way, and one test or all: what has caught this bug once, then all, then all at full effort."""
        first, _, test = mutant.get("caught_by", "").partition(": ")
        yield from ((program, True, test) for program in self.programs if program.name == first)
        yield from ((program, True, None) for program in self.programs)
        if not self.is_quick:
            yield from ((program, False, None) for program in self.programs)


def main():
    parser = seeded.arguments(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter))
    parser.add_argument("--link", action="append", default=[], help="a library that the programs need")
    parser.add_argument("--quick", action="store_true", help="with short searches only")
    parser.add_argument("programs", nargs="+")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="libtm-mutants-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as directory:
        os.chmod(directory, 0o755)  # there are tests that give up their privileges
        pool = Pool(args, directory)
        status = seeded.try_all("pool", "pool.toml", args, pool.code, pool.test, share=12)
    if not args.keep:
        shutil.rmtree(pool.code.work, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
