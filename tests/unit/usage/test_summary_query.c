/* What may be asked: groupBy and filter. */
#include "support/testing.h"

#include "usage/summary.h"

static int set_up(void **state)
{
    *state = arena_new(4096, 0);
    return *state == NULL;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

#define WITH_ARENA(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static void assert_group_refused(const char *text)
{
    struct summary_query query = { 0 };
    struct error_info info = { 0 };
    assert_error(summary_read_group_by(text_of(text), &query, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "groupBy");
    assert_true(strlen(info.message) > 0);
}

static void groups_are_named_in_any_order(void **state)
{
    (void)state;
    struct summary_query query = { 0 };
    assert_ok(summary_read_group_by(TEXT(" tag:Cost Center , METER,source,,tag:a:b "), &query, NULL));
    assert_true(query.by_meter && query.by_source);
    assert_false(query.by_subscription || query.by_resource || query.by_location);
    assert_int_equal(query.tag_count, 2);
    assert_text(query.tags[0], "Cost Center");
    assert_text(query.tags[1], "a:b");
    query = (struct summary_query){ 0 };
    assert_ok(summary_read_group_by(TEXT("subscription,resource,location"), &query, NULL));
    assert_true(query.by_subscription && query.by_resource && query.by_location);
    query = (struct summary_query){ 0 };
    assert_ok(summary_read_group_by(TEXT_NONE, &query, NULL));
    assert_ok(summary_read_group_by(TEXT(""), &query, NULL));
    assert_int_equal(query.tag_count, 0);
}

static void other_groups_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "meters", "meter;source", "tag", "tag:", "tag: ", "subscription,x", "tag:a,tag:b,tag:c,tag:d,tag:e"
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_group_refused(bad[i]);
}

static void assert_filter(struct arena *arena, const char *text, enum summary_member member, const char *tag,
                          const char *value)
{
    struct summary_query query = { 0 };
    struct error_info info = { 0 };
    if (summary_read_filter(arena, text_of(text), &query, &info) != ERROR_OK)
        fail_msg("%s: %s", text, info.message);
    assert_int_equal(query.filter_count, 1);
    assert_int_equal(query.filters[0].member, member);
    if (tag != NULL)
        assert_text(query.filters[0].tag, tag);
    assert_text(query.filters[0].value, value);
}

static void filters_compare_a_member_with_a_text(void **state)
{
    assert_filter(*state, "meterId eq 'm'", SUMMARY_METER, NULL, "m");
    assert_filter(*state, "  METER  EQ  'm'  ", SUMMARY_METER, NULL, "m");
    assert_filter(*state, "subscriptionId eq ''", SUMMARY_SUBSCRIPTION, NULL, "");
    assert_filter(*state, "subscription eq 'it''s'", SUMMARY_SUBSCRIPTION, NULL, "it's");
    assert_filter(*state, "resourceUri eq '/a and b eq ''c'''", SUMMARY_RESOURCE, NULL, "/a and b eq 'c'");
    assert_filter(*state, "resource eq''''", SUMMARY_RESOURCE, NULL, "'");
    assert_filter(*state, "location eq 'east'", SUMMARY_LOCATION, NULL, "east");
    assert_filter(*state, "source eq 'Microsoft.Compute'", SUMMARY_SOURCE, NULL, "Microsoft.Compute");
    assert_filter(*state, "tag:cc eq '4711'", SUMMARY_TAG, "cc", "4711");
    assert_filter(*state, "Tag:a:b eq '1'", SUMMARY_TAG, "a:b", "1");
    assert_filter(*state, "tag:Cost Center eq '4711'", SUMMARY_TAG, "Cost Center", "4711");
    assert_filter(*state, "tag:it's eq 'x'", SUMMARY_TAG, "it's", "x");
}

static void filters_are_joined_by_and(void **state)
{
    struct summary_query query = { 0 };
    assert_ok(summary_read_filter(*state, TEXT("meter eq 'a' and tag:x eq 'b' AND location eq 'c'and source eq 'd'"),
                                  &query, NULL));
    assert_int_equal(query.filter_count, 4);
    assert_text(query.filters[0].value, "a");
    assert_text(query.filters[1].tag, "x");
    assert_int_equal(query.filters[2].member, SUMMARY_LOCATION);
    assert_text(query.filters[3].value, "d");
    query = (struct summary_query){ 0 };
    assert_ok(summary_read_filter(*state, TEXT_NONE, &query, NULL));
    assert_ok(summary_read_filter(*state, TEXT("   "), &query, NULL));
    assert_int_equal(query.filter_count, 0);
}

static void other_filters_are_refused(void **state)
{
    static const char *const bad[] = {
        "meter",
        "meter eq",
        "meter eq a",
        "meter ne 'a'",
        "meter eq 'a",
        "meter eq '",
        "unit eq 'a'",
        "eq 'a'",
        "'a' eq meter",
        "meter eq 'a' and",
        "and",
        "meter eq 'a' or source eq 'b'",
        "meter eq 'a' source eq 'b'",
        "tag: eq 'a'",
        "meter 'a'",
        "meter eq 'a''",
        "meter eq 'a' and and source eq 'b'",
        "tag:a 'b'",
        "tag:a eq b",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct summary_query query = { 0 };
        struct error_info info = { 0 };
        if (summary_read_filter(*state, text_of(bad[i]), &query, &info) != ERROR_INVALID_PROPERTY)
            fail_msg("accepted: %s", bad[i]);
        assert_string_equal(info.target, "filter");
        assert_true(strlen(info.message) > 0);
    }
}

static void there_are_at_most_16_comparisons(void **state)
{
    struct buffer text = { 0 };
    for (int i = 0; i < SUMMARY_FILTERS_MAX + 1; i++) {
        struct summary_query query = { 0 };
        buffer_append_format(&text, "%ssource eq '%d'", i == 0 ? "" : " and ", i);
        err_t error = summary_read_filter(*state, buffer_text(&text), &query, NULL);
        assert_int_equal(error, i < SUMMARY_FILTERS_MAX ? ERROR_OK : ERROR_INVALID_PROPERTY);
    }
    buffer_free(&text);
}

static void short_memory_is_not_a_bad_filter(void **state)
{
    (void)state;
    static char text[9000] = "source eq '";
    memset(text + 11, 'x', sizeof text - 13);
    text[sizeof text - 2] = '\'';
    struct arena *small = arena_new(256, 1024);
    struct summary_query query = { 0 };
    struct error_info info = { 0 };
    assert_non_null(small);
    assert_error(summary_read_filter(small, text_of(text), &query, &info), ERROR_NO_MEMORY);
    assert_int_equal(info.code, ERROR_NO_MEMORY);
    arena_free(small);
}

TESTS(cmocka_unit_test(groups_are_named_in_any_order), cmocka_unit_test(other_groups_are_refused),
      WITH_ARENA(filters_compare_a_member_with_a_text), WITH_ARENA(filters_are_joined_by_and),
      WITH_ARENA(other_filters_are_refused), WITH_ARENA(there_are_at_most_16_comparisons),
      cmocka_unit_test(short_memory_is_not_a_bad_filter))
