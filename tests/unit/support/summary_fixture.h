/* Summaries read whole, their texts copied into the fixture's arena. For tests linked with src/usage. */
#pragma once

#include "base/files.h"
#include "support/usage_fixture.h"
#include "usage/meters.h"
#include "usage/summary.h"

struct summary_rows {
    struct summary_row *rows;
    size_t count;
};

/* The meters of config/meters.csv; tests run in the root of the repository. */
static inline struct meters *summary_meters(struct usage_fixture *f)
{
    struct buffer csv = { 0 };
    struct meters *meters = NULL;
    struct error_info info = { 0 };
    if (file_read("config/meters.csv", (size_t)1 << 20, &csv, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    struct text copy = usage_copy(f, buffer_text(&csv));
    buffer_free(&csv);
    if (meters_load(f->arena, copy, &meters, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    return meters;
}

static inline struct summary_query summary_query_of(const char *from, const char *to,
                                                    enum summary_granularity granularity)
{
    return (
        struct summary_query){ .from_ns = test_instant(from), .to_ns = test_instant(to), .granularity = granularity };
}

/* Fails only with ERROR_USAGE_NOT_KEPT. */
static inline err_t summary_try(struct usage_fixture *f, const struct meters *meters, const struct summary_query *query,
                                struct summary_rows *out)
{
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct summary *summary = NULL;
    struct error_info info = { 0 };
    err_t error = summary_run(f->base.store, txn, meters, query, &summary, &info);
    if (error == ERROR_USAGE_NOT_KEPT) {
        store_read_end(txn);
        return error;
    }
    if (error != ERROR_OK)
        fail_msg("summary_run: %s", info.message);
    struct summary_rows rows = { .count = summary_count(summary) };
    rows.rows = arena_array(f->arena, rows.count + 1, sizeof *rows.rows);
    assert_non_null(rows.rows);
    for (size_t i = 0; i < rows.count; i++) {
        struct summary_row *row = &rows.rows[i];
        assert_ok(summary_row(summary, i, row));
        if (i % 97 == 0) /* it walks from the start */
            assert_int_equal(summary_after(summary, row->position), i + 1);
        row->meter_id = usage_copy(f, row->meter_id);
        row->unit = usage_copy(f, row->unit);
        row->resource_uri = usage_copy(f, row->resource_uri);
        row->location = usage_copy(f, row->location);
        row->source = usage_copy(f, row->source);
        for (size_t t = 0; t < SUMMARY_TAGS_MAX; t++)
            row->tags[t] = usage_copy(f, row->tags[t]);
    }
    summary_free(summary);
    store_read_end(txn);
    *out = rows;
    return ERROR_OK;
}

static inline struct summary_rows summary_read(struct usage_fixture *f, const struct meters *meters,
                                               const struct summary_query *query)
{
    struct summary_rows rows = { 0 };
    assert_ok(summary_try(f, meters, query, &rows));
    return rows;
}

static inline void assert_sum(const struct decimal_sum *sum, const char *expected)
{
    char text[DECIMAL_TEXT_SIZE];
    decimal_sum_print(sum, text);
    assert_string_equal(text, expected);
}
