/* Promise 2: the same id with the same content is a duplicate, with other content a conflict, for ever. */
#include "support/usage_fixture.h"

#include <pthread.h>

#include "usage/difference.h"

static void assert_conflict(struct usage_fixture *f, const struct post *post, const char *target)
{
    const struct ingest_result *result = usage_post(f, post);
    assert_verdict(result, VERDICT_CONFLICT);
    assert_int_equal(result->code, ERROR_RECORD_CONFLICT);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_string_equal(difference_member(txn, f->arena, result->sequence, &result->record), target);
    store_read_end(txn);
}

static void assert_duplicate(struct usage_fixture *f, const struct post *post, uint64_t sequence)
{
    const struct ingest_result *result = usage_post(f, post);
    assert_verdict(result, VERDICT_DUPLICATE);
    assert_int_equal(result->code, ERROR_RECORD_DUPLICATE);
    assert_int_equal(result->sequence, sequence);
}

/* --- duplicates --- */

static void promise_2_equal_values_are_a_duplicate(void **state)
{
    struct usage_fixture *f = *state;
    struct post good = post_good();
    good.quantity = "1";
    good.additional_info = "{\"n\":1}";
    usage_post_accepted(f, &good);
    struct post same[] = { good, good, good, good, good, good, good, good, good, good };
    same[1].quantity = "1.0";
    same[2].quantity = "10e-1";
    same[3].quantity = "\"1.000\"";
    same[4].tags = "{\"env\":\"prod\",\"cc\":\"4711\"}";
    same[5].subscription_id = "\"5D1A3C06-8A5E-4C6C-9C3B-1F2E3D4C5B6A\"";
    same[6].meter_id = "\"FAB6EB84500B4A09A8CA7358F8BBAEA5\"";
    same[7].start = "\"2026-01-31T11:00:00+00:00\"";
    same[8].end = "\"2026-01-31T13:30:00.000+01:30\"";
    same[9].additional_info = "{\"n\":1.0}";
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(same); i++)
            assert_duplicate(f, &same[i], 1);
        store_fixture_reopen(&f->base);
    }
    assert_usage_total(f, "1", 1);
}

static void promise_2_the_order_of_members_does_not_matter(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    struct text reordered =
        TEXT("{\"additionalInfo\":{\"cores\":4,\"ServiceType\":\"Standard_D4_v2\"},\"quantity\":4.25,"
             "\"unknown\":[],\"tags\":{\"env\":\"prod\",\"cc\":\"4711\"},\"location\":\"east\","
             "\"usageEndTime\":\"2026-01-31T12:00:00Z\",\"meterId\":\"" POST_METER "\","
             "\"resourceUri\":\"" POST_RESOURCE "\",\"usageStartTime\":\"2026-01-31T11:00:00Z\","
             "\"subscriptionId\":\"" POST_SUBSCRIPTION "\",\"source\":\"Microsoft.Compute\","
             "\"id\":\"record-1\"}");
    assert_verdict(&usage_ingest(f, INGEST_JSON, reordered)->results[0], VERDICT_DUPLICATE);
}

static void promise_2_another_source_or_id_is_another_record(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    post.source = "\"Microsoft.Storage\"";
    usage_post_accepted(f, &post);
    post.id = "\"Record-1\""; /* ids are opaque: case counts */
    usage_post_accepted(f, &post);
    assert_usage_total(f, "12.75", 3);
}

/* Months later and after restarts; nothing expires. */
static void promise_2_has_no_time_limit(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    clock_manual_advance(&f->base.clock, 399 * NS_PER_DAY);
    store_fixture_reopen(&f->base);
    assert_duplicate(f, &post, 1);
    post.quantity = "1";
    assert_conflict(f, &post, "quantity");
}

/* --- conflicts --- */

static void promise_2_other_content_is_a_conflict_that_names_the_member(void **state)
{
    struct usage_fixture *f = *state;
    struct post good = post_good();
    usage_post_accepted(f, &good);
    struct post other[] = { good, good, good, good, good, good, good, good, good, good, good, good, good };
    static const char *const targets[] = { "subscriptionId", "meterId",        "resourceUri",   "location", "location",
                                           "usageStartTime", "usageEndTime",   "quantity",      "tags",     "tags",
                                           "tags",           "additionalInfo", "additionalInfo" };
    _Static_assert(COUNT_OF(other) == COUNT_OF(targets), "a target for each");
    other[0].subscription_id = "\"00000000-0000-0000-0000-000000000000\"";
    other[1].meter_id = "\"other\"";
    other[2].resource_uri = "\"/other\"";
    other[3].location = "\"west\"";
    other[4].location = NULL;
    other[5].start = "\"2026-01-31T11:00:01Z\""; /* named case "Same id, other timestamp" */
    other[6].end = "\"2026-01-31T12:00:01Z\"";
    other[7].quantity = "4.250000000000000000000000000001";
    other[8].tags = "{\"cc\":\"4712\",\"env\":\"prod\"}";
    other[9].tags = NULL;
    other[10].tags = "\"{\\\"cc\\\":\\\"4711\\\",\\\"env\\\":\\\"prod\\\"}\"";
    other[11].additional_info = "{}";
    other[12].additional_info = "\"null\"";
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT_OF(other); i++)
            assert_conflict(f, &other[i], targets[i]);
        store_fixture_reopen(&f->base);
    }
    assert_usage_total(f, "4.25", 1);
    assert_duplicate(f, &good, 1);
}

/* Where several members differ, the first in the order of the interface is named. */
static void the_first_difference_is_named(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    post.additional_info = NULL;
    post.tags = NULL;
    assert_conflict(f, &post, "tags");
    post.quantity = "1";
    assert_conflict(f, &post, "quantity");
    post.start = "\"2026-01-31T11:30:00Z\"";
    assert_conflict(f, &post, "usageStartTime");
    post.meter_id = "\"m\"";
    assert_conflict(f, &post, "meterId");
}

/* Values of texts that were posted as text are compared as text. */
static void text_attributes_are_compared_as_text(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    post.tags = "\"{\\\"a\\\":1}\"";
    post.additional_info = "\"null\"";
    usage_post_accepted(f, &post);
    assert_duplicate(f, &post, 1);
    post.tags = "\"{\\\"a\\\": 1}\"";
    assert_conflict(f, &post, "tags");
    post.tags = "{\"a\":1}";
    assert_conflict(f, &post, "tags");
}

static void a_difference_that_cannot_be_told_has_no_name(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    const struct ingest_result *result = usage_post(f, &post);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_string_equal(difference_member(txn, f->arena, 99, &result->record), "");
    assert_string_equal(difference_member(txn, f->arena, 1, &result->record), "");
    store_read_end(txn);
}

/* --- within a batch, and at the same moment --- */

static void promise_2_holds_within_one_batch(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good(), other = post_good();
    other.quantity = "5";
    struct text a = usage_post_text(f, &post), b = usage_post_text(f, &other);
    struct text body = arena_format(f->arena, "[%s,%s,%s,%s]", a.ptr, a.ptr, b.ptr, a.ptr);
    struct ingest_batch *batch = usage_ingest(f, INGEST_JSON, body);
    static const enum verdict expected[] = { VERDICT_ACCEPTED, VERDICT_DUPLICATE, VERDICT_CONFLICT, VERDICT_DUPLICATE };
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_verdict(&batch->results[i], expected[i]);
        assert_int_equal(batch->results[i].sequence, 1);
    }
    assert_usage_total(f, "4.25", 1);
}

/* A rejected record claims nothing. */
static void a_rejected_record_may_be_posted_again_corrected(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    post.quantity = "-1";
    assert_verdict(usage_post(f, &post), VERDICT_REJECTED);
    post.quantity = "1";
    usage_post_accepted(f, &post);
}

#define ROUNDS 60

struct racer {
    struct usage_fixture *fixture;
    pthread_barrier_t *barrier;
    struct text bodies[ROUNDS];
    struct ingest_batch *batches[ROUNDS];
    struct arena *arena;
};

static void *race(void *argument)
{
    struct racer *racer = argument;
    struct ingest_producer producer = { TEXT("racer"), &usage_any_source, 1 };
    struct record_limits limits = usage_limits(racer->fixture);
    for (int i = 0; i < ROUNDS; i++) {
        struct ingest_batch *batch =
            ingest_new(racer->arena, &producer, &limits, store_hash_key(racer->fixture->base.store));
        if (batch == NULL || ingest_parse(batch, INGEST_JSON, racer->bodies[i], NULL) != ERROR_OK)
            return racer;
        pthread_barrier_wait(racer->barrier);
        if (ingest_submit(batch, racer->fixture->base.store, NULL) != ERROR_OK)
            return racer;
        racer->batches[i] = batch;
    }
    return NULL;
}

/* Named case "Two requests with one tracking id at the same moment": one accepted, the other a duplicate or, with other
 * content, a conflict. */
static void promise_2_two_requests_with_one_id_at_the_same_moment(void **state)
{
    struct usage_fixture *f = *state;
    struct racer racers[2];
    pthread_barrier_t barrier;
    pthread_t threads[2];
    pthread_barrier_init(&barrier, NULL, 2);
    for (size_t r = 0; r < 2; r++) {
        racers[r] = (struct racer){ .fixture = f, .barrier = &barrier, .arena = arena_new(65536, 0) };
        assert_non_null(racers[r].arena);
        for (int i = 0; i < ROUNDS; i++) {
            char id[32];
            struct post post = post_good();
            (void)snprintf(id, sizeof id, "\"race-%d\"", i);
            post.id = id;
            post.quantity = i % 3 == 2 && r == 1 ? "2" : "1";
            racers[r].bodies[i] = usage_post_text(f, &post);
        }
    }
    for (size_t r = 0; r < 2; r++)
        assert_int_equal(pthread_create(&threads[r], NULL, race, &racers[r]), 0);
    for (size_t r = 0; r < 2; r++) {
        void *failed;
        assert_int_equal(pthread_join(threads[r], &failed), 0);
        assert_null(failed);
    }
    for (int i = 0; i < ROUNDS; i++) {
        enum verdict a = racers[0].batches[i]->results[0].verdict, b = racers[1].batches[i]->results[0].verdict;
        enum verdict loser = i % 3 == 2 ? VERDICT_CONFLICT : VERDICT_DUPLICATE;
        assert_true((a == VERDICT_ACCEPTED && b == loser) || (a == loser && b == VERDICT_ACCEPTED));
    }
    assert_int_equal(store_fixture_state(&f->base).last_sequence, ROUNDS);
    for (size_t r = 0; r < 2; r++)
        arena_free(racers[r].arena);
    pthread_barrier_destroy(&barrier);
}

TESTS(WITH_USAGE(promise_2_equal_values_are_a_duplicate), WITH_USAGE(promise_2_the_order_of_members_does_not_matter),
      WITH_USAGE(promise_2_another_source_or_id_is_another_record), WITH_USAGE(promise_2_has_no_time_limit),
      WITH_USAGE(promise_2_other_content_is_a_conflict_that_names_the_member),
      WITH_USAGE(the_first_difference_is_named), WITH_USAGE(text_attributes_are_compared_as_text),
      WITH_USAGE(a_difference_that_cannot_be_told_has_no_name), WITH_USAGE(promise_2_holds_within_one_batch),
      WITH_USAGE(a_rejected_record_may_be_posted_again_corrected),
      WITH_USAGE(promise_2_two_requests_with_one_id_at_the_same_moment))
