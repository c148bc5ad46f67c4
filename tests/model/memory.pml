/* SPDX-License-Identifier: MIT */
/*
 * Shared memory with weak orders. See README.md for what each MEMORY allows.
 *
 *     1 SC    every access takes effect at once
 *     2 TSO   stores wait in a FIFO buffer of their process; a locked instruction drains it; a load looks into its own buffer first
 *     3 PSO   as TSO, but the buffer is FIFO for each location alone; a release store leaves it after all stores before it
 *     4 CPP   C++20: each location is a timeline of messages, each process has a view of how far it must have seen each timeline
 *
 * The including file defines LOCATIONS, PROCESSES, and for CPP: MESSAGES, the length of a timeline; GHOSTS, entries of a view beyond the locations.
 * A process has `me`, its number. Each access is one atomic step.
 */

/* Memory orders: bits for acquire, release, the single total order. */
#define RELAXED 0
#define ACQUIRE 1
#define RELEASE 2
#define ACQ_REL 3
#define SEQ_CST 7

#define SC 1
#define TSO 2
#define PSO 3
#define CPP 4
#ifndef MEMORY
#define MEMORY SC
#endif

/* What the runner turns into a sentence: who, the number, the kind, the location, the value. Simulation alone prints. */
#define SAY(number, kind, location, value) printf("@ %d %d %d %d %d\n", me, number, kind, location, value)
#define SAID_LOAD 0
#define SAID_STORE 1
#define SAID_EXCHANGE 2
#define SAID_CAS 3
#define SAID_CAS_FAILED 4
#define SAID_FLUSH 5

byte i_; /* loop counter within steps; 0 between them */

#if MEMORY == CPP

#ifndef GHOSTS
#define GHOSTS 0
#endif
#ifndef MESSAGES
#define MESSAGES 12
#endif
#define VIEWS (LOCATIONS + GHOSTS)

typedef View { byte at[VIEWS] };
typedef Message { byte value; View view };
typedef Timeline {
    byte top;       /* the newest message */
    byte total;     /* the newest message that a sequentially consistent access has read or written */
    Message message[MESSAGES]
};
Timeline memory[LOCATIONS];
View view[PROCESSES];

#define NEWEST(location) memory[location].message[memory[location].top].value

#define MEMORY_LOCALS byte when_, low_

inline join_view_(source)
{
    i_ = 0;
    do
    :: i_ < VIEWS -> if :: source.at[i_] > view[me].at[i_] -> view[me].at[i_] = source.at[i_] :: else fi; i_++
    :: else -> break
    od;
    i_ = 0
}

inline copy_view_(target)
{
    i_ = 0;
    do
    :: i_ < VIEWS -> target.at[i_] = view[me].at[i_]; i_++
    :: else -> break
    od;
    i_ = 0
}

/* Any message that the process may not have seen surpassed. */
#define MAY_BE_OLDER_(location, order) (when_ > view[me].at[location] && !(((order) & 4) && when_ <= memory[location].total))
inline load_(location, order, out)
{
    when_ = memory[location].top;
    do
    :: MAY_BE_OLDER_(location, order) -> when_--
    :: break
    od;
    see_(location, order, out)
}

inline see_(location, order, out)
{
    d_step {
        view[me].at[location] = when_;
        out = memory[location].message[when_].value;
        if :: (order) & ACQUIRE -> join_view_(memory[location].message[when_].view) :: else fi;
        if :: ((order) & 4) && memory[location].total < when_ -> memory[location].total = when_ :: else fi;
        when_ = 0
    }
}

/* At the end of the timeline: see README.md for why nothing is put in its middle. */
inline store_(location, order, data)
{
    d_step {
        assert(memory[location].top + 1 < MESSAGES);
        memory[location].top++;
        when_ = memory[location].top;
        memory[location].message[when_].value = data;
        view[me].at[location] = when_;
        if :: (order) & RELEASE -> copy_view_(memory[location].message[when_].view)
           :: else -> memory[location].message[when_].view.at[location] = when_ fi;
        if :: (order) & 4 -> memory[location].total = when_ :: else fi;
        when_ = 0
    }
}

/* Read and write with nothing in between; the message keeps what it was released with: a release sequence. */
inline exchange_(location, order, data)
{
    d_step {
        assert(memory[location].top + 1 < MESSAGES);
        when_ = memory[location].top;
        if :: (order) & ACQUIRE -> join_view_(memory[location].message[when_].view) :: else fi;
        view[me].at[location] = when_ + 1;
        if :: (order) & RELEASE -> copy_view_(memory[location].message[when_ + 1].view)
           :: else -> memory[location].message[when_ + 1].view.at[location] = when_ + 1 fi;
        i_ = 0;
        do
        :: i_ < VIEWS ->
            if :: memory[location].message[when_].view.at[i_] > memory[location].message[when_ + 1].view.at[i_] ->
                memory[location].message[when_ + 1].view.at[i_] = memory[location].message[when_].view.at[i_]
               :: else fi;
            i_++
        :: else -> break
        od;
        i_ = 0;
        memory[location].top++;
        memory[location].message[when_ + 1].value = data;
        if :: (order) & 4 -> memory[location].total = when_ + 1 :: else fi;
        when_ = 0
    }
}

/* A failure is a load of any message with another value. */
inline compare_exchange_(location, order, expected, data, done)
{
    d_step {
        /* the oldest message to fail with; above the newest: none */
        when_ = memory[location].top;
        low_ = memory[location].top + 1;
        do
        :: if :: memory[location].message[when_].value != expected -> low_ = when_ :: else fi;
            if :: MAY_BE_OLDER_(location, order) -> when_-- :: else -> break fi
        od;
        when_ = memory[location].top
    };
    if
    :: NEWEST(location) == expected ->
        low_ = 0;
        exchange_(location, order, data);
        done = true
    :: low_ <= memory[location].top ->
        do
        :: when_ > low_ -> when_--
        :: memory[location].message[when_].value != expected -> break
        od;
        low_ = 0;
        done = false;
        see_(location, order, expected)
    fi
}

/* Waits until the newest message fulfils the condition, and then reads any that does. */
#define WAIT_UNTIL_(location, order, out, CONDITION) \
    CONDITION(NEWEST(location)) -> wait_(location, order, out, CONDITION(memory[location].message[when_].value))
inline wait_(location, order, out, condition)
{
    when_ = view[me].at[location];
    if :: ((order) & 4) && when_ < memory[location].total -> when_ = memory[location].total :: else fi;
    do
    :: when_ < memory[location].top -> when_++
    :: condition -> break
    od;
    see_(location, order, out)
}

#define READY true
#define SETTLED true
#define CAN_STORE true

#else /* SC, TSO, PSO */

byte memory[LOCATIONS];
#define NEWEST(location) memory[location]
#define MEMORY_LOCALS byte unused_
/* What is waited for is written by others: it is never in the own buffer. */
#define WAIT_UNTIL_(location, order, out, CONDITION) CONDITION(memory[location]) -> out = memory[location]

#if MEMORY == SC

#define CAN_STORE true
#define READY true
#define SETTLED true
#define load_(location, order, out) out = memory[location]
#define store_(location, order, data) memory[location] = data

#else

#ifndef STORES
#define STORES 4 /* places in a buffer */
#endif
typedef Buffer { byte used; byte place[STORES]; byte word[STORES]; bit ordered[STORES] };
Buffer buffer[PROCESSES];

#define CAN_STORE (buffer[me].used < STORES)
#define READY (buffer[me].used == 0)
#define SETTLED settled()

inline load_(where, order, out)
{
    d_step {
        out = memory[where];
        i_ = 0;
        do
        :: i_ < buffer[me].used -> if :: buffer[me].place[i_] == (where) -> out = buffer[me].word[i_] :: else fi; i_++
        :: else -> break
        od;
        i_ = 0
    }
}

inline store_(where, order, value_)
{
    if
    :: (order) & 4 -> READY; memory[where] = value_
    :: else ->
        d_step {
            CAN_STORE ->
            buffer[me].place[buffer[me].used] = where;
            buffer[me].word[buffer[me].used] = value_;
            buffer[me].ordered[buffer[me].used] = ((order) & RELEASE) != 0;
            buffer[me].used++
        }
    fi
}

/* A store reaches memory. */
#if MEMORY == TSO
#define MAY_LEAVE(p, k) ((k) == 0)
#else
#define MAY_LEAVE(p, k) ((k) == 0 || (!buffer[p].ordered[k] && buffer[p].place[k] != buffer[p].place[0] \
    && ((k) < 2 || buffer[p].place[k] != buffer[p].place[1]) && ((k) < 3 || buffer[p].place[k] != buffer[p].place[2])))
#endif

inline leave_(me, k)
{
    d_step {
        buffer[me].used > k && MAY_LEAVE(me, k) ->
        SAY(0, SAID_FLUSH, buffer[me].place[k], buffer[me].word[k]);
        memory[buffer[me].place[k]] = buffer[me].word[k];
        i_ = k;
        do
        :: i_ + 1 < buffer[me].used ->
            buffer[me].place[i_] = buffer[me].place[i_ + 1];
            buffer[me].word[i_] = buffer[me].word[i_ + 1];
            buffer[me].ordered[i_] = buffer[me].ordered[i_ + 1];
            i_++
        :: else -> break
        od;
        buffer[me].used--;
        buffer[me].place[i_] = 0;
        buffer[me].word[i_] = 0;
        buffer[me].ordered[i_] = 0;
        i_ = 0
    }
}

proctype Buffers()
{
end:
    do
    :: leave_(0, 0)
    :: leave_(1, 0)
#if PROCESSES > 2
    :: leave_(2, 0)
#endif
#if PROCESSES > 3
    :: leave_(3, 0)
#endif
#if MEMORY == PSO
    :: leave_(0, 1)
    :: leave_(0, 2)
    :: leave_(0, 3)
    :: leave_(1, 1)
    :: leave_(1, 2)
    :: leave_(1, 3)
#if PROCESSES > 2
    :: leave_(2, 1)
    :: leave_(2, 2)
    :: leave_(2, 3)
#endif
#if PROCESSES > 3
    :: leave_(3, 1)
    :: leave_(3, 2)
    :: leave_(3, 3)
#endif
#endif
    od
}

#undef SETTLED
#if PROCESSES > 3
#define SETTLED (buffer[0].used == 0 && buffer[1].used == 0 && buffer[2].used == 0 && buffer[3].used == 0)
#elif PROCESSES > 2
#define SETTLED (buffer[0].used == 0 && buffer[1].used == 0 && buffer[2].used == 0)
#else
#define SETTLED (buffer[0].used == 0 && buffer[1].used == 0)
#endif

#endif

/* Locked instructions: the buffer is empty. */
inline exchange_(location, order, data)
{
    READY -> memory[location] = data
}

inline compare_exchange_(location, order, expected, data, done)
{
    if
    :: READY && memory[location] == expected -> memory[location] = data; done = true
    :: READY && memory[location] != expected -> expected = memory[location]; done = false
    fi
}

#endif

/* The accesses. The number is that of libtm/doc/memory-model.md; ORDER_number is its order, from orders.pml. */
#define LOAD(number, location, out) load_(location, ORDER_##number, out); SAY(NAME_##number, SAID_LOAD, location, out)
#define STORE(number, location, data) store_(location, ORDER_##number, data); SAY(NAME_##number, SAID_STORE, location, data)
#define EXCHANGE(number, location, data) exchange_(location, ORDER_##number, data); SAY(NAME_##number, SAID_EXCHANGE, location, data)
#define COMPARE_EXCHANGE(number, location, expected, data, done) \
    compare_exchange_(location, ORDER_##number, expected, data, done); \
    SAY(NAME_##number, (done -> SAID_CAS : SAID_CAS_FAILED), location, (done -> data : expected))
#define WAIT_UNTIL(number, location, out, CONDITION) \
    WAIT_UNTIL_(location, ORDER_##number, out, CONDITION); SAY(NAME_##number, SAID_LOAD, location, out)
