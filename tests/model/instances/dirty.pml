/* SPDX-License-Identifier: MIT */
/* What is rolled back is never read; the second rollback is out of incarnations. P12, P15 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 1
#define DATA 1
#define X 0
#define THROUGH(p) (2 * ((p) == 0))

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, WRITE, X, 1)
    AT(0, 2, ABORT, 0, 0)
    AT(0, 3, BEGIN, 0, 0)
    AT(0, 4, WRITE, X, 1)
    AT(0, 5, ABORT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, X, 0)
    CHECK(1, 2, r[X] == 0, READ, X, 0)
    CHECK(1, 3, r[X] == 0, COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) == 0)

#include "../engine.pml"
