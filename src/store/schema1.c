/* The formats of schema 1, frozen here. */
#include "store/schema1.h"

#include <string.h>

#include "base/encode.h"
#include "store/journal_internal.h"
#include "store/keys.h"

#define MAP_SIZE_BYTES ((size_t)64 << 30)
#define SCHEMA1_VERSION 1
#define SCHEMA1_HEADER_SIZE 13
#define STATE_SIZE 24
#define CHECKSUM_SIZE 8 /* behind each value from schema 2 on */
enum { FLAG_NUMBER = 1, FLAG_HISTORY = 2 };

static err_t open_raw(const char *folder, struct kv **out, struct error_info *info)
{
    struct kv_options options = { .folder = folder, .map_size_bytes = MAP_SIZE_BYTES, .read_only = true, .raw = true };
    return kv_open(&options, out, info);
}

err_t schema_of(const char *folder, uint32_t *schema, struct error_info *info)
{
    struct kv *kv;
    struct kv_txn *txn;
    struct text value;
    *schema = 0;
    err_t error = open_raw(folder, &kv, info);
    if (error != ERROR_OK)
        return error;
    error = kv_read_begin(kv, &txn);
    if (error == ERROR_OK) {
        error = kv_get(txn, KV_META, TEXT("schema"), &value);
        if (error == ERROR_OK && value.len != 4 && value.len != 4 + CHECKSUM_SIZE)
            error = ERROR_STORE_CORRUPT;
        if (error == ERROR_OK)
            *schema = get_u32be((const uint8_t *)value.ptr);
        kv_read_end(txn);
    }
    kv_close(kv);
    return error == ERROR_OK || error == ERROR_NOT_FOUND
               ? ERROR_OK
               : error_set(info, error, NULL, "the store in %s cannot be used: %s", folder, error_text(error));
}

static err_t read_meta(struct schema1 *store)
{
    struct text value;
    err_t error = kv_get(store->txn, KV_META, TEXT("hash_key"), &value);
    if (error != ERROR_OK || value.len != sizeof store->hash_key)
        return error == ERROR_OK || error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    memcpy(store->hash_key, value.ptr, value.len);
    store->last_reported_ns = INT64_MIN;
    store->first_live_hour = -1;
    error = kv_get(store->txn, KV_META, TEXT("state"), &value);
    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    if (error != ERROR_OK || value.len != STATE_SIZE)
        return error == ERROR_OK ? ERROR_STORE_CORRUPT : error;
    const uint8_t *p = (const uint8_t *)value.ptr;
    store->last_sequence = get_u64be(p);
    store->last_reported_ns = (int64_t)get_u64be(p + 8);
    store->first_live_hour = (int64_t)get_u64be(p + 16);
    return ERROR_OK;
}

err_t schema1_open(const char *folder, struct schema1 *out, struct error_info *info)
{
    *out = (struct schema1){ 0 };
    err_t error = open_raw(folder, &out->kv, info);
    if (error != ERROR_OK)
        return error;
    error = kv_read_begin(out->kv, &out->txn);
    if (error == ERROR_OK)
        error = read_meta(out);
    if (error == ERROR_OK)
        error = kv_cursor_open(out->txn, KV_JOURNAL, &out->segments);
    if (error != ERROR_OK) {
        schema1_close(out);
        return error_set(info, error, NULL, "the store in %s cannot be migrated: %s", folder, error_text(error));
    }
    return ERROR_OK;
}

void schema1_close(struct schema1 *store)
{
    kv_cursor_close(store->segments);
    if (store->txn != NULL)
        kv_read_end(store->txn);
    kv_close(store->kv);
    *store = (struct schema1){ 0 };
}

/* --- the journal --- */

/* Flags, producer, source, subscription, meter, instance, start, duration, quantity, for history its own reported time;
 * the id takes the rest. */
static bool decode_record(const uint8_t *p, const uint8_t *end, struct journal_record *record)
{
    uint64_t duration;
    if (p >= end)
        return false;
    uint8_t flags = *p++;
    record->quantity_is_number = (flags & FLAG_NUMBER) != 0;
    record->history = (flags & FLAG_HISTORY) != 0;
    if (!journal_get_u32(&p, end, &record->producer) || !journal_get_u32(&p, end, &record->source) ||
        !journal_get_u32(&p, end, &record->subscription) || !journal_get_u32(&p, end, &record->meter) ||
        !journal_get_u32(&p, end, &record->instance) || !journal_get_i64(&p, end, &record->start_ns) ||
        !varint_get(&p, end, &duration) || !journal_get_quantity(&p, end, &record->quantity) ||
        (record->history && !journal_get_i64(&p, end, &record->reported_ns)))
        return false;
    record->end_ns = (int64_t)((uint64_t)record->start_ns + duration);
    record->id = (struct text){ (const char *)p, (size_t)(end - p) };
    return true;
}

/* Version, reported time of the commit, count of records. A segment begins where the one before ended, at first with
 * 1. */
static err_t enter_next_segment(struct schema1 *store)
{
    struct text key, value;
    err_t error = kv_cursor_next(store->segments, &key, &value);
    if (error != ERROR_OK)
        return error;
    const uint8_t *p = (const uint8_t *)value.ptr;
    uint64_t expected = store->sequence == 0 ? 1 : store->sequence;
    if (key.len != JOURNAL_KEY_SIZE || value.len < SCHEMA1_HEADER_SIZE || p[0] != SCHEMA1_VERSION ||
        get_u64be((const uint8_t *)key.ptr) != expected || get_u32be(p + 9) == 0)
        return ERROR_STORE_CORRUPT;
    store->sequence = expected;
    store->reported_ns = (int64_t)get_u64be(p + 1);
    store->left = get_u32be(p + 9);
    store->next = p + SCHEMA1_HEADER_SIZE;
    store->end = p + value.len;
    return ERROR_OK;
}

err_t schema1_next(struct schema1 *store, struct journal_record *record)
{
    if (store->left == 0) {
        err_t error = enter_next_segment(store);
        if (error != ERROR_OK)
            return error;
    }
    uint64_t size;
    if (!varint_get(&store->next, store->end, &size) || size > (uint64_t)(store->end - store->next))
        return ERROR_STORE_CORRUPT;
    record->sequence = store->sequence;
    record->reported_ns = store->reported_ns;
    if (!decode_record(store->next, store->next + size, record))
        return ERROR_STORE_CORRUPT;
    store->next += size;
    store->left--;
    store->sequence++;
    return store->left > 0 || store->next == store->end ? ERROR_OK : ERROR_STORE_CORRUPT;
}
