/* SPDX-License-Identifier: MIT */
/* No update is lost. */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 1
#define DATA 1
#define X 0
#define QUIESCES(p) 2

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, READ, X, 0)
    AT(0, 2, WRITE, X, r[X] + 1)
    AT(0, 3, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, X, 0)
    AT(1, 2, WRITE, X, r[X] + 1)
    AT(1, 3, COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) == commits[0] + commits[1])

#include "../engine.pml"
