/* See explain.h. Where to look: the reported hours in question, each with its span of sequences; entries of other hours
 * in a span (imported history goes to and fro) are passed over. */
#include "usage/explain.h"

#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "store/journal.h"
#include "usage/record.h"

/* Cost of an entry that is more than decoded, in entries. */
#define COST_OF_CORRECTION 64 /* its original is looked up */
#define COST_OF_ITEM 16

struct search {
    struct store *store;
    struct kv_txn *txn;
    struct arena *arena;
    const struct explain_query *query;
    uint32_t subscription, meter, resource; /* resource 0: any */
    uint32_t first_usage_hour, end_usage_hour;
    uint32_t *hours; /* reported hours to look at, ascending */
    size_t hour_count;
    uint64_t first_kept;     /* sequence */
    int64_t first_kept_hour; /* of its commit; before it spans may be gone with the journal. -1: nothing is gone */
    size_t items, entries, text_bytes;
    err_t (*emit)(void *context, const struct explain_item *item);
    void *context;
    struct explain_result *result;
};

/* --- what is asked for --- */

/* *known is false when one of the names has never been seen: then nothing is behind the row. */
static err_t find_names(struct search *s, bool *known)
{
    const struct dictionary *dictionary = store_dictionary(s->store);
    const struct explain_query *query = s->query;
    struct text guid = { (const char *)query->subscription.bytes, sizeof query->subscription.bytes };
    struct text meter = meter_fold(s->arena, query->meter_id);
    if (meter.ptr == NULL)
        return ERROR_NO_MEMORY;
    err_t error = dictionary_find(dictionary, s->txn, DICTIONARY_SUBSCRIPTION, guid, &s->subscription);
    if (error == ERROR_OK)
        error = dictionary_find(dictionary, s->txn, DICTIONARY_METER, meter, &s->meter);
    if (error == ERROR_OK && query->resource_uri.ptr != NULL) {
        struct text resource = resource_fold(s->arena, query->resource_uri);
        if (resource.ptr == NULL)
            return ERROR_NO_MEMORY;
        error = dictionary_find(dictionary, s->txn, DICTIONARY_RESOURCE, resource, &s->resource);
    }
    *known = error == ERROR_OK;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t find_hours(struct search *s)
{
    const struct explain_query *query = s->query;
    uint32_t hours = query->daily ? HOURS_PER_DAY : 1;
    s->first_usage_hour = query->usage_period * hours;
    s->end_usage_hour = s->first_usage_hour + hours;
    s->hours = arena_array(s->arena, query->any_reported ? EXPLAIN_HOURS_MAX : hours, sizeof *s->hours);
    if (s->hours == NULL)
        return ERROR_NO_MEMORY;
    if (!query->any_reported) {
        for (; s->hour_count < hours; s->hour_count++)
            s->hours[s->hour_count] = query->reported_period * hours + (uint32_t)s->hour_count;
        return ERROR_OK;
    }
    bool more;
    err_t error = store_usage_times(s->txn, s->first_usage_hour, s->end_usage_hour, s->hours, EXPLAIN_HOURS_MAX,
                                    &s->hour_count, &more);
    return error == ERROR_OK && more ? ERROR_INVALID_PROPERTY : error;
}

/* --- the stored row --- */

static bool is_of_row(const struct search *s, const struct row_key *key, uint32_t bucket)
{
    return key->bucket == bucket && key->subscription == s->subscription && key->period == s->query->usage_period &&
           key->meter == s->meter && (s->resource == 0 || key->resource == s->resource);
}

static err_t add_stored(struct search *s, struct rows_cursor *cursor, uint32_t bucket)
{
    const struct rows_engine *rows = store_rows(s->store);
    struct row_key from = { bucket, s->subscription, s->query->usage_period, s->meter, s->resource, 0 };
    uint8_t encoded[ROW_KEY_SIZE];
    const uint8_t *key, *value;
    row_key_encode(&from, encoded);
    err_t error = rows->seek(cursor, encoded);
    while (error == ERROR_OK && (error = rows->next(cursor, &key, &value)) == ERROR_OK) {
        struct row_key found = row_key_decode(key);
        if (!is_of_row(s, &found, bucket))
            return ERROR_OK;
        struct row_sum sum = row_sum_decode(value);
        decimal_sum_add(&s->result->quantity, &sum.quantity);
        s->result->records += sum.records;
        s->result->found = true;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t read_stored(struct search *s)
{
    const struct rows_engine *rows = store_rows(s->store);
    uint8_t start[ROW_KEY_SIZE] = { 0 };
    uint32_t hours = s->query->daily ? HOURS_PER_DAY : 1;
    struct rows_cursor *cursor;
    err_t error = rows->open(s->txn, s->query->daily ? ROWS_DAILY : ROWS_HOURLY, start, false, &cursor);
    if (error != ERROR_OK)
        return error;
    for (size_t i = 0; i < s->hour_count && error == ERROR_OK; i++)
        if (i == 0 || s->hours[i] / hours != s->hours[i - 1] / hours)
            error = add_stored(s, cursor, s->hours[i] / hours);
    rows->close(cursor);
    return error;
}

/* --- the journal --- */

static struct decimal share_of(const struct search *s, const struct write_share *shares, size_t count)
{
    struct decimal sum = decimal_from_i64(0);
    for (size_t i = 0; i < count; i++)
        if (shares[i].hour >= s->first_usage_hour && shares[i].hour < s->end_usage_hour)
            REQUIRE(decimal_add(&sum, &shares[i].quantity, &sum)); /* parts of a quantity */
    return sum;
}

static bool is_wanted(const struct search *s, const struct journal_record *record)
{
    return record->subscription == s->subscription && record->meter == s->meter &&
           record->start_ns < hour_start_ns(s->end_usage_hour) && record->end_ns > hour_start_ns(s->first_usage_hour);
}

static err_t emit_item(struct search *s, const struct journal_record *record, const struct journal_entry *correction)
{
    struct explain_item item = { .correction = correction };
    s->entries += COST_OF_ITEM;
    err_t error = record_view_read(s->txn, record, &item.record);
    if (error != ERROR_OK || (s->resource != 0 && item.record.instance.resource != s->resource))
        return error;
    struct arena_mark mark = arena_mark(s->arena);
    size_t count;
    const struct write_share *shares;
    if (correction == NULL) {
        shares = record_split(s->arena, record->start_ns, record->end_ns, &record->quantity, &count);
    } else {
        struct decimal before;
        if (!decimal_subtract(&correction->correction.quantity, &correction->correction.difference, &before) ||
            decimal_is_negative(&before) || decimal_is_negative(&correction->correction.quantity))
            return ERROR_STORE_CORRUPT;
        shares = correction_shares(s->arena, record, &before, &correction->correction.quantity, &count);
    }
    if (shares == NULL)
        return ERROR_NO_MEMORY;
    item.share = share_of(s, shares, count);
    arena_rewind(s->arena, mark);
    decimal_sum_add(&s->result->explained, &item.share);
    s->items++;
    s->text_bytes += record->id.len + item.record.instance.resource_uri.len + item.record.instance.tags.len +
                     item.record.instance.additional_info.len;
    return s->emit(s->context, &item);
}

static err_t visit(struct search *s, const struct journal_entry *entry)
{
    s->entries++;
    if (entry->kind == JOURNAL_RECORD)
        return is_wanted(s, &entry->record) ? emit_item(s, &entry->record, NULL) : ERROR_OK;
    if (entry->kind != JOURNAL_CORRECTION)
        return ERROR_OK;
    struct journal_entry original;
    s->entries += COST_OF_CORRECTION;
    err_t error = journal_get(s->txn, entry->correction.original, &original);
    if (error == ERROR_NOT_FOUND) { /* it may have been of this row */
        s->result->incomplete = true;
        return ERROR_OK;
    }
    if (error != ERROR_OK || original.kind != JOURNAL_RECORD)
        return error != ERROR_OK ? error : ERROR_STORE_CORRUPT;
    return is_wanted(s, &original.record) ? emit_item(s, &original.record, entry) : ERROR_OK;
}

static bool is_full(const struct search *s)
{
    return s->items >= EXPLAIN_PAGE_ITEMS || s->entries >= EXPLAIN_ENTRIES_MAX ||
           s->text_bytes >= EXPLAIN_TEXT_BYTES_MAX;
}

/* Looks at one reported hour from a sequence on; *position moves along. */
static err_t search_hour(struct search *s, uint32_t hour, struct explain_position *position)
{
    uint64_t first, last;
    struct journal_reader reader;
    struct journal_entry entry;
    err_t error = store_span(s->txn, hour, &first, &last);
    if (error == ERROR_NOT_FOUND)
        s->result->incomplete = s->result->incomplete || hour < s->first_kept_hour;
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    s->result->incomplete = s->result->incomplete || first < s->first_kept;
    first = position->sequence > first ? position->sequence : first;
    error = journal_open(s->txn, first, &reader);
    if (error != ERROR_OK)
        return error;
    while ((error = journal_next(&reader, &entry)) == ERROR_OK && entry.sequence <= last) {
        if (is_full(s)) {
            s->result->more = true;
            break;
        }
        position->sequence = entry.sequence + 1;
        if (instant_hour(entry.reported_ns) == hour && (error = visit(s, &entry)) != ERROR_OK)
            break;
    }
    journal_close(&reader);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t search_journal(struct search *s, struct explain_position *position)
{
    struct journal_reader reader;
    err_t error = journal_open(s->txn, 1, &reader);
    if (error != ERROR_OK)
        return error;
    s->first_kept = reader.left > 0 ? reader.sequence : UINT64_MAX;
    s->first_kept_hour = reader.left > 0 && s->first_kept > 1 ? instant_hour(reader.reported_ns) : -1;
    journal_close(&reader);
    for (size_t i = 0; i < s->hour_count && error == ERROR_OK && !s->result->more; i++) {
        if (s->hours[i] < position->reported_hour)
            continue;
        if (s->hours[i] > position->reported_hour)
            *position = (struct explain_position){ .reported_hour = s->hours[i] };
        error = search_hour(s, s->hours[i], position);
    }
    return error;
}

err_t explain_page(struct store *store, struct kv_txn *txn, struct arena *arena, const struct explain_query *query,
                   struct explain_position *position, err_t (*emit)(void *context, const struct explain_item *item),
                   void *context, struct explain_result *result)
{
    struct search s = {
        .store = store, .txn = txn, .arena = arena, .query = query, .emit = emit, .context = context, .result = result
    };
    bool known;
    memset(result, 0, sizeof *result);
    err_t error = find_names(&s, &known);
    if (error != ERROR_OK || !known)
        return error;
    error = find_hours(&s);
    if (error == ERROR_OK)
        error = read_stored(&s);
    return error == ERROR_OK && result->found ? search_journal(&s, position) : error;
}
