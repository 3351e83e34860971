/* A heap over the buckets. Finding the next row of a bucket takes a seek, once a page; from then on a bucket that is
 * taken from gets a cursor of its own, so that a row costs a step and not a seek. Beyond OWN_CURSORS_MAX buckets share
 * a cursor that seeks.
 *
 * In a long window of hours a page takes from few of the buckets, and a seek into each of them would cost more than the
 * page. KV_USAGE_TIMES says which usage hours a bucket holds: in its order (usage hour, bucket), from the page's first
 * usage hour on, a bucket is looked into when the merge comes to that hour, because its rows of the subscription at
 * hand can't come before. With the next subscription the walk begins anew, at the first usage hour of all, for the
 * buckets not yet looked into. */
#include "usage/listing_merge.h"

#include <string.h>

#include "base/check.h"

#define OWN_CURSORS_MAX 512
#define SOURCES_MIN 64
/* Windows of more hours than this are looked into bucket by bucket as the merge goes on. */
#define WINDOW_SHORT_HOURS 64
#define BITS 64

static bool before(const struct merge_source *a, const struct merge_source *b)
{
    int order = merge_compare_rows(&a->key, &b->key);
    if (order != 0)
        return order < 0;
    return a->key.bucket != b->key.bucket ? a->key.bucket < b->key.bucket : a->key.instance < b->key.instance;
}

static void sift_down(struct merge *m)
{
    size_t i = 0;
    uint32_t moved = m->heap[0];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= m->count)
            break;
        if (child + 1 < m->count && before(&m->sources[m->heap[child + 1]], &m->sources[m->heap[child]]))
            child++;
        if (!before(&m->sources[m->heap[child]], &m->sources[moved]))
            break;
        m->heap[i] = m->heap[child];
        i = child;
    }
    m->heap[i] = moved;
}

static void sift_up(struct merge *m)
{
    size_t i = m->count - 1;
    uint32_t moved = m->heap[i];
    for (; i > 0 && before(&m->sources[moved], &m->sources[m->heap[(i - 1) / 2]]); i = (i - 1) / 2)
        m->heap[i] = m->heap[(i - 1) / 2];
    m->heap[i] = moved;
}

static err_t grow(struct merge *m)
{
    size_t capacity = m->capacity == 0 ? SOURCES_MIN : m->capacity * 2;
    struct merge_source *sources = arena_array(m->arena, capacity, sizeof *sources);
    uint32_t *heap = arena_array(m->arena, capacity, sizeof *heap);
    if (sources == NULL || heap == NULL)
        return ERROR_NO_MEMORY;
    if (m->capacity > 0) {
        memcpy(sources, m->sources, m->source_count * sizeof *sources);
        memcpy(heap, m->heap, m->count * sizeof *heap);
    }
    m->sources = sources;
    m->heap = heap;
    m->capacity = capacity;
    return ERROR_OK;
}

static err_t push(struct merge *m, const struct merge_source *source)
{
    if (m->source_count == m->sources_max)
        return ERROR_INVALID_PROPERTY;
    if (m->source_count == m->capacity) {
        err_t error = grow(m);
        if (error != ERROR_OK)
            return error;
    }
    m->heap[m->count++] = (uint32_t)m->source_count;
    m->sources[m->source_count++] = *source;
    sift_up(m);
    return ERROR_OK;
}

static err_t seek(struct merge *m, struct rows_cursor *cursor, const struct row_key *from)
{
    uint8_t bytes[ROW_KEY_SIZE];
    row_key_encode(from, bytes);
    return m->rows->seek(cursor, bytes);
}

/* The next visible row of the cursor. It may lie in a later bucket, or be of another subscription than the only one:
 * the caller looks. ERROR_NOT_FOUND at the end. */
static err_t next_visible(struct merge *m, struct rows_cursor *cursor, struct merge_source *out)
{
    for (;;) {
        const uint8_t *key, *value;
        err_t error = m->rows->next(cursor, &key, &value);
        if (error != ERROR_OK)
            return error;
        out->key = row_key_decode(key);
        out->sum = row_sum_decode(value);
        if (m->skip == NULL)
            return ERROR_OK;
        struct row_key from = { .bucket = out->key.bucket,
                                .subscription = out->key.subscription,
                                .period = out->key.period };
        error = m->skip(m->context, &from.subscription, &from.period);
        if (error != ERROR_OK || (from.subscription == out->key.subscription && from.period == out->key.period))
            return error;
        if ((error = seek(m, cursor, &from)) != ERROR_OK)
            return error;
    }
}

static bool wanted(const struct merge *m, const struct row_key *key, uint32_t bucket)
{
    return key->bucket == bucket && (m->only_subscription == 0 || key->subscription == m->only_subscription);
}

/* --- short windows: every bucket at once --- */

static err_t open_all(struct merge *m)
{
    struct row_key start = m->from;
    uint8_t bytes[ROW_KEY_SIZE];
    start.bucket = m->first_bucket;
    row_key_encode(&start, bytes);
    err_t error = m->rows->open(m->txn, m->family, bytes, false, &m->shared);
    /* Empty buckets cost nothing: a seek lands in the next one that holds rows. */
    while (error == ERROR_OK && start.bucket < m->end_bucket) {
        struct merge_source source = { .cursor = NULL };
        error = next_visible(m, m->shared, &source);
        if (error == ERROR_OK && wanted(m, &source.key, start.bucket))
            error = push(m, &source);
        if (error != ERROR_OK)
            break;
        start.bucket = source.key.bucket > start.bucket ? source.key.bucket : start.bucket + 1;
        if (start.bucket < m->end_bucket)
            error = seek(m, m->shared, &start);
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- long windows: when their time comes --- */

static bool is_looked_into(const struct merge *m, uint32_t bucket)
{
    uint32_t bit = bucket - m->first_bucket;
    return (m->looked_into[bit / BITS] >> (bit % BITS) & 1) != 0;
}

/* The first pair from the cursor's place on whose bucket is in the window and was not looked into. 'error' is that of
 * the cursor's last move, to key. */
static err_t settle_pair(struct merge *m, err_t error, struct text key)
{
    struct text value;
    for (; error == ERROR_OK; error = kv_cursor_next(m->pairs, &key, &value)) {
        if (key.len != USAGE_TIME_KEY_SIZE)
            return ERROR_STORE_CORRUPT;
        m->pair_bucket = get_u32be((const uint8_t *)key.ptr + 4);
        if (m->pair_bucket >= m->first_bucket && m->pair_bucket < m->end_bucket && !is_looked_into(m, m->pair_bucket)) {
            m->pair_period = get_u32be((const uint8_t *)key.ptr);
            m->found_new = true;
            break;
        }
    }
    m->pair_there = error == ERROR_OK;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* The walk over the pairs begins, for rows of a subscription with usage hours from 'period' on. */
static err_t walk_from(struct merge *m, uint32_t subscription, uint32_t period)
{
    uint8_t start[USAGE_TIME_KEY_SIZE] = { 0 };
    struct text key = TEXT_NONE, value;
    put_u32be(start, period);
    m->subscription = subscription;
    m->from_start = period == 0;
    m->found_new = false;
    err_t error = kv_cursor_seek(m->pairs, BYTES(start), &key, &value);
    return settle_pair(m, error, key);
}

static err_t next_pair(struct merge *m)
{
    struct text key = TEXT_NONE, value;
    err_t error = kv_cursor_next(m->pairs, &key, &value);
    return settle_pair(m, error, key);
}

/* Puts the bucket's first row at or after (m->subscription, m->pair_period) into the heap. */
static err_t look_into(struct merge *m)
{
    uint32_t bit = m->pair_bucket - m->first_bucket;
    struct row_key start = { .subscription = m->subscription, .period = m->pair_period };
    struct merge_source source = { .cursor = NULL };
    uint8_t bytes[ROW_KEY_SIZE];
    if (merge_compare_rows(&start, &m->from) < 0)
        start = m->from;
    start.bucket = m->pair_bucket;
    row_key_encode(&start, bytes);
    m->looked_into[bit / BITS] |= UINT64_C(1) << (bit % BITS);
    struct rows_cursor **cursor = m->own_cursors < OWN_CURSORS_MAX ? &source.cursor : &m->shared;
    err_t error =
        *cursor == NULL ? m->rows->open(m->txn, m->family, bytes, true, cursor) : m->rows->seek(*cursor, bytes);
    if (error == ERROR_OK)
        error = next_visible(m, *cursor, &source);
    bool taken = error == ERROR_OK && wanted(m, &source.key, m->pair_bucket);
    if (taken)
        error = push(m, &source);
    if (source.cursor != NULL && taken && error == ERROR_OK)
        m->own_cursors++;
    else if (source.cursor != NULL)
        m->rows->close(source.cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* Looks into every bucket that may hold a row before the heap's top, so that the top is the next row of all. */
static err_t look_ahead(struct merge *m)
{
    err_t error = ERROR_OK;
    while (m->pairs != NULL && error == ERROR_OK) {
        const struct merge_source *top = merge_top(m);
        if (m->pair_there) {
            const struct row_key bound = { .subscription = m->subscription, .period = m->pair_period };
            if (top != NULL && merge_compare_rows(&top->key, &bound) < 0)
                return ERROR_OK;
            error = look_into(m);
            if (error == ERROR_OK)
                error = next_pair(m);
            continue;
        }
        if (top != NULL && top->key.subscription <= m->subscription)
            return ERROR_OK;
        if (m->only_subscription != 0 || (m->from_start && !m->found_new)) {
            kv_cursor_close(m->pairs); /* every bucket has been looked into */
            m->pairs = NULL;
            return ERROR_OK;
        }
        error = walk_from(m, m->subscription + 1, 0);
    }
    return error;
}

static err_t open_later(struct merge *m)
{
    m->looked_into = arena_array(m->arena, (m->end_bucket - m->first_bucket) / BITS + 1, sizeof *m->looked_into);
    if (m->looked_into == NULL)
        return ERROR_NO_MEMORY;
    if (m->from.subscription == 0)
        m->from.subscription = 1; /* ids begin with it */
    err_t error = kv_cursor_open(m->txn, KV_USAGE_TIMES, &m->pairs);
    if (error == ERROR_OK)
        error = walk_from(m, m->from.subscription, m->from.period);
    return error == ERROR_OK ? look_ahead(m) : error;
}

err_t merge_open(struct merge *m, const struct row_key *from)
{
    m->from = *from;
    if (m->from.subscription < m->only_subscription)
        m->from = (struct row_key){ .subscription = m->only_subscription };
    if (m->first_bucket >= m->end_bucket)
        return ERROR_OK;
    uint32_t span = m->end_bucket - m->first_bucket;
    bool later = m->family == ROWS_HOURLY && span > WINDOW_SHORT_HOURS && span <= m->sources_max;
    return later ? open_later(m) : open_all(m);
}

/* --- steps --- */

/* A cursor from behind the row on. */
static err_t step_shared(struct merge *m, struct merge_source *source)
{
    struct row_key from = source->key;
    REQUIRE(from.instance < UINT32_MAX); /* ids are far below: the next key in order differs in the last field alone */
    from.instance++;
    if (m->own_cursors == OWN_CURSORS_MAX) {
        err_t error = seek(m, m->shared, &from);
        return error == ERROR_OK ? next_visible(m, m->shared, source) : error;
    }
    uint8_t bytes[ROW_KEY_SIZE];
    row_key_encode(&from, bytes);
    err_t error = m->rows->open(m->txn, m->family, bytes, true, &source->cursor);
    if (error != ERROR_OK)
        return error;
    m->own_cursors++;
    return next_visible(m, source->cursor, source);
}

err_t merge_step(struct merge *m)
{
    REQUIRE(m->count > 0);
    struct merge_source *source = &m->sources[m->heap[0]];
    uint32_t bucket = source->key.bucket;
    err_t error = source->cursor != NULL ? next_visible(m, source->cursor, source) : step_shared(m, source);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    if (error == ERROR_NOT_FOUND || !wanted(m, &source->key, bucket))
        m->heap[0] = m->heap[--m->count];
    if (m->count > 0)
        sift_down(m);
    return look_ahead(m);
}

void merge_close(struct merge *m)
{
    for (size_t i = 0; i < m->source_count; i++)
        if (m->sources[i].cursor != NULL)
            m->rows->close(m->sources[i].cursor);
    if (m->shared != NULL)
        m->rows->close(m->shared);
    if (m->pairs != NULL)
        kv_cursor_close(m->pairs);
}
