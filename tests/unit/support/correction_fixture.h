/* Corrections asked for in one line, and the sums of a whole family of rows to compare with. For tests linked with
 * src/usage. */
#pragma once

#include "support/usage_fixture.h"
#include "usage/correction.h"

static inline struct correction_batch *corrections_parsed(struct usage_fixture *f, const struct ingest_producer *party,
                                                          struct text body)
{
    struct correction_batch *batch = correction_new(f->arena, party, store_hash_key(f->base.store));
    struct error_info info = { 0 };
    assert_non_null(batch);
    if (correction_parse(batch, body, &info) != ERROR_OK)
        fail_msg("correction_parse: %s", info.message);
    return batch;
}

static inline struct correction_batch *correct_as(struct usage_fixture *f, const struct ingest_producer *party,
                                                  struct text body)
{
    struct correction_batch *batch = corrections_parsed(f, party, body);
    assert_ok(correction_submit(batch, f->base.store, NULL));
    return batch;
}

static inline struct correction_batch *correct_body(struct usage_fixture *f, struct text body)
{
    struct ingest_producer party = { TEXT("operator"), &usage_any_source, 1 };
    return correct_as(f, &party, body);
}

/* quantity: JSON text, NULL: void. */
static inline struct text correction_text(struct usage_fixture *f, const char *id, const char *quantity)
{
    struct text text = quantity == NULL
                           ? arena_format(f->arena,
                                          "{\"source\":\"Microsoft.Compute\",\"id\":\"%s\",\"action\":\"void\","
                                          "\"reason\":\"was never used\"}",
                                          id)
                           : arena_format(f->arena,
                                          "{\"source\":\"Microsoft.Compute\",\"id\":\"%s\",\"action\":\"amend\","
                                          "\"quantity\":%s,\"reason\":\"meter was wrong\"}",
                                          id, quantity);
    assert_non_null(text.ptr);
    return text;
}

static inline const struct correction *correct(struct usage_fixture *f, const char *id, const char *quantity)
{
    struct correction_batch *batch = correct_body(f, correction_text(f, id, quantity));
    assert_int_equal(batch->count, 1);
    return &batch->corrections[0];
}

static inline const struct correction *correct_well(struct usage_fixture *f, const char *id, const char *quantity)
{
    const struct correction *correction = correct(f, id, quantity);
    if (correction->failure.code != ERROR_OK)
        fail_msg("%s: %s", error_wire_code(correction->failure.code), correction->failure.message);
    return correction;
}

/* --- sums of rows, as they are stored --- */

/* All rows of a family whose usage period lies in [first, end), any reported time. */
static inline struct decimal_sum family_sum(struct usage_fixture *f, enum row_family family, uint32_t first,
                                            uint32_t end, uint64_t *records)
{
    const struct rows_engine *rows = store_rows(f->base.store);
    struct kv_txn *txn = store_fixture_read(&f->base);
    uint8_t start[ROW_KEY_SIZE] = { 0 };
    struct rows_cursor *cursor;
    struct decimal_sum sum = { { 0 } };
    const uint8_t *key, *value;
    *records = 0;
    assert_ok(rows->open(txn, family, start, false, &cursor));
    while (rows->next(cursor, &key, &value) == ERROR_OK) {
        struct row_key row = row_key_decode(key);
        struct row_sum stored = row_sum_decode(value);
        if (row.period < first || row.period >= end)
            continue;
        decimal_sum_add(&sum, &stored.quantity);
        *records += stored.records;
    }
    rows->close(cursor);
    store_read_end(txn);
    return sum;
}

static inline void assert_family_total(struct usage_fixture *f, enum row_family family, const char *quantity,
                                       uint64_t records)
{
    char text[DECIMAL_TEXT_SIZE];
    uint64_t counted;
    struct decimal_sum sum = family_sum(f, family, 0, UINT32_MAX, &counted);
    decimal_sum_print(&sum, text);
    assert_string_equal(text, quantity);
    assert_int_equal(counted, records);
}

/* Promise 5 in one line: hours, days and rollups hold 'quantity' of 'records' records. */
static inline void assert_all_totals(struct usage_fixture *f, const char *quantity, uint64_t records)
{
    assert_family_total(f, ROWS_HOURLY, quantity, records);
    assert_family_total(f, ROWS_DAILY, quantity, records);
    assert_family_total(f, ROWS_ROLLUP, quantity, records);
    assert_usage_total(f, quantity, records);
}

static inline void assert_decimal_text(const struct decimal *value, const char *expected)
{
    char text[DECIMAL_TEXT_SIZE];
    decimal_print(value, text);
    assert_string_equal(text, expected);
}

static inline void assert_sum_text(const struct decimal_sum *sum, const char *expected)
{
    char text[DECIMAL_TEXT_SIZE];
    decimal_sum_print(sum, text);
    assert_string_equal(text, expected);
}

/* --- retention --- */

struct drop_job {
    struct store_job job; /* first member */
    uint64_t before_sequence;
};

static inline err_t drop_run(struct store_write *write, struct store_job *job)
{
    bool left = true;
    err_t error = ERROR_OK;
    while (error == ERROR_OK && left)
        error = journal_drop(write_txn(write), ((struct drop_job *)job)->before_sequence, 16, &left);
    return error;
}

/* As retention does it: whole segments, and each commit has one of its own. */
static inline void drop_journal_before(struct usage_fixture *f, uint64_t sequence)
{
    struct drop_job drop = { .job = { .run = drop_run, .weight = 1 }, .before_sequence = sequence };
    assert_ok(store_run(f->base.store, &drop.job));
}
