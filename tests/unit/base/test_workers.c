/* Unit tests of base/workers. */
#include "support.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "base/workers.h"

static _Atomic unsigned ran_count;
static _Atomic unsigned thread_mask;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void count(void *context, size_t thread_index)
{
    (void)context;
    atomic_fetch_add(&ran_count, 1);
    atomic_fetch_or(&thread_mask, 1u << thread_index);
}

/* Waits until the test opens the gate. */
static void wait_at_gate(void *context, size_t thread_index)
{
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    count(context, thread_index);
}

static void runs_every_job_before_stopping(void **state)
{
    (void)state;
    struct workers *pool;
    for (size_t threads = 1; threads <= 4; threads++) {
        atomic_store(&ran_count, 0);
        atomic_store(&thread_mask, 0);
        assert_int_equal(workers_start(threads, "job", &pool), ERROR_OK);
        for (int i = 0; i < 500; i++)
            assert_int_equal(workers_submit(pool, count, NULL), ERROR_OK);
        workers_stop(pool);
        assert_int_equal(atomic_load(&ran_count), 500);
        assert_true(atomic_load(&thread_mask) < 1u << threads);
    }
    workers_stop(NULL);
}

static void bounds_its_queue(void **state)
{
    (void)state;
    struct workers *pool;
    atomic_store(&ran_count, 0);
    assert_int_equal(workers_start(1, "full", &pool), ERROR_OK);
    assert_int_equal(pthread_mutex_lock(&gate), 0);
    assert_int_equal(workers_submit(pool, wait_at_gate, NULL), ERROR_OK);
    while (workers_queued_count(pool) > 0) /* until the worker stands at the gate */
        (void)usleep(100);
    for (int i = 0; i < WORKERS_QUEUE_MAX; i++)
        assert_int_equal(workers_submit(pool, count, NULL), ERROR_OK);
    assert_int_equal(workers_queued_count(pool), WORKERS_QUEUE_MAX);
    assert_int_equal(workers_submit(pool, count, NULL), ERROR_TOO_MANY_REQUESTS);
    assert_int_equal(workers_queued_count(pool), WORKERS_QUEUE_MAX);
    assert_int_equal(pthread_mutex_unlock(&gate), 0);
    workers_stop(pool);
    assert_int_equal(atomic_load(&ran_count), WORKERS_QUEUE_MAX + 1);
}

static int order[600];

static void note_order(void *context, size_t thread_index)
{
    (void)thread_index;
    order[atomic_fetch_add(&ran_count, 1)] = (int)(intptr_t)context;
}

static void keeps_the_order(void **state)
{
    (void)state;
    struct workers *pool;
    atomic_store(&ran_count, 0);
    assert_int_equal(workers_start(1, "order", &pool), ERROR_OK);
    for (intptr_t i = 0; i < 600; i++)
        assert_int_equal(workers_submit(pool, note_order, (void *)i), ERROR_OK);
    workers_stop(pool);
    for (int i = 0; i < 600; i++)
        assert_int_equal(order[i], i);
}

struct thread_traits {
    char name[16];
    size_t stack_size;
    sigset_t mask;
};

static void look_at_self(void *context, size_t thread_index)
{
    (void)thread_index;
    struct thread_traits *out = context;
    pthread_attr_t attributes;
    (void)pthread_getname_np(pthread_self(), out->name, sizeof out->name);
    (void)pthread_getattr_np(pthread_self(), &attributes);
    (void)pthread_attr_getstacksize(&attributes, &out->stack_size);
    (void)pthread_attr_destroy(&attributes);
    (void)pthread_sigmask(SIG_SETMASK, NULL, &out->mask);
}

static void sets_up_threads(void **state)
{
    (void)state;
    struct workers *pool;
    struct thread_traits found;
    sigset_t mine;
    assert_int_equal(workers_start(1, "a-rather-long-name", &pool), ERROR_OK);
    assert_int_equal(workers_submit(pool, look_at_self, &found), ERROR_OK);
    workers_stop(pool);
    assert_string_equal(found.name, "a-rather-lon-0");
    assert_true(found.stack_size >= (size_t)1 << 20);
    assert_true(sigismember(&found.mask, SIGTERM) == 1 && sigismember(&found.mask, SIGHUP) == 1);
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
    assert_true(sigismember(&mine, SIGTERM) == 0);
}

static struct workers *stopping;
static _Atomic int submit_error;

/* Submits until that is refused: what a job sees that runs while the pool is being stopped. */
static void submit_until_refused(void *context, size_t thread_index)
{
    (void)context;
    err_t error = ERROR_OK;
    while (error == ERROR_OK || error == ERROR_TOO_MANY_REQUESTS)
        error = workers_submit(stopping, count, NULL);
    atomic_store(&submit_error, (int)error);
    (void)thread_index;
}

static void refuses_jobs_while_stopping(void **state)
{
    (void)state;
    assert_int_equal(workers_start(2, "stop", &stopping), ERROR_OK);
    assert_int_equal(workers_submit(stopping, submit_until_refused, NULL), ERROR_OK);
    workers_stop(stopping);
    assert_int_equal(atomic_load(&submit_error), ERROR_CANCELLED);
}

static void reports_short_memory(void **state)
{
    (void)state;
    struct workers *pool = NULL;
    (void)memory_fail_from(1);
    assert_int_equal(workers_start(1, "x", &pool), ERROR_NO_MEMORY);
    assert_true(memory_fail_from(0));
    assert_null(pool);
}

TESTS(cmocka_unit_test(runs_every_job_before_stopping), cmocka_unit_test(bounds_its_queue),
      cmocka_unit_test(keeps_the_order), cmocka_unit_test(sets_up_threads),
      cmocka_unit_test(refuses_jobs_while_stopping), cmocka_unit_test(reports_short_memory))
