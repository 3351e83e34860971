/* What the stamp has been activated with: kept in the settings for the console, the activation resource (spec 6.7) and
 * whoever forwards usage. One activation or none. The signing key of the first activation is remembered as trusted (or
 * set by configuration); a key from another signer is refused until the operator forgets it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/json.h"
#include "registration/activation_key.h"
#include "registration/registration.h"
#include "store/audit.h"
#include "store/store.h"

struct activation {
    struct activation_key key;
    struct text key_text; /* as it came but for blanks and line ends, for the forwarder's proofs */
    int64_t activated_ns; /* reported time of the commit */
    struct text by;       /* identity that activated */
    uint64_t etag;        /* grows with every change */
};
enum activation_state { ACTIVATION_NONE, ACTIVATION_REGISTERED, ACTIVATION_EXPIRED, ACTIVATION_UNTRUSTED };
/* "Not registered", "Registered", "Expired" (spec 6.7), "Untrusted signer". */
const char *activation_state_name(enum activation_state state);
/* activation NULL: none. trusted_key_id: as configured, "" for none; the setting may be newer than the activation, and
 * then one of another signer must not be used. */
enum activation_state activation_state_of(const struct activation *activation, struct text trusted_key_id,
                                          int64_t now_ns);

/* The id of the signing key that keys must have from now on: the one of the first activation. "": none yet, or
 * forgotten. Any snapshot; text in the arena. A key that is configured stands above it. */
MUST_CHECK err_t activation_signer(struct kv_txn *txn, struct arena *arena, struct text *key_id);
/* Any snapshot; texts in the arena. ERROR_NOT_FOUND: not activated. Checks the signature anew, which takes about a
 * millisecond. */
MUST_CHECK err_t activation_get(struct kv_txn *txn, struct arena *arena, struct activation *out);

struct activation_put {
    struct store_job job; /* first member */
    struct text key_text, by;
    struct precondition precondition;
    struct text trusted_key_id; /* from the configuration; "" or ptr NULL: the one remembered, or whoever comes first */
    struct arena *arena;        /* for what is read; the writer's while the job runs */
    bool created;               /* out: there was none before */
    bool unchanged;             /* out: it is the one that was there; nothing was written */
    struct activation result;   /* out, unless refused */
    err_t refusal; /* out: ERROR_OK, or ERROR_INVALID_ACTIVATION_KEY or ERROR_PRECONDITION_FAILED with info */
    struct error_info info;
};
/* Reads and verifies in the transaction: signature, cloud id against stamp_get, signer, expiry (by the commit's
 * time; a key that was issued in the future is fine, clocks differ), and that the same signer did not issue the key
 * that is there later: an older one would bring back what it said (model, endpoint, expiry). Who wants that deletes
 * the activation first. Refused puts change nothing and answer ERROR_OK
 * with 'refusal' set. Texts are borrowed until the job is done. */
void activation_put_init(struct activation_put *put, struct arena *arena, struct text key_text, struct text by);
/* For the audit log (struct audited_job.happened): whether it did, with what the key says as detail. */
bool activation_was_put(struct audited_job *audited);
/* The signer stays trusted, so that a stamp that is activated again is not anybody's. */
struct activation_delete {
    struct store_job job;  /* first member */
    bool missing, changed; /* out: there was no activation; something was written (the signer may go alone) */
    bool forget_signer;    /* also trusts whoever comes next */
    struct precondition precondition; /* not asked where there is no activation, as with registrations */
    err_t refusal;                    /* out: ERROR_OK, or ERROR_PRECONDITION_FAILED with info: nothing was written */
    struct error_info info;
};
bool activation_was_deleted(struct audited_job *audited);
void activation_delete_init(struct activation_delete *delete_job, bool forget_signer);
