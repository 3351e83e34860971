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

struct kv_txn *write_txn(struct store_write *write)
{
    return write->txn;
}

int64_t write_reported_ns(const struct store_write *write)
{
    return write->reported_ns;
}

struct store_state write_state(const struct store_write *write)
{
    return write->state;
}

err_t write_intern(struct store_write *write, enum dictionary_kind kind, struct text identity, struct text text,
                   uint32_t *id)
{
    return dictionary_intern(write->dictionary, write->txn, kind, identity, text, id);
}

err_t write_claim(struct store_write *write, const struct hash128 *identity, uint64_t content_hash, enum claim *claim,
                  uint64_t *original_sequence)
{
    uint8_t stored[DEDUPE_VALUE_SIZE];
    const uint8_t *value = pending_find(&write->claims, identity->bytes);
    if (value == NULL) {
        err_t error = write->rows->get(write->txn, ROWS_DEDUPE, identity->bytes, stored);
        if (error == ERROR_NOT_FOUND) {
            *claim = CLAIM_NEW;
            return ERROR_OK;
        }
        if (error != ERROR_OK)
            return error;
        value = stored;
    }
    *claim = get_u64be(value) == content_hash ? CLAIM_SAME : CLAIM_OTHER;
    *original_sequence = get_u64be(value + 8);
    return ERROR_OK;
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
    if (!*fits || decimal_compare(&total, &small_limit) < 0)
        return ERROR_OK;
    uint8_t stored[ROW_SUM_SIZE];
    err_t error = write->rows->get(write->txn, pending->family, key, stored);
    if (error == ERROR_NOT_FOUND) {
        error = ERROR_OK;
    } else if (error == ERROR_OK) {
        struct row_sum sum = row_sum_decode(stored);
        *fits = decimal_add(&total, &sum.quantity, &total);
    }
    *fits = *fits && decimal_compare(&total, &sum_limit) <= 0;
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
    REQUIRE(decimal_add(&sum.quantity, quantity, &sum.quantity));
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
    bool fits;
};

static err_t check_day(void *context, uint32_t day, const struct decimal *quantity, bool first)
{
    (void)first;
    struct record_visit *visit = context;
    uint8_t key[ROW_KEY_SIZE];
    struct row_key row = daily_key(visit->record, visit->resource, day);
    row_key_encode(&row, key);
    bool fits;
    err_t error = sum_fits(visit->write, &visit->write->daily, key, quantity, &fits);
    visit->fits = visit->fits && fits;
    return error;
}

static err_t add_day(void *context, uint32_t day, const struct decimal *quantity, bool first)
{
    struct record_visit *visit = context;
    struct row_key row = daily_key(visit->record, visit->resource, day);
    return add_sum(&visit->write->daily, &row, quantity, first ? 1 : 0);
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

static err_t add_all_sums(struct record_visit *visit, const struct write_share *shares, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct row_key row = hourly_key(visit->record, visit->resource, shares[i].hour);
        /* A record counts once, in the hour in which it starts. */
        err_t error = add_sum(&visit->write->hourly, &row, &shares[i].quantity, i == 0 ? 1 : 0);
        if (error != ERROR_OK)
            return error;
    }
    return for_each_day(shares, count, add_day, visit);
}

static err_t make_claim(struct store_write *write, const struct hash128 *identity, uint64_t content_hash,
                        uint64_t sequence)
{
    uint8_t *value = pending_value(&write->claims, identity->bytes);
    if (value == NULL)
        return ERROR_NO_MEMORY;
    put_u64be(value, content_hash);
    put_u64be(value + 8, sequence);
    return ERROR_OK;
}

err_t write_record(struct store_write *write, struct journal_record *record, const struct hash128 *identity,
                   uint64_t content_hash, uint32_t resource, const struct write_share *shares, size_t share_count,
                   bool *fits)
{
    REQUIRE(share_count > 0);
    if (!record->history)
        record->reported_ns = write->reported_ns;
    record->sequence = write->state.last_sequence + 1;
    struct record_visit visit = { write, record, resource, true };
    err_t error = all_sums_fit(&visit, shares, share_count);
    *fits = visit.fits;
    if (error != ERROR_OK || !visit.fits)
        return error;
    error = journal_add(&write->journal, write->txn, record);
    if (error == ERROR_OK)
        error = make_claim(write, identity, content_hash, record->sequence);
    if (error == ERROR_OK)
        error = add_all_sums(&visit, shares, share_count);
    if (error != ERROR_OK)
        return error;
    write->state.last_sequence = record->sequence;
    if (!record->history) {
        write->state.last_reported_ns = record->reported_ns;
        if (write->state.first_live_hour < 0)
            write->state.first_live_hour = instant_hour(record->reported_ns);
    }
    return ERROR_OK;
}
