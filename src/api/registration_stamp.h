/* What a stamp tells about its registration, in one form for /v1/registration and the command line. Any thread. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/signature.h"
#include "base/text.h"
#include "registration/registration_token.h"
#include "store/store.h"

/* What the store does not know of the stamp. */
struct stamp_facts {
    struct text version, trusted_key_id;
    const struct signature_key *key; /* of the store */
    int64_t now_ns;
};

/* The answer of GET /v1/registration: an object. ERROR_NOT_FOUND: the stamp has no ids yet. */
MUST_CHECK err_t put_registration_state(struct json_writer *json, struct arena *arena, struct kv_txn *txn,
                                        const struct stamp_facts *facts);
/* At the start: a line in the log when the configured signer ("" for none) is not the activation's. Blocking. */
void warn_of_untrusted_activation(struct store *store, struct text trusted_key_id);
/* The body of POST /v1/registration/token. ERROR_INVALID_PROPERTY, ERROR_MISSING_AGREEMENT_NUMBER,
 * ERROR_MISSING_MS_ASSET_TAG with target. Texts point into the body. */
MUST_CHECK err_t registration_token_wanted(const struct json *body, struct registration_token *out,
                                           struct error_info *info);
/* Its answer: fills in what the stamp knows of itself, reading the hardware (not on the loop thread), and writes an
 * object of "registrationToken" and what is inside. ERROR_NOT_FOUND: the stamp has no ids yet. */
MUST_CHECK err_t put_registration_token(struct json_writer *json, struct arena *arena, struct kv_txn *txn,
                                        const struct stamp_facts *facts, struct registration_token *token);
/* What was asked for, as JSON for the audit log; ptr NULL when memory is short. */
struct text describe_registration_token(const struct registration_token *token, struct arena *arena);
