/* The rows of several runs of one bucket as one ascending sequence, equal keys added up: what cursors read and merges
 * write. A tree of losers finds the least of the runs' next keys in log2(runs) comparisons without a branch. One run
 * alone is read without the tree. Rows are in stored form (run.h), in place but for sums added up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/run.h"

struct run_union {
    struct kv_txn *txn;
    enum row_family family;
    bool verify; /* the checksums of blocks */
    struct run_reader *readers;
    size_t count, capacity;  /* runs; readers made (their cursors are kept for the next bucket) */
    struct run_order *heads; /* of each reader's next row */
    uint32_t *losers;        /* [1, count): inner nodes; [0]: the winner */
    uint64_t consumed;       /* rows taken from the runs since the last reset */
    uint8_t row[RUN_ROW_SIZE_MAX];
};

void run_union_init(struct run_union *runs, struct kv_txn *txn, enum row_family family);
void run_union_free(struct run_union *runs);
/* No runs. */
void run_union_reset(struct run_union *runs);
MUST_CHECK err_t run_union_add(struct run_union *runs, struct run_name name);
/* To the first row with key >= stored_key, NULL: the first of all. After a write of the transaction call
 * run_union_forget first. */
MUST_CHECK err_t run_union_seek(struct run_union *runs, const uint8_t *stored_key);
void run_union_forget(struct run_union *runs);
/* ERROR_NOT_FOUND at the end, ERROR_STORE_CORRUPT. The row is valid until the next call. */
MUST_CHECK err_t run_union_next(struct run_union *runs, const uint8_t **row);
