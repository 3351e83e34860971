/* A store with registrations of numbered stamps under numbered subscriptions, for tests of
 * src/registration. */
#pragma once

#include "support/store_fixture.h"

#include "base/arena.h"
#include "registration/registration.h"

struct fixture {
    struct store_fixture base; /* first member */
    struct arena *arena;
};

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    store_fixture_make(&f->base);
    f->arena = arena_new((size_t)64 * 1024, 0);
    assert_non_null(f->arena);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    store_fixture_free(&f->base);
    arena_free(f->arena);
    free(f);
    return 0;
}

#define WITH_STORE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
#define YEAR_NS (365 * NS_PER_DAY)

static inline struct guid numbered(uint8_t number)
{
    return (struct guid){ { [15] = number } };
}

static inline struct registration_path path_of(uint8_t subscription, const char *group, const char *name)
{
    return (struct registration_path){ numbered(subscription), text_of(group), text_of(name) };
}

static inline struct registration_token token_of(uint8_t cloud, enum billing_model model)
{
    static struct hardware_node nodes[2];
    nodes[0] = (struct hardware_node){ .name = TEXT("node1"), .uuid = TEXT("aa"), .cores = 16 };
    nodes[1] = (struct hardware_node){ .name = TEXT("node2"), .uuid = TEXT("bb"), .cores = 24 };
    return (struct registration_token){ .model = model,
                                        .cloud_id = numbered(cloud),
                                        .object_id = numbered(77),
                                        .agreement_number = TEXT("EA \"7\""),
                                        .ms_asset_tag = TEXT(""),
                                        .usage_reporting = true,
                                        .marketplace_syndication = true,
                                        .stamp_version = TEXT("1.2301.0.1"),
                                        .issuer = TEXT("stamp"),
                                        .version = TEXT("4.0"),
                                        .nodes = nodes,
                                        .node_count = 2 };
}

static inline struct registration_put *new_put(struct fixture *f, struct registration_path path,
                                               const struct registration_token *token)
{
    struct registration_put *put = arena_zalloc(f->arena, sizeof *put);
    assert_non_null(put);
    put->path = path;
    put->token = token;
    put->by = TEXT("somebody");
    put->capacity_ns = YEAR_NS;
    put->arena = f->arena;
    registration_put_init(put);
    return put;
}

static inline err_t run_put(struct fixture *f, struct registration_put *put)
{
    assert_ok(store_run(f->base.store, &put->job));
    return put->refusal;
}

static inline struct registration put_well(struct fixture *f, struct registration_path path, uint8_t cloud,
                                           enum billing_model model)
{
    struct registration_token token = token_of(cloud, model);
    struct registration_put *put = new_put(f, path, &token);
    if (run_put(f, put) != ERROR_OK)
        fail_msg("%s", put->info.message);
    return put->result;
}

static inline void advance(struct fixture *f, int64_t ns)
{
    clock_manual_advance(&f->base.clock, ns);
}

static inline void assert_guid(const struct guid *guid, uint8_t number)
{
    struct guid expected = numbered(number);
    assert_true(guid_equal(guid, &expected));
}
