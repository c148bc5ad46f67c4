/* SPDX-License-Identifier: MIT */
/* A reader sees both halves of a commit or none, in every attempt. P12 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 2
#define DATA 2
#define X 0
#define Y 1
#define THROUGH(p) (2 * ((p) == 0))
#define QUIESCES(p) (1 + ((p) == 0))

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, WRITE, X, 1)
    AT(0, 2, WRITE, Y, 1)
    AT(0, 3, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, X, 0)
    AT(1, 2, READ, Y, 0)
    CHECK(1, 3, r[X] == r[Y], COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) == 1 && NEWEST(DATUM(Y)) == 1)

#include "../engine.pml"
