/* Whose a subscription was, and which provider's, at any time: an append-only list of changes per subscription, each
 * "from that hour on" with tenant, provider and state. What held at time t is the change recorded last among those with
 * effective_ns <= t: a change overrides everything from its hour on, also what was scheduled later, and what was
 * believed earlier stays visible (known_ns). Hours are whole (the same rule as registration/customers.h).
 *
 * Before the first change's hour nobody has described the subscription: it is Unknown, has no tenant, and belongs to
 * the operator. The first description holds for ever since unless it says from when, because nobody said otherwise. A
 * subscription described before changes were kept has none of its own: its present state holds for ever; its first
 * change writes that down as change 1, without a time of its own. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/text.h"
#include "store/kv.h"
#include "usage/subscriptions.h"

/* Per subscription; it moves a few times in its life. More are refused, except for its deletion. */
#define SUBSCRIPTION_CHANGES_MAX 1000

struct subscription_change {
    uint64_t number;      /* per subscription, from 1 */
    int64_t effective_ns; /* start of an hour; INT64_MIN: ever since */
    int64_t recorded_ns;  /* INT64_MIN: before changes were kept */
    struct guid tenant_id, provider_subscription_id;
    enum subscription_state state; /* Enabled or Deleted */
    int64_t deleted_ns;            /* as in struct subscription */
    struct text by;                /* "" if nobody is known */
};

/* A time in which nothing changed: from start_ns to the next period's start. */
struct subscription_period {
    int64_t start_ns; /* of the first one INT64_MIN */
    struct guid tenant_id, provider_subscription_id;
    enum subscription_state state;
    int64_t deleted_ns;
};
/* All time, ascending, at least one; neighbours differ. */
struct subscription_periods {
    const struct subscription_period *items;
    size_t count;
};

/* Everything below: any snapshot, results in the arena and valid without it; ERROR_NO_MEMORY, ERROR_STORE_CORRUPT. */

/* The changes in the order in which they were recorded; none for a subscription that nobody described, or not since
 * changes are kept. */
MUST_CHECK err_t subscription_history(struct kv_txn *txn, struct arena *arena, const struct guid *id,
                                      struct subscription_change **out, size_t *count);

/* As known at known_ns (INT64_MAX: now). For those who ask about many hours of few subscriptions: read once, then look
 * up with subscription_period_at. Also for one that nobody described: a single period, Unknown. */
MUST_CHECK err_t subscription_periods(struct kv_txn *txn, struct arena *arena, const struct guid *id, int64_t known_ns,
                                      struct subscription_periods *out);
/* The period that time_ns lies in. */
const struct subscription_period *subscription_period_at(const struct subscription_periods *periods, int64_t time_ns);

/* The subscription with tenant, provider and state as of time_ns, as known at known_ns; names are the present ones.
 * ERROR_NOT_FOUND when nobody described it: *out is then filled as Unknown all the same (see subscription_get for
 * whether it was seen in usage). */
MUST_CHECK err_t subscription_at(struct kv_txn *txn, struct arena *arena, const struct guid *id, int64_t time_ns,
                                 int64_t known_ns, struct subscription *out);
/* Every subscription as of time_ns, in the order of subscription_list, with its periods; 'periods' may be NULL. */
MUST_CHECK err_t subscription_list_at(struct kv_txn *txn, struct arena *arena, int64_t time_ns, int64_t known_ns,
                                      struct subscription **out, struct subscription_periods **periods, size_t *count);
