/* The records and corrections behind a row: everything reported in some hours that counts for some usage hours of a
 * subscription and meter, read back from the journal (architecture: every figure can be traced to what was posted).
 * A page looks at a bounded part of the journal; the next one goes on where it ended. Any thread with a snapshot.
 * Source: interface.md section 3, GET /v1/explain. */
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
#include "usage/record_view.h"

#define EXPLAIN_PAGE_ITEMS 1000
/* Journal entries looked at for a page: some 20 ms. */
#define EXPLAIN_ENTRIES_MAX 200000
/* Texts of a page. */
#define EXPLAIN_TEXT_BYTES_MAX ((size_t)4 * 1024 * 1024)
/* Reported hours in which usage of an hour or day may have been reported. */
#define EXPLAIN_HOURS_MAX 20000

struct explain_query {
    struct guid subscription;
    struct text meter_id;
    struct text resource_uri; /* ptr NULL: all resources, as in lists without details */
    bool daily;               /* a row of the daily list: usage and reported period are days */
    uint32_t usage_period;    /* hour or day of usage */
    bool any_reported;        /* all reported periods that hold usage of that period */
    uint32_t reported_period; /* else this one */
};

/* Where a page ended; zeros: begin. */
struct explain_position {
    uint32_t reported_hour;
    uint64_t sequence; /* the next one to look at */
};

struct explain_item {
    struct record_view record;
    const struct journal_entry *correction; /* NULL: the record itself counts, else this correction of it */
    struct decimal share;                   /* what it adds to the row */
};

struct explain_result {
    bool found;                   /* there is such a row */
    struct decimal_sum quantity;  /* its stored sum */
    uint64_t records;             /* its stored count */
    struct decimal_sum explained; /* the shares of this page; those of all pages add up to quantity */
    bool incomplete;              /* retention has dropped a part of the journal that belongs to the row */
    bool more;
};

/* Calls emit for each item of the page, in the order of the journal within each reported hour; stops at its first
 * error. An item lives until emit returns. ERROR_INVALID_PROPERTY: any_reported with more than EXPLAIN_HOURS_MAX
 * reported hours. */
MUST_CHECK err_t explain_page(struct store *store, struct kv_txn *txn, struct arena *arena,
                              const struct explain_query *query, struct explain_position *position,
                              err_t (*emit)(void *context, const struct explain_item *item), void *context,
                              struct explain_result *result);
