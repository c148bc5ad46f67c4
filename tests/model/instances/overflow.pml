/* SPDX-License-Identifier: MIT */
/* The overflow of the clock, at version 1: no old version is taken for a new one, and all go on. P16 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 2
#define DATA 2
#define X 0
#define Y 1
#define SERIAL
#ifndef MESSAGES
#define MESSAGES 20
#endif
#define LAST 1
#ifndef ROUNDS
#define ROUNDS 0
#endif
#define QUIESCES(p) 0
#define THROUGH(p) (2 * ((p) == 0))

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, WRITE, X, 1)
    AT(0, 2, WRITE, Y, 1)
    AT(0, 3, COMMIT, 0, 0)
    AT(0, 4, BEGIN, 0, 0)
    AT(0, 5, READ, X, 0)
    AT(0, 6, WRITE, X, 2)
    AT(0, 7, WRITE, Y, 2)
    AT(0, 8, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, X, 0)
    AT(1, 2, READ, Y, 0)
    CHECK(1, 3, r[X] == r[Y], COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) == 2 && NEWEST(DATUM(Y)) == 2)

#include "../engine.pml"
