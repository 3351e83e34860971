/* Customer subscriptions: which commercial subscription pays for which tenant of a registered stamp (spec section 7,
 * wire-contracts 4.2). One subscription per tenant and registration; a second one replaces it.
 *
 * Effective-dated: an append-only list of changes per (registration, tenant), each "from that hour on" with either a
 * subscription or none (then the registration's own pays). What held at usage time t is the change recorded last among
 * those with effective_ns <= t, so a change overrides everything from its hour on, also what was scheduled later, and
 * what was believed earlier stays visible (known_ns). Hours are whole: a change without a date holds from the start of
 * the hour in which it is made.
 *
 * What already holds at its hour is no change: saying it again records nothing and leaves alone what is scheduled for
 * later. Who wants to cancel a schedule says so for the hour in which it begins, or deletes that mapping.
 *
 * At any time a subscription pays for one tenant of a registration at most: mapping it to another tenant takes it from
 * the one that has it, from that hour on. */
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
#define CUSTOMER_CHANGES_MAX 100000 /* per tenant; more are refused, unless they only take mappings away */
#define CUSTOMER_ETAG_SIZE 64

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
 * CustomerSubscriptionsNotAllowed (billing model), UnauthorizedCspRegistration (not approved, or the base neither CSP
 * nor APSS), InvalidCustomerSubscriptionId (unknown), InvalidCSPSubscription (not CSP, not active),
 * BadCustomerSubscriptionId (another partner; where the base belongs to a reseller, another reseller). Pure. Spec 7.2,
 * 8.2. */
MUST_CHECK err_t customer_check(const struct registration *registration, const struct guid *customer_id,
                                const struct customer_facts *facts, struct error_info *info);
/* The first of them alone, which holds for reading too. */
MUST_CHECK err_t customer_check_model(const struct registration *registration, struct error_info *info);
/* The first two as far as they need no look-up: model, approval. */
MUST_CHECK err_t customer_check_approval(const struct registration *registration, bool approved,
                                         struct error_info *info);
/* The id as it stands in a path: ERROR_INVALID_CUSTOMER_SUBSCRIPTION_ID when it is no GUID,
 * ERROR_BAD_CUSTOMER_SUBSCRIPTION_ID when it has capital letters (ids are compared with case). */
MUST_CHECK err_t customer_id_parse(struct text text, struct guid *out, struct error_info *info);
/* RFC 3339 on the hour; "" or ptr NULL: INT64_MIN. ERROR_INVALID_PROPERTY. */
MUST_CHECK err_t customer_effective_parse(struct text text, const char *target, int64_t *out_ns,
                                          struct error_info *info);
/* An Entra tenant: a GUID that is not all zeros. ERROR_INVALID_PROPERTY. */
MUST_CHECK err_t customer_tenant_parse(struct text text, const char *target, struct guid *out, struct error_info *info);
/* ERROR_CUSTOMER_SUBSCRIPTION_NOT_FOUND with id and registration. */
err_t customer_not_found(const struct registration *registration, const struct guid *customer_id,
                         struct error_info *info);

struct customer {
    struct guid customer_id, tenant_id;
    int64_t effective_ns, recorded_ns;
    struct text by;
    uint64_t newest_change; /* number of the tenant's newest change as known then, which may be about later hours */
};
/* Bare; another one after every change of its tenant, scheduled ones too, and when the subscription has moved to
 * another tenant. */
void customer_etag(const struct customer *customer, char out[CUSTOMER_ETAG_SIZE]);

struct customer_change {
    uint64_t number; /* per (registration, tenant), from 1, without gaps */
    int64_t effective_ns, recorded_ns;
    bool mapped;
    struct guid customer_id; /* if mapped */
    struct text by;
    struct text request; /* id of the HTTP request, as in the audit log; "" if it was none */
};

/* Any snapshot; texts in the arena. Mappings that hold at time_ns as known at known_ns (INT64_MAX: now), by customer
 * id, from 'after' on (NULL: the first), at most 'max'. *more: others follow. Costs as much as it returns, plus a
 * look at each subscription in between that was mapped at another time. */
MUST_CHECK err_t customer_list(struct kv_txn *txn, struct arena *arena, uint64_t registration, int64_t time_ns,
                               int64_t known_ns, const struct guid *after, size_t max, struct customer **out,
                               size_t *count, bool *more);
/* By customer subscription. ERROR_NOT_FOUND. */
MUST_CHECK err_t customer_get(struct kv_txn *txn, struct arena *arena, uint64_t registration,
                              const struct guid *customer_id, int64_t time_ns, int64_t known_ns, struct customer *out);
/* By tenant: who pays for it. ERROR_NOT_FOUND: nobody but the default. */
MUST_CHECK err_t customer_of_tenant(struct kv_txn *txn, struct arena *arena, uint64_t registration,
                                    const struct guid *tenant_id, int64_t time_ns, int64_t known_ns,
                                    struct customer *out);
/* The change that decides it, also one that took the mapping away. ERROR_NOT_FOUND: there was none until then. */
MUST_CHECK err_t customer_change_at(struct kv_txn *txn, struct arena *arena, uint64_t registration,
                                    const struct guid *tenant_id, int64_t time_ns, int64_t known_ns,
                                    struct customer_change *out);
/* A tenant's mapping over time: each stretch up to the next one, the last for ever; neighbours differ. */
struct customer_stretch {
    int64_t start_ns;
    bool mapped;
    struct guid customer_id; /* zeros unless mapped */
};
/* By what is known now, from from_ns on (the first stretch begins there); at least one. *last_change: number of the
 * newest change, 0: none. Reads each change once. ERROR_CONFLICT: there are more than 'max'. */
MUST_CHECK err_t customer_stretches(struct kv_txn *txn, struct arena *arena, uint64_t registration,
                                    const struct guid *tenant_id, int64_t from_ns, size_t max,
                                    struct customer_stretch **out, size_t *count, uint64_t *last_change);
/* In the order in which they were recorded: those with a number above 'after' (0: the first), at most 'max'. */
MUST_CHECK err_t customer_history(struct kv_txn *txn, struct arena *arena, uint64_t registration,
                                  const struct guid *tenant_id, uint64_t after, size_t max,
                                  struct customer_change **out, size_t *count, bool *more);

/* --- changing --- */

/* What a job did to a tenant, for the audit log; from effective_ns on. */
struct customer_effect {
    struct guid tenant_id;
    int64_t effective_ns;
    bool was_mapped, is_mapped;
    struct guid before, after; /* customer subscriptions, if mapped */
};

/* What both jobs below are told and tell. */
struct customer_job {
    struct store_job job; /* first member */
    uint64_t registration;
    struct precondition precondition; /* on the mapping of the (first line's) subscription as it holds now */
    struct text by, request;          /* request: "" if there is none */
    struct arena *arena;              /* the writer's while the job runs */
    bool dry_run;                     /* tells what it would do */
    /* Whether the registration may have customers, asked again in the job's transaction for lines that map: between the
     * caller's checks and the job others may have been asked for long. NULL: nobody is asked. */
    err_t (*read_approved)(struct kv_txn *txn, struct arena *arena, uint64_t registration, bool *approved);
    /* out */
    struct customer_effect *effects; /* one per tenant whose mapping is another one now; in the arena */
    size_t effect_count;
    /* ERROR_REGISTRATION_NOT_FOUND (it is gone), what customer_check_model and customer_check_approval refuse,
     * ERROR_PRECONDITION_FAILED, ERROR_CONFLICT (a bound): nothing is changed then. */
    err_t refusal;
    struct error_info info;
};

/* Many lines in one job (a PUT is one of them; a CSV file up to CUSTOMER_BATCH_MAX), applied in the order of their
 * dates, those of one hour in their own order. A line that says what already holds at its hour, with the lines before
 * it applied, is passed over. What they come to is compared with what there is: nothing is recorded where they change
 * nothing, so the same lines again are harmless; unless lines of one hour say different things of a tenant or a
 * subscription, which customers_file_read rejects. The checks are the caller's, but for the registration, which must
 * still be there and still have customers. */
#define CUSTOMER_BATCH_MAX 10000
struct customer_line {
    struct guid tenant_id;
    bool mapped; /* false: the default pays from then on */
    struct guid customer_id;
    int64_t effective_ns; /* start of an hour; INT64_MIN: of this hour, which is then told */
    bool changed;         /* out: it changed what is known of its tenant */
    bool refused; /* out: its tenant has had too many changes (customer_too_many_changes); the others are applied */
};
/* ERROR_CONFLICT with the tenant. */
err_t customer_too_many_changes(const struct guid *tenant_id, struct error_info *info);
struct customer_apply {
    struct customer_job base; /* first member */
    struct customer_line *lines;
    size_t line_count;
    size_t changed_count, refused_count; /* out */
    struct customer result;              /* out: the first line's, if mapped, as it holds in its hour */
};
void customer_apply_init(struct customer_apply *apply, struct customer_line *lines, size_t line_count);
/* Ends whatever the subscription is mapped to, from that hour on; later changes of its tenant to others stay. */
struct customer_delete {
    struct customer_job base; /* first member */
    struct guid customer_id;
    int64_t effective_ns; /* as above */
    bool missing;         /* out: it was mapped to nothing from then on */
};
void customer_delete_init(struct customer_delete *delete_job, const struct guid *customer_id);
