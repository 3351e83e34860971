/* The event loop wrapper. Thread: everything but loop_post belongs to the loop thread.
 * Ownership: the loop owns its handles and every loop_timer; other handles belong to their files and are
 * asked to close through struct loop_handle when the loop stops.
 * Invariants: a handle's memory is freed only after its close callback; the inbox is drained whole, since
 * uv_async_send coalesces. */
#include "net/loop.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/loop_uv.h"

/* A steered clock (tests, the demo) may jump or stand still: timers on it look again this often. */
#define TIMER_STEERED_MS 250
#define TIMER_STANDING_MS 20

struct loop_timer {
    struct loop_handle hook; /* first: uv.data points here */
    uv_timer_t uv;
    struct loop *loop;
    struct loop_timer *next, *previous; /* loop->timers */
    void (*fire)(void *context);
    void *context;
    int64_t due_ns, seen_ns;
    bool released, closed;
};

static void require_loop_thread(const struct loop *loop)
{
    if (loop->running) {
        uv_thread_t self = uv_thread_self();
        REQUIRE(uv_thread_equal(&self, &loop->thread));
    }
}

/* --- end-of-turn lists --- */

static void list_init(struct loop_work *sentinel)
{
    sentinel->next = sentinel->previous = sentinel;
}

static bool list_is_empty(const struct loop_work *sentinel)
{
    return sentinel->next == sentinel;
}

static void list_append(struct loop_work *sentinel, struct loop_work *work)
{
    if (work->next != NULL)
        return;
    work->next = sentinel;
    work->previous = sentinel->previous;
    sentinel->previous->next = work;
    sentinel->previous = work;
}

void loop_work_cancel(struct loop_work *work)
{
    if (work->next == NULL)
        return;
    work->next->previous = work->previous;
    work->previous->next = work->next;
    work->next = work->previous = NULL;
}

void loop_defer(struct loop *loop, struct loop_work *work)
{
    list_append(&loop->work, work);
}

void loop_defer_flush(struct loop *loop, struct loop_work *work)
{
    list_append(&loop->flush, work);
}

/* Runs what is queued now; what is queued meanwhile waits for the next turn, which bounds this one. */
static void list_run(struct loop_work *sentinel)
{
    struct loop_work now;
    if (list_is_empty(sentinel))
        return;
    now = *sentinel;
    now.next->previous = &now;
    now.previous->next = &now;
    list_init(sentinel);
    while (now.next != &now) {
        struct loop_work *work = now.next;
        loop_work_cancel(work);
        work->run(work);
    }
}

void loop_free_later(struct loop *loop, struct loop_garbage *garbage)
{
    garbage->next = loop->garbage;
    loop->garbage = garbage;
}

static void collect_garbage(struct loop *loop)
{
    while (loop->garbage != NULL) {
        struct loop_garbage *garbage = loop->garbage;
        loop->garbage = garbage->next;
        garbage->free(garbage);
    }
}

/* --- posting --- */

void loop_post(struct loop *loop, struct loop_task *task)
{
    struct loop_task *head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do {
        task->next = head;
    } while (
        !atomic_compare_exchange_weak_explicit(&loop->inbox, &head, task, memory_order_acq_rel, memory_order_relaxed));
    /* A list that was not empty has been announced already and not yet been taken. */
    if (head == NULL)
        REQUIRE(uv_async_send(&loop->wake) == 0);
}

static void drain_inbox(struct loop *loop)
{
    struct loop_task *newest = atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acq_rel);
    struct loop_task *oldest = NULL;
    while (newest != NULL) {
        struct loop_task *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct loop_task *task = oldest;
        oldest = task->next; /* the function may free the task */
        task->function(task);
    }
}

static void on_wake(uv_async_t *async)
{
    drain_inbox(CONTAINER_OF(async, struct loop, wake));
}

/* --- running --- */

static void close_handle(uv_handle_t *handle, void *context)
{
    (void)context;
    if (uv_is_closing(handle))
        return;
    struct loop_handle *hook = handle->data;
    if (hook != NULL)
        hook->stop(hook);
    else
        uv_close(handle, NULL);
}

static void on_spin(uv_idle_t *idle)
{
    (void)idle;
}

static void on_turn_end(uv_prepare_t *prepare)
{
    struct loop *loop = CONTAINER_OF(prepare, struct loop, turn_end);
    list_run(&loop->work);
    list_run(&loop->flush);
    collect_garbage(loop);
    loop->turn++;
    loop->handshake_flights_left = LOOP_HANDSHAKE_FLIGHTS_PER_TURN;
    if (loop->stopping) {
        uv_walk(&loop->uv, close_handle, NULL);
        return;
    }
    if (list_is_empty(&loop->work) && list_is_empty(&loop->flush))
        uv_idle_stop(&loop->spin);
    else
        uv_idle_start(&loop->spin, on_spin);
}

err_t loop_new(const struct clock *clock, struct loop **out)
{
    struct loop *loop = memory_zalloc(1, sizeof *loop);
    if (loop == NULL)
        return ERROR_NO_MEMORY;
    loop->read_buffer = memory_alloc(LOOP_READ_BUFFER_BYTES);
    if (loop->read_buffer == NULL || uv_loop_init(&loop->uv) != 0) {
        memory_free(loop->read_buffer);
        memory_free(loop);
        return ERROR_NO_MEMORY;
    }
    loop->clock = clock;
    loop->handshake_flights_left = LOOP_HANDSHAKE_FLIGHTS_PER_TURN;
    list_init(&loop->work);
    list_init(&loop->flush);
    /* These fail only without file descriptors, at start: nothing could go on. */
    REQUIRE(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
    REQUIRE(uv_prepare_init(&loop->uv, &loop->turn_end) == 0);
    REQUIRE(uv_prepare_start(&loop->turn_end, on_turn_end) == 0);
    REQUIRE(uv_idle_init(&loop->uv, &loop->spin) == 0);
    loop->wake.data = loop->turn_end.data = loop->spin.data = NULL;
    *out = loop;
    return ERROR_OK;
}

/* The handles are gone, but what their close callbacks deferred and what other threads posted is still owed. */
static void settle(struct loop *loop)
{
    do {
        drain_inbox(loop);
        list_run(&loop->work);
        list_run(&loop->flush);
    } while (!list_is_empty(&loop->work) || !list_is_empty(&loop->flush) ||
             atomic_load_explicit(&loop->inbox, memory_order_relaxed) != NULL);
    collect_garbage(loop);
}

void loop_run(struct loop *loop)
{
    REQUIRE(!loop->finished);
    loop->thread = uv_thread_self();
    loop->running = true;
    REQUIRE(uv_run(&loop->uv, UV_RUN_DEFAULT) == 0);
    settle(loop);
    loop->running = false;
    loop->finished = true;
}

void loop_stop(struct loop *loop)
{
    require_loop_thread(loop);
    loop->stopping = true;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    REQUIRE(!loop->running);
    if (!loop->finished) {
        loop->stopping = true;
        loop_run(loop);
    }
    settle(loop);                                  /* posted between the end of loop_run and now */
    while (uv_loop_close(&loop->uv) == UV_EBUSY) { /* handles opened by such late tasks */
        uv_walk(&loop->uv, close_handle, NULL);
        REQUIRE(uv_run(&loop->uv, UV_RUN_DEFAULT) == 0);
        settle(loop);
    }
    while (loop->timers != NULL) {
        struct loop_timer *timer = loop->timers;
        loop->timers = timer->next;
        memory_free(timer);
    }
    memory_free(loop->read_buffer);
    memory_free(loop);
}

const struct clock *loop_clock(const struct loop *loop)
{
    return loop->clock;
}

/* --- timers --- */

static void timer_collect(struct loop_timer *timer)
{
    if (!timer->released || !timer->closed)
        return;
    if (timer->previous != NULL)
        timer->previous->next = timer->next;
    else
        timer->loop->timers = timer->next;
    if (timer->next != NULL)
        timer->next->previous = timer->previous;
    memory_free(timer);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct loop_timer *timer = CONTAINER_OF(handle, struct loop_timer, uv);
    timer->closed = true;
    timer_collect(timer);
}

static void timer_stop_for_good(struct loop_handle *hook)
{
    struct loop_timer *timer = CONTAINER_OF(hook, struct loop_timer, hook);
    uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}

static void on_timer(uv_timer_t *uv);

static void timer_wait(struct loop_timer *timer, int64_t now_ns)
{
    uint64_t wait_ms = (uint64_t)((timer->due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
    if (timer->loop->clock != clock_system()) {
        uint64_t bound_ms = now_ns == timer->seen_ns ? TIMER_STANDING_MS : TIMER_STEERED_MS;
        wait_ms = wait_ms < bound_ms ? wait_ms : bound_ms;
    }
    timer->seen_ns = now_ns;
    uv_timer_start(&timer->uv, on_timer, wait_ms, 0);
}

static void on_timer(uv_timer_t *uv)
{
    struct loop_timer *timer = CONTAINER_OF(uv, struct loop_timer, uv);
    int64_t now_ns = loop_now_ns(timer->loop);
    if (now_ns < timer->due_ns) /* libuv may be a millisecond early: the injected clock decides */
        timer_wait(timer, now_ns);
    else
        timer->fire(timer->context);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fire)(void *context), void *context)
{
    require_loop_thread(loop);
    struct loop_timer *timer = memory_zalloc(1, sizeof *timer);
    REQUIRE(timer != NULL); /* few and small, made at start */
    timer->hook.stop = timer_stop_for_good;
    timer->loop = loop;
    timer->fire = fire;
    timer->context = context;
    REQUIRE(uv_timer_init(&loop->uv, &timer->uv) == 0);
    timer->uv.data = &timer->hook;
    timer->next = loop->timers;
    if (timer->next != NULL)
        timer->next->previous = timer;
    loop->timers = timer;
    return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t delay_ms)
{
    require_loop_thread(timer->loop);
    if (timer->released || uv_is_closing((uv_handle_t *)&timer->uv))
        return;
    int64_t now_ns = loop_now_ns(timer->loop);
    timer->due_ns = now_ns + (int64_t)delay_ms * NS_PER_MS;
    timer->seen_ns = -1;
    uv_update_time(&timer->loop->uv); /* "now" is stale after long work in this turn */
    timer_wait(timer, now_ns);
}

void loop_timer_stop(struct loop_timer *timer)
{
    require_loop_thread(timer->loop);
    if (!uv_is_closing((uv_handle_t *)&timer->uv))
        uv_timer_stop(&timer->uv);
}

void loop_timer_free(struct loop_timer *timer)
{
    if (timer == NULL)
        return;
    REQUIRE(!timer->released);
    timer->released = true;
    if (!uv_is_closing((uv_handle_t *)&timer->uv))
        uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
    else
        timer_collect(timer);
}

/* --- signals --- */

static void on_uv_signal(uv_signal_t *handle, int signal_number)
{
    struct loop *loop = (struct loop *)handle->loop->data;
    if (signal_number != SIGHUP && ++loop->terminations_count > 1)
        _exit(128 + signal_number); /* at once; what was acknowledged is durable (promise 9) */
    loop->on_signal(loop->signal_context, signal_number);
}

err_t loop_watch_signals(struct loop *loop, void (*on_signal)(void *context, int signal_number), void *context)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    _Static_assert(COUNT_OF(numbers) == COUNT_OF(((struct loop *)0)->signals), "one handle per signal");
    REQUIRE(!loop->signals_open);
    loop->signals_open = true;
    loop->on_signal = on_signal;
    loop->signal_context = context;
    loop->uv.data = loop;
    struct sigaction ignore;
    memset(&ignore, 0, sizeof ignore);
    ignore.sa_handler = SIG_IGN;
    if (sigaction(SIGPIPE, &ignore, NULL) != 0)
        return ERROR_IO;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        if (uv_signal_init(&loop->uv, &loop->signals[i]) != 0)
            return ERROR_IO;
        loop->signals[i].data = NULL;
        if (uv_signal_start(&loop->signals[i], on_uv_signal, numbers[i]) != 0)
            return ERROR_IO;
    }
    return ERROR_OK;
}
