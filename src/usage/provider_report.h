/* The whole tree of providers at one time, for the operator: who sold what since when; and, for a window of usage time,
 * how much the direct tenants of each used. Each hour counts for the provider that had the subscription at its start,
 * so the sums over all providers are those of the summary of the window, exactly. Any thread with a snapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/guid.h"
#include "store/store.h"
#include "usage/meters.h"
#include "usage/provider_tree.h"

/* Hours within a window at which some subscription moves; each costs a pass over its part of the window. */
#define PROVIDER_CUTS_MAX 256
/* The provider is its own ancestor, as stores from before that was checked may have it. */
#define PROVIDER_LEVEL_NONE UINT32_MAX

struct provider_tenant {
    const struct subscription *subscription;
    int64_t since_ns; /* from when on it has been this provider's; INT64_MIN: ever since */
};
struct provider_quantity {
    struct text meter_id, meter_name, unit; /* ptr NULL: unknown to the catalogue */
    struct decimal_sum quantity;
    uint64_t records;
};
struct provider_node {
    struct guid id;
    struct text display_name; /* "": nobody described it */
    enum subscription_state state;
    uint32_t level;                  /* 0: the operator */
    struct guid parent;              /* zeros: it is the operator */
    struct provider_tenant *tenants; /* in the order of subscription_list */
    size_t tenant_count, tenant_capacity;
    struct provider_quantity *quantities; /* in the order of the summary */
    size_t quantity_count, quantity_capacity;
};

struct provider_report_query {
    struct guid operator_id;
    int64_t at_ns;
    bool with_usage;
    int64_t from_ns, to_ns; /* with_usage: full hours of usage time */
};
struct provider_report {
    struct provider_node *nodes; /* the operator, then by level and id */
    size_t count;
};

/* In the arena. ERROR_INVALID_PROPERTY (too many moves in the window, or too many groups), ERROR_NO_MEMORY,
 * ERROR_STORE_CORRUPT. Providers without tenants at that time are there if they had some in the window. */
MUST_CHECK err_t provider_report_run(struct store *store, struct kv_txn *txn, struct arena *arena,
                                     const struct meters *meters, const struct provider_report_query *query,
                                     struct provider_report *out, struct error_info *info);
