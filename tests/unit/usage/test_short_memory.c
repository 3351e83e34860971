/* The n-th request for memory and all after it fail, for n = 1, 2, 3... until nothing fails: every question is refused
 * for lack of memory or answered right, nothing crashes and (under the sanitizer) nothing leaks. */
#include "support/summary_fixture.h"

#include "base/memory.h"
#include "support/gate.h"
#include "usage/subscriptions.h"

/* Enough meters, instances and texts for every table to grow at least once; 720 rows. */
static void post_usage(struct usage_fixture *f)
{
    struct buffer body = { 0 };
    for (int i = 0; i < 1500; i++) {
        char id[16], meter[16], tags[32], subscription[48];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"%d\"", i);
        (void)snprintf(meter, sizeof meter, "\"m%d\"", i % 90);
        (void)snprintf(tags, sizeof tags, "{\"t\":%d}", i % 1200);
        (void)snprintf(subscription, sizeof subscription, "\"00000000-0000-0000-0000-0000000000%02d\"", i % 80);
        post.id = id;
        post.meter_id = meter;
        post.tags = tags;
        post.subscription_id = subscription;
        post_write(&post, &body);
        buffer_append_char(&body, '\n');
    }
    (void)usage_ingest(f, INGEST_NDJSON, buffer_text(&body));
    buffer_free(&body);
}

/* Calls attempt with the n-th request failing, until none does. */
static void until_nothing_fails(err_t (*attempt)(void *context), void *context, unsigned long least)
{
    for (unsigned long n = 1;; n++) {
        (void)memory_fail_from(n);
        err_t error = attempt(context);
        if (!memory_fail_from(0)) {
            assert_ok(error);
            assert_true(n >= least);
            return;
        }
        assert_error(error, ERROR_NO_MEMORY);
    }
}

static err_t open_store(void *context)
{
    struct store_fixture *f = context;
    struct error_info info = { 0 };
    f->store = NULL;
    err_t error = store_open(&f->options, &f->store, &info);
    if (error != ERROR_OK) {
        assert_null(f->store);
        assert_int_equal(info.code, error);
    }
    return error;
}

static void opening(void **state)
{
    struct usage_fixture *f = *state;
    store_close(f->base.store);
    until_nothing_fails(open_store, &f->base, 6);
    struct post post = post_good();
    usage_post_accepted(f, &post);
}

struct question {
    struct usage_fixture *fixture;
    struct meters *meters;
    struct kv_txn *txn;
};

static err_t count_row(void *context, const struct listing_row *row)
{
    (void)row;
    ++*(size_t *)context;
    return ERROR_OK;
}

static err_t ask_list(void *context)
{
    struct question *q = context;
    struct listing_query query = usage_everything(false);
    struct listing_position position = { 0 };
    size_t count = 0;
    bool more;
    struct arena *arena = arena_new(1024, 0);
    err_t error = arena == NULL ? ERROR_NO_MEMORY
                                : listing_page(q->fixture->base.store, q->txn, arena, &query, &position, count_row,
                                               &count, &more);
    assert_true(error != ERROR_OK || count == 720);
    arena_free(arena);
    return error;
}

static err_t ask_summary(void *context)
{
    struct question *q = context;
    struct summary_query query = summary_query_of("2026-01-31T00:00:00Z", "2026-02-01T00:00:00Z", SUMMARY_TOTAL);
    struct summary *summary = NULL;
    struct summary_row row;
    struct error_info info = { 0 };
    query.by_meter = true;
    query.tags[query.tag_count++] = TEXT("t");
    err_t error = summary_run(q->fixture->base.store, q->txn, q->meters, &query, &summary, &info);
    assert_int_equal(info.code, error);
    for (size_t i = 0; error == ERROR_OK && i < summary_count(summary); i++)
        error = summary_row(summary, i, &row);
    assert_true(error != ERROR_OK || summary_count(summary) == 1500);
    summary_free(summary);
    return error;
}

static err_t ask_subscriptions(void *context)
{
    struct question *q = context;
    struct subscription *subscriptions;
    size_t count;
    struct arena *arena = arena_new(1024, 0);
    err_t error = arena == NULL ? ERROR_NO_MEMORY : subscription_list(q->txn, arena, &subscriptions, &count);
    assert_true(error != ERROR_OK || count == 80);
    arena_free(arena);
    return error;
}

static void asking(void **state)
{
    struct usage_fixture *f = *state;
    static err_t (*const questions[])(void *context) = { ask_list, ask_summary, ask_subscriptions };
    post_usage(f);
    struct subscription described = {
        .id = { { [15] = 0x10 } }, .display_name = TEXT("d"), .owner = TEXT("o"), .offer_id = TEXT("f")
    };
    struct subscription_put put;
    subscription_put_init(&put, &described);
    assert_ok(store_run(f->base.store, &put.job));
    struct question q = { .fixture = f, .meters = summary_meters(f), .txn = store_fixture_read(&f->base) };
    for (size_t i = 0; i < COUNT_OF(questions); i++)
        until_nothing_fails(questions[i], &q, 3);
    store_read_end(q.txn);
}

static err_t read_body(void *context)
{
    struct question *q = context;
    struct post post = post_good();
    struct ingest_producer producer = { TEXT("p"), &usage_any_source, 1 };
    struct record_limits limits = usage_limits(q->fixture);
    struct buffer body = { 0 };
    post.tags =
        "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":0,\"k\":1,\"l\":2,\"m\":3,"
        "\"n\":4,\"o\":5,\"p\":6,\"q\":7}";
    post_write(&post, &body);
    struct arena *arena = arena_new(1024, 0);
    struct ingest_batch *batch =
        arena != NULL ? ingest_new(arena, &producer, &limits, store_hash_key(q->fixture->base.store)) : NULL;
    err_t error = batch == NULL || body.failed ? ERROR_NO_MEMORY : ERROR_OK;
    for (int i = 0; error == ERROR_OK && i < 20; i++)
        error = ingest_add(batch, buffer_text(&body), NULL);
    for (size_t i = 0; error == ERROR_OK && i < batch->count; i++)
        assert_int_equal(batch->results[i].verdict, VERDICT_PENDING);
    arena_free(arena);
    buffer_free(&body);
    return error;
}

static void reading(void **state)
{
    struct question q = { .fixture = *state };
    until_nothing_fails(read_body, &q, 10);
}

/* On the writer's thread: a job of the same commit starts the shortage; it ends when that job is run again, alone, or
 * else in its done(). */
struct shortage {
    struct store_job job; /* first member */
    unsigned long n;
    int runs;
    bool seen;
    sem_t over;
};

static err_t begin_shortage(struct store_write *write, struct store_job *job)
{
    (void)write;
    struct shortage *shortage = (struct shortage *)job;
    shortage->seen = memory_fail_from(shortage->runs++ == 0 ? shortage->n : 0) || shortage->seen;
    return ERROR_OK;
}

static void end_shortage(struct store_job *job)
{
    struct shortage *shortage = (struct shortage *)job;
    shortage->seen = memory_fail_from(0) || shortage->seen;
    sem_post(&shortage->over);
}

static sem_t batch_over;

static void batch_done(struct store_job *job)
{
    (void)job;
    sem_post(&batch_over);
}

/* The batch that shared the commit with the shortage is written alone afterwards, whole. */
static void writing(void **state)
{
    struct usage_fixture *f = *state;
    uint64_t failures = 0;
    sem_init(&batch_over, 0, 0);
    for (unsigned long n = 1; n < 12; n++) {
        struct post post = post_good();
        char id[16];
        (void)snprintf(id, sizeof id, "\"%lu\"", n);
        post.id = id;
        post.start = "\"2026-01-01T00:00:00Z\"";
        post.end = "\"2026-01-31T00:00:00Z\"";
        post.resource_uri = id;
        struct record_limits limits = usage_limits(f);
        struct ingest_batch *batch = usage_batch(f, &limits);
        /* As weighty as the batch, so that it waits in the same lane. */
        struct shortage shortage = { .job = { .run = begin_shortage, .done = end_shortage, .weight = 100 }, .n = n };
        struct gate_job gate;
        sem_init(&shortage.over, 0, 0);
        assert_ok(ingest_add(batch, usage_post_text(f, &post), NULL));
        store_fixture_reopen(&f->base); /* what a commit leaves behind for the next is gone */
        gate_close(&gate, f->base.store);
        assert_ok(store_submit(f->base.store, &shortage.job));
        assert_ok(ingest_submit(batch, f->base.store, batch_done));
        gate_open(&gate);
        sem_wait(&shortage.over);
        sem_wait(&batch_over);
        sem_destroy(&shortage.over);
        failures += store_counters(f->base.store).commit_failures > 0;
        assert_ok(batch->job.error);
        assert_verdict(&batch->results[0], VERDICT_ACCEPTED);
        assert_int_equal(store_fixture_state(&f->base).last_sequence, n);
    }
    sem_destroy(&batch_over);
    assert_true(failures >= 5);
    assert_usage_total(f, "46.75", 11);
}

TESTS(WITH_USAGE(opening), WITH_USAGE(asking), WITH_USAGE(reading), WITH_USAGE(writing))
