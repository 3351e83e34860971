/* The subscriptions of the stamp, as data: who owns them, which provider sold them, whether they were deleted.
 * Usage of a subscription nobody has described yet is accepted; it is listed as Unknown until somebody does
 * (interface.md section 5). Kept as JSON per subscription; readers use any snapshot. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/json.h"
#include "base/text.h"
#include "store/store.h"

enum subscription_state { SUBSCRIPTION_ENABLED, SUBSCRIPTION_DELETED, SUBSCRIPTION_UNKNOWN };
const char *subscription_state_name(enum subscription_state state); /* "Enabled", ... */

struct subscription {
    struct guid id;
    struct guid tenant_id; /* zeros if not given */
    struct text display_name, owner, offer_id;
    struct guid provider_subscription_id; /* zeros: the operator's own */
    enum subscription_state state;
    int64_t deleted_ns; /* when it was deleted; INT64_MIN: it is not, or it isn't known */
};

/* The operator's own subscription, "Default Provider Subscription"; made at first start and kept in the
 * settings. ERROR_NOT_FOUND before that. */
MUST_CHECK err_t subscription_operator(struct kv_txn *txn, struct guid *id);

/* As it is now, that is at store_now_ns. ERROR_NOT_FOUND when neither described nor seen in usage; state UNKNOWN when
 * only seen. Texts in the arena. For other times: subscription_history.h. */
MUST_CHECK err_t subscription_get(struct store *store, struct kv_txn *txn, struct arena *arena, const struct guid *id,
                                  struct subscription *out);
/* Every subscription as it was described last, described ones by id, then those only seen in usage; *count entries in
 * the arena. Whose it is now may be something else: subscription_list_at (subscription_history.h). */
MUST_CHECK err_t subscription_list(struct kv_txn *txn, struct arena *arena, struct subscription **out, size_t *count);

/* Changes whenever a described subscription does. */
MUST_CHECK err_t subscription_version(struct kv_txn *txn, uint64_t *version);
struct subscription_deleted {
    struct guid id;
    int64_t deleted_ns;
};
/* Those whose time of deletion is known, at most 'max', in the arena. */
MUST_CHECK err_t subscription_list_deleted(struct kv_txn *txn, struct arena *arena, size_t max,
                                           struct subscription_deleted **out, size_t *count);

/* Whether usage of it shows in the operator's own list: everything that no delegated provider sold. */
bool subscription_is_direct(const struct subscription *subscription, const struct guid *operator_id);

/* Jobs for the writer. The struct is the caller's until done; texts are borrowed. A change that is refused changes
 * nothing: 'refusal' is then not ERROR_OK, and 'info' says why. */

/* Describes a subscription that is in use. Names hold at once and for all time; tenant and provider hold from
 * effective_ns on, whatever was scheduled for later. Without a time the first description holds for ever since, and a
 * later one from the start of this hour on if it says something else about them than what holds now.
 * It is in use from effective_ns on, too, but a deletion that is known of a later hour stays, and so does coming back
 * after it: they are added to the history again, with the new tenant and provider.
 * Refusals: of provider_check (provider_tree.h); ERROR_CONFLICT after SUBSCRIPTION_CHANGES_MAX changes. */
struct subscription_put {
    struct store_job job; /* first member; set job.done, job.run is set by subscription_put_init */
    struct subscription subscription;
    int64_t effective_ns;    /* start of an hour; INT64_MIN: not said */
    struct text by;          /* for the history */
    bool created;            /* out: it was not described before */
    bool changed_owner;      /* out: the change is in the history */
    struct subscription now; /* out: the same with tenant, provider and state that hold now */
    err_t refusal;
    struct error_info info;
};
void subscription_put_init(struct subscription_put *put, const struct subscription *subscription);
/* Marks as Deleted, from this hour on, however often it changed hands; usage stays readable. missing: nothing
 * described under that id. Refusal: ERROR_CONFLICT while it is the provider of subscriptions in use. */
struct subscription_delete {
    struct store_job job;
    struct guid id;
    struct text by;
    bool missing;
    err_t refusal;
    struct error_info info;
};
void subscription_delete_init(struct subscription_delete *delete_job, const struct guid *id);
/* Makes the operator's subscription if there is none; 'id' is what it is afterwards. */
struct subscription_operator_make {
    struct store_job job;
    struct guid id;
};
void subscription_operator_make_init(struct subscription_operator_make *make, const struct guid *fresh_id);

/* Reads the body of PUT /v1/subscriptions/{id}. ERROR_INVALID_PROPERTY with target. */
MUST_CHECK err_t subscription_from_json(const struct json *body, const struct guid *id, struct subscription *out,
                                        struct error_info *info);
void subscription_to_json(const struct subscription *subscription, struct json_writer *json);
/* The same without the braces. */
void subscription_put_members(const struct subscription *subscription, struct json_writer *json);
