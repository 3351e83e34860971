/* The engine of sorted runs and the plain one, each over a store of its own; ids as SipHash would make them. For tests
 * linked with src/store. */
#pragma once

#include "store/rows.h"
#include "support/folder.h"
#include "support/testing.h"

struct side {
    const struct rows_engine *engine;
    struct test_folder folder;
    struct kv *kv;
    struct kv_txn *txn; /* the write transaction, if one is open */
};

static inline void side_open(struct side *side)
{
    struct kv_options options = { .folder = side->folder.path, .map_size_bytes = (size_t)1 << 30 };
    struct error_info info = { 0 };
    if (kv_open(&options, &side->kv, &info) != ERROR_OK)
        fail_msg("%s", info.message);
}

static inline void side_make(struct side *side, const struct rows_engine *engine)
{
    *side = (struct side){ .engine = engine };
    test_folder_make(&side->folder);
    side_open(side);
}

static inline void side_free(struct side *side)
{
    kv_close(side->kv);
    test_folder_remove(&side->folder);
}

static inline void begin(struct side *side)
{
    assert_ok(kv_write_begin(side->kv, &side->txn));
}

static inline void commit(struct side *side)
{
    assert_ok(kv_commit(side->txn));
    side->txn = NULL;
}

struct fixture {
    struct side runs, plain;
    struct prng prng;
    uint32_t open_bucket; /* of the sums: adds go here, seals before it, drops further before */
    uint64_t ids;         /* given out so far */
    int faults;
};

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    side_make(&f->runs, &rows_runs);
    side_make(&f->plain, &rows_plain);
    f->open_bucket = 100;
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    side_free(&f->runs);
    side_free(&f->plain);
    free(f);
    return 0;
}

#define WITH_SIDES(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static inline size_t row_size_of(enum row_family family)
{
    return rows_key_size(family) + rows_value_size(family);
}

/* The n-th id ever: uniform, as SipHash makes them. */
static inline void id_key(uint64_t number, uint8_t key[DEDUPE_KEY_SIZE])
{
    struct prng prng;
    prng_seed(&prng, number);
    put_u64be(key, prng_next(&prng));
    put_u64be(key + 8, prng_next(&prng));
}

static inline int compare_ids(const void *a, const void *b)
{
    return memcmp(a, b, DEDUPE_KEY_SIZE);
}

static inline void note_fault(void *context, const char *sentence)
{
    struct fixture *f = context;
    (void)sentence;
    f->faults++;
}

static inline void show_fault(void *context, const char *sentence)
{
    note_fault(context, sentence);
    print_error("%s\n", sentence);
}

static inline void reopen(struct fixture *f)
{
    kv_close(f->runs.kv);
    side_open(&f->runs);
}
