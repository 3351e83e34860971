/* The meter catalogue: config/meters.csv whole, and catalogues that are not right. */
#include "support/testing.h"

#include "base/files.h"
#include "usage/meters.h"
#include "usage/record.h"

static int set_up(void **state)
{
    *state = arena_new((size_t)64 * 1024, 0);
    return *state == NULL;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

#define WITH_ARENA(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static struct meters *load_ours(struct arena *arena)
{
    struct buffer csv = { 0 };
    struct meters *meters = NULL;
    struct error_info info = { 0 };
    if (file_read("config/meters.csv", (size_t)1 << 20, &csv, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    struct text copy = arena_text(arena, buffer_text(&csv));
    buffer_free(&csv);
    if (meters_load(arena, copy, &meters, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    return meters;
}

static void all_86_meters_load_and_are_found(void **state)
{
    struct meters *meters = load_ours(*state);
    size_t count;
    const struct meter *all = meters_all(meters, &count);
    assert_int_equal(count, 86);
    for (size_t i = 0; i < count; i++) {
        assert_true(all[i].id.len > 0 && all[i].name.len > 0 && all[i].resource_provider.len > 0);
        assert_ptr_equal(meters_find(meters, meter_fold(*state, all[i].id)), &all[i]); /* no two are the same */
    }
    assert_text(all[0].id, "F271A8A388C44D93956A063E1D2FA80B");
}

static void ids_are_found_however_they_are_written(void **state)
{
    static const struct {
        const char *written, *name;
    } cases[] = {
        { "F271A8A388C44D93956A063E1D2FA80B", "Static IP Address Usage" }, /* without dashes in the catalogue */
        { "f271a8a3-88c4-4d93-956a-063e1d2fa80b", "Static IP Address Usage" },
        { "fab6eb84-500b-4a09-a8ca-7358f8bbaea5", "Base VM Size Hours" }, /* with dashes */
        { "FAB6EB84500B4A09A8CA7358F8BBAEA5", "Base VM Size Hours" },
    };
    struct meters *meters = load_ours(*state);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct meter *found = meters_find(meters, meter_fold(*state, text_of(cases[i].written)));
        assert_non_null(found);
        assert_text(found->name, cases[i].name);
    }
    assert_null(meters_find(meters, TEXT("unknown")));
    assert_null(meters_find(meters, TEXT("")));
    assert_null(meters_find(meters, TEXT("F271A8A388C44D93956A063E1D2FA80B"))); /* not folded */
}

static void columns_may_stand_in_any_order(void **state)
{
    struct meters *meters;
    assert_ok(meters_load(*state,
                          TEXT("notes,unit,name,meter_id,resource_provider,category\r\n"
                               "\"a, b\",GB,\"N \"\"1\"\"\",Id-1,P,C\n\n"),
                          &meters, NULL));
    const struct meter *meter = meters_find(meters, TEXT("id-1"));
    assert_non_null(meter);
    assert_text(meter->unit, "GB");
    assert_text(meter->name, "N \"1\"");
    assert_text(meter->category, "C");
    assert_text(meter->resource_provider, "P");
    assert_ok(meters_load(*state, TEXT("meter_id,name,category,unit,resource_provider\n"), &meters, NULL));
    size_t count;
    (void)meters_all(meters, &count);
    assert_int_equal(count, 0);
    assert_null(meters_find(meters, TEXT("id-1")));
}

static void bad_catalogues_name_the_line(void **state)
{
    static const struct {
        const char *csv, *says;
    } cases[] = {
        { "", "empty" },
        { "meter_id,name,category,unit\n", "resource_provider" },
        { "meter_id,name,category,unit,resource_provider\na,b,c,d,e\na,b\n", "line 3" },
        { "meter_id,name,category,unit,resource_provider\na,b,c,d,e\n\n\"a,b,c,d,e\n", "line 4" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct meters *meters;
        struct error_info info = { 0 };
        assert_error(meters_load(*state, text_of(cases[i].csv), &meters, &info), ERROR_INVALID_CONFIG);
        if (strstr(info.message, cases[i].says) == NULL)
            fail_msg("%s", info.message);
    }
}

static void short_memory_is_not_a_bad_catalogue(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t limit = 4096; limit < 64 * 1024; limit += 512) {
        struct arena *small = arena_new(1024, limit);
        struct meters *meters;
        struct error_info info = { 0 };
        assert_non_null(small);
        err_t error = meters_load(small, TEXT("meter_id,name,category,unit,resource_provider\na,\"b\"\"b\",c,d,e\n"),
                                  &meters, &info);
        assert_true(error == ERROR_OK || error == ERROR_NO_MEMORY);
        assert_int_equal(info.code, error);
        failures += error != ERROR_OK;
        arena_free(small);
    }
    assert_true(failures > 5);
}

TESTS(WITH_ARENA(all_86_meters_load_and_are_found), WITH_ARENA(ids_are_found_however_they_are_written),
      WITH_ARENA(columns_may_stand_in_any_order), WITH_ARENA(bad_catalogues_name_the_line),
      cmocka_unit_test(short_memory_is_not_a_bad_catalogue))
