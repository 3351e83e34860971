/* An open store in a folder of its own, with a clock that the test steers. For tests of layers that are linked
 * with src/store. */
#pragma once

#include "store/store.h"
#include "support/folder.h"
#include "support/testing.h"

#define FIXTURE_NOW "2026-01-31T12:30:00Z"

struct store_fixture {
    struct test_folder folder;
    struct clock_manual clock;
    struct store_options options;
    struct store *store;
};

static inline void store_fixture_open(struct store_fixture *fixture)
{
    struct error_info info = { 0 };
    if (store_open(&fixture->options, &fixture->store, &info) != ERROR_OK)
        fail_msg("store_open: %s", info.message);
}

static inline void store_fixture_make_with(struct store_fixture *fixture, size_t map_size_bytes,
                                           size_t queue_weight_max)
{
    memset(fixture, 0, sizeof *fixture);
    test_folder_make(&fixture->folder);
    clock_manual_init(&fixture->clock, test_instant(FIXTURE_NOW), 0);
    fixture->options = (struct store_options){ .folder = fixture->folder.path,
                                               .create = true,
                                               .clock = &fixture->clock.clock,
                                               .map_size_bytes = map_size_bytes,
                                               .queue_weight_max = queue_weight_max };
    /* STAMPMETER_ROWS=plain: the same tests over the model engine. */
    const char *engine = getenv("STAMPMETER_ROWS");
    if (engine != NULL && strcmp(engine, rows_plain.name) == 0)
        fixture->options.rows = &rows_plain;
    store_fixture_open(fixture);
}

/* 1 GiB of address space: enough for every test, little enough for the sanitizers. */
static inline void store_fixture_make(struct store_fixture *fixture)
{
    store_fixture_make_with(fixture, (size_t)1 << 30, 0);
}

static inline void store_fixture_reopen(struct store_fixture *fixture)
{
    store_close(fixture->store);
    fixture->store = NULL;
    store_fixture_open(fixture);
}

static inline void store_fixture_free(struct store_fixture *fixture)
{
    store_close(fixture->store);
    test_folder_remove(&fixture->folder);
}

/* For cmocka: each test has a store of its own, *state is the fixture. */
static inline int store_fixture_set_up(void **state)
{
    struct store_fixture *fixture = calloc(1, sizeof *fixture);
    assert_non_null(fixture);
    store_fixture_make(fixture);
    *state = fixture;
    return 0;
}

static inline int store_fixture_tear_down(void **state)
{
    store_fixture_free(*state);
    free(*state);
    return 0;
}

#define WITH_STORE_FIXTURE(test) cmocka_unit_test_setup_teardown(test, store_fixture_set_up, store_fixture_tear_down)

static inline struct kv_txn *store_fixture_read(struct store_fixture *fixture)
{
    struct kv_txn *txn;
    assert_ok(store_read_begin(fixture->store, &txn));
    return txn;
}

static inline struct store_state store_fixture_state(struct store_fixture *fixture)
{
    struct store_state state;
    struct kv_txn *txn = store_fixture_read(fixture);
    assert_ok(store_read_state(txn, &state));
    store_read_end(txn);
    return state;
}
