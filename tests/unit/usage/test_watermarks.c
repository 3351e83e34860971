/* How far producers have come: states of hours, cadence, windows, and that complete is for good. */
#include "support/watermark_fixture.h"

#include "store/write.h"
#include "usage/watermark_internal.h"

#define COMPUTE "Microsoft.Compute"
#define STORAGE "Microsoft.Storage"

static void assert_same(const struct watermark *a, const struct watermark *b)
{
    uint8_t left[WATERMARK_VALUE_SIZE], right[WATERMARK_VALUE_SIZE];
    watermark_encode(a, left);
    watermark_encode(b, right);
    assert_memory_equal(left, right, sizeof left);
}

/* --- states --- */

static void promise_6_an_hour_without_a_word_is_silent_not_zero(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 8);
    go(f, 9, 35);
    assert_states(f, COMPUTE, 0, "cccccccooo-"); /* hour 8 is due at 9:36 */
    go(f, 9, 36);
    assert_states(f, COMPUTE, 0, "cccccccoso-");
    report(f, COMPUTE, 8); /* late, but there */
    assert_states(f, COMPUTE, 0, "ccccccccoo-");
    declare_complete(f, COMPUTE, 9); /* and nothing more to come */
    assert_states(f, COMPUTE, 0, "ccccccccco-");
}

static void producer_down_for_three_hours_is_unknown_not_zero(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 10);
    go(f, 13, 45);
    assert_states(f, COMPUTE, 0, "cccccccccossso--");
    go(f, 14, 6);
    report(f, COMPUTE, 13); /* it is back, what it missed stays unknown */
    assert_states(f, COMPUTE, 0, "ccccccccccsssoo-");
    report(f, COMPUTE, 11); /* until it comes after all */
    assert_states(f, COMPUTE, 0, "ccccccccccscsoo-");
    declare_complete(f, COMPUTE, 14); /* or the producer says that there was nothing */
    assert_states(f, COMPUTE, 0, "cccccccccccccco-");
    struct watermark watermark = watermark_of(f, "producer", COMPUTE);
    assert_int_equal(watermark.records, 12);
}

static void declared_without_records_is_a_true_zero(void **state)
{
    struct usage_fixture *f = *state;
    go(f, 5, 1);
    declare_complete(f, COMPUTE, 5);
    assert_states(f, COMPUTE, 0, "----co-");
    declare_complete(f, COMPUTE, 3); /* takes nothing back */
    assert_states(f, COMPUTE, 0, "----co-");
    assert_int_equal(watermark_of(f, "producer", COMPUTE).records, 0);
    assert_int_equal(watermark_of(f, "producer", COMPUTE).last_reported_ns, INT64_MIN);
    go(f, 30, 0);
    report(f, COMPUTE, 2); /* usage of before comes late: what was declared stands */
    assert_states(f, COMPUTE, 0, "--ccco");
}

static void a_backfill_in_reverse_order_completes_all_but_the_last(void **state)
{
    struct usage_fixture *f = *state;
    go(f, 24, 10);
    for (int hour = 23; hour >= 0; hour--)
        report(f, COMPUTE, hour);
    assert_states(f, COMPUTE, 0, "cccccccccccccccccccccccoo");
    struct watermark watermark = watermark_of(f, "producer", COMPUTE);
    assert_int_equal(watermark_cadence_hours(&watermark), 0); /* it taught nothing */
    assert_int_equal(watermark.first_hour, hour_number(0));
}

static void holes_between_hours_are_silent_once_due(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 5);
    go(f, 7, 6);
    report(f, COMPUTE, 6); /* before hour 5, which another connection may be about to bring */
    assert_states(f, COMPUTE, 0, "cccccsoo-");
    go(f, 8, 6);
    report(f, COMPUTE, 5);
    assert_states(f, COMPUTE, 0, "ccccccooo-");
}

static void a_hole_is_not_silent_before_it_is_due(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 5);
    go(f, 6, 2); /* usage may end five minutes ahead */
    report(f, COMPUTE, 4);
    declare_complete(f, COMPUTE, 5);
    go(f, 6, 58);
    struct record_limits limits = usage_limits(f);
    struct ingest_batch *batch = reporter_batch(f, "producer", &limits);
    reporter_add(f, batch, COMPUTE, 6, 1, NULL);
    reporter_submit(f, batch);
    assert_states(f, COMPUTE, 0, "cccccso-"); /* hour 5 was due at 6:36; hour 6 runs still */
}

static void an_hour_that_has_not_ended_is_never_complete(void **state)
{
    struct usage_fixture *f = *state;
    go(f, 2, 58);
    report(f, COMPUTE, 2);
    declare_complete(f, COMPUTE, 3);
    assert_states(f, COMPUTE, 2, "o-");
    go(f, 3, 0);
    assert_states(f, COMPUTE, 2, "co");
}

static void a_long_record_covers_all_its_hours(void **state)
{
    struct usage_fixture *f = *state;
    go(f, 24, 10);
    report_span(f, "producer", COMPUTE, 0, 24);
    report_span(f, "producer", COMPUTE, 0, 24);                 /* another resource */
    assert_states(f, COMPUTE, 0, "ooooooooooooooooooooooooo-"); /* more records of the day may follow */
    go(f, 48, 10);
    report_span(f, "producer", COMPUTE, 24, 24);
    assert_states(f, COMPUTE, 0, "ccccccccccccccccccccccccoooooooooooooooooooooooo");
    assert_states(f, COMPUTE, 20, "ccccoooo"); /* read from the middle */
    assert_int_equal(watermark_of(f, "producer", COMPUTE).last_hour, hour_number(47));
}

static void producers_and_sources_are_kept_apart(void **state)
{
    struct usage_fixture *f = *state;
    go(f, 3, 0);
    report(f, COMPUTE, 0);
    report(f, STORAGE, 1);
    report_span(f, "other", COMPUTE, 2, 1);
    assert_states(f, COMPUTE, 0, "oooo");
    assert_states(f, STORAGE, 0, "-ooo");
    assert_int_equal(watermark_of(f, "other", COMPUTE).first_hour, hour_number(2));
}

/* --- what counts --- */

static void a_batch_counts_each_hour_of_each_source(void **state)
{
    struct usage_fixture *f = *state;
    enum { SOURCES = 11, HOURS = 90, RECORDS = 3000 };
    uint32_t counts[SOURCES][HOURS] = { { 0 } };
    struct prng prng = test_prng("usage/watermarks");
    go(f, HOURS, 30);
    for (int round = 0; round < 2; round++) {
        struct record_limits limits = usage_limits(f);
        struct ingest_batch *batch = reporter_batch(f, "producer", &limits);
        for (int i = 0; i < RECORDS / 2; i++) {
            unsigned source = (unsigned)(prng_below(&prng, SOURCES)), hour = (unsigned)(prng_below(&prng, HOURS));
            char name[32];
            (void)snprintf(name, sizeof name, "source-%u", source);
            reporter_add(f, batch, name, (int)hour, 1, NULL);
            counts[source][hour]++;
        }
        reporter_submit(f, batch);
    }
    for (unsigned source = 0; source < SOURCES; source++) {
        char name[32];
        (void)snprintf(name, sizeof name, "source-%u", source);
        struct watermark watermark = watermark_of(f, "producer", name);
        struct kv_txn *txn = store_fixture_read(&f->base);
        struct watermark_hours hours;
        struct watermark_hour hour;
        uint64_t total = 0;
        assert_ok(watermark_hours_open(txn, &watermark, hour_number(0), store_now_ns(f->base.store), &hours));
        for (int h = 0; h < HOURS; h++) {
            assert_ok(watermark_hours_get(&hours, hour_number(h), &hour));
            assert_int_equal(hour.records, counts[source][h]);
            total += hour.records;
        }
        watermark_hours_close(&hours);
        store_read_end(txn);
        assert_int_equal(watermark.records, total);
    }
}

static void duplicates_and_rejected_records_say_nothing(void **state)
{
    struct usage_fixture *f = *state;
    struct post post = post_good();
    usage_post_accepted(f, &post);
    struct watermark before = watermark_of(f, "producer", COMPUTE);
    clock_manual_advance(&f->base.clock, NS_PER_HOUR);
    assert_verdict(usage_post(f, &post), VERDICT_DUPLICATE);
    post.quantity = "\"5\"";
    assert_verdict(usage_post(f, &post), VERDICT_CONFLICT);
    struct watermark after = watermark_of(f, "producer", COMPUTE);
    assert_int_equal(after.records, 1);
    assert_int_equal(after.last_reported_ns, before.last_reported_ns);
}

static void report_history(struct usage_fixture *f, bool teaches, int from, int to)
{
    struct record_limits limits = usage_history_limits(f);
    struct ingest_batch *batch = reporter_batch(f, "producer", &limits);
    batch->teaches_watermarks = teaches;
    for (int hour = from; hour < to; hour++) {
        char reported[INSTANT_TEXT_SIZE];
        instant_print(hour_ns(hour + 1, 6), reported);
        reporter_add(f, batch, COMPUTE, hour, 1, reported);
        reporter_add(f, batch, COMPUTE, hour, 1, reported);
    }
    reporter_submit(f, batch);
}

static void imported_history_expects_nobody(void **state)
{
    struct usage_fixture *f = *state;
    go(f, 30, 0);
    report_history(f, false, 0, 20);
    struct kv_txn *txn = store_fixture_read(&f->base);
    struct watermark watermark;
    assert_error(watermark_at_or_after(txn, 0, 0, &watermark), ERROR_NOT_FOUND);
    store_read_end(txn);
}

static void history_in_a_producers_own_name_teaches(void **state)
{
    struct usage_fixture *f = *state;
    go(f, 22, 0);
    report_history(f, true, 0, 20); /* one batch, twenty reports */
    struct watermark watermark = watermark_of(f, "producer", COMPUTE);
    assert_int_equal(watermark_cadence_hours(&watermark), 1);
    assert_int_equal(watermark_due_ns(&watermark, hour_number(20)), hour_ns(21, 36));
    assert_int_equal(watermark.records, 40);
    assert_states(f, COMPUTE, 0, "cccccccccccccccccccosoo");
}

/* --- cadence --- */

static void the_cadence_is_learnt_from_what_reports_add(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int steps[24];    /* how far each report comes beyond the one before; 0: end */
        uint32_t cadence; /* learnt */
    } cases[] = {
        { "nothing", { 0 }, 0 },
        { "one report more says too little", { 1 }, 0 },
        { "two", { 1, 1 }, 0 },
        { "hourly", { 1, 1, 1 }, 1 },
        { "hourly with one pause", { 1, 1, 1, 5, 1, 1 }, 1 },
        { "hourly with an outage that was posted in one", { 1, 1, 1, 1, 40, 1, 1, 1 }, 1 },
        { "daily", { 24, 24, 24 }, 24 },
        { "daily, a day forgotten", { 24, 24, 48, 24 }, 24 },
        { "every six hours", { 6, 6, 6, 6 }, 6 },
        { "from hourly to daily", { 1, 1, 1, 1, 1, 1, 1, 1, 24, 24, 24, 24, 24 }, 24 },
        { "from daily to hourly", { 24, 24, 24, 24, 24, 24, 24, 24, 1, 1, 1, 1, 1 }, 1 },
        { "pauses of more than a month are none", { 1, 1, 1, 1000, 1000, 1000, 1000 }, 1 },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct usage_fixture fixture, *f = &fixture;
        usage_fixture_make(f);
        f->limits = usage_limits(f);
        int hour = 0;
        go(f, 1, 6);
        report(f, COMPUTE, 0);
        for (size_t step = 0; step < COUNT_OF(cases[i].steps) && cases[i].steps[step] != 0; step++) {
            hour += cases[i].steps[step];
            go(f, hour + 1, 6);
            report(f, COMPUTE, hour);
            report(f, COMPUTE, hour);                    /* another post of the same hour */
            report(f, COMPUTE, hour > 1 ? hour - 1 : 0); /* and something late */
        }
        struct watermark watermark = watermark_of(f, "producer", COMPUTE);
        if (watermark_learnt_cadence_hours(&watermark) != cases[i].cadence)
            fail_msg("%s: %u", cases[i].what, watermark_learnt_cadence_hours(&watermark));
        usage_fixture_free(f);
    }
}

static void a_set_cadence_goes_before_the_learnt_one(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 6);
    set_cadence(f, COMPUTE, 12);
    struct watermark watermark = watermark_of(f, "producer", COMPUTE);
    assert_int_equal(watermark_cadence_hours(&watermark), 12);
    assert_int_equal(watermark_learnt_cadence_hours(&watermark), 1);
    /* Hours 6 to 17 are one report: its end, the usual delay, half a cadence (at most six hours). */
    assert_int_equal(watermark_due_ns(&watermark, hour_number(6)), hour_ns(18 + 6, 6));
    assert_int_equal(watermark_due_ns(&watermark, hour_number(17)), hour_ns(18 + 6, 6));
    assert_int_equal(watermark_due_ns(&watermark, hour_number(18)), hour_ns(30 + 6, 6));
    set_cadence(f, COMPUTE, 0);
    watermark = watermark_of(f, "producer", COMPUTE);
    assert_int_equal(watermark_cadence_hours(&watermark), 1);
}

static void producers_that_report_late_are_due_later(void **state)
{
    struct usage_fixture *f = *state;
    for (int hour = 0; hour < 10; hour++) {
        go(f, hour + 4, 20); /* always three hours behind */
        report(f, COMPUTE, hour);
    }
    struct watermark watermark = watermark_of(f, "producer", COMPUTE);
    assert_int_equal(watermark_due_ns(&watermark, hour_number(10)), hour_ns(14, 50));
    assert_states(f, COMPUTE, 8, "cooooo-");
}

static void a_report_within_the_cadence_covers_what_lies_between(void **state)
{
    struct usage_fixture *f = *state;
    for (int day = 0; day < 6; day++) {
        go(f, day * 24 + 1, 6);
        report(f, COMPUTE, day * 24); /* one hour says all of a day */
    }
    struct watermark watermark = watermark_of(f, "producer", COMPUTE);
    assert_int_equal(watermark_cadence_hours(&watermark), 24);
    assert_states(f, COMPUTE, 48, "cssssssssssssssssssssssscccccccccccccccccccccccccc"); /* learnt with the fourth */
    go(f, 150, 0);
    report(f, COMPUTE, 100); /* late usage between does not tear it open */
    assert_states(f, COMPUTE, 96, "cccccccccccccccccccccccco");
    go(f, 8 * 24 + 1, 6);
    report(f, COMPUTE, 8 * 24); /* two days missed */
    assert_states(f, COMPUTE, 118, "cccssssss");
}

/* --- windows --- */

struct runs {
    char text[256];
};

static bool add_run(void *context, const struct watermark *watermark, uint32_t first, uint32_t end)
{
    struct runs *runs = context;
    size_t length = strlen(runs->text);
    (void)snprintf(runs->text + length, sizeof runs->text - length, " %u:%d-%d", watermark->source,
                   (int)(first - hour_number(0)), (int)(end - hour_number(0)));
    return true;
}

static int window(struct usage_fixture *f, int from, int to, const char *source, const char *expected_runs)
{
    struct runs runs = { "" };
    struct watermark_window window = {
        .first_hour = hour_number(from),
        .end_hour = hour_number(to),
        .only_source = source != NULL ? dictionary_id(f, DICTIONARY_SOURCE, source) : 0,
        .now_ns = store_now_ns(f->base.store),
        .silent = add_run,
        .context = &runs,
    };
    uint32_t complete;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(watermarks_window(txn, &window, &complete));
    store_read_end(txn);
    assert_string_equal(runs.text, expected_runs);
    return (int)(complete - hour_number(0));
}

static void a_window_is_complete_when_every_producer_is(void **state)
{
    struct usage_fixture *f = *state;
    go(f, 0, 30);
    assert_int_equal(window(f, -5, 3, NULL, ""), 0); /* nobody is expected: up to the hour that runs */
    for (int hour = 0; hour < 6; hour++) {
        report_hourly(f, COMPUTE, hour, hour + 1);
        report_hourly(f, STORAGE, hour, hour + 1);
    }
    assert_int_equal(window(f, 0, 4, NULL, ""), 4);
    assert_int_equal(window(f, 0, 24, NULL, ""), 5);
    report_hourly(f, COMPUTE, 6, 10);
    go(f, 10, 10);
    assert_int_equal(window(f, 0, 24, NULL, " 2:6-9"), 5); /* storage is silent */
    assert_int_equal(window(f, 0, 24, COMPUTE, ""), 9);
    assert_int_equal(window(f, 7, 8, NULL, " 2:7-8"), 7);
    report(f, STORAGE, 9);
    assert_int_equal(window(f, 0, 24, NULL, " 2:6-9"), 6);
    assert_int_equal(window(f, 0, 6, NULL, ""), 6);  /* holes are no concern of those who ask about before ... */
    assert_int_equal(window(f, 9, 24, NULL, ""), 9); /* ... or after */
    set_retired(f, STORAGE, true);
    assert_int_equal(window(f, 0, 24, NULL, ""), 9);
}

/* --- leaving, coming back, forgetting --- */

static void a_retired_producer_is_not_expected_until_it_reports_again(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 6);
    go(f, 12, 0);
    set_retired(f, COMPUTE, true);
    assert_states(f, COMPUTE, 0, "ccccco-------");
    report(f, COMPUTE, 3); /* a straggler */
    assert_states(f, COMPUTE, 0, "ccccco-------");
    go(f, 14, 0);
    report(f, COMPUTE, 12);
    assert_states(f, COMPUTE, 0, "ccccccssssssooo-");
    assert_false(watermark_of(f, "producer", COMPUTE).retired);
}

static err_t run_drop(struct store_write *write, struct store_job *job)
{
    (void)job;
    bool left = true;
    size_t calls = 0;
    uint64_t position = 0;
    while (left) {
        err_t error = watermarks_drop(write_txn(write), hour_ns(30, 0), 5, &position, &left);
        if (error != ERROR_OK)
            return error;
        calls++;
    }
    return calls > 1 ? ERROR_OK : ERROR_INTERNAL;
}

static void dropped_hours_are_complete_and_not_listed(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 40);
    go(f, 48, 0);
    report_span(f, "producer", STORAGE, 0, 10);
    report_span(f, "producer", STORAGE, 20, 24);
    struct store_job job = { .run = run_drop, .weight = 1 };
    assert_ok(store_run(f->base.store, &job));
    assert_states(f, COMPUTE, 26, "----cccccccccossssssso");
    assert_states(f, STORAGE, 26, "----oooooooooooooo");
    assert_int_equal(window(f, 0, 30, COMPUTE, ""), 30);
    report(f, COMPUTE, 4); /* too old to be kept apart; it counts all the same */
    assert_states(f, COMPUTE, 0, "------");
    assert_int_equal(watermark_of(f, "producer", COMPUTE).records, 41);
}

static void nothing_is_forgotten_over_a_restart(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 10);
    go(f, 20, 0);
    report(f, COMPUTE, 15);
    declare_complete(f, COMPUTE, 4);
    set_cadence(f, COMPUTE, 2);
    struct watermark before = watermark_of(f, "producer", COMPUTE);
    char states_before[32], states_after[32];
    read_states(f, COMPUTE, 0, 24, states_before);
    store_fixture_reopen(&f->base);
    struct watermark after = watermark_of(f, "producer", COMPUTE);
    read_states(f, COMPUTE, 0, 24, states_after);
    assert_same(&before, &after);
    assert_string_equal(states_before, states_after);
}

static void a_batch_that_cannot_be_stored_says_nothing(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 3);
    struct record_limits limits = usage_limits(f);
    struct watermark before = watermark_of(f, "producer", COMPUTE);
    for (uint64_t nth = 1; nth < 12; nth++) {
        struct ingest_batch *batch = reporter_batch(f, "producer", &limits);
        reporter_add(f, batch, COMPUTE, 2, 1, NULL);
        store_fail_write(f->base.store, nth, ERROR_INSUFFICIENT_STORAGE);
        err_t error = ingest_submit(batch, f->base.store, NULL);
        store_fail_write(f->base.store, 0, ERROR_OK);
        if (error == ERROR_OK)
            break;
        struct watermark after = watermark_of(f, "producer", COMPUTE);
        assert_same(&before, &after);
    }
    report(f, COMPUTE, 2);
    assert_true(watermark_of(f, "producer", COMPUTE).records > before.records);
}

/* --- for good --- */

#define DAYS 6
#define HOURS_WATCHED (DAYS * 24)

static void random_step(struct usage_fixture *f, struct prng *prng, int *now_hour)
{
    const char *source = prng_below(prng, 2) == 0 ? COMPUTE : STORAGE;
    int hour = (int)prng_below(prng, (uint64_t)*now_hour);
    switch (prng_below(prng, 12)) {
    case 0:
    case 1:
    case 2:
        if (*now_hour < HOURS_WATCHED - 1)
            go(f, ++*now_hour, (int)(prng_below(prng, 60)));
        break;
    case 3:
        declare_complete(f, source, hour + 1);
        break;
    case 4:
        set_cadence(f, source, (uint32_t)(prng_below(prng, 30)));
        break;
    case 5:
        set_retired(f, source, prng_below(prng, 2) == 0);
        break;
    case 6:
        store_fixture_reopen(&f->base);
        break;
    case 7:
        report_span(f, "producer", source, hour, 1 + (int)prng_below(prng, (uint64_t)(*now_hour - hour)));
        break;
    case 8:
    case 9:
        report(f, source, hour);
        break;
    default:
        report(f, source, *now_hour - 1);
    }
}

static void a_complete_hour_is_complete_for_good(void **state)
{
    (void)state;
    struct prng prng = test_prng("usage/watermarks");
    for (int round = 0; round < (test_is_long() ? 100 : 4); round++) {
        struct usage_fixture fixture, *f = &fixture;
        char known[2][HOURS_WATCHED + 1], now[HOURS_WATCHED + 1];
        const char *const sources[] = { COMPUTE, STORAGE };
        int now_hour = 1;
        usage_fixture_make(f);
        go(f, 1, 10);
        for (size_t s = 0; s < 2; s++) {
            report(f, sources[s], 0);
            memset(known[s], '-', HOURS_WATCHED);
        }
        for (int step = 0; step < 250; step++) {
            random_step(f, &prng, &now_hour);
            for (size_t s = 0; s < 2; s++) {
                read_states(f, sources[s], 0, HOURS_WATCHED, now);
                for (int h = 0; h < HOURS_WATCHED; h++) {
                    if (known[s][h] == 'c' && now[h] != 'c' && now[h] != '-')
                        fail_msg("step %d: hour %d of %s was complete and is %c", step, h, sources[s], now[h]);
                    if (now[h] != '-')
                        known[s][h] = now[h];
                }
            }
        }
        usage_fixture_free(f);
    }
}

static void sources_beyond_the_bound_are_counted_but_not_watched(void **state)
{
    struct usage_fixture *f = *state;
    enum { SOURCES = WATERMARK_PAIRS_MAX + 100, BATCH = 500 };
    char name[32];
    go(f, 2, 30);
    for (int first = 0; first < SOURCES; first += BATCH) {
        struct record_limits limits = usage_limits(f);
        struct ingest_batch *batch = reporter_batch(f, "gateway", &limits);
        for (int i = first; i < first + BATCH && i < SOURCES; i++) {
            (void)snprintf(name, sizeof name, "source-%d", i);
            reporter_add(f, batch, name, 1, 1, NULL);
        }
        reporter_submit(f, batch);
    }
    struct kv_txn *txn = store_fixture_read(&f->base);
    uint64_t count;
    struct store_state now;
    assert_ok(kv_count(txn, KV_WATERMARKS, &count));
    assert_ok(store_read_state(txn, &now));
    store_read_end(txn);
    assert_uint_in_range(count, WATERMARK_PAIRS_MAX, WATERMARK_PAIRS_MAX + WATERMARK_PAIR_SLOTS);
    assert_int_equal(now.records, SOURCES);
}

TESTS(WITH_USAGE(sources_beyond_the_bound_are_counted_but_not_watched),
      WITH_USAGE(promise_6_an_hour_without_a_word_is_silent_not_zero),
      WITH_USAGE(producer_down_for_three_hours_is_unknown_not_zero),
      WITH_USAGE(declared_without_records_is_a_true_zero),
      WITH_USAGE(a_backfill_in_reverse_order_completes_all_but_the_last),
      WITH_USAGE(holes_between_hours_are_silent_once_due), WITH_USAGE(a_hole_is_not_silent_before_it_is_due),
      WITH_USAGE(an_hour_that_has_not_ended_is_never_complete), WITH_USAGE(a_long_record_covers_all_its_hours),
      WITH_USAGE(producers_and_sources_are_kept_apart), WITH_USAGE(a_batch_counts_each_hour_of_each_source),
      WITH_USAGE(duplicates_and_rejected_records_say_nothing), WITH_USAGE(imported_history_expects_nobody),
      WITH_USAGE(history_in_a_producers_own_name_teaches),
      cmocka_unit_test(the_cadence_is_learnt_from_what_reports_add),
      WITH_USAGE(a_set_cadence_goes_before_the_learnt_one), WITH_USAGE(producers_that_report_late_are_due_later),
      WITH_USAGE(a_report_within_the_cadence_covers_what_lies_between),
      WITH_USAGE(a_window_is_complete_when_every_producer_is),
      WITH_USAGE(a_retired_producer_is_not_expected_until_it_reports_again),
      WITH_USAGE(dropped_hours_are_complete_and_not_listed), WITH_USAGE(nothing_is_forgotten_over_a_restart),
      WITH_USAGE(a_batch_that_cannot_be_stored_says_nothing), cmocka_unit_test(a_complete_hour_is_complete_for_good))
