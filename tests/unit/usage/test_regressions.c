/* What went wrong in comparable systems, each under the name it has in our survey of them. Those about seals,
 * corrections, rejects and silence stand with these: test_head.c, test_correction.c, test_rejects.c,
 * test_watermarks.c. */
#include "support/summary_fixture.h"

#define HOURS_OF_A_MONTH 720

static const char *quoted_time(struct usage_fixture *f, int64_t instant_ns)
{
    char text[INSTANT_TEXT_SIZE];
    instant_print(instant_ns, text);
    return arena_format(f->arena, "\"%s\"", text).ptr;
}

static const char *quoted_id(struct usage_fixture *f, int number)
{
    return arena_format(f->arena, "\"record-%d\"", number).ptr;
}

static void assert_total(struct usage_fixture *f, bool daily, const char *expected, uint64_t expected_records)
{
    struct listing_query query = usage_everything(daily);
    struct usage_rows rows = usage_list(f, &query);
    char total[DECIMAL_TEXT_SIZE];
    uint64_t records;
    usage_total(&rows, total, &records);
    assert_string_equal(total, expected);
    assert_int_equal(records, expected_records);
}

/* An hour of the month before FIXTURE_NOW's. */
static struct post hour_of_a_month(struct usage_fixture *f, int hour)
{
    int64_t start_ns = test_instant("2026-01-01T00:00:00Z") + hour * NS_PER_HOUR;
    struct post post = post_good();
    post.id = quoted_id(f, hour);
    post.start = quoted_time(f, start_ns);
    post.end = quoted_time(f, start_ns + NS_PER_HOUR);
    post.quantity = "1.0";
    return post;
}

static void regression_full_month_of_hourly_ones(void **state)
{
    struct usage_fixture *f = *state;
    for (int hour = 0; hour < HOURS_OF_A_MONTH; hour++) {
        struct post post = hour_of_a_month(f, hour);
        usage_post_accepted(f, &post);
    }
    assert_total(f, false, "720", HOURS_OF_A_MONTH);
    assert_total(f, true, "720", HOURS_OF_A_MONTH);
}

static void regression_records_arrive_in_reverse(void **state)
{
    struct usage_fixture *f = *state;
    for (int hour = HOURS_OF_A_MONTH - 1; hour >= 0; hour--) {
        struct post post = hour_of_a_month(f, hour);
        usage_post_accepted(f, &post);
    }
    assert_total(f, false, "720", HOURS_OF_A_MONTH);
    assert_total(f, true, "720", HOURS_OF_A_MONTH);
}

/* The whole day is generated again and again; only the first time writes. */
static void regression_same_day_generated_112_times(void **state)
{
    struct usage_fixture *f = *state;
    for (int round = 0; round < 112; round++) {
        for (int hour = 0; hour < 24; hour++) {
            struct post post = hour_of_a_month(f, hour);
            assert_verdict(usage_post(f, &post), round == 0 ? VERDICT_ACCEPTED : VERDICT_DUPLICATE);
        }
    }
    assert_total(f, true, "24", 24);
}

/* Their clocks differ, so what they send differs: that is shown, and counted once. */
static void regression_two_sources_with_clock_skew_send_the_same_fact(void **state)
{
    struct usage_fixture *f = *state;
    struct post first = post_good(), second = post_good();
    second.start = "\"2026-01-31T11:00:03Z\"";
    second.end = "\"2026-01-31T12:00:03Z\"";
    usage_post_accepted(f, &first);
    const struct ingest_result *result = usage_post(f, &second);
    assert_verdict(result, VERDICT_CONFLICT);
    assert_int_equal(result->code, ERROR_RECORD_CONFLICT);
    assert_total(f, false, "4.25", 1);
}

static void regression_same_id_other_timestamp(void **state)
{
    struct usage_fixture *f = *state;
    struct post first = post_good(), second = post_good();
    second.end = "\"2026-01-31T11:30:00Z\"";
    usage_post_accepted(f, &first);
    assert_verdict(usage_post(f, &second), VERDICT_CONFLICT);
    assert_total(f, false, "4.25", 1);
}

static void regression_dedupe_key_claimed_then_the_write_fails_then_a_retry(void **state)
{
    struct usage_fixture *f = *state;
    struct record_limits limits = usage_limits(f);
    struct post post = post_good();
    for (uint64_t nth = 1;; nth++) {
        struct ingest_batch *batch = usage_batch(f, &limits);
        assert_ok(ingest_add(batch, usage_post_text(f, &post), NULL));
        store_fail_write(f->base.store, nth, ERROR_IO);
        err_t error = ingest_submit(batch, f->base.store, NULL);
        store_fail_write(f->base.store, 0, ERROR_OK);
        if (error == ERROR_OK) {
            assert_verdict(&batch->results[0], VERDICT_ACCEPTED);
            break;
        }
        assert_total(f, false, "0", 0);
    }
    assert_total(f, false, "4.25", 1);
}

static void regression_one_bad_record_in_a_batch_of_1000(void **state)
{
    struct usage_fixture *f = *state;
    struct record_limits limits = usage_limits(f);
    struct ingest_batch *batch = usage_batch(f, &limits);
    for (int i = 0; i < 1000; i++) {
        struct post post = post_good();
        post.id = quoted_id(f, i);
        post.quantity = i == 617 ? "\"-1\"" : "1";
        assert_ok(ingest_add(batch, usage_post_text(f, &post), NULL));
    }
    assert_ok(ingest_submit(batch, f->base.store, NULL));
    struct ingest_counts counts = ingest_counts(batch);
    assert_int_equal(counts.accepted, 999);
    assert_int_equal(counts.rejected, 1);
    assert_verdict(&batch->results[617], VERDICT_REJECTED);
    assert_text(batch->results[617].target, "quantity");
    assert_total(f, false, "999", 999);
}

/* Kept although nobody has ever heard of the subscription, and listed. */
static void regression_usage_for_an_unknown_tenant(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    post.subscription_id = "\"ffffffff-ffff-4fff-8fff-fffffffffffe\"";
    usage_post_accepted(f, &post);
    assert_total(f, false, "4.25", 1);
}

/* Days are UTC days, whatever the producer's offset: the last hour of the month is counted there and nowhere else. */
static void regression_last_day_of_a_period_seen_from_another_zone(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    clock_manual_set_wall(&f->base.clock, test_instant("2026-02-01T00:20:00Z"));
    post.start = "\"2026-02-01T12:00:00+13:00\""; /* 23:00 on 31 January */
    post.end = "\"2026-02-01T13:00:00+13:00\"";
    usage_post_accepted(f, &post);
    struct listing_query query = usage_everything(true);
    struct usage_rows rows = usage_list(f, &query);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.rows[0].start_ns, test_instant("2026-01-31T00:00:00Z"));
    assert_total(f, true, "4.25", 1);
}

/* The client does not know whether its batch went in, and sends it again: counted once, whichever way it went. */
static void regression_write_outcome_unknown(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    for (int landed = 0; landed <= 1; landed++) {
        struct record_limits limits = usage_limits(f);
        struct ingest_batch *batch = usage_batch(f, &limits);
        post.id = quoted_id(f, landed);
        assert_ok(ingest_add(batch, usage_post_text(f, &post), NULL));
        store_fail_write(f->base.store, landed == 0 ? 1 : 0, ERROR_IO);
        assert_int_equal(ingest_submit(batch, f->base.store, NULL) == ERROR_OK, landed == 1);
        store_fail_write(f->base.store, 0, ERROR_OK);
        store_fixture_reopen(&f->base); /* the answer got lost with the server */
        assert_verdict(usage_post(f, &post), landed == 1 ? VERDICT_DUPLICATE : VERDICT_ACCEPTED);
    }
    assert_total(f, false, "8.5", 2);
}

static void regression_page_10000_costs_what_page_1_costs(void **state)
{
    struct usage_fixture *f = *state;
    struct listing_query query = usage_everything(false);
    struct usage_rows rows = { .fixture = f };
    for (int i = 0; i < 30; i++) {
        struct post post = post_good();
        post.id = quoted_id(f, i);
        post.resource_uri = arena_format(f->arena, "\"/r/%02d\"", i).ptr;
        usage_post_accepted(f, &post);
    }
    /* A position far behind is sought, not counted up to: rows before it are not even handed out. */
    struct listing_position far = { .subscription = 1, .period = UINT32_MAX, .meter = UINT32_MAX, .resource = 1 };
    assert_false(usage_list_page(&rows, &query, &far));
    assert_int_equal(rows.count, 0);
    /* With a filled store the cost itself is measured by `stampmeter bench query`. */
}

TESTS(WITH_USAGE(regression_full_month_of_hourly_ones), WITH_USAGE(regression_records_arrive_in_reverse),
      WITH_USAGE(regression_same_day_generated_112_times),
      WITH_USAGE(regression_two_sources_with_clock_skew_send_the_same_fact),
      WITH_USAGE(regression_same_id_other_timestamp),
      WITH_USAGE(regression_dedupe_key_claimed_then_the_write_fails_then_a_retry),
      WITH_USAGE(regression_one_bad_record_in_a_batch_of_1000), WITH_USAGE(regression_usage_for_an_unknown_tenant),
      WITH_USAGE(regression_last_day_of_a_period_seen_from_another_zone), WITH_USAGE(regression_write_outcome_unknown),
      WITH_USAGE(regression_page_10000_costs_what_page_1_costs))
