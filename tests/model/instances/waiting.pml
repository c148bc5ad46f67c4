/* SPDX-License-Identifier: MIT */
/* A transaction that waits for an orec of one that waits for it: bumps let the other go on, and tell the truth. P14, P20 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 3
#define DATA 3
#define F 0
#define X 1
#define Y 2
#define WATCHES
#define WATCHED(d) ((d) == X)
#define PATIENT(p) ((p) == 1)
#define THROUGH(p) (2 * ((p) == 0))

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, HOLD, Y, 0)
    AT(0, 2, WRITE, F, 1)
    AT(0, 3, COMMIT, 0, 0)
    AT(0, 4, FREE, X, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, F, 0)
    AT_IF(1, 2, r[F] == 0, READ, Y, 0)
    AT_IF(1, 2, r[F] != 0, COMMIT, 0, 0); ip = 9
    AT(1, 3, READ, X, 0)
    AT(1, 4, COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (freed)

#include "../engine.pml"
