/* What a transaction collects before it gives rows to the engine, against a plain array; and the plain engine. */
#include "support/testing.h"

#include "store/kv.h"
#include "store/pending.h"
#include "store/rows.h"
#include "support/folder.h"

struct fixture {
    struct test_folder folder;
    struct kv *kv;
    struct kv_txn *txn;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_folder_make(&f->folder);
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = (size_t)1 << 28 };
    assert_ok(kv_open(&options, &f->kv, NULL));
    assert_ok(kv_write_begin(f->kv, &f->txn));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kv_abort(f->txn);
    kv_close(f->kv);
    test_folder_remove(&f->folder);
    free(f);
    return 0;
}

#define WITH_STORE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static void make_key(enum row_family family, uint32_t number, uint8_t key[ROW_KEY_SIZE])
{
    struct row_key row = { number % 7, number % 3, number, number * 31, number ^ 5, number / 2 };
    memset(key, 0, ROW_KEY_SIZE);
    if (family != ROWS_DEDUPE)
        row_key_encode(&row, key);
    else
        put_u64be(key + 3, number * UINT64_C(0x9E3779B97F4A7C15));
}

static void set_sum(uint8_t *value, int64_t quantity, uint32_t records)
{
    struct row_sum sum = { decimal_from_i64(quantity), records };
    row_sum_encode(&sum, value);
}

static void assert_sum(const uint8_t *value, int64_t quantity, uint32_t records)
{
    struct row_sum sum = row_sum_decode(value);
    struct decimal expected = decimal_from_i64(quantity);
    assert_int_equal(decimal_compare(&sum.quantity, &expected), 0);
    assert_int_equal(sum.records, records);
}

/* --- encoding --- */

static void sums_come_back(void **state)
{
    (void)state;
    static const int64_t quantities[] = { 0, 1, -1, INT64_MAX, INT64_MIN };
    for (size_t i = 0; i < COUNT_OF(quantities); i++) {
        uint8_t value[ROW_SUM_SIZE];
        set_sum(value, quantities[i], (uint32_t)i * 1000000007u);
        assert_sum(value, quantities[i], (uint32_t)i * 1000000007u);
    }
}

static void keys_sort_by_their_fields_in_order(void **state)
{
    (void)state;
    const struct row_key rising[] = {
        { 0, 0, 0, 0, 0, 0 }, { 0, 0, 0, 0, 0, UINT32_MAX }, { 0, 0, 0, 0, 1, 0 },   { 0, 0, 0, 1, 0, 0 },
        { 0, 0, 1, 0, 0, 0 }, { 0, 1, 0, 0, 0, 0 },          { 0, 256, 0, 0, 0, 0 }, { 1, 0, 0, 0, 0, 0 },
    };
    for (size_t i = 0; i + 1 < COUNT_OF(rising); i++) {
        uint8_t a[ROW_KEY_SIZE], b[ROW_KEY_SIZE];
        row_key_encode(&rising[i], a);
        row_key_encode(&rising[i + 1], b);
        assert_true(memcmp(a, b, sizeof a) < 0);
        struct row_key back = row_key_decode(b);
        assert_memory_equal(&back, &rising[i + 1], sizeof back);
    }
}

/* --- pending --- */

static void a_new_row_is_zero_and_is_found_again(void **state)
{
    (void)state;
    static const uint8_t nothing[DEDUPE_VALUE_SIZE];
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++) {
        struct pending pending;
        uint8_t key[ROW_KEY_SIZE];
        pending_init(&pending, (enum row_family)family);
        make_key(pending.family, 1, key);
        assert_null(pending_find(&pending, key));
        uint8_t *value = pending_value(&pending, key);
        assert_non_null(value);
        if (family == ROWS_DEDUPE)
            assert_memory_equal(value, nothing, sizeof nothing);
        else
            assert_sum(value, 0, 0);
        assert_ptr_equal(pending_find(&pending, key), value);
        assert_ptr_equal(pending_value(&pending, key), value);
        make_key(pending.family, 2, key);
        assert_null(pending_find(&pending, key));
        pending_clear(&pending);
        make_key(pending.family, 1, key);
        assert_null(pending_find(&pending, key));
        pending_free(&pending);
    }
}

#define KEYS 20000

static void agrees_with_an_array(void **state)
{
    (void)state;
    struct prng prng = test_prng("unit-store-pending");
    static uint32_t expected[KEYS];
    struct pending pending;
    pending_init(&pending, ROWS_HOURLY);
    for (int round = 0; round < 3; round++) {
        memset(expected, 0, sizeof expected);
        for (int i = 0; i < 60000; i++) {
            uint32_t number = (uint32_t)prng_below(&prng, KEYS);
            uint8_t key[ROW_KEY_SIZE];
            make_key(ROWS_HOURLY, number, key);
            uint8_t *value = pending_value(&pending, key);
            assert_non_null(value);
            assert_sum(value, expected[number], expected[number]);
            expected[number]++;
            set_sum(value, expected[number], expected[number]);
        }
        for (uint32_t number = 0; number < KEYS; number++) {
            uint8_t key[ROW_KEY_SIZE];
            make_key(ROWS_HOURLY, number, key);
            const uint8_t *value = pending_find(&pending, key);
            assert_int_equal(value != NULL, expected[number] != 0);
            if (value != NULL)
                assert_sum(value, expected[number], expected[number]);
        }
        pending_clear(&pending);
    }
    pending_free(&pending);
}

/* A huge commit must not pin its memory for good. */
static void gives_back_what_a_large_commit_took(void **state)
{
    (void)state;
    struct pending pending;
    pending_init(&pending, ROWS_DAILY);
    for (uint32_t i = 0; i < 200000; i++) {
        uint8_t key[ROW_KEY_SIZE];
        make_key(ROWS_DAILY, i, key);
        assert_non_null(pending_value(&pending, key));
    }
    assert_int_equal(pending.count, 200000);
    pending_clear(&pending);
    assert_true(pending.capacity <= 65536);
    assert_int_equal(pending.count, 0);
    pending_free(&pending);
}

static void flush_adds_to_what_is_stored(void **state)
{
    struct fixture *f = *state;
    struct pending pending;
    pending_init(&pending, ROWS_HOURLY);
    assert_ok(pending_flush(&pending, &rows_plain, f->txn)); /* nothing to do */
    for (int round = 1; round <= 3; round++) {
        for (uint32_t i = 2500; i-- > 0;) {
            uint8_t key[ROW_KEY_SIZE];
            make_key(ROWS_HOURLY, i, key);
            uint8_t *value = pending_value(&pending, key);
            assert_non_null(value);
            set_sum(value, (int64_t)i, 1);
        }
        assert_ok(pending_flush(&pending, &rows_plain, f->txn));
        assert_int_equal(pending.count, 0);
    }
    for (uint32_t i = 0; i < 2500; i++) {
        uint8_t key[ROW_KEY_SIZE], value[ROW_SUM_SIZE];
        make_key(ROWS_HOURLY, i, key);
        assert_ok(rows_plain.get(f->txn, ROWS_HOURLY, key, value));
        assert_sum(value, 3 * (int64_t)i, 3);
    }
    pending_free(&pending);
}

static uint8_t flushed[ROW_KEY_SIZE]; /* the last key given to the engine below */
static size_t flushed_count;

static err_t add_in_order(struct kv_txn *txn, enum row_family family, const uint8_t *rows, size_t count)
{
    (void)txn;
    size_t key_size = rows_key_size(family), row_size = key_size + rows_value_size(family);
    for (size_t i = 0; i < count; i++, flushed_count++) {
        assert_true(flushed_count == 0 || memcmp(flushed, rows + i * row_size, key_size) < 0);
        memcpy(flushed, rows + i * row_size, key_size);
    }
    return ERROR_OK;
}

/* Engines may rely on it, though the plain one does not. */
static void the_engine_gets_its_rows_in_the_order_of_their_keys(void **state)
{
    (void)state;
    const struct rows_engine ordered = { .name = "ordered", .add = add_in_order };
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++) {
        struct pending pending;
        pending_init(&pending, (enum row_family)family);
        for (uint32_t i = 0; i < 3000; i++) {
            uint8_t key[ROW_KEY_SIZE];
            make_key(pending.family, i, key);
            assert_non_null(pending_value(&pending, key));
        }
        flushed_count = 0;
        assert_ok(pending_flush(&pending, &ordered, NULL));
        assert_int_equal(flushed_count, 3000);
        pending_free(&pending);
    }
}

static void a_failed_flush_is_reported(void **state)
{
    struct fixture *f = *state;
    struct pending pending;
    uint8_t key[ROW_KEY_SIZE];
    pending_init(&pending, ROWS_DEDUPE);
    for (uint32_t i = 0; i < 3; i++) {
        make_key(ROWS_DEDUPE, i + 1, key);
        assert_non_null(pending_value(&pending, key));
    }
    kv_fail_write(f->kv, 3, ERROR_IO);
    assert_error(pending_flush(&pending, &rows_plain, f->txn), ERROR_IO);
    pending_free(&pending);
}

/* --- the plain engine --- */

static void put_row(struct kv_txn *txn, const struct row_key *key, int64_t quantity)
{
    uint8_t row[ROW_KEY_SIZE + ROW_SUM_SIZE];
    row_key_encode(key, row);
    set_sum(row + ROW_KEY_SIZE, quantity, 1);
    assert_ok(rows_plain.add(txn, ROWS_HOURLY, row, 1));
}

static void assert_next(struct rows_cursor *cursor, uint32_t bucket, int64_t quantity)
{
    const uint8_t *key, *value;
    assert_ok(rows_plain.next(cursor, &key, &value));
    assert_int_equal(row_key_decode(key).bucket, bucket);
    assert_sum(value, quantity, 1);
}

static void the_cursor_seeks_both_ways(void **state)
{
    struct fixture *f = *state;
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    uint8_t from[ROW_KEY_SIZE] = { 0 };
    assert_ok(rows_plain.open(f->txn, ROWS_HOURLY, from, false, &cursor));
    assert_error(rows_plain.next(cursor, &key, &value), ERROR_NOT_FOUND);
    rows_plain.close(cursor);
    for (uint32_t bucket = 1; bucket <= 3; bucket++)
        put_row(f->txn, &(struct row_key){ .bucket = bucket }, (int64_t)bucket * 10);
    assert_ok(rows_plain.open(f->txn, ROWS_HOURLY, from, false, &cursor));
    assert_next(cursor, 1, 10);
    assert_next(cursor, 2, 20);
    row_key_encode(&(struct row_key){ .bucket = 4 }, from);
    assert_ok(rows_plain.seek(cursor, from));
    assert_error(rows_plain.next(cursor, &key, &value), ERROR_NOT_FOUND);
    assert_error(rows_plain.next(cursor, &key, &value), ERROR_NOT_FOUND);
    row_key_encode(&(struct row_key){ .bucket = 1, .instance = 1 }, from);
    assert_ok(rows_plain.seek(cursor, from));
    assert_next(cursor, 2, 20);
    assert_next(cursor, 3, 30);
    assert_error(rows_plain.next(cursor, &key, &value), ERROR_NOT_FOUND);
    rows_plain.close(cursor);
    rows_plain.close(NULL);
}

static void rows_of_the_wrong_size_are_corruption(void **state)
{
    struct fixture *f = *state;
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    uint8_t from[ROW_KEY_SIZE] = { 0 }, got[ROW_SUM_SIZE];
    assert_ok(kv_put(f->txn, KV_HOURLY, BYTES(from), TEXT("short")));
    assert_error(rows_plain.get(f->txn, ROWS_HOURLY, from, got), ERROR_STORE_CORRUPT);
    assert_ok(rows_plain.open(f->txn, ROWS_HOURLY, from, false, &cursor));
    assert_error(rows_plain.next(cursor, &key, &value), ERROR_STORE_CORRUPT);
    rows_plain.close(cursor);
    assert_ok(kv_put(f->txn, KV_DEDUPE, TEXT("k"), TEXT("v")));
    assert_ok(rows_plain.open(f->txn, ROWS_DEDUPE, from, false, &cursor));
    assert_error(rows_plain.next(cursor, &key, &value), ERROR_STORE_CORRUPT);
    rows_plain.close(cursor);
}

TESTS(cmocka_unit_test(sums_come_back), cmocka_unit_test(keys_sort_by_their_fields_in_order),
      cmocka_unit_test(a_new_row_is_zero_and_is_found_again), cmocka_unit_test(agrees_with_an_array),
      cmocka_unit_test(gives_back_what_a_large_commit_took), WITH_STORE(flush_adds_to_what_is_stored),
      cmocka_unit_test(the_engine_gets_its_rows_in_the_order_of_their_keys), WITH_STORE(a_failed_flush_is_reported),
      WITH_STORE(the_cursor_seeks_both_ways), WITH_STORE(rows_of_the_wrong_size_are_corruption))
