/* What is old enough goes, nothing inside the window ever does, also when a clock is wrong, and readers are told. */
#include "store/audit.h"
#include "store/forecast.h"
#include "store/journal.h"
#include "store/retention.h"
#include "store/write.h"
#include "support/correction_fixture.h"
#include "usage/rejects.h"

#define DAY_HOURS HOURS_PER_DAY
#define SLICES_MAX 10000

/* --- slices by hand, with seals as the test says --- */

struct slice_job {
    struct store_job job; /* first member */
    struct retention *retention;
    const struct rows_engine *rows;
    int64_t sealed_hour;
    bool left, pairs_gone;
};

static err_t run_slice(struct store_write *write, struct store_job *job)
{
    struct slice_job *slice = (struct slice_job *)job;
    return retention_slice(slice->retention, slice->rows, write_txn(write), slice->sealed_hour,
                           write_state(write).last_sequence, &slice->left, &slice->pairs_gone);
}

/* Runs slices until nothing is left to do; how many. */
static int retain(struct usage_fixture *f, struct retention *retention, int64_t sealed_hour)
{
    struct slice_job slice = { .job = { .run = run_slice, .weight = 1 },
                               .retention = retention,
                               .rows = store_rows(f->base.store),
                               .sealed_hour = sealed_hour };
    int slices = 0;
    do {
        assert_ok(store_run(f->base.store, &slice.job));
        assert_true(++slices < SLICES_MAX);
    } while (slice.left);
    return slices;
}

/* Time goes on hour by hour. */
static void go_on(struct usage_fixture *f, struct retention *retention, int64_t *sealed_hour, int hours)
{
    for (int i = 0; i < hours; i++)
        retain(f, retention, ++*sealed_hour);
}

static struct retention_state state_of(struct usage_fixture *f)
{
    struct retention_state state;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(retention_read(txn, &state));
    store_read_end(txn);
    return state;
}

static int64_t now_hour(void)
{
    return instant_hour(test_instant(FIXTURE_NOW));
}

static struct retention keeping(enum retention_class retention_class, int64_t days)
{
    struct retention retention;
    struct retention_policy policy = { .drop_rejects = rejects_drop };
    policy.keep_hours[retention_class] = days * DAY_HOURS;
    retention_init(&retention, &policy);
    return retention;
}

/* One record of quantity 1 for each of 'days' days that ended 'before' days ago, reported in the hour it ended. */
static void import_days(struct usage_fixture *f, int days)
{
    struct record_limits limits = usage_history_limits(f);
    int64_t today_ns = test_instant("2026-01-31T00:00:00Z");
    for (int day = days; day > 0; day--) {
        char id[32], start[INSTANT_TEXT_SIZE + 2], end[INSTANT_TEXT_SIZE + 2], reported[INSTANT_TEXT_SIZE + 2];
        char text[INSTANT_TEXT_SIZE];
        struct post post = post_good();
        snprintf(id, sizeof id, "\"day-%d\"", day);
        instant_print(today_ns - day * NS_PER_DAY, text);
        snprintf(start, sizeof start, "\"%s\"", text);
        instant_print(today_ns - day * NS_PER_DAY + NS_PER_HOUR, text);
        snprintf(end, sizeof end, "\"%s\"", text);
        instant_print(today_ns - day * NS_PER_DAY + NS_PER_HOUR + NS_PER_MINUTE, text);
        snprintf(reported, sizeof reported, "\"%s\"", text);
        post.id = id;
        post.start = start;
        post.end = end;
        post.reported = reported;
        post.quantity = "1";
        assert_verdict(usage_post_with(f, &limits, &post), VERDICT_ACCEPTED);
    }
}

static uint32_t rows_of(struct usage_fixture *f, enum row_family family, uint32_t *first_bucket)
{
    static const uint8_t from[ROW_KEY_SIZE];
    struct kv_txn *txn = store_fixture_read(&f->base);
    const struct rows_engine *rows = store_rows(f->base.store);
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    uint32_t count = 0;
    *first_bucket = 0;
    assert_ok(rows->open(txn, family, from, false, &cursor));
    while (rows->next(cursor, &key, &value) == ERROR_OK)
        if (count++ == 0)
            *first_bucket = get_u32be(key);
    rows->close(cursor);
    store_read_end(txn);
    return count;
}

/* Lets retention come to trust the clock at that hour. */
static void trust(struct usage_fixture *f, struct retention *retention, int64_t hour)
{
    int64_t sealed = hour - RETENTION_TRUST_HOURS;
    retain(f, retention, sealed);
    go_on(f, retention, &sealed, RETENTION_TRUST_HOURS);
}

static void only_what_is_older_than_the_window_goes(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 400);
    uint32_t first;
    import_days(f, 500);
    trust(f, &retention, now_hour());
    uint32_t cut = (uint32_t)(now_hour() - 400 * DAY_HOURS);
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 399);
    assert_true(first >= cut);
    assert_int_equal(state_of(f).hourly_end, cut);
    /* Days are kept, sums and all. */
    assert_int_equal(rows_of(f, ROWS_DAILY, &first), 500);
    assert_int_equal(state_of(f).daily_end, 0);
}

static void a_window_that_is_not_kept_is_refused_and_not_answered_with_less(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 400);
    struct error_info info;
    import_days(f, 420);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(retention_check_window(txn, false, 0, "reportedStartTime", &info));
    store_read_end(txn);
    trust(f, &retention, now_hour());
    int64_t cut_ns = hour_start_ns(now_hour() - 400 * DAY_HOURS);
    txn = store_fixture_read(&f->base);
    assert_ok(retention_check_window(txn, false, cut_ns, "reportedStartTime", &info));
    assert_error(retention_check_window(txn, false, cut_ns - NS_PER_HOUR, "reportedStartTime", &info),
                 ERROR_USAGE_NOT_KEPT);
    assert_string_equal(info.target, "reportedStartTime");
    assert_non_null(strstr(info.message, "ask for Daily"));
    assert_ok(retention_check_window(txn, true, 0, "reportedStartTime", &info));
    store_read_end(txn);
}

static void a_store_without_anything_old_refuses_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 400);
    struct error_info info;
    import_days(f, 30);
    trust(f, &retention, now_hour());
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(retention_check_window(txn, false, 0, "reportedStartTime", &info));
    store_read_end(txn);
}

static void days_and_their_rollup_go_together(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_DAILY, 10);
    uint32_t daily, rollup, hourly;
    import_days(f, 30);
    trust(f, &retention, now_hour());
    assert_int_equal(rows_of(f, ROWS_DAILY, &daily), 10);
    assert_int_equal(rows_of(f, ROWS_ROLLUP, &rollup), 10);
    assert_int_equal(daily, rollup);
    assert_int_equal(rows_of(f, ROWS_HOURLY, &hourly), 30);
}

/* --- wrong clocks --- */

static void a_clock_that_jumps_a_year_ahead_drops_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 60);
    uint32_t first;
    import_days(f, 50);
    trust(f, &retention, now_hour());
    int64_t sealed = now_hour() + 365 * DAY_HOURS;
    for (int i = 0; i < 10; i++)
        retain(f, &retention, sealed);
    go_on(f, &retention, &sealed, RETENTION_TRUST_HOURS - 1);
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 50);
    struct retention_state held = state_of(f);
    assert_true(retention_is_held(&retention.policy, &held));
    /* Not after a restart either, */
    struct retention again = keeping(RETENTION_HOURLY, 60);
    retain(f, &again, sealed);
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 50);
    /* but when time really went on from there. */
    go_on(f, &again, &sealed, 2);
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 0);
}

static void a_second_leap_begins_the_wait_anew(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 60);
    uint32_t first;
    import_days(f, 50);
    trust(f, &retention, now_hour());
    int64_t sealed = now_hour() + 365 * DAY_HOURS;
    retain(f, &retention, sealed);
    go_on(f, &retention, &sealed, RETENTION_TRUST_HOURS - 1);
    sealed += RETENTION_STEP_HOURS_MAX + 1;
    retain(f, &retention, sealed);
    go_on(f, &retention, &sealed, 10);
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 50);
}

static void a_long_weekend_is_no_leap(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 20);
    uint32_t first;
    import_days(f, 30);
    trust(f, &retention, now_hour());
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 19); /* reported at 01:01, it is 12:30 */
    retain(f, &retention, now_hour() + RETENTION_STEP_HOURS_MAX);
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 12);
}

static void a_store_met_for_the_first_time_is_watched_before_anything_goes(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 20);
    uint32_t first;
    import_days(f, 30);
    retain(f, &retention, now_hour());
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 30);
}

struct trust_job {
    struct store_job job;
    bool held;
};

static err_t run_trust(struct store_write *write, struct store_job *job)
{
    return retention_trust(write_txn(write), &((struct trust_job *)job)->held);
}

static void an_operators_word_ends_the_wait(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 20);
    struct trust_job word = { .job = { .run = run_trust, .weight = 1 } };
    uint32_t first;
    import_days(f, 30);
    retain(f, &retention, now_hour());
    assert_ok(store_run(f->base.store, &word.job));
    assert_true(word.held);
    retention = keeping(RETENTION_HOURLY, 20);
    retain(f, &retention, now_hour());
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 19); /* reported at 01:01, it is 12:30 */
    assert_ok(store_run(f->base.store, &word.job));
    assert_false(word.held);
}

/* --- the journal and what points into it --- */

static void the_journal_goes_and_rows_outlive_it(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_JOURNAL, 10);
    struct journal_entry entry;
    uint32_t first;
    uint64_t from, to;
    import_days(f, 30);
    trust(f, &retention, now_hour());
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 30);
    struct kv_txn *txn = store_fixture_read(&f->base);
    /* One commit, so one segment, for each day: 20 days and the part of the eleventh that is older. */
    assert_error(journal_get(txn, 1, &entry), ERROR_NOT_FOUND);
    assert_error(journal_get(txn, 20, &entry), ERROR_NOT_FOUND);
    assert_ok(journal_get(txn, 22, &entry));
    assert_ok(journal_get(txn, 30, &entry));
    int64_t hour = instant_hour(test_instant("2026-01-31T01:01:00Z"));
    assert_error(store_span(txn, (uint32_t)(hour - 30 * DAY_HOURS), &from, &to), ERROR_NOT_FOUND);
    assert_ok(store_span(txn, (uint32_t)(hour - DAY_HOURS), &from, &to));
    store_read_end(txn);
    assert_uint_in_range(state_of(f).journal_first, 21, 22);
    /* An identity outlives its record: posted again it is known. */
    struct record_limits limits = usage_history_limits(f);
    struct post post = post_good();
    post.id = "\"day-30\"";
    post.quantity = "2";
    post.start = "\"2026-01-01T00:00:00Z\"";
    post.end = "\"2026-01-01T01:00:00Z\"";
    post.reported = "\"2026-01-01T01:01:00Z\"";
    assert_verdict(usage_post_with(f, &limits, &post), VERDICT_CONFLICT);
}

/* A segment of history that the cut goes through stays whole, and what is known of its records stays, too. */
static void promise_4_a_void_is_not_counted_again_when_the_cut_goes_through_its_segment(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_JOURNAL, 10);
    struct record_limits limits = usage_history_limits(f);
    struct buffer body = { 0 };
    struct post old = post_good(), young = post_good();
    old.id = "\"old\"";
    old.quantity = young.quantity = "1";
    old.start = "\"2026-01-01T00:00:00Z\"";
    old.end = "\"2026-01-01T01:00:00Z\"";
    old.reported = "\"2026-01-01T01:01:00Z\"";
    young.id = "\"young\"";
    young.start = "\"2026-01-30T00:00:00Z\"";
    young.end = "\"2026-01-30T01:00:00Z\"";
    young.reported = "\"2026-01-30T01:01:00Z\"";
    post_write(&old, &body);
    buffer_append_char(&body, '\n');
    post_write(&young, &body);
    assert_int_equal(usage_ingest_with(f, &limits, INGEST_NDJSON, buffer_text(&body))->counts.accepted, 2);
    buffer_free(&body);
    assert_true(correct_well(f, "old", NULL)->changed);
    trust(f, &retention, now_hour());
    assert_int_equal(state_of(f).journal_first, 2);
    assert_false(correct_well(f, "old", NULL)->changed);
    assert_all_totals(f, "1", 2);
}

static void the_newest_segment_stays(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_JOURNAL, 1);
    struct journal_entry entry;
    import_days(f, 3);
    trust(f, &retention, now_hour() + 100 * DAY_HOURS);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_error(journal_get(txn, 2, &entry), ERROR_NOT_FOUND);
    assert_ok(journal_get(txn, 3, &entry));
    store_read_end(txn);
}

static void pairs_of_usage_and_reported_hours_go_with_the_last_of_their_rows(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 10);
    struct kv_stats stats;
    import_days(f, 30);
    trust(f, &retention, now_hour());
    assert_ok(store_stats(f->base.store, &stats));
    assert_int_equal(stats.entries[KV_USAGE_TIMES], 30);
    retention.policy.keep_hours[RETENTION_DAILY] = 20 * DAY_HOURS;
    int64_t sealed = now_hour();
    go_on(f, &retention, &sealed, 1);
    assert_ok(store_stats(f->base.store, &stats));
    assert_int_equal(stats.entries[KV_USAGE_TIMES], 19);
}

/* --- rejects and audit --- */

static void rejects_and_audit_have_ages_of_their_own(void **state)
{
    struct usage_fixture *f = *state;
    struct reject_totals totals;
    struct audit_entry *entries;
    size_t count;
    bool more;
    struct post post = post_good();
    post.quantity = "\"much\"";
    usage_post(f, &post);
    post.id = "\"other\"";
    usage_post(f, &post);
    struct reject_dismiss dismiss;
    reject_dismiss_init(&dismiss, 1);
    dismiss.by = TEXT("anna");
    assert_ok(store_run(f->base.store, &dismiss.job));
    struct retention retention = keeping(RETENTION_REJECTS, 90);
    retention.policy.keep_hours[RETENTION_AUDIT] = 400 * DAY_HOURS;
    trust(f, &retention, now_hour() + 90 * DAY_HOURS);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(reject_read_totals(txn, &totals, NULL));
    assert_int_equal(totals.states[REJECT_OPEN], 1);
    store_read_end(txn);
    trust(f, &retention, now_hour() + 91 * DAY_HOURS);
    txn = store_fixture_read(&f->base);
    assert_ok(reject_read_totals(txn, &totals, NULL));
    assert_int_equal(totals.states[REJECT_OPEN] + totals.states[REJECT_DISMISSED], 0);
    assert_ok(audit_list(txn, f->arena, 0, 10, &entries, &count, &more));
    assert_int_equal(count, 1);
    store_read_end(txn);
    trust(f, &retention, now_hour() + 401 * DAY_HOURS);
    txn = store_fixture_read(&f->base);
    assert_ok(audit_list(txn, f->arena, 0, 10, &entries, &count, &more));
    assert_int_equal(count, 0);
    store_read_end(txn);
}

/* --- bounds --- */

struct rows_job {
    struct store_job job;
    const struct rows_engine *rows;
    uint32_t count;
};

/* So many rows of one old hour. */
static err_t run_rows(struct store_write *write, struct store_job *job)
{
    const struct rows_job *rows = (const struct rows_job *)job;
    for (uint32_t i = 0; i < rows->count; i++) {
        uint8_t row[ROW_KEY_SIZE + ROW_SUM_SIZE];
        struct row_key key = { .bucket = 1000, .subscription = 1, .period = 1000, .meter = 1, .resource = i + 1 };
        struct row_sum sum = { .records = 1 };
        row_key_encode(&key, row);
        row_sum_encode(&sum, row + ROW_KEY_SIZE);
        err_t error = rows->rows->add(write_txn(write), ROWS_HOURLY, row, 1);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static void much_goes_in_many_slices(void **state)
{
    struct usage_fixture *f = *state;
    /* A store of its own: the other engine would not open this one. */
    store_fixture_free(&f->base);
    test_folder_make(&f->base.folder);
    f->base.options.rows = &rows_plain;
    store_fixture_open(&f->base);
    struct rows_job fill = { .job = { .run = run_rows, .weight = 1 }, .rows = &rows_plain };
    fill.count = 3 * RETENTION_SLICE_ROWS;
    assert_ok(store_run(f->base.store, &fill.job));
    struct retention retention = keeping(RETENTION_HOURLY, 10);
    trust(f, &retention, now_hour() - 1);
    uint32_t first;
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 0);
    assert_ok(store_run(f->base.store, &fill.job)); /* history that came later goes, too */
    assert_uint_in_range(retain(f, &retention, now_hour()), 3, 6);
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 0);
}

/* --- the writer at work --- */

static err_t run_nothing(struct store_write *write, struct store_job *job)
{
    (void)write;
    (void)job;
    return ERROR_OK;
}

static void wait_for_upkeep(struct usage_fixture *f)
{
    struct store_job nothing = { .run = run_nothing, .weight = 1 };
    for (int i = 0; i < 1000000 && store_counters(f->base.store).upkeep_left; i++)
        assert_ok(store_run(f->base.store, &nothing));
    assert_false(store_counters(f->base.store).upkeep_left);
}

static void the_writer_retains_while_the_clock_goes_on(void **state)
{
    struct usage_fixture *f = *state;
    struct error_info info;
    f->base.options.retention.keep_hours[RETENTION_HOURLY] = 5 * DAY_HOURS;
    store_fixture_reopen(&f->base);
    import_days(f, 20);
    struct post post = post_good();
    usage_post_accepted(f, &post);
    for (int hour = 0; hour < 5 * DAY_HOURS; hour++) {
        clock_manual_advance(&f->base.clock, NS_PER_HOUR);
        struct store_job nothing = { .run = run_nothing, .weight = 1 };
        assert_ok(store_run(f->base.store, &nothing));
        wait_for_upkeep(f);
        uint32_t first, rows = rows_of(f, ROWS_HOURLY, &first);
        int64_t sealed = store_fixture_state(&f->base).sealed_hour;
        assert_true(rows == 0 || first >= sealed - 5 * DAY_HOURS || hour < RETENTION_TRUST_HOURS + 1);
        assert_true(rows >= 1);
    }
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_error(retention_check_window(txn, false, 0, "from", &info), ERROR_USAGE_NOT_KEPT);
    store_read_end(txn);
    uint32_t first;
    assert_int_equal(rows_of(f, ROWS_HOURLY, &first), 1);
    assert_int_equal(rows_of(f, ROWS_DAILY, &first), 21);
}

/* --- the forecast --- */

static err_t run_sample(struct store_write *write, struct store_job *job)
{
    const struct slice_job *slice = (const struct slice_job *)job;
    return forecast_sample(write_txn(write), slice->rows, slice->sealed_hour);
}

static void sample(struct usage_fixture *f, int64_t hour)
{
    struct slice_job job = { .job = { .run = run_sample, .weight = 1 },
                             .rows = store_rows(f->base.store),
                             .sealed_hour = hour };
    assert_ok(store_run(f->base.store, &job.job));
}

static struct forecast forecast_of(struct usage_fixture *f, const struct retention_policy *policy)
{
    struct forecast forecast;
    struct kv_stats stats;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(store_stats(f->base.store, &stats));
    assert_ok(forecast_compute(txn, store_rows(f->base.store), &stats, policy, f->base.folder.path, &forecast));
    store_read_end(txn);
    return forecast;
}

static void growth_is_the_size_over_the_days_and_ends_when_as_much_goes_as_comes(void **state)
{
    struct usage_fixture *f = *state;
    struct retention retention = keeping(RETENTION_HOURLY, 100);
    import_days(f, 40);
    sample(f, now_hour());
    struct forecast forecast = forecast_of(f, &retention.policy);
    struct forecast_size *hourly = &forecast.parts[FORECAST_HOURLY], *daily = &forecast.parts[FORECAST_DAILY];
    assert_true(hourly->bytes > 0);
    assert_int_equal(hourly->bytes_per_day, hourly->bytes / 40);
    assert_int_equal(hourly->keep_days, 100);
    assert_int_equal(hourly->days_until_due, 60);
    assert_int_equal(hourly->bytes_then, hourly->bytes + 60 * hourly->bytes_per_day);
    assert_int_equal(daily->days_until_due, -1);
    assert_int_equal(daily->bytes_then, daily->bytes + FORECAST_DAYS * daily->bytes_per_day);
    assert_true(forecast.disk_free_bytes > 0);
}

static void growth_is_measured_between_samples_once_there_are_two(void **state)
{
    struct usage_fixture *f = *state;
    struct retention_policy keep_all = { .keep_hours = { 0 } };
    sample(f, now_hour());
    uint64_t before = forecast_of(f, &keep_all).parts[FORECAST_DAILY].bytes;
    import_days(f, 40);
    sample(f, now_hour()); /* the same day: not taken */
    sample(f, now_hour() + 5 * DAY_HOURS);
    struct forecast forecast = forecast_of(f, &keep_all);
    assert_int_equal(forecast.parts[FORECAST_DAILY].bytes_per_day, (forecast.parts[FORECAST_DAILY].bytes - before) / 5);
    for (int day = 6; day < 6 + 2 * FORECAST_SAMPLES; day++)
        sample(f, now_hour() + day * DAY_HOURS);
    assert_int_equal(forecast_of(f, &keep_all).parts[FORECAST_DAILY].bytes_per_day, 0);
}

TESTS(WITH_USAGE(growth_is_the_size_over_the_days_and_ends_when_as_much_goes_as_comes),
      WITH_USAGE(growth_is_measured_between_samples_once_there_are_two),
      WITH_USAGE(only_what_is_older_than_the_window_goes),
      WITH_USAGE(a_window_that_is_not_kept_is_refused_and_not_answered_with_less),
      WITH_USAGE(a_store_without_anything_old_refuses_nothing), WITH_USAGE(days_and_their_rollup_go_together),
      WITH_USAGE(a_clock_that_jumps_a_year_ahead_drops_nothing), WITH_USAGE(a_second_leap_begins_the_wait_anew),
      WITH_USAGE(a_long_weekend_is_no_leap), WITH_USAGE(a_store_met_for_the_first_time_is_watched_before_anything_goes),
      WITH_USAGE(an_operators_word_ends_the_wait), WITH_USAGE(the_journal_goes_and_rows_outlive_it),
      WITH_USAGE(promise_4_a_void_is_not_counted_again_when_the_cut_goes_through_its_segment),
      WITH_USAGE(the_newest_segment_stays),
      WITH_USAGE(pairs_of_usage_and_reported_hours_go_with_the_last_of_their_rows),
      WITH_USAGE(rejects_and_audit_have_ages_of_their_own), WITH_USAGE(much_goes_in_many_slices),
      WITH_USAGE(the_writer_retains_while_the_clock_goes_on))
