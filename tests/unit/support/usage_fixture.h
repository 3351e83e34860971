/* A store with what it takes to post usage and to read it back whole. For tests of layers that are linked with
 * src/usage. Everything lives in the fixture's arena until it is freed. */
#pragma once

#include "base/arena.h"
#include "support/records.h"
#include "support/store_fixture.h"
#include "usage/ingest.h"
#include "usage/listing.h"

struct usage_fixture {
    struct store_fixture base; /* first member */
    struct arena *arena;
    struct record_limits limits;
};

/* Limits as configured by default, seen from the store's present. */
static inline struct record_limits usage_limits(struct usage_fixture *f)
{
    return (struct record_limits){ .now_ns = store_now_ns(f->base.store),
                                   .future_ns_max = 5 * NS_PER_MINUTE,
                                   .age_ns_max = 400 * NS_PER_DAY };
}

static inline struct record_limits usage_history_limits(struct usage_fixture *f)
{
    struct record_limits limits = usage_limits(f);
    limits.age_ns_max = -1;
    limits.history = true;
    return limits;
}

static inline void usage_fixture_make(struct usage_fixture *f)
{
    memset(f, 0, sizeof *f);
    store_fixture_make(&f->base);
    f->arena = arena_new((size_t)64 * 1024, 0);
    assert_non_null(f->arena);
}

static inline void usage_fixture_free(struct usage_fixture *f)
{
    store_fixture_free(&f->base);
    arena_free(f->arena);
}

/* For cmocka: the state is the fixture. */
static inline int usage_set_up(void **state)
{
    struct usage_fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    usage_fixture_make(f);
    *state = f;
    return 0;
}

static inline int usage_tear_down(void **state)
{
    usage_fixture_free(*state);
    free(*state);
    return 0;
}

#define WITH_USAGE(function) cmocka_unit_test_setup_teardown(function, usage_set_up, usage_tear_down)

static const struct text usage_any_source = { "*", 1 };

static inline struct ingest_batch *usage_batch(struct usage_fixture *f, const struct record_limits *limits)
{
    struct ingest_producer producer = { TEXT("producer"), &usage_any_source, 1 };
    struct ingest_batch *batch = ingest_new(f->arena, &producer, limits, store_hash_key(f->base.store));
    assert_non_null(batch);
    return batch;
}

static inline struct ingest_batch *usage_ingest_with(struct usage_fixture *f, const struct record_limits *limits,
                                                     enum ingest_format format, struct text body)
{
    struct ingest_batch *batch = usage_batch(f, limits);
    struct error_info info = { 0 };
    if (ingest_parse(batch, format, body, &info) != ERROR_OK)
        fail_msg("ingest_parse: %s", info.message);
    assert_ok(ingest_submit(batch, f->base.store, NULL));
    return batch;
}

static inline struct ingest_batch *usage_ingest(struct usage_fixture *f, enum ingest_format format, struct text body)
{
    struct record_limits limits = usage_limits(f);
    return usage_ingest_with(f, &limits, format, body);
}

static inline struct text usage_post_text(struct usage_fixture *f, const struct post *post)
{
    struct buffer out = { 0 };
    post_write(post, &out);
    struct text text = arena_text(f->arena, buffer_text(&out));
    assert_false(out.failed || text.ptr == NULL);
    buffer_free(&out);
    return text;
}

static inline const struct ingest_result *usage_post_with(struct usage_fixture *f, const struct record_limits *limits,
                                                          const struct post *post)
{
    struct ingest_batch *batch = usage_ingest_with(f, limits, INGEST_JSON, usage_post_text(f, post));
    assert_int_equal(batch->count, 1);
    return &batch->results[0];
}

static inline const struct ingest_result *usage_post(struct usage_fixture *f, const struct post *post)
{
    struct record_limits limits = usage_limits(f);
    return usage_post_with(f, &limits, post);
}

static inline void assert_verdict(const struct ingest_result *result, enum verdict verdict)
{
    if (result->verdict != verdict)
        fail_msg("%s (%s, %.*s: %.*s), should be %s", verdict_name(result->verdict), error_wire_code(result->code),
                 TEXT_ARGS(result->target), TEXT_ARGS(result->message), verdict_name(verdict));
}

static inline void usage_post_accepted(struct usage_fixture *f, const struct post *post)
{
    assert_verdict(usage_post(f, post), VERDICT_ACCEPTED);
}

/* --- listing --- */

struct usage_rows {
    struct usage_fixture *fixture;
    struct listing_row *rows; /* texts copied */
    size_t count, capacity, pages;
};

static inline struct text usage_copy(struct usage_fixture *f, struct text text)
{
    if (text.ptr == NULL)
        return text;
    struct text copy = arena_text(f->arena, text);
    assert_non_null(copy.ptr);
    return copy;
}

static inline err_t usage_take_row(void *context, const struct listing_row *row)
{
    struct usage_rows *rows = context;
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity == 0 ? 64 : 2 * rows->capacity;
        struct listing_row *more = arena_array(rows->fixture->arena, capacity, sizeof *more);
        if (more == NULL)
            return ERROR_NO_MEMORY;
        if (rows->count > 0)
            memcpy(more, rows->rows, rows->count * sizeof *more);
        rows->rows = more;
        rows->capacity = capacity;
    }
    struct listing_row *copy = &rows->rows[rows->count++];
    *copy = *row;
    copy->meter_id = usage_copy(rows->fixture, row->meter_id);
    copy->instance.resource_uri = usage_copy(rows->fixture, row->instance.resource_uri);
    copy->instance.location = usage_copy(rows->fixture, row->instance.location);
    copy->instance.tags = usage_copy(rows->fixture, row->instance.tags);
    copy->instance.additional_info = usage_copy(rows->fixture, row->instance.additional_info);
    return ERROR_OK;
}

/* One page after *position, appended to rows; returns whether another one follows. */
static inline bool usage_list_page(struct usage_rows *rows, const struct listing_query *query,
                                   struct listing_position *position)
{
    struct kv_txn *txn = store_fixture_read(&rows->fixture->base);
    bool more = false;
    size_t before = rows->count;
    assert_ok(listing_page(rows->fixture->base.store, txn, rows->fixture->arena, query, position, usage_take_row, rows,
                           &more));
    store_read_end(txn);
    rows->pages++;
    assert_true(rows->count - before <= LISTING_PAGE_ROWS);
    assert_true(!more || rows->count - before == LISTING_PAGE_ROWS);
    return more;
}

static inline struct usage_rows usage_list(struct usage_fixture *f, const struct listing_query *query)
{
    struct usage_rows rows = { .fixture = f };
    struct listing_position position = { 0 };
    while (usage_list_page(&rows, query, &position))
        ;
    return rows;
}

/* From the beginning to the end of time. */
static inline struct listing_query usage_everything(bool daily)
{
    return (struct listing_query){ .daily = daily, .details = true, .end_ns = test_instant("2100-01-01T00:00:00Z") };
}

static inline void usage_total(const struct usage_rows *rows, char text[DECIMAL_TEXT_SIZE], uint64_t *records)
{
    struct decimal_sum sum = { { 0 } };
    *records = 0;
    for (size_t i = 0; i < rows->count; i++) {
        decimal_sum_add_sum(&sum, &rows->rows[i].quantity);
        *records += rows->rows[i].records;
    }
    decimal_sum_print(&sum, text);
}

/* The sum of all rows of both granularities is 'quantity' from 'records' records. */
static inline void assert_usage_total(struct usage_fixture *f, const char *quantity, uint64_t records)
{
    for (int daily = 0; daily < 2; daily++) {
        struct listing_query query = usage_everything(daily != 0);
        struct usage_rows rows = usage_list(f, &query);
        char text[DECIMAL_TEXT_SIZE];
        uint64_t counted;
        usage_total(&rows, text, &counted);
        assert_string_equal(text, quantity);
        assert_int_equal(counted, records);
    }
}
