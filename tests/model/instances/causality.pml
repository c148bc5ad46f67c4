/* SPDX-License-Identifier: MIT */
/* What a transaction has read and passed on is there for who reads the message. P12 */
#include "../program.pml"

#define PROCESSES 3
#define ORECS 2
#define DATA 2
#define X 0
#define Y 1
#ifndef ATTEMPTS
#define ATTEMPTS 1
#endif
#ifndef ROUNDS
#define ROUNDS 0
#endif
#define QUIESCES(p) 0

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, WRITE, X, 1)
    AT(0, 2, COMMIT, 0, 0)
    AT(2, 0, BEGIN, 0, 0)
    AT(2, 1, READ, X, 0)
    AT_IF(2, 2, r[X] == 1, WRITE, Y, 1)
    AT_IF(2, 2, r[X] != 1, COMMIT, 0, 0); ip = 9
    AT(2, 3, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, Y, 0)
    AT(1, 2, READ, X, 0)
    CHECK(1, 3, !(r[Y] == 1 && r[X] == 0), COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (true)

#include "../engine.pml"
