/* Explain: the shares found in the journal add up to the row that was stored, to the last decimal, page by page. */
#include "support/correction_fixture.h"

#include "usage/explain.h"

struct found {
    struct decimal_sum explained; /* of all pages */
    struct explain_result last;   /* of the last page */
    size_t pages, records, corrections;
    uint64_t sequence;
};

static err_t find(void *context, const struct explain_item *item)
{
    struct found *found = context;
    uint64_t sequence = item->correction != NULL ? item->correction->sequence : item->record.record->sequence;
    assert_true(sequence > found->sequence);
    found->sequence = sequence;
    found->records += item->correction == NULL;
    found->corrections += item->correction != NULL;
    return ERROR_OK;
}

static struct explain_query query_of(const char *usage_hour, const char *reported_hour)
{
    struct explain_query query = { .meter_id = TEXT(POST_METER), .resource_uri = TEXT(POST_RESOURCE) };
    assert_true(guid_parse(TEXT(POST_SUBSCRIPTION), &query.subscription));
    query.usage_period = (uint32_t)instant_hour(test_instant(usage_hour));
    query.any_reported = reported_hour == NULL;
    if (reported_hour != NULL)
        query.reported_period = (uint32_t)instant_hour(test_instant(reported_hour));
    return query;
}

static struct found explain(struct usage_fixture *f, const struct explain_query *query)
{
    struct found found = { .pages = 0 };
    struct explain_position position = { 0 };
    do {
        struct kv_txn *txn = store_fixture_read(&f->base);
        assert_ok(explain_page(f->base.store, txn, f->arena, query, &position, find, &found, &found.last));
        store_read_end(txn);
        decimal_sum_add_sum(&found.explained, &found.last.explained);
        found.pages++;
        assert_true(found.pages < 100);
    } while (found.last.more);
    return found;
}

static void assert_explained(const struct found *found, const char *quantity, size_t records, size_t corrections)
{
    assert_true(found->last.found);
    assert_sum_text(&found->last.quantity, quantity);
    assert_sum_text(&found->explained, quantity);
    assert_int_equal(found->records, records);
    assert_int_equal(found->corrections, corrections);
    assert_false(found->last.incomplete);
}

static void post_some(struct usage_fixture *f, const char *id, const char *start, const char *end, const char *quantity)
{
    struct post post = post_good();
    post.id = arena_format(f->arena, "\"%s\"", id).ptr;
    post.start = arena_format(f->arena, "\"%s\"", start).ptr;
    post.end = arena_format(f->arena, "\"%s\"", end).ptr;
    post.quantity = quantity;
    usage_post_accepted(f, &post);
}

static void a_row_is_explained_by_its_records_and_corrections(void **state)
{
    struct usage_fixture *f = *state;
    post_some(f, "a", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", "4.25");
    post_some(f, "b", "2026-01-31T10:30:00Z", "2026-01-31T12:00:00Z", "1");
    post_some(f, "c", "2026-01-31T10:00:00Z", "2026-01-31T11:00:00Z", "7");
    correct_well(f, "b", "4");
    struct explain_query query = query_of("2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z");
    struct found found = explain(f, &query);
    /* 4.25 + 2/3 (the last hour takes the rest) + 2: the shares of b, cut at the 30th decimal. */
    assert_explained(&found, "6.916666666666666666666666666667", 2, 1);
    assert_int_equal(found.last.records, 1); /* b starts in the hour before */
    query.usage_period--;
    found = explain(f, &query);
    assert_explained(&found, "8.333333333333333333333333333333", 2, 1);
}

static void other_rows_stay_out(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    struct post others[3];
    for (int i = 0; i < 3; i++) {
        others[i] = post_good();
        others[i].id = arena_format(f->arena, "\"other %d\"", i).ptr;
    }
    others[0].meter_id = "\"other\"";
    others[1].resource_uri = "\"/other\"";
    others[2].subscription_id = "\"5d1a3c06-8a5e-4c6c-9c3b-000000000000\"";
    for (int i = 0; i < 3; i++)
        usage_post_accepted(f, &others[i]);
    struct explain_query query = query_of("2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z");
    struct found found = explain(f, &query);
    assert_explained(&found, "4.25", 1, 0);
    query.resource_uri = TEXT_NONE; /* a row without details */
    found = explain(f, &query);
    assert_explained(&found, "8.5", 2, 0);
    /* Names compare as everywhere. */
    query.meter_id = TEXT("fab6eb84500b4a09a8ca7358f8bbaea5");
    query.resource_uri = TEXT("/OTHER");
    found = explain(f, &query);
    assert_explained(&found, "4.25", 1, 0);
}

static void a_row_that_is_not_there_has_no_sum(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    struct explain_query query = query_of("2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z");
    struct found found = explain(f, &query);
    assert_false(found.last.found);
    usage_post_accepted(f, &post);
    query.reported_period++;
    found = explain(f, &query);
    assert_false(found.last.found || found.records > 0);
    query = query_of("2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z");
    query.meter_id = TEXT("never seen");
    found = explain(f, &query);
    assert_false(found.last.found || found.records > 0);
}

static void all_reported_hours_together(void **state)
{
    struct usage_fixture *f = *state;
    post_some(f, "a", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", "4.25");
    clock_manual_advance(&f->base.clock, 30 * NS_PER_DAY);
    post_some(f, "late", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", "0.75");
    clock_manual_advance(&f->base.clock, 30 * NS_PER_DAY);
    correct_well(f, "a", NULL);
    struct explain_query query = query_of("2026-01-31T11:00:00Z", NULL);
    struct found found = explain(f, &query);
    assert_explained(&found, "0.75", 2, 1);
    query = query_of("2026-01-31T11:00:00Z", "2026-04-01T12:00:00Z");
    found = explain(f, &query);
    assert_explained(&found, "-4.25", 0, 1);
}

static void a_daily_row_is_explained_as_well(void **state)
{
    struct usage_fixture *f = *state;
    post_some(f, "a", "2026-01-30T20:00:00Z", "2026-01-31T11:00:00Z", "15");
    clock_manual_advance(&f->base.clock, 3 * NS_PER_HOUR);
    post_some(f, "b", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", "1");
    correct_well(f, "a", "30");
    struct explain_query query = query_of("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z");
    query.daily = true;
    query.usage_period /= 24;
    query.reported_period /= 24;
    struct found found = explain(f, &query);
    assert_explained(&found, "23", 2, 1);
    query.usage_period--;
    found = explain(f, &query);
    assert_explained(&found, "8", 1, 1);
    query.any_reported = true;
    found = explain(f, &query);
    assert_explained(&found, "8", 1, 1);
}

/* More than a page of records, and history that jumps between reported hours. */
static void pages_neither_skip_nor_repeat(void **state)
{
    struct usage_fixture *f = *state;
    struct buffer body = { 0 };
    for (int i = 0; i < 2 * EXPLAIN_PAGE_ITEMS + 7; i++) {
        char id[16];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"r%d\"", i);
        post.id = id;
        post.quantity = "0.1";
        post.reported = i % 2 == 0 ? "\"2026-01-31T12:05:00Z\"" : "\"2026-01-31T11:55:00Z\"";
        buffer_append_char(&body, i == 0 ? '[' : ',');
        post_write(&post, &body);
    }
    buffer_append_char(&body, ']');
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    struct record_limits limits = usage_history_limits(f);
    struct ingest_counts counts = ingest_counts(usage_ingest_with(f, &limits, INGEST_JSON, buffer_text(&body)));
    buffer_free(&body);
    assert_int_equal(counts.accepted, 2 * EXPLAIN_PAGE_ITEMS + 7);
    struct explain_query query = query_of("2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z");
    struct found found = explain(f, &query);
    assert_explained(&found, "100.4", EXPLAIN_PAGE_ITEMS + 4, 0);
    assert_int_equal(found.pages, 2);
    query.reported_period--;
    found = explain(f, &query);
    assert_explained(&found, "100.3", EXPLAIN_PAGE_ITEMS + 3, 0);
}

static void what_retention_has_dropped_is_told(void **state)
{
    struct usage_fixture *f = *state;
    post_some(f, "a", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", "4.25");
    post_some(f, "b", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", "1");
    drop_journal_before(f, 2);
    struct explain_query query = query_of("2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z");
    struct found found = explain(f, &query);
    assert_true(found.last.incomplete);
    assert_sum_text(&found.last.quantity, "5.25");
    assert_sum_text(&found.explained, "1");
}

static err_t delete_spans(struct store_write *write, struct store_job *job)
{
    struct text key, value;
    struct kv_cursor *cursor;
    uint8_t first[SPAN_KEY_SIZE];
    (void)job;
    err_t error = kv_cursor_open(write_txn(write), KV_SPANS, &cursor);
    if (error == ERROR_OK)
        error = kv_cursor_next(cursor, &key, &value);
    if (error != ERROR_OK)
        return error;
    memcpy(first, key.ptr, sizeof first);
    kv_cursor_close(cursor);
    return kv_delete(write_txn(write), KV_SPANS, BYTES(first));
}

/* As retention does it: rows are still there, of the hour the journal knows nothing more. */
static void what_retention_has_dropped_with_all_of_its_hour_is_told(void **state)
{
    struct usage_fixture *f = *state;
    struct store_job job = { .run = delete_spans, .weight = 1 };
    post_some(f, "a", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", "4.25");
    clock_manual_advance(&f->base.clock, 2 * NS_PER_HOUR);
    post_some(f, "b", "2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z", "1");
    drop_journal_before(f, 2);
    assert_ok(store_run(f->base.store, &job));
    struct explain_query query = query_of("2026-01-31T11:00:00Z", "2026-01-31T12:00:00Z");
    struct found found = explain(f, &query);
    assert_true(found.last.incomplete);
    assert_sum_text(&found.last.quantity, "4.25");
    query = query_of("2026-01-31T11:00:00Z", "2026-01-31T14:00:00Z");
    found = explain(f, &query);
    assert_explained(&found, "1", 1, 0);
}

/* Whatever was posted and corrected: every row of the hourly list is the sum of its explanation. */
static void promise_5_every_row_is_explained_exactly(void **state)
{
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("unit-usage-explain");
    for (int step = 0; step < 60; step++) {
        struct text id = arena_format(f->arena, "r%d", (int)prng_below(&prng, 20));
        struct text quantity = arena_format(f->arena, "%d.%d", (int)prng_below(&prng, 50), (int)prng_below(&prng, 999));
        struct post post = post_good();
        post.id = arena_format(f->arena, "\"%s\"", id.ptr).ptr;
        post.quantity = quantity.ptr;
        post.start =
            arena_format(f->arena, "\"2026-01-31T0%d:%d0:00Z\"", (int)prng_below(&prng, 8), (int)prng_below(&prng, 6))
                .ptr;
        if (prng_below(&prng, 2) == 0)
            (void)usage_post(f, &post);
        else
            (void)correct(f, id.ptr, prng_below(&prng, 3) == 0 ? NULL : quantity.ptr);
        clock_manual_advance(&f->base.clock, (int64_t)prng_below(&prng, 40) * NS_PER_MINUTE);
    }
    struct listing_query list = usage_everything(false);
    for (int64_t hour = instant_hour(test_instant(FIXTURE_NOW)); hour < instant_hour(store_now_ns(f->base.store));
         hour++) {
        list.start_ns = hour_start_ns(hour);
        list.end_ns = hour_start_ns(hour + 1);
        struct usage_rows rows = usage_list(f, &list);
        for (size_t i = 0; i < rows.count; i++) {
            struct explain_query query = query_of("2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z");
            query.usage_period = (uint32_t)instant_hour(rows.rows[i].start_ns);
            query.reported_period = (uint32_t)hour;
            struct found found = explain(f, &query);
            char expected[DECIMAL_TEXT_SIZE];
            decimal_sum_print(&rows.rows[i].quantity, expected);
            assert_true(found.last.found && found.last.records == rows.rows[i].records);
            assert_sum_text(&found.explained, expected);
            assert_sum_text(&found.last.quantity, expected);
        }
    }
}

TESTS(WITH_USAGE(a_row_is_explained_by_its_records_and_corrections), WITH_USAGE(other_rows_stay_out),
      WITH_USAGE(a_row_that_is_not_there_has_no_sum), WITH_USAGE(all_reported_hours_together),
      WITH_USAGE(a_daily_row_is_explained_as_well), WITH_USAGE(pages_neither_skip_nor_repeat),
      WITH_USAGE(what_retention_has_dropped_is_told),
      WITH_USAGE(what_retention_has_dropped_with_all_of_its_hour_is_told),
      WITH_USAGE(promise_5_every_row_is_explained_exactly))
