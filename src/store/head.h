/* Signed heads of the journal: at each seal the head of the hash chain is signed with the store's key (ES256), so a
 * journal that was rewritten or cut is noticed against a head kept elsewhere (promise 7). A head belongs to the segment
 * that ends with its seal: a seal is always the last entry of its segment. */
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/crypto.h"
#include "base/error.h"
#include "base/signature.h"
#include "store/kv.h"

struct head {
    uint64_t sequence; /* of the seal */
    uint32_t end_hour; /* all reported hours before it are sealed */
    int64_t reported_ns;
    uint8_t hash[SHA256_SIZE];
    uint8_t signature[SIGNATURE_SIZE]; /* of head_message */
};

/* What is signed: the 17 bytes "stampmeter-head-1", sequence (8 bytes), end hour (4, hours since 1970), reported time
 * (8, nanoseconds since 1970), hash (32); big-endian. */
#define HEAD_MESSAGE_SIZE (17 + 8 + 4 + 8 + SHA256_SIZE)
void head_message(const struct head *head, uint8_t out[HEAD_MESSAGE_SIZE]);
/* Sets the signature. ERROR_NO_MEMORY. */
MUST_CHECK err_t head_sign(struct head *head, const struct signature_key *key);

/* Writer thread: keeps a head. It is never deleted: a hundred bytes an hour that prove more than they cost. */
MUST_CHECK err_t head_put(struct kv_txn *txn, const struct head *head);
/* Any snapshot. The newest one, or that of a sequence. ERROR_NOT_FOUND; ERROR_STORE_CORRUPT when it is none. */
MUST_CHECK err_t head_newest(struct kv_txn *txn, struct head *head);
MUST_CHECK err_t head_get(struct kv_txn *txn, uint64_t sequence, struct head *head);
/* Heads with sequence > after, in order, at most max; returns how many in *count. */
MUST_CHECK err_t head_list(struct kv_txn *txn, uint64_t after, struct head *heads, size_t max, size_t *count);

/* {"sequence":"18211","endHour":"2026-...Z","reportedTime":"...","hash":"hex","signature":"base64url","keyId":"..."} on
 * one line without its end, as exported and as read back by head_read (the key id is checked by the caller). Times are
 * printed to the nanosecond, so the signed message can be made from the text alone. */
void head_write(const struct head *head, const char *key_id, struct buffer *out);
/* ERROR_INVALID_PROPERTY with what is wrong; ERROR_NO_MEMORY. */
MUST_CHECK err_t head_read(struct text text, struct head *head, char key_id[SIGNATURE_KEY_ID_SIZE],
                           struct error_info *info);

/* What a head that was kept elsewhere says about the journal here. */
enum head_verdict {
    HEAD_HOLDS,     /* the journal has that head; with an unbroken chain, all of it up to there is as it was */
    HEAD_DROPPED,   /* the head kept here is the same, but retention has dropped the journal of that time */
    HEAD_MALFORMED, /* not a head at all */
    HEAD_FORGED,    /* not signed by the key that it names */
    HEAD_OTHER_KEY, /* another store's, or this one has got another key since */
    HEAD_CUT,       /* the journal ends before it */
    HEAD_REWRITTEN  /* the journal goes on beyond it, but not from that head */
};
#define HEAD_SENTENCE_SIZE 240
/* Judges one exported line against the journal of a snapshot; the sentence is for a person and names the sequence.
 * Any thread. Errors: storage only. */
MUST_CHECK err_t head_check_exported(struct kv_txn *txn, const struct signature_key *key, struct text line,
                                     enum head_verdict *verdict, char sentence[HEAD_SENTENCE_SIZE]);
