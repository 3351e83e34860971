/* Shared by the files of src/identity: how identities are written in the tables, and ending sessions. */
#pragma once

#include "base/buffer.h"
#include "identity/identity.h"

#define TOKEN_KEY_SIZE 32 /* SHA-256 of the token's text */

/* The member as an instant, 'absent_ns' where there is none; false when it is malformed. */
MUST_CHECK bool identity_read_instant(const struct json *object, struct text name, int64_t absent_ns, int64_t *out_ns);
/* The member as a GUID, zeros where there is none; false when it is malformed. */
MUST_CHECK bool identity_read_guid(const struct json *object, struct text name, struct guid *out);
void identity_write_instant(struct json_writer *json, const char *name, int64_t instant_ns);
/* Writes nothing for zeros. */
void identity_write_guid(struct json_writer *json, const char *name, const struct guid *guid);
/* Puts what the buffer holds; frees the buffer. */
MUST_CHECK err_t identity_put(struct kv_txn *txn, enum kv_table table, struct text key, struct buffer *value);

/* Writer: revokes every session of the user of that name (compared without case). */
MUST_CHECK err_t token_end_sessions(struct kv_txn *txn, struct text user_name);
/* Any transaction: whether there is such a user and it is disabled. */
MUST_CHECK err_t user_is_disabled(struct kv_txn *txn, struct arena *arena, struct text name, bool *disabled);
