/* Unit tests of the demo's corrections: the same twice, few, and about records that the server has by then. */
#include "base/arena.h"
#include "base/instant.h"
#include "base/json.h"
#include "cli/demo_corrections.h"
#include "support/testing.h"

#define START "2026-01-31T13:00:00Z"

static struct demo_stamp make_stamp(void)
{
    struct demo_stamp stamp = { .seed = DEMO_SEED, .start_hour = instant_hour(test_instant(START)) };
    assert_true(guid_parse(TEXT(DEMO_OPERATOR_SUBSCRIPTION), &stamp.operator_subscription));
    return stamp;
}

/* The body as JSON, NULL if there is none. */
static const struct json *corrections_of(struct arena *arena, const struct demo_stamp *stamp, int64_t hour)
{
    struct buffer body = { 0 };
    const struct json *json = NULL;
    assert_ok(demo_corrections_of(stamp, hour, &body));
    if (buffer_len(&body) > 0) {
        struct text copy = arena_text(arena, buffer_text(&body));
        assert_non_null(copy.ptr);
        assert_ok(json_parse(arena, copy, &json, NULL));
        assert_int_equal(json_type(json), JSON_ARRAY);
    }
    buffer_free(&body);
    return json;
}

struct search {
    struct text id;
    bool found;
};

static err_t look(void *context, const struct demo_report *report)
{
    struct search *search = context;
    struct arena *arena = arena_new(4096, 0);
    const struct json *json;
    struct text id;
    assert_ok(json_parse(arena, report->record, &json, NULL));
    assert_true(json_member_string(json, TEXT("id"), &id));
    if (report->kind == DEMO_REGULAR && report->source == DEMO_COMPUTE && text_equal(id, search->id))
        search->found = true;
    arena_free(arena);
    return ERROR_OK;
}

static void corrections_are_about_records_posted_before(void **state)
{
    (void)state;
    struct demo_stamp stamp = make_stamp();
    struct arena *arena = arena_new(65536, 0);
    size_t count = 0;
    for (int64_t hour = stamp.start_hour; hour < stamp.start_hour + 24; hour++) {
        const struct json *list = corrections_of(arena, &stamp, hour);
        if (list == NULL)
            continue;
        for (struct json_iterator i = json_iterate(list); json_next(&i); count++) {
            struct search search = { .found = false };
            struct text action, reason;
            assert_true(json_member_string(i.value, TEXT("id"), &search.id));
            assert_true(json_member_string(i.value, TEXT("action"), &action));
            assert_true(json_member_string(i.value, TEXT("reason"), &reason) && reason.len > 0);
            assert_int_equal(text_equal(action, TEXT("amend")), json_member(i.value, TEXT("quantity")) != NULL);
            assert_ok(demo_stamp_report(&stamp, hour - 1, false, look, &search));
            assert_true(search.found);
        }
    }
    assert_int_equal(count, DEMO_CORRECTIONS_AT_START + 24 / DEMO_CORRECTED_HOURS);
    arena_free(arena);
}

static void an_hour_is_the_same_twice(void **state)
{
    (void)state;
    struct demo_stamp stamp = make_stamp();
    struct buffer first = { 0 }, second = { 0 };
    assert_ok(demo_corrections_of(&stamp, stamp.start_hour, &first));
    assert_ok(demo_corrections_of(&stamp, stamp.start_hour, &second));
    assert_true(buffer_len(&first) > 0 && text_equal(buffer_text(&first), buffer_text(&second)));
    /* What was in the buffer does not stay. */
    assert_ok(demo_corrections_of(&stamp, stamp.start_hour + 1, &second));
    assert_int_equal(buffer_len(&second), 0);
    buffer_free(&first);
    buffer_free(&second);
}

TESTS(cmocka_unit_test(corrections_are_about_records_posted_before), cmocka_unit_test(an_hour_is_the_same_twice))
