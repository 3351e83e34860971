/* What a write transaction has added and not yet given to the row engine: identities claimed and differences
 * of sums, each in a hash table on the heap that is kept from commit to commit. Writer thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/row_sort.h"
#include "store/rows.h"

struct pending_slot {
    uint32_t index; /* into rows, + 1; 0: empty */
    uint32_t hash;  /* bits of it that do not choose the slot */
};

/* Rows of one family: key and value packed back to back, found by hash. */
struct pending {
    enum row_family family;
    uint8_t *rows;
    size_t key_size, row_size;
    size_t count, capacity; /* rows */
    struct pending_slot *slots;
    size_t slot_count; /* power of two */
    uint8_t *sorted;   /* room for 'capacity' rows, or NULL */
    struct row_sorter sorter;
};

void pending_init(struct pending *pending, enum row_family family);
void pending_free(struct pending *pending);
void pending_clear(struct pending *pending);
/* The value under key, or NULL. Valid until the next pending_value. */
uint8_t *pending_find(const struct pending *pending, const uint8_t *key);
/* The value under key, added as zeros (sums: the encoding of 0) if absent; NULL when memory is short. */
MUST_CHECK uint8_t *pending_value(struct pending *pending, const uint8_t *key);
/* Gives all rows to the engine in key order and clears. */
MUST_CHECK err_t pending_flush(struct pending *pending, const struct rows_engine *engine, struct kv_txn *txn);
