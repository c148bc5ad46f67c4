/* SPDX-License-Identifier: MIT */
/* A snapshot that is moved up between two reads stays one. P12 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 2
#define DATA 2
#define X 0
#define Y 1
#ifndef READS
#define READS 6
#endif
#ifndef MESSAGES
#define MESSAGES 20
#endif
#define THROUGH(p) (2 * ((p) == 0))
#define QUIESCES(p) (1 + ((p) == 0))

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, WRITE, X, 1)
    AT(0, 2, COMMIT, 0, 0)
    AT(0, 3, BEGIN, 0, 0)
    AT(0, 4, WRITE, Y, 1)
    AT(0, 5, WRITE, X, 2)
    AT(0, 6, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, X, 0)
    AT(1, 2, READ, Y, 0)
    CHECK(1, 3, (r[X] == 2) == (r[Y] == 1), READ, X, 0)
    CHECK(1, 4, (r[X] == 2) == (r[Y] == 1), COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) == 2)

#include "../engine.pml"
