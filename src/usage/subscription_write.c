/* Changes of subscriptions, on the writer thread: what is described, and what goes into the history with it. */
#include <string.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/instant.h"
#include "store/audit.h"
#include "usage/provider_tree.h"
#include "usage/subscriptions_internal.h"

#define SCRATCH_SIZE_BYTES 4096

/* A subscription that is about to change. */
struct changing {
    struct store_write *write;
    struct arena *arena;
    const struct guid *id;
    struct guid operator_id;
    bool described;
    struct subscription stored; /* if described */
    struct subscription_change *changes;
    size_t count;
    uint64_t next_number;
    struct subscription_periods periods;
    struct error_info *info;
};

static int64_t hour_of(const struct store_write *write)
{
    return hour_start_ns(instant_hour(write_reported_ns(write)));
}

static err_t read_present(struct changing *c)
{
    struct kv_txn *txn = write_txn(c->write);
    err_t error = subscription_operator(txn, &c->operator_id);
    if (error == ERROR_NOT_FOUND) { /* being made, or a test without one */
        c->operator_id = (struct guid){ { 0 } };
        error = ERROR_OK;
    }
    if (error == ERROR_OK)
        error = subscription_stored(txn, c->arena, c->id, &c->stored);
    c->described = error == ERROR_OK;
    if (error == ERROR_OK || error == ERROR_NOT_FOUND)
        error = subscription_history(txn, c->arena, c->id, &c->changes, &c->count);
    if (error == ERROR_OK)
        c->next_number = c->count > 0 ? c->changes[c->count - 1].number + 1 : 1;
    return error == ERROR_OK ? subscription_periods_of(c->arena, c->changes, c->count, c->described ? &c->stored : NULL,
                                                       INT64_MAX, &c->periods)
                             : error;
}

/* With the state that it has in the end, which those who have no time to look into the history go by. Reads what is
 * present anew: changes have been appended. */
static err_t store_description(struct changing *c, const struct subscription *subscription)
{
    struct kv_txn *txn = write_txn(c->write);
    struct buffer buffer = { 0 };
    struct json_writer json = json_writer(&buffer);
    struct subscription described = *subscription;
    err_t error = read_present(c);
    if (error != ERROR_OK)
        return error;
    described.state = c->periods.items[c->periods.count - 1].state;
    described.deleted_ns = c->periods.items[c->periods.count - 1].deleted_ns;
    subscription_to_json(&described, &json);
    error = buffer.failed ? ERROR_NO_MEMORY : subscription_count_change(txn);
    if (error == ERROR_OK)
        error = kv_put(txn, KV_SUBSCRIPTIONS, guid_bytes(&described.id), buffer_text(&buffer));
    buffer_free(&buffer);
    return error;
}

/* What held before changes were kept becomes the first one. */
static err_t put_baseline(struct changing *c)
{
    const struct subscription_change baseline = {
        .number = 1,
        .effective_ns = INT64_MIN,
        .recorded_ns = INT64_MIN,
        .tenant_id = c->stored.tenant_id,
        .provider_subscription_id = c->stored.provider_subscription_id,
        .state = c->stored.state,
        .deleted_ns = c->stored.deleted_ns,
        .by = TEXT(""),
    };
    return subscription_change_put(write_txn(c->write), c->id, &baseline);
}

static err_t append(struct changing *c, const struct subscription *wanted, int64_t effective_ns, struct text by)
{
    err_t error = ERROR_OK;
    if (c->next_number == 1 && c->described) {
        error = put_baseline(c);
        c->next_number = 2;
    }
    const struct subscription_change change = {
        .number = c->next_number++,
        .effective_ns = effective_ns,
        .recorded_ns = write_reported_ns(c->write),
        .tenant_id = wanted->tenant_id,
        .provider_subscription_id = wanted->provider_subscription_id,
        .state = wanted->state,
        .deleted_ns = wanted->deleted_ns,
        .by = by.len > 0 ? by : AUDIT_BY_SYSTEM,
    };
    if (error == ERROR_OK)
        error = subscription_change_put(write_txn(c->write), c->id, &change);
    return error == ERROR_OK ? provider_name(write_txn(c->write), c->arena, &wanted->provider_subscription_id) : error;
}

/* Refusals of the domain are results, errors of the store are errors. */
static err_t settle(err_t error, const struct error_info *info, err_t *refusal)
{
    *refusal = error != ERROR_OK && info->code == error ? error : ERROR_OK;
    return *refusal == ERROR_OK ? error : ERROR_OK;
}

/* --- describing one --- */

static bool same_provider(const struct changing *c, const struct guid *a, const struct guid *b)
{
    if (guid_is_zero(a))
        a = &c->operator_id;
    if (guid_is_zero(b))
        b = &c->operator_id;
    return guid_equal(a, b);
}

static bool is_owned(const struct changing *c, const struct subscription_period *period,
                     const struct subscription *wanted)
{
    return guid_equal(&period->tenant_id, &wanted->tenant_id) &&
           same_provider(c, &period->provider_subscription_id, &wanted->provider_subscription_id);
}

/* Whether there is nothing to change: with a time, what is wanted holds from then on for good; without one, it holds
 * now, so that whoever only gives it another name does not undo what was scheduled. */
static bool is_said(const struct changing *c, const struct subscription *wanted, bool dated, int64_t effective_ns)
{
    const struct subscription_period *period = subscription_period_at(&c->periods, effective_ns);
    const struct subscription_period *end = dated ? c->periods.items + c->periods.count : period + 1;
    if (period->state != wanted->state)
        return false;
    while (period < end && is_owned(c, period, wanted))
        period++;
    return period == end;
}

/* What a description adds to the history. */
struct plan {
    struct subscription_change *items; /* effective_ns, state, deleted_ns */
    size_t count;
};

static bool same_state(const struct subscription_period *a, const struct subscription_period *b)
{
    return a->state == b->state && a->deleted_ns == b->deleted_ns;
}

/* In use from that time on, and what was known of later times stays: whoever corrects since when a subscription is
 * whose does not say that it was never deleted, or never came back. */
static err_t make_plan(const struct changing *c, int64_t effective_ns, struct plan *plan)
{
    const struct subscription_period *period = subscription_period_at(&c->periods, effective_ns);
    const struct subscription_period *end = c->periods.items + c->periods.count;
    struct subscription_change last = { .effective_ns = effective_ns,
                                        .state = SUBSCRIPTION_ENABLED,
                                        .deleted_ns = INT64_MIN };
    plan->items = arena_array(c->arena, (size_t)(end - period), sizeof *plan->items);
    if (plan->items == NULL)
        return ERROR_NO_MEMORY;
    plan->items[0] = last;
    plan->count = 1;
    while (++period < end) {
        if (same_state(period, period - 1) || (period->state == last.state && period->deleted_ns == last.deleted_ns))
            continue;
        last = (struct subscription_change){ .effective_ns = period->start_ns,
                                             .state = period->state,
                                             .deleted_ns = period->deleted_ns };
        plan->items[plan->count++] = last;
    }
    return c->count + plan->count <= SUBSCRIPTION_CHANGES_MAX
               ? ERROR_OK
               : error_set(c->info, ERROR_CONFLICT, NULL, "a subscription can change hands %d times at most",
                           SUBSCRIPTION_CHANGES_MAX);
}

/* Whoever says nothing of the time need not know since when its provider is described. */
static err_t change_owner(struct changing *c, const struct subscription *wanted, int64_t effective_ns, struct text by)
{
    struct plan plan;
    struct subscription one = *wanted;
    err_t error = make_plan(c, effective_ns, &plan);
    if (error != ERROR_OK)
        return error;
    const struct subscription_change *last = &plan.items[plan.count - 1];
    error =
        provider_check(write_txn(c->write), c->arena, c->id, &wanted->provider_subscription_id, &c->operator_id,
                       effective_ns != INT64_MIN ? effective_ns : hour_of(c->write),
                       last->state == SUBSCRIPTION_DELETED ? last->effective_ns : INT64_MAX, !c->described, c->info);
    for (size_t i = 0; i < plan.count && error == ERROR_OK; i++) {
        one.state = plan.items[i].state;
        one.deleted_ns = plan.items[i].deleted_ns;
        error = append(c, &one, plan.items[i].effective_ns, by);
    }
    return error;
}

static void show_now(const struct changing *c, const struct subscription *wanted, struct subscription *out)
{
    *out = *wanted;
    const struct subscription_period *now = subscription_period_at(&c->periods, write_reported_ns(c->write));
    out->tenant_id = now->tenant_id;
    out->provider_subscription_id = now->provider_subscription_id;
    out->state = now->state;
    out->deleted_ns = now->deleted_ns;
}

static err_t describe(struct changing *c, struct subscription_put *put)
{
    struct subscription wanted = put->subscription;
    bool dated = put->effective_ns != INT64_MIN, forever = !dated && !c->described;
    int64_t effective_ns = dated || forever ? put->effective_ns : hour_of(c->write);
    wanted.state = SUBSCRIPTION_ENABLED;
    wanted.deleted_ns = INT64_MIN;
    put->changed_owner = forever || !is_said(c, &wanted, dated, effective_ns);
    err_t error = put->changed_owner ? change_owner(c, &wanted, effective_ns, put->by) : ERROR_OK;
    if (error == ERROR_OK)
        error = store_description(c, &wanted);
    if (error == ERROR_OK)
        show_now(c, &wanted, &put->now);
    return error;
}

static err_t run_put(struct store_write *write, struct store_job *job)
{
    struct subscription_put *put = (struct subscription_put *)job;
    put->info = (struct error_info){ .code = ERROR_OK };
    struct changing changing = {
        .write = write, .arena = arena_new(SCRATCH_SIZE_BYTES, 0), .id = &put->subscription.id, .info = &put->info
    };
    err_t error = changing.arena != NULL ? read_present(&changing) : ERROR_NO_MEMORY;
    put->created = !changing.described;
    if (error == ERROR_OK)
        error = describe(&changing, put);
    arena_free(changing.arena);
    return settle(error, &put->info, &put->refusal);
}

void subscription_put_init(struct subscription_put *put, const struct subscription *subscription)
{
    *put = (struct subscription_put){ .job = { .run = run_put, .weight = 1 },
                                      .subscription = *subscription,
                                      .effective_ns = INT64_MIN };
}

/* --- deleting one --- */

static err_t mark_deleted(struct changing *c, struct text by)
{
    int64_t hour_ns = hour_of(c->write);
    const struct subscription_period *now = subscription_period_at(&c->periods, write_reported_ns(c->write));
    bool for_good = now == c->periods.items + c->periods.count - 1;
    if (now->state == SUBSCRIPTION_DELETED && for_good)
        return ERROR_OK;
    struct subscription wanted = c->stored;
    wanted.tenant_id = now->tenant_id;
    wanted.provider_subscription_id = now->provider_subscription_id;
    wanted.deleted_ns = now->state == SUBSCRIPTION_DELETED ? now->deleted_ns : write_reported_ns(c->write);
    wanted.state = SUBSCRIPTION_DELETED;
    err_t error = provider_check_unused(write_txn(c->write), c->arena, c->id, hour_ns, c->info);
    if (error == ERROR_OK)
        error = append(c, &wanted, hour_ns, by);
    return error == ERROR_OK ? store_description(c, &wanted) : error;
}

static err_t run_delete(struct store_write *write, struct store_job *job)
{
    struct subscription_delete *delete_job = (struct subscription_delete *)job;
    delete_job->info = (struct error_info){ .code = ERROR_OK };
    struct changing changing = {
        .write = write, .arena = arena_new(SCRATCH_SIZE_BYTES, 0), .id = &delete_job->id, .info = &delete_job->info
    };
    err_t error = changing.arena != NULL ? read_present(&changing) : ERROR_NO_MEMORY;
    delete_job->missing = error == ERROR_OK && !changing.described;
    if (error == ERROR_OK && changing.described)
        error = mark_deleted(&changing, delete_job->by);
    arena_free(changing.arena);
    return settle(error, &delete_job->info, &delete_job->refusal);
}

void subscription_delete_init(struct subscription_delete *delete_job, const struct guid *id)
{
    *delete_job = (struct subscription_delete){ .job = { .run = run_delete, .weight = 1 }, .id = *id };
}

/* --- the operator's own --- */

static err_t run_operator_make(struct store_write *write, struct store_job *job)
{
    struct subscription_operator_make *make = (struct subscription_operator_make *)job;
    struct guid existing;
    err_t error = subscription_operator(write_txn(write), &existing);
    if (error == ERROR_OK)
        make->id = existing;
    if (error != ERROR_NOT_FOUND)
        return error;
    struct subscription_put put;
    struct subscription subscription = { .id = make->id,
                                         .display_name = TEXT("Default Provider Subscription"),
                                         .owner = TEXT("operator"),
                                         .offer_id = TEXT("") };
    subscription_put_init(&put, &subscription);
    error = kv_put(write_txn(write), KV_SETTINGS, OPERATOR_SUBSCRIPTION_KEY, guid_bytes(&make->id));
    return error == ERROR_OK ? put.job.run(write, &put.job) : error;
}

void subscription_operator_make_init(struct subscription_operator_make *make, const struct guid *fresh_id)
{
    *make = (struct subscription_operator_make){ .job = { .run = run_operator_make, .weight = 1 }, .id = *fresh_id };
}
