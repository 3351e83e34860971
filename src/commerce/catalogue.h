/* What the commercial side knows of the outside world: partners, commercial subscriptions, and approvals of
 * registrations for multitenancy. Entered through /v1/commerce (interface.md section 5); subscriptions can come from an
 * external resolver instead (api/subscription_resolver.h). Readers use any snapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"
#include "registration/customers.h"
#include "store/store.h"

#define PARTNER_ID_SIZE_MAX 64
#define CATALOGUE_PAGE_MAX 1000

enum partner_kind { PARTNER_DIRECT, PARTNER_INDIRECT_PROVIDER, PARTNER_INDIRECT_RESELLER, PARTNER_KIND_COUNT };
const char *partner_kind_name(enum partner_kind kind); /* "direct", "indirectProvider", "indirectReseller" */
struct partner {
    struct text id, name;
    enum partner_kind kind;
    struct text provider_id; /* of an indirect reseller: who bills for it; else "" */
};
/* Reads the body of PUT /v1/commerce/partners/{partnerId}: ERROR_INVALID_PROPERTY with target. */
MUST_CHECK err_t partner_from_json(const struct json *body, struct text id, struct partner *out,
                                   struct error_info *info);
void partner_to_json(const struct partner *partner, struct json_writer *json);
MUST_CHECK err_t partner_get(struct kv_txn *txn, struct arena *arena, struct text id, struct partner *out);
MUST_CHECK err_t partner_list(struct kv_txn *txn, struct arena *arena, struct text after, size_t max,
                              struct partner **out, size_t *count, bool *more);

const char *offer_name(enum offer offer); /* "CSP", "APSS", "EA", "PayAsYouGo" */
/* CSPSS is the older name of APSS. */
MUST_CHECK bool offer_parse(struct text text, enum offer *offer);
MUST_CHECK err_t catalogue_from_json(const struct json *body, const struct guid *id,
                                     struct commercial_subscription *out, struct error_info *info);
void catalogue_to_json(const struct commercial_subscription *subscription, struct json_writer *json);
/* ERROR_NOT_FOUND. */
MUST_CHECK err_t catalogue_get(struct kv_txn *txn, struct arena *arena, const struct guid *id,
                               struct commercial_subscription *out);
MUST_CHECK err_t catalogue_list(struct kv_txn *txn, struct arena *arena, const struct guid *after, size_t max,
                                struct commercial_subscription **out, size_t *count, bool *more);

enum approval_state { APPROVAL_NOT_REQUESTED, APPROVAL_REQUESTED, APPROVAL_APPROVED, APPROVAL_REVOKED };
const char *approval_state_name(enum approval_state state); /* "NotRequested", "Requested", "Approved", "Revoked" */
struct approval {
    uint64_t registration;
    enum approval_state state;
    int64_t changed_ns; /* INT64_MIN: never */
    struct text by;
};
/* APPROVAL_NOT_REQUESTED when nobody said anything. */
MUST_CHECK err_t approval_get(struct kv_txn *txn, struct arena *arena, uint64_t registration, struct approval *out);

/* Jobs: partner_put, catalogue_put, their deletions, approval_put; see catalogue.c's owner for their shapes. */
