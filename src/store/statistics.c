/* See statistics.h. */
#include "store/statistics.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/json.h"
#include "store/forecast.h"
#include "store/rows.h"

struct statistics {
    struct kv_stats stats;
    struct kv_space space;
    struct store_state state;
    struct rows_stats rows[ROWS_FAMILY_COUNT];
    struct forecast forecast;
};

static const char *const family_names[ROWS_FAMILY_COUNT] = { "dedupe", "hourly", "daily", "rollup" };

static err_t read_all(struct store *store, struct kv_txn *txn, struct statistics *s)
{
    err_t error = store_stats(store, &s->stats);
    if (error == ERROR_OK)
        error = kv_space(store_kv(store), txn, &s->space);
    if (error == ERROR_OK)
        error = store_read_state(txn, &s->state);
    if (error == ERROR_OK)
        error = forecast_make(store, txn, &s->forecast);
    for (int f = 0; f < ROWS_FAMILY_COUNT && error == ERROR_OK; f++)
        error = store_rows(store)->stats(txn, (enum row_family)f, &s->rows[f]);
    return error;
}

static uint64_t bytes_per_record(const struct statistics *s)
{
    uint64_t in_use = s->stats.used_size_bytes - s->space.free_pages * s->space.page_size_bytes;
    return s->state.records > 0 ? in_use / s->state.records : 0;
}

/* --- for machines --- */

static void put_u64(struct json_writer *json, const char *name, uint64_t value)
{
    json_name(json, name);
    json_put_u64(json, value);
}

static void put_tables(struct json_writer *json, const struct statistics *s)
{
    json_name(json, "tables");
    json_begin_array(json);
    for (int t = 0; t < KV_TABLE_COUNT; t++) {
        json_begin_object(json);
        json_name(json, "name");
        json_put_cstring(json, kv_table_name((enum kv_table)t));
        put_u64(json, "entries", s->stats.entries[t]);
        put_u64(json, "sizeBytes", s->space.pages[t] * s->space.page_size_bytes);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_rows(struct json_writer *json, const struct statistics *s)
{
    json_name(json, "rows");
    json_begin_array(json);
    for (int f = 0; f < ROWS_FAMILY_COUNT; f++) {
        json_begin_object(json);
        json_name(json, "name");
        json_put_cstring(json, family_names[f]);
        put_u64(json, "rows", s->rows[f].rows);
        put_u64(json, "runs", s->rows[f].runs);
        put_u64(json, "sizeBytes", s->rows[f].size_bytes);
        put_u64(json, "mergesUnderWay", s->rows[f].merges_under_way);
        put_u64(json, "rowsToMerge", s->rows[f].rows_to_merge);
        json_end_object(json);
    }
    json_end_array(json);
}

/* --- for people --- */

static void append(struct buffer *out, const char *format, ...) PRINTF_LIKE(2, 3);
static void append(struct buffer *out, const char *format, ...)
{
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    buffer_append_text(out, text_of(line));
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1024 * 1024);
}

static void append_text(const struct statistics *s, struct buffer *out)
{
    append(out, "File            %.1f MiB, of which %.1f MiB free for reuse\n", mib(s->stats.file_size_bytes),
           mib(s->space.free_pages * s->space.page_size_bytes));
    append(out, "Map             %.1f GiB, grows up to %.1f GiB\n", mib(s->stats.map_size_bytes) / 1024,
           mib(s->space.map_size_max_bytes) / 1024);
    append(out, "Records         %llu, and %llu corrections; sequence %llu\n", (unsigned long long)s->state.records,
           (unsigned long long)s->state.corrections, (unsigned long long)s->state.last_sequence);
    append(out, "Per record      %llu bytes, everything included\n", (unsigned long long)bytes_per_record(s));
    append(out, "\n%-18s%14s%14s\n", "TABLE", "ENTRIES", "MIB");
    for (int t = 0; t < KV_TABLE_COUNT; t++)
        if (s->stats.entries[t] > 0)
            append(out, "%-18s%14llu%14.2f\n", kv_table_name((enum kv_table)t), (unsigned long long)s->stats.entries[t],
                   mib(s->space.pages[t] * s->space.page_size_bytes));
    append(out, "\n%-18s%14s%14s%14s\n", "ROWS", "ROWS", "RUNS", "MIB");
    for (int f = 0; f < ROWS_FAMILY_COUNT; f++)
        append(out, "%-18s%14llu%14llu%14.2f\n", family_names[f], (unsigned long long)s->rows[f].rows,
               (unsigned long long)s->rows[f].runs, mib(s->rows[f].size_bytes));
    append(out, "\nGrowth          %.2f MiB a day; disk free %.1f GiB\n", mib(s->forecast.bytes_per_day),
           mib(s->forecast.disk_free_bytes) / 1024);
    if (s->forecast.days_until_full >= 0)
        append(out, "Full            in %lld days at that rate\n", (long long)s->forecast.days_until_full);
}

err_t statistics_write(struct store *store, struct kv_txn *txn, struct buffer *out)
{
    struct statistics s;
    struct buffer text = { 0 };
    err_t error = read_all(store, txn, &s);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    put_u64(&json, "fileSizeBytes", s.stats.file_size_bytes);
    put_u64(&json, "usedSizeBytes", s.stats.used_size_bytes);
    put_u64(&json, "pageSizeBytes", s.space.page_size_bytes);
    put_u64(&json, "freePages", s.space.free_pages);
    put_u64(&json, "mapSizeBytes", s.stats.map_size_bytes);
    put_u64(&json, "mapSizeMaxBytes", s.space.map_size_max_bytes);
    put_u64(&json, "sequence", s.state.last_sequence);
    put_u64(&json, "records", s.state.records);
    put_u64(&json, "corrections", s.state.corrections);
    put_u64(&json, "bytesPerRecord", bytes_per_record(&s));
    json_name(&json, "rowEngine");
    json_put_cstring(&json, store_rows(store)->name);
    put_tables(&json, &s);
    put_rows(&json, &s);
    json_name(&json, "forecast");
    forecast_to_json(&s.forecast, &json);
    append_text(&s, &text);
    json_name(&json, "text");
    json_put_text(&json, buffer_text(&text));
    json_end_object(&json);
    error = text.failed || out->failed ? ERROR_NO_MEMORY : ERROR_OK;
    buffer_free(&text);
    return error;
}
