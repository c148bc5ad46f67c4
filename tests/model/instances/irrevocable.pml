/* SPDX-License-Identifier: MIT */
/* Irrevocable in place: from then on nothing that was read changes. P20 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 2
#define DATA 2
#define X 0
#define Y 1
#define SERIAL
#define MESSAGES 20

byte was;

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, READ, X, 0)
    AT(0, 2, IRREVOCABLE, 0, 0); was = r[X]
    CHECK(0, 3, r[X] == was, READ, Y, 0)
    CHECK(0, 4, r[Y] == was, READ, X, 0)
    CHECK(0, 5, r[X] == was, WRITE, X, was + 1)
    AT(0, 6, WRITE, Y, was + 1)
    AT(0, 7, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, X, 0)
    AT(1, 2, WRITE, X, r[X] + 1)
    AT(1, 3, WRITE, Y, r[X] + 1)
    AT(1, 4, COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) == 2 && NEWEST(DATUM(Y)) == 2)

#include "../engine.pml"
