/* SPDX-License-Identifier: MIT */
/* Of two that each read what the other writes, one gives way, also with the same version: the deferred clock. P12 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 2
#define DATA 2
#define X 0
#define Y 1
#define QUIESCES(p) 2

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, READ, X, 0)
    AT_IF(0, 2, r[X] == 0, WRITE, Y, 1)
    AT_IF(0, 2, r[X] != 0, COMMIT, 0, 0); ip = 3
    AT(0, 3, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, Y, 0)
    AT_IF(1, 2, r[Y] == 0, WRITE, X, 1)
    AT_IF(1, 2, r[Y] != 0, COMMIT, 0, 0); ip = 3
    AT(1, 3, COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) + NEWEST(DATUM(Y)) < 2)

#include "../engine.pml"
