/* Group commit. One mutex guards the queue, the waiters, the counters and the time given out; the write
 * transaction itself belongs to the thread alone.
 * Invariants: reported times given out never go back. While a commit is under way its reported time is in
 * 'inflight_ns', and 'sealed_ns' is the start of the first hour that is not durably sealed, so that a reader can tell
 * whether a window that has ended is complete. Waiters are taken together with a group: its reported time is given out
 * after they asked, so it seals what they wait for. */
#include "store/writer.h"

#include <pthread.h>
#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/queue.h"
#include "store/reported_time.h"
#include "store/seal.h"
#include "store/write_internal.h"

#define WRITER_STACK_SIZE_BYTES ((size_t)1024 * 1024)
#define NOTHING_INFLIGHT INT64_MAX
#define GROWTH_TRIES_MAX 8 /* doublings: more than the largest commit needs */
/* Rows of upkeep for each row that a commit adds: a row is rewritten about once for each tier of runs that it rises
 * through, so upkeep that keeps this pace never falls behind. */
#define UPKEEP_ROWS_PER_ROW 6
/* Less is left to a later commit, or to the time between commits: a slice takes at least a block of some thousand rows,
 * which a commit of a single record should not wait for. */
#define UPKEEP_ROWS_MIN 4096
/* Rows of upkeep in a transaction of its own: short, because a record posted meanwhile waits for it. */
#define UPKEEP_SLICE_ROWS 16384

struct writer {
    struct writer_options options;
    struct store_write write; /* writer thread only */
    struct retention retention;

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake, rested;
    struct queue queue;
    struct store_waiter *waiters;
    struct reported_time time;
    int64_t inflight_ns, sealed_ns;
    struct store_counters counters;
    bool tick;           /* look at the clock */
    bool retention_left; /* there may be something to drop: since each seal until a slice finds nothing more */
    bool upkeep_held;    /* a slice failed: not again before the next tick */
    bool upkeep_paused, upkeep_under_way;
    bool stopping;
};

/* --- time --- */

static int64_t sealed_until_ns(const struct store_state *state)
{
    return state->sealed_hour < 0 ? INT64_MIN : hour_start_ns(state->sealed_hour);
}

static int64_t take_reported_time(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    int64_t reported_ns = writer->inflight_ns = reported_time_take(&writer->time);
    writer->counters.clock_went_back_count = writer->time.went_back_count;
    pthread_mutex_unlock(&writer->mutex);
    return reported_ns;
}

int64_t writer_now_ns(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    int64_t now_ns = reported_time_now(&writer->time);
    pthread_mutex_unlock(&writer->mutex);
    return now_ns;
}

bool writer_settled(struct writer *writer, int64_t end_ns, struct store_waiter *waiter)
{
    pthread_mutex_lock(&writer->mutex);
    bool settled = writer->sealed_ns >= end_ns;
    if (!settled) {
        /* Whoever asks will take the window for complete. The seal promises that for whole hours; for the rest, and
         * where no seal can be written, this process does. */
        if (end_ns <= reported_time_now(&writer->time))
            reported_time_reach(&writer->time, end_ns);
        settled = writer->sealed_ns >= hour_start_ns(instant_hour(end_ns)) && writer->inflight_ns >= end_ns;
    }
    if (!settled) {
        waiter->next = writer->waiters;
        writer->waiters = waiter;
        pthread_cond_signal(&writer->wake);
    }
    pthread_mutex_unlock(&writer->mutex);
    return settled;
}

void writer_tick(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->tick = true;
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->mutex);
}

/* The commit is over, one way or the other: its reported time can't appear any more. */
static void release_waiters(struct writer *writer, struct store_waiter *waiters)
{
    pthread_mutex_lock(&writer->mutex);
    writer->inflight_ns = NOTHING_INFLIGHT;
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
    claims_clear(&write->claims);
    pending_clear(&write->hourly);
    pending_clear(&write->daily);
    pending_clear(&write->rollup);
}

static void undo(struct writer *writer)
{
    struct store_write *write = &writer->write;
    reset(writer);
    write->undone++;
    journal_undo(&write->journal, write->state.last_sequence + 1, write->state.head);
    memset(write->usage_times, 0, sizeof write->usage_times);
    write->span_noted = false;
    dictionary_forget(writer->options.dictionary);
}

static err_t flush(struct store_write *write)
{
    err_t error = journal_flush(&write->journal, write->txn);
    write->state.last_sequence = write->journal.next_sequence - 1;
    memcpy(write->state.head, write->journal.head, SHA256_SIZE);
    if (error == ERROR_OK)
        error = write_flush_span(write);
    if (error == ERROR_OK)
        error = claims_flush(&write->claims, write->rows, write->txn);
    if (error == ERROR_OK)
        error = pending_flush(&write->hourly, write->rows, write->txn);
    if (error == ERROR_OK)
        error = pending_flush(&write->daily, write->rows, write->txn);
    if (error == ERROR_OK)
        error = pending_flush(&write->rollup, write->rows, write->txn);
    return error == ERROR_OK ? state_write(write->txn, &write->state) : error;
}

/* Part of each commit, so that merges keep pace with what is added. */
static err_t upkeep_with_commit(struct store_write *write, size_t rows_added, bool *left)
{
    write->upkeep_rows += rows_added * UPKEEP_ROWS_PER_ROW;
    size_t budget = write->upkeep_rows >= UPKEEP_ROWS_MIN ? write->upkeep_rows : 0; /* 0: just see what is left */
    write->upkeep_rows -= budget;
    return rows_added == 0 ? ERROR_OK : write->rows->upkeep(write->txn, budget, false, left);
}

static size_t rows_to_add(const struct store_write *write)
{
    return claims_made(&write->claims) + write->hourly.count + write->daily.count + write->rollup.count;
}

struct commit_outcome {
    bool sealed;
    bool upkeep_left;
};

static err_t run_in_transaction(struct writer *writer, struct store_job *jobs, struct commit_outcome *outcome)
{
    struct store_write *write = &writer->write;
    err_t error = seal_before(write, writer->options.signature_key, &outcome->sealed);
    if (error == ERROR_OK)
        error = claims_prepare(&write->claims, write->rows, write->txn, jobs);
    for (struct store_job *job = jobs; job != NULL && error == ERROR_OK; job = job->next)
        error = job->run(write, job);
    if (error != ERROR_OK)
        return error;
    size_t rows = rows_to_add(write);
    error = flush(write);
    outcome->upkeep_left = outcome->upkeep_left || outcome->sealed;
    return error == ERROR_OK ? upkeep_with_commit(write, rows, &outcome->upkeep_left) : error;
}

/* Runs the jobs of a list in one transaction. All of it is durable afterwards, or nothing happened. */
static err_t commit_jobs(struct writer *writer, struct store_job *jobs, struct commit_outcome *outcome)
{
    struct store_write *write = &writer->write;
    struct store_state state_before = write->state;
    write->reported_ns = take_reported_time(writer);
    write->journal.reported_ns = write->reported_ns;
    err_t error = kv_write_begin(writer->options.kv, &write->txn);
    if (error != ERROR_OK)
        return error;
    error = run_in_transaction(writer, jobs, outcome);
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

static void count_commit(struct writer *writer, err_t error, const struct commit_outcome *outcome, int64_t duration_ns)
{
    pthread_mutex_lock(&writer->mutex);
    struct store_counters *counters = &writer->counters;
    bool was_degraded = counters->degraded;
    if (error == ERROR_INSUFFICIENT_STORAGE)
        counters->degraded = true;
    if (error == ERROR_OK) {
        counters->degraded = false;
        counters->commits++;
        counters->last_commit_duration_ns = duration_ns;
        counters->seals += outcome->sealed ? 1 : 0;
        counters->upkeep_left = outcome->upkeep_left;
        writer->retention_left = writer->retention_left || outcome->sealed;
        writer->sealed_ns = sealed_until_ns(&writer->write.state);
    } else {
        counters->commit_failures++;
    }
    bool degraded = counters->degraded;
    pthread_mutex_unlock(&writer->mutex);
    if (degraded && !was_degraded)
        log_error("store", "disk or map is full: usage is refused, reads go on");
    if (!degraded && was_degraded)
        log_info("store", "space is available again");
}

static err_t timed_commit(struct writer *writer, struct store_job *jobs)
{
    struct commit_outcome outcome = { .upkeep_left = writer->counters.upkeep_left };
    int64_t start_ns = clock_monotonic_ns(writer->options.clock);
    err_t error = commit_jobs(writer, jobs, &outcome);
    /* A map that is full grows when the next transaction begins. */
    for (int tries = 0; error != ERROR_OK && kv_can_grow(writer->options.kv) && tries < GROWTH_TRIES_MAX; tries++)
        error = commit_jobs(writer, jobs, &outcome);
    count_commit(writer, error, &outcome, clock_monotonic_ns(writer->options.clock) - start_ns);
    /* A damaged store must not go on taking money: the supervisor restarts us, verify tells more. */
    REQUIREF(error != ERROR_STORE_CORRUPT, "the store is damaged; restore a backup");
    return error;
}

/* One job that can't be written must not take the others down with it. */
static err_t commit_alone(struct writer *writer, struct store_job *job)
{
    struct store_job *next = job->next;
    job->next = NULL;
    err_t error = timed_commit(writer, job);
    job->next = next;
    return error;
}

/* A group, or without jobs the seal that is due. */
static void run_group(struct writer *writer, struct store_job *jobs, struct store_waiter *waiters)
{
    err_t error = timed_commit(writer, jobs);
    bool retry_alone = error != ERROR_OK && error != ERROR_INSUFFICIENT_STORAGE && jobs != NULL && jobs->next != NULL;
    for (struct store_job *job = jobs; job != NULL; job = job->next)
        job->error = retry_alone ? commit_alone(writer, job) : error;
    release_waiters(writer, waiters);
    while (jobs != NULL) {
        struct store_job *job = jobs;
        jobs = job->next;
        job->next = NULL;
        job->done(job);
    }
}

/* --- upkeep while nothing else waits --- */

static err_t retain(struct writer *writer, struct kv_txn *txn, bool *left)
{
    const struct store_state *state = &writer->write.state;
    bool pairs_gone;
    err_t error = retention_slice(&writer->retention, writer->options.rows, txn, state->sealed_hour,
                                  state->last_sequence, left, &pairs_gone);
    if (pairs_gone)
        memset(writer->write.usage_times, 0, sizeof writer->write.usage_times);
    return error;
}

static err_t upkeep_slice(struct writer *writer, bool *left, bool *retention_left)
{
    struct kv_txn *txn;
    err_t error = kv_write_begin(writer->options.kv, &txn);
    if (error != ERROR_OK)
        return error;
    error = writer->options.rows->upkeep(txn, UPKEEP_SLICE_ROWS, true, left);
    if (error == ERROR_OK && !*left)
        error = retain(writer, txn, retention_left);
    if (error == ERROR_OK)
        error = kv_commit(txn);
    else
        kv_abort(txn);
    if (error != ERROR_OK)
        retention_init(&writer->retention, &writer->options.retention); /* it may have gone on without the store */
    return error;
}

static void run_upkeep(struct writer *writer)
{
    bool left = true, retention_left = true;
    err_t error = upkeep_slice(writer, &left, &retention_left);
    REQUIREF(error != ERROR_STORE_CORRUPT, "the store is damaged; restore a backup");
    pthread_mutex_lock(&writer->mutex);
    if (error == ERROR_OK) {
        writer->counters.upkeep_slices++;
        writer->counters.upkeep_left = left;
        writer->retention_left = retention_left;
    } else {
        writer->upkeep_held = true;
    }
    writer->upkeep_under_way = false;
    pthread_cond_broadcast(&writer->rested);
    pthread_mutex_unlock(&writer->mutex);
    if (error != ERROR_OK)
        log_warning("store", "merging must wait", LOG_CSTR("reason", error_text(error)));
}

void writer_pause_upkeep(struct writer *writer, bool paused)
{
    pthread_mutex_lock(&writer->mutex);
    writer->upkeep_paused = paused;
    while (writer->upkeep_under_way)
        pthread_cond_wait(&writer->rested, &writer->mutex);
    pthread_cond_signal(&writer->wake);
    pthread_mutex_unlock(&writer->mutex);
}

/* --- the thread --- */

struct work {
    struct store_job *jobs;
    struct store_waiter *waiters;
    bool seal, upkeep, stop;
};

static bool wants_upkeep(const struct writer *writer)
{
    return (writer->counters.upkeep_left || writer->retention_left) && !writer->upkeep_held && !writer->upkeep_paused &&
           !writer->stopping;
}

/* Under the mutex. */
static void look_at_clock(struct writer *writer, struct work *work)
{
    writer->tick = false;
    writer->upkeep_held = false;
    reported_time_look(&writer->time);
    writer->counters.clock_went_back_count = writer->time.went_back_count;
    work->seal = seal_is_due(&writer->write.state, reported_time_now(&writer->time));
}

static struct work take_work(struct writer *writer)
{
    struct work work = { 0 };
    pthread_mutex_lock(&writer->mutex);
    while (writer->queue.jobs == 0 && writer->waiters == NULL && !writer->tick && !writer->stopping &&
           !wants_upkeep(writer))
        pthread_cond_wait(&writer->wake, &writer->mutex);
    if (writer->tick)
        look_at_clock(writer, &work);
    work.jobs = queue_take(&writer->queue);
    work.waiters = writer->waiters;
    writer->waiters = NULL;
    bool commit = work.jobs != NULL || work.waiters != NULL || work.seal;
    work.stop = !commit && writer->stopping;
    work.upkeep = writer->upkeep_under_way = !commit && !work.stop && wants_upkeep(writer);
    pthread_mutex_unlock(&writer->mutex);
    return work;
}

static void *writer_main(void *argument)
{
    struct writer *writer = argument;
    for (;;) {
        struct work work = take_work(writer);
        if (work.stop)
            return NULL;
        if (work.upkeep)
            run_upkeep(writer);
        else if (work.jobs != NULL || work.waiters != NULL || work.seal)
            run_group(writer, work.jobs, work.waiters);
    }
}

err_t writer_submit(struct writer *writer, struct store_job *job)
{
    REQUIRE(job->weight > 0);
    err_t error = ERROR_OK;
    pthread_mutex_lock(&writer->mutex);
    if (writer->stopping) {
        error = ERROR_CANCELLED;
    } else if (writer->queue.jobs > 0 && writer->queue.weight + job->weight > writer->options.queue_weight_max) {
        error = ERROR_TOO_MANY_REQUESTS;
    } else {
        queue_put(&writer->queue, job);
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
    counters.upkeep_left = counters.upkeep_left || writer->retention_left;
    counters.queued_weight = writer->queue.weight;
    counters.queued_jobs = writer->queue.jobs;
    pthread_mutex_unlock(&writer->mutex);
    return counters;
}

/* --- life --- */

static void writer_free(struct writer *writer)
{
    write_free(&writer->write);
    pthread_cond_destroy(&writer->rested);
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
    queue_init(&writer->queue);
    writer->sealed_ns = sealed_until_ns(&options->state);
    reported_time_init(&writer->time, options->clock, options->state.last_reported_ns);
    reported_time_reach(&writer->time, writer->sealed_ns);
    retention_init(&writer->retention, &options->retention);
    writer->inflight_ns = NOTHING_INFLIGHT;
    write_init(&writer->write, options->rows, &options->state, options->dictionary);
    pthread_mutex_init(&writer->mutex, NULL);
    pthread_cond_init(&writer->wake, NULL);
    pthread_cond_init(&writer->rested, NULL);
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
