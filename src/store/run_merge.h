/* One merge of runs of a bucket into a new run, done in slices over any number of transactions. Its progress is an
 * entry of KV_MERGES; the sources stay what readers see until the target is complete, then one transaction swaps them
 * (and leaves the sources' blocks to be deleted, run_upkeep.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/run.h"

/* More runs of a bucket than this are merged in rounds. */
#define MERGE_SOURCES_MAX 128
/* Levels are below it (run_level); merges of all of a sealed bucket's runs have this one, so that they come last. */
#define MERGE_LEVEL_FINAL 255

struct run_merge {
    enum row_family family;
    uint32_t bucket;
    uint8_t level;
    uint64_t target;
    uint64_t source_rows, consumed; /* rows of the sources, and those of them that have been merged */
    uint64_t rows, size_bytes;      /* of the target so far */
    uint32_t blocks;
    uint8_t last[ROW_KEY_SIZE]; /* stored key of the target's last row, if there are rows */
    uint32_t source_count;
    uint64_t sources[MERGE_SOURCES_MAX];
};

/* Enters a merge of the sources given into KV_MERGES; its target gets a number. */
MUST_CHECK err_t run_merge_start(struct kv_txn *txn, struct run_merge *merge);
/* From an entry of KV_MERGES. ERROR_STORE_CORRUPT. */
MUST_CHECK err_t run_merge_decode(struct text key, struct text value, struct run_merge *merge);
/* Merges until about 'budget' rows of the sources are consumed, at most a block more; *consumed tells how many. When
 * *complete the target has taken the place of the sources. */
MUST_CHECK err_t run_merge_slice(struct kv_txn *txn, struct run_merge *merge, size_t budget, size_t *consumed,
                                 bool *complete);
/* Takes the entry away; the target's blocks are left to be deleted. */
MUST_CHECK err_t run_merge_cancel(struct kv_txn *txn, const struct run_merge *merge);

/* Hides a run, if it is visible, and leaves its blocks to be deleted. */
MUST_CHECK err_t run_remove(struct kv_txn *txn, struct run_name name);
