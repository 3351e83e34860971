/* The report over sums: one pass over the hourly rows of the window; rows of one resource and hour lie side by side,
 * one for each instance. */
#include <string.h>

#include "base/instant.h"
#include "store/dictionary.h"
#include "store/keys.h"
#include "store/rows.h"
#include "usage/sanity_internal.h"

#define SCRATCH_SIZE_BYTES (16 * 1024)

struct report {
    struct kv_txn *txn;
    const struct meters *meters;
    struct arena *arena;
    const struct meter **known; /* by dictionary id; NULL: not looked up, or not in the catalogue */
    bool *looked_up;
    uint32_t meter_count;
    size_t limit, found;
    err_t (*visit)(void *context, const struct sanity_sum *sum);
    void *context;
    bool more;
};

static err_t meter_of(struct report *report, uint32_t id, const struct meter **out)
{
    struct text text;
    *out = NULL;
    if (id == 0 || id > report->meter_count)
        return ERROR_STORE_CORRUPT;
    if (!report->looked_up[id]) {
        err_t error = dictionary_text(report->txn, DICTIONARY_METER, id, &text);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
        struct text key = meter_fold(report->arena, text);
        if (key.ptr == NULL)
            return ERROR_NO_MEMORY;
        report->known[id] = meters_find(report->meters, key);
        report->looked_up[id] = true;
    }
    *out = report->known[id];
    return ERROR_OK;
}

/* One resource's usage of a meter in an hour, all instances. */
struct sum {
    struct row_key key; /* of its first row */
    struct decimal_sum quantity;
    bool any;
};

static bool same_sum(const struct row_key *a, const struct row_key *b)
{
    return a->bucket == b->bucket && a->subscription == b->subscription && a->period == b->period &&
           a->meter == b->meter && a->resource == b->resource;
}

static err_t tell(struct report *report, const struct sum *sum, const struct meter *meter,
                  const struct instance *instance, const struct decimal *limit)
{
    struct sanity_sum out = {
        .reported_hour = sum->key.bucket,
        .usage_hour = sum->key.period,
        .meter_id = meter->id,
        .unit = meter->unit,
        .resource_uri = instance->resource_uri,
        .quantity = sum->quantity,
        .limit = *limit,
    };
    struct text guid;
    err_t error = dictionary_text(report->txn, DICTIONARY_SUBSCRIPTION, sum->key.subscription, &guid);
    if (error != ERROR_OK || guid.len != sizeof out.subscription.bytes)
        return error == ERROR_OK || error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    memcpy(out.subscription.bytes, guid.ptr, guid.len);
    report->more = report->found == report->limit;
    if (report->more)
        return ERROR_OK;
    report->found++;
    return report->visit(report->context, &out);
}

static err_t judge(struct report *report, const struct sum *sum)
{
    const struct meter *meter;
    struct text encoded;
    struct instance instance;
    struct decimal limit;
    struct decimal_sum limit_sum = { { 0 } };
    if (!sum->any)
        return ERROR_OK;
    err_t error = meter_of(report, sum->key.meter, &meter);
    if (error != ERROR_OK || meter == NULL)
        return error;
    struct sanity_rule rule = sanity_rule_of(meter);
    if (rule.level == LEVEL_UNKNOWN)
        return ERROR_OK;
    error = dictionary_text(report->txn, DICTIONARY_INSTANCE, sum->key.instance, &encoded);
    if (error == ERROR_OK)
        error = instance_decode(encoded, &instance);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    struct arena_mark mark = arena_mark(report->arena);
    uint32_t level = sanity_level_of(report->arena, &rule, instance.resource_uri, instance.additional_info);
    arena_rewind(report->arena, mark);
    if (level == 0 || !sanity_limit(&rule, level, NS_PER_HOUR, &limit))
        return ERROR_OK;
    decimal_sum_add(&limit_sum, &limit);
    return decimal_sum_compare(&sum->quantity, &limit_sum) > 0 ? tell(report, sum, meter, &instance, &limit) : ERROR_OK;
}

static err_t scan(struct report *report, const struct rows_engine *rows, struct rows_cursor *cursor, uint32_t end_hour)
{
    struct sum sum = { .any = false };
    const uint8_t *key, *value;
    err_t error;
    for (size_t count = 0; !report->more && (error = rows->next(cursor, &key, &value)) == ERROR_OK; count++) {
        struct row_key row = row_key_decode(key);
        struct row_sum add = row_sum_decode(value);
        if (row.bucket >= end_hour)
            break;
        if (count == SANITY_REPORT_ROWS_MAX)
            return ERROR_INVALID_PROPERTY;
        if (!sum.any || !same_sum(&sum.key, &row)) {
            error = judge(report, &sum);
            if (error != ERROR_OK)
                return error;
            sum = (struct sum){ .key = row, .any = true };
        }
        decimal_sum_add(&sum.quantity, &add.quantity);
    }
    if (report->more)
        return ERROR_OK;
    return error == ERROR_OK || error == ERROR_NOT_FOUND ? judge(report, &sum) : error;
}

static err_t prepare(struct report *report)
{
    err_t error = dictionary_count(report->txn, DICTIONARY_METER, &report->meter_count);
    if (error != ERROR_OK)
        return error;
    report->known = arena_array(report->arena, (size_t)report->meter_count + 1, sizeof *report->known);
    report->looked_up = arena_array(report->arena, (size_t)report->meter_count + 1, sizeof *report->looked_up);
    return report->known != NULL && report->looked_up != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

err_t sanity_report(struct store *store, struct kv_txn *txn, const struct meters *meters, uint32_t first_hour,
                    uint32_t end_hour, size_t limit, err_t (*visit)(void *context, const struct sanity_sum *sum),
                    void *context, bool *more)
{
    const struct rows_engine *rows = store_rows(store);
    struct report report = { .txn = txn, .meters = meters, .limit = limit, .visit = visit, .context = context };
    struct row_key first = { .bucket = first_hour };
    uint8_t from[ROW_KEY_SIZE];
    struct rows_cursor *cursor;
    *more = false;
    report.arena = arena_new(SCRATCH_SIZE_BYTES, 0);
    if (report.arena == NULL)
        return ERROR_NO_MEMORY;
    row_key_encode(&first, from);
    err_t error = prepare(&report);
    if (error == ERROR_OK)
        error = rows->open(txn, ROWS_HOURLY, from, false, &cursor);
    if (error == ERROR_OK) {
        error = scan(&report, rows, cursor, end_hour);
        rows->close(cursor);
    }
    arena_free(report.arena);
    *more = report.more;
    return error;
}
