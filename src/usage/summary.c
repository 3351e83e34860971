/* The query's filters as ids, the order of groups, and groups as rows; adding up is in summary_scan.c. The order is by
 * dictionary ids and texts, which never change, so pages of an open window stay in step while new usage comes in. */
#include "usage/summary.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/memory.h"
#include "usage/record.h"
#include "usage/summary_internal.h"

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

bool summary_passes(const struct summary *s, uint32_t meter, uint32_t resource, const struct attributes *attributes)
{
    if ((s->only_meter != 0 && meter != s->only_meter) || (s->only_resource != 0 && resource != s->only_resource) ||
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

bool summary_needs_attributes(const struct summary *s)
{
    const struct summary_query *q = s->query;
    bool needs = q->by_location || q->by_source || q->tag_count > 0 || s->only_source != 0;
    for (size_t i = 0; i < q->filter_count; i++)
        needs = needs || q->filters[i].member == SUMMARY_LOCATION || q->filters[i].member == SUMMARY_TAG;
    return needs;
}

bool summary_needs_resources(const struct summary *s)
{
    return s->query->by_resource || s->only_resource != 0;
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
    if (error == ERROR_OK && !s->nothing)
        error = summary_scan(s);
    if (error == ERROR_OK)
        error = sort(s);
    if (error != ERROR_OK) {
        summary_free(s);
        return error == ERROR_INVALID_PROPERTY
                   ? error_set(info, error, "groupBy", "more than %d groups; narrow the time or the filter",
                               SUMMARY_GROUPS_MAX)
                   : error_set(info, error, error == ERROR_USAGE_NOT_KEPT ? "from" : NULL, NULL);
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

#define POSITION_INDEX_SIZE 4

/* A hash of what makes the row's key, by texts: the numbers of texts differ from run to run. Before it the row's
 * index, where to begin to look for it: new groups may have come before it since. */
static void make_position(const struct summary *s, size_t index, uint8_t out[PAGE_POSITION_SIZE])
{
    const struct group_key *key = &s->groups[index].key;
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
    put_u32be(out, (uint32_t)index);
    memcpy(out + POSITION_INDEX_SIZE, hash.bytes, PAGE_POSITION_SIZE - POSITION_INDEX_SIZE);
}

err_t summary_row(const struct summary *s, size_t index, struct summary_row *row)
{
    REQUIRE(index < s->count);
    const struct group *group = &s->groups[index];
    *row = (struct summary_row){ .quantity = group->quantity, .records = group->records };
    row_times(s, group->key.period, row);
    make_position(s, index, row->position);
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

static bool is_at(const struct summary *s, size_t index, const uint8_t position[PAGE_POSITION_SIZE])
{
    uint8_t own[PAGE_POSITION_SIZE];
    make_position(s, index, own);
    return memcmp(own + POSITION_INDEX_SIZE, position + POSITION_INDEX_SIZE,
                  PAGE_POSITION_SIZE - POSITION_INDEX_SIZE) == 0;
}

/* From where it was on, to both sides. */
size_t summary_after(const struct summary *s, const uint8_t position[PAGE_POSITION_SIZE])
{
    size_t hint = get_u32be(position);
    if (hint >= s->count)
        hint = s->count > 0 ? s->count - 1 : 0;
    for (size_t distance = 0; distance < s->count; distance++) {
        if (hint + distance < s->count && is_at(s, hint + distance, position))
            return hint + distance + 1;
        if (distance > 0 && distance <= hint && is_at(s, hint - distance, position))
            return hint - distance + 1;
    }
    return s->count;
}
