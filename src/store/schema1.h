/* Reads stores of schema 1, for migration alone: values without checksums, a journal of records without chain and
 * definitions (version 1), rows under their keys. Reading only; the file stays as it is. One thread. */
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/siphash.h"
#include "store/journal.h"
#include "store/kv.h"

/* The schema of a data directory's store, whatever it is; 0: nothing has been written yet. ERROR_NOT_FOUND: no data
 * file; ERROR_STORE_CORRUPT. */
MUST_CHECK err_t schema_of(const char *folder, uint32_t *schema, struct error_info *info);

struct schema1 {
    struct kv *kv;
    struct kv_txn *txn;
    struct kv_cursor *segments;
    uint8_t hash_key[SIPHASH_KEY_SIZE];
    uint64_t last_sequence;
    int64_t last_reported_ns, first_live_hour;
    /* of the segment that is being read */
    const uint8_t *next, *end;
    uint64_t sequence;
    int64_t reported_ns;
    uint32_t left;
};

/* ERROR_STORE_CORRUPT, ERROR_IO, ERROR_NO_MEMORY with a message. */
MUST_CHECK err_t schema1_open(const char *folder, struct schema1 *out, struct error_info *info);
void schema1_close(struct schema1 *store);
/* The records in order; store->reported_ns is the time of their commit. Texts live until schema1_close.
 * ERROR_NOT_FOUND at the end, ERROR_STORE_CORRUPT. */
MUST_CHECK err_t schema1_next(struct schema1 *store, struct journal_record *record);
