/* SPDX-License-Identifier: MIT */
/* The deferred clock: a commit takes a version that no snapshot taken before its locks includes, though nobody has moved the clock for it. P12 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 3
#define DATA 3
#define X 0
#define Y 1
#define Z 2
#ifndef ATTEMPTS
#define ATTEMPTS 1
#endif
#define QUIESCES(p) 0
#define THROUGH(p) 0

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, WRITE, Z, 1)
    AT(0, 2, COMMIT, 0, 0)
    AT(0, 3, BEGIN, 0, 0)
    AT(0, 4, WRITE, X, 1)
    AT(0, 5, WRITE, Y, 1)
    AT(0, 6, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, Z, 0) /* may move the clock */
    AT(1, 2, COMMIT, 0, 0)
    AT(1, 3, BEGIN, 0, 0)
    AT(1, 4, READ, X, 0)
    AT(1, 5, READ, Y, 0)
    CHECK(1, 6, r[X] == r[Y], READ, Z, 0)
    CHECK(1, 7, r[X] <= r[Z], COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) == 1)

#include "../engine.pml"
