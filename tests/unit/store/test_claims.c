/* Claims and the order of rows: what the announced way says is what one lookup after the other would say. */
#include "support/rows_fixture.h"

#include "store/claims.h"
#include "store/row_sort.h"

#define IDS 300

/* Announced in jobs of random size, some not at all; some ids twice in a group. */
struct group {
    struct store_job jobs[8];
    struct hash128 ids[8][40];
    size_t count;
};

static void make_group(struct prng *prng, struct group *group)
{
    memset(group, 0, sizeof *group);
    group->count = 1 + prng_below(prng, COUNT_OF(group->jobs));
    for (size_t j = 0; j < group->count; j++) {
        struct store_job *job = &group->jobs[j];
        job->identity_count = prng_below(prng, COUNT_OF(group->ids[j]) / 2);
        job->identities = prng_below(prng, 4) != 0 ? group->ids[j] : NULL;
        job->identity_stride = 2 * sizeof *group->ids[j];
        job->next = j + 1 < group->count ? &group->jobs[j + 1] : NULL;
        for (size_t i = 0; i < job->identity_count; i++)
            id_key(prng_below(prng, IDS), group->ids[j][2 * i].bytes);
    }
}

static void claims_agree_with_single_lookups(void **state)
{
    struct fixture *f = *state;
    struct group *group = calloc(1, sizeof *group);
    struct claims claims;
    uint64_t serial = 0;
    assert_non_null(group);
    f->prng = test_prng("unit-store-claims");
    claims_init(&claims);
    for (int round = 0; round < 60; round++) {
        size_t made = 0;
        make_group(&f->prng, group);
        begin(&f->runs);
        begin(&f->plain);
        assert_ok(claims_prepare(&claims, &rows_runs, f->runs.txn, group->jobs));
        for (struct store_job *job = group->jobs; job != NULL; job = job->next) {
            for (size_t i = 0; i < job->identity_count; i++) {
                const uint8_t *key = group->ids[job - group->jobs][2 * i].bytes;
                uint8_t row[DEDUPE_KEY_SIZE + DEDUPE_VALUE_SIZE] = { 0 }, value[DEDUPE_VALUE_SIZE],
                                              expected[DEDUPE_VALUE_SIZE];
                err_t error = rows_plain.get(f->plain.txn, ROWS_DEDUPE, key, expected);
                assert_int_equal(claims_get(&claims, &rows_runs, f->runs.txn, key, value), error);
                if (error == ERROR_OK) {
                    assert_memory_equal(value, expected, sizeof value);
                    continue;
                }
                memcpy(row, key, DEDUPE_KEY_SIZE);
                put_u64be(row + DEDUPE_KEY_SIZE, ++serial);
                assert_ok(claims_make(&claims, key, row + DEDUPE_KEY_SIZE));
                assert_ok(rows_plain.add(f->plain.txn, ROWS_DEDUPE, row, 1));
                assert_int_equal(claims_made(&claims), ++made);
            }
        }
        if (prng_below(&f->prng, 4) == 0) {
            claims_clear(&claims);
            kv_abort(f->runs.txn);
            kv_abort(f->plain.txn);
        } else {
            assert_ok(claims_flush(&claims, &rows_runs, f->runs.txn));
            commit(&f->runs);
            commit(&f->plain);
        }
        assert_int_equal(claims_made(&claims), 0);
    }
    claims_free(&claims);
    free(group);
}

/* Narrow keys fit a word, wide ones need several; few are sorted by insertion. */
static void random_sum_keys(struct prng *prng, uint8_t *keys, size_t count)
{
    uint32_t masks[6];
    for (int field = 0; field < 6; field++)
        masks[field] = (uint32_t)(prng_next(prng) >> prng_below(prng, 33) >> 31);
    for (size_t i = 0; i < count; i++)
        for (size_t field = 0; field < 6; field++)
            put_u32be(keys + i * ROW_KEY_SIZE + 4 * field, 77 + ((uint32_t)prng_next(prng) & masks[field]));
}

static void rows_are_sorted_like_their_keys(void **state)
{
    (void)state;
    struct prng prng = test_prng("unit-store-claims");
    struct row_sorter sorter = { 0 };
    uint8_t *keys = calloc(70000, ROW_KEY_SIZE);
    assert_non_null(keys);
    for (int round = 0; round < 80; round++) {
        enum row_family family = prng_below(&prng, 3) == 0 ? ROWS_DEDUPE : ROWS_DAILY;
        size_t count = round == 7 ? 70000 : 1 + prng_below(&prng, round % 2 == 0 ? 40 : 3000),
               size = rows_key_size(family);
        const struct row_rank *order;
        if (family == ROWS_DEDUPE)
            for (size_t i = 0; i < count; i++)
                id_key(prng_below(&prng, 2 * count), keys + i * size);
        else
            random_sum_keys(&prng, keys, count);
        assert_ok(row_sort(&sorter, family, keys, size, count, &order));
        uint64_t indexes = 0;
        for (size_t i = 0; i < count; i++) {
            indexes += order[i].index;
            int compared = i == 0 ? -1 : memcmp(keys + order[i - 1].index * size, keys + order[i].index * size, size);
            assert_true(compared < 0 || (compared == 0 && order[i - 1].index < order[i].index));
        }
        assert_int_equal(indexes, (uint64_t)count * (count - 1) / 2);
    }
    row_sorter_free(&sorter);
    free(keys);
}

TESTS(WITH_SIDES(claims_agree_with_single_lookups), cmocka_unit_test(rows_are_sorted_like_their_keys))
