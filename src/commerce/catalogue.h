/* What the commercial side knows of the outside world: partners, commercial subscriptions, and approvals of
 * registrations for multitenancy. Entered through /v1/commerce (interface.md section 5); subscriptions can come from an
 * external resolver instead (api/subscription_lookup.h). Kept as JSON; readers use any snapshot, changes are jobs of
 * the writer.
 *
 * What refers to something refers to something that is there: a reseller's provider, a subscription's partner and
 * reseller. So who bills is never a name that nobody knows. Changes that would break that are refused (refusal, info),
 * which is no error of the store. A job that changes nothing (the same content again) writes nothing: 'changed' is
 * false, and no audit entry is due. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"
#include "registration/billing_model.h"
#include "registration/customers.h"
#include "registration/registration.h"
#include "store/store.h"

#define PARTNER_ID_SIZE_MAX 64
#define PARTNER_NAME_SIZE_MAX 256
/* Bounds of the tables; what looks for references goes through them. */
#define PARTNERS_MAX 10000
#define CATALOGUE_SUBSCRIPTIONS_MAX 100000
#define CATALOGUE_PAGE_MAX 1000

/* --- partners --- */

enum partner_kind { PARTNER_DIRECT, PARTNER_INDIRECT_PROVIDER, PARTNER_INDIRECT_RESELLER, PARTNER_KIND_COUNT };
const char *partner_kind_name(enum partner_kind kind); /* "direct", "indirectProvider", "indirectReseller" */

struct partner {
    struct text id, name;
    enum partner_kind kind;
    struct text provider_id; /* of an indirect reseller: who bills for it; else "" */
};

/* 1 to PARTNER_ID_SIZE_MAX letters, digits, '.', '_' or '-'. Ids compare without case, and stay as first written. */
bool partner_id_is_valid(struct text id);
/* Reads the body of PUT /v1/commerce/partners/{partnerId}: ERROR_INVALID_PROPERTY with target. Whether the provider is
 * there is for the job to say. Texts are the body's. */
MUST_CHECK err_t partner_from_json(const struct json *body, struct text id, struct partner *out,
                                   struct error_info *info);
void partner_to_json(const struct partner *partner, struct json_writer *json);
/* ERROR_NOT_FOUND. Texts in the arena, here and below. */
MUST_CHECK err_t partner_get(struct kv_txn *txn, struct arena *arena, struct text id, struct partner *out);
/* By id, those after 'after' (ptr NULL: from the first), at most 'max'. *more: others follow. */
MUST_CHECK err_t partner_list(struct kv_txn *txn, struct arena *arena, struct text after, size_t max,
                              struct partner **out, size_t *count, bool *more);

/* Refuses with ERROR_INVALID_PROPERTY (target providerId) a provider that isn't there or is none, with ERROR_CONFLICT a
 * change of kind or provider that others rely on, and more than PARTNERS_MAX. */
struct partner_put {
    struct store_job job; /* first member */
    struct partner partner;
    struct arena *arena; /* the writer's while the job runs */
    /* out */
    struct partner result; /* as it is now; in the arena */
    bool created, changed;
    err_t refusal;
    struct error_info info;
};
void partner_put_init(struct partner_put *put, const struct partner *partner, struct arena *arena);

/* ERROR_CONFLICT names what refers to it. */
struct partner_delete {
    struct store_job job; /* first member */
    struct text id;
    struct arena *arena;
    bool missing; /* out */
    err_t refusal;
    struct error_info info;
};
void partner_delete_init(struct partner_delete *delete_job, struct text id, struct arena *arena);

/* --- commercial subscriptions --- */

const char *offer_name(enum offer offer); /* "CSP", "APSS", "EA", "PayAsYouGo" */
/* CSPSS is the older name of APSS. Without case. */
MUST_CHECK bool offer_parse(struct text text, enum offer *offer);
/* CSP and APSS are sold by partners; EA and PayAsYouGo are not. */
bool offer_has_partner(enum offer offer);

/* Reads the body of PUT /v1/commerce/subscriptions/{subscriptionId}, which is also what an external resolver answers:
 * ERROR_INVALID_PROPERTY with target. Texts are the body's. */
MUST_CHECK err_t catalogue_from_json(const struct json *body, const struct guid *id,
                                     struct commercial_subscription *out, struct error_info *info);
void catalogue_to_json(const struct commercial_subscription *subscription, struct json_writer *json);
/* ERROR_NOT_FOUND. */
MUST_CHECK err_t catalogue_get(struct kv_txn *txn, struct arena *arena, const struct guid *id,
                               struct commercial_subscription *out);
/* By id, those after 'after' (NULL: from the first) that match, at most 'max' (CATALOGUE_PAGE_MAX at most). *more:
 * others follow. */
struct catalogue_filter {
    struct text partner_id; /* who bills or resells; ptr NULL: any */
    struct guid tenant_id;  /* zeros: any */
};
MUST_CHECK err_t catalogue_list(struct kv_txn *txn, struct arena *arena, const struct catalogue_filter *filter,
                                const struct guid *after, size_t max, struct commercial_subscription **out,
                                size_t *count, bool *more);

/* Refuses with ERROR_INVALID_PROPERTY (target partnerId, resellerId) who isn't there or does not fit, and with
 * ERROR_CONFLICT more than CATALOGUE_SUBSCRIPTIONS_MAX. */
struct catalogue_put {
    struct store_job job; /* first member */
    struct commercial_subscription subscription;
    struct arena *arena; /* the writer's while the job runs */
    /* out */
    struct commercial_subscription result; /* as it is now; in the arena */
    bool created, changed;
    err_t refusal;
    struct error_info info;
};
void catalogue_put_init(struct catalogue_put *put, const struct commercial_subscription *subscription,
                        struct arena *arena);

/* Nothing refers to a subscription for good: registrations and customers name theirs by id, and one that is gone is
 * refused there from then on (customer_check), while what was mapped stays mapped. */
struct catalogue_delete {
    struct store_job job; /* first member */
    struct guid id;
    bool missing; /* out */
};
void catalogue_delete_init(struct catalogue_delete *delete_job, const struct guid *id);

/* --- approvals of registrations for multitenancy (spec 7.3) --- */

enum approval_state { APPROVAL_NOT_REQUESTED, APPROVAL_REQUESTED, APPROVAL_APPROVED, APPROVAL_REVOKED };
const char *approval_state_name(enum approval_state state); /* "NotRequested", "Requested", "Approved", "Revoked" */

struct approval {
    uint64_t registration; /* its number: one that is made again under the same name starts over */
    enum approval_state state;
    int64_t changed_ns; /* INT64_MIN: never */
    struct text by;     /* who changed it last; "" if nobody */
};
/* APPROVAL_NOT_REQUESTED when nobody said anything. */
MUST_CHECK err_t approval_get(struct kv_txn *txn, struct arena *arena, uint64_t registration, struct approval *out);

/* Whether a registration can be multitenant at all: ERROR_CONFLICT with the reason when its billing model allows no
 * customers, or its base subscription (NULL: nobody knows it, which is left to the approver) is neither CSP nor APSS
 * (spec 7.2). Pure. */
MUST_CHECK err_t approval_check(enum billing_model model, const struct commercial_subscription *base,
                                struct error_info *info);

/* Sets the state. APPROVAL_REQUESTED leaves an approved one approved. Whether it may be is the caller's to check
 * (approval_check). */
struct approval_put {
    struct store_job job; /* first member */
    uint64_t number;      /* of the registration */
    enum approval_state state;
    struct text by;
    struct arena *arena; /* the writer's while the job runs */
    /* out */
    struct registration registration; /* as it is now; in the arena, as the result */
    struct approval result;
    bool changed;
    bool missing;  /* there is no such registration any more; nothing has changed */
    err_t refusal; /* ERROR_OK, or ERROR_CONFLICT with info: its billing model has no customers; nothing has changed */
    struct error_info info;
};
void approval_put_init(struct approval_put *put, uint64_t number, enum approval_state state, struct text by,
                       struct arena *arena);
