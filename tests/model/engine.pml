/* SPDX-License-Identifier: MIT */
/*
 * The engine: begin, read, write, validation, extension, commit, quiescence, rollback, serial token, reset of the clock. Each atomic access of libtm is one step
 * here and bears its number from libtm/doc/memory-model.md as first argument; what is between two accesses is local and belongs to the step before.
 *
 * An instance (instances/) defines PROCESSES, ORECS, DATA, its program as fetch(), and what must hold: asserts in fetch(), FINAL at the end.
 * README.md tells what is left out. MUTANT_... are the seeded bugs.
 */

#ifndef OREC_OF
#define OREC_OF(d) (d)
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 2 /* after which a process gives up, or with SERIAL takes the token */
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* assurances that a waiter gives unasked; asked, it gives as many as it takes */
#endif
#ifndef QUIESCES
#define QUIESCES(p) 1 /* whether a commit does: 0 never, 1 always, 2 either */
#endif
#ifndef PATIENT
#define PATIENT(p) false /* never gives up a locked orec */
#endif
#ifndef THROUGH
#define THROUGH(p) 2 /* mode: 0 write-back, 1 write-through, 2 either */
#endif
#ifndef MAY_GIVE_UP
#define MAY_GIVE_UP true
#endif
#ifndef WATCHED
#define WATCHED(d) false /* a datum that becomes private or is freed: whoever does so must come after all reads of it */
#endif

#ifndef READS
#define READS 4
#endif
#define INCARNATION_BITS 1
#define INCARNATION_MAX 1
#define LOCKED 128
#define LOCKED_BY(p) (LOCKED + (p))
#define UNLOCKED(v) ((v) << INCARNATION_BITS)
#define LIMIT_OF(s) UNLOCKED((s) + 1)
#define STOP 128
#ifndef LAST
#define LAST 60
#endif

/* Locations */
#define OREC(o) (o)
#define DATUM(d) (ORECS + (d))
#define CLOCK (ORECS + DATA)
#define ACTIVITY(p) (CLOCK + 1 + (p))
#ifdef SERIAL
#define TOKEN (CLOCK + 1 + PROCESSES)
#define HOLDS_ORECS(p) (TOKEN + 1 + (p))
#define LOCATIONS (TOKEN + 1 + PROCESSES)
#else
#define LOCATIONS (CLOCK + 1 + PROCESSES)
#endif
#ifdef WATCHES
#define GHOSTS PROCESSES
#endif

#include "orders.pml"
#include "memory.pml"

/* The activity word: begins | bumps (3 bits) | active */
#define ACTIVE 1
#define BUMP 2
#define BUMPS 14
#define BEGINS 4
#define IS_IDLE(v) (((v) & ACTIVE) == 0)
#define BEGAN_SINCE(b, v) ((b) >> BEGINS != (v) >> BEGINS)
#ifdef MUTANT_ONE_BUMP
#define ENOUGH_BUMPS 1
#else
#define ENOUGH_BUMPS 2
#endif
#define PASSED(b, v) (IS_IDLE(v) || BEGAN_SINCE(b, v) || ((((v) - (b)) & BUMPS) >> 1) >= ENOUGH_BUMPS)

/* What the checks look at; no process of the engine does. */
bool through[PROCESSES], quiesces[PROCESSES]; /* chosen at the start */
byte commits[PROCESSES];
bool gave_up[PROCESSES];
byte freed;               /* set of data */
byte finished;
byte waits_for[PROCESSES], waits_since[PROCESSES]; /* quiescence: process + 1, and its word */
#ifdef WATCHES
byte reads_made[PROCESSES];
#endif

#if MEMORY == CPP && defined(WATCHES)
#define NOTE_READ(d) if :: WATCHED(d) -> reads_made[me]++; view[me].at[LOCATIONS + me] = reads_made[me] :: else fi
#define NO_RACE_(p) ((p) >= PROCESSES || view[me].at[LOCATIONS + (p)] == reads_made[p] || (p) == me)
#define READS_HAPPENED (view[me].at[LOCATIONS] == reads_made[0] && view[me].at[LOCATIONS + 1] == reads_made[1] && \
    view[me].at[LOCATIONS + PROCESSES - 1] == reads_made[PROCESSES - 1])
#define WRITES_HAPPENED(d) (view[me].at[DATUM(d)] == memory[DATUM(d)].top)
#else
#define NOTE_READ(d) skip
#define READS_HAPPENED true
#define WRITES_HAPPENED(d) true
#endif

#if PROCESSES > 2
#define ASKED_BY_(p, b) (waits_for[p] == me + 1 && !PASSED(waits_since[p], activity))
#define ASKED (ASKED_BY_(0, 0) || ASKED_BY_(1, 0) || ASKED_BY_(2, 0))
#else
#define ASKED (waits_for[1 - me] == me + 1 && !PASSED(waits_since[1 - me], activity))
#endif

/* Where validation goes on when it has found nothing */
#define THEN_COMMIT 1
#define THEN_EXTEND 2
#define THEN_FIRST_BUMP 3
#define THEN_SECOND_BUMP 4
#define THEN_IRREVOCABLE 5

#define MINE(v) ((v) == LOCKED_BY(me))
#define HAS_CHANGED(v) ((v) != w)
#define HAS_PASSED(v) PASSED(before, v)
#define HAS_BEGUN_OR_IS_IDLE(v) (BEGAN_SINCE(before, v) || IS_IDLE(v))
#define IS_FREE(v) ((v) == 0)
#define IS_GOING(v) ((v) < STOP)

/* What an attempt leaves behind: as at the start, so that equal states look equal. */
inline forget_attempt()
{
    d_step {
        limit = 0;
        held = 0;
        changed = 0;
        written = 0;
        read_count = 0;
        rounds = 0;
        closed = false;
        i = 0;
        do
        :: i < READS -> reads[i] = 0; i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < DATA -> log[i] = 0; i++
        :: else -> break
        od;
        i = 0;
        do
        :: i < ORECS -> old_word[i] = 0; i++
        :: else -> break
        od;
        i = 0;
    }
}

proctype Thread(byte me)
{
    MEMORY_LOCALS;
    byte ip, op, at, data, first, r[DATA]; /* the program */
    byte attempts, activity, limit, version;
    byte reads[READS], read_count;
    byte held, changed, written;           /* sets of orecs, orecs, data */
    byte old_word[ORECS], log[DATA];       /* log: the new value in write-back, the old one in write-through */
    byte w, again, value, i, other, before, then, rounds;
    bool done, closed, serial, irrevocable, ends, in_place;
#ifdef SERIAL
    bool alone, overflow, stopping, killed, wants;
#endif

next:
    atomic {
        fetch();
        ip++;
        if
        :: op == BEGIN -> first = ip; attempts = 1; goto begin
        :: op == READ -> goto read
        :: op == WRITE || op == HOLD -> goto write
        :: op == COMMIT -> goto commit
        :: op == ABORT -> ends = true; goto roll_back
        :: op == RESTART -> goto roll_back
        :: op == GRACE -> goto quiescence
        :: op == PLAIN_READ -> goto plain_read
        :: op == PLAIN_WRITE -> goto plain_write
        :: op == FREE -> assert(READS_HAPPENED && WRITES_HAPPENED(at)); freed = freed | (1 << at); goto next
#ifdef SERIAL
        :: op == IRREVOCABLE && irrevocable -> goto next
        :: op == IRREVOCABLE && !irrevocable -> wants = true; goto take_in_place
        :: op == ALONE -> first = ip; attempts = 1; goto take
#endif
        :: op == END -> goto over
        fi
    };

/* ---- begin ---- */
begin:
    atomic {
        READY;
        activity = (((activity >> BEGINS) + 1) << BEGINS) | ACTIVE;
#ifdef MUTANT_BEGIN_BY_STORE
        STORE(11, ACTIVITY(me), activity);
#else
        EXCHANGE(10, ACTIVITY(me), activity);
#endif
        goto snapshot
    };

snapshot:
    atomic {
        LOAD(SNAPSHOT, CLOCK, w);
        if
#ifdef SERIAL
#ifdef MUTANT_NO_STOP
        :: w >= STOP -> limit = LIMIT_OF(w & ~STOP); w = 0; goto begin_asks
#else
        :: w >= STOP -> w = 0; goto wait_for_clock
#endif
        :: w < STOP -> limit = LIMIT_OF(w); w = 0; goto begin_asks
#else
        :: true -> limit = LIMIT_OF(w); w = 0; goto next
#endif
        fi
    };

#ifdef SERIAL
wait_for_clock:
    atomic { CAN_STORE; activity = activity - ACTIVE; STORE(11, ACTIVITY(me), activity); goto wait_for_clock_2 };
wait_for_clock_2:
    atomic { WAIT_UNTIL(STOP_LOOK, CLOCK, again, IS_GOING); again = 0; goto begin };

begin_asks:
    atomic {
        LOAD(13, TOKEN, again);
        closed = again != 0 && again != me + 1;
        again = 0;
        goto next
    };
#endif

/* ---- read of r[at] ---- */
read:
    atomic {
        LOAD(1, OREC(OREC_OF(at)), w);
        if
        :: MINE(w) && (written & (1 << at)) && !through[me] -> r[at] = log[at]; w = 0; goto next
        :: MINE(w) && !((written & (1 << at)) && !through[me]) -> w = 0; goto read_own
        :: !MINE(w) && w >= limit -> goto await
        :: w < limit -> goto read_datum
        fi
    };

read_own:
    atomic { LOAD(2, DATUM(at), r[at]); goto next };

read_datum:
    atomic {
        assert(!(freed & (1 << at)));
        NOTE_READ(at);
        LOAD(2, DATUM(at), value);
        goto read_again
    };

read_again:
    atomic {
#ifdef MUTANT_NO_SECOND_LOOK
        again = w;
#else
        LOAD(3, OREC(OREC_OF(at)), again);
#endif
        if
        :: again != w -> again = 0; w = 0; value = 0; goto read
        :: again == w ->
            again = 0;
            w = 0;
            r[at] = value;
            value = 0;
            if :: !irrevocable -> reads[read_count] = OREC_OF(at); read_count++ :: else fi;
            goto next
        fi
    };

/* ---- write ---- */
write:
#if defined(SERIAL) && !defined(MUTANT_NO_TOKEN_CHECK)
    if
    :: closed && !held -> goto write_asks
    :: else -> goto write_looks
    fi;
write_asks:
    atomic {
        LOAD(13, TOKEN, again);
        if
        :: again != 0 && again != me + 1 -> again = 0; killed = true; goto restart
        :: else -> again = 0; closed = false; goto write_looks
        fi
    };
write_looks:
#endif
    atomic {
        LOAD(BEFORE_LOCK, OREC(OREC_OF(at)), w);
        if
        :: MINE(w) -> w = 0; goto put
        :: !MINE(w) && w >= limit -> goto await
        :: w < limit -> goto lock
        fi
    };

lock:
    atomic {
        COMPARE_EXCHANGE(5, OREC(OREC_OF(at)), w, LOCKED_BY(me), done);
        if
        :: done ->
            done = false;
            held = held | (1 << OREC_OF(at));
            old_word[OREC_OF(at)] = w;
            w = 0;
            goto put
        :: !done && w < limit -> goto lock
        :: !done && w >= limit -> goto await
        fi
    };

put:
    atomic {
        if
        :: op == HOLD -> goto next
        :: op == WRITE && !through[me] ->
            written = written | (1 << at);
            changed = changed | (1 << OREC_OF(at));
            log[at] = data;
            goto next
        :: op == WRITE && through[me] && (written & (1 << at)) -> goto put_through
        :: op == WRITE && through[me] && !(written & (1 << at)) -> goto keep
        fi
    };
keep:
    atomic {
        LOAD(2, DATUM(at), log[at]);
        written = written | (1 << at);
        changed = changed | (1 << OREC_OF(at));
        goto put_through
    };
put_through:
    atomic { CAN_STORE; STORE(7, DATUM(at), data); goto next };

/* ---- waiting for the orec of `at`, whose word is w ---- */
await:
    if
    :: w < LOCKED -> goto extend
    :: w >= LOCKED -> goto await_held
    fi;
await_held:
    if
    :: atomic { WAIT_UNTIL(AWAIT, OREC(OREC_OF(at)), again, HAS_CHANGED); again = 0; w = 0; goto look_again }
#ifndef MUTANT_NO_BUMPS
    :: atomic {
        (rounds < ROUNDS || ASKED) ->
        if :: rounds < ROUNDS -> rounds++ :: else fi;
        then = THEN_FIRST_BUMP;
        goto validate
    }
#endif
    :: atomic { !PATIENT(me) && !irrevocable -> w = 0; goto restart }
    fi;

look_again:
    atomic {
        if
        :: op == READ -> goto read
        :: op == WRITE || op == HOLD -> goto write
#ifdef SERIAL
        :: op == IRREVOCABLE -> goto ended_look
#endif
        fi
    };

/* An assurance: validate, bump, validate, bump. */
bump:
    atomic {
        READY;
        activity = (activity & ~BUMPS) | ((activity + BUMP) & BUMPS);
#ifdef MUTANT_BUMP_BY_STORE
        STORE(11, ACTIVITY(me), activity);
#else
        EXCHANGE(BUMP, ACTIVITY(me), activity);
#endif
        if
        :: then == THEN_FIRST_BUMP -> then = THEN_SECOND_BUMP; goto validate
        :: then == THEN_SECOND_BUMP -> then = 0; if :: op == IRREVOCABLE -> goto look_again :: else -> goto await_held fi
        fi
    };

/* A version above the snapshot: move the clock there, take the new snapshot, validate. */
extend:
    atomic {
        version = w >> INCARNATION_BITS;
        w = 0;
        if
#ifdef SERIAL
        :: version > LAST && !irrevocable -> version = 0; overflow = true; goto restart
#endif
        :: version <= LAST || irrevocable -> goto advance
        fi
    };
advance:
    atomic {
        LOAD(ADVANCE, CLOCK, again);
        if
        :: again < version -> goto advance_clock
#ifdef SERIAL
        :: again >= STOP -> again = 0; version = 0; overflow = true; goto restart
#endif
        :: again >= version && again < STOP -> again = 0; goto new_snapshot
        fi
    };
advance_clock:
    atomic {
        COMPARE_EXCHANGE(ADVANCE, CLOCK, again, version, done);
        if
        :: done -> done = false; again = 0; goto new_snapshot
        :: !done && again < version -> goto advance_clock
#ifdef SERIAL
        :: !done && again >= STOP -> again = 0; version = 0; overflow = true; goto restart
#endif
        :: !done && again >= version && again < STOP -> again = 0; goto new_snapshot
        fi
    };
new_snapshot:
    atomic {
        LOAD(EXTENSION, CLOCK, version);
        version = version & ~STOP;
        then = THEN_EXTEND;
#ifdef MUTANT_EXTEND_WITHOUT_VALIDATION
        goto validated
#else
        goto validate
#endif
    };

/* ---- validation ---- */
validate:
    atomic {
#ifdef MUTANT_BUMP_WITHOUT_VALIDATION
        if :: then == THEN_FIRST_BUMP || then == THEN_SECOND_BUMP -> goto validated :: else fi;
#endif
#ifdef MUTANT_NO_COMMIT_VALIDATION
        if :: then == THEN_COMMIT -> goto validated :: else fi;
#endif
        if
        :: i == read_count || irrevocable -> i = 0; goto validated
        :: i < read_count && !irrevocable -> goto validate_next
        fi
    };
validate_next:
    atomic {
        LOAD(4, OREC(reads[i]), again);
        if
        :: again >= limit && !MINE(again) -> again = 0; i = 0; version = 0; w = 0; then = 0; goto restart
        :: again < limit || MINE(again) -> again = 0; i++; goto validate
        fi
    };
validated:
    atomic {
        if
        :: then == THEN_COMMIT -> then = 0; goto copy_back
        :: then == THEN_EXTEND -> then = 0; limit = LIMIT_OF(version); version = 0; goto look_again
        :: then == THEN_FIRST_BUMP || then == THEN_SECOND_BUMP -> goto bump
#ifdef SERIAL
        :: then == THEN_IRREVOCABLE -> then = 0; irrevocable = true; read_count = 0; goto next
#endif
        fi
    };

/* ---- commit ---- */
commit:
    if
    :: !held -> goto forget
    :: held -> goto take_version
    fi;

take_version:
    atomic {
#ifdef MUTANT_VERSION_BEFORE_LOCKS
        version = limit >> INCARNATION_BITS; /* the snapshot + 1 */
#else
        LOAD(12, CLOCK, version);
        version = (version & ~STOP) + 1;
#endif
        then = THEN_COMMIT;
        if
#ifdef SERIAL
        :: version > LAST && !irrevocable -> version = 0; then = 0; overflow = true; goto restart
#endif
        :: version <= LAST || irrevocable -> goto validate
        fi
    };

copy_back:
#ifdef MUTANT_RELEASE_BEFORE_COPY
    goto release;
copy_late:
#endif
    if
    :: i == DATA -> i = 0; goto leave
    :: i < DATA && ((written & (1 << i)) && !through[me]) -> atomic { CAN_STORE; STORE(7, DATUM(i), log[i]); i++; goto copy_next }
    :: i < DATA && !((written & (1 << i)) && !through[me]) -> i++; goto copy_next
    fi;
copy_next:
#ifdef MUTANT_RELEASE_BEFORE_COPY
    goto copy_late;
#else
    goto copy_back;
#endif

/* (f): nobody waits for this transaction any more. */
leave:
    atomic {
        if
        :: !quiesces[me] -> goto release
#ifdef SERIAL
        :: quiesces[me] -> CAN_STORE; STORE(HOLDS, HOLDS_ORECS(me), 1); goto leave_2
#else
        :: quiesces[me] -> goto leave_2
#endif
        fi
    };
leave_2:
    atomic { CAN_STORE; activity = activity - ACTIVE; STORE(11, ACTIVITY(me), activity); goto quiescence };

quiescence:
    atomic {
#ifdef MUTANT_NO_QUIESCENCE
        other = PROCESSES;
#endif
        if
        :: other == me -> other++
        :: else
        fi;
        if
        :: other == PROCESSES && op == GRACE -> other = 0; goto next
        :: other == PROCESSES && op != GRACE -> other = 0; goto release
        :: other < PROCESSES -> goto look
        fi
    };
look:
    atomic {
        LOAD(15, ACTIVITY(other), before);
        if
        :: IS_IDLE(before) -> before = 0; other++; goto quiescence
        :: !IS_IDLE(before) -> waits_for[me] = other + 1; waits_since[me] = before; goto wait_until_passed
        fi
    };
wait_until_passed:
    atomic {
        WAIT_UNTIL(15, ACTIVITY(other), again, HAS_PASSED);
        again = 0;
        before = 0;
        waits_for[me] = 0;
        waits_since[me] = 0;
        other++;
        goto quiescence
    };

release:
    if
    :: i == ORECS -> i = 0; goto released
    :: i < ORECS && (held & (1 << i)) -> atomic {
        CAN_STORE;
        again = ((changed & (1 << i)) -> UNLOCKED(version) : old_word[i]);
        STORE(8, OREC(i), again);
        again = 0;
        i++;
        goto release
    }
    :: i < ORECS && !(held & (1 << i)) -> i++; goto release
    fi;
released:
#ifdef MUTANT_RELEASE_BEFORE_COPY
    if
    :: held -> held = 0; goto copy_late
    :: else -> skip
    fi;
#endif
#ifdef SERIAL
    if
    :: quiesces[me] -> atomic { CAN_STORE; STORE(HOLDS_NOT, HOLDS_ORECS(me), 0); goto released_2 }
    :: else -> goto released_2
    fi;
released_2:
    if
    :: serial -> atomic { CAN_STORE; serial = false; irrevocable = false; STORE(GIVE_BACK, TOKEN, 0); goto forget }
    :: !serial -> goto forget
    fi;
#endif

/* The transaction has ended well. */
forget:
    atomic {
        commits[me]++;
        forget_attempt();
        version = 0;
#ifdef SERIAL
        alone = false;
        wants = false;
#endif
        if
        :: !IS_IDLE(activity) -> goto become_idle
        :: IS_IDLE(activity) -> goto next
        fi
    };
become_idle:
    atomic {
#ifdef SERIAL
        if :: serial -> goto give_back_reader :: else fi;
#endif
        CAN_STORE;
        activity = activity - ACTIVE;
        STORE(11, ACTIVITY(me), activity);
        goto next
    };
#ifdef SERIAL
give_back_reader:
    atomic { CAN_STORE; serial = false; irrevocable = false; STORE(GIVE_BACK, TOKEN, 0); goto become_idle };
#endif

/* ---- rollback, and what comes between two attempts ---- */
restart:
    assert(!irrevocable);
#ifdef SERIAL
    assert(!serial || overflow || in_place); /* whoever runs alone is not made to restart */
#endif

roll_back:
    if
    :: i == DATA -> i = 0; goto release_rolled_back
    :: i < DATA && ((written & (1 << i)) && through[me]) -> atomic { CAN_STORE; STORE(7, DATUM(i), log[i]); i++; goto roll_back }
    :: i < DATA && !((written & (1 << i)) && through[me]) -> i++; goto roll_back
    fi;

release_rolled_back:
    if
    :: i == ORECS -> i = 0; goto leave_attempt
    :: i < ORECS && !(held & (1 << i)) -> i++; goto release_rolled_back
    :: i < ORECS && (held & (1 << i)) -> atomic {
        if
        :: !(changed & (1 << i)) || !through[me] -> again = old_word[i]; goto let_go
#ifdef MUTANT_NO_INCARNATION
        :: else -> again = old_word[i]; goto let_go
#else
        :: (changed & (1 << i)) && through[me] && (old_word[i] & INCARNATION_MAX) != INCARNATION_MAX -> again = old_word[i] + 1; goto let_go
        :: (changed & (1 << i)) && through[me] && (old_word[i] & INCARNATION_MAX) == INCARNATION_MAX -> goto fresh
#endif
        fi
    }
    fi;
fresh:
    atomic {
        LOAD(FRESH, CLOCK, again);
        again = UNLOCKED((again & ~STOP) + 1);
        goto let_go
    };
let_go:
    atomic { CAN_STORE; STORE(8, OREC(i), again); again = 0; i++; goto release_rolled_back };

leave_attempt:
    atomic {
        CAN_STORE;
        activity = activity - ACTIVE;
        STORE(11, ACTIVITY(me), activity);
        forget_attempt();
        goto between_attempts
    };

between_attempts:
    atomic {
        if
        :: ends -> ends = false; goto next
        :: else
        fi;
        ip = first;
#ifdef SERIAL
        if
        :: overflow -> goto reset_clock
        :: else
        fi;
        if
        :: (wants || alone || serial || attempts >= ATTEMPTS) -> killed = false; in_place = false; alone = true; goto take
        :: killed -> killed = false; attempts++; goto wait_until_free
        :: else
        fi;
#else
        if
        :: attempts >= ATTEMPTS -> assert(MAY_GIVE_UP); gave_up[me] = true; goto over
        :: else
        fi;
#endif
        attempts++;
        goto begin
    };

#ifdef SERIAL
/* ---- the serial token ---- */
wait_until_free:
    atomic {
        READY;
        WAIT_UNTIL(13, TOKEN, again, IS_FREE);
        again = 0;
        goto begin
    };

take:
    atomic {
        if
        :: serial -> goto ended
        :: !serial && READY && NEWEST(TOKEN) == 0 ->
            again = 0;
            COMPARE_EXCHANGE(14, TOKEN, again, me + 1, done);
            again = 0;
            if
            :: done -> done = false; serial = true; goto ended
            :: else -> goto take
            fi
        fi
    };

take_in_place:
    atomic {
        READY;
        in_place = true;
        again = 0;
        COMPARE_EXCHANGE(14, TOKEN, again, me + 1, done);
        again = 0;
        if
        :: done -> done = false; serial = true; goto ended
        :: else -> goto restart
        fi
    };

/* Wait until every attempt that is active now has ended and let its orecs go. */
ended:
    atomic {
        if
        :: other == me -> other++
        :: else
        fi;
        if
#ifdef MUTANT_TOKEN_DOES_NOT_WAIT
        :: other < PROCESSES -> other = PROCESSES
#else
        :: other < PROCESSES -> goto ended_first
#endif
        :: other == PROCESSES -> skip
        fi;
        other = 0;
        if
        :: stopping -> goto reset_orecs
        :: !stopping && overflow -> goto stop_clock
        :: !stopping && !overflow && in_place -> in_place = false; then = THEN_IRREVOCABLE; goto validate_in_place
        :: !stopping && !overflow && !in_place -> irrevocable = wants; goto begin
        fi
    };
ended_first:
    atomic { LOAD(15, ACTIVITY(other), before); goto ended_look };
ended_look:
    if
    :: atomic {
        WAIT_UNTIL(15, ACTIVITY(other), again, HAS_BEGUN_OR_IS_IDLE);
        if
        :: BEGAN_SINCE(before, again) -> again = 0; before = 0; other++; goto ended
        :: else -> again = 0; goto ended_holds
        fi
    }
    :: atomic {
        in_place && (rounds < ROUNDS || ASKED) ->
        if :: rounds < ROUNDS -> rounds++ :: else fi;
        then = THEN_FIRST_BUMP;
        goto validate
    }
    fi;
ended_holds:
    atomic {
#ifdef MUTANT_HOLDS_FORGOTTEN
        again = 0;
#else
        LOAD(HOLDS_LOOK, HOLDS_ORECS(other), again);
#endif
        if
        :: again == 0 -> before = 0; other++; goto ended
        :: again != 0 -> again = 0; goto ended_wait
        fi
    };
ended_wait:
    if
    :: atomic { (NEWEST(HOLDS_ORECS(other)) == 0 || BEGAN_SINCE(before, NEWEST(ACTIVITY(other)))) -> goto ended_look }
    :: atomic {
        in_place && (rounds < ROUNDS || ASKED) ->
        if :: rounds < ROUNDS -> rounds++ :: else fi;
        then = THEN_FIRST_BUMP;
        goto validate
    }
    fi;

validate_in_place:
#ifdef MUTANT_IRREVOCABLE_WITHOUT_VALIDATION
    goto validated;
#else
    in_place = true; /* may still restart */
    goto validate;
#endif

/* ---- the overflow of the clock ---- */
reset_clock:
    goto take;
stop_clock:
    atomic {
        LOAD(STOPPED, CLOCK, again);
        if
        :: again >= LAST -> again = 0; goto stop_clock_2
        :: again < LAST -> again = 0; goto clock_is_reset
        fi
    };
stop_clock_2:
    atomic {
        READY;
        stopping = true;
        EXCHANGE(STOP, CLOCK, NEWEST(CLOCK) | STOP);
#ifdef MUTANT_RESET_DOES_NOT_WAIT
        goto reset_orecs
#else
        goto ended
#endif
    };
reset_orecs:
    if
    :: i == ORECS -> i = 0; goto restart_clock
    :: i < ORECS -> atomic { CAN_STORE; STORE(RESET, OREC(i), 0); i++; goto reset_orecs }
    fi;
restart_clock:
    atomic { READY; STORE(RESTART, CLOCK, 0); goto clock_is_reset };
clock_is_reset:
    atomic {
        stopping = false;
        overflow = false;
        if
        :: alone -> attempts++; goto begin
        :: !alone -> CAN_STORE; serial = false; STORE(GIVE_BACK, TOKEN, 0); attempts++; goto begin
        fi
    };
#endif

/* ---- plain accesses ---- */
plain_read:
    atomic { assert(WRITES_HAPPENED(at)); LOAD(PLAIN, DATUM(at), r[at]); goto next };
plain_write:
    atomic { CAN_STORE; assert(READS_HAPPENED && WRITES_HAPPENED(at)); STORE(PLAIN, DATUM(at), data); goto next };

over:
    atomic { ip = 0; op = 0; at = 0; data = 0; finished++ }
}

#define CHOOSE(p) \
    if :: THROUGH(p) != 1 -> through[p] = false :: THROUGH(p) != 0 -> through[p] = true fi; \
    if :: QUIESCES(p) != 1 -> quiesces[p] = false :: QUIESCES(p) != 0 -> quiesces[p] = true fi

init {
    atomic {
        CHOOSE(0);
        CHOOSE(1);
#if PROCESSES > 2
        CHOOSE(2);
#endif
        run Thread(0);
        run Thread(1);
#if PROCESSES > 2
        run Thread(2);
#endif
#if MEMORY == TSO || MEMORY == PSO
        run Buffers()
#endif
    };
    atomic { finished == PROCESSES && SETTLED -> assert(FINAL) }
}
