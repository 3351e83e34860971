/* How rejects lie in KV_REJECTS, for rejects*.c only. Keys begin with a letter for their kind:
 *
 *   'e' number        the entry without what was posted, so that counting up rewrites little
 *   'h' hash          producer, code and posted bytes -> number
 *   'r' number        what was posted
 *   's'               struct tally
 *   'f' ...           findings (sanity.c) */
#pragma once

#include <string.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "store/keys.h"
#include "store/kv.h"
#include "usage/rejects.h"

#define REJECT_KEY_SIZE 9
#define REJECT_HASH_KEY_SIZE 17

static inline struct text reject_number_key(char kind, uint64_t number, uint8_t out[REJECT_KEY_SIZE])
{
    out[0] = (uint8_t)kind;
    put_u64be(out + 1, number);
    return (struct text){ (const char *)out, REJECT_KEY_SIZE };
}

static inline struct text reject_hash_key(const struct hash128 *hash, uint8_t out[REJECT_HASH_KEY_SIZE])
{
    out[0] = 'h';
    memcpy(out + 1, hash->bytes, sizeof hash->bytes);
    return (struct text){ (const char *)out, REJECT_HASH_KEY_SIZE };
}

/* What is known of all entries without looking at them. */
struct tally {
    uint64_t last_number;
    struct reject_totals totals;
    uint64_t received[REJECT_CODE_COUNT];
};
MUST_CHECK err_t tally_read(struct kv_txn *txn, struct tally *tally);
MUST_CHECK err_t tally_write(struct kv_txn *txn, const struct tally *tally);

size_t reject_code_index(err_t code);
/* The entry without raw. */
void reject_encode(const struct reject *reject, struct buffer *out);
/* Texts point into value; raw is left empty. */
MUST_CHECK err_t reject_decode(uint64_t number, struct text value, struct reject *out);
MUST_CHECK err_t reject_put_head(struct kv_txn *txn, const struct reject *reject);
/* Removes an entry and its place in the tally. */
MUST_CHECK err_t reject_remove(struct kv_txn *txn, const struct reject *reject, struct tally *tally);
/* The entry with the lowest number >= from, without raw. ERROR_NOT_FOUND. */
MUST_CHECK err_t reject_first(struct kv_txn *txn, uint64_t from, struct reject *out);
