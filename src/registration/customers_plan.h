/* Private to customers*.c: what a batch of changes comes to, worked out in memory before anything is written.
 *
 * A timeline is what a tenant's mapping is known to be from the plan's first hour on: stretches, each from its start to
 * the start of the next, the last for ever; neighbours differ. Operations cut and replace stretches; at the end what
 * differs from the beginning is appended as changes, from the first hour on at which it differs, so that "recorded
 * last" gives the new timeline. Used by one thread within one transaction. */
#pragma once

#include "registration/customers_internal.h"

#define PLAN_STRETCHES_MAX 250000 /* of all timelines of a plan: some 40 MiB */

struct stretches {
    struct customer_stretch *items;
    size_t count, capacity; /* capacity 0: the items are somebody else's */
};

struct timeline {
    struct guid tenant_id;
    struct stretches before, now;
    uint64_t last_change; /* number; 0: none */
    struct timeline *next;
    /* Set by plan_compare. */
    bool differs;    /* from the beginning */
    int64_t from_ns; /* the first hour at which it does */
    bool full;       /* that takes more changes than are kept, which is for taking away only */
};

struct plan {
    struct kv_txn *txn;
    struct arena *arena; /* owned */
    uint64_t registration;
    int64_t from_ns;                /* no operation is about an earlier hour */
    struct timeline *first, **tail; /* in the order in which they were touched */
    struct timeline **slots;        /* open addressing by tenant */
    size_t slot_count, used;
    size_t stretch_count; /* loaded */
};

MUST_CHECK err_t plan_open(struct plan *plan, struct kv_txn *txn, uint64_t registration, int64_t from_ns);
void plan_close(struct plan *plan);
/* The tenant's, read at the first call. ERROR_CONFLICT: more than PLAN_STRETCHES_MAX in all. */
MUST_CHECK err_t plan_timeline(struct plan *plan, const struct guid *tenant_id, struct timeline **out);
/* Replaces everything from the stretch's start on, unless that payer has the tenant there already: then the rest stays
 * too. *changed: it did not. Costs as much as it replaces. */
MUST_CHECK err_t timeline_set(struct plan *plan, struct timeline *timeline, const struct customer_stretch *stretch,
                              bool *changed);
/* Takes the subscription away from start_ns on, and leaves the rest. */
MUST_CHECK err_t timeline_remove(struct plan *plan, struct timeline *timeline, int64_t start_ns,
                                 const struct guid *customer_id, bool *changed);
/* The stretch that an hour of the plan lies in. */
const struct customer_stretch *stretch_at(const struct stretches *stretches, int64_t time_ns);
/* Sets of every timeline what has become of it. */
void plan_compare(struct plan *plan);
/* After plan_compare: appends the changes of all timelines; 'change' has what they share (recorded_ns, by, request). */
MUST_CHECK err_t plan_write(struct plan *plan, const struct customer_change *change);
