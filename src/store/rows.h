/* Fixed-width rows in key order: the one abstraction behind the dedupe index and the hourly and daily sums.
 * Two engines implement it: the plain one here keeps each row under its key (the model that tests compare
 * with), the engine of sorted runs comes beside it. An engine only adds: sums are given as differences,
 * dedupe rows once. Writes are for the writer's transaction, reads for any snapshot. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "store/keys.h"
#include "store/kv.h"

enum row_family { ROWS_DEDUPE, ROWS_HOURLY, ROWS_DAILY, ROWS_FAMILY_COUNT };

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

struct rows_engine {
    const char *name;
    /* The value stored under key (for sums: the total of all differences). ERROR_NOT_FOUND. */
    err_t (*get)(struct kv_txn *txn, enum row_family family, const uint8_t *key, uint8_t *value);
    /* Adds 'count' rows, keys ascending and distinct, key and value packed back to back. */
    err_t (*add)(struct kv_txn *txn, enum row_family family, const uint8_t *rows, size_t count);
    /* A cursor on the first row with key >= 'from'; rows_cursor_next yields them in key order, equal keys
     * added up. Lives at most as long as the transaction. */
    err_t (*open)(struct kv_txn *txn, enum row_family family, const uint8_t *from, struct rows_cursor **out);
    err_t (*next)(struct rows_cursor *cursor, const uint8_t **key, const uint8_t **value); /* ERROR_NOT_FOUND: end */
    /* Moves the cursor to the first row with key >= 'from', in either direction. */
    err_t (*seek)(struct rows_cursor *cursor, const uint8_t *from);
    void (*close)(struct rows_cursor *cursor);
};

extern const struct rows_engine rows_plain;
