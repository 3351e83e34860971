/* The tenants report put together: which tenants there are, their subscriptions, and the order. */
#include "commerce/tenants.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "commerce/tenants_internal.h"
#include "registration/registration.h"
#include "registration/stamp.h"

static int compare_ids(const void *a, const void *b)
{
    return memcmp(((const struct guid *)a)->bytes, ((const struct guid *)b)->bytes, sizeof((struct guid *)0)->bytes);
}

static void keep_distinct(struct tenant_ids *ids)
{
    size_t kept = 0;
    if (ids->count > 0)
        qsort(ids->ids, ids->count, sizeof *ids->ids, compare_ids);
    for (size_t i = 0; i < ids->count; i++)
        if (kept == 0 || !guid_equal(&ids->ids[i], &ids->ids[kept - 1]))
            ids->ids[kept++] = ids->ids[i];
    ids->count = kept;
}

/* --- one stamp's tenants --- */

static err_t room_for(struct tenants_work *work, size_t count)
{
    struct tenants *out = work->out;
    if (out->entries != NULL && count <= work->entry_capacity - out->count)
        return ERROR_OK;
    size_t capacity = 2 * out->count + count + 1;
    struct tenant_entry *entries = arena_array(work->arena, capacity, sizeof *entries);
    if (entries == NULL)
        return ERROR_NO_MEMORY;
    if (out->count > 0)
        memcpy(entries, out->entries, out->count * sizeof *entries);
    out->entries = entries;
    work->entry_capacity = capacity;
    return ERROR_OK;
}

/* Entries of that stamp, by tenant id, behind those that are there already. */
static err_t add_entries(struct tenants_work *work, const struct guid *cloud_id, const struct tenant_ids *ids)
{
    struct tenants *out = work->out;
    err_t error = room_for(work, ids->count);
    for (size_t i = 0; i < ids->count && error == ERROR_OK; i++) {
        struct tenant_entry *entry = &out->entries[out->count++];
        *entry = (struct tenant_entry){ .tenant_id = ids->ids[i], .cloud_id = *cloud_id, .display_name = TEXT("") };
        error = tenants_find_payers(work, entry);
    }
    return error;
}

static size_t entry_of(const struct tenants *out, const struct guid *tenant_id)
{
    size_t low = 0, high = out->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(out->entries[middle].tenant_id.bytes, tenant_id->bytes, sizeof tenant_id->bytes) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    REQUIRE(low < out->count && guid_equal(&out->entries[low].tenant_id, tenant_id));
    return low;
}

/* A period of a subscription that was the same tenant's before is no second mention of it. */
static bool mentioned_before(const struct owned_subscription *owned, size_t period)
{
    for (size_t p = 0; p < period; p++)
        if (owned->periods[p].entry == owned->periods[period].entry)
            return true;
    return false;
}

static void name_entry(struct tenant_entry *entry, const struct subscription *subscription)
{
    bool in_use = subscription->state == SUBSCRIPTION_ENABLED;
    if (subscription->display_name.len > 0 && (entry->display_name.len == 0 || in_use) &&
        !guid_is_zero(&entry->tenant_id))
        entry->display_name = subscription->display_name;
}

/* Backwards, so that the name is that of the first. Entries are in the order of tenant ids here. */
static err_t add_subscriptions(struct tenants_work *work)
{
    struct tenants *out = work->out;
    size_t mentions = 0;
    for (size_t i = 0; i < work->subscription_count; i++) {
        struct owned_subscription *owned = &work->subscriptions[i];
        for (size_t p = 0; p < owned->period_count; p++) {
            owned->periods[p].entry = entry_of(out, &owned->periods[p].tenant_id);
            if (mentioned_before(owned, p))
                continue;
            out->entries[owned->periods[p].entry].subscription_count++;
            mentions++;
        }
    }
    struct subscription *all = arena_array(work->arena, mentions + 1, sizeof *all);
    struct subscription **ends = arena_array(work->arena, out->count + 1, sizeof *ends);
    if (all == NULL || ends == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < out->count; i++) {
        out->entries[i].subscriptions = all;
        all += out->entries[i].subscription_count;
        ends[i] = all;
    }
    for (size_t i = work->subscription_count; i-- > 0;) {
        const struct owned_subscription *owned = &work->subscriptions[i];
        for (size_t p = 0; p < owned->period_count; p++) {
            if (mentioned_before(owned, p))
                continue;
            *--ends[owned->periods[p].entry] = owned->subscription;
            name_entry(&out->entries[owned->periods[p].entry], &owned->subscription);
        }
    }
    return ERROR_OK;
}

/* The stamp of this process. */
static err_t report_own(struct tenants_work *work, const struct guid *cloud_id)
{
    struct tenant_ids ids = { 0 };
    work->out->with_usage = true;
    err_t error = tenants_find_owners(work);
    for (size_t i = 0; i < work->subscription_count && error == ERROR_OK; i++)
        for (size_t p = 0; p < work->subscriptions[i].period_count && error == ERROR_OK; p++)
            if (!tenant_ids_add(&ids, &work->subscriptions[i].periods[p].tenant_id))
                error = ERROR_NO_MEMORY;
    if (error == ERROR_OK && work->query->with_mapping)
        error = tenants_find_mapped(work, cloud_id, &ids);
    keep_distinct(&ids);
    if (error == ERROR_OK)
        error = add_entries(work, cloud_id, &ids);
    memory_free(ids.ids);
    if (error == ERROR_OK)
        error = add_subscriptions(work);
    return error == ERROR_OK ? tenants_add_usage(work) : error;
}

/* A stamp that is only known by its registration. */
static err_t report_mapped(struct tenants_work *work, const struct guid *cloud_id)
{
    struct tenant_ids ids = { 0 };
    err_t error = tenants_find_mapped(work, cloud_id, &ids);
    keep_distinct(&ids);
    if (error == ERROR_OK)
        error = add_entries(work, cloud_id, &ids);
    memory_free(ids.ids);
    return error;
}

static err_t report_registered(struct tenants_work *work)
{
    struct registration *all;
    size_t count;
    err_t error = registration_list(work->txn, work->arena, NULL, TEXT_NONE, &all, &count);
    for (size_t i = 0; i < count && error == ERROR_OK; i++)
        error = report_mapped(work, &all[i].cloud_id);
    return error;
}

/* --- order --- */

static int compare_entries(const void *a, const void *b)
{
    const struct tenant_entry *left = a, *right = b;
    if (left->mapped != right->mapped)
        return left->mapped ? 1 : -1;
    if (left->records != right->records)
        return left->records > right->records ? -1 : 1;
    int order = memcmp(left->tenant_id.bytes, right->tenant_id.bytes, sizeof left->tenant_id.bytes);
    return order != 0 ? order : memcmp(left->cloud_id.bytes, right->cloud_id.bytes, sizeof left->cloud_id.bytes);
}

static err_t run(struct tenants_work *work)
{
    const struct tenants_query *query = work->query;
    struct stamp stamp = { 0 };
    if (query->with_usage) {
        err_t error = stamp_get(work->txn, &stamp);
        if (error != ERROR_OK && error != ERROR_NOT_FOUND)
            return error;
    }
    if (query->with_usage && (!query->has_cloud_id || guid_equal(&query->cloud_id, &stamp.cloud_id)))
        return report_own(work, &stamp.cloud_id);
    if (!query->with_mapping)
        return ERROR_OK;
    return query->has_cloud_id ? report_mapped(work, &query->cloud_id) : report_registered(work);
}

err_t tenants_run(struct store *store, struct kv_txn *txn, struct arena *arena, const struct meters *meters,
                  const struct tenants_query *query, struct tenants *out, struct error_info *info)
{
    struct tenants_work work = {
        .store = store, .txn = txn, .arena = arena, .meters = meters, .query = query, .info = info, .out = out
    };
    REQUIRE(query->from_ns < query->to_ns);
    *out = (struct tenants){ 0 };
    info->code = ERROR_OK;
    err_t error = run(&work);
    if (error == ERROR_OK && out->count > 0)
        qsort(out->entries, out->count, sizeof *out->entries, compare_entries);
    return error == ERROR_OK || info->code != ERROR_OK ? error : error_set(info, error, NULL, NULL);
}
