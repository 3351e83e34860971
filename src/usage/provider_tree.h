/* Who sold a subscription (spec 3.2): the operator, or a delegated provider, which is itself a subscription of the
 * stamp, sold by the operator or by another delegated provider. The tree changes with time as subscriptions move
 * (subscription_history.h); at each hour a subscription is a direct tenant of exactly one provider, so what all
 * providers see of an hour is the whole of it, once.
 *
 * An hour's usage is its provider's at the hour's start, a day's its provider's at the day's start (UTC): a daily row
 * is never split. A subscription that nobody has described (yet) is the operator's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/guid.h"
#include "store/kv.h"
#include "usage/subscription_history.h"

/* Delegated providers above a subscription, at most. Real stamps have one or two levels. */
#define PROVIDER_DEPTH_MAX 8
/* Look-ups that one check may take: hours at which the chain above a provider changes, times its length. */
#define PROVIDER_WALK_STEPS_MAX 20000

/* --- reading; any snapshot --- */

/* Whether the provider of a period is 'provider'; zeros in the period stand for the operator. */
bool provider_is(const struct subscription_period *period, const struct guid *provider, const struct guid *operator_id);

/* Whether it was ever named as a subscription's provider: those may ask as providers. */
MUST_CHECK err_t provider_is_named(struct kv_txn *txn, struct arena *arena, const struct guid *id, bool *named);

/* What one provider may see, for lists of usage rows (see listing_query.shows). Keeps the periods of the subscription
 * asked about last, in memory of its own. One thread at a time. */
struct provider_view {
    struct guid provider, operator_id;
    struct arena *arena; /* own */
    bool has_periods;
    struct guid subscription;
    struct subscription_periods periods;
};
MUST_CHECK err_t provider_view_init(struct provider_view *view, const struct guid *provider,
                                    const struct guid *operator_id);
void provider_view_free(struct provider_view *view);
/* The first time from time_ns on in which the subscription is the provider's: [*from_ns, *to_ns); *to_ns INT64_MAX: for
 * ever. *from_ns INT64_MAX: there is none. */
MUST_CHECK err_t provider_view_span(struct provider_view *view, struct kv_txn *txn, const struct guid *subscription,
                                    int64_t time_ns, int64_t *from_ns, int64_t *to_ns);
/* Dictionary ids, ascending, of the subscriptions seen in usage that were ever the provider's, where they can be
 * enumerated: not the operator's (*out NULL), who has whoever nobody described, too. */
struct store;
MUST_CHECK err_t provider_view_members(struct provider_view *view, struct store *store, struct kv_txn *txn,
                                       struct arena *arena, uint32_t **out, size_t *count);

/* --- checks of changes; writer's transaction --- */

/* Whether 'id' may be the provider's from 'from_ns' on: a subscription that is described and in use from then on, or
 * up to in_use_to_ns if 'id' is not in use from there on (else INT64_MAX), and whose own providers do not lead back to
 * 'id', within PROVIDER_DEPTH_MAX. ERROR_INVALID_PROPERTY with target providerSubscriptionId and the chain in the
 * message, ERROR_CONFLICT where PROVIDER_WALK_STEPS_MAX does not do. 'is_new': nobody had described it before. */
MUST_CHECK err_t provider_check(struct kv_txn *txn, struct arena *arena, const struct guid *id,
                                const struct guid *provider, const struct guid *operator_id, int64_t from_ns,
                                int64_t in_use_to_ns, bool is_new, struct error_info *info);
/* ERROR_CONFLICT naming them when it has tenants that are in use at from_ns or later. */
MUST_CHECK err_t provider_check_unused(struct kv_txn *txn, struct arena *arena, const struct guid *provider,
                                       int64_t from_ns, struct error_info *info);
/* Remembers that it was named as a provider. */
MUST_CHECK err_t provider_name(struct kv_txn *txn, struct arena *arena, const struct guid *provider);
