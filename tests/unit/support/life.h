/* Some days in the life of a store, at random, and everything in it as one comparable picture. For tests linked with
 * src/usage that copy, rebuild or move stores. */
#pragma once

#include "base/checksum.h"
#include "base/encode.h"
#include "store/keys.h"
#include "support/correction_fixture.h"

/* --- living --- */

struct life {
    struct usage_fixture *f;
    struct prng prng;
    unsigned posted;
};

static inline void life_post(struct life *life)
{
    struct usage_fixture *f = life->f;
    struct post post = post_good();
    char id[32], resource[96], quantity[32], start[64], end[64], text[INSTANT_TEXT_SIZE];
    unsigned number = life->posted > 0 && prng_below(&life->prng, 5) == 0
                          ? (unsigned)prng_below(&life->prng, life->posted)
                          : life->posted++;
    (void)snprintf(id, sizeof id, "\"life-%u\"", number);
    (void)snprintf(resource, sizeof resource, "\"/subscriptions/s/VM%llu\"",
                   (unsigned long long)prng_below(&life->prng, 7));
    (void)snprintf(quantity, sizeof quantity, "\"%llu.%03llu\"", (unsigned long long)prng_below(&life->prng, 50),
                   (unsigned long long)prng_below(&life->prng, 1000));
    int64_t start_ns = store_now_ns(f->base.store) - (int64_t)prng_below(&life->prng, 50) * NS_PER_HOUR -
                       (int64_t)prng_below(&life->prng, 3600) * NS_PER_SECOND;
    int64_t end_ns = start_ns + (int64_t)(1 + prng_below(&life->prng, 3600 * 30)) * NS_PER_SECOND;
    if (end_ns > store_now_ns(f->base.store))
        end_ns = store_now_ns(f->base.store);
    if (end_ns <= start_ns)
        start_ns = end_ns - NS_PER_SECOND;
    instant_print(start_ns, text);
    (void)snprintf(start, sizeof start, "\"%s\"", text);
    instant_print(end_ns, text);
    (void)snprintf(end, sizeof end, "\"%s\"", text);
    post.id = id;
    post.resource_uri = resource;
    post.quantity = quantity;
    post.start = start;
    post.end = end;
    (void)usage_post(f, &post);
}

static inline void life_correct(struct life *life)
{
    char id[32], quantity[32];
    (void)snprintf(id, sizeof id, "life-%llu", (unsigned long long)prng_below(&life->prng, life->posted + 1));
    (void)snprintf(quantity, sizeof quantity, "\"%llu.5\"", (unsigned long long)prng_below(&life->prng, 90));
    (void)correct(life->f, id, prng_below(&life->prng, 4) == 0 ? NULL : quantity);
}

static inline void life_step(struct life *life)
{
    switch (prng_below(&life->prng, 8)) {
    case 0:
        clock_manual_advance(&life->f->base.clock, (int64_t)prng_below(&life->prng, 200) * NS_PER_MINUTE);
        break;
    case 1:
        life_correct(life);
        break;
    default:
        life_post(life);
        break;
    }
}

/* A day of imported history, if the store is new; then 'steps' of everything. */
static inline struct life life_begin(struct usage_fixture *f, const char *program)
{
    struct life life = { .f = f, .prng = test_prng(program) };
    struct record_limits limits = usage_history_limits(f);
    for (int hour = 0; hour < 24; hour += 3) {
        char id[32], start[64], end[64];
        struct post post = post_good();
        (void)snprintf(id, sizeof id, "\"history-%d\"", hour);
        (void)snprintf(start, sizeof start, "\"2026-01-0%dT%02d:00:00Z\"", 3 + hour % 2, hour);
        (void)snprintf(end, sizeof end, "\"2026-01-0%dT%02d:30:00Z\"", 3 + hour % 2, hour);
        post.id = id;
        post.start = start;
        post.end = end;
        post.reported = end;
        assert_verdict(usage_post_with(f, &limits, &post), VERDICT_ACCEPTED);
    }
    return life;
}

static inline void life_go_on(struct life *life, int steps)
{
    for (int i = 0; i < steps; i++)
        life_step(life);
}

/* --- the picture --- */

struct picture {
    uint64_t rows[ROWS_FAMILY_COUNT], tables[KV_TABLE_COUNT], counts[ROWS_FAMILY_COUNT];
    struct store_state state;
};

/* Tables that the row engine lays out as it likes. */
static inline bool picture_leaves_out(enum kv_table table)
{
    return table == KV_RUNS || table == KV_BLOCKS || table == KV_FILTERS || table == KV_MERGES || table == KV_DEDUPE ||
           table == KV_HOURLY || table == KV_DAILY || table == KV_ROLLUP;
}

/* The state is compared by itself; the others follow upkeep, which comes when it has time. */
static inline bool picture_leaves_out_name(enum kv_table table, struct text name)
{
    return table == KV_META && (text_equal(name, TEXT("state")) || text_equal(name, TEXT("run")) ||
                                text_equal(name, TEXT("sizes")) || text_equal(name, TEXT("retention")));
}

static inline uint64_t picture_of_table(struct kv_txn *txn, enum kv_table table)
{
    struct kv_cursor *cursor;
    struct text key, value;
    uint64_t sum = 0, entries, damaged;
    assert_ok(kv_cursor_open(txn, table, &cursor));
    while (kv_cursor_next(cursor, &key, &value) == ERROR_OK)
        if (!picture_leaves_out_name(table, key))
            sum = checksum64(checksum64(sum, key.ptr, key.len), value.ptr, value.len);
    kv_cursor_close(cursor);
    assert_ok(kv_check(txn, table, &entries, &damaged));
    assert_int_equal(damaged, 0);
    return sum;
}

static inline struct picture picture_take(struct usage_fixture *f)
{
    static const uint8_t from[ROW_KEY_SIZE];
    const struct rows_engine *rows = store_rows(f->base.store);
    struct picture picture;
    struct kv_txn *txn = store_fixture_read(&f->base);
    memset(&picture, 0, sizeof picture);
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++) {
        struct rows_cursor *cursor;
        const uint8_t *key, *value;
        assert_ok(rows->open(txn, (enum row_family)family, from, false, &cursor));
        while (rows->next(cursor, &key, &value) == ERROR_OK) {
            uint64_t *sum = &picture.rows[family];
            *sum = checksum64(checksum64(*sum, key, rows_key_size((enum row_family)family)), value,
                              rows_value_size((enum row_family)family));
            picture.counts[family]++;
        }
        rows->close(cursor);
    }
    for (int t = 0; t < KV_TABLE_COUNT; t++)
        if (!picture_leaves_out((enum kv_table)t))
            picture.tables[t] = picture_of_table(txn, (enum kv_table)t);
    assert_ok(store_read_state(txn, &picture.state));
    store_read_end(txn);
    return picture;
}

static inline void assert_same_state(const struct store_state *a, const struct store_state *b)
{
    assert_int_equal(a->last_sequence, b->last_sequence);
    assert_int_equal(a->last_reported_ns, b->last_reported_ns);
    assert_int_equal(a->first_live_hour, b->first_live_hour);
    assert_int_equal(a->sealed_hour, b->sealed_hour);
    assert_int_equal(a->records, b->records);
    assert_int_equal(a->corrections, b->corrections);
    assert_memory_equal(a->head, b->head, SHA256_SIZE);
}

static inline void assert_same_picture(const struct picture *a, const struct picture *b)
{
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++)
        if (a->rows[family] != b->rows[family] || a->counts[family] != b->counts[family])
            fail_msg("rows of family %d differ: %llu and %llu of them", family, (unsigned long long)a->counts[family],
                     (unsigned long long)b->counts[family]);
    for (int t = 0; t < KV_TABLE_COUNT; t++)
        if (a->tables[t] != b->tables[t])
            fail_msg("table %s differs", kv_table_name((enum kv_table)t));
    assert_same_state(&a->state, &b->state);
}
