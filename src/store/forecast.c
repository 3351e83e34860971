/* Samples lie in the meta table as one value: the newest first, each a day and the bytes of every part. */
#include "store/forecast.h"

#include <string.h>
#include <sys/statvfs.h>

#include "base/encode.h"
#include "base/instant.h"
#include "base/members.h"
#include "store/keys.h"

#define SAMPLE_SIZE ((size_t)8 * (1 + FORECAST_PART_COUNT))

static const struct text samples_key = { "sizes", 5 };

struct sample {
    int64_t day;
    uint64_t bytes[FORECAST_PART_COUNT];
};

const char *forecast_part_name(enum forecast_part part)
{
    static const char *const names[FORECAST_PART_COUNT] = {
        "journal", "hourly", "daily", "rejects", "audit", "dedupe", "dictionary",
    };
    return names[part];
}

/* --- sizes now --- */

static err_t tables_size(struct kv_txn *txn, const enum kv_table *tables, size_t count, uint64_t *bytes)
{
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t size;
        err_t error = kv_size(txn, tables[i], &size);
        if (error != ERROR_OK)
            return error;
        *bytes += size;
    }
    return ERROR_OK;
}

static err_t add_rows(struct kv_txn *txn, const struct rows_engine *rows, enum row_family family, uint64_t *bytes)
{
    struct rows_stats stats;
    err_t error = rows->stats(txn, family, &stats);
    if (error == ERROR_OK)
        *bytes += stats.size_bytes;
    return error;
}

static err_t measure(struct kv_txn *txn, const struct rows_engine *rows, uint64_t bytes[FORECAST_PART_COUNT])
{
    static const enum kv_table journal[] = { KV_JOURNAL, KV_CORRECTIONS, KV_SPANS };
    static const enum kv_table hourly[] = { KV_USAGE_TIMES, KV_WATERMARK_HOURS };
    static const enum kv_table dictionary[] = { KV_DICTIONARY, KV_DICTIONARY_TEXT };
    static const enum kv_table rejects[] = { KV_REJECTS }, audit[] = { KV_AUDIT };
    bytes[FORECAST_DAILY] = bytes[FORECAST_DEDUPE] = 0;
    err_t error = tables_size(txn, journal, COUNT_OF(journal), &bytes[FORECAST_JOURNAL]);
    if (error == ERROR_OK)
        error = tables_size(txn, hourly, COUNT_OF(hourly), &bytes[FORECAST_HOURLY]);
    if (error == ERROR_OK)
        error = tables_size(txn, dictionary, COUNT_OF(dictionary), &bytes[FORECAST_DICTIONARY]);
    if (error == ERROR_OK)
        error = tables_size(txn, rejects, COUNT_OF(rejects), &bytes[FORECAST_REJECTS]);
    if (error == ERROR_OK)
        error = tables_size(txn, audit, COUNT_OF(audit), &bytes[FORECAST_AUDIT]);
    if (error == ERROR_OK)
        error = add_rows(txn, rows, ROWS_HOURLY, &bytes[FORECAST_HOURLY]);
    if (error == ERROR_OK)
        error = add_rows(txn, rows, ROWS_DAILY, &bytes[FORECAST_DAILY]);
    if (error == ERROR_OK)
        error = add_rows(txn, rows, ROWS_ROLLUP, &bytes[FORECAST_DAILY]);
    return error == ERROR_OK ? add_rows(txn, rows, ROWS_DEDUPE, &bytes[FORECAST_DEDUPE]) : error;
}

/* --- samples --- */

static struct sample sample_decode(const uint8_t *p)
{
    struct sample sample = { .day = (int64_t)get_u64be(p) };
    for (int part = 0; part < FORECAST_PART_COUNT; part++)
        sample.bytes[part] = get_u64be(p + 8 + (size_t)part * 8);
    return sample;
}

static void sample_encode(const struct sample *sample, uint8_t *p)
{
    put_u64be(p, (uint64_t)sample->day);
    for (int part = 0; part < FORECAST_PART_COUNT; part++)
        put_u64be(p + 8 + (size_t)part * 8, sample->bytes[part]);
}

static err_t read_samples(struct kv_txn *txn, uint8_t samples[FORECAST_SAMPLES * SAMPLE_SIZE], size_t *count)
{
    struct text value;
    *count = 0;
    err_t error = kv_get(txn, KV_META, samples_key, &value);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (value.len % SAMPLE_SIZE != 0 || value.len > FORECAST_SAMPLES * SAMPLE_SIZE)
        return ERROR_STORE_CORRUPT;
    memcpy(samples, value.ptr, value.len);
    *count = value.len / SAMPLE_SIZE;
    return ERROR_OK;
}

err_t forecast_sample(struct kv_txn *txn, const struct rows_engine *rows, int64_t reference_hour)
{
    uint8_t samples[(FORECAST_SAMPLES + 1) * SAMPLE_SIZE];
    struct sample today = { .day = reference_hour / HOURS_PER_DAY };
    size_t count;
    err_t error = read_samples(txn, samples + SAMPLE_SIZE, &count);
    if (error != ERROR_OK || (count > 0 && sample_decode(samples + SAMPLE_SIZE).day == today.day))
        return error;
    error = measure(txn, rows, today.bytes);
    if (error != ERROR_OK)
        return error;
    sample_encode(&today, samples);
    count = count < FORECAST_SAMPLES ? count + 1 : FORECAST_SAMPLES;
    return kv_put(txn, KV_META, samples_key, (struct text){ (const char *)samples, count * SAMPLE_SIZE });
}

/* --- growth --- */

/* The days that rows cover: since the first one that is still there. */
static err_t days_stored(struct kv_txn *txn, const struct rows_engine *rows, enum row_family family, int64_t today,
                         int64_t *days)
{
    static const uint8_t from[ROW_KEY_SIZE];
    struct rows_cursor *cursor;
    const uint8_t *key, *value;
    *days = 1;
    err_t error = rows->open(txn, family, from, false, &cursor);
    if (error != ERROR_OK)
        return error;
    error = rows->next(cursor, &key, &value);
    if (error == ERROR_OK) {
        int64_t day = get_u32be(key) / (family == ROWS_HOURLY ? HOURS_PER_DAY : 1);
        *days = today > day ? today - day : 1;
    }
    rows->close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static uint64_t growth_of(const struct forecast_size *size, enum forecast_part part, const uint8_t *samples,
                          size_t count, int64_t days, bool due)
{
    if (due && size->keep_days > 0)
        return size->bytes / (uint64_t)size->keep_days; /* as much goes as comes */
    if (count >= 2) {
        struct sample newest = sample_decode(samples), oldest = sample_decode(samples + (count - 1) * SAMPLE_SIZE);
        int64_t between = newest.day - oldest.day;
        if (between > 0 && newest.bytes[part] >= oldest.bytes[part])
            return (newest.bytes[part] - oldest.bytes[part]) / (uint64_t)between;
    }
    return size->bytes / (uint64_t)days;
}

static bool is_due(const struct retention_state *state, enum forecast_part part)
{
    switch (part) {
    case FORECAST_JOURNAL:
        return state->journal_first > 1;
    case FORECAST_HOURLY:
        return state->hourly_end > 0;
    case FORECAST_DAILY:
        return state->daily_end > 0;
    case FORECAST_REJECTS:
    case FORECAST_AUDIT:
    case FORECAST_DEDUPE:
    case FORECAST_DICTIONARY:
    case FORECAST_PART_COUNT:
        break;
    }
    return false;
}

static void forecast_part(struct forecast_size *size, int64_t days, bool due)
{
    if (size->keep_days == 0) {
        size->days_until_due = -1;
        size->bytes_then = size->bytes + size->bytes_per_day * FORECAST_DAYS;
        return;
    }
    size->days_until_due = due || days >= size->keep_days ? 0 : size->keep_days - days;
    size->bytes_then = size->bytes + size->bytes_per_day * (uint64_t)size->days_until_due;
}

/* Parts stop growing when they are due. */
static int64_t days_until(const struct forecast *forecast, uint64_t room)
{
    uint64_t grown = 0;
    for (int64_t day = 0; day < FORECAST_DAYS_MAX; day++) {
        for (int part = 0; part < FORECAST_PART_COUNT; part++) {
            const struct forecast_size *size = &forecast->parts[part];
            if (size->days_until_due < 0 || day < size->days_until_due)
                grown += size->bytes_per_day;
        }
        if (grown > room)
            return day;
    }
    return -1;
}

err_t forecast_compute(struct kv_txn *txn, const struct rows_engine *rows, const struct kv_stats *stats,
                       const struct retention_policy *policy, const char *folder, struct forecast *out)
{
    uint8_t samples[FORECAST_SAMPLES * SAMPLE_SIZE];
    uint64_t bytes[FORECAST_PART_COUNT];
    size_t count;
    int64_t hours, days;
    struct store_state state;
    *out = (struct forecast){ .file_bytes = stats->file_size_bytes, .map_bytes = stats->map_size_bytes };
    err_t error = retention_read(txn, &out->retention);
    if (error == ERROR_OK)
        error = read_samples(txn, samples, &count);
    if (error == ERROR_OK)
        error = store_read_state(txn, &state);
    int64_t today = error == ERROR_OK && state.sealed_hour >= 0 ? state.sealed_hour / HOURS_PER_DAY : 0;
    if (error == ERROR_OK)
        error = measure(txn, rows, bytes);
    if (error == ERROR_OK)
        error = days_stored(txn, rows, ROWS_HOURLY, today, &hours);
    if (error == ERROR_OK)
        error = days_stored(txn, rows, ROWS_DAILY, today, &days);
    if (error != ERROR_OK)
        return error;
    for (int part = 0; part < FORECAST_PART_COUNT; part++) {
        struct forecast_size *size = &out->parts[part];
        int64_t covered = part == FORECAST_HOURLY ? hours : days;
        bool due = is_due(&out->retention, (enum forecast_part)part);
        size->bytes = bytes[part];
        size->keep_days = part < RETENTION_CLASS_COUNT ? policy->keep_hours[part] / HOURS_PER_DAY : 0;
        size->bytes_per_day = growth_of(size, (enum forecast_part)part, samples, count, covered, due);
        forecast_part(size, covered, due);
        out->bytes += size->bytes;
        out->bytes_per_day += size->days_until_due == 0 ? 0 : size->bytes_per_day;
        out->bytes_then += size->bytes_then;
    }
    struct statvfs disk;
    if (statvfs(folder, &disk) == 0)
        out->disk_free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t map_left =
        stats->map_size_bytes > stats->used_size_bytes ? stats->map_size_bytes - stats->used_size_bytes : 0;
    out->days_until_full = days_until(out, map_left < out->disk_free_bytes ? map_left : out->disk_free_bytes);
    out->held = retention_is_held(policy, &out->retention);
    return ERROR_OK;
}

err_t forecast_make(struct store *store, struct kv_txn *txn, struct forecast *out)
{
    struct kv_stats stats;
    err_t error = store_stats(store, &stats);
    return error == ERROR_OK
               ? forecast_compute(txn, store_rows(store), &stats, store_retention(store), store_folder(store), out)
               : error;
}

/* --- JSON --- */

void forecast_to_json(const struct forecast *forecast, struct json_writer *json)
{
    json_begin_object(json);
    for (int part = 0; part < FORECAST_PART_COUNT; part++) {
        const struct forecast_size *size = &forecast->parts[part];
        json_name(json, forecast_part_name((enum forecast_part)part));
        json_begin_object(json);
        put_number_member(json, "bytes", size->bytes);
        put_number_member(json, "bytesPerDay", size->bytes_per_day);
        if (size->keep_days > 0) {
            put_number_member(json, "keepDays", (uint64_t)size->keep_days);
            put_number_member(json, "daysUntilSteady", (uint64_t)size->days_until_due);
            put_number_member(json, "steadyBytes", size->bytes_then);
        } else {
            put_number_member(json, "bytesInAYear", size->bytes_then);
        }
        json_end_object(json);
    }
    json_name(json, "total");
    json_begin_object(json);
    put_number_member(json, "bytes", forecast->bytes);
    put_number_member(json, "bytesPerDay", forecast->bytes_per_day);
    put_number_member(json, "forecastBytes", forecast->bytes_then);
    put_number_member(json, "fileBytes", forecast->file_bytes);
    put_number_member(json, "diskFreeBytes", forecast->disk_free_bytes);
    json_name(json, "daysUntilFull");
    if (forecast->days_until_full >= 0)
        json_put_i64(json, forecast->days_until_full);
    else
        json_put_null(json);
    json_end_object(json);
    json_end_object(json);
}
