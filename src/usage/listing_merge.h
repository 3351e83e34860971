/* The rows of the buckets of a window, as one sequence in the order (subscription, period, meter, resource, bucket,
 * instance). Part of listing.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "store/keys.h"
#include "store/kv.h"
#include "store/rows.h"

/* A bucket that has a row left. */
struct merge_source {
    struct row_key key; /* its next row */
    struct row_sum sum;
    struct rows_cursor *cursor; /* stands behind that row; NULL: none of its own (yet) */
};

/* The caller sets the first group. */
struct merge {
    const struct rows_engine *rows;
    struct kv_txn *txn;
    struct arena *arena;
    enum row_family family;
    uint32_t first_bucket, end_bucket;
    uint32_t only_subscription; /* 0: all */
    size_t sources_max;         /* more buckets: ERROR_INVALID_PROPERTY */
    /* Moves on to the first (subscription, period) at or after the given one whose rows are not left out; a
     * subscription of UINT32_MAX stands for none. NULL: all are shown. */
    err_t (*skip)(void *context, uint32_t *subscription, uint32_t *period);
    void *context;

    struct rows_cursor *shared; /* finds the buckets, and steps in those without a cursor */
    struct merge_source *sources;
    uint32_t *heap; /* of sources, by their keys */
    size_t count, capacity, source_count, own_cursors;

    /* Long windows: buckets that have not been looked into yet, see listing_merge.c. */
    struct kv_cursor *pairs; /* of KV_USAGE_TIMES; NULL: all buckets have been */
    struct row_key from;
    bool pair_there;
    uint32_t pair_period, pair_bucket; /* the next pair whose bucket has not been looked into */
    uint32_t subscription;             /* whose rows the pairs stand for now */
    bool from_start, found_new;        /* the walk over the pairs began with the first; met such a bucket */
    uint64_t *looked_into;             /* bits, from first_bucket on */
};

/* On the first row of all at or after 'from' (its bucket does not matter). merge_close also after an error. */
MUST_CHECK err_t merge_open(struct merge *merge, const struct row_key *from);
/* The next row, NULL at the end; valid until merge_step. */
static inline const struct merge_source *merge_top(const struct merge *merge)
{
    return merge->count > 0 ? &merge->sources[merge->heap[0]] : NULL;
}
MUST_CHECK err_t merge_step(struct merge *merge);
void merge_close(struct merge *merge);

/* Order of two rows by everything but bucket and instance. */
static inline int merge_compare_rows(const struct row_key *a, const struct row_key *b)
{
    if (a->subscription != b->subscription)
        return a->subscription < b->subscription ? -1 : 1;
    if (a->period != b->period)
        return a->period < b->period ? -1 : 1;
    if (a->meter != b->meter)
        return a->meter < b->meter ? -1 : 1;
    return a->resource == b->resource ? 0 : a->resource < b->resource ? -1 : 1;
}
