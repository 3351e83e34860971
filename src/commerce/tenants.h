/* Who uses the stamp and who pays for it: the usage of a window per tenant (an Entra tenant with its subscriptions),
 * split by payer, those without a mapping first. Source: spec 7.1 ("Default is charged for every tenant without
 * mapping") and the tenants report of interface.md section 5. Any thread with a snapshot; long ones belong on a worker.
 *
 * Whole hours of usage time: an hour belongs to the tenant that held the subscription at its start, and to whoever paid
 * for that tenant then (registration/payer.h). The sums over all tenants and payers are those of the summary of the
 * same window, exactly. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/guid.h"
#include "registration/payer.h"
#include "store/store.h"
#include "usage/meters.h"
#include "usage/subscriptions.h"

/* Hours in a window at which an answer may change (a tenant's payer, a subscription's tenant); each costs a pass over
 * its own part of the window. More than the hours of a month, so that every month has its report. */
#define TENANTS_CUTS_MAX 1024
/* Sums (per payer of a tenant and meter) that one report holds. */
#define TENANTS_SUMS_MAX 1000000

struct tenants_query {
    int64_t from_ns, to_ns; /* full hours */
    int64_t now_ns;         /* "mapped" tells of this hour, or of the last one of the window when that is over */
    bool with_usage;        /* the stamp's role: usage and subscriptions are here */
    bool with_mapping;      /* the commerce role: who pays is known here */
    bool has_cloud_id;      /* only that stamp; else all that are registered. with_usage: the own one */
    struct guid cloud_id;
};

struct tenant_quantity {
    struct text meter_id, meter_name, unit; /* ptr NULL: unknown to the catalogue */
    struct decimal_sum quantity;
    uint64_t records;
};

/* A time in which one and the same pays. Without with_mapping there is one, of nobody knows whom. */
struct tenant_payer {
    struct payer payer;
    int64_t from_ns, to_ns;
    struct tenant_quantity *quantities; /* by meter name, then id */
    size_t quantity_count;
    uint64_t records;
};

struct tenant_entry {
    struct guid tenant_id; /* zeros: subscriptions whose tenant nobody told, together */
    struct guid cloud_id;
    struct text display_name;                 /* of the first subscription that is in use; "" */
    const struct subscription *subscriptions; /* the tenant's in the window */
    size_t subscription_count;
    bool mapped; /* see now_ns */
    struct tenant_payer *payers;
    size_t payer_count;
    uint64_t records;
};

/* Sums by kind of payer. */
struct tenants_total {
    struct tenant_quantity *quantities;
    size_t quantity_count;
    uint64_t records;
    size_t tenants; /* that have a part in it */
};

struct tenants {
    struct tenant_entry *entries; /* not mapped first, then by records (most first), then by id */
    size_t count;
    bool with_usage; /* quantities are this stamp's own; else usage is not known here */
    struct tenants_total totals[PAYER_CUSTOMER + 1]; /* by enum payer_kind; without with_mapping all is PAYER_NONE */
};

/* Everything in the arena, valid without the snapshot. ERROR_INVALID_PROPERTY (more than the bounds above: ask for less
 * time), ERROR_USAGE_NOT_KEPT, ERROR_NO_MEMORY, ERROR_STORE_CORRUPT. */
MUST_CHECK err_t tenants_run(struct store *store, struct kv_txn *txn, struct arena *arena, const struct meters *meters,
                             const struct tenants_query *query, struct tenants *out, struct error_info *info);
