/* SPDX-License-Identifier: MIT */
/* What a program asks for */
#define BEGIN 1
#define READ 2        /* at: into r[at] */
#define WRITE 3       /* at, data */
#define HOLD 4        /* at: take the orec, change nothing */
#define COMMIT 5
#define ABORT 6       /* roll back and go on with the program */
#define RESTART 7     /* roll back and try again */
#define PLAIN_READ 8  /* at: into r[at], outside of transactions */
#define PLAIN_WRITE 9 /* at, data */
#define FREE 10       /* at */
#define GRACE 11      /* a grace period */
#define IRREVOCABLE 12
#define ALONE 13      /* begin with the serial token */
#define END 14
#define DO(what, where, value) op = what; at = where; data = value

/* A line of fetch(): the process does this at this step. OTHERWISE_END: what has no line ends. */
#define AT(process, step, what, where, value) :: me == process && ip == step -> DO(what, where, value)
#define AT_IF(process, step, condition, what, where, value) :: me == process && ip == step && (condition) -> DO(what, where, value)
/* As AT, after a check of what has been read so far. */
#define CHECK(process, step, condition, what, where, value) :: me == process && ip == step -> assert(condition); DO(what, where, value)
#define OTHERWISE_END :: else -> DO(END, 0, 0)
