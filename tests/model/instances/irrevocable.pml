/* SPDX-License-Identifier: MIT */
/* Irrevocable in place: from then on nothing that was read changes. P20 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 1
#define DATA 1
#define X 0
#define SERIAL
#ifndef MESSAGES
#define MESSAGES 20
#endif
#define QUIESCES(p) ((p) == 0)
#define THROUGH(p) (2 * ((p) == 1))
#ifndef ROUNDS
#define ROUNDS 0
#endif

byte was;

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, READ, X, 0)
    AT(0, 2, IRREVOCABLE, 0, 0); was = r[X]
    AT(0, 3, READ, X, 0)
    CHECK(0, 4, r[X] == was, WRITE, X, was + 1)
    AT(0, 5, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, X, 0)
    AT(1, 2, WRITE, X, r[X] + 1)
    AT(1, 3, COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) == 2)

#include "../engine.pml"
