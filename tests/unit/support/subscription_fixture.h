/* Subscriptions by small numbers, described and changed in a store of their own. For tests linked with src/usage. */
#pragma once

#include "support/usage_fixture.h"

#include "store/write.h"
#include "usage/provider_tree.h"
#include "usage/subscriptions_internal.h"

#define NO_TIME INT64_MIN

static inline struct guid numbered(unsigned number)
{
    return (struct guid){ { [14] = (uint8_t)(number >> 8), [15] = (uint8_t)number } };
}

static inline unsigned number_of(const struct guid *guid)
{
    return (unsigned)guid->bytes[14] << 8 | guid->bytes[15];
}

static inline int64_t now_of(struct usage_fixture *f)
{
    return store_now_ns(f->base.store);
}

static inline int64_t this_hour(struct usage_fixture *f)
{
    return hour_start_ns(instant_hour(now_of(f)));
}

/* Tenant and provider by number; 0: none and the operator. */
static inline struct subscription_put try_put(struct usage_fixture *f, unsigned number, unsigned tenant,
                                              unsigned provider, int64_t effective_ns)
{
    struct subscription_put put;
    char name[16];
    (void)snprintf(name, sizeof name, "S%u", number);
    struct subscription subscription = { .id = numbered(number),
                                         .tenant_id = numbered(tenant),
                                         .display_name = arena_text(f->arena, text_of(name)),
                                         .owner = TEXT(""),
                                         .offer_id = TEXT(""),
                                         .provider_subscription_id = numbered(provider) };
    subscription_put_init(&put, &subscription);
    put.effective_ns = effective_ns;
    put.by = TEXT("tester");
    assert_ok(store_run(f->base.store, &put.job));
    return put;
}

static inline void put_at(struct usage_fixture *f, unsigned number, unsigned tenant, unsigned provider,
                          int64_t effective_ns)
{
    struct subscription_put put = try_put(f, number, tenant, provider, effective_ns);
    if (put.refusal != ERROR_OK)
        fail_msg("subscription %u: %s", number, put.info.message);
}

static inline void assert_put_refused(struct usage_fixture *f, unsigned number, unsigned provider, int64_t effective_ns,
                                      const char *message)
{
    struct subscription_put put = try_put(f, number, 0, provider, effective_ns);
    assert_error(put.refusal, ERROR_INVALID_PROPERTY);
    assert_string_equal(put.info.target, "providerSubscriptionId");
    if (strstr(put.info.message, message) == NULL)
        fail_msg("'%s' is not in '%s'", message, put.info.message);
}

static inline struct subscription_delete try_delete(struct usage_fixture *f, unsigned number)
{
    struct subscription_delete deletion;
    struct guid id = numbered(number);
    subscription_delete_init(&deletion, &id);
    deletion.by = TEXT("tester");
    assert_ok(store_run(f->base.store, &deletion.job));
    return deletion;
}

static inline void delete_now(struct usage_fixture *f, unsigned number)
{
    struct subscription_delete deletion = try_delete(f, number);
    assert_ok(deletion.refusal);
    assert_false(deletion.missing);
}

static inline struct guid make_operator(struct usage_fixture *f, unsigned number)
{
    struct subscription_operator_make make;
    struct guid id = numbered(number);
    subscription_operator_make_init(&make, &id);
    assert_ok(store_run(f->base.store, &make.job));
    return id;
}

static inline struct subscription_periods periods_of(struct usage_fixture *f, unsigned number, int64_t known_ns)
{
    struct subscription_periods periods;
    struct guid id = numbered(number);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(subscription_periods(txn, f->arena, &id, known_ns, &periods));
    store_read_end(txn);
    return periods;
}

static inline struct subscription_change *history_of(struct usage_fixture *f, unsigned number, size_t *count)
{
    struct subscription_change *changes;
    struct guid id = numbered(number);
    struct kv_txn *txn = store_fixture_read(&f->base);
    assert_ok(subscription_history(txn, f->arena, &id, &changes, count));
    store_read_end(txn);
    return changes;
}

/* Writes as a program of schema 2 did: a description without any history. */
struct old_put {
    struct store_job job;
    const struct subscription *subscription;
};

static inline err_t run_old_put(struct store_write *write, struct store_job *job)
{
    const struct subscription *subscription = ((struct old_put *)job)->subscription;
    struct buffer buffer = { 0 };
    struct json_writer json = json_writer(&buffer);
    subscription_to_json(subscription, &json);
    err_t error = kv_put(write_txn(write), KV_SUBSCRIPTIONS, guid_bytes(&subscription->id), buffer_text(&buffer));
    buffer_free(&buffer);
    return error;
}

static inline void put_as_before_history(struct usage_fixture *f, unsigned number, unsigned tenant, unsigned provider,
                                         int64_t deleted_ns)
{
    const struct subscription subscription = { .id = numbered(number),
                                               .tenant_id = numbered(tenant),
                                               .display_name = TEXT("old"),
                                               .owner = TEXT(""),
                                               .offer_id = TEXT(""),
                                               .provider_subscription_id = numbered(provider),
                                               .state =
                                                   deleted_ns == NO_TIME ? SUBSCRIPTION_ENABLED : SUBSCRIPTION_DELETED,
                                               .deleted_ns = deleted_ns };
    struct old_put put = { .job = { .run = run_old_put, .weight = 1 }, .subscription = &subscription };
    assert_ok(store_run(f->base.store, &put.job));
}
