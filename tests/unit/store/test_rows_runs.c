/* The engine of sorted runs against the plain one: random operations on two stores, compared after each step. */
#include "support/rows_fixture.h"

/* --- keys and rows --- */

static void random_sum_key(struct fixture *f, uint32_t bucket, uint8_t key[ROW_KEY_SIZE])
{
    struct row_key row = { bucket,
                           1 + (uint32_t)prng_below(&f->prng, 9),
                           1000 + (uint32_t)prng_below(&f->prng, 4),
                           1 + (uint32_t)prng_below(&f->prng, 5),
                           (uint32_t)prng_below(&f->prng, 300),
                           (uint32_t)prng_below(&f->prng, 2) };
    row_key_encode(&row, key);
}

/* Often the open bucket, sometimes an older one, as imports do. */
static uint32_t random_bucket(struct fixture *f)
{
    return prng_below(&f->prng, 4) != 0 ? f->open_bucket : f->open_bucket - (uint32_t)prng_below(&f->prng, 6);
}

static int compare_sums(const void *a, const void *b)
{
    return memcmp(a, b, ROW_KEY_SIZE);
}

/* Sorted, distinct rows of a family; returns how many. */
static size_t random_rows(struct fixture *f, enum row_family family, size_t count, uint8_t *rows)
{
    size_t size = row_size_of(family), distinct = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t *row = rows + i * size;
        if (family == ROWS_DEDUPE) {
            id_key(f->ids++, row);
            put_u64be(row + DEDUPE_KEY_SIZE, prng_next(&f->prng));
            put_u64be(row + DEDUPE_KEY_SIZE + 8, f->ids);
        } else {
            struct row_sum sum = { decimal_from_i64((int64_t)prng_below(&f->prng, 2000000) - 1000000),
                                   (uint32_t)prng_below(&f->prng, 3) };
            random_sum_key(f, random_bucket(f), row);
            row_sum_encode(&sum, row + ROW_KEY_SIZE);
        }
    }
    qsort(rows, count, size, family == ROWS_DEDUPE ? compare_ids : compare_sums);
    for (size_t i = 0; i < count; i++)
        if (distinct == 0 || memcmp(rows + (distinct - 1) * size, rows + i * size, rows_key_size(family)) != 0)
            memmove(rows + distinct++ * size, rows + i * size, size);
    return distinct;
}

/* --- comparing --- */

static void assert_same_next(struct fixture *f, enum row_family family, struct rows_cursor *runs,
                             struct rows_cursor *plain, bool *more)
{
    const uint8_t *key, *value, *expected_key, *expected_value;
    err_t expected = f->plain.engine->next(plain, &expected_key, &expected_value);
    err_t error = f->runs.engine->next(runs, &key, &value);
    assert_int_equal(error, expected);
    *more = error == ERROR_OK;
    if (!*more)
        return;
    assert_memory_equal(key, expected_key, rows_key_size(family));
    assert_memory_equal(value, expected_value, rows_value_size(family));
}

static void random_from(struct fixture *f, enum row_family family, uint8_t key[ROW_KEY_SIZE])
{
    memset(key, 0, ROW_KEY_SIZE);
    if (family == ROWS_DEDUPE) {
        if (prng_below(&f->prng, 3) != 0)
            id_key(prng_below(&f->prng, f->ids + 2), key);
    } else {
        random_sum_key(f, f->open_bucket - 12 + (uint32_t)prng_below(&f->prng, 14), key);
        if (prng_below(&f->prng, 4) == 0)
            memset(key + 4, 0, ROW_KEY_SIZE - 4);
    }
}

static void compare_scans(struct fixture *f, struct kv_txn *runs_txn, struct kv_txn *plain_txn, enum row_family family)
{
    struct rows_cursor *runs, *plain;
    uint8_t from[ROW_KEY_SIZE] = { 0 };
    bool more = true, one_bucket = prng_below(&f->prng, 2) == 0;
    /* All of it. */
    assert_ok(f->runs.engine->open(runs_txn, family, from, false, &runs));
    assert_ok(f->plain.engine->open(plain_txn, family, from, false, &plain));
    while (more)
        assert_same_next(f, family, runs, plain, &more);
    assert_same_next(f, family, runs, plain, &more);
    f->runs.engine->close(runs);
    f->plain.engine->close(plain);
    /* From somewhere, with seeks in both directions. */
    random_from(f, family, from);
    assert_ok(f->runs.engine->open(runs_txn, family, from, one_bucket, &runs));
    assert_ok(f->plain.engine->open(plain_txn, family, from, one_bucket, &plain));
    for (int seek = 0; seek < 8; seek++) {
        more = true;
        for (uint64_t rows = prng_below(&f->prng, 40); more && rows > 0; rows--)
            assert_same_next(f, family, runs, plain, &more);
        random_from(f, family, from);
        assert_ok(f->runs.engine->seek(runs, from));
        assert_ok(f->plain.engine->seek(plain, from));
    }
    for (more = true; more;)
        assert_same_next(f, family, runs, plain, &more);
    f->runs.engine->close(runs);
    f->plain.engine->close(plain);
}

#define KEYS_LOOKED_UP 60

static void compare_lookups(struct fixture *f, struct kv_txn *runs_txn, struct kv_txn *plain_txn,
                            enum row_family family)
{
    static uint8_t keys[KEYS_LOOKED_UP * ROW_KEY_SIZE];
    uint8_t values[KEYS_LOOKED_UP * ROW_VALUE_SIZE_MAX], value[ROW_VALUE_SIZE_MAX], expected[ROW_VALUE_SIZE_MAX];
    bool found[KEYS_LOOKED_UP];
    size_t size = rows_key_size(family), value_size = rows_value_size(family), count = 0;
    for (size_t i = 0; i < KEYS_LOOKED_UP; i++)
        random_from(f, family, keys + i * size);
    qsort(keys, KEYS_LOOKED_UP, size, family == ROWS_DEDUPE ? compare_ids : compare_sums);
    for (size_t i = 0; i < KEYS_LOOKED_UP; i++)
        if (count == 0 || memcmp(keys + (count - 1) * size, keys + i * size, size) != 0)
            memmove(keys + count++ * size, keys + i * size, size);
    assert_ok(f->runs.engine->find(runs_txn, family, keys, count, values, found));
    for (size_t i = 0; i < count; i++) {
        err_t error = f->plain.engine->get(plain_txn, family, keys + i * size, expected);
        assert_int_equal(f->runs.engine->get(runs_txn, family, keys + i * size, value), error);
        assert_int_equal(found[i], error == ERROR_OK);
        if (error == ERROR_OK) {
            assert_memory_equal(value, expected, value_size);
            assert_memory_equal(values + i * value_size, expected, value_size);
        }
    }
}

static void compare(struct fixture *f)
{
    struct kv_txn *runs_txn, *plain_txn;
    assert_ok(kv_read_begin(f->runs.kv, &runs_txn));
    assert_ok(kv_read_begin(f->plain.kv, &plain_txn));
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++) {
        compare_scans(f, runs_txn, plain_txn, (enum row_family)family);
        compare_lookups(f, runs_txn, plain_txn, (enum row_family)family);
        assert_ok(f->runs.engine->check(runs_txn, (enum row_family)family, show_fault, f));
    }
    assert_int_equal(f->faults, 0);
    kv_read_end(runs_txn);
    kv_read_end(plain_txn);
}

/* --- operations --- */

#define ROWS_A_TIME 400

static err_t add_to_runs(struct fixture *f, enum row_family family, const uint8_t *rows, size_t count, bool upkeep)
{
    bool left;
    begin(&f->runs);
    err_t error = f->runs.engine->add(f->runs.txn, family, rows, count);
    if (error == ERROR_OK && upkeep)
        error = f->runs.engine->upkeep(f->runs.txn, 1 + prng_below(&f->prng, 2 * count), false, &left);
    if (error != ERROR_OK)
        kv_abort(f->runs.txn);
    return error == ERROR_OK ? kv_commit(f->runs.txn) : error;
}

static void add_rows(struct fixture *f)
{
    static uint8_t rows[ROWS_A_TIME * (ROW_KEY_SIZE + ROW_VALUE_SIZE_MAX)];
    enum row_family family = (enum row_family)prng_below(&f->prng, ROWS_FAMILY_COUNT);
    size_t wanted = prng_below(&f->prng, 3) == 0 ? 1 + prng_below(&f->prng, ROWS_A_TIME) : 1 + prng_below(&f->prng, 3);
    size_t count = random_rows(f, family, wanted, rows);
    bool upkeep = prng_below(&f->prng, 2) == 0;
    /* Fails at each write in turn, now and then, until there are no more. */
    if (prng_below(&f->prng, 16) == 0) {
        for (uint64_t nth = 1;; nth++) {
            struct prng before = f->prng;
            kv_fail_write(f->runs.kv, nth, ERROR_IO);
            err_t error = add_to_runs(f, family, rows, count, upkeep);
            kv_fail_write(f->runs.kv, 0, ERROR_OK);
            if (error == ERROR_OK)
                break;
            assert_int_equal(error, ERROR_IO);
            f->prng = before;
        }
    } else {
        assert_ok(add_to_runs(f, family, rows, count, upkeep));
    }
    begin(&f->plain);
    assert_ok(f->plain.engine->add(f->plain.txn, family, rows, count));
    commit(&f->plain);
}

/* Nothing of it may change what readers see, nor what fails half-way. */
static void do_upkeep(struct fixture *f, size_t budget, bool idle)
{
    bool left;
    uint64_t nth = prng_below(&f->prng, 4) == 0 ? 1 : 0;
    for (;; nth++) {
        begin(&f->runs);
        kv_fail_write(f->runs.kv, nth, ERROR_INSUFFICIENT_STORAGE);
        err_t error = f->runs.engine->upkeep(f->runs.txn, budget, idle, &left);
        kv_fail_write(f->runs.kv, 0, ERROR_OK);
        if (error == ERROR_OK)
            break;
        assert_int_equal(error, ERROR_INSUFFICIENT_STORAGE);
        kv_abort(f->runs.txn);
    }
    if (prng_below(&f->prng, 8) == 0)
        kv_abort(f->runs.txn);
    else
        commit(&f->runs);
}

static void seal(struct fixture *f)
{
    f->open_bucket += (uint32_t)prng_below(&f->prng, 3);
    begin(&f->runs);
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++)
        assert_ok(f->runs.engine->seal(f->runs.txn, (enum row_family)family, f->open_bucket));
    commit(&f->runs);
}

static void drop(struct fixture *f)
{
    enum row_family family = (enum row_family)prng_below(&f->prng, ROWS_FAMILY_COUNT);
    uint32_t end = f->open_bucket - 3 - (uint32_t)prng_below(&f->prng, 4);
    struct side *sides[] = { &f->runs, &f->plain };
    for (int i = 0; i < 2; i++) {
        for (bool left = true; left;) {
            begin(sides[i]);
            assert_ok(sides[i]->engine->drop(sides[i]->txn, family, end, 1 + prng_below(&f->prng, 200), &left));
            commit(sides[i]);
        }
    }
}

static void one_operation(struct fixture *f)
{
    uint64_t chosen = prng_below(&f->prng, 100);
    if (chosen < 75)
        add_rows(f);
    else if (chosen < 90)
        do_upkeep(f, 1 + prng_below(&f->prng, prng_below(&f->prng, 4) == 0 ? 4000 : 20), prng_below(&f->prng, 2) == 0);
    else if (chosen < 95)
        seal(f);
    else if (chosen < 98)
        drop(f);
    else
        reopen(f);
}

static void random_operations_agree_with_the_plain_engine(void **state)
{
    struct fixture *f = *state;
    f->prng = test_prng("unit-store-rows_runs");
    for (int i = 0; i < (test_is_long() ? 20000 : 700); i++) {
        one_operation(f);
        if (i % 5 == 0)
            compare(f);
    }
    compare(f);
}

TESTS(WITH_SIDES(random_operations_agree_with_the_plain_engine))
