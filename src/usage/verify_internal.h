/* What the parts of verify share. */
#pragma once

#include "base/arena.h"
#include "base/siphash.h"
#include "store/store.h"
#include "usage/coverage.h"
#include "usage/verify.h"

struct verify {
    const struct verify_options *options;
    struct verify_result *result;
    struct kv *kv;
    struct kv_txn *txn;
    struct arena *arena;
    const struct rows_engine *rows;
    struct store_state state;
    struct coverage coverage;
    uint8_t hash_key[SIPHASH_KEY_SIZE];
    struct signature_key signature_key;
    bool out_of_memory;
};

/* A finding, as a sentence. */
void verify_find(struct verify *verify, enum verify_part part, const char *format, ...) PRINTF_LIKE(3, 4);
void verify_tell(const struct verify *verify, const char *what, uint64_t done, uint64_t total);

/* verify_integrity.c: each sets 'done' of its part. Errors: storage only. */
MUST_CHECK err_t verify_checksums(struct verify *verify);
MUST_CHECK err_t verify_chain(struct verify *verify);
MUST_CHECK err_t verify_heads(struct verify *verify);
MUST_CHECK err_t verify_exported(struct verify *verify);
MUST_CHECK err_t verify_rows(struct verify *verify);

/* verify_journal.c: one pass over the journal for the dictionary and everything that follows from entries;
 * verify_sums.c keeps the sums and compares them with what is stored. */
MUST_CHECK err_t verify_journal(struct verify *verify);

struct verify_sums;
struct interpretation;
struct verify_sums *verify_sums_new(void);
void verify_sums_free(struct verify_sums *sums);
MUST_CHECK err_t verify_sums_add(struct verify_sums *sums, const struct verify *verify,
                                 const struct interpretation *found, uint64_t sequence, bool is_record);
MUST_CHECK err_t verify_sums_add_index(struct verify_sums *sums, uint64_t original, uint64_t sequence);
MUST_CHECK err_t verify_sums_compare(struct verify_sums *sums, struct verify *verify);
