/* A reader sees both halves of a commit or none, also while the writer's first attempt is rolled back. P12 */
#include "../program.pml"

#define PROCESSES 2
#define ORECS 2
#define DATA 2
#define X 0
#define Y 1

inline fetch()
{
    if
    :: me == 0 && ip == 0 -> DO(BEGIN, 0, 0)
    :: me == 0 && ip == 1 -> DO(WRITE, X, 1)
    :: me == 0 && ip == 2 -> DO(WRITE, Y, 1)
    :: me == 0 && ip == 3 -> DO(COMMIT, 0, 0)
    :: me == 0 && ip == 4 -> DO(END, 0, 0)
    :: me == 1 && ip == 0 -> DO(BEGIN, 0, 0)
    :: me == 1 && ip == 1 -> DO(READ, X, 0)
    :: me == 1 && ip == 2 -> DO(READ, Y, 0)
    :: me == 1 && ip == 3 -> assert(r[X] == r[Y]); DO(COMMIT, 0, 0)
    :: me == 1 && ip == 4 -> DO(END, 0, 0)
    fi
}
#define FINAL (NEWEST(DATUM(X)) == 1 && NEWEST(DATUM(Y)) == 1)

#include "../engine.pml"
