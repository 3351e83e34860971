/* Private to net/: the loop's own state, for the files that include uv.h. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "net/loop.h"
#include "net/loop_deferred.h"

/* libuv reads at most this much at once; the one buffer per loop is consumed inside the read callback. */
#define LOOP_READ_BUFFER_BYTES (64 * 1024)
/* A TLS flight that carries a key exchange and a signature costs about 2 ms of CPU (anchors 8.4): this many
 * a turn keep the other connections waiting for less than 10 ms. */
#define LOOP_HANDSHAKE_FLIGHTS_PER_TURN 4

/* First thing that uv_handle_t.data of every handle in net/ points to (NULL: the loop's own handles). */
struct loop_handle {
    /* The loop stops: start closing; the close callback must work without the loop going on. */
    void (*stop)(struct loop_handle *handle);
};

struct loop {
    uv_loop_t uv;
    const struct clock *clock;
    uv_async_t wake;
    uv_prepare_t turn_end;
    uv_idle_t spin; /* active while work is left over, so that the poll does not block */
    uv_signal_t signals[3];
    bool signals_open;
    void (*on_signal)(void *context, int signal_number);
    void *signal_context;
    int terminations_count;
    _Atomic(struct loop_task *) inbox; /* newest first */
    struct loop_work work, flush;      /* sentinels */
    struct loop_garbage *garbage;
    struct loop_timer *timers;
    uint64_t turn;
    unsigned handshake_flights_left;
    char *read_buffer;
    uv_thread_t thread;
    bool running, stopping, finished;
};

static inline int64_t loop_now_ns(const struct loop *loop)
{
    return clock_monotonic_ns(loop->clock);
}
