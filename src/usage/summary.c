/* One pass over the rows of the buckets concerned, adding into a hash table of groups; then the groups are
 * sorted. The order is by dictionary ids and texts, which never change, so pages of an open window stay in
 * step while new usage comes in. */
#include "usage/summary.h"

#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/instant.h"
#include "base/memory.h"
#include "store/keys.h"
#include "store/rows.h"
#include "usage/attributes.h"
#include "usage/record.h"

#define GROUPS_MIN ((size_t)1024)
#define UNKNOWN_UNIT_FLAG UINT32_C(0x80000000) /* with the meter's id: units of unknown meters differ */

struct group_key {
    uint32_t period, subscription, meter, resource, source, location;
    uint32_t tags[SUMMARY_TAGS_MAX];
    uint32_t unit; /* number of the unit's text, or unknown unit */
};

struct group {
    struct group_key key;
    uint64_t records;
    struct decimal_sum quantity;
};

struct summary {
    struct store *store;
    struct kv_txn *txn;
    const struct meters *meters;
    const struct summary_query *query;
    struct attribute_cache cache;
    struct text tag_names[ATTRIBUTES_TAGS_MAX];
    struct group *groups;
    uint32_t *slots; /* index + 1 */
    size_t count, capacity;
    uint32_t *meter_units; /* meter id -> unit, 0: not looked up */
    size_t meter_unit_count;
    struct arena *arena;
    /* filters as ids; 0: no filter */
    uint32_t only_subscription, only_meter, only_resource, only_source;
    bool nothing; /* a filter names something never seen */
};

/* --- filters --- */

static err_t filter_id(struct summary *s, enum dictionary_kind kind, struct text identity, uint32_t *only)
{
    uint32_t id;
    if (identity.ptr == NULL)
        return ERROR_NO_MEMORY;
    err_t error = dictionary_find(store_dictionary(s->store), s->txn, kind, identity, &id);
    if (error == ERROR_NOT_FOUND || (error == ERROR_OK && *only != 0 && *only != id)) {
        s->nothing = true;
        return ERROR_OK;
    }
    if (error == ERROR_OK)
        *only = id;
    return error;
}

static err_t resolve_filter(struct summary *s, const struct summary_filter *filter)
{
    struct guid guid;
    switch (filter->member) {
    case SUMMARY_SUBSCRIPTION:
        if (!guid_parse(filter->value, &guid)) {
            s->nothing = true;
            return ERROR_OK;
        }
        return filter_id(s, DICTIONARY_SUBSCRIPTION, (struct text){ (const char *)guid.bytes, sizeof guid.bytes },
                         &s->only_subscription);
    case SUMMARY_METER:
        return filter_id(s, DICTIONARY_METER, meter_fold(s->arena, filter->value), &s->only_meter);
    case SUMMARY_RESOURCE:
        return filter_id(s, DICTIONARY_RESOURCE, resource_fold(s->arena, filter->value), &s->only_resource);
    case SUMMARY_SOURCE:
        return filter_id(s, DICTIONARY_SOURCE, filter->value, &s->only_source);
    case SUMMARY_LOCATION:
    case SUMMARY_TAG:
        break; /* compared row by row */
    }
    return ERROR_OK;
}

/* Tags to group by come first in the cache's list, then those of filters in the filters' order. */
static err_t resolve_filters(struct summary *s)
{
    size_t tags = s->query->tag_count;
    memcpy(s->tag_names, s->query->tags, tags * sizeof *s->tag_names);
    for (size_t i = 0; i < s->query->filter_count; i++) {
        err_t error = resolve_filter(s, &s->query->filters[i]);
        if (error != ERROR_OK)
            return error;
        if (s->query->filters[i].member == SUMMARY_TAG)
            s->tag_names[tags++] = s->query->filters[i].tag;
    }
    return attribute_cache_init(&s->cache, s->tag_names, tags) ? ERROR_OK : ERROR_NO_MEMORY;
}

_Static_assert(SUMMARY_TAGS_MAX + SUMMARY_FILTERS_MAX <= ATTRIBUTES_TAGS_MAX, "all tags fit");

static bool passes(const struct summary *s, const struct row_key *key, const struct attributes *attributes)
{
    if ((s->only_meter != 0 && key->meter != s->only_meter) ||
        (s->only_resource != 0 && key->resource != s->only_resource) ||
        (s->only_source != 0 && attributes->source != s->only_source))
        return false;
    size_t tag = s->query->tag_count;
    for (size_t i = 0; i < s->query->filter_count; i++) {
        const struct summary_filter *filter = &s->query->filters[i];
        uint32_t number;
        if (filter->member == SUMMARY_LOCATION)
            number = attributes->location;
        else if (filter->member == SUMMARY_TAG)
            number = attributes->tags[tag++];
        else
            continue;
        if (number == 0 ? filter->value.len != 0 : !text_equal(attribute_text(&s->cache, number), filter->value))
            return false;
    }
    return true;
}

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

static err_t add_to_group(struct summary *s, const struct group_key *key, const struct row_sum *sum)
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
    struct group *group = &s->groups[s->slots[slot] - 1];
    decimal_sum_add(&group->quantity, &sum->quantity);
    group->records += sum->records;
    return ERROR_OK;
}

/* --- the pass --- */

struct scan {
    struct summary *summary;
    bool days; /* daily rows are enough */
    uint32_t first_bucket, end_bucket;
    uint32_t first_period, end_period; /* usage axis; else everything */
};

static struct scan plan(struct summary *s)
{
    const struct summary_query *q = s->query;
    struct scan scan = { .summary = s, .end_bucket = UINT32_MAX, .end_period = UINT32_MAX };
    scan.days = q->granularity != SUMMARY_HOURLY && q->from_ns % NS_PER_DAY == 0 && q->to_ns % NS_PER_DAY == 0;
    int64_t unit_ns = scan.days ? NS_PER_DAY : NS_PER_HOUR;
    /* Neither usage nor reports lie before 1970. */
    uint32_t from = q->from_ns > 0 ? (uint32_t)(q->from_ns / unit_ns) : 0;
    uint32_t to = q->to_ns > 0 ? (uint32_t)(q->to_ns / unit_ns) : 0;
    if (q->reported_axis) {
        scan.first_bucket = from;
        scan.end_bucket = to;
    } else {
        uint32_t earlier = (uint32_t)(RECORD_REPORTED_BEFORE_END_NS_MAX / unit_ns);
        scan.first_bucket = from > earlier ? from - earlier : 0;
        scan.first_period = from;
        scan.end_period = to;
    }
    return scan;
}

static uint32_t period_of(const struct scan *scan, const struct row_key *key)
{
    const struct summary_query *q = scan->summary->query;
    uint32_t unit = q->reported_axis ? key->bucket : key->period;
    if (q->granularity == SUMMARY_TOTAL)
        return 0;
    return q->granularity == SUMMARY_DAILY && !scan->days ? unit / HOURS_PER_DAY : unit;
}

static err_t add_row(const struct scan *scan, const struct row_key *key, const struct row_sum *sum)
{
    struct summary *s = scan->summary;
    const struct summary_query *q = s->query;
    const struct attributes *attributes;
    err_t error = attribute_cache_get(&s->cache, s->txn, key->instance, &attributes);
    if (error != ERROR_OK || !passes(s, key, attributes))
        return error;
    struct group_key group = {
        .period = period_of(scan, key),
        .subscription = q->by_subscription ? key->subscription : 0,
        .meter = q->by_meter ? key->meter : 0,
        .resource = q->by_resource ? key->resource : 0,
        .source = q->by_source ? attributes->source : 0,
        .location = q->by_location ? attributes->location : 0,
    };
    memcpy(group.tags, attributes->tags, q->tag_count * sizeof *group.tags);
    if ((error = unit_of(s, key->meter, &group.unit)) != ERROR_OK)
        return error;
    return add_to_group(s, &group, sum);
}

/* Where to go when a row is not wanted: returns true and the key to seek to, or false when it is wanted. */
static bool skip_to(const struct scan *scan, const struct row_key *key, struct row_key *to)
{
    uint32_t only = scan->summary->only_subscription;
    *to = (struct row_key){ .bucket = key->bucket, .subscription = key->subscription, .period = scan->first_period };
    if (only != 0 && key->subscription < only) {
        to->subscription = only;
        return true;
    }
    if (only != 0 && key->subscription > only) {
        *to = (struct row_key){ .bucket = key->bucket + 1, .subscription = only };
        return true;
    }
    if (key->period < scan->first_period)
        return true;
    if (key->period >= scan->end_period) {
        to->subscription = key->subscription + 1;
        return true;
    }
    return false;
}

static err_t run_scan(const struct scan *scan)
{
    const struct rows_engine *rows = store_rows(scan->summary->store);
    struct rows_cursor *cursor;
    uint8_t start[ROW_KEY_SIZE];
    row_key_encode(&(struct row_key){ .bucket = scan->first_bucket }, start);
    err_t error = rows->open(scan->summary->txn, scan->days ? ROWS_DAILY : ROWS_HOURLY, start, &cursor);
    if (error != ERROR_OK)
        return error;
    const uint8_t *encoded, *value;
    while ((error = rows->next(cursor, &encoded, &value)) == ERROR_OK) {
        struct row_key key = row_key_decode(encoded), to;
        if (key.bucket >= scan->end_bucket)
            break;
        if (skip_to(scan, &key, &to)) {
            uint8_t seek[ROW_KEY_SIZE];
            row_key_encode(&to, seek);
            error = rows->seek(cursor, seek);
        } else {
            struct row_sum sum = row_sum_decode(value);
            error = add_row(scan, &key, &sum);
        }
        if (error != ERROR_OK)
            break;
    }
    rows->close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- order --- */

static int compare_numbers(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

/* No text comes before every text, the empty one too: they are two groups. */
static int compare_texts(const struct summary *s, uint32_t a, uint32_t b)
{
    int order = (a != 0) - (b != 0);
    return order != 0 ? order : text_compare(attribute_text(&s->cache, a), attribute_text(&s->cache, b));
}

static int compare_group(const struct summary *s, const struct group_key *a, const struct group_key *b)
{
    const uint32_t left[] = { a->period, a->subscription, a->meter, a->resource, a->source };
    const uint32_t right[] = { b->period, b->subscription, b->meter, b->resource, b->source };
    int order = 0;
    for (size_t i = 0; i < COUNT_OF(left) && order == 0; i++)
        order = compare_numbers(left[i], right[i]);
    if (order == 0)
        order = compare_texts(s, a->location, b->location);
    for (size_t i = 0; i < s->query->tag_count && order == 0; i++)
        order = compare_texts(s, a->tags[i], b->tags[i]);
    if (order != 0)
        return order;
    bool a_unknown = (a->unit & UNKNOWN_UNIT_FLAG) != 0, b_unknown = (b->unit & UNKNOWN_UNIT_FLAG) != 0;
    if (a_unknown || b_unknown)
        return a_unknown && b_unknown ? compare_numbers(a->unit, b->unit) : a_unknown - b_unknown;
    return compare_texts(s, a->unit, b->unit);
}

/* Merge sort of our own: the order needs the summary's texts, and qsort hands no context to its comparison. */
static void sort_groups(const struct summary *s, struct group *groups, struct group *scratch, size_t count)
{
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t middle = start + width < count ? start + width : count;
            size_t end = middle + width < count ? middle + width : count;
            size_t a = start, b = middle;
            for (size_t out = start; out < end; out++) {
                bool left = a < middle && (b >= end || compare_group(s, &groups[a].key, &groups[b].key) <= 0);
                scratch[out] = left ? groups[a++] : groups[b++];
            }
        }
        memcpy(groups, scratch, count * sizeof *groups);
    }
}

static err_t sort(struct summary *s)
{
    if (s->count < 2)
        return ERROR_OK;
    struct group *scratch = memory_alloc(s->count * sizeof *scratch);
    if (scratch == NULL)
        return ERROR_NO_MEMORY;
    sort_groups(s, s->groups, scratch, s->count);
    memory_free(scratch);
    return ERROR_OK;
}

/* --- public --- */

err_t summary_run(struct store *store, struct kv_txn *txn, const struct meters *meters,
                  const struct summary_query *query, struct summary **out, struct error_info *info)
{
    struct summary *s = memory_zalloc(1, sizeof *s);
    if (s == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    s->store = store;
    s->txn = txn;
    s->meters = meters;
    s->query = query;
    s->arena = arena_new(4096, 0);
    err_t error = s->arena != NULL ? resolve_filters(s) : ERROR_NO_MEMORY;
    if (error == ERROR_OK && !s->nothing) {
        struct scan scan = plan(s);
        error = run_scan(&scan);
    }
    if (error == ERROR_OK)
        error = sort(s);
    if (error != ERROR_OK) {
        summary_free(s);
        return error == ERROR_INVALID_PROPERTY
                   ? error_set(info, error, "groupBy", "more than %d groups; narrow the time or the filter",
                               SUMMARY_GROUPS_MAX)
                   : error_set(info, error, NULL, NULL);
    }
    *out = s;
    return ERROR_OK;
}

void summary_free(struct summary *s)
{
    if (s == NULL)
        return;
    attribute_cache_free(&s->cache);
    memory_free(s->groups);
    memory_free(s->slots);
    memory_free(s->meter_units);
    arena_free(s->arena);
    memory_free(s);
}

void summary_set_snapshot(struct summary *summary, struct kv_txn *txn)
{
    summary->txn = txn;
}

size_t summary_count(const struct summary *summary)
{
    return summary->count;
}

static void row_times(const struct summary *s, uint32_t period, struct summary_row *row)
{
    const struct summary_query *q = s->query;
    row->start_ns = q->from_ns;
    row->end_ns = q->to_ns;
    if (q->granularity == SUMMARY_TOTAL)
        return;
    int64_t unit_ns = q->granularity == SUMMARY_DAILY ? NS_PER_DAY : NS_PER_HOUR;
    row->start_ns = (int64_t)period * unit_ns;
    row->end_ns = row->start_ns + unit_ns;
}

static err_t optional_text(const struct summary *s, enum dictionary_kind kind, uint32_t id, struct text *out)
{
    *out = TEXT_NONE;
    return id == 0 ? ERROR_OK : dictionary_text(s->txn, kind, id, out);
}

static err_t row_meter(const struct summary *s, const struct group_key *key, struct summary_row *row)
{
    bool unknown = (key->unit & UNKNOWN_UNIT_FLAG) != 0;
    uint32_t meter = key->meter != 0 ? key->meter : unknown ? key->unit & ~UNKNOWN_UNIT_FLAG : 0;
    row->unit = unknown ? TEXT_NONE : attribute_text(&s->cache, key->unit);
    err_t error = optional_text(s, DICTIONARY_METER, meter, &row->meter_id);
    if (error != ERROR_OK || meter == 0)
        return error;
    struct arena_mark mark = arena_mark(s->arena); /* a summary has many rows */
    struct text folded = meter_fold(s->arena, row->meter_id);
    if (folded.ptr == NULL)
        return ERROR_NO_MEMORY;
    const struct meter *known = meters_find(s->meters, folded);
    arena_rewind(s->arena, mark);
    row->meter_name = known != NULL ? known->name : TEXT_NONE;
    return ERROR_OK;
}

static void update_text(struct siphash *state, struct text text)
{
    siphash_update_u64(state, text.ptr != NULL);
    siphash_update_sized(state, text.ptr, text.len);
}

/* A hash of what makes the row's key, by texts: the numbers of texts differ from run to run. */
static void make_position(const struct summary *s, const struct group_key *key, uint8_t out[PAGE_POSITION_SIZE])
{
    struct siphash state;
    siphash_init(&state, store_hash_key(s->store));
    const uint32_t ids[] = { key->period, key->subscription, key->meter, key->resource, key->source };
    for (size_t i = 0; i < COUNT_OF(ids); i++)
        siphash_update_u64(&state, ids[i]);
    update_text(&state, attribute_text(&s->cache, key->location));
    for (size_t i = 0; i < s->query->tag_count; i++)
        update_text(&state, attribute_text(&s->cache, key->tags[i]));
    bool unknown = (key->unit & UNKNOWN_UNIT_FLAG) != 0;
    siphash_update_u64(&state, unknown ? key->unit : 0);
    update_text(&state, unknown ? TEXT_NONE : attribute_text(&s->cache, key->unit));
    struct hash128 hash = siphash_finish(&state);
    memcpy(out, hash.bytes, PAGE_POSITION_SIZE);
}

err_t summary_row(const struct summary *s, size_t index, struct summary_row *row)
{
    REQUIRE(index < s->count);
    const struct group *group = &s->groups[index];
    *row = (struct summary_row){ .quantity = group->quantity, .records = group->records };
    row_times(s, group->key.period, row);
    make_position(s, &group->key, row->position);
    row->location = attribute_text(&s->cache, group->key.location);
    for (size_t i = 0; i < s->query->tag_count; i++)
        row->tags[i] = attribute_text(&s->cache, group->key.tags[i]);
    struct text guid;
    err_t error = optional_text(s, DICTIONARY_SUBSCRIPTION, group->key.subscription, &guid);
    row->has_subscription = error == ERROR_OK && guid.len == sizeof row->subscription.bytes;
    if (row->has_subscription)
        memcpy(row->subscription.bytes, guid.ptr, guid.len);
    if (error == ERROR_OK)
        error = row_meter(s, &group->key, row);
    if (error == ERROR_OK)
        error = optional_text(s, DICTIONARY_RESOURCE, group->key.resource, &row->resource_uri);
    if (error == ERROR_OK)
        error = optional_text(s, DICTIONARY_SOURCE, group->key.source, &row->source);
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

size_t summary_after(const struct summary *s, const uint8_t position[PAGE_POSITION_SIZE])
{
    for (size_t i = 0; i < s->count; i++) {
        uint8_t own[PAGE_POSITION_SIZE];
        make_position(s, &s->groups[i].key, own);
        if (memcmp(own, position, sizeof own) == 0)
            return i + 1;
    }
    return s->count;
}
