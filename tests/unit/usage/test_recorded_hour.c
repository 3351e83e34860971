/* History: records with a reported time of their own, before the store's first live hour. The recorded hour of a real
 * stamp goes in and comes out as it was. */
#include "support/usage_fixture.h"

#include "base/files.h"

/* --- the recorded hour --- */

#define RECORDED_ROWS 236

struct recorded {
    struct text subscription, start, end, instance_data, quantity, meter;
};

static struct text member_text(const struct json *object, const char *name)
{
    const struct json *value = json_member(object, text_of(name));
    assert_non_null(value);
    return json_type(value) == JSON_NUMBER ? json_number(value) : json_string(value);
}

static void read_recorded(struct usage_fixture *f, struct recorded rows[RECORDED_ROWS])
{
    struct buffer file = { 0 };
    struct error_info info = { 0 };
    const struct json *document;
    if (file_read("tests/data/recorded-hour.json", (size_t)4 << 20, &file, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    assert_ok(json_parse(f->arena, buffer_text(&file), &document, &info));
    buffer_free(&file);
    const struct json *value = json_member(json_member(document, TEXT("response")), TEXT("value"));
    assert_int_equal(json_count(value), RECORDED_ROWS);
    size_t at = 0;
    for (struct json_iterator i = json_iterate(value); json_next(&i); at++) {
        const struct json *properties = json_member(i.value, TEXT("properties"));
        rows[at] =
            (struct recorded){ member_text(properties, "subscriptionId"), member_text(properties, "usageStartTime"),
                               member_text(properties, "usageEndTime"),   member_text(properties, "instanceData"),
                               member_text(properties, "quantity"),       member_text(properties, "meterId") };
    }
}

/* The record behind a row, as an importer makes it: tags and additional info stay the texts they are. */
static void write_record_of(struct usage_fixture *f, const struct recorded *row, size_t number, struct buffer *out)
{
    static const char *const names[] = { "resourceUri", "location", "tags", "additionalInfo" };
    const struct json *instance;
    char id[32];
    assert_ok(json_parse(f->arena, row->instance_data, &instance, NULL));
    instance = json_member(instance, TEXT("Microsoft.Resources"));
    (void)snprintf(id, sizeof id, "recorded-%zu", number);
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_name(&json, "id");
    json_put_cstring(&json, id);
    json_name(&json, "source");
    json_put_cstring(&json, "recorded");
    json_name(&json, "subscriptionId");
    json_put_text(&json, row->subscription);
    json_name(&json, "meterId");
    json_put_text(&json, row->meter);
    json_name(&json, "usageStartTime");
    json_put_text(&json, row->start);
    json_name(&json, "usageEndTime");
    json_put_text(&json, row->end);
    json_name(&json, "reportedTime");
    json_put_cstring(&json, "2019-12-10T19:30:00Z");
    json_name(&json, "quantity");
    json_put_raw(&json, row->quantity);
    for (size_t n = 0; n < COUNT_OF(names); n++) {
        json_name(&json, names[n]);
        json_put_text(&json, member_text(instance, names[n]));
    }
    json_end_object(&json);
}

static struct ingest_counts import_recorded(struct usage_fixture *f, const struct recorded rows[RECORDED_ROWS])
{
    struct buffer body = { 0 };
    for (size_t i = 0; i < RECORDED_ROWS; i++) {
        write_record_of(f, &rows[i], i, &body);
        buffer_append_char(&body, '\n');
    }
    struct record_limits limits = usage_history_limits(f);
    struct ingest_batch *batch = usage_ingest_with(f, &limits, INGEST_NDJSON, buffer_text(&body));
    buffer_free(&body);
    return ingest_counts(batch);
}

static bool is_row_of(const struct listing_row *row, const struct recorded *recorded, struct text instance_data)
{
    char subscription[GUID_TEXT_SIZE], start[INSTANT_TEXT_SIZE], end[INSTANT_TEXT_SIZE], quantity[DECIMAL_TEXT_SIZE],
        expected[DECIMAL_TEXT_SIZE];
    struct decimal value;
    guid_print(&row->subscription, subscription);
    instant_print_offset(row->start_ns, start);
    instant_print_offset(row->end_ns, end);
    decimal_sum_print(&row->quantity, quantity);
    assert_ok(decimal_parse(recorded->quantity, &value));
    decimal_print(&value, expected);
    return text_equal(instance_data, recorded->instance_data) &&
           text_equal(text_of(subscription), recorded->subscription) && text_equal(text_of(start), recorded->start) &&
           text_equal(text_of(end), recorded->end) && text_equal(row->meter_id, recorded->meter) &&
           strcmp(quantity, expected) == 0;
}

static void assert_recorded(struct usage_fixture *f, const struct recorded rows[RECORDED_ROWS])
{
    struct listing_query query = { .details = true,
                                   .start_ns = test_instant("2019-12-10T19:00:00Z"),
                                   .end_ns = test_instant("2019-12-10T20:00:00Z") };
    struct usage_rows listed = usage_list(f, &query);
    bool found[RECORDED_ROWS] = { false };
    assert_int_equal(listed.count, RECORDED_ROWS);
    for (size_t i = 0; i < listed.count; i++) {
        struct buffer instance_data = { 0 };
        size_t at = 0;
        assert_true(listed.rows[i].has_instance);
        assert_int_equal(listed.rows[i].records, 1);
        listing_write_instance_data(&listed.rows[i].instance, &instance_data);
        while (at < RECORDED_ROWS && (found[at] || !is_row_of(&listed.rows[i], &rows[at], buffer_text(&instance_data))))
            at++;
        if (at == RECORDED_ROWS)
            fail_msg("row %zu is none of the recorded: %.*s", i, TEXT_ARGS(buffer_text(&instance_data)));
        found[at] = true;
        buffer_free(&instance_data);
    }
    query.start_ns = query.end_ns;
    query.end_ns = test_instant("2026-01-31T00:00:00Z");
    assert_int_equal(usage_list(f, &query).count, 0);
}

static void the_recorded_hour_comes_back_byte_for_byte(void **state)
{
    struct usage_fixture *f = *state;
    static struct recorded rows[RECORDED_ROWS];
    read_recorded(f, rows);
    struct ingest_counts counts = import_recorded(f, rows);
    assert_int_equal(counts.accepted, RECORDED_ROWS);
    assert_recorded(f, rows);
    /* A second time nothing changes (named case "Same day generated 112 times"). */
    counts = import_recorded(f, rows);
    assert_int_equal(counts.duplicate, RECORDED_ROWS);
    store_fixture_reopen(&f->base);
    assert_int_equal(store_fixture_state(&f->base).records, RECORDED_ROWS);
    assert_recorded(f, rows);
}

/* --- when history is allowed --- */

static const struct ingest_result *post_history(struct usage_fixture *f, const char *id, const char *reported)
{
    struct post post = post_good();
    struct record_limits limits = usage_history_limits(f);
    post.id = id;
    post.start = "\"2019-12-10T18:00:00Z\"";
    post.end = "\"2019-12-10T19:00:00Z\"";
    post.reported = reported;
    return usage_post_with(f, &limits, &post);
}

static void assert_too_new(const struct ingest_result *result)
{
    assert_verdict(result, VERDICT_REJECTED);
    assert_int_equal(result->code, ERROR_INVALID_PROPERTY);
    assert_text(result->target, "reportedTime");
}

static void history_lies_before_the_first_live_hour(void **state)
{
    struct usage_fixture *f = *state; /* it is 12:30 */
    assert_verdict(post_history(f, "\"a\"", "\"2026-01-31T11:59:59.999999999Z\""), VERDICT_ACCEPTED);
    assert_too_new(post_history(f, "\"b\"", "\"2026-01-31T12:00:00Z\""));
    assert_too_new(post_history(f, "\"b\"", "\"2026-03-01T00:00:00Z\""));
    struct post live = post_good();
    usage_post_accepted(f, &live);
    clock_manual_advance(&f->base.clock, 10 * NS_PER_HOUR);
    store_fixture_reopen(&f->base);
    assert_verdict(post_history(f, "\"c\"", "\"2026-01-31T11:00:00Z\""), VERDICT_ACCEPTED);
    assert_too_new(post_history(f, "\"d\"", "\"2026-01-31T12:10:00Z\""));
    assert_too_new(post_history(f, "\"d\"", "\"2026-01-31T15:00:00Z\""));
    assert_verdict(post_history(f, "\"a\"", "\"2026-01-31T15:00:00Z\""), VERDICT_DUPLICATE);
    assert_usage_total(f, "12.75", 3);
}

static void history_appears_in_its_own_reported_hour(void **state)
{
    struct usage_fixture *f = *state;
    assert_verdict(post_history(f, "\"a\"", "\"2020-02-29T23:15:00Z\""), VERDICT_ACCEPTED);
    struct listing_query query = { .details = true,
                                   .start_ns = test_instant("2020-02-29T23:00:00Z"),
                                   .end_ns = test_instant("2020-03-01T00:00:00Z") };
    struct usage_rows rows = usage_list(f, &query);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.rows[0].start_ns, test_instant("2019-12-10T18:00:00Z"));
    query.daily = true;
    query.start_ns = test_instant("2020-02-29T00:00:00Z");
    rows = usage_list(f, &query);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.rows[0].start_ns, test_instant("2019-12-10T00:00:00Z"));
    assert_int_equal(rows.rows[0].end_ns, test_instant("2019-12-11T00:00:00Z"));
}

/* Without the word history, a reported time is just another unknown member. */
static void live_usage_is_reported_when_it_is_committed(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    post.reported = "\"2019-12-10T19:30:00Z\"";
    usage_post_accepted(f, &post);
    struct listing_query query = { .details = true,
                                   .start_ns = test_instant("2026-01-31T12:00:00Z"),
                                   .end_ns = test_instant("2026-01-31T13:00:00Z") };
    assert_int_equal(usage_list(f, &query).count, 1);
    assert_int_equal(store_fixture_state(&f->base).last_reported_ns, test_instant(FIXTURE_NOW));
}

TESTS(WITH_USAGE(the_recorded_hour_comes_back_byte_for_byte), WITH_USAGE(history_lies_before_the_first_live_hour),
      WITH_USAGE(history_appears_in_its_own_reported_hour), WITH_USAGE(live_usage_is_reported_when_it_is_committed))
