/* The event loop: one thread that owns every socket, TLS object and timer. Others reach it only through
 * loop_post. Wraps libuv; together with the other files of net/ that include uv.h it is the only place
 * that knows it. All per-loop state hangs off struct loop; there are no file-level variables, so several
 * loops can run side by side later (architecture section 4). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/error.h"

struct loop;
struct loop_timer;

/* The clock must outlive the loop. */
MUST_CHECK err_t loop_new(const struct clock *clock, struct loop **out);
/* Runs until loop_stop and until every handle is closed. The calling thread becomes the loop thread. */
void loop_run(struct loop *loop);
/* Loop thread: loop_run returns at the end of this turn. */
void loop_stop(struct loop *loop);
/* After loop_run returned: closes what is left, frees. */
void loop_free(struct loop *loop);
const struct clock *loop_clock(const struct loop *loop);

/* Any thread: function(context) runs once on the loop thread, in the order posted. Never fails: the node
 * is part of the caller's memory and must stay valid until the function is called. */
struct loop_task {
    struct loop_task *next; /* private */
    void (*function)(struct loop_task *task);
};
void loop_post(struct loop *loop, struct loop_task *task);

/* One-shot timers on the injected clock's monotonic time, loop thread only; never early. On a clock that a test steps
 * by hand a due timer fires within a quarter of a second of real time. A timer may be re-armed in its callback. */
struct loop_timer *loop_timer_new(struct loop *loop, void (*fire)(void *context), void *context);
void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_stop(struct loop_timer *timer);
/* The callback is never called after this; memory is freed later by the loop. */
void loop_timer_free(struct loop_timer *timer);

/* SIGTERM, SIGINT, SIGHUP. on_signal(context, signal_number) on the loop thread; the second SIGTERM or
 * SIGINT ends the process at once (safe: see promise 9). Also ignores SIGPIPE. */
MUST_CHECK err_t loop_watch_signals(struct loop *loop, void (*on_signal)(void *context, int signal_number),
                                    void *context);
