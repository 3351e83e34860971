/* Unit tests of the demo's simulated stamp: the same twice, as much as promised, nothing lost or made up. */
#include "base/arena.h"
#include "base/crypto.h"
#include "base/json.h"
#include "cli/demo_stamp.h"
#include "support/testing.h"
#include "usage/record.h"

#define START "2026-01-31T13:00:00Z"

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = "0123456789abcde";

static struct demo_stamp make_stamp(void)
{
    struct demo_stamp stamp = { .seed = DEMO_SEED, .start_hour = instant_hour(test_instant(START)) };
    assert_true(guid_parse(TEXT(DEMO_OPERATOR_SUBSCRIPTION), &stamp.operator_subscription));
    return stamp;
}

struct tally {
    size_t kinds[DEMO_KIND_COUNT], sources[DEMO_SOURCE_COUNT], all;
    struct sha256 hash;
};

static err_t count(void *context, const struct demo_report *report)
{
    struct tally *tally = context;
    tally->kinds[report->kind]++;
    tally->sources[report->source]++;
    tally->all++;
    sha256_update(&tally->hash, report->record.ptr, report->record.len);
    return ERROR_OK;
}

static void tally_hours(const struct demo_stamp *stamp, int64_t from, int64_t to, struct tally *tally,
                        uint8_t digest[SHA256_SIZE])
{
    memset(tally, 0, sizeof *tally);
    sha256_init(&tally->hash);
    for (int64_t hour = from; hour < to; hour++)
        assert_ok(demo_stamp_report(stamp, hour, true, count, tally));
    sha256_finish(&tally->hash, digest);
}

static void is_the_same_twice(void **state)
{
    (void)state;
    struct demo_stamp stamp = make_stamp();
    struct tally first, second, other;
    uint8_t digest[3][SHA256_SIZE];
    tally_hours(&stamp, stamp.start_hour - 30, stamp.start_hour + 30, &first, digest[0]);
    tally_hours(&stamp, stamp.start_hour - 30, stamp.start_hour + 30, &second, digest[1]);
    assert_memory_equal(digest[0], digest[1], SHA256_SIZE);
    stamp.seed++;
    tally_hours(&stamp, stamp.start_hour - 30, stamp.start_hour + 30, &other, digest[2]);
    assert_memory_not_equal(digest[0], digest[2], SHA256_SIZE);
}

/* More than 3,000 rows a day, so that lists have pages; not so much that the start takes long. */
static void reports_what_a_stamp_does(void **state)
{
    (void)state;
    struct demo_stamp stamp = make_stamp();
    struct tally tally;
    uint8_t digest[SHA256_SIZE];
    for (int day = 1; day < 35; day++) {
        int64_t from = stamp.start_hour - day * HOURS_PER_DAY;
        tally_hours(&stamp, from, from + HOURS_PER_DAY, &tally, digest);
        assert_uint_in_range(tally.kinds[DEMO_REGULAR], 150 * 24, 320 * 24);
        assert_uint_in_range(tally.kinds[DEMO_LATE], 20, 300);
        assert_uint_in_range(tally.kinds[DEMO_RETRY], 10, 200);
        assert_uint_in_range(tally.kinds[DEMO_CONFLICT], 1, 8);
        assert_uint_in_range(tally.kinds[DEMO_REJECTED], 1, 20);
        for (int source = 0; source < DEMO_EVENT_HUB; source++)
            assert_true(tally.sources[source] > 0);
    }
}

/* Late records come later, but they come: hour by hour nothing is lost. */
struct ids {
    struct arena *arena;
    struct text ids[40000];
    size_t count;
};

static err_t collect_ids(void *context, const struct demo_report *report)
{
    struct ids *ids = context;
    const struct json *record;
    struct text id;
    if (report->kind != DEMO_REGULAR && report->kind != DEMO_LATE)
        return ERROR_OK;
    assert_ok(json_parse(ids->arena, report->record, &record, NULL));
    assert_true(json_member_string(record, TEXT("id"), &id));
    assert_true(ids->count < COUNT_OF(ids->ids));
    ids->ids[ids->count++] = arena_text(ids->arena, id);
    return ERROR_OK;
}

static int compare_texts(const void *a, const void *b)
{
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static void has_no_id_twice(void **state)
{
    (void)state;
    struct demo_stamp stamp = make_stamp();
    struct ids *ids = calloc(1, sizeof *ids);
    assert_non_null(ids);
    ids->arena = arena_new(65536, 0);
    for (int64_t hour = stamp.start_hour - 60; hour < stamp.start_hour + 60; hour++)
        assert_ok(demo_stamp_report(&stamp, hour, false, collect_ids, ids));
    qsort(ids->ids, ids->count, sizeof *ids->ids, compare_texts);
    assert_true(ids->count > 20000);
    for (size_t i = 1; i < ids->count; i++)
        assert_false(text_equal(ids->ids[i - 1], ids->ids[i]));
    arena_free(ids->arena);
    free(ids);
}

struct checking {
    struct arena *arena;
    int64_t first_ns, now_ns, last_event_hub_ns;
    size_t kinds[DEMO_KIND_COUNT];
};

/* Every record but the wrong ones is one that the server takes at the time at which it is posted. */
static err_t check_record(void *context, const struct demo_report *report)
{
    struct checking *checking = context;
    struct usage_record record;
    struct error_info info = { 0 };
    const struct record_limits limits = { .now_ns = report->due_ns, .age_ns_max = -1, .history = true };
    arena_reset(checking->arena);
    err_t error = record_parse(checking->arena, report->record, NULL, &limits, hash_key, &record, &info);
    checking->kinds[report->kind]++;
    if (report->kind == DEMO_REJECTED) {
        assert_int_not_equal(error, ERROR_OK);
        return ERROR_OK;
    }
    if (error != ERROR_OK)
        fail_msg("%s: %.*s", info.message, TEXT_ARGS(report->record));
    assert_true(text_equal(record.source, text_of(demo_source_name(report->source))));
    assert_true(record.reported_ns == report->due_ns);
    assert_true(record.start_ns >= checking->first_ns && record.end_ns <= report->due_ns);
    assert_true(record.start_ns > report->due_ns - (DEMO_LATE_HOURS_MAX + 26) * NS_PER_HOUR);
    if (report->source == DEMO_EVENT_HUB && record.end_ns > checking->last_event_hub_ns)
        checking->last_event_hub_ns = record.end_ns;
    return ERROR_OK;
}

static void reports_records_that_the_server_takes(void **state)
{
    (void)state;
    struct demo_stamp stamp = make_stamp();
    struct checking checking = { .arena = arena_new(65536, 0) };
    checking.first_ns = hour_start_ns(stamp.start_hour - DEMO_HISTORY_HOURS);
    for (int64_t hour = stamp.start_hour - DEMO_HISTORY_HOURS; hour < stamp.start_hour + 24; hour += hour % 5 + 1)
        assert_ok(demo_stamp_report(&stamp, hour, true, check_record, &checking));
    assert_true(checking.kinds[DEMO_REJECTED] > 0 && checking.kinds[DEMO_CONFLICT] > 0);
    arena_free(checking.arena);
}

static void one_producer_falls_silent(void **state)
{
    (void)state;
    struct demo_stamp stamp = make_stamp();
    struct checking checking = { .arena = arena_new(65536, 0) };
    for (int64_t hour = stamp.start_hour - 48; hour < stamp.start_hour + 48; hour++)
        assert_ok(demo_stamp_report(&stamp, hour, true, check_record, &checking));
    int64_t silent_ns = hour_start_ns(stamp.start_hour) - checking.last_event_hub_ns;
    assert_int_in_range(silent_ns / NS_PER_HOUR, DEMO_SILENT_HOURS, DEMO_SILENT_HOURS + 2);
    arena_free(checking.arena);
}

static err_t refuse(void *context, const struct demo_report *report)
{
    (void)report;
    (*(int *)context)++;
    return ERROR_CANCELLED;
}

static void a_sink_can_end_it(void **state)
{
    (void)state;
    struct demo_stamp stamp = make_stamp();
    int calls = 0;
    assert_error(demo_stamp_report(&stamp, stamp.start_hour, false, refuse, &calls), ERROR_CANCELLED);
    assert_int_equal(calls, 1);
}

static void tenants_are_of_every_kind(void **state)
{
    (void)state;
    size_t count_all, states[3] = { 0 }, mapped = 0, provided = 0;
    const struct demo_tenant *tenants = demo_tenants(&count_all);
    for (size_t i = 0; i < count_all; i++) {
        struct guid guid;
        assert_true(guid_parse(text_of(tenants[i].subscription), &guid));
        assert_true(guid_parse(text_of(tenants[i].tenant), &guid));
        states[tenants[i].state]++;
        mapped += tenants[i].mapped;
        provided += tenants[i].provider != NULL;
    }
    assert_true(count_all >= 8);
    assert_true(states[SUBSCRIPTION_ENABLED] >= 5 && states[SUBSCRIPTION_DELETED] == 1 &&
                states[SUBSCRIPTION_UNKNOWN] == 1);
    assert_true(mapped >= 3 && mapped < count_all && provided == 1);
}

TESTS(cmocka_unit_test(is_the_same_twice), cmocka_unit_test(reports_what_a_stamp_does),
      cmocka_unit_test(has_no_id_twice), cmocka_unit_test(reports_records_that_the_server_takes),
      cmocka_unit_test(one_producer_falls_silent), cmocka_unit_test(a_sink_can_end_it),
      cmocka_unit_test(tenants_are_of_every_kind))
