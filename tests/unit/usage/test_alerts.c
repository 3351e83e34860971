/* Alerts: one row per occurrence, and silence raising and resolving its own. */
#include "support/watermark_fixture.h"

#include "base/log.h"
#include "store/write.h"

#define COMPUTE "Microsoft.Compute"
#define STORAGE "Microsoft.Storage"
#define NO_WAIT INT64_MIN

/* --- raising, resolving, acknowledging --- */

struct change {
    struct store_job job;
    const char *kind, *subject, *text; /* text NULL: resolve */
};

static err_t run_change(struct store_write *write, struct store_job *job)
{
    struct change *change = (struct change *)job;
    return change->text != NULL
               ? alert_raise(write, text_of(change->kind), text_of(change->subject), text_of(change->text))
               : alert_resolve(write, text_of(change->kind), text_of(change->subject));
}

static void change_alert(struct usage_fixture *f, const char *kind, const char *subject, const char *text)
{
    struct change change = { { .run = run_change, .weight = 1 }, kind, subject, text };
    assert_ok(store_run(f->base.store, &change.job));
}

struct listed {
    struct usage_fixture *fixture;
    struct alert alerts[64];
    size_t count, max;
};

static bool take_alert(void *context, const struct alert *alert)
{
    struct listed *listed = context;
    struct alert *copy = &listed->alerts[listed->count++];
    *copy = *alert;
    copy->kind = usage_copy(listed->fixture, alert->kind);
    copy->subject = usage_copy(listed->fixture, alert->subject);
    copy->text = usage_copy(listed->fixture, alert->text);
    copy->acknowledged_by = usage_copy(listed->fixture, alert->acknowledged_by);
    return listed->count < listed->max;
}

static struct listed list_alerts(struct usage_fixture *f, uint64_t before_id, unsigned states, size_t max)
{
    struct listed listed = { .fixture = f, .max = max };
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(alerts_list(txn, before_id, states, take_alert, &listed));
    store_read_end(txn);
    return listed;
}

static struct alert only_alert(struct usage_fixture *f)
{
    struct listed listed = list_alerts(f, UINT64_MAX, ~0U, 64);
    assert_int_equal(listed.count, 1);
    return listed.alerts[0];
}

static struct alert_acknowledge acknowledge(struct usage_fixture *f, uint64_t id, const char *by)
{
    struct alert_acknowledge job;
    alert_acknowledge_init(&job, id, text_of(by));
    assert_ok(store_run(f->base.store, &job.job));
    return job;
}

static void raising_twice_is_one_alert(void **state)
{
    struct usage_fixture *f = *state;
    int64_t since_ns = store_now_ns(f->base.store);
    change_alert(f, "DiskNearlyFull", "/var", "91 % used");
    clock_manual_advance(&f->base.clock, NS_PER_MINUTE);
    change_alert(f, "DiskNearlyFull", "/var", "91 % used");
    assert_int_equal(only_alert(f).seen_ns, since_ns); /* written seldom */
    change_alert(f, "DiskNearlyFull", "/var", "92 % used");
    struct alert alert = only_alert(f);
    assert_text(alert.text, "92 % used");
    assert_int_equal(alert.since_ns, since_ns);
    assert_int_equal(alert.seen_ns, since_ns + NS_PER_MINUTE);
    clock_manual_advance(&f->base.clock, ALERT_SEEN_NS);
    change_alert(f, "DiskNearlyFull", "/var", "92 % used");
    assert_int_equal(only_alert(f).seen_ns, since_ns + NS_PER_MINUTE + ALERT_SEEN_NS);
    assert_int_equal(alert.state, ALERT_OPEN);
    assert_int_equal(alert.acknowledged_ns, INT64_MIN);
}

static void what_is_over_is_kept_and_may_come_again(void **state)
{
    struct usage_fixture *f = *state;
    change_alert(f, "SealLate", "hour", "late");
    change_alert(f, "SealLate", "hour", NULL);
    change_alert(f, "SealLate", "hour", NULL); /* nothing to resolve */
    change_alert(f, "SealLate", "hour", "late again");
    struct listed all = list_alerts(f, UINT64_MAX, ~0U, 64);
    assert_int_equal(all.count, 2);
    assert_int_equal(all.alerts[0].id, 2); /* newest first */
    assert_int_equal(all.alerts[0].state, ALERT_OPEN);
    assert_int_equal(all.alerts[1].state, ALERT_RESOLVED);
    assert_true(all.alerts[1].resolved_ns != INT64_MIN);
    assert_int_equal(list_alerts(f, UINT64_MAX, 1U << ALERT_RESOLVED, 64).alerts[0].id, 1);
    assert_int_equal(list_alerts(f, 2, ~0U, 64).count, 1);
    assert_int_equal(list_alerts(f, 1, ~0U, 64).count, 0);
}

static void acknowledging_names_the_first_who_did(void **state)
{
    struct usage_fixture *f = *state;
    change_alert(f, "SealLate", "hour", "late");
    assert_false(acknowledge(f, 1, "ann").missing);
    assert_false(acknowledge(f, 1, "bob").resolved);
    change_alert(f, "SealLate", "hour", "later still"); /* stays acknowledged */
    struct alert alert = only_alert(f);
    assert_int_equal(alert.state, ALERT_ACKNOWLEDGED);
    assert_text(alert.acknowledged_by, "ann");
    assert_text(alert.text, "later still");
    change_alert(f, "SealLate", "hour", NULL);
    assert_true(acknowledge(f, 1, "bob").resolved);
    assert_true(acknowledge(f, 7, "bob").missing);
}

static void kinds_and_subjects_are_kept_apart(void **state)
{
    struct usage_fixture *f = *state;
    change_alert(f, "A", "xy", "1");
    change_alert(f, "A", "x", "2");
    change_alert(f, "Ax", "y", "3");
    change_alert(f, "A", "x", NULL);
    struct alert_counts counts = count_alerts(f);
    assert_int_equal(counts.states[ALERT_OPEN], 2);
    assert_int_equal(counts.states[ALERT_RESOLVED], 1);
    assert_int_equal(counts.kind_count, 2);
}

static void long_texts_are_cut_between_characters(void **state)
{
    struct usage_fixture *f = *state;
    char subject[ALERT_SUBJECT_SIZE_MAX + 100], text[ALERT_TEXT_SIZE_MAX + 100];
    memset(subject, 'x', sizeof subject - 1);
    memset(text, 'x', sizeof text - 1);
    subject[sizeof subject - 1] = text[sizeof text - 1] = '\0';
    memcpy(text + ALERT_TEXT_SIZE_MAX - 1, "\xC3\xA4", 2);
    change_alert(f, "Long", subject, text);
    change_alert(f, "Long", subject, text);
    struct alert alert = only_alert(f);
    assert_int_equal(alert.subject.len, ALERT_SUBJECT_SIZE_MAX);
    assert_int_equal(alert.text.len, ALERT_TEXT_SIZE_MAX - 1);
    change_alert(f, "Long", subject, NULL);
    assert_int_equal(only_alert(f).state, ALERT_RESOLVED);
}

static err_t run_many(struct store_write *write, struct store_job *job)
{
    (void)job;
    for (unsigned i = 0; i < ALERTS_MAX + 500; i++) {
        char subject[32];
        (void)snprintf(subject, sizeof subject, "%u", i);
        err_t error = alert_raise(write, TEXT("Many"), text_of(subject), TEXT("text"));
        if (error == ERROR_OK && i % 10 != 0)
            error = alert_resolve(write, TEXT("Many"), text_of(subject));
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static void history_is_bounded_and_what_is_open_stays(void **state)
{
    struct usage_fixture *f = *state;
    const struct log_options quiet = { .level = LOG_ERROR, .fd = STDERR_FILENO };
    log_configure(&quiet);
    struct store_job job = { .run = run_many, .weight = 1 };
    assert_ok(store_run(f->base.store, &job));
    struct alert_counts counts = count_alerts(f);
    assert_int_equal(counts.states[ALERT_OPEN], (ALERTS_MAX + 500) / 10);
    assert_true(counts.states[ALERT_OPEN] * 2 + counts.states[ALERT_RESOLVED] <= ALERTS_MAX);
    assert_true(counts.states[ALERT_RESOLVED] > 0);
    struct listed newest = list_alerts(f, UINT64_MAX, ~0U, 1);
    assert_int_equal(newest.alerts[0].id, ALERTS_MAX + 500);
}

/* --- silence --- */

static void silence_raises_an_alert_and_usage_resolves_it(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 8);
    go(f, 9, 35);
    watch(f, NO_WAIT, 0, 0);
    go(f, 9, 36);
    watch(f, NO_WAIT, 1, 0);
    watch(f, NO_WAIT, 0, 0);
    struct alert alert = only_alert(f);
    assert_text(alert.kind, ALERT_PRODUCER_SILENT);
    assert_text(alert.subject, "producer/" COMPUTE);
    assert_text(alert.text,
                "no usage since 2026-01-30T08:00:00Z; expected every hour. Its usage from then on is unknown, "
                "not zero");
    go(f, 12, 10);
    report(f, COMPUTE, 8); /* something, but two more hours are overdue */
    assert_int_equal(only_alert(f).state, ALERT_OPEN);
    report(f, COMPUTE, 11);
    assert_int_equal(only_alert(f).state, ALERT_RESOLVED);
    assert_int_equal(only_alert(f).resolved_ns, hour_ns(12, 10));
    watch(f, NO_WAIT, 0, 0);
    go(f, 14, 0);
    watch(f, NO_WAIT, 1, 0);
    assert_int_equal(count_alerts(f).states[ALERT_OPEN], 1);
}

static void declaring_or_retiring_ends_silence(void **state)
{
    struct usage_fixture *f = *state;
    for (int hour = 0; hour < 8; hour++) {
        report_hourly(f, COMPUTE, hour, hour + 1);
        report_hourly(f, STORAGE, hour, hour + 1);
    }
    go(f, 20, 0);
    watch(f, NO_WAIT, 2, 0);
    declare_complete(f, COMPUTE, 20);
    assert_int_equal(count_alerts(f).states[ALERT_OPEN], 1);
    set_retired(f, STORAGE, true);
    assert_int_equal(count_alerts(f).states[ALERT_OPEN], 0);
    go(f, 60, 0);
    watch(f, NO_WAIT, 1, 0); /* who declares is alive; who is retired is not expected */
    set_cadence(f, COMPUTE, 48);
    assert_int_equal(count_alerts(f).states[ALERT_OPEN], 0);
}

static void a_producer_with_unknown_cadence_is_not_expected(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 3);
    go(f, 100, 0);
    watch(f, NO_WAIT, 0, 0);
    set_cadence(f, COMPUTE, 1);
    watch(f, NO_WAIT, 1, 0);
}

static void after_days_of_being_switched_off_producers_get_time_to_return(void **state)
{
    struct usage_fixture *f = *state;
    report_hourly(f, COMPUTE, 0, 8);
    store_fixture_reopen(&f->base);
    go(f, 80, 0);
    int64_t started_ns = store_now_ns(f->base.store);
    watch(f, started_ns, 0, 0);
    assert_states(f, COMPUTE, 6, "coss"); /* unknown all the same */
    go(f, 81, 29);
    watch(f, started_ns, 0, 0);
    go(f, 81, 30); /* a cadence and its slack later */
    watch(f, started_ns, 1, 0);
    store_fixture_reopen(&f->base);
    watch(f, store_now_ns(f->base.store), 0, 0); /* an alert outlives a restart */
    assert_int_equal(only_alert(f).state, ALERT_OPEN);
}

TESTS(WITH_USAGE(raising_twice_is_one_alert), WITH_USAGE(what_is_over_is_kept_and_may_come_again),
      WITH_USAGE(acknowledging_names_the_first_who_did), WITH_USAGE(kinds_and_subjects_are_kept_apart),
      WITH_USAGE(long_texts_are_cut_between_characters), WITH_USAGE(history_is_bounded_and_what_is_open_stays),
      WITH_USAGE(silence_raises_an_alert_and_usage_resolves_it), WITH_USAGE(declaring_or_retiring_ends_silence),
      WITH_USAGE(a_producer_with_unknown_cadence_is_not_expected),
      WITH_USAGE(after_days_of_being_switched_off_producers_get_time_to_return))
