/* See record_view.h. */
#include "usage/record_view.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "usage/record.h"

static err_t text_of_id(struct kv_txn *txn, enum dictionary_kind kind, uint32_t id, struct text *out)
{
    err_t error = dictionary_text(txn, kind, id, out);
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

err_t record_view_read(struct kv_txn *txn, const struct journal_record *record, struct record_view *out)
{
    struct text guid, encoded;
    *out = (struct record_view){ .record = record };
    err_t error = text_of_id(txn, DICTIONARY_SUBSCRIPTION, record->subscription, &guid);
    if (error == ERROR_OK && guid.len != sizeof out->subscription.bytes)
        error = ERROR_STORE_CORRUPT;
    if (error == ERROR_OK)
        error = text_of_id(txn, DICTIONARY_SOURCE, record->source, &out->source);
    if (error == ERROR_OK)
        error = text_of_id(txn, DICTIONARY_PRODUCER, record->producer, &out->producer);
    if (error == ERROR_OK)
        error = text_of_id(txn, DICTIONARY_METER, record->meter, &out->meter_id);
    if (error == ERROR_OK)
        error = text_of_id(txn, DICTIONARY_INSTANCE, record->instance, &encoded);
    if (error != ERROR_OK)
        return error;
    memcpy(out->subscription.bytes, guid.ptr, guid.len);
    return instance_decode(encoded, &out->instance);
}

err_t record_find(struct store *store, struct kv_txn *txn, struct text source, struct text id, uint64_t *sequence)
{
    uint8_t value[DEDUPE_VALUE_SIZE];
    struct hash128 identity = record_identity(store_hash_key(store), source, id);
    err_t error = store_rows(store)->get(txn, ROWS_DEDUPE, identity.bytes, value);
    if (error == ERROR_OK)
        *sequence = get_u64be(value + 8);
    return error;
}

err_t record_corrections(struct kv_txn *txn, struct arena *arena, uint64_t original, struct record_correction **out,
                         size_t *count)
{
    uint64_t sequences[CORRECTIONS_STORED_MAX];
    err_t error = correction_sequences(txn, original, sequences, count);
    if (error != ERROR_OK)
        return error;
    struct record_correction *corrections = *out = arena_array(arena, *count + 1, sizeof *corrections);
    if (corrections == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < *count; i++) {
        struct journal_entry entry;
        error = journal_get(txn, sequences[i], &entry);
        if (error != ERROR_OK || entry.kind != JOURNAL_CORRECTION || decimal_is_negative(&entry.correction.quantity))
            return error != ERROR_OK && error != ERROR_NOT_FOUND ? error : ERROR_STORE_CORRUPT;
        corrections[i] = (struct record_correction){ entry.sequence, entry.reported_ns, entry.correction };
        corrections[i].entry.reason = arena_text(arena, entry.correction.reason);
        corrections[i].entry.by = arena_text(arena, entry.correction.by);
        if (corrections[i].entry.reason.ptr == NULL || corrections[i].entry.by.ptr == NULL)
            return ERROR_NO_MEMORY;
    }
    return ERROR_OK;
}

/* --- where it was counted --- */

/* The usage hours of one reported hour, added up. */
struct gathering {
    uint32_t reported_hour, first_hour;
    size_t hours;
    struct decimal_sum sums[RECORD_SHARES_MAX];
    bool touched[RECORD_SHARES_MAX];
    struct record_counted *out;
    size_t count;
};

static void gather(struct gathering *g, const struct write_share *shares, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = shares[i].hour - g->first_hour;
        REQUIRE(at < g->hours);
        decimal_sum_add(&g->sums[at], &shares[i].quantity);
        g->touched[at] = true;
    }
}

static void put_out(struct gathering *g)
{
    for (size_t i = 0; i < g->hours; i++) {
        if (!g->touched[i])
            continue;
        g->out[g->count++] = (struct record_counted){ g->reported_hour, g->first_hour + (uint32_t)i, g->sums[i] };
        g->sums[i] = (struct decimal_sum){ { 0 } };
        g->touched[i] = false;
    }
}

err_t record_counted(struct arena *arena, const struct journal_record *record,
                     const struct record_correction *corrections, size_t correction_count, struct record_counted **out,
                     size_t *count)
{
    struct gathering *g = arena_zalloc(arena, sizeof *g);
    const struct write_share *shares =
        g != NULL ? record_split(arena, record->start_ns, record->end_ns, &record->quantity, &g->hours) : NULL;
    if (shares == NULL)
        return ERROR_NO_MEMORY;
    g->out = arena_array(arena, g->hours * (correction_count + 1), sizeof *g->out);
    if (g->out == NULL)
        return ERROR_NO_MEMORY;
    g->first_hour = shares[0].hour;
    g->reported_hour = (uint32_t)instant_hour(record->reported_ns);
    gather(g, shares, g->hours);
    struct decimal before = record->quantity;
    for (size_t i = 0; i < correction_count; i++) {
        uint32_t reported_hour = (uint32_t)instant_hour(corrections[i].reported_ns);
        size_t changed;
        struct arena_mark mark = arena_mark(arena);
        shares = correction_shares(arena, record, &before, &corrections[i].entry.quantity, &changed);
        if (shares == NULL)
            return ERROR_NO_MEMORY;
        if (reported_hour != g->reported_hour) /* corrections come later than their record, and in order */
            put_out(g);
        g->reported_hour = reported_hour;
        gather(g, shares, changed);
        arena_rewind(arena, mark);
        before = corrections[i].entry.quantity;
    }
    put_out(g);
    *out = g->out;
    *count = g->count;
    return ERROR_OK;
}
