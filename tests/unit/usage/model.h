/* A naive usage store: an array of accepted records, every question answered by walking all of them. What the real one
 * numbers (dictionary ids) the model numbers too, by first use, because lists are in that order. For test_model.c. */
#pragma once

#include "base/arena.h"
#include "support/records.h"
#include "support/testing.h"
#include "usage/ingest.h"
#include "usage/listing.h"
#include "usage/summary.h"

enum {
    MODEL_SUBSCRIPTIONS = 5,
    MODEL_METERS = 5,
    MODEL_RESOURCES = 6,
    MODEL_LOCATIONS = 3,
    MODEL_TAGS = 6,
    MODEL_SOURCES = 3
};

struct model_record {
    int id, source, subscription, meter, meter_spelling, resource, resource_spelling, location, tags;
    char quantity[32];
    int64_t start_ns, end_ns, reported_ns;
    bool history, bad;
    int instance; /* by first use, from 1 */
    /* As accepted: what it counts for since its last correction. */
    char counted[32];
    bool voided;
};

struct model_correction {
    size_t record;
    int64_t reported_ns;
    char before[32], after[32];
};

/* Things numbered from 1 by first use; order[n - 1] is what was used n-th. */
struct model_order {
    int order[16];
    int spelling[16]; /* of the first use */
    uint32_t count;
};

struct model {
    struct model_record *records;
    size_t count, capacity;
    struct model_correction *corrections;
    size_t correction_count, correction_capacity;
    struct model_order subscriptions, meters, resources, sources;
    int instance_count;
    int64_t first_live_hour;
};

enum model_column {
    MODEL_PERIOD,
    MODEL_SUBSCRIPTION,
    MODEL_METER,
    MODEL_RESOURCE,
    MODEL_SOURCE,
    MODEL_LOCATION,
    MODEL_FIRST_TAG,
    MODEL_UNIT = MODEL_FIRST_TAG + SUMMARY_TAGS_MAX,
    MODEL_COLUMNS
};

struct model_row {
    int64_t key[MODEL_COLUMNS]; /* rows are in the order of these numbers */
    struct decimal_sum quantity;
    uint64_t records;
    const struct model_record *newest; /* what describes the row in a list */
};

struct model_rows {
    struct model_row *rows;
    size_t count, capacity;
};

static const char *const model_sources[MODEL_SOURCES] = { "Microsoft.Compute", "Microsoft.Storage", "x" };
/* Known in GB*hours twice, in Virtual core hours once; unknown twice. */
static const char *const model_meters[MODEL_METERS][2] = {
    { "B4438D5D-453B-4EE1-B42A-DC72E377F1E4", "b4438d5d453b4ee1b42adc72e377f1e4" },
    { "B5C15376-6C94-4FDD-B655-1A69D138ACA3", "b5c15376-6c94-4fdd-b655-1a69d138aca3" },
    { "FAB6EB84-500B-4A09-A8CA-7358F8BBAEA5", "FAB6EB84500B4A09A8CA7358F8BBAEA5" },
    { "unknown-1", "UNKNOWN-1" },
    { "unknown-2", "Unknown-2" },
};
static const int model_units[MODEL_METERS] = { 1, 1, 2, 0, 0 }; /* 0: unknown; else in the order of the texts below */
static const char *const model_unit_texts[] = { NULL, "GB*hours", "Virtual core hours" };
static const char *const model_locations[MODEL_LOCATIONS] = { "", "east", "west" }; /* sorted */
static const char *const model_tags[MODEL_TAGS] = {
    NULL, "{}", "{\"a\":\"1\",\"b\":\"\"}", "{\"A\":\"2\",\"b\":\"y\"}", "\"{\\\"a\\\":\\\"1\\\"}\"", "\"null\""
};
/* Values of the tags a and b: an index into the texts below, which are sorted. */
static const int model_tag_values[MODEL_TAGS][2] = { { 0, 0 }, { 0, 0 }, { 2, 1 }, { 3, 4 }, { 2, 0 }, { 0, 0 } };
static const char *const model_tag_texts[] = { NULL, "", "1", "2", "y" };

static inline void model_init(struct model *m)
{
    *m = (struct model){ .first_live_hour = -1 };
}

static inline void model_free(struct model *m)
{
    free(m->records);
    free(m->corrections);
}

/* --- posting --- */

static inline const char *model_time(struct arena *arena, int64_t instant_ns)
{
    char text[INSTANT_TEXT_SIZE];
    instant_print(instant_ns, text);
    return arena_format(arena, "\"%s\"", text).ptr;
}

static inline const char *model_resource(struct arena *arena, int resource, int spelling)
{
    return arena_format(arena, "/subscriptions/s/%s/r%d", spelling == 0 ? "providers" : "Providers", resource).ptr;
}

static inline void model_post(struct arena *arena, const struct model_record *r, struct post *post)
{
    *post = (struct post){
        .id = arena_format(arena, "\"r%d\"", r->id).ptr,
        .source = arena_format(arena, "\"%s\"", model_sources[r->source]).ptr,
        .subscription_id = arena_format(arena, "\"00000000-0000-0000-0000-0000000000%02x\"", r->subscription).ptr,
        .meter_id = arena_format(arena, "\"%s\"", model_meters[r->meter][r->meter_spelling]).ptr,
        .resource_uri = arena_format(arena, "\"%s\"", model_resource(arena, r->resource, r->resource_spelling)).ptr,
        .location = r->location == 0 ? NULL : arena_format(arena, "\"%s\"", model_locations[r->location]).ptr,
        .start = model_time(arena, r->start_ns),
        .end = model_time(arena, r->end_ns),
        .quantity = r->bad ? "-1" : r->quantity,
        .tags = model_tags[r->tags],
        .reported = r->history ? model_time(arena, r->reported_ns) : NULL,
    };
}

static inline bool model_same_content(const struct model_record *a, const struct model_record *b)
{
    struct decimal left, right;
    assert_ok(decimal_parse(text_of(a->quantity), &left));
    assert_ok(decimal_parse(text_of(b->quantity), &right));
    return a->subscription == b->subscription && a->meter == b->meter && a->resource == b->resource &&
           a->location == b->location && a->tags == b->tags && a->start_ns == b->start_ns && a->end_ns == b->end_ns &&
           decimal_compare(&left, &right) == 0;
}

static inline int64_t model_number(const struct model_order *order, int what)
{
    for (uint32_t i = 0; i < order->count; i++)
        if (order->order[i] == what)
            return i + 1;
    return 0;
}

static inline void model_use(struct model_order *order, int what, int spelling)
{
    if (model_number(order, what) != 0)
        return;
    order->order[order->count] = what;
    order->spelling[order->count++] = spelling;
}

/* An instance is told apart by the texts as posted. */
static inline int model_instance(struct model *m, const struct model_record *r)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct model_record *known = &m->records[i];
        if (known->source == r->source && known->resource == r->resource &&
            known->resource_spelling == r->resource_spelling && known->location == r->location &&
            known->tags == r->tags)
            return known->instance;
    }
    return ++m->instance_count;
}

static inline enum verdict model_add(struct model *m, struct arena *arena, struct model_record *r, int64_t reported_ns)
{
    (void)arena;
    if (r->bad || (r->history && r->end_ns - r->reported_ns > NS_PER_DAY))
        return VERDICT_REJECTED;
    for (size_t i = 0; i < m->count; i++)
        if (m->records[i].id == r->id && m->records[i].source == r->source)
            return model_same_content(&m->records[i], r) ? VERDICT_DUPLICATE : VERDICT_CONFLICT;
    int64_t limit = m->first_live_hour >= 0 ? m->first_live_hour : instant_hour(reported_ns);
    if (r->history && instant_hour(r->reported_ns) >= limit)
        return VERDICT_REJECTED;
    if (m->count == m->capacity) {
        m->capacity = m->capacity == 0 ? 64 : 2 * m->capacity;
        m->records = realloc(m->records, m->capacity * sizeof *m->records);
        assert_non_null(m->records);
    }
    r->instance = model_instance(m, r);
    if (!r->history) {
        r->reported_ns = reported_ns;
        if (m->first_live_hour < 0)
            m->first_live_hour = instant_hour(reported_ns);
    }
    model_use(&m->subscriptions, r->subscription, 0);
    model_use(&m->meters, r->meter, r->meter_spelling);
    model_use(&m->resources, r->resource, r->resource_spelling);
    model_use(&m->sources, r->source, 0);
    (void)snprintf(r->counted, sizeof r->counted, "%s", r->quantity);
    r->voided = false;
    m->records[m->count++] = *r;
    return VERDICT_ACCEPTED;
}

static inline bool model_same_quantity(const char *a, const char *b)
{
    struct decimal left, right;
    assert_ok(decimal_parse(text_of(a), &left));
    assert_ok(decimal_parse(text_of(b), &right));
    return decimal_compare(&left, &right) == 0;
}

/* Only what makes a difference is remembered: voiding what counts for 0 makes none. */
static inline void model_correct(struct model *m, size_t record, const char *quantity, bool voids, int64_t reported_ns)
{
    bool differs = !model_same_quantity(m->records[record].counted, voids ? "0" : quantity);
    if (m->first_live_hour < 0)
        m->first_live_hour = instant_hour(reported_ns);
    m->records[record].voided = voids;
    if (!differs)
        return;
    if (m->correction_count == m->correction_capacity) {
        m->correction_capacity = m->correction_capacity == 0 ? 16 : 2 * m->correction_capacity;
        m->corrections = realloc(m->corrections, m->correction_capacity * sizeof *m->corrections);
        assert_non_null(m->corrections);
    }
    struct model_record *r = &m->records[record];
    struct model_correction *correction = &m->corrections[m->correction_count++];
    *correction = (struct model_correction){ .record = record, .reported_ns = reported_ns };
    (void)snprintf(correction->before, sizeof correction->before, "%s", r->counted);
    (void)snprintf(correction->after, sizeof correction->after, "%s", voids ? "0" : quantity);
    (void)snprintf(r->counted, sizeof r->counted, "%s", correction->after);
}

/* Everything that counts, as records: those accepted, then each correction as one that takes away what counted before
 * and one that adds what counts after. False at the end. */
struct model_fact {
    struct model_record record;
    bool negative;
    uint64_t records; /* to count */
};

static inline bool model_fact_at(const struct model *m, size_t i, struct model_fact *fact)
{
    if (i >= m->count + 2 * m->correction_count)
        return false;
    if (i < m->count) {
        *fact = (struct model_fact){ .record = m->records[i], .records = 1 };
        return true;
    }
    const struct model_correction *correction = &m->corrections[(i - m->count) / 2];
    bool negative = (i - m->count) % 2 == 0;
    *fact = (struct model_fact){ .record = m->records[correction->record], .negative = negative };
    fact->record.reported_ns = correction->reported_ns;
    (void)snprintf(fact->record.quantity, sizeof fact->record.quantity, "%s",
                   negative ? correction->before : correction->after);
    return true;
}

static inline const char *model_meter_text(const struct model *m, int64_t number)
{
    return model_meters[m->meters.order[number - 1]][m->meters.spelling[number - 1]];
}

/* --- adding up --- */

static inline bool model_is_newer(const struct model_record *a, const struct model_record *b, int64_t bucket_ns)
{
    int64_t left = a->reported_ns / bucket_ns, right = b->reported_ns / bucket_ns;
    return left != right ? left > right : a->instance > b->instance;
}

static inline void model_count_in(struct model_rows *rows, struct arena *arena, const int64_t key[MODEL_COLUMNS],
                                  const struct decimal *quantity, uint64_t records, const struct model_record *record)
{
    if (rows->count == rows->capacity) {
        size_t capacity = rows->capacity == 0 ? 256 : 2 * rows->capacity;
        struct model_row *more = arena_array(arena, capacity, sizeof *more);
        assert_non_null(more);
        if (rows->count > 0)
            memcpy(more, rows->rows, rows->count * sizeof *more);
        rows->rows = more;
        rows->capacity = capacity;
    }
    struct model_row *row = &rows->rows[rows->count++];
    *row = (struct model_row){ .newest = record, .records = records };
    memcpy(row->key, key, sizeof row->key);
    decimal_sum_add(&row->quantity, quantity);
}

static inline int model_compare_rows(const void *a, const void *b)
{
    const struct model_row *left = a, *right = b;
    for (size_t i = 0; i < MODEL_COLUMNS; i++)
        if (left->key[i] != right->key[i])
            return left->key[i] < right->key[i] ? -1 : 1;
    return 0;
}

/* Lists sort by subscription, then period: the key is put in that order while sorting. */
static inline int model_compare_listed(const void *a, const void *b)
{
    const struct model_row *left = a, *right = b;
    if (left->key[MODEL_SUBSCRIPTION] != right->key[MODEL_SUBSCRIPTION])
        return left->key[MODEL_SUBSCRIPTION] < right->key[MODEL_SUBSCRIPTION] ? -1 : 1;
    return model_compare_rows(a, b);
}

/* Sorts, and adds up what has the same key. */
static inline void model_merge(struct model_rows *rows, int (*compare)(const void *a, const void *b), int64_t bucket_ns)
{
    size_t kept = 0;
    if (rows->count == 0)
        return;
    qsort(rows->rows, rows->count, sizeof *rows->rows, compare);
    for (size_t i = 1; i < rows->count; i++) {
        struct model_row *last = &rows->rows[kept], *next = &rows->rows[i];
        if (compare(last, next) != 0) {
            rows->rows[++kept] = *next;
            continue;
        }
        decimal_sum_add_sum(&last->quantity, &next->quantity);
        last->records += next->records;
        if (model_is_newer(next->newest, last->newest, bucket_ns))
            last->newest = next->newest;
    }
    rows->count = kept + 1;
}

static inline const struct write_share *model_shares(struct arena *arena, const struct model_fact *fact, size_t *count)
{
    struct decimal quantity;
    assert_ok(decimal_parse(text_of(fact->record.quantity), &quantity));
    const struct write_share *shares =
        record_split(arena, fact->record.start_ns, fact->record.end_ns, &quantity, count);
    assert_non_null(shares);
    if (!fact->negative)
        return shares;
    struct write_share *negated = arena_array(arena, *count, sizeof *negated);
    assert_non_null(negated);
    for (size_t i = 0; i < *count; i++)
        negated[i] = (struct write_share){ shares[i].hour, decimal_negate(&shares[i].quantity) };
    return negated;
}

static inline const struct model_record *model_keep(struct arena *arena, const struct model_record *record)
{
    struct model_record *kept = arena_alloc(arena, sizeof *kept);
    assert_non_null(kept);
    *kept = *record;
    return kept;
}

static inline bool model_is_excluded(const struct listing_query *query, int64_t subscription)
{
    for (size_t i = 0; i < query->excluded_count; i++)
        if (query->excluded[i] == subscription)
            return true;
    return false;
}

static inline struct model_rows model_list(const struct model *m, struct arena *arena,
                                           const struct listing_query *query, int only)
{
    struct model_rows rows = { 0 };
    struct model_fact fact;
    for (size_t i = 0; model_fact_at(m, i, &fact); i++) {
        const struct model_record *r = model_keep(arena, &fact.record);
        size_t count;
        int64_t key[MODEL_COLUMNS] = { 0 };
        key[MODEL_SUBSCRIPTION] = model_number(&m->subscriptions, r->subscription);
        key[MODEL_METER] = model_number(&m->meters, r->meter);
        key[MODEL_RESOURCE] = query->details ? model_number(&m->resources, r->resource) : 0;
        if (r->reported_ns < query->start_ns || r->reported_ns >= query->end_ns ||
            (only >= 0 && r->subscription != only) || model_is_excluded(query, key[MODEL_SUBSCRIPTION]))
            continue;
        const struct write_share *shares = model_shares(arena, &fact, &count);
        for (size_t s = 0; s < count; s++) {
            key[MODEL_PERIOD] = query->daily ? shares[s].hour / HOURS_PER_DAY : shares[s].hour;
            model_count_in(&rows, arena, key, &shares[s].quantity, s == 0 ? fact.records : 0, r);
        }
    }
    model_merge(&rows, model_compare_listed, query->daily ? NS_PER_DAY : NS_PER_HOUR);
    return rows;
}

static inline void model_check_instance(const struct model *m, const struct model_record *newest,
                                        const struct instance *got)
{
    char expected[64];
    (void)m;
    (void)snprintf(expected, sizeof expected, "/subscriptions/s/%s/r%d",
                   newest->resource_spelling == 0 ? "providers" : "Providers", newest->resource);
    assert_text(got->resource_uri, expected);
    assert_text(got->location, model_locations[newest->location]);
    assert_int_equal(got->tags.ptr == NULL, model_tags[newest->tags] == NULL);
}

/* --- summaries --- */

static inline struct text model_filter_value(struct arena *arena, struct prng *prng, const char *const *texts,
                                             size_t count)
{
    const char *text = texts[prng_below(prng, count)];
    return arena_text(arena, text_of(text != NULL ? text : ""));
}

static inline struct summary_filter model_filter(struct arena *arena, struct prng *prng)
{
    struct summary_filter filter = { .member = (enum summary_member)prng_below(prng, SUMMARY_TAG + 1) };
    switch (filter.member) {
    case SUMMARY_SUBSCRIPTION:
        filter.value =
            arena_format(arena, "00000000-0000-0000-0000-0000000000%02d", (int)prng_below(prng, MODEL_SUBSCRIPTIONS));
        break;
    case SUMMARY_METER:
        filter.value = model_filter_value(arena, prng, model_meters[prng_below(prng, MODEL_METERS)], 2);
        break;
    case SUMMARY_RESOURCE:
        filter.value = text_of(model_resource(arena, (int)prng_below(prng, MODEL_RESOURCES), (int)prng_below(prng, 2)));
        break;
    case SUMMARY_LOCATION:
        filter.value = model_filter_value(arena, prng, model_locations, MODEL_LOCATIONS);
        break;
    case SUMMARY_SOURCE:
        filter.value = model_filter_value(arena, prng, model_sources, MODEL_SOURCES);
        break;
    case SUMMARY_TAG:
        filter.tag = prng_below(prng, 2) == 0 ? TEXT("a") : TEXT("B");
        filter.value = model_filter_value(arena, prng, model_tag_texts, COUNT_OF(model_tag_texts));
        break;
    }
    return filter;
}

static inline bool model_tag_is_a(struct text name)
{
    return text_equal_nocase(name, TEXT("a"));
}

static inline bool model_passes(const struct model_record *r, const struct summary_filter *filter)
{
    char text[64];
    const char *tag;
    switch (filter->member) {
    case SUMMARY_SUBSCRIPTION:
        (void)snprintf(text, sizeof text, "00000000-0000-0000-0000-0000000000%02d", r->subscription);
        return text_equal(filter->value, text_of(text));
    case SUMMARY_METER:
        return text_equal(filter->value, text_of(model_meters[r->meter][0])) ||
               text_equal(filter->value, text_of(model_meters[r->meter][1]));
    case SUMMARY_RESOURCE:
        (void)snprintf(text, sizeof text, "/subscriptions/s/providers/r%d", r->resource);
        return text_equal_nocase(filter->value, text_of(text));
    case SUMMARY_LOCATION:
        return text_equal(filter->value, text_of(model_locations[r->location]));
    case SUMMARY_SOURCE:
        return text_equal(filter->value, text_of(model_sources[r->source]));
    case SUMMARY_TAG:
        tag = model_tag_texts[model_tag_values[r->tags][model_tag_is_a(filter->tag) ? 0 : 1]];
        return text_equal(filter->value, text_of(tag != NULL ? tag : ""));
    }
    return false;
}

static inline bool model_passes_all(const struct model_record *r, const struct summary_query *query)
{
    for (size_t i = 0; i < query->filter_count; i++)
        if (!model_passes(r, &query->filters[i]))
            return false;
    return true;
}

static inline void model_group(const struct model *m, const struct summary_query *query, const struct model_record *r,
                               int64_t key[MODEL_COLUMNS])
{
    memset(key, 0, MODEL_COLUMNS * sizeof *key);
    if (query->by_subscription)
        key[MODEL_SUBSCRIPTION] = model_number(&m->subscriptions, r->subscription);
    if (query->by_meter)
        key[MODEL_METER] = model_number(&m->meters, r->meter);
    if (query->by_resource)
        key[MODEL_RESOURCE] = model_number(&m->resources, r->resource);
    if (query->by_source)
        key[MODEL_SOURCE] = model_number(&m->sources, r->source);
    if (query->by_location)
        key[MODEL_LOCATION] = r->location + 1;
    for (size_t t = 0; t < query->tag_count; t++)
        key[MODEL_FIRST_TAG + t] = model_tag_values[r->tags][model_tag_is_a(query->tags[t]) ? 0 : 1];
    key[MODEL_UNIT] = model_units[r->meter] != 0 ? model_units[r->meter] : 100 + model_number(&m->meters, r->meter);
}

static inline struct model_rows model_sum(const struct model *m, struct arena *arena, const struct summary_query *query)
{
    struct model_rows rows = { 0 };
    struct model_fact fact;
    for (size_t i = 0; model_fact_at(m, i, &fact); i++) {
        const struct model_record *r = model_keep(arena, &fact.record);
        size_t count;
        int64_t key[MODEL_COLUMNS];
        if (!model_passes_all(r, query))
            continue;
        model_group(m, query, r, key);
        const struct write_share *shares = model_shares(arena, &fact, &count);
        for (size_t s = 0; s < count; s++) {
            int64_t hour = query->reported_axis ? instant_hour(r->reported_ns) : shares[s].hour;
            if (hour_start_ns(hour) < query->from_ns || hour_start_ns(hour) >= query->to_ns)
                continue;
            key[MODEL_PERIOD] = query->granularity == SUMMARY_TOTAL   ? 0
                                : query->granularity == SUMMARY_DAILY ? hour / HOURS_PER_DAY
                                                                      : hour;
            model_count_in(&rows, arena, key, &shares[s].quantity, s == 0 ? fact.records : 0, r);
        }
    }
    model_merge(&rows, model_compare_rows, NS_PER_HOUR);
    return rows;
}

static inline void model_check_text(struct text actual, const char *expected)
{
    if (expected == NULL)
        assert_null(actual.ptr);
    else
        assert_text(actual, expected);
}

static inline void model_check_row(const struct model *m, const struct summary_query *query,
                                   const struct model_row *expected, const struct summary_row *row)
{
    const int64_t *key = expected->key;
    assert_int_equal(row->has_subscription, query->by_subscription);
    if (query->by_subscription)
        assert_int_equal(row->subscription.bytes[15], m->subscriptions.order[key[MODEL_SUBSCRIPTION] - 1]);
    int64_t meter = query->by_meter ? key[MODEL_METER] : key[MODEL_UNIT] > 100 ? key[MODEL_UNIT] - 100 : 0;
    model_check_text(row->meter_id, meter != 0 ? model_meter_text(m, meter) : NULL);
    model_check_text(row->unit, key[MODEL_UNIT] > 100 ? NULL : model_unit_texts[key[MODEL_UNIT]]);
    assert_int_equal(row->resource_uri.ptr != NULL, query->by_resource);
    model_check_text(row->source, query->by_source ? model_sources[m->sources.order[key[MODEL_SOURCE] - 1]] : NULL);
    model_check_text(row->location, query->by_location ? model_locations[key[MODEL_LOCATION] - 1] : NULL);
    for (size_t t = 0; t < query->tag_count; t++)
        model_check_text(row->tags[t], model_tag_texts[key[MODEL_FIRST_TAG + t]]);
}
