/* A store and an arena, for what the commercial side keeps. */
#pragma once

#include "commerce/catalogue.h"
#include "support/store_fixture.h"

struct fixture {
    struct store_fixture base;
    struct arena *arena;
};

static inline int make(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    store_fixture_make(&f->base);
    f->arena = arena_new(65536, 0);
    assert_non_null(f->arena);
    *state = f;
    return 0;
}

static inline int unmake(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    store_fixture_free(&f->base);
    free(f);
    return 0;
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, make, unmake)

static inline struct guid numbered(uint8_t number)
{
    return (struct guid){ { [15] = number } };
}
