/* Several producers and readers at once. Every snapshot shows whole commits only: its journal, hours, days and sequence
 * agree (promise 1). Also what the thread sanitizer is run on. */
#include "support/summary_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/journal.h"
#include "usage/subscriptions.h"

#define WRITERS 2
#define READERS 2
#define BATCHES 60
#define BATCH_RECORDS 25

struct scene {
    struct usage_fixture *fixture;
    const struct meters *meters;
    atomic_int writing;
    atomic_bool failed;
};

struct actor {
    struct scene *scene;
    int number;
    pthread_t thread;
};

/* Threads must not leave through cmocka's longjmp: they report. */
#define EXPECT(expression)                                                                                             \
    do {                                                                                                               \
        if (!(expression)) {                                                                                           \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expression);                                     \
            atomic_store(&actor->scene->failed, true);                                                                 \
            goto out;                                                                                                  \
        }                                                                                                              \
    } while (0)

static void write_body(const struct actor *actor, int batch, struct buffer *body)
{
    for (int i = 0; i < BATCH_RECORDS; i++) {
        char id[48], resource[32], subscription[48];
        struct post post = post_good();
        /* every fifth record is one that the other writer posts as well */
        (void)snprintf(id, sizeof id, "\"%d-%d-%d\"", i % 5 == 0 ? 99 : actor->number, batch, i);
        (void)snprintf(resource, sizeof resource, "\"/r%d\"", i);
        (void)snprintf(subscription, sizeof subscription, "\"00000000-0000-0000-0000-00000000000%d\"", batch % 7);
        post.id = id;
        post.resource_uri = resource;
        post.subscription_id = subscription;
        post.quantity = "1";
        if (i == 7) {
            post.start = "\"2026-01-29T23:30:00Z\"";
            post.end = "\"2026-01-31T01:30:00Z\"";
        }
        post_write(&post, body);
        buffer_append_char(body, '\n');
    }
}

static void *write_usage(void *argument)
{
    struct actor *actor = argument;
    struct usage_fixture *f = actor->scene->fixture;
    struct ingest_producer producer = { TEXT("writer"), &usage_any_source, 1 };
    struct arena *arena = arena_new(65536, 0);
    struct buffer body = { 0 };
    EXPECT(arena != NULL);
    for (int b = 0; b < BATCHES; b++) {
        struct record_limits limits = usage_limits(f);
        struct ingest_batch *batch = ingest_new(arena, &producer, &limits, store_hash_key(f->base.store));
        EXPECT(batch != NULL);
        write_body(actor, b, &body);
        EXPECT(ingest_parse(batch, INGEST_NDJSON, buffer_text(&body), NULL) == ERROR_OK);
        EXPECT(ingest_submit(batch, f->base.store, NULL) == ERROR_OK);
        struct ingest_counts counts = ingest_counts(batch);
        EXPECT(counts.accepted + counts.duplicate == BATCH_RECORDS);
        buffer_clear(&body);
        arena_reset(arena);
    }
out:
    buffer_free(&body);
    arena_free(arena);
    atomic_fetch_sub(&actor->scene->writing, 1);
    return NULL;
}

static err_t add_row(void *context, const struct listing_row *row)
{
    decimal_sum_add(context,
                    &(struct decimal){ { row->quantity.words[0], row->quantity.words[1], row->quantity.words[2] } });
    return ERROR_OK;
}

static bool list_total(struct usage_fixture *f, struct kv_txn *txn, struct arena *arena, bool daily,
                       struct decimal_sum *sum)
{
    struct listing_query query = { .daily = daily, .details = true, .end_ns = test_instant("2100-01-01T00:00:00Z") };
    struct listing_position position = { 0 };
    bool more = true;
    while (more)
        if (listing_page(f->base.store, txn, arena, &query, &position, add_row, sum, &more) != ERROR_OK)
            return false;
    return true;
}

static bool journal_total(struct kv_txn *txn, struct decimal_sum *sum, uint64_t *records)
{
    struct journal_reader reader;
    struct journal_entry entry;
    err_t error = journal_open(txn, 0, &reader);
    if (error != ERROR_OK)
        return false;
    while ((error = journal_next(&reader, &entry)) == ERROR_OK) {
        if (entry.kind != JOURNAL_RECORD)
            continue;
        decimal_sum_add(sum, &entry.record.quantity);
        ++*records;
    }
    journal_close(&reader);
    return error == ERROR_NOT_FOUND;
}

static bool summary_total(const struct scene *scene, struct kv_txn *txn, struct decimal_sum *sum, uint64_t *records)
{
    struct summary_query query = summary_query_of("1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z", SUMMARY_TOTAL);
    struct summary *summary;
    struct summary_row row = { .records = 0 };
    if (summary_run(scene->fixture->base.store, txn, scene->meters, &query, &summary, NULL) != ERROR_OK)
        return false;
    bool read = summary_count(summary) == 0 || summary_row(summary, 0, &row) == ERROR_OK;
    *sum = row.quantity;
    *records = row.records;
    summary_free(summary);
    return read;
}

static void *read_usage(void *argument)
{
    struct actor *actor = argument;
    struct usage_fixture *f = actor->scene->fixture;
    struct arena *arena = arena_new(65536, 0);
    struct kv_txn *txn = NULL;
    uint64_t last_sequence = 0;
    EXPECT(arena != NULL);
    while (atomic_load(&actor->scene->writing) > 0) {
        struct decimal_sum hours = { { 0 } }, days = { { 0 } }, journal = { { 0 } }, summed;
        uint64_t records = 0, summed_records;
        struct store_state state;
        struct subscription *subscriptions;
        size_t subscription_count;
        EXPECT(store_read_begin(f->base.store, &txn) == ERROR_OK);
        EXPECT(store_read_state(txn, &state) == ERROR_OK);
        EXPECT(state.last_sequence >= last_sequence);
        last_sequence = state.last_sequence;
        EXPECT(journal_total(txn, &journal, &records));
        EXPECT(list_total(f, txn, arena, false, &hours) && list_total(f, txn, arena, true, &days));
        EXPECT(summary_total(actor->scene, txn, &summed, &summed_records));
        EXPECT(records == state.records && summed_records == records);
        EXPECT(decimal_sum_compare(&hours, &days) == 0 && decimal_sum_compare(&hours, &journal) == 0);
        EXPECT(decimal_sum_compare(&hours, &summed) == 0);
        EXPECT(subscription_list(txn, arena, &subscriptions, &subscription_count) == ERROR_OK);
        EXPECT(subscription_count <= 7);
        store_read_end(txn);
        txn = NULL;
        struct store_counters counters = store_counters(f->base.store);
        EXPECT(counters.commit_failures == 0);
        arena_reset(arena);
    }
out:
    if (txn != NULL)
        store_read_end(txn);
    arena_free(arena);
    return NULL;
}

static void promise_1_snapshots_are_whole_while_others_write(void **state)
{
    struct usage_fixture *f = *state;
    struct scene scene = { .fixture = f, .meters = summary_meters(f), .writing = WRITERS };
    struct actor actors[WRITERS + READERS];
    for (int i = 0; i < WRITERS + READERS; i++) {
        actors[i] = (struct actor){ .scene = &scene, .number = i };
        assert_int_equal(pthread_create(&actors[i].thread, NULL, i < WRITERS ? write_usage : read_usage, &actors[i]),
                         0);
    }
    for (int i = 0; i < WRITERS + READERS; i++)
        assert_int_equal(pthread_join(actors[i].thread, NULL), 0);
    assert_false(atomic_load(&scene.failed));
    /* a fifth of each batch was common to both writers */
    int expected = BATCHES * BATCH_RECORDS * WRITERS - BATCHES * BATCH_RECORDS / 5;
    char total[32];
    (void)snprintf(total, sizeof total, "%d", expected);
    assert_usage_total(f, total, (uint64_t)expected);
}

TESTS(WITH_USAGE(promise_1_snapshots_are_whole_while_others_write))
