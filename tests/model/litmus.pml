/* SPDX-License-Identifier: MIT */
/*
 * The memories by themselves: the classical small tests. For each outcome the comment behind it says in which memories it must be reachable
 * (in the order SC TSO PSO CPP); the runner compares that with what the search has reached.
 */
#define PROCESSES 4
#define LOCATIONS 2
#define MESSAGES 6
#define ORDER_RLX RELAXED
#define ORDER_ACQ ACQUIRE
#define ORDER_REL RELEASE
#define ORDER_SC SEQ_CST
#define NAME_RLX 0
#define NAME_ACQ 0
#define NAME_REL 0
#define NAME_SC 0
#include "memory.pml"

#define SB 0
#define SB_EXCHANGE 1
#define MP 2
#define MP_RELAXED 3
#define IRIW 4
#define IRIW_SC 5
#define COHERENCE 6
#define CAS_TWICE 7
#define SC_AFTER_EXCHANGE 8
#define ACQ_AFTER_EXCHANGE 9
#define X 0
#define Y 1

byte test, finished, outcome;
byte r[6];

proctype Thread(byte me)
{
    MEMORY_LOCALS;
    bool done;
    byte v;
    goto first;

first:
    atomic {
        if
        :: test == SB && me < 2 -> STORE(REL, me, 1)
        :: test == SB_EXCHANGE && me < 2 -> EXCHANGE(SC, me, 1)
        :: (test == SC_AFTER_EXCHANGE || test == ACQ_AFTER_EXCHANGE) && me < 2 -> EXCHANGE(SC, me, 1)
        :: test == MP && me == 0 -> STORE(RLX, X, 1)
        :: test == MP && me == 1 -> LOAD(ACQ, Y, r[0])
        :: test == MP_RELAXED && me == 0 -> STORE(RLX, X, 1)
        :: test == MP_RELAXED && me == 1 -> LOAD(ACQ, Y, r[0])
        :: test == COHERENCE && me == 0 -> STORE(RLX, X, 1)
        :: test == COHERENCE && me == 1 -> LOAD(RLX, X, r[0])
        :: test == CAS_TWICE && me < 2 -> v = 0; COMPARE_EXCHANGE(RLX, X, v, 1 + me, done); r[me] = done
        :: test == IRIW && (me == 0 || me == 3) -> STORE(REL, me / 3, 1)
        :: test == IRIW_SC && (me == 0 || me == 3) -> STORE(SC, me / 3, 1)
        :: (test == IRIW) && (me == 1 || me == 2) -> LOAD(ACQ, (me == 1 -> X : Y), v); r[2 * me] = v
        :: (test == IRIW_SC) && (me == 1 || me == 2) -> LOAD(SC, (me == 1 -> X : Y), v); r[2 * me] = v
        :: else -> goto last
        fi
    };
    goto second;

second:
    atomic {
        if
        :: (test == SB) && me < 2 -> LOAD(ACQ, 1 - me, v); r[me] = v
        :: (test == SB_EXCHANGE || test == SC_AFTER_EXCHANGE) && me < 2 -> LOAD(SC, 1 - me, v); r[me] = v
        :: (test == ACQ_AFTER_EXCHANGE) && me < 2 -> LOAD(ACQ, 1 - me, v); r[me] = v
        :: test == MP && me == 0 -> STORE(REL, Y, 1)
        :: test == MP_RELAXED && me == 0 -> STORE(RLX, Y, 1)
        :: (test == MP || test == MP_RELAXED) && me == 1 -> LOAD(RLX, X, r[1])
        :: test == COHERENCE && me == 0 -> STORE(RLX, X, 2)
        :: test == COHERENCE && me == 1 -> LOAD(RLX, X, r[1])
        :: (test == IRIW) && (me == 1 || me == 2) -> LOAD(ACQ, (me == 1 -> Y : X), v); r[2 * me + 1] = v
        :: (test == IRIW_SC) && (me == 1 || me == 2) -> LOAD(SC, (me == 1 -> Y : X), v); r[2 * me + 1] = v
        :: else -> goto last
        fi
    };
    goto last;

last:
    v = 0;
    done = false;
    finished++
}

init {
    byte me;
    atomic {
        select(me : 0..9);
        test = me;
        run Thread(0);
        run Thread(1);
        run Thread(2);
        run Thread(3);
#if MEMORY == TSO || MEMORY == PSO
        run Buffers()
#endif
    };
    finished == 4 && SETTLED;
    if
    :: test == SB && r[0] == 0 && r[1] == 0 -> outcome = 1 /* reach: no yes yes yes */
    :: test == SB && r[0] == 1 && r[1] == 1 -> outcome = 2 /* reach: yes yes yes yes */
    :: test == SB_EXCHANGE && r[0] == 0 && r[1] == 0 -> outcome = 3 /* reach: no no no no */
    :: test == SB_EXCHANGE && r[0] == 1 && r[1] == 1 -> outcome = 4 /* reach: yes yes yes yes */
    :: test == SC_AFTER_EXCHANGE && r[0] == 0 && r[1] == 0 -> outcome = 5 /* reach: no no no no */
    :: test == ACQ_AFTER_EXCHANGE && r[0] == 0 && r[1] == 0 -> outcome = 6 /* reach: no no no yes */
    :: test == MP && r[0] == 1 && r[1] == 0 -> outcome = 7 /* reach: no no no no */
    :: test == MP && r[0] == 1 && r[1] == 1 -> outcome = 8 /* reach: yes yes yes yes */
    :: test == MP_RELAXED && r[0] == 1 && r[1] == 0 -> outcome = 9 /* reach: no no yes yes */
    :: test == COHERENCE && r[0] > r[1] -> outcome = 10 /* reach: no no no no */
    :: test == COHERENCE && r[0] == 1 && r[1] == 2 -> outcome = 11 /* reach: yes yes yes yes */
    :: test == CAS_TWICE && r[0] + r[1] != 1 -> outcome = 12 /* reach: no no no no */
    :: test == IRIW && r[2] == 1 && r[3] == 0 && r[4] == 1 && r[5] == 0 -> outcome = 13 /* reach: no no no yes */
    :: test == IRIW_SC && r[2] == 1 && r[3] == 0 && r[4] == 1 && r[5] == 0 -> outcome = 14 /* reach: no no no no */
    :: else -> skip
    fi
}
