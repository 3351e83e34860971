/* A real store in a temporary folder, which is removed at the end. For the tests of identity and cli. */
#pragma once

#include <ftw.h>

#include "base/support.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/instant.h"
#include "store/store.h"

#define FIXTURE_NOW_NS (INT64_C(20000) * NS_PER_DAY) /* 2024-10-04 */

struct fixture {
    char folder[64];
    struct clock_manual clock;
    struct store *store;
    struct arena *arena;
};

static inline int fixture_remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void fixture_open_store(struct fixture *fixture)
{
    struct error_info info = { 0 };
    struct store_options options = {
        .folder = fixture->folder, .create = true, .clock = &fixture->clock.clock, .map_size_bytes = (size_t)64 << 20
    };
    if (store_open(&options, &fixture->store, &info) != ERROR_OK)
        fail_msg("%s", info.message);
}

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const char *temporary = getenv("TMPDIR");
    assert_non_null(fixture);
    (void)snprintf(fixture->folder, sizeof fixture->folder, "%.40s/stampmeter-XXXXXX",
                   temporary != NULL && strlen(temporary) <= 40 ? temporary : "/tmp");
    assert_non_null(mkdtemp(fixture->folder));
    clock_manual_init(&fixture->clock, FIXTURE_NOW_NS, 0);
    fixture->arena = arena_new(4096, 0);
    assert_non_null(fixture->arena);
    fixture_open_store(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    store_close(fixture->store);
    arena_free(fixture->arena);
    (void)nftw(fixture->folder, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

static inline struct kv_txn *fixture_read(struct fixture *fixture)
{
    struct kv_txn *txn;
    assert_int_equal(store_read_begin(fixture->store, &txn), ERROR_OK);
    return txn;
}

#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)
