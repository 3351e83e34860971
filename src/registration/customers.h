/* Customer subscriptions: which commercial subscription pays for which tenant of a registered stamp (spec section 7,
 * wire-contracts 4.2). One subscription per tenant and registration; a second one replaces it.
 *
 * Effective-dated: an append-only list of changes per (registration, tenant), each "from that hour on" with either a
 * subscription or none (then the registration's own pays). What held at usage time t is the change recorded last among
 * those with effective_ns <= t, so a change overrides everything from its hour on, also what was scheduled later, and
 * what was believed earlier stays visible (known_ns). Hours are whole: a change without a date holds from the start of
 * the hour in which it is made. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"
#include "registration/registration.h"
#include "store/store.h"

#define CUSTOMERS_PAGE_MAX 1000
#define CUSTOMER_CHANGES_MAX 100000 /* per tenant */

/* What is known of a commercial subscription; from the catalogue or an external resolver (commerce/catalogue.h). */
enum offer { OFFER_CSP, OFFER_APSS, OFFER_EA, OFFER_PAY_AS_YOU_GO, OFFER_COUNT };
struct commercial_subscription {
    struct guid id, tenant_id;
    struct text partner_id, reseller_id; /* "" if none */
    enum offer offer;
    bool active;
};

/* Facts that the eight errors are decided on, looked up by the caller. */
struct customer_facts {
    bool approved;                   /* multitenancy of the registration */
    bool base_known, customer_known; /* false: nobody knows that subscription */
    struct commercial_subscription base, customer;
};
/* ERROR_OK, or the documented refusal with the documented facts and a remedy, in this order:
 * CustomerSubscriptionsNotAllowed
 * (billing model), UnauthorizedCspRegistration (not approved, or the base is neither CSP nor APSS),
 * InvalidCustomerSubscriptionId (unknown), InvalidCSPSubscription (not CSP, not active), BadCustomerSubscriptionId
 * (another partner; where the base belongs to a reseller, another reseller). Pure. */
MUST_CHECK err_t customer_check(const struct registration *registration, const struct guid *customer_id,
                                const struct customer_facts *facts, struct error_info *info);
/* The id as it stands in a path: ERROR_INVALID_CUSTOMER_SUBSCRIPTION_ID when it is no GUID,
 * ERROR_BAD_CUSTOMER_SUBSCRIPTION_ID when it has capital letters (ids are compared with case). */
MUST_CHECK err_t customer_id_parse(struct text text, struct guid *out, struct error_info *info);

struct customer {
    struct guid customer_id, tenant_id;
    int64_t effective_ns, recorded_ns;
    struct text by;
    uint64_t change; /* number of the change; etag */
};
struct customer_change {
    uint64_t number; /* per (registration, tenant), from 1 */
    int64_t effective_ns, recorded_ns;
    bool mapped;
    struct guid customer_id; /* if mapped */
    struct text by;
};

/* Any snapshot; texts in the arena. Mappings that hold at time_ns as known at known_ns (INT64_MAX: now), by customer
 * id, from 'after' on (NULL: the first), at most 'max'. *more: others follow. */
MUST_CHECK err_t customer_list(struct kv_txn *txn, struct arena *arena, uint64_t registration, int64_t time_ns,
                               int64_t known_ns, const struct guid *after, size_t max, struct customer **out,
                               size_t *count, bool *more);
/* By customer subscription. ERROR_NOT_FOUND. */
MUST_CHECK err_t customer_get(struct kv_txn *txn, struct arena *arena, uint64_t registration,
                              const struct guid *customer_id, int64_t time_ns, struct customer *out);
/* By tenant: who pays for it. ERROR_NOT_FOUND: nobody but the default. */
MUST_CHECK err_t customer_of_tenant(struct kv_txn *txn, struct arena *arena, uint64_t registration,
                                    const struct guid *tenant_id, int64_t time_ns, int64_t known_ns,
                                    struct customer *out);
/* In the order in which they were recorded. */
MUST_CHECK err_t customer_history(struct kv_txn *txn, struct arena *arena, uint64_t registration,
                                  const struct guid *tenant_id, struct customer_change **out, size_t *count);

/* Changes, many in one job (a PUT is one of them; a CSV file up to CUSTOMER_BATCH_MAX). A line that changes nothing is
 * left out (idempotent). The checks are the caller's, but for the registration, which must still be there. */
#define CUSTOMER_BATCH_MAX 10000
struct customer_line {
    struct guid tenant_id;
    bool mapped; /* false: the default pays from then on */
    struct guid customer_id;
    int64_t effective_ns; /* start of an hour; INT64_MIN: of this hour */
    bool changed;         /* out */
};
struct customer_apply {
    struct store_job job; /* first member */
    uint64_t registration;
    struct customer_line *lines;
    size_t line_count, changed_count; /* changed_count: out */
    struct text by;
    struct arena *arena;
    err_t refusal; /* out: ERROR_REGISTRATION_NOT_FOUND */
    struct error_info info;
};
void customer_apply_init(struct customer_apply *apply);
/* Ends whatever the subscription is mapped to, from this hour on. */
struct customer_delete {
    struct store_job job;
    uint64_t registration;
    struct guid customer_id;
    struct text by;
    struct arena *arena;
    bool missing; /* out */
};
void customer_delete_init(struct customer_delete *delete_job);
