/* What the files about subscriptions share: subscriptions.c (the description), subscription_history.c (whose it was
 * when), subscription_write.c (changes), provider_tree.c (who sold it). */
#pragma once

#include "store/write.h"
#include "usage/subscription_history.h"
#include "usage/subscriptions.h"

/* The setting that holds the operator's own subscription. */
#define OPERATOR_SUBSCRIPTION_KEY TEXT("operator_subscription")

static inline struct text guid_bytes(const struct guid *guid)
{
    return (struct text){ (const char *)guid->bytes, sizeof guid->bytes };
}

/* As it was described last, whatever holds now. ERROR_NOT_FOUND. Texts in the arena. */
MUST_CHECK err_t subscription_stored(struct kv_txn *txn, struct arena *arena, const struct guid *id,
                                     struct subscription *out);
/* The same of a value of KV_SUBSCRIPTIONS. */
MUST_CHECK err_t subscription_decode(struct arena *arena, struct text value, const struct guid *id,
                                     struct subscription *out);
/* Counts a change for subscription_version. */
MUST_CHECK err_t subscription_count_change(struct kv_txn *txn);

/* Changes of a subscription, or none of one whose state before changes were kept is 'stored' (NULL: it is new), as
 * periods. Pure but for the arena. */
MUST_CHECK err_t subscription_periods_of(struct arena *arena, const struct subscription_change *changes, size_t count,
                                         const struct subscription *stored, int64_t known_ns,
                                         struct subscription_periods *out);
/* Appends under change->number. Writer thread. */
MUST_CHECK err_t subscription_change_put(struct kv_txn *txn, const struct guid *id,
                                         const struct subscription_change *change);

/* Calls visit for every described subscription, by id, with its periods as known now, until it returns an error or sets
 * *stop. What visit allocates in the arena is given back after each call. */
typedef err_t (*subscription_visit)(void *context, const struct guid *id, const struct subscription_periods *periods,
                                    bool *stop);
MUST_CHECK err_t subscription_each(struct kv_txn *txn, struct arena *arena, subscription_visit visit, void *context);
