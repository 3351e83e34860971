/* One pass over the rows of the buckets concerned, adding into a hash table of groups. Three families of rows, the
 * smallest that can answer: daily sums by subscription and meter, daily rows, hourly rows. By usage time only the
 * buckets are visited that are known to hold usage of the range (store_usage_times), however late it was reported.
 *
 * What a row's group is depends on a few of its ids, which come again and again: a direct-mapped memo of them saves
 * most rows the look-up of attributes, unit and group. */
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/instant.h"
#include "base/memory.h"
#include "store/rows.h"
#include "usage/record.h"
#include "usage/summary_internal.h"

#define GROUPS_MIN ((size_t)1024)
#define MEMO_SLOTS ((size_t)1 << 14)
#define MEMO_NOTHING UINT32_MAX /* a row that the filters keep out */
#define REPORTED_HOURS_MIN ((size_t)1024)

/* The numbers that decide on a row's group; those that don't matter are 0. */
struct memo_key {
    uint32_t period, subscription, meter, resource, attributes;
};

struct memo {
    struct memo_key key;
    uint32_t group; /* index + 1, or MEMO_NOTHING; 0: empty */
};

struct scan {
    struct summary *summary;
    enum row_family family;
    struct kv_cursor *texts; /* of the dictionary */
    struct rows_cursor *cursor;
    bool needs_attributes, needs_resources;
    uint32_t first_bucket, end_bucket;
    uint32_t first_period, end_period; /* usage axis; else everything */
    /* Usage axis: the buckets to visit, ascending; 'bucket_at' is the first not left behind. */
    uint32_t *buckets;
    size_t bucket_count, bucket_at;
    struct memo *memos;
};

/* --- units --- */

static err_t look_up_unit(struct summary *s, uint32_t meter, uint32_t *unit)
{
    struct text id;
    err_t error = dictionary_text(s->txn, DICTIONARY_METER, meter, &id);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    struct arena_mark mark = arena_mark(s->arena);
    struct text key = meter_fold(s->arena, id);
    if (key.ptr == NULL)
        return ERROR_NO_MEMORY;
    const struct meter *known = meters_find(s->meters, key);
    arena_rewind(s->arena, mark);
    *unit =
        known == NULL || known->unit.len == 0 ? UNKNOWN_UNIT_FLAG | meter : attribute_number(&s->cache, known->unit);
    return *unit != 0 ? ERROR_OK : ERROR_NO_MEMORY;
}

static err_t unit_of(struct summary *s, uint32_t meter, uint32_t *unit)
{
    if (meter >= s->meter_unit_count) {
        size_t count = (size_t)meter * 2 + 64;
        uint32_t *units = memory_realloc(s->meter_units, count * sizeof *units);
        if (units == NULL)
            return ERROR_NO_MEMORY;
        memset(units + s->meter_unit_count, 0, (count - s->meter_unit_count) * sizeof *units);
        s->meter_units = units;
        s->meter_unit_count = count;
    }
    if (s->meter_units[meter] == 0) {
        err_t error = look_up_unit(s, meter, &s->meter_units[meter]);
        if (error != ERROR_OK)
            return error;
    }
    *unit = s->meter_units[meter];
    return ERROR_OK;
}

/* --- groups --- */

static size_t group_slot(const struct summary *s, const struct group_key *key)
{
    size_t mask = s->capacity * 2 - 1, slot = (size_t)hash64(key, sizeof *key, 0) & mask;
    while (s->slots[slot] != 0 && memcmp(&s->groups[s->slots[slot] - 1].key, key, sizeof *key) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

static err_t grow_groups(struct summary *s)
{
    size_t capacity = s->capacity == 0 ? GROUPS_MIN : s->capacity * 2;
    if (capacity > 2 * (size_t)SUMMARY_GROUPS_MAX)
        return ERROR_INVALID_PROPERTY;
    struct group *groups = memory_realloc(s->groups, capacity * sizeof *groups);
    if (groups == NULL)
        return ERROR_NO_MEMORY;
    s->groups = groups;
    uint32_t *slots = memory_zalloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return ERROR_NO_MEMORY;
    memory_free(s->slots);
    s->slots = slots;
    s->capacity = capacity;
    for (size_t i = 0; i < s->count; i++)
        s->slots[group_slot(s, &s->groups[i].key)] = (uint32_t)(i + 1);
    return ERROR_OK;
}

/* Index of the group, made if new. */
static err_t find_group(struct summary *s, const struct group_key *key, uint32_t *index)
{
    if (s->count == s->capacity) {
        err_t error = grow_groups(s);
        if (error != ERROR_OK)
            return error;
    }
    size_t slot = group_slot(s, key);
    if (s->slots[slot] == 0) {
        s->groups[s->count] = (struct group){ .key = *key };
        s->slots[slot] = (uint32_t)++s->count;
    }
    *index = s->slots[slot] - 1;
    return ERROR_OK;
}

/* --- where to look --- */

/* Hours become days where rows are daily. */
static void keep_days(struct scan *scan)
{
    size_t kept = 0;
    for (size_t i = 0; i < scan->bucket_count; i++) {
        uint32_t day = scan->buckets[i] / HOURS_PER_DAY;
        if (kept == 0 || scan->buckets[kept - 1] != day)
            scan->buckets[kept++] = day;
    }
    scan->bucket_count = kept;
}

static err_t find_buckets(struct scan *scan)
{
    uint32_t hours = scan->family == ROWS_HOURLY ? 1 : HOURS_PER_DAY;
    bool more = true;
    for (size_t max = REPORTED_HOURS_MIN; more; max *= 8) {
        memory_free(scan->buckets);
        scan->buckets = memory_alloc(max * sizeof *scan->buckets);
        if (scan->buckets == NULL)
            return ERROR_NO_MEMORY;
        err_t error = store_usage_times(scan->summary->txn, scan->first_period * hours, scan->end_period * hours,
                                        scan->buckets, max, &scan->bucket_count, &more);
        if (error != ERROR_OK)
            return error;
    }
    if (scan->family != ROWS_HOURLY)
        keep_days(scan);
    return ERROR_OK;
}

static err_t plan(struct scan *scan)
{
    const struct summary_query *q = scan->summary->query;
    bool days = q->granularity != SUMMARY_HOURLY && q->from_ns % NS_PER_DAY == 0 && q->to_ns % NS_PER_DAY == 0;
    scan->needs_attributes = summary_needs_attributes(scan->summary);
    scan->needs_resources = summary_needs_resources(scan->summary);
    scan->family = !days ? ROWS_HOURLY : scan->needs_attributes || scan->needs_resources ? ROWS_DAILY : ROWS_ROLLUP;
    int64_t unit_ns = days ? NS_PER_DAY : NS_PER_HOUR;
    /* Neither usage nor reports lie before 1970. */
    uint32_t from = q->from_ns > 0 ? (uint32_t)(q->from_ns / unit_ns) : 0;
    uint32_t to = q->to_ns > 0 ? (uint32_t)(q->to_ns / unit_ns) : 0;
    if (q->reported_axis) {
        scan->first_bucket = from;
        scan->end_bucket = to;
        scan->end_period = UINT32_MAX;
        return ERROR_OK;
    }
    scan->first_period = from;
    scan->end_period = to;
    err_t error = find_buckets(scan);
    if (scan->bucket_count > 0) {
        scan->first_bucket = scan->buckets[0];
        scan->end_bucket = scan->buckets[scan->bucket_count - 1] + 1;
    }
    return error;
}

/* --- the pass --- */

static uint32_t period_of(const struct scan *scan, const struct row_key *key)
{
    const struct summary_query *q = scan->summary->query;
    uint32_t unit = q->reported_axis ? key->bucket : key->period;
    if (q->granularity == SUMMARY_TOTAL)
        return 0;
    return q->granularity == SUMMARY_DAILY && scan->family == ROWS_HOURLY ? unit / HOURS_PER_DAY : unit;
}

/* The group of rows with these numbers: its index + 1, or MEMO_NOTHING. */
static err_t look_up(struct scan *scan, const struct row_key *key, uint32_t attributes_number, uint32_t *found)
{
    struct summary *s = scan->summary;
    const struct summary_query *q = s->query;
    static const struct attributes no_attributes;
    const struct attributes *attributes =
        attributes_number != 0 ? attribute_row(&s->cache, attributes_number) : &no_attributes;
    *found = MEMO_NOTHING;
    if (!summary_passes(s, key->meter, key->resource, attributes))
        return ERROR_OK;
    struct group_key group = {
        .period = period_of(scan, key),
        .subscription = q->by_subscription ? key->subscription : 0,
        .meter = q->by_meter ? key->meter : 0,
        .resource = q->by_resource ? key->resource : 0,
        .source = q->by_source ? attributes->source : 0,
        .location = q->by_location ? attributes->location : 0,
    };
    uint32_t index = 0;
    memcpy(group.tags, attributes->tags, q->tag_count * sizeof *group.tags);
    err_t error = unit_of(s, key->meter, &group.unit);
    if (error == ERROR_OK)
        error = find_group(s, &group, &index);
    *found = index + 1;
    return error;
}

static size_t memo_slot(const struct memo_key *key)
{
    uint64_t a = ((uint64_t)key->period << 32) | key->subscription, b = ((uint64_t)key->meter << 32) | key->resource;
    uint64_t mixed = (a * UINT64_C(0x9E3779B97F4A7C15)) ^ (b * UINT64_C(0xC2B2AE3D27D4EB4F)) ^
                     (key->attributes * UINT64_C(0x165667B19E3779F9));
    return (size_t)((mixed ^ mixed >> 29) >> 7) & (MEMO_SLOTS - 1);
}

static bool same_memo(const struct memo_key *a, const struct memo_key *b)
{
    return a->period == b->period && a->subscription == b->subscription && a->meter == b->meter &&
           a->resource == b->resource && a->attributes == b->attributes;
}

static err_t add_row(struct scan *scan, const struct row_key *key, const uint8_t *value)
{
    struct summary *s = scan->summary;
    struct memo_key ids = {
        .period = period_of(scan, key),
        .subscription = s->query->by_subscription ? key->subscription : 0,
        .meter = key->meter, /* for its unit */
        .resource = scan->needs_resources ? key->resource : 0,
    };
    err_t error = ERROR_OK;
    if (scan->needs_attributes)
        error = attribute_cache_get(&s->cache, scan->texts, key->instance, &ids.attributes);
    if (error != ERROR_OK)
        return error;
    struct memo *memo = &scan->memos[memo_slot(&ids)];
    if (memo->group == 0 || !same_memo(&memo->key, &ids)) {
        uint32_t found;
        error = look_up(scan, key, ids.attributes, &found);
        if (error != ERROR_OK)
            return error;
        *memo = (struct memo){ ids, found };
    }
    if (memo->group == MEMO_NOTHING)
        return ERROR_OK;
    struct group *group = &s->groups[memo->group - 1];
    struct row_sum sum = row_sum_decode(value);
    decimal_sum_add(&group->quantity, &sum.quantity);
    group->records += sum.records;
    return ERROR_OK;
}

/* False when the row's bucket is not among those to visit; *bucket becomes the next one that is, or end_bucket. */
static bool bucket_wanted(struct scan *scan, uint32_t *bucket)
{
    if (scan->buckets == NULL)
        return true;
    while (scan->bucket_at < scan->bucket_count && scan->buckets[scan->bucket_at] < *bucket)
        scan->bucket_at++;
    if (scan->bucket_at < scan->bucket_count && scan->buckets[scan->bucket_at] == *bucket)
        return true;
    *bucket = scan->bucket_at < scan->bucket_count ? scan->buckets[scan->bucket_at] : scan->end_bucket;
    return false;
}

/* Where to go when a row is not wanted: returns true and the key to seek to, or false when it is wanted. */
static bool skip_to(struct scan *scan, const struct row_key *key, struct row_key *to)
{
    uint32_t only = scan->summary->only_subscription;
    *to = (struct row_key){ .bucket = key->bucket, .subscription = only, .period = scan->first_period };
    if (!bucket_wanted(scan, &to->bucket))
        return true;
    if (only != 0 && key->subscription != only) {
        to->bucket += key->subscription > only ? 1 : 0;
        return true;
    }
    to->subscription = key->subscription;
    if (key->period < scan->first_period)
        return true;
    if (key->period >= scan->end_period) {
        to->subscription = key->subscription + 1;
        return true;
    }
    return false;
}

static err_t pass(struct scan *scan)
{
    const struct rows_engine *rows = store_rows(scan->summary->store);
    const uint8_t *encoded, *value;
    err_t error;
    while ((error = rows->next(scan->cursor, &encoded, &value)) == ERROR_OK) {
        struct row_key key = row_key_decode(encoded), to;
        if (key.bucket >= scan->end_bucket)
            break;
        if (skip_to(scan, &key, &to)) {
            uint8_t seek[ROW_KEY_SIZE];
            if (to.bucket >= scan->end_bucket)
                break;
            row_key_encode(&to, seek);
            error = rows->seek(scan->cursor, seek);
        } else {
            error = add_row(scan, &key, value);
        }
        if (error != ERROR_OK)
            break;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t open_and_pass(struct scan *scan)
{
    struct summary *s = scan->summary;
    uint8_t start[ROW_KEY_SIZE];
    struct row_key first = { .bucket = scan->first_bucket,
                             .subscription = s->only_subscription,
                             .period = s->only_subscription != 0 ? scan->first_period : 0 };
    row_key_encode(&first, start);
    scan->memos = memory_zalloc(MEMO_SLOTS, sizeof *scan->memos);
    if (scan->memos == NULL)
        return ERROR_NO_MEMORY;
    err_t error = kv_cursor_open(s->txn, KV_DICTIONARY_TEXT, &scan->texts);
    if (error == ERROR_OK)
        error = store_rows(s->store)->open(s->txn, scan->family, start, false, &scan->cursor);
    if (error != ERROR_OK)
        return error;
    error = pass(scan);
    store_rows(s->store)->close(scan->cursor);
    return error;
}

/* What retention has dropped must not just be missing from a sum. Which reported hours hold usage of the window is
 * still known as long as their hours or days are kept. */
static err_t check_kept(const struct scan *scan)
{
    const struct summary_query *q = scan->summary->query;
    struct kv_txn *txn = scan->summary->txn;
    bool daily = scan->family != ROWS_HOURLY;
    if (q->reported_axis)
        return retention_check_window(txn, daily, q->from_ns, "from", NULL);
    err_t error = retention_check_window(txn, true, q->from_ns, "from", NULL);
    if (error != ERROR_OK || scan->bucket_count == 0)
        return error;
    return retention_check_window(txn, daily, scan->first_bucket * (daily ? NS_PER_DAY : NS_PER_HOUR), "from", NULL);
}

err_t summary_scan(struct summary *s)
{
    struct scan scan = { .summary = s };
    err_t error = plan(&scan);
    if (error == ERROR_OK)
        error = check_kept(&scan);
    if (error == ERROR_OK && scan.first_bucket < scan.end_bucket)
        error = open_and_pass(&scan);
    if (scan.texts != NULL)
        kv_cursor_close(scan.texts);
    memory_free(scan.memos);
    memory_free(scan.buckets);
    return error;
}
