/* Sums of usage for consoles and scripts: by any of subscription, meter, resource, location, source and tags,
 * over usage or reported time, hourly, daily or as one total. Quantities of different units are never added
 * up. Source: interface.md section 4. Any thread with a snapshot; long ones belong on a worker. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/text.h"
#include "store/store.h"
#include "usage/meters.h"
#include "usage/page_token.h"

#define SUMMARY_TAGS_MAX 4
#define SUMMARY_FILTERS_MAX 16
#define SUMMARY_PAGE_ROWS 1000
/* More groups than this ask for a narrower question. */
#define SUMMARY_GROUPS_MAX 2000000

enum summary_granularity { SUMMARY_TOTAL, SUMMARY_DAILY, SUMMARY_HOURLY };

enum summary_member {
    SUMMARY_SUBSCRIPTION,
    SUMMARY_METER,
    SUMMARY_RESOURCE,
    SUMMARY_LOCATION,
    SUMMARY_SOURCE,
    SUMMARY_TAG /* with a name */
};

struct summary_filter {
    enum summary_member member;
    struct text tag, value;
};

struct summary_query {
    int64_t from_ns, to_ns; /* on full hours; on midnights when daily */
    bool reported_axis;     /* else usage time */
    enum summary_granularity granularity;
    bool by_subscription, by_meter, by_resource, by_location, by_source;
    struct text tags[SUMMARY_TAGS_MAX]; /* names to group by */
    size_t tag_count;
    struct summary_filter filters[SUMMARY_FILTERS_MAX];
    size_t filter_count;
};

/* "subscription,meter,tag:cc" and "meterId eq 'x' and location eq 'y'" into the query. ERROR_INVALID_PROPERTY. */
MUST_CHECK err_t summary_read_group_by(struct text text, struct summary_query *query, struct error_info *info);
MUST_CHECK err_t summary_read_filter(struct arena *arena, struct text text, struct summary_query *query,
                                     struct error_info *info);

/* A row to print. Texts live in the summary or as long as the transaction; ptr NULL: not grouped by (for
 * tags: the record has none of that name). */
struct summary_row {
    int64_t start_ns, end_ns;
    bool has_subscription;
    struct guid subscription;
    struct text meter_id, meter_name; /* also there when the unit is unknown, which keeps meters apart */
    struct text unit;                 /* ptr NULL: unknown */
    struct text resource_uri, location, source;
    struct text tags[SUMMARY_TAGS_MAX];
    struct decimal_sum quantity;
    uint64_t records;
    uint8_t position[PAGE_POSITION_SIZE]; /* for the token of a page that ends here */
};

struct summary;

/* Adds up everything, then rows are read in order (time, then groups). ERROR_INVALID_PROPERTY when there are
 * more than SUMMARY_GROUPS_MAX groups, ERROR_NO_MEMORY, ERROR_STORE_CORRUPT. query and meters are borrowed. */
MUST_CHECK err_t summary_run(struct store *store, struct kv_txn *txn, const struct meters *meters,
                             const struct summary_query *query, struct summary **out, struct error_info *info);
void summary_free(struct summary *summary);
size_t summary_count(const struct summary *summary);
/* Rows may be read with a later snapshot than the one that was added up: names never change. */
void summary_set_snapshot(struct summary *summary, struct kv_txn *txn);
/* Row 'index' of summary_count, in order. Needs a live snapshot: that of summary_run or one set since. */
MUST_CHECK err_t summary_row(const struct summary *summary, size_t index, struct summary_row *row);
/* Index of the row after the one whose position this is; summary_count if none. */
size_t summary_after(const struct summary *summary, const uint8_t position[PAGE_POSITION_SIZE]);
