/* The tenants report's times: whose each subscription was from when on, and who paid for each tenant from when on.
 * Each history is read once. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/memory.h"
#include "commerce/tenants_internal.h"
#include "registration/customers.h"
#include "usage/subscription_history.h"

int64_t tenants_last_hour(const struct tenants_query *query)
{
    int64_t last_ns = query->to_ns - NS_PER_HOUR;
    return query->now_ns < last_ns ? query->now_ns : last_ns;
}

/* --- whose a subscription was --- */

static int compare_owned(const void *a, const void *b)
{
    const struct owned_subscription *left = a, *right = b;
    return memcmp(left->subscription.id.bytes, right->subscription.id.bytes, sizeof left->subscription.id.bytes);
}

/* Those of the window in which another tenant has it than before. */
static err_t find_periods(struct tenants_work *work, const struct subscription_periods *all,
                          struct owned_subscription *owned)
{
    const struct tenants_query *query = work->query;
    const struct subscription_period *period = subscription_period_at(all, query->from_ns);
    const struct subscription_period *end = all->items + all->count;
    owned->periods = arena_array(work->arena, (size_t)(end - period), sizeof *owned->periods);
    if (owned->periods == NULL)
        return ERROR_NO_MEMORY;
    for (; period < end && period->start_ns < query->to_ns; period++) {
        const struct owner_period *last = owned->period_count > 0 ? &owned->periods[owned->period_count - 1] : NULL;
        if (last != NULL && guid_equal(&last->tenant_id, &period->tenant_id))
            continue;
        owned->periods[owned->period_count++] =
            (struct owner_period){ .from_ns = last != NULL ? period->start_ns : query->from_ns,
                                   .tenant_id = period->tenant_id };
    }
    return ERROR_OK;
}

err_t tenants_find_owners(struct tenants_work *work)
{
    struct subscription *all;
    struct subscription_periods *periods;
    size_t count;
    err_t error =
        subscription_list_at(work->txn, work->arena, tenants_last_hour(work->query), INT64_MAX, &all, &periods, &count);
    if (error != ERROR_OK)
        return error;
    work->subscriptions = arena_array(work->arena, count + 1, sizeof *work->subscriptions);
    if (work->subscriptions == NULL)
        return ERROR_NO_MEMORY;
    work->subscription_count = count;
    for (size_t i = 0; i < count && error == ERROR_OK; i++) {
        work->subscriptions[i].subscription = all[i];
        error = find_periods(work, &periods[i], &work->subscriptions[i]);
    }
    if (count > 0)
        qsort(work->subscriptions, count, sizeof *work->subscriptions, compare_owned);
    return error;
}

/* --- who paid for a tenant --- */

static bool is_mapped(const struct tenants_work *work, const struct tenant_entry *entry)
{
    int64_t time_ns = tenants_last_hour(work->query);
    size_t at = entry->payer_count - 1;
    while (at > 0 && entry->payers[at].from_ns > time_ns)
        at--;
    return entry->payers[at].payer.kind == PAYER_CUSTOMER;
}

err_t tenants_find_payers(struct tenants_work *work, struct tenant_entry *entry)
{
    const struct tenants_query *query = work->query;
    const struct payer_period nobody = { .from_ns = query->from_ns, .to_ns = query->to_ns };
    struct payer_period *periods;
    size_t count = 1;
    err_t error = query->with_mapping ? payer_periods(work->txn, work->arena, &entry->cloud_id, &entry->tenant_id,
                                                      query->from_ns, query->to_ns, &periods, &count)
                                      : ERROR_OK;
    if (error != ERROR_OK)
        return error;
    entry->payers = arena_array(work->arena, count, sizeof *entry->payers);
    if (entry->payers == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const struct payer_period *period = query->with_mapping ? &periods[i] : &nobody;
        entry->payers[i] =
            (struct tenant_payer){ .payer = period->payer, .from_ns = period->from_ns, .to_ns = period->to_ns };
    }
    entry->payer_count = count;
    entry->mapped = query->with_mapping && is_mapped(work, entry);
    return ERROR_OK;
}

/* --- tenants that have a mapping --- */

bool tenant_ids_add(struct tenant_ids *ids, const struct guid *id)
{
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity * 2 + 64;
        struct guid *list = memory_realloc(ids->ids, capacity * sizeof *list);
        if (list == NULL)
            return false;
        ids->ids = list;
        ids->capacity = capacity;
    }
    ids->ids[ids->count++] = *id;
    return true;
}

/* Whether an earlier change of the stamp was of the same registration. */
static bool seen_before(const struct registration_change *changes, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (changes[i].registration == changes[index].registration)
            return true;
    return false;
}

static err_t add_mapped(struct tenants_work *work, uint64_t registration, int64_t time_ns, struct tenant_ids *found)
{
    struct guid after;
    bool more = true, begun = false;
    while (more) {
        struct customer *customers;
        size_t count;
        struct arena_mark mark = arena_mark(work->arena);
        err_t error = customer_list(work->txn, work->arena, registration, time_ns, INT64_MAX, begun ? &after : NULL,
                                    CUSTOMERS_PAGE_MAX, &customers, &count, &more);
        if (error != ERROR_OK)
            return error;
        for (size_t i = 0; i < count; i++)
            if (!tenant_ids_add(found, &customers[i].tenant_id))
                return ERROR_NO_MEMORY;
        if (count == 0)
            break;
        after = customers[count - 1].customer_id;
        begun = true;
        arena_rewind(work->arena, mark);
    }
    return ERROR_OK;
}

/* At both ends of the window: a mapping that came and went between them belongs to a tenant with usage, or to none. */
err_t tenants_find_mapped(struct tenants_work *work, const struct guid *cloud_id, struct tenant_ids *found)
{
    const struct tenants_query *query = work->query;
    struct registration_change *changes;
    size_t count;
    err_t error = registration_history(work->txn, work->arena, cloud_id, &changes, &count);
    for (size_t i = 0; i < count && error == ERROR_OK; i++) {
        if (!changes[i].registered || seen_before(changes, i))
            continue;
        error = add_mapped(work, changes[i].registration, query->from_ns, found);
        if (error == ERROR_OK)
            error = add_mapped(work, changes[i].registration, query->to_ns - NS_PER_HOUR, found);
    }
    return error;
}
