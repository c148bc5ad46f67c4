/* SPDX-License-Identifier: MIT */
/*
 * The memory order of every access in the model: of the numbered ones as in libtm/doc/memory-model.md, and of those that have no number,
 * named here, with the line of the source that they mirror. tests/checks/model_in_step.py compares all of them with the page and the sources. A mutant
 * weakens one of them with -D.
 */

#ifndef ORDER_1
#define ORDER_1 SEQ_CST     /* read of the orec before the datum */
#endif
#ifndef ORDER_2
#define ORDER_2 ACQUIRE     /* read of the datum */
#endif
#ifndef ORDER_3
#define ORDER_3 RELAXED     /* read of the orec after the datum */
#endif
#ifndef ORDER_4
#define ORDER_4 SEQ_CST     /* read of the orec in a validation */
#endif
#ifndef ORDER_5
#define ORDER_5 SEQ_CST     /* lock */
#endif
#ifndef ORDER_7
#define ORDER_7 RELEASE     /* write of a datum: copy at commit, write-through, restore */
#endif
#ifndef ORDER_8
#define ORDER_8 RELEASE     /* unlock */
#endif
#ifndef ORDER_10
#define ORDER_10 SEQ_CST    /* an attempt begins; a bump */
#endif
#ifndef ORDER_BUMP
#define ORDER_BUMP ORDER_10 /* so that a mutant can weaken it alone */
#endif
#ifndef ORDER_11
#define ORDER_11 RELEASE    /* an attempt ends, or is in its quiescence */
#endif
#ifndef ORDER_12
#define ORDER_12 SEQ_CST    /* read of the clock by a committer */
#endif
#ifndef ORDER_13
#define ORDER_13 SEQ_CST    /* a begin and a first write look at the serial token */
#endif
#ifndef ORDER_14
#define ORDER_14 SEQ_CST    /* taking the token */
#endif
#ifndef ORDER_15
#define ORDER_15 SEQ_CST    /* a waiter looks at an activity word */
#endif

/* Without a number. source: file, function, text of the access. */
#ifndef ORDER_SNAPSHOT
#define ORDER_SNAPSHOT SEQ_CST  /* source: src/tx.cpp, enter, clock.now.load */
#endif
#ifndef ORDER_EXTENSION
#define ORDER_EXTENSION SEQ_CST /* source: src/snapshot.cpp, extend, clock.now.load */
#endif
#ifndef ORDER_ADVANCE
#define ORDER_ADVANCE SEQ_CST   /* source: src/orec.cpp, Clock::advance, now.load; now.compare_exchange_weak */
#endif
#ifndef ORDER_BEFORE_LOCK
#define ORDER_BEFORE_LOCK ACQUIRE /* source: src/algorithm.hpp, own_stripe, orec.load */
#endif
#ifndef ORDER_AWAIT
#define ORDER_AWAIT RELAXED     /* source: src/snapshot.cpp, await, orec.load */
#endif
#ifndef ORDER_FRESH
#define ORDER_FRESH SEQ_CST     /* source: src/algorithm.cpp, release_rolled_back, clock.now.load */
#endif
#ifndef ORDER_HOLDS
#define ORDER_HOLDS RELAXED     /* source: src/commit.cpp, quiesce, holds_orecs.store */
#endif
#ifndef ORDER_HOLDS_NOT
#define ORDER_HOLDS_NOT RELEASE /* source: src/commit.cpp, commit_changes, holds_orecs.store */
#endif
#ifndef ORDER_HOLDS_LOOK
#define ORDER_HOLDS_LOOK ACQUIRE /* source: src/serial.cpp, has_ended, holds_orecs.load */
#endif
#ifndef ORDER_GIVE_BACK
#define ORDER_GIVE_BACK RELEASE /* source: src/serial.cpp, give_back, token_holder.store */
#endif
#ifndef ORDER_STOP
#define ORDER_STOP SEQ_CST      /* source: src/serial.cpp, reset_clock, clock.now.fetch_or */
#endif
#ifndef ORDER_STOPPED
#define ORDER_STOPPED SEQ_CST   /* source: src/serial.cpp, reset_clock, clock.now.load */
#endif
#ifndef ORDER_RESET
#define ORDER_RESET RELAXED     /* source: src/orec.cpp, OrecTable::reset, store */
#endif
#ifndef ORDER_RESTART
#define ORDER_RESTART SEQ_CST   /* source: src/serial.cpp, reset_clock, clock.now.store */
#endif
#ifndef ORDER_STOP_LOOK
#define ORDER_STOP_LOOK SEQ_CST /* source: src/serial.cpp, wait_for_clock, clock.now.load */
#endif

#define ORDER_PLAIN RELAXED /* of the program's own plain accesses; races are looked for separately */

/* What simulation prints for each. */
#define NAME_1 1
#define NAME_2 2
#define NAME_3 3
#define NAME_4 4
#define NAME_5 5
#define NAME_7 7
#define NAME_8 8
#define NAME_10 10
#define NAME_11 11
#define NAME_12 12
#define NAME_13 13
#define NAME_14 14
#define NAME_15 15
#define NAME_BUMP 10
#define NAME_SNAPSHOT 100
#define NAME_EXTENSION 101
#define NAME_ADVANCE 102
#define NAME_BEFORE_LOCK 103
#define NAME_AWAIT 104
#define NAME_FRESH 105
#define NAME_HOLDS 106
#define NAME_HOLDS_NOT 107
#define NAME_HOLDS_LOOK 108
#define NAME_GIVE_BACK 109
#define NAME_STOP 110
#define NAME_STOPPED 111
#define NAME_RESET 112
#define NAME_RESTART 113
#define NAME_STOP_LOOK 114
#define NAME_PLAIN 115
