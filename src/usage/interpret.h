/* What a journal entry counts for: the identity and content it claims and the shares it adds to the rows. Read from the
 * journal and the dictionary alone, so that verify and rebuild say the same as the writer did. Pure apart from arena
 * and snapshot; any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/siphash.h"
#include "store/journal.h"
#include "store/kv.h"
#include "store/write.h"

struct interpretation {
    struct journal_record record; /* with the reported time of the entry; of a correction: its original otherwise */
    uint32_t resource;
    /* Of a record. */
    struct hash128 identity;
    uint64_t content_hash;
    const struct write_share *shares; /* in the arena */
    size_t share_count;
};

/* 'names' is the transaction in which the dictionary is read. ERROR_STORE_CORRUPT when a text is missing or malformed,
 * ERROR_NO_MEMORY. */
MUST_CHECK err_t interpret_record(struct arena *arena, struct kv_txn *names, const uint8_t *hash_key,
                                  const struct journal_record *record, struct interpretation *out);
/* 'journal' is where the original is read. ERROR_NOT_FOUND when retention has dropped it. */
MUST_CHECK err_t interpret_correction(struct arena *arena, struct kv_txn *names, struct kv_txn *journal,
                                      const struct journal_entry *entry, struct interpretation *out);
