/* What is to be done to runs beyond adding them: merges, final merges of sealed buckets, deletions. Tasks are entries
 * of KV_MERGES, so they survive a restart and end with the transaction that does them. The functions are those of
 * struct rows_engine (rows.h), but for the first. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/rows.h"

/* To be called when a bucket got a run: enters the merges that are due. */
MUST_CHECK err_t run_tasks_enter(struct kv_txn *txn, enum row_family family, uint32_t bucket);
MUST_CHECK err_t run_upkeep(struct kv_txn *txn, size_t budget, bool idle, bool *left);
MUST_CHECK err_t run_seal(struct kv_txn *txn, enum row_family family, uint32_t end_bucket);
MUST_CHECK err_t run_drop(struct kv_txn *txn, enum row_family family, uint32_t end_bucket, size_t budget, bool *left);
