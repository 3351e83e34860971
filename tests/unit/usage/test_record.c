/* One record: what is read, what is refused and under which name, what counts as equal. */
#include "support/testing.h"

#include "support/records.h"
#include "usage/record.h"

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = { 42 };

static struct record_limits default_limits(void)
{
    return (struct record_limits){ .now_ns = test_instant("2026-01-31T12:30:00Z"),
                                   .future_ns_max = 5 * NS_PER_MINUTE,
                                   .age_ns_max = 400 * NS_PER_DAY };
}

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

static struct text text_of_post(struct arena *arena, const struct post *post)
{
    struct buffer out = { 0 };
    post_write(post, &out);
    struct text text = arena_text(arena, buffer_text(&out));
    buffer_free(&out);
    assert_non_null(text.ptr);
    return text;
}

static err_t parse_with(struct arena *arena, const struct post *post, const struct record_limits *limits,
                        struct usage_record *record, struct error_info *info)
{
    *info = (struct error_info){ 0 };
    return record_parse(arena, text_of_post(arena, post), NULL, limits, hash_key, record, info);
}

static struct usage_record parse(struct arena *arena, const struct post *post)
{
    struct record_limits limits = default_limits();
    struct usage_record record;
    struct error_info info;
    if (parse_with(arena, post, &limits, &record, &info) != ERROR_OK)
        fail_msg("%s: %s", info.target, info.message);
    return record;
}

static void assert_refused_with(struct arena *arena, const struct post *post, const struct record_limits *limits,
                                err_t expected, const char *target)
{
    struct usage_record record;
    struct error_info info;
    err_t error = parse_with(arena, post, limits, &record, &info);
    if (error != expected || info.code != expected || strcmp(info.target, target) != 0)
        fail_msg("%.*s is %s at '%s' (%s), should be %s at '%s'", TEXT_ARGS(text_of_post(arena, post)),
                 error_wire_code(error), info.target, info.message, error_wire_code(expected), target);
    assert_true(strlen(info.message) > 0);
}

static void assert_refused(struct arena *arena, const struct post *post, err_t expected, const char *target)
{
    struct record_limits limits = default_limits();
    assert_refused_with(arena, post, &limits, expected, target);
}

/* --- what is read --- */

static void reads_every_member(void **state)
{
    struct post post = post_good();
    struct usage_record record = parse(*state, &post);
    char text[DECIMAL_TEXT_SIZE], guid[GUID_TEXT_SIZE];
    assert_text(record.id, "record-1");
    assert_text(record.source, "Microsoft.Compute");
    guid_print(&record.subscription, guid);
    assert_string_equal(guid, POST_SUBSCRIPTION);
    assert_text(record.meter_id, POST_METER);
    assert_text(record.meter_key, "fab6eb84500b4a09a8ca7358f8bbaea5");
    assert_text(record.resource_uri, POST_RESOURCE);
    assert_text(record.location, "east");
    assert_int_equal(record.start_ns, test_instant("2026-01-31T11:00:00Z"));
    assert_int_equal(record.end_ns, test_instant("2026-01-31T12:00:00Z"));
    decimal_print(&record.quantity, text);
    assert_string_equal(text, "4.25");
    assert_false(record.quantity_is_number);
    assert_text(record.tags, "{\"cc\":\"4711\",\"env\":\"prod\"}");
    assert_text(record.additional_info, "{\"ServiceType\":\"Standard_D4_v2\",\"cores\":4}");
    assert_false(record.tags_is_string || record.additional_info_is_string);
    assert_int_equal(record.share_count, 1);
    assert_int_equal(record.shares[0].hour, instant_hour(record.start_ns));
    assert_int_equal(decimal_compare(&record.shares[0].quantity, &record.quantity), 0);
}

static void optional_members_may_be_absent_or_null(void **state)
{
    struct post post = post_good();
    post.location = post.tags = post.additional_info = NULL;
    struct usage_record absent = parse(*state, &post);
    post.location = post.tags = post.additional_info = "null";
    struct usage_record null = parse(*state, &post);
    assert_text(absent.location, "");
    assert_null(absent.tags.ptr);
    assert_null(absent.additional_info.ptr);
    assert_null(null.tags.ptr);
    assert_int_equal(absent.content_hash, null.content_hash);
}

static void tags_may_be_text(void **state)
{
    struct post post = post_good();
    post.tags = "\"\"";
    post.additional_info = "\"{\\\"ServiceType\\\":1}\"";
    post.quantity = "8.381903171539307e-08";
    struct usage_record record = parse(*state, &post);
    char text[DECIMAL_TEXT_SIZE];
    assert_text(record.tags, "");
    assert_non_null(record.tags.ptr);
    assert_text(record.additional_info, "{\"ServiceType\":1}");
    assert_true(record.tags_is_string && record.additional_info_is_string && record.quantity_is_number);
    decimal_print(&record.quantity, text);
    assert_string_equal(text, "0.00000008381903171539307");
}

static void unknown_members_are_ignored(void **state)
{
    struct post post = post_good(), more = post_good();
    more.more = ",\"unknown\":[1,2,{\"id\":3}],\"Quantity\":7,\"reportedTime\":12";
    struct usage_record record = parse(*state, &post), with_more = parse(*state, &more);
    assert_int_equal(record.content_hash, with_more.content_hash);
}

static void an_envelope_names_the_record(void **state)
{
    struct post post = post_good();
    struct record_envelope envelope = { TEXT("event-1"), TEXT("urn:source") };
    struct record_limits limits = default_limits();
    struct usage_record record;
    assert_ok(record_parse(*state, text_of_post(*state, &post), &envelope, &limits, hash_key, &record, NULL));
    assert_text(record.id, "event-1");
    assert_text(record.source, "urn:source");
    post.id = post.source = NULL;
    assert_ok(record_parse(*state, text_of_post(*state, &post), &envelope, &limits, hash_key, &record, NULL));
    assert_text(record.id, "event-1");
}

static void meter_ids_fold(void **state)
{
    static const struct {
        const char *written, *folded;
    } cases[] = {
        { "FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5", "fab6eb84500b4a09a8ca7358f8bbaea5" },
        { "F271A8A388C44D93956A063E1D2FA80B", "f271a8a388c44d93956a063e1d2fa80b" },
        { "My-Meter-1", "my-meter-1" },
        { "fab6eb84-500b-4a09-a8ca-7358f8bbaea", "fab6eb84-500b-4a09-a8ca-7358f8bbaea" }, /* not a GUID: dashes stay */
        { "", "" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_text(meter_fold(*state, text_of(cases[i].written)), cases[i].folded);
}

/* --- what is refused --- */

static const char *quoted(struct arena *arena, size_t length)
{
    char *text = arena_alloc(arena, length + 3);
    assert_non_null(text);
    memset(text, 'a', length + 2);
    text[0] = text[length + 1] = '"';
    text[length + 2] = '\0';
    return text;
}

static void each_bad_member_is_the_target(void **state)
{
    static const struct {
        size_t member; /* offset in struct post */
        const char *target;
        const char *bad[8];
    } cases[] = {
        { offsetof(struct post, id), "id", { NULL, "1", "\"\"", "\"a\\u0001\"", "null", "[]", "{}", "\"a\\u007f\"" } },
        { offsetof(struct post, source), "source", { NULL, "true", "\"\"", "\"a\\n\"", "null", "1.5" } },
        { offsetof(struct post, subscription_id),
          "subscriptionId",
          { NULL, "\"\"", "\"5d1a3c06\"", "\"5d1a3c068a5e4c6c9c3b1f2e3d4c5b6a\"",
            "\"5d1a3c06-8a5e-4c6c-9c3b-1f2e3d4c5b6g\"", "7", "\"{5d1a3c06-8a5e-4c6c-9c3b-1f2e3d4c5b6a}\"" } },
        { offsetof(struct post, meter_id), "meterId", { NULL, "\"\"", "5", "\"\\t\"", "null" } },
        { offsetof(struct post, resource_uri), "resourceUri", { NULL, "\"\"", "5", "\"a\\u0000b\"", "{}" } },
        { offsetof(struct post, location), "location", { "5", "[]", "\"\\r\"", "false" } },
        { offsetof(struct post, start),
          "usageStartTime",
          { NULL, "\"\"", "\"2026-01-31\"", "\"2026-01-31T11:00:00\"", "\"2026-02-30T11:00:00Z\"", "1769857200",
            "\"1969-12-31T23:59:59Z\"", "\"yesterday\"" } },
        { offsetof(struct post, end),
          "usageEndTime",
          { NULL, "\"2026-01-31T24:00:00Z\"", "\"2026-01-31T11:00:00Z\"", "\"2026-01-31T10:59:59Z\"", "{}" } },
        { offsetof(struct post, quantity),
          "quantity",
          { NULL, "null", "true", "\"\"", "\" 1\"", "\"1,5\"", "\"0x1\"", "[]" } },
        { offsetof(struct post, tags), "tags", { "1", "[]", "true", "[{}]" } },
        { offsetof(struct post, additional_info), "additionalInfo", { "1", "[]", "false" } },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t b = 0; b < COUNT_OF(cases[i].bad) && (b == 0 || cases[i].bad[b] != NULL); b++) {
            struct post post = post_good();
            *(const char **)(void *)((char *)&post + cases[i].member) = cases[i].bad[b];
            assert_refused(*state, &post, ERROR_INVALID_PROPERTY, cases[i].target);
        }
    }
}

static void texts_have_bounds(void **state)
{
    static const struct {
        size_t member, longest;
        const char *target;
    } cases[] = {
        { offsetof(struct post, id), RECORD_ID_SIZE_MAX, "id" },
        { offsetof(struct post, source), RECORD_SOURCE_SIZE_MAX, "source" },
        { offsetof(struct post, meter_id), RECORD_METER_ID_SIZE_MAX, "meterId" },
        { offsetof(struct post, resource_uri), 8192, "resourceUri" },
        { offsetof(struct post, location), 256, "location" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct post post = post_good();
        const char **member = (const char **)(void *)((char *)&post + cases[i].member);
        *member = quoted(*state, cases[i].longest);
        (void)parse(*state, &post);
        *member = quoted(*state, cases[i].longest + 1);
        assert_refused(*state, &post, ERROR_INVALID_PROPERTY, cases[i].target);
    }
}

static void a_member_given_twice_rejects(void **state)
{
    static const struct {
        const char *more, *target;
    } cases[] = {
        { ",\"quantity\":1", "quantity" },
        { ",\"id\":\"record-1\"", "id" },
        { ",\"location\":null", "location" },
        { ",\"quant\\u0069ty\":1", "quantity" },
        { ",\"x\":1,\"x\":1", "" },
        { ",\"x\":{\"a\":1,\"b\":[{\"c\":1,\"c\":2}]}", "" },
        { ",\"reportedTime\":1,\"reportedTime\":1", "reportedTime" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct post post = post_good();
        post.more = cases[i].more;
        assert_refused(*state, &post, ERROR_INVALID_PROPERTY, cases[i].target);
    }
    struct post post = post_good();
    post.tags = "{\"cc\":1,\"dd\":{},\"cc\":1}";
    assert_refused(*state, &post, ERROR_INVALID_PROPERTY, "");
}

static void quantities_have_a_range(void **state)
{
    static const char *const good[] = { "0",
                                        "-0",
                                        "0.0",
                                        "1e-30",
                                        "1E+26",
                                        "\"1e3\"",
                                        "0.1000000000000000000000000000000000",
                                        "999999999999999999999999999.999999999999999999999999999999",
                                        "0e999999999999" };
    static const char *const bad[] = { "-1",
                                       "-1e-30",
                                       "1e27",
                                       "1000000000000000000000000000",
                                       "1e-31",
                                       "1e999999999999",
                                       "0.0000000000000000000000000000001",
                                       "\"-0.5\"" };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct post post = post_good();
        post.quantity = good[i];
        (void)parse(*state, &post);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct post post = post_good();
        post.quantity = bad[i];
        assert_refused(*state, &post, ERROR_QUANTITY_OUT_OF_RANGE, "quantity");
    }
}

static void usage_ends_at_most_five_minutes_from_now(void **state)
{
    struct post post = post_good();
    post.end = "\"2026-01-31T12:35:00Z\"";
    (void)parse(*state, &post);
    post.end = "\"2026-01-31T12:35:00.000000001Z\"";
    assert_refused(*state, &post, ERROR_USAGE_IN_FUTURE, "usageEndTime");
    post.end = "\"2026-01-31T14:00:00Z\"";
    assert_refused(*state, &post, ERROR_USAGE_IN_FUTURE, "usageEndTime");
}

static void usage_starts_at_most_400_days_ago(void **state)
{
    struct post post = post_good();
    struct record_limits no_limit = default_limits();
    struct usage_record record;
    struct error_info info;
    post.start = "\"2024-12-27T12:30:00Z\"";
    post.end = "\"2024-12-27T13:00:00Z\"";
    (void)parse(*state, &post);
    post.start = "\"2024-12-27T12:29:59.999999999Z\"";
    assert_refused(*state, &post, ERROR_USAGE_TOO_OLD, "usageStartTime");
    post.start = "\"1970-01-01T00:00:00Z\"";
    post.end = "\"1970-01-01T01:00:00Z\"";
    assert_refused(*state, &post, ERROR_USAGE_TOO_OLD, "usageStartTime");
    no_limit.age_ns_max = -1;
    assert_ok(parse_with(*state, &post, &no_limit, &record, &info));
}

/* "No limit" on the future side must not overflow. */
static void limits_may_be_as_wide_as_they_come(void **state)
{
    struct post post = post_good();
    struct record_limits limits = default_limits();
    struct usage_record record;
    struct error_info info;
    limits.future_ns_max = limits.age_ns_max = INT64_MAX;
    post.start = "\"2261-12-31T22:00:00Z\"";
    post.end = "\"2261-12-31T23:59:59.999999999Z\"";
    assert_ok(parse_with(*state, &post, &limits, &record, &info));
    assert_int_equal(record.share_count, 2);
}

static void usage_lasts_at_most_31_days(void **state)
{
    struct post post = post_good();
    post.start = "\"2025-12-31T11:30:00Z\"";
    post.end = "\"2026-01-31T11:30:00Z\"";
    assert_int_equal(parse(*state, &post).share_count, 31 * 24 + 1);
    post.end = "\"2026-01-31T11:30:00.000000001Z\"";
    assert_refused(*state, &post, ERROR_INVALID_PROPERTY, "usageEndTime");
}

static void history_needs_its_reported_time(void **state)
{
    struct post post = post_good();
    struct record_limits limits = default_limits();
    struct usage_record record;
    struct error_info info;
    limits.history = true;
    assert_refused_with(*state, &post, &limits, ERROR_INVALID_PROPERTY, "reportedTime");
    post.reported = "\"2026-01-31\"";
    assert_refused_with(*state, &post, &limits, ERROR_INVALID_PROPERTY, "reportedTime");
    post.reported = "\"2026-01-31T12:00:00.5Z\"";
    assert_ok(parse_with(*state, &post, &limits, &record, &info));
    assert_int_equal(record.reported_ns, test_instant("2026-01-31T12:00:00.5Z"));
}

/* A summary over usage time looks for usage from a day before it on, in reported time. */
static void history_is_reported_at_most_a_day_before_the_usage_ends(void **state)
{
    struct post post = post_good();
    struct record_limits limits = default_limits();
    struct usage_record record;
    struct error_info info;
    limits.history = true;
    post.reported = "\"2026-01-30T12:00:00Z\"";
    assert_ok(parse_with(*state, &post, &limits, &record, &info));
    post.reported = "\"2026-01-30T11:59:59.999Z\"";
    assert_refused_with(*state, &post, &limits, ERROR_INVALID_PROPERTY, "reportedTime");
    post.reported = "\"1970-01-01T00:00:00Z\"";
    assert_refused_with(*state, &post, &limits, ERROR_INVALID_PROPERTY, "reportedTime");
}

static void large_records_are_refused_unread(void **state)
{
    struct post post = post_good();
    size_t frame = text_of_post(*state, &post).len - strlen(post.additional_info);
    post.additional_info = quoted(*state, RECORD_SIZE_BYTES_MAX - frame - 2);
    assert_int_equal(text_of_post(*state, &post).len, RECORD_SIZE_BYTES_MAX);
    (void)parse(*state, &post);
    post.additional_info = quoted(*state, RECORD_SIZE_BYTES_MAX - frame - 1);
    assert_refused(*state, &post, ERROR_RECORD_TOO_LARGE, "");
}

static void what_is_no_object_is_refused(void **state)
{
    static const char *const values[] = { "[]", "\"a\"", "1", "true", "null" };
    struct record_limits limits = default_limits();
    struct usage_record record;
    struct error_info info;
    for (size_t i = 0; i < COUNT_OF(values); i++)
        assert_error(record_parse(*state, text_of(values[i]), NULL, &limits, hash_key, &record, &info),
                     ERROR_INVALID_PROPERTY);
    assert_error(record_parse(*state, TEXT("{"), NULL, &limits, hash_key, &record, &info),
                 ERROR_INVALID_REQUEST_CONTENT);
    assert_error(record_parse(*state, TEXT(""), NULL, &limits, hash_key, &record, &info),
                 ERROR_INVALID_REQUEST_CONTENT);
}

static void a_refused_record_keeps_its_id_for_the_answer(void **state)
{
    struct post post = post_good();
    struct record_limits limits = default_limits();
    struct usage_record record;
    struct error_info info;
    post.quantity = "-1";
    assert_error(parse_with(*state, &post, &limits, &record, &info), ERROR_QUANTITY_OUT_OF_RANGE);
    assert_text(record.id, "record-1");
    post.more = ",\"quantity\":1";
    assert_error(parse_with(*state, &post, &limits, &record, &info), ERROR_INVALID_PROPERTY);
    assert_text(record.id, "record-1");
    post.more = NULL;
    post.id = "\"control\\u0001\"";
    assert_error(parse_with(*state, &post, &limits, &record, &info), ERROR_INVALID_PROPERTY);
    assert_text(record.id, "control\x01");
    post.id = "17";
    assert_error(parse_with(*state, &post, &limits, &record, &info), ERROR_INVALID_PROPERTY);
    assert_null(record.id.ptr);
    post.id = NULL;
    assert_error(parse_with(*state, &post, &limits, &record, &info), ERROR_INVALID_PROPERTY);
    assert_null(record.id.ptr);
}

/* Short memory fails the request, for a retry; it never turns into a verdict on a record that is fine. */
static void short_memory_is_not_the_records_fault(void **state)
{
    struct post post = post_good();
    post.tags = "{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,\"i\":9,\"j\":10,\"k\":11,\"l\":12,"
                "\"m\":13,\"n\":14,\"o\":15,\"p\":16}";
    struct text text = text_of_post(*state, &post);
    struct record_limits limits = default_limits();
    struct usage_record record;
    size_t failures = 0;
    for (size_t limit = 256; limit <= 32768; limit += 16) {
        struct arena *small = arena_new(128, limit);
        struct error_info info = { 0 };
        if (small == NULL)
            continue;
        err_t error = record_parse(small, text, NULL, &limits, hash_key, &record, &info);
        if (error != ERROR_OK) {
            assert_error(error, ERROR_NO_MEMORY);
            assert_int_equal(info.code, ERROR_NO_MEMORY);
            failures++;
        }
        arena_free(small);
    }
    assert_true(failures > 10);
}

/* The same with so many members that looking for repeated ones needs memory of its own. */
static void short_memory_is_not_a_member_given_twice(void **state)
{
    struct post post = post_good();
    struct buffer more = { 0 };
    struct record_limits limits = default_limits();
    size_t failures = 0;
    for (int members = 0; members < 300; members++) {
        buffer_append_format(&more, ",\"%d\":1", members);
        if (members % 20 != 0)
            continue;
        buffer_append_char(&more, '\0');
        post.more = more.data;
        struct text text = text_of_post(*state, &post);
        more.end--;
        for (size_t limit = 2048; limit <= 32768; limit += 64) {
            struct arena *small = arena_new(128, limit);
            struct usage_record record;
            struct error_info info = { 0 };
            assert_non_null(small);
            err_t error = record_parse(small, text, NULL, &limits, hash_key, &record, &info);
            assert_true(error == ERROR_OK || error == ERROR_NO_MEMORY);
            failures += error != ERROR_OK;
            arena_free(small);
        }
    }
    buffer_free(&more);
    assert_true(failures > 100);
}

/* --- what is equal --- */

static uint64_t content_of(struct arena *arena, const struct post *post)
{
    return parse(arena, post).content_hash;
}

static void equal_values_are_equal_content(void **state)
{
    struct post good = post_good();
    uint64_t content = content_of(*state, &good);
    struct post same[] = { good, good, good, good, good, good, good, good, good, good };
    same[0].quantity = "4.25";
    same[1].quantity = "\"4.250000000000000000000000000000\"";
    same[2].quantity = "425e-2";
    same[3].start = "\"2026-01-31T11:00:00.000+00:00\"";
    same[4].end = "\"2026-01-31t13:00:00+01:00\"";
    same[5].subscription_id = "\"5D1A3C06-8A5E-4C6C-9C3B-1F2E3D4C5B6A\"";
    same[6].meter_id = "\"FAB6EB84500B4A09A8CA7358F8BBAEA5\"";
    same[7].resource_uri =
        "\"/SUBSCRIPTIONS/" POST_SUBSCRIPTION "/resourcegroups/RG/providers/microsoft.compute/virtualmachines/WEB01\"";
    same[8].tags = "{\"env\":\"pr\\u006fd\",\"cc\":\"4711\"}";
    same[9].additional_info = "{ \"cores\" : 40e-1, \"ServiceType\" : \"Standard_D4_v2\" }";
    for (size_t i = 0; i < COUNT_OF(same); i++)
        assert_int_equal(content_of(*state, &same[i]), content);
}

static void other_values_are_other_content(void **state)
{
    struct post good = post_good();
    struct post other[] = { good, good, good, good, good, good, good, good, good, good, good, good, good };
    other[0].quantity = "4.250000000000000000000000000001";
    other[1].start = "\"2026-01-31T11:00:00.000000001Z\"";
    other[2].end = "\"2026-01-31T11:59:59.999999999Z\"";
    other[3].subscription_id = "\"5d1a3c06-8a5e-4c6c-9c3b-1f2e3d4c5b6b\"";
    other[4].meter_id = "\"fab6eb84-500b-4a09-a8ca-7358f8bbaea6\"";
    other[5].resource_uri = "\"/r\"";
    other[6].tags = "{\"cc\":4711,\"env\":\"prod\"}";
    other[7].tags = "\"{\\\"cc\\\":\\\"4711\\\",\\\"env\\\":\\\"prod\\\"}\""; /* text, not an object */
    other[8].tags = NULL;
    other[9].additional_info = "{}";
    other[10].location = "\"East\"";
    other[11].location = NULL;
    other[12].tags = "\"\"";
    uint64_t seen[COUNT_OF(other) + 1] = { content_of(*state, &good) };
    for (size_t i = 0; i < COUNT_OF(other); i++) {
        seen[i + 1] = content_of(*state, &other[i]);
        for (size_t before = 0; before <= i; before++)
            assert_int_not_equal(seen[i + 1], seen[before]);
    }
}

static void identity_is_source_and_id_exactly(void **state)
{
    (void)state;
    const struct {
        struct text source, id;
    } names[] = { { TEXT("ab"), TEXT("c") }, { TEXT("a"), TEXT("bc") }, { TEXT("AB"), TEXT("c") },
                  { TEXT("ab"), TEXT("C") }, { TEXT("abc"), TEXT("") }, { TEXT("ab"), TEXT("c ") } };
    static const uint8_t other_key[SIPHASH_KEY_SIZE] = { 43 };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct hash128 a = record_identity(hash_key, names[i].source, names[i].id);
        struct hash128 keyed = record_identity(other_key, names[i].source, names[i].id);
        assert_memory_not_equal(a.bytes, keyed.bytes, sizeof a.bytes);
        for (size_t j = 0; j < COUNT_OF(names); j++) {
            struct hash128 b = record_identity(hash_key, names[j].source, names[j].id);
            assert_int_equal(memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0, i == j);
        }
    }
}

TESTS(WITH_ARENA(reads_every_member), WITH_ARENA(optional_members_may_be_absent_or_null), WITH_ARENA(tags_may_be_text),
      WITH_ARENA(unknown_members_are_ignored), WITH_ARENA(an_envelope_names_the_record), WITH_ARENA(meter_ids_fold),
      WITH_ARENA(each_bad_member_is_the_target), WITH_ARENA(texts_have_bounds),
      WITH_ARENA(a_member_given_twice_rejects), WITH_ARENA(quantities_have_a_range),
      WITH_ARENA(usage_ends_at_most_five_minutes_from_now), WITH_ARENA(usage_starts_at_most_400_days_ago),
      WITH_ARENA(limits_may_be_as_wide_as_they_come), WITH_ARENA(usage_lasts_at_most_31_days),
      WITH_ARENA(history_needs_its_reported_time), WITH_ARENA(history_is_reported_at_most_a_day_before_the_usage_ends),
      WITH_ARENA(large_records_are_refused_unread), WITH_ARENA(what_is_no_object_is_refused),
      WITH_ARENA(a_refused_record_keeps_its_id_for_the_answer), WITH_ARENA(short_memory_is_not_the_records_fault),
      WITH_ARENA(short_memory_is_not_a_member_given_twice), WITH_ARENA(equal_values_are_equal_content),
      WITH_ARENA(other_values_are_other_content), cmocka_unit_test(identity_is_source_and_id_exactly))
