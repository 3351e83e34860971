/* Unit tests of reading saved answers of the operator's usage API, the recorded hour of a real stamp first. */
#include "base/arena.h"
#include "base/files.h"
#include "base/json.h"
#include "support/testing.h"
#include "usage/history.h"
#include "usage/record.h"

#define RECORDED "tests/data/recorded-hour.json"

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = "0123456789abcde";

struct fixture {
    struct arena *arena, *row_arena;
    struct buffer recorded;
};

/* The reported time given for answers that do not say theirs. */
static int64_t reported(void)
{
    return test_instant("2019-12-10T19:00:00Z");
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error_info info = { 0 };
    assert_non_null(f);
    f->arena = arena_new(65536, 0);
    f->row_arena = arena_new(65536, 0);
    if (file_read(RECORDED, (size_t)1 << 22, &f->recorded, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    buffer_free(&f->recorded);
    arena_free(f->arena);
    arena_free(f->row_arena);
    free(f);
    return 0;
}

/* All rows of a file as parsed records, in the fixture's arena. */
static size_t read_all(struct fixture *f, struct text content, int64_t reported_start_ns, struct usage_record *records,
                       size_t max)
{
    struct history_file file = history_file(content);
    struct text document, text;
    size_t count = 0;
    err_t error;
    while ((error = history_next_document(&file, &document)) == ERROR_OK) {
        struct history_answer answer;
        struct error_info info = { 0 };
        assert_ok(history_open(f->arena, document, reported_start_ns, &answer, &info));
        while ((error = history_next(&answer, f->row_arena, &text, &info)) == ERROR_OK) {
            const struct record_limits limits = { .now_ns = test_instant("2026-01-01T00:00:00Z"),
                                                  .age_ns_max = -1,
                                                  .history = true };
            assert_true(count < max);
            if (record_parse(f->row_arena, text, NULL, &limits, hash_key, &records[count++], &info) != ERROR_OK)
                fail_msg("%s: %.*s", info.message, TEXT_ARGS(text));
        }
        assert_error(error, ERROR_NOT_FOUND);
    }
    assert_error(error, ERROR_NOT_FOUND);
    return count;
}

static void the_recorded_hour_is_read_whole(void **state)
{
    struct fixture *f = *state;
    struct usage_record records[300];
    size_t count = read_all(f, buffer_text(&f->recorded), -1, records, COUNT_OF(records));
    assert_int_equal(count, 236);
    size_t storage = 0, compute = 0, network = 0, null_tags = 0, empty_tags = 0, json_tags = 0;
    for (size_t i = 0; i < count; i++) {
        storage += text_equal(records[i].source, TEXT("Microsoft.Storage"));
        compute += text_equal(records[i].source, TEXT("Microsoft.Compute"));
        network += text_equal(records[i].source, TEXT("Microsoft.Network"));
        null_tags += text_equal(records[i].tags, TEXT("null"));
        empty_tags += records[i].tags.len == 0;
        json_tags += records[i].tags.len > 4;
        assert_true(records[i].tags_is_string && records[i].additional_info_is_string);
        assert_true(records[i].reported_ns == test_instant("2019-12-10T19:00:00Z"));
        assert_true(records[i].quantity_is_number);
        assert_int_equal(records[i].id.len, 64);
        for (size_t j = 0; j < i; j++)
            assert_false(text_equal(records[i].id, records[j].id));
    }
    assert_int_equal(storage + compute + network, 236);
    assert_int_equal(storage, 178);
    assert_int_equal(compute, 58);
    assert_int_equal(empty_tags, 180);
    assert_int_equal(null_tags, 50);
    assert_int_equal(json_tags, 6);
}

static void quantities_stay_exact(void **state)
{
    struct fixture *f = *state;
    struct usage_record records[300];
    size_t count = read_all(f, buffer_text(&f->recorded), -1, records, COUNT_OF(records));
    char text[DECIMAL_TEXT_SIZE];
    decimal_print(&records[0].quantity, text);
    assert_string_equal(text, "16.461425899527967");
    bool found = false; /* 6.36465847492218e-06 in the file */
    for (size_t i = 0; i < count; i++) {
        decimal_print(&records[i].quantity, text);
        found = found || strcmp(text, "0.00000636465847492218") == 0;
    }
    assert_true(found);
}

static struct text twice(struct fixture *f, const char *before, struct text content, const char *between,
                         const char *after)
{
    struct text text =
        arena_format(f->arena, "%s%.*s%s%.*s%s", before, TEXT_ARGS(content), between, TEXT_ARGS(content), after);
    assert_non_null(text.ptr);
    return text;
}

/* The same answer in an array, in lines, with a byte order mark: the same records. */
static void all_shapes_give_the_same_records(void **state)
{
    struct fixture *f = *state;
    struct usage_record first[300], again[600];
    struct text whole = buffer_text(&f->recorded);
    size_t count = read_all(f, whole, -1, first, COUNT_OF(first));
    struct text shapes[] = {
        twice(f, "[", whole, ",", "]"),
        twice(f, "", whole, "\n", "\n"),
        twice(f, "\xEF\xBB\xBF", whole, "", ""),
    };
    for (size_t s = 0; s < COUNT_OF(shapes); s++) {
        assert_int_equal(read_all(f, shapes[s], -1, again, COUNT_OF(again)), 2 * count);
        for (size_t i = 0; i < 2 * count; i++) {
            assert_true(text_equal(again[i].id, first[i % count].id));
            assert_true(again[i].content_hash == first[i % count].content_hash);
        }
    }
}

#define INSTANCE(uri, tags)                                                                                            \
    "\"{\\\"Microsoft.Resources\\\":{\\\"resourceUri\\\":\\\"" uri                                                     \
    "\\\",\\\"location\\\":\\\"east\\\",\\\"tags\\\":" tags "}}\""
#define SUBSCRIPTION "09065051-CFE9-4fcf-b90c-87f2af292fc9"
#define ROW(meter, start, quantity, instance)                                                                          \
    "{\"id\":\"x\",\"properties\":{\"subscriptionId\":\"" SUBSCRIPTION "\",\"usageStartTime\":\"" start                \
    "\",\"usageEndTime\":\"2019-12-10T19:00:00+00:00\",\"quantity\":" quantity ",\"meterId\":\"" meter                 \
    "\",\"instanceData\":" instance "}}"
#define URI "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"
#define GOOD ROW("fab6eb84-500b-4a09-a8ca-7358f8bbaea5", "2019-12-10T18:00:00+00:00", "1.50", INSTANCE(URI, "\\\"\\\""))

static void a_bare_answer_needs_its_time(void **state)
{
    struct fixture *f = *state;
    struct history_answer answer;
    struct error_info info = { 0 };
    struct usage_record records[2], other[2];
    struct text bare = TEXT("{\"value\":[" GOOD "]}");
    assert_error(history_open(f->arena, bare, -1, &answer, &info), ERROR_INVALID_PROPERTY);
    assert_string_equal(info.target, "reportedStartTime");
    int64_t reported_ns = reported();
    assert_int_equal(read_all(f, bare, reported_ns, records, 2), 1);
    assert_true(records[0].reported_ns == reported_ns);
    assert_int_equal(read_all(f, bare, reported_ns + NS_PER_HOUR, other, 2), 1);
    assert_false(text_equal(records[0].id, other[0].id));
}

/* An answer over a month: each row was reported somewhere in it, and not more than a day before its usage ended. */
static void rows_of_a_long_window_are_reported_near_their_usage(void **state)
{
    struct fixture *f = *state;
    struct usage_record records[2];
    struct text month =
        TEXT("{\"request\":{\"reportedStartTime\":\"2019-12-01\"},\"response\":{\"value\":[" GOOD "]}}");
    assert_int_equal(read_all(f, month, -1, records, 2), 1);
    assert_int_equal(records[0].reported_ns, test_instant("2019-12-09T19:00:00Z"));
    struct text late = TEXT("{\"request\":{\"reportedStartTime\":\"2019-12-20\"},\"response\":{\"value\":[" GOOD "]}}");
    assert_int_equal(read_all(f, late, -1, records, 2), 1);
    assert_int_equal(records[0].reported_ns, test_instant("2019-12-20T00:00:00Z"));
}

/* What a saved answer may spell differently must not make other records of it. */
static void ids_do_not_depend_on_spelling(void **state)
{
    struct fixture *f = *state;
    struct usage_record a[1], b[1];
    struct text first = TEXT("{\"value\":[" GOOD "]}");
    struct text second = TEXT("{\"nextLink\":null,\"value\":[" ROW(
        "FAB6EB84500B4A09A8CA7358F8BBAEA5", "2019-12-10T18:00:00Z", "1.5",
        INSTANCE("/Subscriptions/S/resourcegroups/RG/providers/Microsoft.Compute/virtualMachines/VM",
                 "\\\"\\\"")) "]}");
    assert_int_equal(read_all(f, first, reported(), a, 1), 1);
    assert_int_equal(read_all(f, second, reported(), b, 1), 1);
    assert_true(text_equal(a[0].id, b[0].id));
    assert_true(a[0].content_hash == b[0].content_hash);
}

static void exact_repeats_are_records_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct usage_record records[3];
    assert_int_equal(read_all(f, TEXT("{\"value\":[" GOOD "," GOOD "," GOOD "]}"), reported(), records, 3), 3);
    assert_false(text_equal(records[0].id, records[1].id));
    assert_false(text_equal(records[1].id, records[2].id));
    assert_false(text_equal(records[0].id, records[2].id));
}

static void the_innermost_provider_is_the_source(void **state)
{
    struct fixture *f = *state;
    struct usage_record records[2];
    struct text text = TEXT("{\"value\":[" ROW(
        "m", "2019-12-10T18:00:00Z", "1",
        INSTANCE("/a/providers/Microsoft.X/y/providers/Microsoft.Z/q",
                 "null")) "," ROW("m", "2019-12-10T18:00:00Z", "1", INSTANCE("/nothing/of/the/kind", "null")) "]}");
    assert_int_equal(read_all(f, text, reported(), records, 2), 2);
    assert_true(text_equal(records[0].source, TEXT("Microsoft.Z")));
    assert_true(text_equal(records[1].source, TEXT("import")));
    assert_null(records[0].tags.ptr);
}

/* A bad row rejects itself and not its neighbours. */
static void bad_rows_are_told_one_by_one(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *row, *target;
    } rows[] = {
        { "{}", "properties" },
        { "7", "properties" },
        { "{\"properties\":{}}", "subscriptionId" },
        { ROW("m", "yesterday", "1", INSTANCE(URI, "null")), "usageStartTime" },
        { ROW("m", "2019-12-10T18:00:00Z", "{}", INSTANCE(URI, "null")), "quantity" },
        { ROW("m", "2019-12-10T18:00:00Z", "1", "\"{\""), "instanceData" },
        { ROW("m", "2019-12-10T18:00:00Z", "1", "\"{}\""), "instanceData" },
        { ROW("m", "2019-12-10T18:00:00Z", "1", "null"), "instanceData" },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct text text = arena_format(f->arena, "{\"value\":[%s," GOOD "]}", rows[i].row);
        struct history_answer answer;
        struct error_info info = { 0 };
        struct text record;
        assert_ok(history_open(f->arena, text, 0, &answer, &info));
        assert_error(history_next(&answer, f->row_arena, &record, &info), ERROR_INVALID_PROPERTY);
        assert_string_equal(info.target, rows[i].target);
        assert_ok(history_next(&answer, f->row_arena, &record, &info));
        assert_error(history_next(&answer, f->row_arena, &record, &info), ERROR_NOT_FOUND);
    }
}

static void what_is_no_answer_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const documents[] = { "{}",
                                             "7",
                                             "\"value\"",
                                             "{\"value\":7}",
                                             "{\"value\":null}",
                                             "{\"response\":{}}",
                                             "{\"value\"",
                                             "{\"value\":[",
                                             "{\"a\":1 \"value\":[]}",
                                             "{value:[]}" };
    for (size_t i = 0; i < COUNT_OF(documents); i++) {
        struct history_answer answer;
        struct error_info info = { 0 };
        assert_error(history_open(f->arena, text_of(documents[i]), 0, &answer, &info), ERROR_INVALID_REQUEST_CONTENT);
    }
}

static void broken_files_end_with_an_error(void **state)
{
    (void)state;
    static const char *const files[] = { "[{}", "{\"a\":", "[{},", "\"open", "{} }", "[{}] x" };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct history_file file = history_file(text_of(files[i]));
        struct text document;
        err_t error;
        while ((error = history_next_document(&file, &document)) == ERROR_OK)
            ;
        assert_error(error, ERROR_INVALID_REQUEST_CONTENT);
    }
    struct history_file empty = history_file(TEXT("  \n"));
    struct text document;
    assert_error(history_next_document(&empty, &document), ERROR_NOT_FOUND);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
TESTS(TEST(the_recorded_hour_is_read_whole), TEST(quantities_stay_exact), TEST(all_shapes_give_the_same_records),
      TEST(a_bare_answer_needs_its_time), TEST(rows_of_a_long_window_are_reported_near_their_usage),
      TEST(ids_do_not_depend_on_spelling), TEST(exact_repeats_are_records_of_their_own),
      TEST(the_innermost_provider_is_the_source), TEST(bad_rows_are_told_one_by_one),
      TEST(what_is_no_answer_is_refused), TEST(broken_files_end_with_an_error))
