/* Completeness: sums by reported hour and day, from the journal and from the rows, as fingerprints. Memory: one bucket
 * per reported hour, per reported day and per DEDUPE_BUCKET_ENTRIES sequences, some 300 bytes each: a year of hours
 * takes 3 MB, a billion records 5 MB. */
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/encode.h"
#include "base/instant.h"
#include "base/memory.h"
#include "store/keys.h"
#include "usage/fingerprint.h"
#include "usage/interpret.h"
#include "usage/verify_internal.h"

#define DEDUPE_BUCKET_ENTRIES 65536
#define BUCKETS_MIN 256
#define PROGRESS_ROWS (UINT64_C(1) << 20)

struct bucket {
    uint32_t number;
    bool used;
    struct fingerprint journal, stored;
    uint64_t first, last; /* span of an hour: sequences */
};

/* Open addressing, at most half full. */
struct buckets {
    struct bucket *slots;
    size_t capacity, count;
};

/* A set of usage hours met in one reported hour. */
struct periods {
    uint32_t *slots; /* hour + 1; 0: empty */
    size_t capacity, count;
};

struct verify_sums {
    uint64_t seed;
    struct buckets hours, days, rollups, dedupe;
    struct fingerprint index, table_index;        /* corrections: from the journal, as stored */
    struct fingerprint hourly_pairs, table_pairs; /* usage hour, reported hour */
    struct periods periods;
    uint64_t records; /* whose identities the journal gives */
};

struct verify_sums *verify_sums_new(void)
{
    struct verify_sums *sums = memory_zalloc(1, sizeof *sums);
    if (sums != NULL)
        random_bytes(&sums->seed, sizeof sums->seed);
    return sums;
}

void verify_sums_free(struct verify_sums *sums)
{
    if (sums == NULL)
        return;
    memory_free(sums->hours.slots);
    memory_free(sums->days.slots);
    memory_free(sums->rollups.slots);
    memory_free(sums->dedupe.slots);
    memory_free(sums->periods.slots);
    memory_free(sums);
}

/* --- buckets --- */

static struct bucket *slot_of(const struct buckets *buckets, uint32_t number)
{
    size_t at = (number * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (buckets->capacity - 1);
    while (buckets->slots[at].used && buckets->slots[at].number != number)
        at = (at + 1) & (buckets->capacity - 1);
    return &buckets->slots[at];
}

static bool grow(struct buckets *buckets)
{
    struct buckets grown = { .capacity = buckets->capacity == 0 ? BUCKETS_MIN : 2 * buckets->capacity };
    grown.slots = memory_zalloc(grown.capacity, sizeof *grown.slots);
    if (grown.slots == NULL)
        return false;
    for (size_t i = 0; i < buckets->capacity; i++)
        if (buckets->slots[i].used)
            *slot_of(&grown, buckets->slots[i].number) = buckets->slots[i];
    grown.count = buckets->count;
    memory_free(buckets->slots);
    *buckets = grown;
    return true;
}

/* NULL: no memory. */
static struct bucket *bucket_of(struct buckets *buckets, uint32_t number)
{
    if (buckets->count * 2 >= buckets->capacity && !grow(buckets))
        return NULL;
    struct bucket *bucket = slot_of(buckets, number);
    if (!bucket->used) {
        bucket->used = true;
        bucket->number = number;
        buckets->count++;
    }
    return bucket;
}

/* --- from the journal --- */

static err_t add_row(struct buckets *buckets, uint64_t seed, const struct row_key *row, const struct decimal *quantity,
                     uint32_t records)
{
    uint8_t key[ROW_KEY_SIZE];
    struct bucket *bucket = bucket_of(buckets, row->bucket);
    if (bucket == NULL)
        return ERROR_NO_MEMORY;
    row_key_encode(row, key);
    fingerprint_add(&bucket->journal, seed, key, sizeof key, quantity, records);
    return ERROR_OK;
}

static err_t add_hours(struct verify_sums *sums, const struct interpretation *found, uint64_t sequence, bool is_record)
{
    const struct journal_record *record = &found->record;
    struct row_key row = { .bucket = (uint32_t)instant_hour(record->reported_ns),
                           .subscription = record->subscription,
                           .meter = record->meter,
                           .resource = found->resource,
                           .instance = record->instance };
    struct bucket *hour = bucket_of(&sums->hours, row.bucket);
    if (hour == NULL)
        return ERROR_NO_MEMORY;
    if (hour->first == 0)
        hour->first = sequence;
    hour->last = sequence;
    for (size_t i = 0; i < found->share_count; i++) {
        row.period = found->shares[i].hour;
        err_t error = add_row(&sums->hours, sums->seed, &row, &found->shares[i].quantity, is_record && i == 0);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

/* A share of an hour is added to the row of its day: sums are the same in any grouping. */
static err_t add_days(struct verify_sums *sums, const struct interpretation *found, bool is_record)
{
    const struct journal_record *record = &found->record;
    struct row_key row = { .bucket = (uint32_t)instant_day(record->reported_ns),
                           .subscription = record->subscription,
                           .meter = record->meter };
    for (size_t i = 0; i < found->share_count; i++) {
        uint32_t counted = is_record && i == 0;
        row.period = found->shares[i].hour / HOURS_PER_DAY;
        row.resource = row.instance = 0;
        err_t error = add_row(&sums->rollups, sums->seed, &row, &found->shares[i].quantity, counted);
        row.resource = found->resource;
        row.instance = record->instance;
        if (error == ERROR_OK)
            error = add_row(&sums->days, sums->seed, &row, &found->shares[i].quantity, counted);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static err_t add_claim(struct verify_sums *sums, const struct interpretation *found, uint64_t sequence)
{
    uint8_t row[DEDUPE_KEY_SIZE + DEDUPE_VALUE_SIZE];
    struct bucket *bucket = bucket_of(&sums->dedupe, (uint32_t)(sequence / DEDUPE_BUCKET_ENTRIES));
    if (bucket == NULL)
        return ERROR_NO_MEMORY;
    memcpy(row, found->identity.bytes, DEDUPE_KEY_SIZE);
    put_u64be(row + DEDUPE_KEY_SIZE, found->content_hash);
    put_u64be(row + DEDUPE_KEY_SIZE + 8, sequence);
    fingerprint_add_item(&bucket->journal, sums->seed, row, sizeof row);
    sums->records++;
    return ERROR_OK;
}

err_t verify_sums_add(struct verify_sums *sums, const struct verify *verify, const struct interpretation *found,
                      uint64_t sequence, bool is_record)
{
    int64_t reported_ns = found->record.reported_ns;
    err_t error = is_record ? add_claim(sums, found, sequence) : ERROR_OK;
    if (error == ERROR_OK && coverage_has_hour(&verify->coverage, (uint32_t)instant_hour(reported_ns)))
        error = add_hours(sums, found, sequence, is_record);
    if (error == ERROR_OK && coverage_has_day(&verify->coverage, (uint32_t)instant_day(reported_ns)))
        error = add_days(sums, found, is_record);
    return error;
}

err_t verify_sums_add_index(struct verify_sums *sums, uint64_t original, uint64_t sequence)
{
    uint8_t key[CORRECTION_KEY_SIZE];
    put_u64be(key, original);
    put_u64be(key + 8, sequence);
    fingerprint_add_item(&sums->index, sums->seed, key, sizeof key);
    return ERROR_OK;
}

/* --- from the rows --- */

static void forget_periods(struct periods *periods)
{
    if (periods->count > 0)
        memset(periods->slots, 0, periods->capacity * sizeof *periods->slots);
    periods->count = 0;
}

static bool put_period(struct periods *periods, uint32_t hour)
{
    size_t at = hour & (periods->capacity - 1);
    while (periods->slots[at] != 0 && periods->slots[at] != hour + 1)
        at = (at + 1) & (periods->capacity - 1);
    bool is_new = periods->slots[at] == 0;
    periods->slots[at] = hour + 1;
    periods->count += is_new;
    return is_new;
}

/* *is_new: met for the first time since forget_periods. False: no memory. */
static bool note_period(struct periods *periods, uint32_t hour, bool *is_new)
{
    if (periods->count * 2 >= periods->capacity) {
        struct periods grown = { .capacity = periods->capacity == 0 ? 1024 : 2 * periods->capacity };
        grown.slots = memory_zalloc(grown.capacity, sizeof *grown.slots);
        if (grown.slots == NULL)
            return false;
        for (size_t i = 0; i < periods->capacity; i++)
            if (periods->slots[i] != 0)
                (void)put_period(&grown, periods->slots[i] - 1);
        memory_free(periods->slots);
        *periods = grown;
    }
    *is_new = put_period(periods, hour);
    return true;
}

static void add_pair(struct fingerprint *pairs, uint64_t seed, uint32_t usage_hour, uint32_t reported_hour)
{
    uint8_t key[USAGE_TIME_KEY_SIZE];
    put_u32be(key, usage_hour);
    put_u32be(key + 4, reported_hour);
    fingerprint_add_item(pairs, seed, key, sizeof key);
}

/* A row counts if its bucket follows from the journal. */
static err_t take_row(struct verify_sums *sums, struct verify *verify, enum row_family family, const uint8_t *key,
                      const uint8_t *value)
{
    uint32_t number = family == ROWS_DEDUPE ? (uint32_t)(get_u64be(value + 8) / DEDUPE_BUCKET_ENTRIES) : get_u32be(key);
    bool follows = family == ROWS_DEDUPE   ? get_u64be(value + 8) >= verify->coverage.first_sequence
                   : family == ROWS_HOURLY ? coverage_has_hour(&verify->coverage, number)
                                           : coverage_has_day(&verify->coverage, number);
    struct buckets *buckets = family == ROWS_DEDUPE   ? &sums->dedupe
                              : family == ROWS_HOURLY ? &sums->hours
                              : family == ROWS_DAILY  ? &sums->days
                                                      : &sums->rollups;
    verify->result->rows[family]++;
    if (!follows) {
        verify->result->given_rows++;
        return ERROR_OK;
    }
    struct bucket *bucket = bucket_of(buckets, number);
    if (bucket == NULL)
        return ERROR_NO_MEMORY;
    if (family == ROWS_DEDUPE) {
        uint8_t row[DEDUPE_KEY_SIZE + DEDUPE_VALUE_SIZE];
        memcpy(row, key, DEDUPE_KEY_SIZE);
        memcpy(row + DEDUPE_KEY_SIZE, value, DEDUPE_VALUE_SIZE);
        fingerprint_add_item(&bucket->stored, sums->seed, row, sizeof row);
        return ERROR_OK;
    }
    struct row_sum sum = row_sum_decode(value);
    fingerprint_add(&bucket->stored, sums->seed, key, ROW_KEY_SIZE, &sum.quantity, sum.records);
    return ERROR_OK;
}

/* Hourly rows come by reported hour, so the usage hours of one of them fit into memory. */
static err_t take_period(struct verify_sums *sums, const struct verify *verify, const uint8_t *key, uint32_t *hour)
{
    struct row_key row = row_key_decode(key);
    bool is_new;
    if (!coverage_has_hour(&verify->coverage, row.bucket))
        return ERROR_OK;
    if (row.bucket != *hour)
        forget_periods(&sums->periods);
    *hour = row.bucket;
    if (!note_period(&sums->periods, row.period, &is_new))
        return ERROR_NO_MEMORY;
    if (is_new)
        add_pair(&sums->hourly_pairs, sums->seed, row.period, row.bucket);
    return ERROR_OK;
}

static err_t take_rows(struct verify_sums *sums, struct verify *verify, enum row_family family)
{
    static const uint8_t first[ROW_KEY_SIZE];
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    uint32_t hour = UINT32_MAX;
    err_t error = verify->rows->open(verify->txn, family, first, false, &cursor);
    if (error != ERROR_OK)
        return error;
    while ((error = verify->rows->next(cursor, &key, &value)) == ERROR_OK) {
        error = take_row(sums, verify, family, key, value);
        if (error == ERROR_OK && family == ROWS_HOURLY)
            error = take_period(sums, verify, key, &hour);
        if (error != ERROR_OK)
            break;
        if (verify->result->rows[family] % PROGRESS_ROWS == 0)
            verify_tell(verify, "rows against the journal", verify->result->rows[family], 0);
    }
    verify->rows->close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- comparing --- */

static void tell_bucket(struct verify *verify, enum verify_part part, const char *what, const char *when,
                        const struct bucket *bucket)
{
    char journal[DECIMAL_TEXT_SIZE], stored[DECIMAL_TEXT_SIZE];
    decimal_sum_print(&bucket->journal.quantity, journal);
    decimal_sum_print(&bucket->stored.quantity, stored);
    if (bucket->journal.records == bucket->stored.records && strcmp(journal, stored) == 0)
        verify_find(verify, part, "%s of %s add up to the same as the journal (%s), but single rows differ.", what,
                    when, journal);
    else
        verify_find(verify, part, "%s of %s hold %s of %llu records; the journal gives %s of %llu.", what, when, stored,
                    (unsigned long long)bucket->stored.records, journal, (unsigned long long)bucket->journal.records);
}

static void compare_sums(struct verify *verify, const struct buckets *buckets, const char *what, bool daily,
                         struct decimal_sum *total)
{
    for (size_t i = 0; i < buckets->capacity; i++) {
        const struct bucket *bucket = &buckets->slots[i];
        char when[INSTANT_TEXT_SIZE + 32], text[INSTANT_TEXT_SIZE];
        if (!bucket->used)
            continue;
        decimal_sum_add_sum(total, &bucket->stored.quantity);
        if (fingerprint_equal(&bucket->journal, &bucket->stored))
            continue;
        instant_print(hour_start_ns((int64_t)bucket->number * (daily ? HOURS_PER_DAY : 1)), text);
        (void)snprintf(when, sizeof when, "reported %s %s", daily ? "day" : "hour", text);
        tell_bucket(verify, VERIFY_SUMS, what, when, bucket);
    }
}

static void compare_dedupe(struct verify *verify, const struct buckets *buckets)
{
    for (size_t i = 0; i < buckets->capacity; i++) {
        const struct bucket *bucket = &buckets->slots[i];
        if (bucket->used && !fingerprint_equal(&bucket->journal, &bucket->stored))
            verify_find(verify, VERIFY_DEDUPE,
                        "The dedupe index holds %llu identities of sequences %llu to %llu, the journal %llu%s.",
                        (unsigned long long)bucket->stored.records,
                        (unsigned long long)bucket->number * DEDUPE_BUCKET_ENTRIES,
                        (unsigned long long)bucket->number * DEDUPE_BUCKET_ENTRIES + DEDUPE_BUCKET_ENTRIES - 1,
                        (unsigned long long)bucket->journal.records,
                        bucket->stored.records == bucket->journal.records ? ", and they differ" : "");
    }
}

/* Calls visit for each entry of a table; keys have key_size bytes, values value_size. */
static err_t each_entry(struct verify *verify, enum kv_table table, size_t key_size, size_t value_size,
                        void (*visit)(struct verify_sums *sums, struct verify *verify, const uint8_t *key,
                                      const uint8_t *value),
                        struct verify_sums *sums)
{
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(verify->txn, table, &cursor);
    if (error != ERROR_OK)
        return error;
    while ((error = kv_cursor_next(cursor, &key, &value)) == ERROR_OK) {
        if (key.len == key_size && value.len == value_size)
            visit(sums, verify, (const uint8_t *)key.ptr, (const uint8_t *)value.ptr);
        else
            verify_find(verify, VERIFY_LOOKUPS, "An entry of table %s has a wrong size.", kv_table_name(table));
    }
    kv_cursor_close(cursor);
    if (error == ERROR_STORE_CORRUPT)
        verify_find(verify, VERIFY_LOOKUPS, "Table %s cannot be read through.", kv_table_name(table));
    return error == ERROR_NOT_FOUND || error == ERROR_STORE_CORRUPT ? ERROR_OK : error;
}

static void visit_span(struct verify_sums *sums, struct verify *verify, const uint8_t *key, const uint8_t *value)
{
    uint32_t hour = get_u32be(key);
    if (!coverage_has_hour(&verify->coverage, hour))
        return;
    struct bucket *bucket = bucket_of(&sums->hours, hour);
    if (bucket == NULL) {
        verify->out_of_memory = true;
        return;
    }
    if (bucket->first != get_u64be(value) || bucket->last != get_u64be(value + 8)) {
        char text[INSTANT_TEXT_SIZE];
        instant_print(hour_start_ns(hour), text);
        verify_find(
            verify, VERIFY_LOOKUPS,
            "The store looks for what was reported in hour %s at sequences %llu to %llu, it is at %llu to %llu.", text,
            (unsigned long long)get_u64be(value), (unsigned long long)get_u64be(value + 8),
            (unsigned long long)bucket->first, (unsigned long long)bucket->last);
    }
    bucket->first = 0; /* seen */
}

static void visit_pair(struct verify_sums *sums, struct verify *verify, const uint8_t *key, const uint8_t *value)
{
    (void)value;
    if (coverage_has_hour(&verify->coverage, get_u32be(key + 4)))
        add_pair(&sums->table_pairs, sums->seed, get_u32be(key), get_u32be(key + 4));
}

static void visit_index(struct verify_sums *sums, struct verify *verify, const uint8_t *key, const uint8_t *value)
{
    (void)value;
    if (get_u64be(key) >= verify->coverage.first_sequence)
        fingerprint_add_item(&sums->table_index, sums->seed, key, CORRECTION_KEY_SIZE);
}

static err_t compare_lookups(struct verify_sums *sums, struct verify *verify)
{
    err_t error = each_entry(verify, KV_SPANS, SPAN_KEY_SIZE, 16, visit_span, sums);
    if (error == ERROR_OK)
        error = each_entry(verify, KV_USAGE_TIMES, USAGE_TIME_KEY_SIZE, 0, visit_pair, sums);
    if (error == ERROR_OK)
        error = each_entry(verify, KV_CORRECTIONS, CORRECTION_KEY_SIZE, 0, visit_index, sums);
    if (error != ERROR_OK || verify->out_of_memory)
        return error != ERROR_OK ? error : ERROR_NO_MEMORY;
    for (size_t i = 0; i < sums->hours.capacity; i++) {
        char text[INSTANT_TEXT_SIZE];
        const struct bucket *bucket = &sums->hours.slots[i];
        if (!bucket->used || bucket->first == 0)
            continue;
        instant_print(hour_start_ns(bucket->number), text);
        verify_find(verify, VERIFY_LOOKUPS, "The store does not know where to look for what was reported in hour %s.",
                    text);
    }
    if (!fingerprint_equal(&sums->hourly_pairs, &sums->table_pairs))
        verify_find(
            verify, VERIFY_LOOKUPS,
            "The index of usage times holds %llu pairs of hours, the rows give %llu, and they are not the same.",
            (unsigned long long)sums->table_pairs.records, (unsigned long long)sums->hourly_pairs.records);
    if (!fingerprint_equal(&sums->index, &sums->table_index))
        verify_find(verify, VERIFY_LOOKUPS, "The index of corrections is not what the journal gives.");
    verify->result->parts[VERIFY_LOOKUPS].done = true;
    return ERROR_OK;
}

static void compare_totals(struct verify *verify, const struct decimal_sum totals[3])
{
    char hours[DECIMAL_TEXT_SIZE], days[DECIMAL_TEXT_SIZE];
    decimal_sum_print(&totals[0], hours);
    decimal_sum_print(&totals[1], days);
    _Static_assert(sizeof verify->result->quantity >= DECIMAL_TEXT_SIZE, "a sum fits");
    memcpy(verify->result->quantity, hours, strlen(hours) + 1);
    bool same_window = coverage_is_whole(&verify->coverage);
    if (same_window &&
        (decimal_sum_compare(&totals[0], &totals[1]) != 0 || decimal_sum_compare(&totals[0], &totals[2]) != 0))
        verify_find(verify, VERIFY_SUMS, "The hours add up to %s, the days to %s.", hours, days);
}

err_t verify_sums_compare(struct verify_sums *sums, struct verify *verify)
{
    struct decimal_sum totals[3] = { { { 0 } } };
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++) {
        verify_tell(verify, "rows against the journal", 0, 0);
        err_t error = take_rows(sums, verify, (enum row_family)family);
        if (error == ERROR_STORE_CORRUPT) {
            verify_find(verify, family == ROWS_DEDUPE ? VERIFY_DEDUPE : VERIFY_SUMS,
                        "The rows of family %d cannot be read through.", family);
            return ERROR_OK;
        }
        if (error != ERROR_OK)
            return error;
    }
    compare_dedupe(verify, &sums->dedupe);
    verify->result->parts[VERIFY_DEDUPE].done = true;
    compare_sums(verify, &sums->hours, "The hourly rows", false, &totals[0]);
    compare_sums(verify, &sums->days, "The daily rows", true, &totals[1]);
    compare_sums(verify, &sums->rollups, "The daily sums by meter", true, &totals[2]);
    compare_totals(verify, totals);
    verify->result->parts[VERIFY_SUMS].done = true;
    return compare_lookups(sums, verify);
}
