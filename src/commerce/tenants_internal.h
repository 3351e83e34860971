/* What the parts of the tenants report share: tenants.c (who and in which order), tenants_periods.c (whose and who pays
 * from when to when), tenants_sums.c (adding up). */
#pragma once

#include "commerce/tenants.h"

/* A subscription and whose it was: periods in order, the first from the window's start on. */
struct owner_period {
    int64_t from_ns;
    struct guid tenant_id;
    size_t entry; /* set by tenants.c once entries are known */
};
struct owned_subscription {
    struct subscription subscription;
    struct owner_period *periods;
    size_t period_count;
};

struct tenants_work {
    struct store *store;
    struct kv_txn *txn;
    struct arena *arena;
    const struct meters *meters;
    const struct tenants_query *query;
    struct error_info *info;
    struct owned_subscription *subscriptions; /* by id */
    size_t subscription_count;
    struct tenants *out;
    size_t entry_capacity;
};

/* What is said to be so "now": this hour, or the last one of a window that is over. */
int64_t tenants_last_hour(const struct tenants_query *query);

/* Fills 'subscriptions'. */
MUST_CHECK err_t tenants_find_owners(struct tenants_work *work);
/* Fills the entry's payers and 'mapped'. */
MUST_CHECK err_t tenants_find_payers(struct tenants_work *work, struct tenant_entry *entry);
/* Tenants that have a mapping with some registration of that stamp in the window; appends to ids (memory_realloc). */
struct tenant_ids {
    struct guid *ids;
    size_t count, capacity;
};
MUST_CHECK err_t tenants_find_mapped(struct tenants_work *work, const struct guid *cloud_id, struct tenant_ids *found);
MUST_CHECK bool tenant_ids_add(struct tenant_ids *ids, const struct guid *id);

/* Adds up usage into the payers of the entries, and the totals. */
MUST_CHECK err_t tenants_add_usage(struct tenants_work *work);
