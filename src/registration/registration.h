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
#include "registration/billing_model.h"
#include "registration/registration_token.h"
#include "store/store.h"

#define REGISTRATION_NAME_SIZE_MAX 90
#define REGISTRATIONS_MAX 100000
#define REGISTRATION_ETAG_SIZE 24

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
    struct text tags;        /* JSON object, or "" */
    struct text token_facts; /* JSON of registration_token_to_json: hardware, version, issuer, public key */
    uint64_t cores;          /* of all nodes */
    int64_t created_ns, changed_ns, registered_ns; /* registered: the newest token came */
    int64_t expires_ns; /* of the activation keys made from now on; INT64_MAX: never (Capacity: a year) */
    struct text created_by, changed_by;
    uint64_t etag; /* grows with every change */
};
/* "W/..." free, without quotes; what bodies and the ETag header carry. */
void registration_etag(const struct registration *registration, char out[REGISTRATION_ETAG_SIZE]);

/* Any snapshot; texts in the arena. ERROR_REGISTRATION_NOT_FOUND with all three ids and the documented advice. */
MUST_CHECK err_t registration_find(struct kv_txn *txn, struct arena *arena, const struct registration_path *path,
                                   struct registration *out, struct error_info *info);
MUST_CHECK err_t registration_get(struct kv_txn *txn, struct arena *arena, uint64_t number, struct registration *out);
/* In the order of numbers; filter by subscription and group where given (NULL, ptr NULL: all). */
MUST_CHECK err_t registration_list(struct kv_txn *txn, struct arena *arena, const struct guid *subscription_id,
                                   struct text resource_group, struct registration **out, size_t *count);

/* Preconditions of a change (wire-contracts 4.6). */
struct precondition {
    struct text if_match, if_none_match; /* ptr NULL: not given; "*" or etags, quoted or bare */
};

/* PUT (must_exist false) and PATCH. Refusals are no errors of the store: 'refusal' and info tell. */
struct registration_put {
    struct store_job job; /* first member */
    struct registration_path path;
    const struct registration_token *token; /* NULL: PATCH without a token keeps what is there */
    struct text tags;                       /* ptr NULL: keeps */
    struct precondition precondition;
    struct text by;
    bool must_exist;
    int64_t capacity_ns;        /* how long a Capacity registration holds */
    struct arena *arena;        /* for what is read back; the writer's while the job runs */
    bool created;               /* out */
    struct registration result; /* out */
    err_t refusal;
    struct error_info info;
};
void registration_put_init(struct registration_put *put);

struct registration_delete {
    struct store_job job;
    struct registration_path path;
    struct precondition precondition;
    struct arena *arena;
    bool missing; /* out */
    err_t refusal;
    struct error_info info;
};
void registration_delete_init(struct registration_delete *delete_job);

struct registration_remote_management {
    struct store_job job;
    struct registration_path path;
    struct arena *arena;
    err_t refusal;
    struct error_info info;
};
void registration_remote_management_init(struct registration_remote_management *enable);

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
/* Any snapshot: what held at t as known at known_ns (INT64_MAX: now). ERROR_NOT_FOUND: never registered until then. */
MUST_CHECK err_t registration_at(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id, int64_t time_ns,
                                 int64_t known_ns, struct registration_change *out);
MUST_CHECK err_t registration_history(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id,
                                      struct registration_change **out, size_t *count);
