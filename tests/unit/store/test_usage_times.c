/* In which reported hours usage was reported: against a naive walk over all pairs. */
#include "support/store_fixture.h"

#include "base/crypto.h"
#include "store/keys.h"
#include "store/write.h"

enum { PAIRS_MAX = 400 };

struct pairs {
    struct store_job job; /* first member */
    struct {
        uint32_t usage, reported;
    } pairs[PAIRS_MAX];
    size_t count;
};

static err_t put_pairs(struct store_write *write, struct store_job *job)
{
    const struct pairs *pairs = (const struct pairs *)job;
    for (size_t i = 0; i < pairs->count; i++) {
        uint8_t key[USAGE_TIME_KEY_SIZE];
        put_u32be(key, pairs->pairs[i].usage);
        put_u32be(key + 4, pairs->pairs[i].reported);
        err_t error = kv_put(write_txn(write), KV_USAGE_TIMES, BYTES(key), TEXT(""));
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static void store_pairs(struct store_fixture *fixture, struct pairs *pairs)
{
    pairs->job = (struct store_job){ .run = put_pairs, .weight = 1 };
    assert_ok(store_run(fixture->store, &pairs->job));
}

static int compare_hours(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

static size_t naive(const struct pairs *pairs, uint32_t first, uint32_t end, uint32_t out[PAIRS_MAX])
{
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < pairs->count; i++)
        if (pairs->pairs[i].usage >= first && pairs->pairs[i].usage < end)
            out[count++] = pairs->pairs[i].reported;
    qsort(out, count, sizeof *out, compare_hours);
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || out[kept - 1] != out[i])
            out[kept++] = out[i];
    return kept;
}

static void check(struct store_fixture *fixture, const struct pairs *pairs, uint32_t first, uint32_t end, size_t max)
{
    uint32_t expected[PAIRS_MAX], found[PAIRS_MAX];
    size_t wanted = naive(pairs, first, end, expected), count;
    bool more;
    struct kv_txn *txn = store_fixture_read(fixture);
    assert_ok(store_usage_times(txn, first, end, found, max, &count, &more));
    store_read_end(txn);
    assert_int_equal(more, wanted > max);
    assert_int_equal(count, wanted < max ? wanted : max);
    assert_memory_equal(found, expected, count * sizeof *found);
}

static void hours_are_ascending_distinct_and_complete(void **state)
{
    (void)state;
    struct prng prng = test_prng("unit-store-usage_times");
    for (int round = 0; round < 8; round++) {
        struct store_fixture fixture;
        struct pairs pairs = { .count = prng_below(&prng, PAIRS_MAX + 1) };
        store_fixture_make(&fixture);
        for (size_t i = 0; i < pairs.count; i++) {
            uint32_t usage = 400000 + (uint32_t)prng_below(&prng, 200);
            /* Mostly soon, now and then years before or after. */
            bool far = prng_below(&prng, 10) == 0;
            pairs.pairs[i].usage = usage;
            pairs.pairs[i].reported =
                far ? (uint32_t)prng_below(&prng, 900000) : usage + (uint32_t)prng_below(&prng, 30);
        }
        store_pairs(&fixture, &pairs);
        for (int i = 0; i < 40; i++) {
            uint32_t first = 399990 + (uint32_t)prng_below(&prng, 220);
            check(&fixture, &pairs, first, first + (uint32_t)prng_below(&prng, 100),
                  prng_below(&prng, 3) == 0 ? prng_below(&prng, 50) : PAIRS_MAX);
        }
        check(&fixture, &pairs, 0, UINT32_MAX, PAIRS_MAX);
        store_fixture_free(&fixture);
    }
}

static void nothing_reported_is_no_hour(void **state)
{
    (void)state;
    struct store_fixture fixture;
    static const struct pairs none;
    store_fixture_make(&fixture);
    check(&fixture, &none, 0, UINT32_MAX, PAIRS_MAX);
    store_fixture_free(&fixture);
}

TESTS(cmocka_unit_test(hours_are_ascending_distinct_and_complete), cmocka_unit_test(nothing_reported_is_no_hour))
