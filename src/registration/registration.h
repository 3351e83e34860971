/* Registrations as the commercial side keeps them: one resource per stamp (spec section 6, wire-contracts 4.1), with
 * the history of how each stamp was registered. A registration has a number of its own: one that is deleted and made
 * again under the same name is another registration, with other customers.
 *
 * History: an append-only list of changes per cloud id, each "from that hour on". What held at a time t is the change
 * recorded last among those with effective_ns <= t; with known_ns, among those recorded until then. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"
#include "base/signature.h"
#include "registration/billing_model.h"
#include "registration/registration_token.h"
#include "store/store.h"

#define REGISTRATION_NAME_SIZE_MAX 90
#define REGISTRATIONS_MAX 100000
#define REGISTRATION_CHANGES_MAX 10000 /* per stamp; more are refused */
#define REGISTRATION_ETAG_SIZE 44

/* How a registration is addressed; resource group and name compare without case. */
struct registration_path {
    struct guid subscription_id;
    struct text resource_group, name;
};

struct registration {
    uint64_t number; /* from 1, never used again */
    struct registration_path path;
    struct guid cloud_id, object_id;
    enum billing_model model;
    bool usage_reporting, marketplace_syndication, remote_management;
    struct text agreement_number, ms_asset_tag, stamp_version;
    struct text tags;                              /* JSON object, or "" */
    char public_key_id[SIGNATURE_KEY_ID_SIZE];     /* of the stamp, as its newest token says; "": it does not */
    uint64_t cores;                                /* of all nodes */
    int64_t created_ns, changed_ns, registered_ns; /* registered: the newest token came */
    int64_t expires_ns; /* of the activation keys made from now on; INT64_MAX: never (Capacity: a year) */
    struct text created_by, changed_by;
    bool created_by_user, changed_by_user; /* somebody at the console; else a token */
    uint64_t etag;                         /* grows with every change */
};
/* "3-17": number and etag. Bare in bodies, in quotes in the ETag header; a strong one, no W/. */
void registration_etag(const struct registration *registration, char out[REGISTRATION_ETAG_SIZE]);
/* "Active" or "Expired": an expired one makes no activation keys until it is renewed. */
bool registration_is_expired(const struct registration *registration, int64_t now_ns);
/* 1 to REGISTRATION_NAME_SIZE_MAX letters, digits and . _ - ( ), no dot at the end. */
bool registration_name_is_valid(struct text name);
/* "/subscriptions/{s}/resourceGroups/{g}/providers/Microsoft.AzureStack/registrations/{n}"; ptr NULL: no memory. */
struct text registration_resource_id(struct arena *arena, const struct registration_path *path);

/* Any snapshot; texts in the arena. ERROR_REGISTRATION_NOT_FOUND with all three ids and the documented advice. */
MUST_CHECK err_t registration_find(struct kv_txn *txn, struct arena *arena, const struct registration_path *path,
                                   struct registration *out, struct error_info *info);
MUST_CHECK err_t registration_get(struct kv_txn *txn, struct arena *arena, uint64_t number, struct registration *out);
/* By name, with the subscription (NULL: any) and the group (empty: any) where names repeat.
 * ERROR_REGISTRATION_NOT_FOUND; ERROR_CONFLICT, which asks for ?subscriptionId= or &resourceGroup=, when there are
 * several. */
MUST_CHECK err_t registration_find_by_name(struct kv_txn *txn, struct arena *arena, const struct guid *subscription_id,
                                           struct text resource_group, struct text name, struct registration *out,
                                           struct error_info *info);
/* ERROR_NOT_FOUND: the stamp is not registered now. */
MUST_CHECK err_t registration_of_cloud(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id,
                                       struct registration *out);
/* In the order of subscription, group and name, the last two in lower case; filter by subscription and group where
 * given (NULL, ptr NULL: all; a group needs a subscription). */
MUST_CHECK err_t registration_list(struct kv_txn *txn, struct arena *arena, const struct guid *subscription_id,
                                   struct text resource_group, struct registration **out, size_t *count);
/* The same by pages. 'after': where the page before ended (NULL: the first page), which need not be there any more. */
MUST_CHECK err_t registration_page(struct kv_txn *txn, struct arena *arena, const struct guid *subscription_id,
                                   struct text resource_group, const struct registration_path *after, size_t max,
                                   struct registration **out, size_t *count, bool *more);
/* How many there are, by state, and when the first of the active ones expires (INT64_MAX: none does). Reads each of
 * them: about a microsecond apiece, so a tenth of a second at REGISTRATIONS_MAX. */
struct registration_counts {
    uint64_t active, expired;
    int64_t next_expiry_ns;
};
MUST_CHECK err_t registration_count(struct kv_txn *txn, struct arena *arena, int64_t now_ns,
                                    struct registration_counts *out);
/* The subscriptions that have registrations, each once, in order. */
MUST_CHECK err_t registration_subscriptions(struct kv_txn *txn, struct arena *arena, struct guid **out, size_t *count);
/* What the newest token said, as registration_token_to_json writes it: hardware, version, issuer, public key. Kept
 * apart from the registration because it can be long. ERROR_NOT_FOUND. */
MUST_CHECK err_t registration_facts(struct kv_txn *txn, struct arena *arena, uint64_t number, struct text *out);

/* Preconditions of a change (wire-contracts 4.6). */
struct precondition {
    struct text if_match, if_none_match; /* ptr NULL: not given; "*" or etags, quoted or bare, comma between them */
};
/* etag: of what is there, bare; ptr NULL: nothing is. ERROR_PRECONDITION_FAILED with both sides in the message. */
MUST_CHECK err_t precondition_check(const struct precondition *precondition, struct text etag, struct error_info *info);

/* PUT (must_exist false) and PATCH. Refusals are no errors of the store, and change nothing: 'refusal' and info tell.
 * ERROR_REGISTRATION_NOT_FOUND (PATCH), ERROR_PRECONDITION_FAILED, ERROR_CONFLICT (the name is another stamp's, a bound
 * is reached), ERROR_CLOUD_ID_REGISTERED. A token that comes again renews: new facts, model and expiry (spec 6.8). */
struct registration_put {
    struct store_job job; /* first member */
    struct registration_path path;
    const struct registration_token *token; /* NULL: PATCH without a token keeps what is there */
    struct text tags;                       /* ptr NULL: keeps */
    struct precondition precondition;
    struct text by;
    bool by_user, must_exist;
    int64_t capacity_ns;        /* how long a Capacity registration holds */
    int64_t backdate_ns;        /* it takes effect so long before the commit (the demo's history); usually 0 */
    struct arena *arena;        /* for what is read back; the writer's while the job runs */
    bool created, unchanged;    /* out */
    struct registration result; /* out */
    /* out: the stamp's key before this token. Another one now is allowed, since a stamp that is built anew on other
     * hardware has one, and is for the audit log to tell. */
    char previous_key_id[SIGNATURE_KEY_ID_SIZE];
    err_t refusal;
    struct error_info info;
};
/* Sets the job alone; all else is the caller's, zeroed where not needed. The same below. */
void registration_put_init(struct registration_put *put);

struct registration_delete {
    struct store_job job;
    struct registration_path path;
    struct precondition precondition;
    struct text by;
    struct arena *arena;
    bool missing;                /* out */
    struct registration removed; /* out */
    err_t refusal;
    struct error_info info;
};
/* Frees name and cloud id. What was registered when stays in the history; the stamp keeps its activation until that
 * is taken back there. */
void registration_delete_init(struct registration_delete *delete_job);

struct registration_remote_management {
    struct store_job job;
    struct registration_path path;
    struct text by;
    bool by_user;
    struct arena *arena;
    bool unchanged; /* out: it was enabled before */
    err_t refusal;
    struct error_info info;
};
void registration_remote_management_init(struct registration_remote_management *enable);

/* Reads what an activation key is made of, in a transaction so that handing it out is in the audit log. Changes nothing
 * else. Refusals: ERROR_REGISTRATION_NOT_FOUND, ERROR_CONFLICT when it has expired. */
struct registration_key_facts {
    struct store_job job;
    struct registration_path path;
    struct arena *arena;
    struct registration registration; /* out */
    int64_t issued_ns;                /* out */
    err_t refusal;
    struct error_info info;
};
void registration_key_facts_init(struct registration_key_facts *key_facts);

/* How a stamp was registered from some hour on. */
struct registration_change {
    uint64_t number;      /* of the change, per cloud id, from 1 */
    int64_t effective_ns; /* start of the hour */
    int64_t recorded_ns;
    struct text by;
    bool registered;       /* false: removed */
    uint64_t registration; /* its number */
    struct registration_path path;
    enum billing_model model;
    bool usage_reporting;
};
/* Recorded where something of it changes: registered, removed, another name, model or reporting. Renewals with new
 * hardware are in the audit log alone.
 * Any snapshot: what held at t as known at known_ns (INT64_MAX: now). ERROR_NOT_FOUND: never registered until then. */
MUST_CHECK err_t registration_at(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id, int64_t time_ns,
                                 int64_t known_ns, struct registration_change *out);
MUST_CHECK err_t registration_history(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id,
                                      struct registration_change **out, size_t *count);
