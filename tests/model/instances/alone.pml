/* SPDX-License-Identifier: MIT */
/* A writer that begins after the token was taken gives way; one that wrote before is waited for. P20 */
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

inline fetch()
{
    if
    AT(0, 0, ALONE, 0, 0)
    AT(0, 1, READ, X, 0)
    AT(0, 2, WRITE, Y, r[X] + 1)
    AT(0, 3, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, Y, 0)
    AT(1, 2, WRITE, X, r[Y] + 1)
    AT(1, 3, COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) + NEWEST(DATUM(Y)) == 3)

#include "../engine.pml"
