/* The plain engine: one table entry per row, added in place. Simple on purpose: it is the model that the
 * engine of sorted runs is compared with, and a measured baseline. */
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/rows.h"

static enum kv_table table_of(enum row_family family)
{
    static const enum kv_table tables[ROWS_FAMILY_COUNT] = { KV_DEDUPE, KV_HOURLY, KV_DAILY, KV_ROLLUP };
    return tables[family];
}

size_t rows_key_size(enum row_family family)
{
    return family == ROWS_DEDUPE ? DEDUPE_KEY_SIZE : ROW_KEY_SIZE;
}

size_t rows_value_size(enum row_family family)
{
    return family == ROWS_DEDUPE ? DEDUPE_VALUE_SIZE : ROW_SUM_SIZE;
}

void row_sum_encode(const struct row_sum *sum, uint8_t out[ROW_SUM_SIZE])
{
    decimal_encode(&sum->quantity, out);
    put_u32be(out + DECIMAL_ENCODED_SIZE, sum->records);
}

struct row_sum row_sum_decode(const uint8_t in[ROW_SUM_SIZE])
{
    return (struct row_sum){ decimal_decode(in), get_u32be(in + DECIMAL_ENCODED_SIZE) };
}

static struct text key_text(enum row_family family, const uint8_t *key)
{
    return (struct text){ (const char *)key, rows_key_size(family) };
}

static err_t plain_get(struct kv_txn *txn, enum row_family family, const uint8_t *key, uint8_t *value)
{
    struct text found;
    err_t error = kv_get(txn, table_of(family), key_text(family, key), &found);
    if (error != ERROR_OK)
        return error;
    if (found.len != rows_value_size(family))
        return ERROR_STORE_CORRUPT;
    memcpy(value, found.ptr, found.len);
    return ERROR_OK;
}

static err_t plain_find(struct kv_txn *txn, enum row_family family, const uint8_t *keys, size_t count, uint8_t *values,
                        bool *found)
{
    for (size_t i = 0; i < count; i++) {
        err_t error = plain_get(txn, family, keys + i * rows_key_size(family), values + i * rows_value_size(family));
        if (error != ERROR_OK && error != ERROR_NOT_FOUND)
            return error;
        found[i] = error == ERROR_OK;
    }
    return ERROR_OK;
}

static err_t add_one(struct kv_txn *txn, enum row_family family, const uint8_t *key, const uint8_t *value)
{
    uint8_t total[ROW_VALUE_SIZE_MAX];
    err_t error = family == ROWS_DEDUPE ? ERROR_NOT_FOUND : plain_get(txn, family, key, total);
    if (error == ERROR_OK) {
        struct row_sum sum = row_sum_decode(total), difference = row_sum_decode(value);
        /* The writer has checked that the sum fits before it accepted the record. */
        decimal_add_part(&sum.quantity, &difference.quantity, &sum.quantity);
        sum.records += difference.records;
        row_sum_encode(&sum, total);
        value = total;
    } else if (error != ERROR_NOT_FOUND) {
        return error;
    }
    return kv_put(txn, table_of(family), key_text(family, key),
                  (struct text){ (const char *)value, rows_value_size(family) });
}

static err_t plain_add(struct kv_txn *txn, enum row_family family, const uint8_t *rows, size_t count)
{
    size_t key_size = rows_key_size(family), row_size = key_size + rows_value_size(family);
    for (size_t i = 0; i < count; i++) {
        err_t error = add_one(txn, family, rows + i * row_size, rows + i * row_size + key_size);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

struct rows_cursor {
    struct kv_cursor *kv;
    enum row_family family;
    bool one_bucket;
    uint8_t bucket[4];
    bool at_row; /* found_key and found_value hold a row not yet given out */
    struct text found_key, found_value;
};

static err_t plain_seek(struct rows_cursor *cursor, const uint8_t *from)
{
    err_t error = kv_cursor_seek(cursor->kv, key_text(cursor->family, from), &cursor->found_key, &cursor->found_value);
    cursor->at_row = error == ERROR_OK;
    memcpy(cursor->bucket, from, sizeof cursor->bucket);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static void plain_close(struct rows_cursor *cursor)
{
    if (cursor == NULL)
        return;
    kv_cursor_close(cursor->kv);
    memory_free(cursor);
}

static err_t plain_open(struct kv_txn *txn, enum row_family family, const uint8_t *from, bool one_bucket,
                        struct rows_cursor **out)
{
    struct rows_cursor *cursor = memory_zalloc(1, sizeof *cursor);
    if (cursor == NULL)
        return ERROR_NO_MEMORY;
    cursor->family = family;
    cursor->one_bucket = one_bucket && family != ROWS_DEDUPE;
    err_t error = kv_cursor_open(txn, table_of(family), &cursor->kv);
    if (error == ERROR_OK)
        error = plain_seek(cursor, from);
    if (error != ERROR_OK) {
        plain_close(cursor);
        return error;
    }
    *out = cursor;
    return ERROR_OK;
}

static err_t plain_next(struct rows_cursor *cursor, const uint8_t **key, const uint8_t **value)
{
    if (!cursor->at_row)
        return ERROR_NOT_FOUND;
    if (cursor->found_key.len != rows_key_size(cursor->family) ||
        cursor->found_value.len != rows_value_size(cursor->family))
        return ERROR_STORE_CORRUPT;
    if (cursor->one_bucket && memcmp(cursor->found_key.ptr, cursor->bucket, sizeof cursor->bucket) != 0)
        return ERROR_NOT_FOUND;
    *key = (const uint8_t *)cursor->found_key.ptr;
    *value = (const uint8_t *)cursor->found_value.ptr;
    /* Keys and values point into the snapshot, so stepping on now does not disturb the row given out. */
    err_t error = kv_cursor_next(cursor->kv, &cursor->found_key, &cursor->found_value);
    cursor->at_row = error == ERROR_OK;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t plain_upkeep(struct kv_txn *txn, size_t budget, bool idle, bool *left)
{
    (void)txn;
    (void)budget;
    (void)idle;
    *left = false; /* rows are always in their final place */
    return ERROR_OK;
}

static err_t plain_seal(struct kv_txn *txn, enum row_family family, uint32_t end_bucket)
{
    (void)txn;
    (void)family;
    (void)end_bucket;
    return ERROR_OK;
}

static err_t plain_drop(struct kv_txn *txn, enum row_family family, uint32_t end_bucket, size_t budget, bool *left)
{
    *left = false;
    for (size_t i = 0;; i++) {
        struct kv_cursor *cursor;
        struct text key, value;
        uint8_t first[ROW_KEY_SIZE] = { 0 }, copy[ROW_KEY_SIZE];
        err_t error = kv_cursor_open(txn, table_of(family), &cursor);
        if (error != ERROR_OK)
            return error;
        error = kv_cursor_seek(cursor, BYTES(first), &key, &value);
        bool old = error == ERROR_OK && key.len == sizeof copy && get_u32be((const uint8_t *)key.ptr) < end_bucket;
        if (old)
            memcpy(copy, key.ptr, sizeof copy);
        kv_cursor_close(cursor);
        if (!old)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
        *left = i == budget;
        if (*left)
            return ERROR_OK;
        if ((error = kv_delete(txn, table_of(family), BYTES(copy))) != ERROR_OK)
            return error;
    }
}

static err_t plain_check(struct kv_txn *txn, enum row_family family, void (*fault)(void *context, const char *sentence),
                         void *context)
{
    static const uint8_t first[ROW_KEY_SIZE];
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    err_t error = plain_open(txn, family, first, false, &cursor);
    if (error != ERROR_OK)
        return error;
    while ((error = plain_next(cursor, &key, &value)) == ERROR_OK)
        continue;
    plain_close(cursor);
    if (error == ERROR_STORE_CORRUPT)
        fault(context, "a row has the wrong size");
    return error == ERROR_NOT_FOUND || error == ERROR_STORE_CORRUPT ? ERROR_OK : error;
}

static err_t plain_stats(struct kv_txn *txn, enum row_family family, struct rows_stats *out)
{
    *out = (struct rows_stats){ 0 };
    err_t error = kv_count(txn, table_of(family), &out->rows);
    out->size_bytes = out->rows * (rows_key_size(family) + rows_value_size(family));
    return error;
}

const struct rows_engine rows_plain = {
    .name = "plain",
    .get = plain_get,
    .find = plain_find,
    .add = plain_add,
    .open = plain_open,
    .next = plain_next,
    .seek = plain_seek,
    .close = plain_close,
    .upkeep = plain_upkeep,
    .seal = plain_seal,
    .drop = plain_drop,
    .check = plain_check,
    .stats = plain_stats,
};
