/* A heap over the buckets. Finding the next row of each bucket takes a seek per bucket, once a page; from then on a
 * bucket that is taken from gets a cursor of its own, so that a row costs a step and not a seek. Buckets that give
 * nothing to the page never get one. Beyond OWN_CURSORS_MAX buckets share a cursor that seeks. */
#include "usage/listing_merge.h"

#include <string.h>

#include "base/check.h"

#define OWN_CURSORS_MAX 512
#define SOURCES_MIN 64

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
        bool hidden = false;
        err_t error = m->rows->next(cursor, &key, &value);
        if (error != ERROR_OK)
            return error;
        out->key = row_key_decode(key);
        out->sum = row_sum_decode(value);
        if (m->hides != NULL)
            error = m->hides(m->context, out->key.subscription, &hidden);
        if (error != ERROR_OK || !hidden)
            return error;
        struct row_key from = { .bucket = out->key.bucket, .subscription = out->key.subscription + 1 };
        if ((error = seek(m, cursor, &from)) != ERROR_OK)
            return error;
    }
}

static bool wanted(const struct merge *m, const struct row_key *key, uint32_t bucket)
{
    return key->bucket == bucket && (m->only_subscription == 0 || key->subscription == m->only_subscription);
}

err_t merge_open(struct merge *m, const struct row_key *from)
{
    struct row_key start = *from;
    if (start.subscription < m->only_subscription)
        start = (struct row_key){ .subscription = m->only_subscription };
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
    return ERROR_OK;
}

void merge_close(struct merge *m)
{
    for (size_t i = 0; i < m->source_count; i++)
        if (m->sources[i].cursor != NULL)
            m->rows->close(m->sources[i].cursor);
    if (m->shared != NULL)
        m->rows->close(m->shared);
}
