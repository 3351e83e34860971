/* Private to net/: what is put off to the end of a turn.
 *
 * One turn of the loop: callbacks of sockets and timers run, then (uv_prepare, just before the loop blocks)
 * the deferred work, then the flushes, then the garbage of the turn is freed. So whatever a turn produced goes
 * out with one write per connection, and nothing is freed below a stack frame that may still use it.
 * Loop thread only. */
#pragma once

#include "net/loop.h"

/* An item of one of the two end-of-turn lists; embedded in its owner. Zeroed: not queued. */
struct loop_work {
    struct loop_work *next, *previous;
    void (*run)(struct loop_work *work);
};

/* Memory to be given back at the end of the turn. */
struct loop_garbage {
    struct loop_garbage *next;
    void (*free)(struct loop_garbage *garbage);
};

/* Runs once before the loop blocks next; queued again from inside its own run: in the next turn. */
void loop_defer(struct loop *loop, struct loop_work *work);
/* The same, after all deferred work: for writing what the turn produced. */
void loop_defer_flush(struct loop *loop, struct loop_work *work);
void loop_work_cancel(struct loop_work *work);
void loop_free_later(struct loop *loop, struct loop_garbage *garbage);
