/* Lists of usage rows for the usage APIs: one row per (subscription, usage hour or day, meter, resource) of a
 * window of reported time, in that order, 1,000 a page. The buckets of the window are merged on the fly, so a
 * page costs the same wherever it lies (promise 10). A window that has ended never changes, so a page token
 * is just the last key. Any thread with a snapshot. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/text.h"
#include "store/store.h"

#define LISTING_PAGE_ROWS 1000
/* Buckets of a window that hold something; 400 days of hours are 9,600. */
#define LISTING_BUCKETS_MAX 20000

struct listing_query {
    bool daily;
    bool details;             /* false: summed over resources */
    int64_t start_ns, end_ns; /* reported; on the boundary of the granularity */
    bool one_subscription;
    struct guid subscription;
    /* What the caller may not see is skipped: dictionary ids known beforehand, ascending ... */
    const uint32_t *excluded;
    size_t excluded_count;
    /* ... all but these, ascending, where they are known (NULL: not) ... */
    const uint32_t *included;
    size_t included_count;
    /* ... and usage times at which a subscription does not show: gives the first time from time_ns on at which it
     * does, and until when, [*from_ns, *to_ns); *from_ns INT64_MAX: never again. A row shows when its usage hour or day
     * begins at such a time. Asked about once a page for each subscription met, more often only for one with several
     * such spans. NULL: always. */
    err_t (*shows)(void *context, struct kv_txn *txn, const struct guid *subscription, int64_t time_ns,
                   int64_t *from_ns, int64_t *to_ns);
    void *shows_context;
};

/* Where a page ended. All zeros: begin at the start. */
struct listing_position {
    uint32_t subscription, period, meter, resource;
};

struct listing_row {
    /* Dictionary ids of what follows, for caches; of the instance only with details. */
    uint32_t subscription_number, meter_number, instance_number;
    struct guid subscription;
    struct text meter_id;     /* as first written */
    int64_t start_ns, end_ns; /* of the usage hour or day */
    struct decimal_sum quantity;
    uint64_t records;
    bool has_instance;        /* details only */
    struct instance instance; /* of the newest bucket, there the one first seen last; texts live as long as txn */
};

/* Calls emit for each row of the page; stops at its first error. *more tells whether another page follows,
 * *position is moved to the page's end. ERROR_STORE_CORRUPT, ERROR_NO_MEMORY, or ERROR_INVALID_PROPERTY when
 * the window holds more than LISTING_BUCKETS_MAX buckets. */
MUST_CHECK err_t listing_page(struct store *store, struct kv_txn *txn, struct arena *arena,
                              const struct listing_query *query, struct listing_position *position,
                              err_t (*emit)(void *context, const struct listing_row *row), void *context, bool *more);

/* The instanceData text of a row: {"Microsoft.Resources":{...}} with tags and additionalInfo as text, as the
 * recorded answers of real stamps have them. */
void listing_write_instance_data(const struct instance *instance, struct buffer *out);
