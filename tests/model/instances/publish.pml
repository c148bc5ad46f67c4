/* SPDX-License-Identifier: MIT */
/* What was written plainly before it was published is seen by who finds it. P13 */
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
    AT(0, 0, PLAIN_WRITE, X, 5)
    AT(0, 1, BEGIN, 0, 0)
    AT(0, 2, WRITE, F, 1)
    AT(0, 3, COMMIT, 0, 0)
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, F, 0)
    AT_IF(1, 2, r[F] == 1, READ, X, 0)
    AT_IF(1, 2, r[F] != 1, COMMIT, 0, 0); ip = 9
    CHECK(1, 3, r[X] == 5, COMMIT, 0, 0)
    AT(1, 4, PLAIN_READ, X, 0)
    CHECK(1, 5, r[X] == 5, END, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (NEWEST(DATUM(X)) == 5)

#include "../engine.pml"
