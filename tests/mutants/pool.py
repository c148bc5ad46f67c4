#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""pool.py BUILD-DIR LIBRARY COMPILER [--only NAME] [--keep] [--quick] [--link FILE]... -- PROGRAM...

Builds the pools with each seeded bug of pool.toml in turn and runs the programs of tests, in their order, until one of them fails. Prints a line for each bug with the
test that caught it, and "N mutants of the pool, 0 not caught". Fails if one survives. LIBRARY is libtm-persist-objects.a without bugs; what a bug does not
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
    def __init__(self, args):
        self.library = Path(args.library).resolve()
        self.links = [Path(l).resolve() for l in args.link]
        self.programs = [Program(text) for text in args.programs]
        self.code = seeded.Library(seeded.ROOT / "libtm-persist", lambda source: source.parent.name == "src", args.compiler, ["-std=c++20", "-O1", "-w"],
                                   Path(args.build) / "mutants-of-the-pool")
        self.directory = tempfile.mkdtemp(prefix="libtm-mutants-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None)
        os.chmod(self.directory, 0o755)  # there are tests that give up their privileges
        self.is_quick = args.quick
        self.left_out = set()
        for program in self.programs:
            result = self.run(self.link(program, [], self.code.work), program, True)
            if result.returncode:
                said = "\n".join(line for line in result.stdout.splitlines() if line and not line.endswith(": Skipped"))
                sys.exit(f"{program.name} fails without any seeded bug: what it says of one would mean nothing\n{said}")
            self.left_out |= set(re.findall(r"\[  SKIPPED \] (\S+)", result.stdout))

    def link(self, program, objects, where):
        # Objects of the library come first, so that their versions of what headers define are taken.
        return self.code.link([*objects, "-Wl,--whole-archive", program.archive, "-Wl,--no-whole-archive", self.library, *self.links,
                               *(f"-Wl,-rpath,{l.parent}" for l in self.links), "-lgtest_main", "-lgtest", "-lisal", "-pthread"], where / program.name)

    def run(self, path, program, is_quick):
        quick = {"TM_TEST_QUICK": "1"} if is_quick else {}
        return seeded.run([str(path), *program.arguments], timeout=SECONDS, env=seeded.environment(TMPDIR=self.directory, **quick), cwd=path.parent)

    def test(self, name, mutant):
        if mutant.get("needs") in self.left_out:
            return f"left out: {mutant['needs']} is skipped here"
        copy, changed = self.code.change(name, mutant)
        objects = self.code.compile_changed(copy, changed, [copy / "include", seeded.ROOT / "libtm" / "include"])
        for is_quick in (True,) if self.is_quick else (True, False):  # most are caught at once
            for program in self.programs:
                path = self.link(program, objects, copy.parent) if is_quick else copy.parent / program.name
                result = self.run(path, program, is_quick)
                if result.returncode:
                    caught = re.search(r"^\[  FAILED  \] ([^\s,]+)", result.stdout, re.M) or re.search(r"^((?!Running|Note).*\S.*)", result.stdout + result.stderr, re.M)
                    said = caught[1] if caught else f"ended with status {result.returncode}"
                    return f"{program.name}: {said}" + ("" if is_quick else " (at full effort)")
        return ""


def main():
    parser = seeded.arguments(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter))
    parser.add_argument("--link", action="append", default=[], help="a library that the programs need")
    parser.add_argument("--quick", action="store_true", help="with short searches only")
    parser.add_argument("programs", nargs="+")
    args = parser.parse_args()
    pool = Pool(args)
    try:
        return seeded.try_all("pool", "pool.toml", args.only, pool.test)
    finally:
        shutil.rmtree(pool.directory, ignore_errors=True)
        if not args.keep:
            shutil.rmtree(pool.code.work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
