/* The one question that everything later asks: who pays for usage of a tenant of a stamp at a usage time? Any thread
 * with a snapshot of the commercial side's store. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "registration/billing_model.h"
#include "registration/registration.h"

enum payer_kind {
    PAYER_NONE,    /* the stamp was not registered then */
    PAYER_DEFAULT, /* the registration's own subscription: the tenant has no mapping, or the model allows none */
    PAYER_CUSTOMER /* the tenant's */
};
const char *payer_kind_name(enum payer_kind kind); /* "none", "default", "customer" */

struct payer {
    enum payer_kind kind;
    struct guid subscription_id; /* who is charged; zeros for PAYER_NONE */
    uint64_t registration;       /* number; 0 for PAYER_NONE */
    struct registration_path path;
    enum billing_model model;
    bool usage_reporting, charged; /* charged: the model charges usage */
    int64_t since_ns; /* from when on that answer holds (the later of the changes that decide it); INT64_MIN: always */
};

/* Who pays from when to when. */
struct payer_period {
    struct payer payer;
    int64_t from_ns, to_ns;
};

/* tenant_id zeros: usage whose owner nobody knows, so the default pays. time_ns is the start of the usage hour;
 * known_ns INT64_MAX: by what is known now. ERROR_OK also for PAYER_NONE. Texts in the arena. */
MUST_CHECK err_t payer_resolve(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id,
                               const struct guid *tenant_id, int64_t time_ns, int64_t known_ns, struct payer *out);
/* The same for every hour of a window, by what is known now: periods without gaps, at least one; neighbours differ in
 * who pays or how. Reads each change once, so it is for long windows of tenants with many changes. */
MUST_CHECK err_t payer_periods(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id,
                               const struct guid *tenant_id, int64_t from_ns, int64_t to_ns, struct payer_period **out,
                               size_t *count);
