/* A fixed pool of threads over one bounded ring of jobs. One mutex guards all fields; jobs run without
 * it. workers_stop lets the threads empty the ring before it joins them, so that every job that was
 * accepted runs exactly once. */
#include "base/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/check.h"
#include "base/memory.h"

#define STACK_SIZE_BYTES ((size_t)1 << 20)
#define THREAD_NAME_SIZE 16 /* the kernel's limit, NUL included */

struct job {
    void (*run)(void *context, size_t thread_index);
    void *context;
};

struct worker {
    struct workers *pool;
    pthread_t thread;
    size_t index;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool stopping;
    size_t first;
    size_t queued_count;
    struct job queue[WORKERS_QUEUE_MAX];
    size_t thread_count;
    struct worker threads[WORKERS_THREADS_MAX];
    char name[THREAD_NAME_SIZE];
};

/* False when there is nothing left and the pool stops. */
static bool take_job(struct workers *pool, struct job *out)
{
    REQUIRE(pthread_mutex_lock(&pool->lock) == 0);
    while (pool->queued_count == 0 && !pool->stopping)
        REQUIRE(pthread_cond_wait(&pool->wake, &pool->lock) == 0);
    bool found = pool->queued_count > 0;
    if (found) {
        *out = pool->queue[pool->first];
        pool->first = (pool->first + 1) % WORKERS_QUEUE_MAX;
        pool->queued_count--;
    }
    REQUIRE(pthread_mutex_unlock(&pool->lock) == 0);
    return found;
}

static void *work(void *context)
{
    struct worker *self = context;
    char name[THREAD_NAME_SIZE];
    struct job job;
    (void)snprintf(name, sizeof name, "%.12s-%u", self->pool->name, (unsigned)self->index % 100);
    (void)pthread_setname_np(pthread_self(), name);
    while (take_job(self->pool, &job))
        job.run(job.context, self->index);
    return NULL;
}

/* Signals are the main thread's: the new threads inherit a mask that blocks all of them. */
static bool start_threads(struct workers *pool, size_t thread_count)
{
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    bool started = true;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    REQUIRE(pthread_attr_setstacksize(&attributes, STACK_SIZE_BYTES) == 0);
    sigfillset(&all);
    REQUIRE(pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    while (started && pool->thread_count < thread_count) {
        struct worker *worker = &pool->threads[pool->thread_count];
        *worker = (struct worker){ .pool = pool, .index = pool->thread_count };
        started = pthread_create(&worker->thread, &attributes, work, worker) == 0;
        pool->thread_count += started;
    }
    REQUIRE(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    (void)pthread_attr_destroy(&attributes);
    return started;
}

err_t workers_start(size_t thread_count, const char *name, struct workers **out)
{
    REQUIREF(thread_count >= 1 && thread_count <= WORKERS_THREADS_MAX, "thread_count=%zu", thread_count);
    struct workers *pool = memory_zalloc(1, sizeof *pool);
    if (pool == NULL)
        return ERROR_NO_MEMORY;
    (void)snprintf(pool->name, sizeof pool->name, "%s", name);
    REQUIRE(pthread_mutex_init(&pool->lock, NULL) == 0);
    REQUIRE(pthread_cond_init(&pool->wake, NULL) == 0);
    if (!start_threads(pool, thread_count)) {
        workers_stop(pool);
        return ERROR_NO_MEMORY;
    }
    *out = pool;
    return ERROR_OK;
}

err_t workers_submit(struct workers *workers, void (*run)(void *context, size_t thread_index), void *context)
{
    err_t error = ERROR_OK;
    REQUIRE(pthread_mutex_lock(&workers->lock) == 0);
    if (workers->stopping) {
        error = ERROR_CANCELLED;
    } else if (workers->queued_count == WORKERS_QUEUE_MAX) {
        error = ERROR_TOO_MANY_REQUESTS;
    } else {
        size_t at = (workers->first + workers->queued_count) % WORKERS_QUEUE_MAX;
        workers->queue[at] = (struct job){ run, context };
        workers->queued_count++;
        REQUIRE(pthread_cond_signal(&workers->wake) == 0);
    }
    REQUIRE(pthread_mutex_unlock(&workers->lock) == 0);
    return error;
}

void workers_stop(struct workers *workers)
{
    if (workers == NULL)
        return;
    REQUIRE(pthread_mutex_lock(&workers->lock) == 0);
    workers->stopping = true;
    REQUIRE(pthread_cond_broadcast(&workers->wake) == 0);
    REQUIRE(pthread_mutex_unlock(&workers->lock) == 0);
    for (size_t i = 0; i < workers->thread_count; i++)
        REQUIRE(pthread_join(workers->threads[i].thread, NULL) == 0);
    (void)pthread_cond_destroy(&workers->wake);
    (void)pthread_mutex_destroy(&workers->lock);
    memory_free(workers);
}

size_t workers_queued_count(struct workers *workers)
{
    REQUIRE(pthread_mutex_lock(&workers->lock) == 0);
    size_t count = workers->queued_count;
    REQUIRE(pthread_mutex_unlock(&workers->lock) == 0);
    return count;
}
