/* Promise 1: accepted means durable, and a write that fails at any point leaves nothing of its batch behind. */
#include "support/usage_fixture.h"

#include "support/gate.h"

/* Everything that can be read of a store, as one text: equal texts, nothing changed. */
static struct text picture_of(struct usage_fixture *f)
{
    struct buffer out = { 0 };
    struct store_state state = store_fixture_state(&f->base);
    buffer_append_format(&out, "sequence %llu reported %lld live %lld\n", (unsigned long long)state.last_sequence,
                         (long long)state.last_reported_ns, (long long)state.first_live_hour);
    for (int daily = 0; daily < 2; daily++) {
        struct listing_query query = usage_everything(daily != 0);
        struct usage_rows rows = usage_list(f, &query);
        for (size_t i = 0; i < rows.count; i++) {
            char quantity[DECIMAL_TEXT_SIZE];
            decimal_sum_print(&rows.rows[i].quantity, quantity);
            buffer_append_format(&out, "%lld %s %llu %.*s\n", (long long)rows.rows[i].start_ns, quantity,
                                 (unsigned long long)rows.rows[i].records,
                                 TEXT_ARGS(rows.rows[i].instance.resource_uri));
        }
    }
    struct kv_stats stats;
    assert_ok(store_stats(f->base.store, &stats));
    for (int t = 0; t < KV_TABLE_COUNT; t++)
        buffer_append_format(&out, "%s %llu\n", kv_table_name((enum kv_table)t), (unsigned long long)stats.entries[t]);
    struct text picture = usage_copy(f, buffer_text(&out));
    buffer_free(&out);
    return picture;
}

/* Two new records, one of them over midnight, a duplicate and a bad one. */
static struct text mixed_body(struct usage_fixture *f, const char *suffix)
{
    struct post known = post_good(), fresh = post_good(), lasting = post_good(), bad = post_good();
    fresh.id = arena_format(f->arena, "\"fresh%s\"", suffix).ptr;
    lasting.id = arena_format(f->arena, "\"long%s\"", suffix).ptr;
    lasting.start = "\"2026-01-30T22:30:00Z\"";
    lasting.end = "\"2026-01-31T01:30:00Z\"";
    lasting.resource_uri = arena_format(f->arena, "\"/r%s\"", suffix).ptr;
    bad.quantity = "\"x\"";
    return arena_format(f->arena, "[%s,%s,%s,%s]", usage_post_text(f, &known).ptr, usage_post_text(f, &fresh).ptr,
                        usage_post_text(f, &lasting).ptr, usage_post_text(f, &bad).ptr);
}

static struct ingest_batch *parsed(struct usage_fixture *f, struct text body)
{
    struct record_limits limits = usage_limits(f);
    struct ingest_batch *batch = usage_batch(f, &limits);
    assert_ok(ingest_parse(batch, INGEST_JSON, body, NULL));
    return batch;
}

static void assert_mixed_verdicts(const struct ingest_batch *batch, enum verdict of_new)
{
    assert_verdict(&batch->results[0], VERDICT_DUPLICATE);
    assert_verdict(&batch->results[1], of_new);
    assert_verdict(&batch->results[2], of_new);
    assert_verdict(&batch->results[3], VERDICT_REJECTED);
}

/* Named case "Dedupe key claimed, then store write fails, then retry": the n-th write fails, for n = 1, 2, 3... until
 * nothing is left to fail. */
static void promise_1_nothing_of_a_failed_batch_stays_and_its_retry_is_accepted(void **state)
{
    struct usage_fixture *f = *state;
    struct post known = post_good();
    static const err_t errors[] = { ERROR_INSUFFICIENT_STORAGE, ERROR_IO, ERROR_NO_MEMORY };
    uint64_t failures = 0;
    usage_post_accepted(f, &known);
    for (uint64_t n = 1;; n++) {
        char suffix[16];
        (void)snprintf(suffix, sizeof suffix, "%llu", (unsigned long long)n);
        struct text before = picture_of(f), body = mixed_body(f, suffix);
        struct ingest_batch *batch = parsed(f, body);
        store_fail_write(f->base.store, n, errors[n % COUNT_OF(errors)]);
        err_t error = ingest_submit(batch, f->base.store, NULL);
        store_fail_write(f->base.store, 0, ERROR_OK);
        if (error == ERROR_OK) {
            assert_mixed_verdicts(batch, VERDICT_ACCEPTED);
            break;
        }
        failures++;
        assert_error(error, errors[n % COUNT_OF(errors)]);
        assert_text(picture_of(f), before.ptr);
        if (n % 3 == 0) {
            store_fixture_reopen(&f->base);
            assert_text(picture_of(f), before.ptr);
        }
        batch = parsed(f, body);
        assert_ok(ingest_submit(batch, f->base.store, NULL));
        assert_mixed_verdicts(batch, VERDICT_ACCEPTED);
        batch = parsed(f, body);
        assert_ok(ingest_submit(batch, f->base.store, NULL));
        assert_mixed_verdicts(batch, VERDICT_DUPLICATE);
    }
    assert_true(failures >= 12); /* 4 names of 2 entries, segment, claims, hours, days, state, commit at least */
}

/* The same batch object handed in again after a failure, as the server may do. */
static void promise_1_a_batch_may_be_submitted_again(void **state)
{
    struct usage_fixture *f = *state;
    struct post known = post_good();
    usage_post_accepted(f, &known);
    struct ingest_batch *batch = parsed(f, mixed_body(f, ""));
    store_fail_write(f->base.store, 12, ERROR_IO);
    assert_error(ingest_submit(batch, f->base.store, NULL), ERROR_IO);
    store_fail_write(f->base.store, 0, ERROR_OK);
    assert_ok(ingest_submit(batch, f->base.store, NULL));
    assert_mixed_verdicts(batch, VERDICT_ACCEPTED);
    assert_usage_total(f, "12.75", 3);
}

static err_t fail_always(struct store_write *write, struct store_job *job)
{
    (void)write;
    (void)job;
    return ERROR_IO;
}

static sem_t written;

static void count_written(struct store_job *job)
{
    (void)job;
    sem_post(&written);
}

/* Two batches share a commit with a job that fails: each is then tried alone, and the verdicts are those of that. */
static void promise_1_batches_of_a_failed_group_are_written_one_by_one(void **state)
{
    struct usage_fixture *f = *state;
    struct gate_job gate;
    struct post post = post_good();
    struct ingest_batch *first = parsed(f, usage_post_text(f, &post)), *second = parsed(f, usage_post_text(f, &post));
    struct store_job failing = { .run = fail_always, .done = count_written, .weight = 1 };
    sem_init(&written, 0, 0);
    gate_close(&gate, f->base.store);
    assert_ok(ingest_submit(first, f->base.store, count_written));
    assert_ok(store_submit(f->base.store, &failing));
    assert_ok(ingest_submit(second, f->base.store, count_written));
    gate_open(&gate);
    for (int i = 0; i < 3; i++)
        sem_wait(&written);
    sem_destroy(&written);
    assert_int_equal(failing.error, ERROR_IO);
    assert_verdict(&first->results[0], VERDICT_ACCEPTED);
    assert_verdict(&second->results[0], VERDICT_DUPLICATE);
    assert_int_equal(first->results[0].sequence, 1);
    assert_int_equal(second->results[0].sequence, 1);
    assert_usage_total(f, "4.25", 1);
}

/* Fills up the hour of post_good in the run of the group, and does nothing when it is tried alone. */
static int flaky_runs;

static err_t fill_hour_once(struct store_write *write, struct store_job *job)
{
    (void)job;
    struct journal_record record = {
        .id = TEXT("x"), .producer = 1, .source = 1, .subscription = 1, .meter = 1, .instance = 1, .end_ns = 1
    };
    struct write_share share = { .hour = (uint32_t)instant_hour(test_instant("2026-01-31T11:00:00Z")) };
    err_t error = decimal_parse(TEXT("999999999999999999999999999"), &share.quantity);
    for (uint8_t i = 0; flaky_runs == 0 && i < 3 && error == ERROR_OK; i++) {
        bool fits;
        error = write_record(write, &record, &(struct hash128){ { i } }, 0, 1, &share, 1, &fits);
    }
    flaky_runs++;
    return error;
}

/* What was found in a run that was undone, also a rejection, does not count. */
static void promise_1_verdicts_are_those_of_the_run_that_was_committed(void **state)
{
    struct usage_fixture *f = *state;
    struct gate_job gate;
    struct post post = post_good();
    struct store_job flaky = { .run = fill_hour_once, .done = count_written, .weight = 1 };
    struct store_job failing = { .run = fail_always, .done = count_written, .weight = 1 };
    usage_post_accepted(f, &post);
    post.id = "\"second\"";
    post.quantity = "999999999999999999999999999";
    struct ingest_batch *batch = parsed(f, usage_post_text(f, &post));
    flaky_runs = 0;
    sem_init(&written, 0, 0);
    gate_close(&gate, f->base.store);
    assert_ok(store_submit(f->base.store, &flaky));
    assert_ok(ingest_submit(batch, f->base.store, count_written));
    assert_ok(store_submit(f->base.store, &failing));
    gate_open(&gate);
    for (int i = 0; i < 3; i++)
        sem_wait(&written);
    sem_destroy(&written);
    assert_int_equal(flaky_runs, 2);
    assert_verdict(&batch->results[0], VERDICT_ACCEPTED);
    assert_usage_total(f, "1000000000000000000000000003.25", 2);
}

/* The map is made larger while the store runs, also when one commit needs more than all there is. */
static void promise_1_a_map_that_is_too_small_grows(void **state)
{
    struct usage_fixture *f = *state;
    struct kv_stats stats;
    store_close(f->base.store);
    f->base.options.map_size_bytes = (size_t)1 << 20;
    f->base.options.map_size_max_bytes = (size_t)256 << 20;
    store_fixture_open(&f->base);
    for (int i = 0; i < 60; i++) {
        char id[32];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"grow-%d\"", i);
        post.id = id;
        post.resource_uri = id;
        post.start = "\"2026-01-05T00:00:00Z\"";
        post.end = "\"2026-01-30T00:00:00Z\"";
        usage_post_accepted(f, &post);
    }
    assert_ok(store_stats(f->base.store, &stats));
    assert_true(stats.map_size_bytes > (size_t)1 << 20);
    assert_int_equal(store_counters(f->base.store).commit_failures, 0);
    assert_false(store_counters(f->base.store).degraded);
    f->base.options.map_size_bytes = (size_t)1 << 30;
}

/* A map that is really full: clear error, reads go on, and with more room the same batch goes through. */
static void promise_1_a_full_store_says_so_and_reads_go_on(void **state)
{
    struct usage_fixture *f = *state;
    store_close(f->base.store);
    f->base.options.map_size_bytes = f->base.options.map_size_max_bytes = (size_t)2 << 20;
    store_fixture_open(&f->base);
    struct text before = TEXT_NONE, body = TEXT_NONE;
    /* Merges give space back now and then, so it is full when it has refused several times in a row. */
    int refused = 0;
    for (int i = 0; refused < 4 && i < 1000; i++) {
        char id[32];
        struct post post = post_good();
        if (refused == 0) {
            (void)snprintf(id, sizeof id, "\"fill-%d\"", i);
            post.id = id;
            post.resource_uri = id;
            post.start = "\"2026-01-05T00:00:00Z\"";
            post.end = "\"2026-01-15T00:00:00Z\"";
            before = picture_of(f);
            body = usage_post_text(f, &post);
        }
        err_t error = ingest_submit(parsed(f, body), f->base.store, NULL);
        refused = error == ERROR_OK ? 0 : refused + 1;
        assert_true(error == ERROR_OK || error == ERROR_INSUFFICIENT_STORAGE);
    }
    assert_int_equal(refused, 4);
    assert_true(store_counters(f->base.store).degraded);
    assert_text(picture_of(f), before.ptr);
    store_close(f->base.store);
    f->base.options.map_size_bytes = f->base.options.map_size_max_bytes = (size_t)64 << 20;
    store_fixture_open(&f->base);
    assert_text(picture_of(f), before.ptr);
    struct ingest_batch *batch = parsed(f, body);
    assert_ok(ingest_submit(batch, f->base.store, NULL));
    assert_verdict(&batch->results[0], VERDICT_ACCEPTED);
    assert_false(store_counters(f->base.store).degraded);
}

struct watched_batch {
    struct usage_fixture *fixture;
    struct ingest_batch *batch;
    uint64_t sequence_seen;
    sem_t finished;
};

static struct watched_batch *watched; /* one at a time */

static void look_when_done(struct store_job *job)
{
    (void)job;
    struct kv_txn *txn;
    struct store_state state;
    if (store_read_begin(watched->fixture->base.store, &txn) == ERROR_OK) {
        if (store_read_state(txn, &state) == ERROR_OK)
            watched->sequence_seen = state.last_sequence;
        store_read_end(txn);
    }
    sem_post(&watched->finished);
}

static void promise_1_done_is_called_after_the_commit(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    struct watched_batch own = { .fixture = f, .batch = parsed(f, usage_post_text(f, &post)) };
    watched = &own;
    sem_init(&own.finished, 0, 0);
    assert_ok(ingest_submit(own.batch, f->base.store, look_when_done));
    sem_wait(&own.finished);
    assert_int_equal(own.batch->job.error, ERROR_OK);
    assert_int_equal(own.sequence_seen, 1);
    assert_int_equal(own.batch->last_sequence, 1);
    sem_destroy(&own.finished);
}

/* --- promise 9 --- */

/* The child: posts one record after the other and tells each number through the pipe once it was accepted. */
static void post_until_killed(struct usage_fixture *f, int round, int pipe_end)
{
    store_fixture_open(&f->base);
    for (int i = 0; i < 100000; i++) {
        char id[32];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"%d-%d\"", round, i);
        post.id = id;
        post.quantity = "1";
        if (usage_post(f, &post)->verdict != VERDICT_ACCEPTED || write(pipe_end, &i, sizeof i) != (ssize_t)sizeof i)
            _exit(1);
    }
    _exit(2);
}

static int read_last_told(int pipe_end, int enough, pid_t child)
{
    int told = -1, number;
    while (read(pipe_end, &number, sizeof number) == (ssize_t)sizeof number) {
        told = number;
        if (number == enough)
            assert_int_equal(kill(child, SIGKILL), 0);
    }
    return told;
}

/* Killed at some moment, the store opens again with all that was told accepted, at most one record more. */
static void promise_9_killed_at_any_moment_it_loses_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("unit-usage-durability");
    uint64_t expected = 0;
    for (int round = 0; round < (test_is_long() ? 200 : 8); round++) {
        int ends[2], status;
        store_close(f->base.store);
        f->base.store = NULL;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            post_until_killed(f, round, ends[1]);
        close(ends[1]);
        int told = read_last_told(ends[0], (int)prng_below(&prng, 40), child);
        close(ends[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        store_fixture_open(&f->base);
        uint64_t records = store_fixture_state(&f->base).records;
        assert_true(records >= expected + (uint64_t)told + 1 && records <= expected + (uint64_t)told + 2);
        expected = records;
        char total[32], id[32];
        (void)snprintf(total, sizeof total, "%llu", (unsigned long long)expected);
        assert_usage_total(f, total, expected);
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"%d-%d\"", round, told);
        post.id = id;
        post.quantity = "1";
        assert_verdict(usage_post(f, &post), VERDICT_DUPLICATE);
    }
}

TESTS(WITH_USAGE(promise_1_nothing_of_a_failed_batch_stays_and_its_retry_is_accepted),
      WITH_USAGE(promise_1_a_batch_may_be_submitted_again),
      WITH_USAGE(promise_1_batches_of_a_failed_group_are_written_one_by_one),
      WITH_USAGE(promise_1_verdicts_are_those_of_the_run_that_was_committed),
      WITH_USAGE(promise_1_a_map_that_is_too_small_grows), WITH_USAGE(promise_1_a_full_store_says_so_and_reads_go_on),
      WITH_USAGE(promise_1_done_is_called_after_the_commit),
      WITH_USAGE(promise_9_killed_at_any_moment_it_loses_nothing))
