/* Which part of the journal to look at for what was reported in an hour. Written by write.c with each commit. */
#include "base/encode.h"
#include "base/instant.h"
#include "store/journal.h"
#include "store/keys.h"
#include "store/store.h"

err_t store_newest_reported(struct kv_txn *txn, int64_t *reported_ns)
{
    struct kv_cursor *cursor;
    struct text key, value;
    struct journal_entry entry;
    uint64_t sequence = 0;
    *reported_ns = INT64_MIN;
    err_t error = kv_cursor_open(txn, KV_SPANS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_last(cursor, &key, &value);
    if (error == ERROR_OK && (key.len != SPAN_KEY_SIZE || value.len != 2 * sizeof sequence))
        error = ERROR_STORE_CORRUPT;
    if (error == ERROR_OK) {
        *reported_ns = hour_start_ns(get_u32be((const uint8_t *)key.ptr));
        sequence = get_u64be((const uint8_t *)value.ptr + sizeof sequence);
    }
    kv_cursor_close(cursor);
    if (error == ERROR_OK)
        error = journal_get(txn, sequence, &entry);
    if (error == ERROR_OK)
        *reported_ns = entry.reported_ns;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t store_span(struct kv_txn *txn, uint32_t reported_hour, uint64_t *first, uint64_t *last)
{
    uint8_t key[SPAN_KEY_SIZE];
    struct text value;
    put_u32be(key, reported_hour);
    err_t error = kv_get(txn, KV_SPANS, BYTES(key), &value);
    if (error != ERROR_OK)
        return error;
    if (value.len != 2 * sizeof *first)
        return ERROR_STORE_CORRUPT;
    *first = get_u64be((const uint8_t *)value.ptr);
    *last = get_u64be((const uint8_t *)value.ptr + sizeof *first);
    return ERROR_OK;
}
