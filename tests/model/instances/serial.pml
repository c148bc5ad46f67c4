/* SPDX-License-Identifier: MIT */
/* With the token at hand everybody commits, and whoever runs alone is not made to restart. P20 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 1
#define DATA 1
#define X 0
#define SERIAL
#ifndef ATTEMPTS
#define ATTEMPTS 1
#endif

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
#define FINAL (NEWEST(DATUM(X)) == 2)

#include "../engine.pml"
