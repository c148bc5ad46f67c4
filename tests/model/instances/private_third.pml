/* SPDX-License-Identifier: MIT */
/* Memory made private is handed on to a third thread, which writes it plainly. P13 */
#include "../program.pml"

#define PROCESSES 3
#define ORECS 2
#define DATA 2
#define F 0
#define X 1
#define WATCHES
#define WATCHED(d) ((d) == X)
#ifndef ATTEMPTS
#define ATTEMPTS 1
#endif
#ifndef ROUNDS
#define ROUNDS 0
#endif

bool taken;

inline fetch()
{
    if
    AT(0, 0, BEGIN, 0, 0)
    AT(0, 1, WRITE, F, 1)
    AT(0, 2, COMMIT, 0, 0)
    AT(2, 0, BEGIN, 0, 0)
    AT(2, 1, READ, F, 0)
    AT(2, 2, COMMIT, 0, 0)
    AT_IF(2, 3, r[F] == 1, PLAIN_WRITE, X, 5); taken = true
    AT(1, 0, BEGIN, 0, 0)
    AT(1, 1, READ, F, 0)
    AT_IF(1, 2, r[F] == 0, READ, X, 0)
    AT_IF(1, 2, r[F] != 0, COMMIT, 0, 0); ip = 9
    CHECK(1, 3, r[X] != 5, WRITE, X, 2)
    AT(1, 4, COMMIT, 0, 0)
    OTHERWISE_END
    fi
}
#define FINAL (!taken || NEWEST(DATUM(X)) == 5)

#include "../engine.pml"
