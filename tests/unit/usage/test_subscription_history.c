/* Whose a subscription was, and when: what was recorded last holds from its hour on, and what was believed before stays
 * visible. */
#include "support/subscription_fixture.h"

#include "base/crypto.h"
#include "store/audit.h"
#include "usage/rebuild.h"

static unsigned tenant_at(struct usage_fixture *f, unsigned number, int64_t time_ns, int64_t known_ns)
{
    struct subscription_periods periods = periods_of(f, number, known_ns);
    return number_of(&subscription_period_at(&periods, time_ns)->tenant_id);
}

static enum subscription_state state_at(struct usage_fixture *f, unsigned number, int64_t time_ns)
{
    struct subscription_periods periods = periods_of(f, number, INT64_MAX);
    return subscription_period_at(&periods, time_ns)->state;
}

static struct subscription get(struct usage_fixture *f, unsigned number)
{
    struct subscription found;
    struct guid id = numbered(number);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(subscription_get(f->base.store, txn, f->arena, &id, &found));
    store_read_end(txn);
    return found;
}

static unsigned tenant_now(struct usage_fixture *f, unsigned number)
{
    struct subscription found = get(f, number);
    return number_of(&found.tenant_id);
}

static size_t changes_of(struct usage_fixture *f, unsigned number)
{
    size_t count;
    (void)history_of(f, number, &count);
    return count;
}

/* --- single steps --- */

static void the_first_description_holds_ever_since(void **state)
{
    struct usage_fixture *f = *state;
    size_t count;
    put_at(f, 1, 10, 0, NO_TIME);
    assert_int_equal(tenant_at(f, 1, INT64_MIN, INT64_MAX), 10);
    assert_int_equal(tenant_at(f, 1, INT64_MAX, INT64_MAX), 10);
    struct subscription_change *changes = history_of(f, 1, &count);
    assert_int_equal(count, 1);
    assert_int_equal(changes[0].number, 1);
    assert_true(changes[0].effective_ns == INT64_MIN);
    assert_true(changes[0].recorded_ns == now_of(f));
    assert_text(changes[0].by, "tester");
    assert_int_equal(periods_of(f, 1, INT64_MAX).count, 1);
}

static void a_first_description_with_a_time_leaves_it_unknown_before(void **state)
{
    struct usage_fixture *f = *state;
    int64_t start_ns = this_hour(f) - 48 * NS_PER_HOUR;
    put_at(f, 1, 10, 0, start_ns);
    assert_int_equal(state_at(f, 1, start_ns - 1), SUBSCRIPTION_UNKNOWN);
    assert_int_equal(tenant_at(f, 1, start_ns - 1, INT64_MAX), 0);
    assert_int_equal(state_at(f, 1, start_ns), SUBSCRIPTION_ENABLED);
    assert_int_equal(tenant_at(f, 1, start_ns, INT64_MAX), 10);
}

static void a_later_description_holds_from_this_hour_on(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 1, 10, 0, NO_TIME);
    clock_manual_advance(&f->base.clock, 5 * NS_PER_HOUR);
    struct subscription_put put = try_put(f, 1, 11, 0, NO_TIME);
    assert_false(put.created);
    assert_true(put.changed_owner);
    assert_int_equal(tenant_at(f, 1, this_hour(f) - 1, INT64_MAX), 10);
    assert_int_equal(tenant_at(f, 1, this_hour(f), INT64_MAX), 11);
    assert_int_equal(tenant_now(f, 1), 11);
    put_at(f, 1, 12, 0, NO_TIME); /* of one hour the last word counts */
    assert_int_equal(tenant_now(f, 1), 12);
    assert_int_equal(periods_of(f, 1, INT64_MAX).count, 2);
    assert_int_equal(changes_of(f, 1), 3);
}

static void what_was_known_before_a_change_stays_visible(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 1, 10, 0, NO_TIME);
    int64_t before_ns = now_of(f);
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    int64_t long_ago_ns = this_hour(f) - 100 * NS_PER_HOUR;
    put_at(f, 1, 11, 0, long_ago_ns);
    assert_int_equal(tenant_at(f, 1, long_ago_ns, INT64_MAX), 11);
    assert_int_equal(tenant_at(f, 1, long_ago_ns, before_ns), 10);
    assert_int_equal(tenant_at(f, 1, long_ago_ns - 1, INT64_MAX), 10);
    assert_int_equal(tenant_at(f, 1, long_ago_ns, before_ns - 1), 0);
}

static void what_is_scheduled_comes_into_force_by_itself(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 1, 10, 0, NO_TIME);
    int64_t later_ns = this_hour(f) + 10 * NS_PER_HOUR;
    struct subscription_put put = try_put(f, 1, 11, 0, later_ns);
    assert_int_equal(number_of(&put.now.tenant_id), 10); /* what is shown is what holds now */
    assert_int_equal(tenant_now(f, 1), 10);
    clock_manual_set_wall(&f->base.clock, later_ns);
    assert_int_equal(tenant_now(f, 1), 11);
}

static void a_new_name_changes_no_owner_and_undoes_no_schedule(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 1, 10, 0, NO_TIME);
    int64_t later_ns = this_hour(f) + 10 * NS_PER_HOUR;
    put_at(f, 1, 11, 0, later_ns);
    struct subscription_put again = try_put(f, 1, 10, 0, NO_TIME);
    assert_false(again.changed_owner);
    assert_int_equal(changes_of(f, 1), 2);
    assert_int_equal(tenant_at(f, 1, later_ns, INT64_MAX), 11);
    /* With a time it says what holds for good. */
    again = try_put(f, 1, 10, 0, this_hour(f));
    assert_true(again.changed_owner);
    assert_int_equal(tenant_at(f, 1, later_ns, INT64_MAX), 10);
    again = try_put(f, 1, 10, 0, this_hour(f) + NS_PER_HOUR);
    assert_false(again.changed_owner);
}

static void deleting_and_describing_again_are_changes(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 1, 10, 0, NO_TIME);
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    int64_t deleted_ns = now_of(f);
    delete_now(f, 1);
    delete_now(f, 1);
    assert_int_equal(changes_of(f, 1), 2);
    assert_int_equal(get(f, 1).state, SUBSCRIPTION_DELETED);
    assert_true(get(f, 1).deleted_ns == deleted_ns); /* to the moment, though it counts from the hour on */
    assert_int_equal(tenant_at(f, 1, now_of(f), INT64_MAX), 10);
    assert_int_equal(state_at(f, 1, deleted_ns - NS_PER_DAY), SUBSCRIPTION_ENABLED);
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    put_at(f, 1, 10, 0, NO_TIME);
    assert_int_equal(changes_of(f, 1), 3);
    assert_int_equal(get(f, 1).state, SUBSCRIPTION_ENABLED);
    assert_int_equal(state_at(f, 1, deleted_ns + NS_PER_HOUR), SUBSCRIPTION_DELETED);
}

static void deleting_undoes_what_was_scheduled(void **state)
{
    struct usage_fixture *f = *state;
    int64_t later_ns = this_hour(f) + 10 * NS_PER_HOUR;
    put_at(f, 1, 10, 0, NO_TIME);
    put_at(f, 1, 11, 0, later_ns);
    delete_now(f, 1);
    assert_int_equal(state_at(f, 1, later_ns), SUBSCRIPTION_DELETED);
    int64_t deleted_ns = get(f, 1).deleted_ns;
    put_at(f, 1, 11, 0, later_ns); /* to come back, but no */
    clock_manual_advance(&f->base.clock, NS_PER_HOUR);
    delete_now(f, 1);
    assert_int_equal(state_at(f, 1, later_ns), SUBSCRIPTION_DELETED);
    assert_true(get(f, 1).deleted_ns == deleted_ns);
}

static void a_correction_of_earlier_hours_keeps_a_later_deletion(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 1, 10, 0, NO_TIME);
    clock_manual_advance(&f->base.clock, 10 * NS_PER_DAY);
    int64_t deleted_ns = now_of(f), deleted_hour_ns = this_hour(f);
    delete_now(f, 1);
    clock_manual_advance(&f->base.clock, 5 * NS_PER_DAY);
    int64_t corrected_ns = deleted_hour_ns - 8 * NS_PER_DAY;
    struct subscription_put put = try_put(f, 1, 11, 0, corrected_ns);
    assert_ok(put.refusal);
    assert_true(put.changed_owner);
    assert_int_equal(put.now.state, SUBSCRIPTION_DELETED);
    assert_true(put.now.deleted_ns == deleted_ns);
    assert_int_equal(get(f, 1).state, SUBSCRIPTION_DELETED);
    assert_true(get(f, 1).deleted_ns == deleted_ns);
    assert_int_equal(tenant_at(f, 1, corrected_ns - 1, INT64_MAX), 10);
    assert_int_equal(tenant_at(f, 1, corrected_ns, INT64_MAX), 11);
    assert_int_equal(state_at(f, 1, deleted_hour_ns - 1), SUBSCRIPTION_ENABLED);
    assert_int_equal(state_at(f, 1, deleted_hour_ns), SUBSCRIPTION_DELETED);
    assert_int_equal(tenant_now(f, 1), 11);
    assert_int_equal(changes_of(f, 1), 4);
    /* The same again is no change, and those who go by the description know of the deletion, too. */
    put = try_put(f, 1, 11, 0, corrected_ns);
    assert_false(put.changed_owner);
    assert_int_equal(changes_of(f, 1), 4);
    struct subscription_deleted *deleted;
    size_t count;
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(subscription_list_deleted(txn, f->arena, 10, &deleted, &count));
    store_read_end(txn);
    assert_int_equal(count, 1);
    assert_true(deleted[0].deleted_ns == deleted_ns);
    /* From the hour of the deletion on it says that it is in use. */
    put_at(f, 1, 11, 0, deleted_hour_ns);
    assert_int_equal(get(f, 1).state, SUBSCRIPTION_ENABLED);
}

static void a_correction_keeps_a_deletion_that_was_taken_back_as_well(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 1, 10, 0, NO_TIME);
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    int64_t deleted_ns = this_hour(f), corrected_ns = deleted_ns - 3 * NS_PER_HOUR;
    delete_now(f, 1);
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    int64_t back_ns = this_hour(f);
    put_at(f, 1, 12, 0, NO_TIME);
    put_at(f, 1, 11, 0, corrected_ns);
    assert_int_equal(state_at(f, 1, deleted_ns - 1), SUBSCRIPTION_ENABLED);
    assert_int_equal(state_at(f, 1, back_ns - 1), SUBSCRIPTION_DELETED);
    assert_int_equal(state_at(f, 1, back_ns), SUBSCRIPTION_ENABLED);
    assert_int_equal(tenant_at(f, 1, back_ns, INT64_MAX), 11);
}

/* While it was in use, its provider must have been; what became of that one later is no hindrance. */
static void a_deleted_one_can_be_corrected_when_its_provider_is_gone_too(void **state)
{
    struct usage_fixture *f = *state;
    put_at(f, 2, 0, 0, NO_TIME);
    put_at(f, 1, 10, 2, NO_TIME);
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    int64_t corrected_ns = this_hour(f) - 5 * NS_PER_HOUR;
    delete_now(f, 1);
    clock_manual_advance(&f->base.clock, NS_PER_DAY);
    delete_now(f, 2);
    put_at(f, 1, 11, 2, corrected_ns);
    assert_int_equal(tenant_now(f, 1), 11);
    assert_int_equal(get(f, 1).state, SUBSCRIPTION_DELETED);
    assert_put_refused(f, 1, 2, this_hour(f), "2");
}

/* Stores of schema 2 know no changes: what they say holds for ever, and the first change keeps it. */
static void a_state_from_before_changes_were_kept_holds_until_the_first_one(void **state)
{
    struct usage_fixture *f = *state;
    size_t count;
    put_as_before_history(f, 1, 10, 0, NO_TIME);
    put_as_before_history(f, 2, 20, 0, test_instant("2026-01-05T10:20:30Z"));
    assert_int_equal(tenant_at(f, 1, INT64_MIN, INT64_MIN), 10);
    assert_int_equal(state_at(f, 2, this_hour(f)), SUBSCRIPTION_DELETED);
    struct subscription_put put = try_put(f, 1, 10, 0, NO_TIME);
    assert_false(put.changed_owner);
    assert_int_equal(changes_of(f, 1), 0);
    put_at(f, 1, 11, 0, NO_TIME);
    put_at(f, 2, 20, 0, NO_TIME);
    struct subscription_change *changes = history_of(f, 1, &count);
    assert_int_equal(count, 2);
    assert_true(changes[0].recorded_ns == INT64_MIN && changes[0].effective_ns == INT64_MIN);
    assert_text(changes[0].by, "");
    assert_int_equal(changes[1].number, 2);
    assert_int_equal(tenant_at(f, 1, this_hour(f) - 1, INT64_MAX), 10);
    assert_int_equal(tenant_at(f, 1, this_hour(f), now_of(f) - 1), 10);
    assert_int_equal(tenant_at(f, 1, this_hour(f), INT64_MAX), 11);
    assert_int_equal(state_at(f, 2, this_hour(f) - 1), SUBSCRIPTION_DELETED);
    assert_int_equal(state_at(f, 2, this_hour(f)), SUBSCRIPTION_ENABLED);
}

/* Fills up the history in one transaction. */
static err_t run_fill(struct store_write *write, struct store_job *job)
{
    struct guid id = numbered(1);
    err_t error = ERROR_OK;
    (void)job;
    for (uint64_t n = 2; n <= SUBSCRIPTION_CHANGES_MAX && error == ERROR_OK; n++) {
        const struct subscription_change change = { .number = n,
                                                    .effective_ns = (int64_t)n * NS_PER_HOUR,
                                                    .recorded_ns = write_reported_ns(write),
                                                    .tenant_id = numbered((unsigned)n),
                                                    .deleted_ns = INT64_MIN,
                                                    .by = TEXT("") };
        error = subscription_change_put(write_txn(write), &id, &change);
    }
    return error;
}

static void changes_are_bounded(void **state)
{
    struct usage_fixture *f = *state;
    struct store_job fill = { .run = run_fill, .weight = 1 };
    put_at(f, 1, 10, 0, NO_TIME);
    assert_ok(store_run(f->base.store, &fill));
    assert_int_equal(changes_of(f, 1), SUBSCRIPTION_CHANGES_MAX);
    assert_int_equal(tenant_at(f, 1, 7 * NS_PER_HOUR, INT64_MAX), 7);
    struct subscription_put put = try_put(f, 1, 5, 0, NO_TIME);
    assert_error(put.refusal, ERROR_CONFLICT);
    assert_int_equal(changes_of(f, 1), SUBSCRIPTION_CHANGES_MAX);
    assert_int_equal(tenant_now(f, 1), SUBSCRIPTION_CHANGES_MAX);
}

static void one_that_changed_as_often_as_it_may_can_still_be_deleted(void **state)
{
    struct usage_fixture *f = *state;
    struct store_job fill = { .run = run_fill, .weight = 1 };
    put_at(f, 1, 10, 0, NO_TIME);
    assert_ok(store_run(f->base.store, &fill));
    delete_now(f, 1);
    delete_now(f, 1);
    assert_int_equal(changes_of(f, 1), SUBSCRIPTION_CHANGES_MAX + 1);
    assert_int_equal(get(f, 1).state, SUBSCRIPTION_DELETED);
    assert_int_equal(tenant_now(f, 1), SUBSCRIPTION_CHANGES_MAX);
    struct subscription_put put = try_put(f, 1, 5, 0, NO_TIME);
    assert_error(put.refusal, ERROR_CONFLICT);
    assert_int_equal(get(f, 1).state, SUBSCRIPTION_DELETED);
}

/* Its deletion is kept by a change of its own, and there is room for both or for none. */
static void a_correction_that_has_no_room_for_the_deletion_is_refused(void **state)
{
    struct usage_fixture *f = *state;
    struct store_job fill = { .run = run_fill, .weight = 1 };
    put_at(f, 1, 10, 0, NO_TIME);
    assert_ok(store_run(f->base.store, &fill));
    delete_now(f, 1);
    struct subscription_put put = try_put(f, 1, 5, 0, this_hour(f) - NS_PER_HOUR);
    assert_error(put.refusal, ERROR_CONFLICT);
    assert_int_equal(changes_of(f, 1), SUBSCRIPTION_CHANGES_MAX + 1);
}

static void failed_writes_leave_no_change(void **state)
{
    struct usage_fixture *f = *state;
    put_as_before_history(f, 1, 10, 0, NO_TIME);
    for (uint64_t n = 1; n <= 6; n++) {
        struct subscription_put put;
        struct subscription wanted = { .id = numbered(1), .tenant_id = numbered(11) };
        subscription_put_init(&put, &wanted);
        store_fail_write(f->base.store, n, ERROR_INSUFFICIENT_STORAGE);
        assert_error(store_run(f->base.store, &put.job), ERROR_INSUFFICIENT_STORAGE);
        assert_int_equal(changes_of(f, 1), 0);
        assert_int_equal(tenant_now(f, 1), 10);
    }
    store_fail_write(f->base.store, 0, ERROR_OK);
    put_at(f, 1, 11, 0, NO_TIME);
}

static void a_rebuilt_store_has_the_same_history(void **state)
{
    struct usage_fixture *f = *state;
    struct rebuild_options options = { .folder = f->base.folder.path,
                                       .to_reported_ns = INT64_MAX,
                                       .map_size_bytes = (size_t)1 << 30 };
    struct rebuild_result result;
    struct error_info info = { 0 };
    size_t count, again;
    int64_t past_ns = this_hour(f) - 50 * NS_PER_HOUR;
    put_at(f, 1, 10, 0, NO_TIME);
    put_at(f, 1, 11, 0, past_ns);
    delete_now(f, 1);
    struct subscription_change *before = history_of(f, 1, &count);
    store_close(f->base.store);
    f->base.store = NULL;
    assert_ok(rebuild_run(&options, &result, &info));
    store_fixture_open(&f->base);
    struct subscription_change *after = history_of(f, 1, &again);
    assert_int_equal(count, 3);
    assert_int_equal(again, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(after[i].number, before[i].number);
        assert_true(after[i].effective_ns == before[i].effective_ns && after[i].recorded_ns == before[i].recorded_ns);
        assert_true(guid_equal(&after[i].tenant_id, &before[i].tenant_id) && after[i].state == before[i].state);
    }
    assert_int_equal(tenant_at(f, 1, past_ns - 1, INT64_MAX), 10);
}

/* --- any steps, against the rule in its plainest form --- */

enum { STEPS = 60, SUBSCRIPTIONS = 3, HOURS = 200 };

struct step {
    unsigned subscription, tenant;
    bool deletes;
    int hour; /* that it holds from, counted from the origin */
    int64_t recorded_ns;
};

/* Of one subscription, by hour. */
struct plain {
    unsigned tenants[HOURS];
    enum subscription_state states[HOURS];
};

/* A description gives its tenant from its hour on, and is in use until the next hour at which the state was to change;
 * a deletion leaves the tenant and everything after it is deleted. */
static void apply(struct plain *plain, const struct step *step)
{
    enum subscription_state former = plain->states[step->hour];
    for (int h = step->hour; h < HOURS; h++)
        plain->tenants[h] = step->deletes ? plain->tenants[step->hour] : step->tenant;
    for (int h = step->hour; h < HOURS && (step->deletes || plain->states[h] == former); h++)
        plain->states[h] = step->deletes ? SUBSCRIPTION_DELETED : SUBSCRIPTION_ENABLED;
}

static struct plain model_of(const struct step *steps, int count, unsigned subscription, int64_t known_ns)
{
    struct plain plain = { .tenants = { 0 } };
    for (int hour = 0; hour < HOURS; hour++)
        plain.states[hour] = SUBSCRIPTION_UNKNOWN;
    for (int i = 0; i < count; i++)
        if (steps[i].subscription == subscription && steps[i].recorded_ns <= known_ns)
            apply(&plain, &steps[i]);
    return plain;
}

static void check_against_model(struct usage_fixture *f, struct prng *prng, const struct step *steps, int count,
                                int64_t origin_ns)
{
    for (unsigned s = 1; s <= SUBSCRIPTIONS; s++) {
        int64_t known_ns = prng_below(prng, 2) == 0 ? INT64_MAX : steps[prng_below(prng, (uint64_t)count)].recorded_ns;
        struct subscription_periods periods = periods_of(f, s, known_ns);
        struct plain expected = model_of(steps, count, s, known_ns);
        assert_true(periods.items[0].start_ns == INT64_MIN);
        for (size_t i = 1; i < periods.count; i++)
            assert_true(periods.items[i].start_ns > periods.items[i - 1].start_ns);
        for (int hour = 0; hour < HOURS; hour++) {
            int64_t time_ns = origin_ns + hour * NS_PER_HOUR + (int64_t)prng_below(prng, NS_PER_HOUR);
            const struct subscription_period *found = subscription_period_at(&periods, time_ns);
            assert_int_equal(number_of(&found->tenant_id), expected.tenants[hour]);
            assert_int_equal(found->state, expected.states[hour]);
        }
    }
}

static void take_step(struct usage_fixture *f, struct prng *prng, struct step *step, const struct plain *present,
                      int64_t origin_ns)
{
    int now = (int)((this_hour(f) - origin_ns) / NS_PER_HOUR);
    step->recorded_ns = now_of(f);
    step->deletes = present->states[now] == SUBSCRIPTION_ENABLED && prng_below(prng, 3) == 0;
    if (step->deletes) {
        step->hour = now;
        delete_now(f, step->subscription);
        return;
    }
    step->tenant = 1 + (unsigned)prng_below(prng, 50);
    step->hour = (int)prng_below(prng, HOURS);
    put_at(f, step->subscription, step->tenant, 0, origin_ns + step->hour * NS_PER_HOUR);
}

static void any_changes_follow_the_rule(void **state)
{
    struct usage_fixture *f = *state;
    struct prng prng = test_prng("unit-usage-subscription_history");
    struct step steps[STEPS] = { { 0 } };
    int64_t origin_ns = this_hour(f) - HOURS / 2 * NS_PER_HOUR;
    for (int i = 0; i < STEPS; i++) {
        clock_manual_advance(&f->base.clock, 1 + (int64_t)prng_below(&prng, NS_PER_HOUR));
        steps[i].subscription = 1 + (unsigned)prng_below(&prng, SUBSCRIPTIONS);
        struct plain present = model_of(steps, i, steps[i].subscription, INT64_MAX);
        take_step(f, &prng, &steps[i], &present, origin_ns);
        if (i == STEPS / 2)
            store_fixture_reopen(&f->base);
    }
    check_against_model(f, &prng, steps, STEPS, origin_ns);
}

TESTS(WITH_USAGE(the_first_description_holds_ever_since),
      WITH_USAGE(a_first_description_with_a_time_leaves_it_unknown_before),
      WITH_USAGE(a_later_description_holds_from_this_hour_on), WITH_USAGE(what_was_known_before_a_change_stays_visible),
      WITH_USAGE(what_is_scheduled_comes_into_force_by_itself),
      WITH_USAGE(a_new_name_changes_no_owner_and_undoes_no_schedule),
      WITH_USAGE(deleting_and_describing_again_are_changes), WITH_USAGE(deleting_undoes_what_was_scheduled),
      WITH_USAGE(a_state_from_before_changes_were_kept_holds_until_the_first_one), WITH_USAGE(changes_are_bounded),
      WITH_USAGE(one_that_changed_as_often_as_it_may_can_still_be_deleted),
      WITH_USAGE(a_correction_that_has_no_room_for_the_deletion_is_refused),
      WITH_USAGE(a_correction_of_earlier_hours_keeps_a_later_deletion),
      WITH_USAGE(a_correction_keeps_a_deletion_that_was_taken_back_as_well),
      WITH_USAGE(a_deleted_one_can_be_corrected_when_its_provider_is_gone_too),
      WITH_USAGE(failed_writes_leave_no_change), WITH_USAGE(a_rebuilt_store_has_the_same_history),
      WITH_USAGE(any_changes_follow_the_rule))
