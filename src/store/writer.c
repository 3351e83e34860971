/* Group commit. One mutex guards the queue, the waiters, the counters and the time given out; the write
 * transaction itself belongs to the thread alone.
 * Invariants: reported times given out never go back, and while a commit is under way its reported time is
 * in 'inflight_ns', so that a reader can tell whether a window that has ended is complete. */
#include "store/writer.h"

#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/write_internal.h"

#define WRITER_STACK_SIZE_BYTES ((size_t)1024 * 1024)
#define NOTHING_INFLIGHT INT64_MAX

struct writer {
    struct writer_options options;
    struct store_write write; /* writer thread only */

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct store_job *first, **last;
    size_t queued_weight, queued_jobs;
    struct store_waiter *waiters;
    int64_t reported_ns; /* newest given out */
    int64_t inflight_ns;
    struct store_counters counters;
    bool stopping;
};

/* --- state in the meta table --- */

static const struct text state_key = { "state", 5 };

err_t state_read(struct kv_txn *txn, struct store_state *state)
{
    struct text value;
    err_t error = kv_get(txn, KV_META, state_key, &value);
    *state = (struct store_state){ 0, INT64_MIN, -1 };
    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    if (error != ERROR_OK)
        return error;
    if (value.len != 24)
        return ERROR_STORE_CORRUPT;
    const uint8_t *p = (const uint8_t *)value.ptr;
    state->last_sequence = get_u64be(p);
    state->last_reported_ns = (int64_t)get_u64be(p + 8);
    state->first_live_hour = (int64_t)get_u64be(p + 16);
    return ERROR_OK;
}

err_t state_write(struct kv_txn *txn, const struct store_state *state)
{
    uint8_t value[24];
    put_u64be(value, state->last_sequence);
    put_u64be(value + 8, (uint64_t)state->last_reported_ns);
    put_u64be(value + 16, (uint64_t)state->first_live_hour);
    return kv_put(txn, KV_META, state_key, BYTES(value));
}

/* --- time --- */

static int64_t later_of_clock_and_reported(struct writer *writer)
{
    int64_t wall_ns = clock_wall_ns(writer->options.clock);
    return wall_ns > writer->reported_ns ? wall_ns : writer->reported_ns;
}

static int64_t take_reported_time(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    if (clock_wall_ns(writer->options.clock) < writer->reported_ns)
        writer->counters.clock_went_back_count++;
    writer->reported_ns = later_of_clock_and_reported(writer);
    writer->inflight_ns = writer->reported_ns;
    int64_t reported_ns = writer->reported_ns;
    pthread_mutex_unlock(&writer->mutex);
    return reported_ns;
}

int64_t writer_now_ns(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    int64_t now_ns = later_of_clock_and_reported(writer);
    pthread_mutex_unlock(&writer->mutex);
    return now_ns;
}

bool writer_settled(struct writer *writer, int64_t end_ns, struct store_waiter *waiter)
{
    pthread_mutex_lock(&writer->mutex);
    bool settled = writer->inflight_ns >= end_ns;
    /* Whoever asks will take the window for complete, so nothing may be reported in it later, not even when the
     * clock is set back. */
    if (end_ns > writer->reported_ns && end_ns <= later_of_clock_and_reported(writer))
        writer->reported_ns = end_ns;
    if (!settled) {
        waiter->end_ns = end_ns;
        waiter->next = writer->waiters;
        writer->waiters = waiter;
    }
    pthread_mutex_unlock(&writer->mutex);
    return settled;
}

/* The commit is over, one way or the other: its reported time can't appear any more. */
static void release_waiters(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->inflight_ns = NOTHING_INFLIGHT;
    struct store_waiter *waiters = writer->waiters;
    writer->waiters = NULL;
    pthread_mutex_unlock(&writer->mutex);
    while (waiters != NULL) {
        struct store_waiter *next = waiters->next;
        waiters->settled(waiters);
        waiters = next;
    }
}

/* --- one transaction --- */

static void reset(struct writer *writer)
{
    struct store_write *write = &writer->write;
    write->journal.count = 0;
    pending_clear(&write->claims);
    pending_clear(&write->hourly);
    pending_clear(&write->daily);
}

static void undo(struct writer *writer)
{
    reset(writer);
    dictionary_forget(writer->options.dictionary);
}

static err_t flush(struct store_write *write)
{
    err_t error = journal_flush(&write->journal, write->txn);
    if (error == ERROR_OK)
        error = pending_flush(&write->claims, write->rows, write->txn);
    if (error == ERROR_OK)
        error = pending_flush(&write->hourly, write->rows, write->txn);
    if (error == ERROR_OK)
        error = pending_flush(&write->daily, write->rows, write->txn);
    return error == ERROR_OK ? state_write(write->txn, &write->state) : error;
}

/* Runs the jobs of a list in one transaction. All of it is durable afterwards, or nothing happened. */
static err_t commit_jobs(struct writer *writer, struct store_job *jobs)
{
    struct store_write *write = &writer->write;
    struct store_state state_before = write->state;
    write->reported_ns = take_reported_time(writer);
    write->journal.reported_ns = write->reported_ns;
    err_t error = kv_write_begin(writer->options.kv, &write->txn);
    if (error != ERROR_OK)
        return error;
    for (struct store_job *job = jobs; job != NULL && error == ERROR_OK; job = job->next)
        error = job->run(write, job);
    if (error == ERROR_OK)
        error = flush(write);
    if (error == ERROR_OK)
        error = kv_commit(write->txn);
    else
        kv_abort(write->txn);
    if (error != ERROR_OK) {
        write->state = state_before;
        undo(writer);
    } else {
        reset(writer);
    }
    return error;
}

static void count_commit(struct writer *writer, err_t error, int64_t duration_ns)
{
    pthread_mutex_lock(&writer->mutex);
    bool was_degraded = writer->counters.degraded;
    if (error == ERROR_INSUFFICIENT_STORAGE)
        writer->counters.degraded = true;
    if (error == ERROR_OK) {
        writer->counters.degraded = false;
        writer->counters.commits++;
        writer->counters.last_commit_duration_ns = duration_ns;
    } else {
        writer->counters.commit_failures++;
    }
    bool degraded = writer->counters.degraded;
    pthread_mutex_unlock(&writer->mutex);
    if (degraded && !was_degraded)
        log_error("store", "disk or map is full: usage is refused, reads go on");
    if (!degraded && was_degraded)
        log_info("store", "space is available again");
}

static err_t timed_commit(struct writer *writer, struct store_job *jobs)
{
    int64_t start_ns = clock_monotonic_ns(writer->options.clock);
    err_t error = commit_jobs(writer, jobs);
    count_commit(writer, error, clock_monotonic_ns(writer->options.clock) - start_ns);
    /* A damaged store must not go on taking money: the supervisor restarts us, verify tells more. */
    REQUIREF(error != ERROR_STORE_CORRUPT, "the store is damaged; restore a backup");
    return error;
}

static void run_group(struct writer *writer, struct store_job *jobs)
{
    err_t error = timed_commit(writer, jobs);
    bool retry_alone = error != ERROR_OK && error != ERROR_INSUFFICIENT_STORAGE && jobs->next != NULL;
    while (jobs != NULL) {
        struct store_job *job = jobs;
        jobs = job->next;
        job->next = NULL;
        /* One job that can't be written must not take the others down with it. */
        job->error = retry_alone ? timed_commit(writer, job) : error;
        if (jobs == NULL)
            release_waiters(writer);
        job->done(job);
    }
}

/* --- queue --- */

static struct store_job *take_group(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    while (writer->first == NULL && !writer->stopping)
        pthread_cond_wait(&writer->wake, &writer->mutex);
    struct store_job *group = writer->first, **end = &group;
    size_t weight = 0;
    while (*end != NULL && (weight == 0 || weight + (*end)->weight <= STORE_GROUP_WEIGHT_MAX)) {
        weight += (*end)->weight;
        writer->queued_jobs--;
        end = &(*end)->next;
    }
    writer->first = *end;
    *end = NULL;
    if (writer->first == NULL)
        writer->last = &writer->first;
    writer->queued_weight -= weight;
    pthread_mutex_unlock(&writer->mutex);
    return group;
}

static void *writer_main(void *argument)
{
    struct writer *writer = argument;
    struct store_job *group;
    while ((group = take_group(writer)) != NULL)
        run_group(writer, group);
    return NULL;
}

err_t writer_submit(struct writer *writer, struct store_job *job)
{
    REQUIRE(job->weight > 0);
    job->next = NULL;
    err_t error = ERROR_OK;
    pthread_mutex_lock(&writer->mutex);
    if (writer->stopping) {
        error = ERROR_CANCELLED;
    } else if (writer->queued_jobs > 0 && writer->queued_weight + job->weight > writer->options.queue_weight_max) {
        error = ERROR_TOO_MANY_REQUESTS;
    } else {
        *writer->last = job;
        writer->last = &job->next;
        writer->queued_weight += job->weight;
        writer->queued_jobs++;
        writer->counters.jobs++;
        pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->mutex);
    return error;
}

struct store_counters writer_counters(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    struct store_counters counters = writer->counters;
    counters.queued_weight = writer->queued_weight;
    counters.queued_jobs = writer->queued_jobs;
    pthread_mutex_unlock(&writer->mutex);
    return counters;
}

/* --- life --- */

static void writer_free(struct writer *writer)
{
    pending_free(&writer->write.claims);
    pending_free(&writer->write.hourly);
    pending_free(&writer->write.daily);
    buffer_free(&writer->write.journal.segment);
    pthread_cond_destroy(&writer->wake);
    pthread_mutex_destroy(&writer->mutex);
    memory_free(writer);
}

err_t writer_start(const struct writer_options *options, struct writer **out)
{
    struct writer *writer = memory_zalloc(1, sizeof *writer);
    if (writer == NULL)
        return ERROR_NO_MEMORY;
    writer->options = *options;
    writer->last = &writer->first;
    writer->reported_ns = options->state.last_reported_ns;
    writer->inflight_ns = NOTHING_INFLIGHT;
    writer->write.rows = options->rows;
    writer->write.dictionary = options->dictionary;
    writer->write.state = options->state;
    pending_init(&writer->write.claims, ROWS_DEDUPE);
    pending_init(&writer->write.hourly, ROWS_HOURLY);
    pending_init(&writer->write.daily, ROWS_DAILY);
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->wake, NULL);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, WRITER_STACK_SIZE_BYTES);
    int code = pthread_create(&writer->thread, &attributes, writer_main, writer);
    pthread_attr_destroy(&attributes);
    if (code != 0) {
        writer_free(writer);
        return ERROR_NO_MEMORY;
    }
    *out = writer;
    return ERROR_OK;
}

void writer_stop(struct writer *writer)
{
    if (writer == NULL)
        return;
    pthread_mutex_lock(&writer->mutex);
    writer->stopping = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    writer_free(writer);
}
