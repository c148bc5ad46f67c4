/* SPDX-License-Identifier: MIT */
/* Freed memory is not read, by doomed transactions neither. P14 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 2
#define DATA 2
#define F 0
#define X 1
#define WATCHES
#define WATCHED(d) ((d) == X)
#define THROUGH(p) (2 * ((p) == 0))

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, WRITE, F, 1)
    AT(0, 2, COMMIT, 0, 0)
    AT(0, 3, FREE, X, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, F, 0)
    AT_IF(1, 2, r[F] == 0, READ, X, 0)
    AT_IF(1, 2, r[F] != 0, COMMIT, 0, 0); ip = 9
    AT(1, 3, COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (freed)

#include "../engine.pml"
