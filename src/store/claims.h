/* Identities within one write transaction: which are taken, which the transaction takes. Those that jobs announced
 * (struct store_job) are sorted once and looked up in one pass over the stored ones; the table that results answers
 * each claim and, already in key order, goes to the engine as it is. Others are looked up one by one. Writer thread
 * only; memory is kept from commit to commit. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/pending.h"
#include "store/row_sort.h"
#include "store/store.h"

enum claim_state { CLAIM_FREE, CLAIM_STORED, CLAIM_MADE };

struct claims {
    size_t count, capacity; /* announced identities, distinct */
    uint8_t *keys, *values; /* ascending */
    uint8_t *states;        /* enum claim_state */
    uint8_t *rows;          /* scratch: identities as announced, then rows for the engine */
    uint32_t *starts;       /* leading bits of an identity -> the first with such bits */
    unsigned start_bits;
    size_t made;
    struct row_sorter sorter;
    struct pending others; /* made without having been announced */
};

void claims_init(struct claims *claims);
void claims_free(struct claims *claims);
/* Forgets what the transaction claimed. */
void claims_clear(struct claims *claims);
/* At the start of a transaction: looks up what the jobs of the list announced. */
MUST_CHECK err_t claims_prepare(struct claims *claims, const struct rows_engine *engine, struct kv_txn *txn,
                                const struct store_job *jobs);
/* The value under an identity that is stored or was made in this transaction; else ERROR_NOT_FOUND. */
MUST_CHECK err_t claims_get(const struct claims *claims, const struct rows_engine *engine, struct kv_txn *txn,
                            const uint8_t key[DEDUPE_KEY_SIZE], uint8_t value[DEDUPE_VALUE_SIZE]);
/* key must not be taken. ERROR_NO_MEMORY. */
MUST_CHECK err_t claims_make(struct claims *claims, const uint8_t key[DEDUPE_KEY_SIZE],
                             const uint8_t value[DEDUPE_VALUE_SIZE]);
/* Made in this transaction. */
size_t claims_made(const struct claims *claims);
/* Gives what was made to the engine and clears. */
MUST_CHECK err_t claims_flush(struct claims *claims, const struct rows_engine *engine, struct kv_txn *txn);
