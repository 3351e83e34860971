/* What the two halves of a summary share: summary.c (filters, order, rows) and summary_scan.c (adding up). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "store/keys.h"
#include "store/store.h"
#include "usage/attributes.h"
#include "usage/meters.h"
#include "usage/summary.h"

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

/* Whether a row passes the filters but that of the subscription. 'attributes': of its instance. */
bool summary_passes(const struct summary *s, uint32_t meter, uint32_t resource, const struct attributes *attributes);
/* What groups or filters ask of a row beside time, subscription and meter. */
bool summary_needs_attributes(const struct summary *s);
bool summary_needs_resources(const struct summary *s);

/* Adds up all rows of the query into groups. ERROR_INVALID_PROPERTY: more than SUMMARY_GROUPS_MAX. */
MUST_CHECK err_t summary_scan(struct summary *s);
