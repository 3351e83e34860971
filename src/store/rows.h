/* Fixed-width rows in key order: the one abstraction behind the dedupe index and the sums. Two engines
 * implement it: rows_runs keeps immutable sorted runs that are merged in slices (architecture section 5);
 * rows_plain keeps each row under its key and is the model that tests compare with, and a measured baseline.
 * An engine only adds: sums are given as differences, dedupe rows once. It has no state outside the store's
 * tables. Writes are for the writer's transaction, reads for any snapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "store/keys.h"
#include "store/kv.h"

enum row_family {
    ROWS_DEDUPE, /* no buckets: one for all time (bucket 0) */
    ROWS_HOURLY, /* the first four bytes of a key are its bucket, here and below */
    ROWS_DAILY,
    ROWS_ROLLUP, /* daily sums by subscription and meter alone: resource and instance are 0 */
    ROWS_FAMILY_COUNT
};

/* Value of a sum row: encoded decimal, then the count of records (u32). */
#define ROW_SUM_SIZE (DECIMAL_ENCODED_SIZE + 4)
#define ROW_VALUE_SIZE_MAX ROW_SUM_SIZE

struct row_sum {
    struct decimal quantity;
    uint32_t records;
};
void row_sum_encode(const struct row_sum *sum, uint8_t out[ROW_SUM_SIZE]);
struct row_sum row_sum_decode(const uint8_t in[ROW_SUM_SIZE]);

size_t rows_key_size(enum row_family family);
size_t rows_value_size(enum row_family family);

struct rows_cursor;

struct rows_stats {
    uint64_t rows, runs, size_bytes; /* size: rows and filters, without the tables' own overhead */
    uint64_t merges_under_way, rows_to_merge;
};

struct rows_engine {
    const char *name;
    /* The value stored under key (for sums: the total of all differences). ERROR_NOT_FOUND. */
    err_t (*get)(struct kv_txn *txn, enum row_family family, const uint8_t *key, uint8_t *value);
    /* The same for 'count' keys, ascending and distinct, in one pass over what is stored: found[i], and if so value i
     * (values lie rows_value_size apart). */
    err_t (*find)(struct kv_txn *txn, enum row_family family, const uint8_t *keys, size_t count, uint8_t *values,
                  bool *found);
    /* Adds 'count' rows, keys ascending and distinct, key and value packed back to back. */
    err_t (*add)(struct kv_txn *txn, enum row_family family, const uint8_t *rows, size_t count);

    /* A cursor on the first row with key >= 'from'; next yields rows in key order, equal keys added up. With
     * 'one_bucket' it ends with the bucket of 'from' (a later seek may name another). Lives at most as long as the
     * transaction. Key and value are valid until the next call. */
    err_t (*open)(struct kv_txn *txn, enum row_family family, const uint8_t *from, bool one_bucket,
                  struct rows_cursor **out);
    err_t (*next)(struct rows_cursor *cursor, const uint8_t **key, const uint8_t **value); /* ERROR_NOT_FOUND: end */
    /* Moves the cursor to the first row with key >= 'from', in either direction. */
    err_t (*seek)(struct rows_cursor *cursor, const uint8_t *from);
    void (*close)(struct rows_cursor *cursor);

    /* Work that can wait, at most about 'budget' rows of it; *left tells whether there is more. 'idle': nothing
     * else waits for the writer, so low-priority work may be done, too; *left counts it in either case. */
    err_t (*upkeep)(struct kv_txn *txn, size_t budget, bool idle, bool *left);
    /* Buckets before end_bucket get no more rows (but for imported history): upkeep may bring each into its final
     * form, a single run. Never goes back. */
    err_t (*seal)(struct kv_txn *txn, enum row_family family, uint32_t end_bucket);
    /* Removes the rows of all buckets before end_bucket, about 'budget' of them a call. */
    err_t (*drop)(struct kv_txn *txn, enum row_family family, uint32_t end_bucket, size_t budget, bool *left);

    /* Checks everything the engine stores of a family (checksums, order, counts, filters) and calls 'fault' for each
     * thing that is wrong, with a sentence for a person. Errors: storage only. */
    err_t (*check)(struct kv_txn *txn, enum row_family family, void (*fault)(void *context, const char *sentence),
                   void *context);
    err_t (*stats)(struct kv_txn *txn, enum row_family family, struct rows_stats *out);
};

extern const struct rows_engine rows_plain;
extern const struct rows_engine rows_runs;
