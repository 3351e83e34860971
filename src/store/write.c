/* The write transaction: claims, journal and sums of one group commit. See write.h; the writer thread that
 * drives it is in writer.c. */
#include "store/write.h"

#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "store/write_internal.h"

/* A row that holds a sum below the limit can take 2^32 more small quantities, so only large ones need the
 * stored row to be read before they are accepted. */
#define SMALL_QUANTITY_BITS 150

static const struct decimal sum_limit = { { 0, 0, INT64_MAX - (INT64_C(1) << (SMALL_QUANTITY_BITS + 32 - 128)) } };
static const struct decimal small_limit = { { 0, 0, UINT64_C(1) << (SMALL_QUANTITY_BITS - 128) } };

/* Corrections make negative sums. */
static const struct decimal sum_negative_limit = {
    { 0, 0, (uint64_t) - (INT64_MAX - (INT64_C(1) << (SMALL_QUANTITY_BITS + 32 - 128))) }
};
static const struct decimal small_negative_limit = { { 0, 0, 0 - (UINT64_C(1) << (SMALL_QUANTITY_BITS - 128)) } };

void write_init(struct store_write *write, const struct rows_engine *rows, const struct store_state *state,
                struct dictionary *dictionary)
{
    *write = (struct store_write){ .rows = rows, .dictionary = dictionary, .state = *state };
    claims_init(&write->claims);
    pending_init(&write->hourly, ROWS_HOURLY);
    pending_init(&write->daily, ROWS_DAILY);
    pending_init(&write->rollup, ROWS_ROLLUP);
    write->journal.next_sequence = state->last_sequence + 1;
    memcpy(write->journal.head, state->head, SHA256_SIZE);
}

void write_free(struct store_write *write)
{
    claims_free(&write->claims);
    pending_free(&write->hourly);
    pending_free(&write->daily);
    pending_free(&write->rollup);
    buffer_free(&write->journal.segment);
}

struct kv_txn *write_txn(struct store_write *write)
{
    return write->txn;
}

int64_t write_reported_ns(const struct store_write *write)
{
    return write->reported_ns;
}

void write_time_reached(struct store_write *write, int64_t time_ns)
{
    if (time_ns > write->state.last_reported_ns)
        write->state.last_reported_ns = time_ns;
}

struct store_state write_state(const struct store_write *write)
{
    return write->state;
}

uint64_t write_undone(const struct store_write *write)
{
    return write->undone;
}

err_t write_intern(struct store_write *write, enum dictionary_kind kind, struct text identity, struct text text,
                   uint32_t *id)
{
    struct journal_definition definition = { .kind = kind, .text = text };
    bool made;
    err_t error =
        dictionary_intern(write->dictionary, write->txn, kind, identity, text, id, &made, &definition.identity);
    if (error != ERROR_OK || !made)
        return error;
    definition.id = *id;
    return journal_define(&write->journal, write->txn, &definition);
}

bool write_recall(const struct store_write *write, const struct hash128 *names, struct dictionary_ids *ids)
{
    return dictionary_recall(write->dictionary, names, ids);
}

void write_expect(const struct store_write *write, const struct hash128 *names)
{
    dictionary_expect(write->dictionary, names);
}

void write_remember(struct store_write *write, const struct hash128 *names, const struct dictionary_ids *ids)
{
    dictionary_remember(write->dictionary, names, ids);
}

err_t write_claim(struct store_write *write, const struct hash128 *identity, uint64_t content_hash, enum claim *claim,
                  uint64_t *original_sequence)
{
    uint8_t value[DEDUPE_VALUE_SIZE];
    err_t error = claims_get(&write->claims, write->rows, write->txn, identity->bytes, value);
    if (error == ERROR_NOT_FOUND) {
        *claim = CLAIM_NEW;
        return ERROR_OK;
    }
    if (error != ERROR_OK)
        return error;
    *claim = get_u64be(value) == content_hash ? CLAIM_SAME : CLAIM_OTHER;
    *original_sequence = get_u64be(value + 8);
    return ERROR_OK;
}

err_t write_entry(struct store_write *write, uint64_t sequence, struct journal_entry *entry)
{
    /* What this transaction has added can be read once its segment is closed. */
    if (write->journal.count > 0 && sequence >= write->journal.first_sequence) {
        err_t error = journal_flush(&write->journal, write->txn);
        if (error != ERROR_OK)
            return error;
    }
    return journal_get(write->txn, sequence, entry);
}

/* Whether the row's total, stored and pending, can take quantity. */
static err_t sum_fits(struct store_write *write, const struct pending *pending, const uint8_t key[ROW_KEY_SIZE],
                      const struct decimal *quantity, bool *fits)
{
    struct decimal total = *quantity;
    const uint8_t *value = pending_find(pending, key);
    *fits = true;
    if (value != NULL) {
        struct row_sum sum = row_sum_decode(value);
        *fits = decimal_add(&total, &sum.quantity, &total);
    }
    if (!*fits || (decimal_compare(&total, &small_limit) < 0 && decimal_compare(&total, &small_negative_limit) > 0))
        return ERROR_OK;
    uint8_t stored[ROW_SUM_SIZE];
    err_t error = write->rows->get(write->txn, pending->family, key, stored);
    if (error == ERROR_NOT_FOUND) {
        error = ERROR_OK;
    } else if (error == ERROR_OK) {
        struct row_sum sum = row_sum_decode(stored);
        *fits = decimal_add(&total, &sum.quantity, &total);
    }
    *fits = *fits && decimal_compare(&total, &sum_limit) <= 0 && decimal_compare(&total, &sum_negative_limit) >= 0;
    return error;
}

static err_t add_sum(struct pending *pending, const struct row_key *key, const struct decimal *quantity,
                     uint32_t records)
{
    uint8_t encoded[ROW_KEY_SIZE];
    row_key_encode(key, encoded);
    uint8_t *value = pending_value(pending, encoded);
    if (value == NULL)
        return ERROR_NO_MEMORY;
    struct row_sum sum = row_sum_decode(value);
    /* Part of a row's sum, which fits: a rebuild, whose commits lie elsewhere, may meet larger parts. */
    decimal_add_part(&sum.quantity, quantity, &sum.quantity);
    sum.records += records;
    row_sum_encode(&sum, value);
    return ERROR_OK;
}

static struct row_key hourly_key(const struct journal_record *record, uint32_t resource, uint32_t hour)
{
    return (struct row_key){ (uint32_t)instant_hour(record->reported_ns),
                             record->subscription,
                             hour,
                             record->meter,
                             resource,
                             record->instance };
}

static struct row_key daily_key(const struct journal_record *record, uint32_t resource, uint32_t day)
{
    return (struct row_key){
        (uint32_t)instant_day(record->reported_ns), record->subscription, day, record->meter, resource, record->instance
    };
}

/* The rows of a subscription's meter alone, for summaries that ask for no more. */
static struct row_key rollup_key(const struct journal_record *record, uint32_t day)
{
    struct row_key row = daily_key(record, 0, day);
    row.instance = 0;
    return row;
}

/* Calls visit once per usage day with the day's part of the record; stops at the first error. */
static err_t for_each_day(const struct write_share *shares, size_t count,
                          err_t (*visit)(void *context, uint32_t day, const struct decimal *quantity, bool first),
                          void *context)
{
    for (size_t i = 0; i < count;) {
        uint32_t day = shares[i].hour / HOURS_PER_DAY;
        struct decimal quantity = shares[i].quantity;
        bool first = i == 0;
        for (i++; i < count && shares[i].hour / HOURS_PER_DAY == day; i++)
            REQUIRE(decimal_add(&quantity, &shares[i].quantity, &quantity));
        err_t error = visit(context, day, &quantity, first);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

struct record_visit {
    struct store_write *write;
    const struct journal_record *record;
    uint32_t resource;
    uint32_t counted; /* records: 0 for a correction */
    bool fits;
    unsigned parts; /* of enum write_part: where it is to be added */
};

static err_t check_day(void *context, uint32_t day, const struct decimal *quantity, bool first)
{
    (void)first;
    struct record_visit *visit = context;
    uint8_t key[ROW_KEY_SIZE];
    struct row_key row = daily_key(visit->record, visit->resource, day);
    row_key_encode(&row, key);
    bool fits = false;
    err_t error = sum_fits(visit->write, &visit->write->daily, key, quantity, &fits);
    visit->fits = visit->fits && fits;
    if (error != ERROR_OK || !fits)
        return error;
    row = rollup_key(visit->record, day);
    row_key_encode(&row, key);
    error = sum_fits(visit->write, &visit->write->rollup, key, quantity, &fits);
    visit->fits = visit->fits && fits;
    return error;
}

static err_t add_day(void *context, uint32_t day, const struct decimal *quantity, bool first)
{
    struct record_visit *visit = context;
    struct row_key row = daily_key(visit->record, visit->resource, day);
    return add_sum(&visit->write->daily, &row, quantity, first ? visit->counted : 0);
}

static err_t all_sums_fit(struct record_visit *visit, const struct write_share *shares, size_t count)
{
    for (size_t i = 0; i < count && visit->fits; i++) {
        uint8_t key[ROW_KEY_SIZE];
        struct row_key row = hourly_key(visit->record, visit->resource, shares[i].hour);
        row_key_encode(&row, key);
        bool fits;
        err_t error = sum_fits(visit->write, &visit->write->hourly, key, &shares[i].quantity, &fits);
        if (error != ERROR_OK)
            return error;
        visit->fits = fits;
    }
    return for_each_day(shares, count, check_day, visit);
}

static err_t add_hours(struct record_visit *visit, const struct write_share *shares, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct row_key row = hourly_key(visit->record, visit->resource, shares[i].hour);
        /* A record counts once, in the hour in which it starts. */
        err_t error = add_sum(&visit->write->hourly, &row, &shares[i].quantity, i == 0 ? visit->counted : 0);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

/* --- where to look for what was reported --- */

/* Remembers pairs already stored, so that the table is touched once per usage and reported hour. */
static err_t note_usage_time(struct store_write *write, uint32_t usage_hour, uint32_t reported_hour)
{
    uint64_t pair = ~(((uint64_t)usage_hour << 32) | reported_hour); /* inverted: an empty slot is no pair */
    uint64_t *slot = &write->usage_times[(usage_hour * 31 + reported_hour) % USAGE_TIMES_REMEMBERED];
    if (*slot == pair)
        return ERROR_OK;
    uint8_t key[USAGE_TIME_KEY_SIZE];
    put_u32be(key, usage_hour);
    put_u32be(key + 4, reported_hour);
    err_t error = kv_put(write->txn, KV_USAGE_TIMES, BYTES(key), TEXT(""));
    if (error == ERROR_OK)
        *slot = pair;
    return error;
}

/* The sequence just given belongs to that reported hour. Live ones follow each other, so the span of a commit is
 * written once; imported history goes to and fro. */
static err_t note_span(struct store_write *write, uint32_t reported_hour)
{
    if (!write->span_noted || write->span_hour != reported_hour) {
        err_t error = write_flush_span(write);
        if (error != ERROR_OK)
            return error;
        write->span_noted = true;
        write->span_hour = reported_hour;
        write->span_first = write->state.last_sequence;
    }
    write->span_last = write->state.last_sequence;
    return ERROR_OK;
}

err_t write_flush_span(struct store_write *write)
{
    if (!write->span_noted)
        return ERROR_OK;
    uint8_t key[SPAN_KEY_SIZE], value[16];
    struct text stored;
    put_u32be(key, write->span_hour);
    put_u64be(value, write->span_first);
    err_t error = kv_get(write->txn, KV_SPANS, BYTES(key), &stored);
    if (error == ERROR_OK && stored.len == sizeof value)
        memcpy(value, stored.ptr, 8);
    else if (error != ERROR_NOT_FOUND)
        return error == ERROR_OK ? ERROR_STORE_CORRUPT : error;
    put_u64be(value + 8, write->span_last);
    write->span_noted = false;
    return kv_put(write->txn, KV_SPANS, BYTES(key), BYTES(value));
}

static err_t make_claim(struct store_write *write, const struct hash128 *identity, uint64_t content_hash,
                        uint64_t sequence)
{
    uint8_t value[DEDUPE_VALUE_SIZE];
    put_u64be(value, content_hash);
    put_u64be(value + 8, sequence);
    return claims_make(&write->claims, identity->bytes, value);
}

static err_t add_rollup(void *context, uint32_t day, const struct decimal *quantity, bool first)
{
    struct record_visit *visit = context;
    struct row_key row = rollup_key(visit->record, day);
    return add_sum(&visit->write->rollup, &row, quantity, first ? visit->counted : 0);
}

static err_t add_everywhere(struct record_visit *visit, const struct write_share *shares, size_t count)
{
    err_t error = ERROR_OK;
    if ((visit->parts & WRITE_DAILY) != 0) {
        error = for_each_day(shares, count, add_day, visit);
        if (error == ERROR_OK)
            error = for_each_day(shares, count, add_rollup, visit);
    }
    if (error != ERROR_OK || (visit->parts & WRITE_HOURLY) == 0)
        return error;
    error = add_hours(visit, shares, count);
    for (size_t i = 0; i < count && error == ERROR_OK; i++)
        error = note_usage_time(visit->write, shares[i].hour, (uint32_t)instant_hour(visit->record->reported_ns));
    return error == ERROR_OK ? note_span(visit->write, (uint32_t)instant_hour(visit->record->reported_ns)) : error;
}

err_t write_count_record(struct store_write *write, const struct journal_record *record, const struct hash128 *identity,
                         uint64_t content_hash, uint32_t resource, const struct write_share *shares, size_t share_count,
                         unsigned parts)
{
    struct record_visit visit = { write, record, resource, 1, true, parts };
    write->state.last_sequence = record->sequence;
    err_t error = (parts & WRITE_CLAIM) == 0 ? ERROR_OK : make_claim(write, identity, content_hash, record->sequence);
    if (error == ERROR_OK)
        error = add_everywhere(&visit, shares, share_count);
    if (error != ERROR_OK)
        return error;
    write->state.records++;
    if (!record->history) {
        write->state.last_reported_ns = record->reported_ns;
        if (write->state.first_live_hour < 0)
            write->state.first_live_hour = instant_hour(record->reported_ns);
    }
    return ERROR_OK;
}

err_t write_record(struct store_write *write, struct journal_record *record, const struct hash128 *identity,
                   uint64_t content_hash, uint32_t resource, const struct write_share *shares, size_t share_count,
                   bool *fits)
{
    REQUIRE(share_count > 0);
    if (!record->history)
        record->reported_ns = write->reported_ns;
    struct record_visit visit = { write, record, resource, 1, true, WRITE_ALL };
    err_t error = all_sums_fit(&visit, shares, share_count);
    *fits = visit.fits;
    if (error != ERROR_OK || !visit.fits)
        return error;
    struct journal_entry entry = { .kind = JOURNAL_RECORD, .record = *record };
    error = journal_add(&write->journal, write->txn, &entry);
    record->sequence = entry.sequence;
    return error == ERROR_OK
               ? write_count_record(write, record, identity, content_hash, resource, shares, share_count, WRITE_ALL)
               : error;
}

static err_t index_correction(struct store_write *write, uint64_t original, uint64_t sequence)
{
    uint8_t key[CORRECTION_KEY_SIZE];
    put_u64be(key, original);
    put_u64be(key + 8, sequence);
    return kv_put(write->txn, KV_CORRECTIONS, BYTES(key), TEXT(""));
}

err_t write_count_correction(struct store_write *write, const struct journal_record *original, uint32_t resource,
                             uint64_t sequence, const struct write_share *shares, size_t share_count, unsigned parts)
{
    struct record_visit visit = { write, original, resource, 0, true, parts };
    write->state.last_sequence = sequence;
    err_t error = index_correction(write, original->sequence, sequence);
    if (error == ERROR_OK)
        error = add_everywhere(&visit, shares, share_count);
    if (error != ERROR_OK)
        return error;
    write->state.corrections++;
    write->state.last_reported_ns = original->reported_ns;
    if (write->state.first_live_hour < 0)
        write->state.first_live_hour = instant_hour(original->reported_ns);
    return ERROR_OK;
}

err_t write_correction(struct store_write *write, const struct journal_record *original, uint32_t resource,
                       const struct journal_correction *correction, const struct write_share *shares,
                       size_t share_count, bool *fits, uint64_t *sequence)
{
    struct journal_record now = *original;
    now.reported_ns = write->reported_ns;
    struct record_visit visit = { write, &now, resource, 0, true, WRITE_ALL };
    err_t error = all_sums_fit(&visit, shares, share_count);
    *fits = visit.fits;
    if (error != ERROR_OK || !visit.fits)
        return error;
    struct journal_entry entry = { .kind = JOURNAL_CORRECTION, .correction = *correction };
    error = journal_add(&write->journal, write->txn, &entry);
    *sequence = entry.sequence;
    return error == ERROR_OK
               ? write_count_correction(write, &now, resource, entry.sequence, shares, share_count, WRITE_ALL)
               : error;
}
