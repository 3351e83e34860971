/* A merge of the window's buckets by one cursor: a heap holds, for each bucket, its next row; taking a row
 * moves the cursor to the following key of that bucket. So the memory of a page is the heap, and no cursor
 * per bucket is kept open.
 * Rows of one (subscription, period, meter, resource) lie next to each other in every bucket and are added. */
#include "usage/listing.h"

#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/json.h"
#include "store/keys.h"
#include "store/rows.h"

struct entry {
    struct row_key key;
    struct row_sum sum;
};

struct merge {
    const struct rows_engine *rows;
    struct rows_cursor *cursor;
    enum row_family family;
    const struct listing_query *query;
    uint32_t first_bucket, end_bucket;
    uint32_t only_subscription; /* 0: all */
    struct entry *heap;
    size_t count, capacity;
    struct arena *arena;
};

/* --- order: everything but the bucket first, so that equal rows meet --- */

static int compare_rows(const struct row_key *a, const struct row_key *b)
{
    const uint32_t left[] = { a->subscription, a->period, a->meter, a->resource };
    const uint32_t right[] = { b->subscription, b->period, b->meter, b->resource };
    for (size_t i = 0; i < COUNT_OF(left); i++)
        if (left[i] != right[i])
            return left[i] < right[i] ? -1 : 1;
    return 0;
}

static bool before(const struct entry *a, const struct entry *b)
{
    int order = compare_rows(&a->key, &b->key);
    if (order != 0)
        return order < 0;
    return a->key.bucket != b->key.bucket ? a->key.bucket < b->key.bucket : a->key.instance < b->key.instance;
}

static void swap(struct entry *a, struct entry *b)
{
    struct entry keep = *a;
    *a = *b;
    *b = keep;
}

static void sift_down(struct merge *m, size_t i)
{
    for (;;) {
        size_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < m->count && before(&m->heap[left], &m->heap[least]))
            least = left;
        if (right < m->count && before(&m->heap[right], &m->heap[least]))
            least = right;
        if (least == i)
            return;
        swap(&m->heap[i], &m->heap[least]);
        i = least;
    }
}

static err_t heap_push(struct merge *m, const struct entry *entry)
{
    if (m->count == LISTING_BUCKETS_MAX)
        return ERROR_INVALID_PROPERTY;
    if (m->count == m->capacity) {
        size_t capacity = m->capacity == 0 ? 64 : m->capacity * 2;
        struct entry *heap = arena_array(m->arena, capacity, sizeof *heap);
        if (heap == NULL)
            return ERROR_NO_MEMORY;
        if (m->count > 0)
            memcpy(heap, m->heap, m->count * sizeof *heap);
        m->heap = heap;
        m->capacity = capacity;
    }
    size_t i = m->count++;
    m->heap[i] = *entry;
    for (size_t parent; i > 0 && before(&m->heap[i], &m->heap[parent = (i - 1) / 2]); i = parent)
        swap(&m->heap[i], &m->heap[parent]);
    return ERROR_OK;
}

/* --- reading one bucket --- */

static bool is_excluded(const struct listing_query *query, uint32_t subscription)
{
    size_t low = 0, high = query->excluded_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (query->excluded[middle] < subscription)
            low = middle + 1;
        else
            high = middle;
    }
    return low < query->excluded_count && query->excluded[low] == subscription;
}

/* The first visible row at or after 'from'. *found tells whether there is one; it may lie in a later bucket,
 * and with one subscription it may be of a later one: the caller looks. */
static err_t seek(struct merge *m, struct row_key from, struct entry *entry, bool *found)
{
    for (;;) {
        uint8_t bytes[ROW_KEY_SIZE];
        const uint8_t *key, *value;
        row_key_encode(&from, bytes);
        err_t error = m->rows->seek(m->cursor, bytes);
        if (error == ERROR_OK)
            error = m->rows->next(m->cursor, &key, &value);
        *found = error == ERROR_OK;
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
        entry->key = row_key_decode(key);
        entry->sum = row_sum_decode(value);
        if (!is_excluded(m->query, entry->key.subscription))
            return ERROR_OK;
        from = (struct row_key){ .bucket = entry->key.bucket, .subscription = entry->key.subscription + 1 };
    }
}

static bool wanted(const struct merge *m, const struct row_key *key, uint32_t bucket)
{
    return key->bucket == bucket && (m->only_subscription == 0 || key->subscription == m->only_subscription);
}

static struct row_key after(struct row_key key)
{
    /* Ids are far below 2^32, so the next key in order differs in the last field alone. */
    REQUIRE(key.instance < UINT32_MAX);
    key.instance++;
    return key;
}

/* Puts the first row after 'position' of every bucket that has one into the heap. Empty buckets cost nothing:
 * a seek lands in the next one that holds rows. */
static err_t fill(struct merge *m, const struct listing_position *position)
{
    uint32_t bucket = m->first_bucket;
    while (bucket < m->end_bucket) {
        struct row_key from = {
            bucket, position->subscription, position->period, position->meter, position->resource, 0
        };
        if (position->subscription != 0)
            from.resource++;
        if (from.subscription < m->only_subscription)
            from = (struct row_key){ .bucket = bucket, .subscription = m->only_subscription };
        struct entry entry;
        bool found;
        err_t error = seek(m, from, &entry, &found);
        if (error != ERROR_OK || !found)
            return error;
        if (wanted(m, &entry.key, bucket)) {
            if ((error = heap_push(m, &entry)) != ERROR_OK)
                return error;
        }
        bucket = entry.key.bucket > bucket ? entry.key.bucket : bucket + 1;
    }
    return ERROR_OK;
}

/* Replaces the top of the heap by the next row of its bucket. */
static err_t step(struct merge *m)
{
    uint32_t bucket = m->heap[0].key.bucket;
    struct entry entry;
    bool found;
    err_t error = seek(m, after(m->heap[0].key), &entry, &found);
    if (error != ERROR_OK)
        return error;
    if (found && wanted(m, &entry.key, bucket))
        m->heap[0] = entry;
    else
        m->heap[0] = m->heap[--m->count];
    if (m->count > 0)
        sift_down(m, 0);
    return ERROR_OK;
}

/* --- rows --- */

static bool same_row(const struct merge *m, const struct row_key *a, const struct row_key *b)
{
    if (m->query->details)
        return compare_rows(a, b) == 0;
    return a->subscription == b->subscription && a->period == b->period && a->meter == b->meter;
}

/* Takes every entry of the row at the top and adds it up. *last becomes the key with the row's latest report. */
static err_t take_row(struct merge *m, struct listing_row *row, struct row_key *last, struct listing_position *position)
{
    struct row_key first = m->heap[0].key;
    *last = first;
    while (m->count > 0 && same_row(m, &m->heap[0].key, &first)) {
        const struct entry *top = &m->heap[0];
        decimal_sum_add(&row->quantity, &top->sum.quantity);
        row->records += top->sum.records;
        if (top->key.bucket >= last->bucket)
            *last = top->key;
        *position =
            (struct listing_position){ top->key.subscription, top->key.period, top->key.meter, top->key.resource };
        err_t error = step(m);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

static err_t describe(struct kv_txn *txn, const struct listing_query *query, const struct row_key *key,
                      struct listing_row *row)
{
    struct text text;
    err_t error = dictionary_text(txn, DICTIONARY_SUBSCRIPTION, key->subscription, &text);
    if (error == ERROR_OK && text.len != sizeof row->subscription.bytes)
        error = ERROR_STORE_CORRUPT;
    if (error != ERROR_OK)
        return error;
    memcpy(row->subscription.bytes, text.ptr, text.len);
    error = dictionary_text(txn, DICTIONARY_METER, key->meter, &row->meter_id);
    int64_t period = key->period;
    row->start_ns = query->daily ? day_start_ns(period) : hour_start_ns(period);
    row->end_ns = query->daily ? day_start_ns(period + 1) : hour_start_ns(period + 1);
    row->has_instance = query->details;
    if (error != ERROR_OK || !query->details)
        return error;
    error = dictionary_text(txn, DICTIONARY_INSTANCE, key->instance, &text);
    return error == ERROR_OK ? instance_decode(text, &row->instance) : error;
}

static err_t emit_rows(struct merge *m, struct kv_txn *txn, struct listing_position *position,
                       err_t (*emit)(void *context, const struct listing_row *row), void *context)
{
    for (int i = 0; i < LISTING_PAGE_ROWS && m->count > 0; i++) {
        struct listing_row row = { .records = 0 };
        struct row_key last;
        err_t error = take_row(m, &row, &last, position);
        if (error == ERROR_OK)
            error = describe(txn, m->query, &last, &row);
        if (error == ERROR_OK)
            error = emit(context, &row);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    }
    return ERROR_OK;
}

/* Nothing is reported before 1970, though windows may begin there. */
static uint32_t bucket_of(const struct listing_query *query, int64_t instant_ns)
{
    if (instant_ns < 0)
        return 0;
    return (uint32_t)(query->daily ? instant_day(instant_ns) : instant_hour(instant_ns));
}

err_t listing_page(struct store *store, struct kv_txn *txn, struct arena *arena, const struct listing_query *query,
                   struct listing_position *position, err_t (*emit)(void *context, const struct listing_row *row),
                   void *context, bool *more)
{
    struct merge m = {
        .rows = store_rows(store),
        .family = query->daily ? ROWS_DAILY : ROWS_HOURLY,
        .query = query,
        .arena = arena,
        .first_bucket = bucket_of(query, query->start_ns),
        .end_bucket = bucket_of(query, query->end_ns),
    };
    *more = false;
    if (query->one_subscription) {
        struct text guid = { (const char *)query->subscription.bytes, sizeof query->subscription.bytes };
        err_t error =
            dictionary_find(store_dictionary(store), txn, DICTIONARY_SUBSCRIPTION, guid, &m.only_subscription);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    }
    uint8_t start[ROW_KEY_SIZE] = { 0 };
    err_t error = m.rows->open(txn, m.family, start, &m.cursor);
    if (error == ERROR_OK) {
        error = fill(&m, position);
        if (error == ERROR_OK)
            error = emit_rows(&m, txn, position, emit, context);
        *more = m.count > 0;
        m.rows->close(m.cursor);
    }
    return error;
}

/* Tags and additional info are text inside text; what was posted as an object is there as its JSON. */
static void put_attribute(struct json_writer *json, const char *name, struct text value)
{
    json_name(json, name);
    json_put_text(json, value.ptr != NULL ? value : TEXT(""));
}

void listing_write_instance_data(const struct instance *instance, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_name(&json, "Microsoft.Resources");
    json_begin_object(&json);
    put_attribute(&json, "resourceUri", instance->resource_uri);
    put_attribute(&json, "location", instance->location);
    put_attribute(&json, "tags", instance->tags);
    put_attribute(&json, "additionalInfo", instance->additional_info);
    json_end_object(&json);
    json_end_object(&json);
}
