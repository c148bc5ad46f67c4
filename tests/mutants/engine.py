#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""engine.py BUILD-DIR LIBRARY COMPILER [--all] [--only NAME] [--keep] -- TEST-SOURCE...

Builds the engine with each seeded bug of engine.toml in turn, as the schedule explorer sees it, and runs the explored tests on it until
one of them fails. Prints a line for each bug with the test that caught it, and "N of M mutants of the engine, 0 not caught". Fails if one survives.
LIBRARY is libtm-explore.a without bugs; what a bug does not change is taken from there. Work is done below BUILD-DIR/mutants.
"""
import argparse
import re
import shutil
import sys
from pathlib import Path

import seeded

SECONDS = 900  # of the tests on one mutant: a watchdog. The explorer notices who does not get on, so running into it proves nothing


def is_object(source):
    return (source.parent.name == "src" or source.name == "engine_state.cpp") and source.name not in ("heap.cpp", "begin_portable.cpp")


class Engine:
    def __init__(self, args):
        self.library = Path(args.library).resolve()
        self.sources = [Path(s).resolve() for s in args.sources]
        self.code = seeded.Library(seeded.ROOT / "libtm", is_object, args.compiler, ["-std=c++20", "-O1", "-fsanitize=thread", "-DLIBTM_KNOWS_MEMBARRIER", "-w"], Path(args.build) / "mutants")
        self.tests = self.compile_tests(self.code.root / "include", self.code.work / "tests")
        sound = self.link(self.tests, self.code.work / "sound")
        if seeded.run([str(sound), "--quick"], env=seeded.environment()).returncode:
            sys.exit("the tests fail without any seeded bug: what they say of one would mean nothing")

    def compile_tests(self, include, where):
        where.mkdir(parents=True, exist_ok=True)
        return [self.code.compile(s, [include], where / (s.stem + ".o")) for s in self.sources]

    def link(self, objects, program):
        return self.code.link(["-no-pie", *objects, self.library, "-lboost_context", "-ldl", "-pthread"], program)

    def test(self, name, mutant):
        copy, changed = self.code.change(name, mutant)
        include = copy / "include"
        tests = self.compile_tests(include, copy.parent / "tests") if include in changed.parents else self.tests
        program = self.link(self.code.compile_changed(copy, changed, [include]) + tests, copy.parent / "explore_tests")
        for effort in (["--quick"], []):  # most are caught at once
            result = seeded.run([str(program), *effort], timeout=SECONDS, env=seeded.environment())
            if result.returncode:
                caught = re.search(r"^([^\n]*): ([^\n]*), after (\d+) schedules", result.stdout, re.M)
                if caught and "does not do the same" in caught[2]:
                    sys.exit(f"{caught[1]}: {caught[2]}")  # of the test, not of the bug
                return f"{caught[1]}: {caught[2]}" if caught else f"the tests ended with status {result.returncode}"
        return ""


def main():
    parser = seeded.arguments(argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter))
    parser.add_argument("sources", nargs="+")
    args = parser.parse_args()
    engine = Engine(args)
    status = seeded.try_all("engine", "engine.toml", args, engine.code, engine.test, share=4)
    if not args.keep:
        shutil.rmtree(engine.code.work, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
