/* Answers of the external resolver, kept for a while in memory: at most SUBSCRIPTION_CACHE_ENTRIES_MAX, older ones make
 * room. "Nobody knows it" is an answer, too. Loop thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "registration/customers.h"

#define SUBSCRIPTION_CACHE_ENTRIES_MAX 16384
/* Each id belongs to one set of that many. */
#define SUBSCRIPTION_CACHE_SET_ENTRIES 16

struct subscription_cache;

MUST_CHECK err_t subscription_cache_new(struct subscription_cache **out);
void subscription_cache_free(struct subscription_cache *cache);

/* ERROR_NOT_FOUND: nothing is kept, or it has expired. Else *known and, if known, *out with texts in the arena. */
MUST_CHECK err_t subscription_cache_get(const struct subscription_cache *cache, const struct guid *id, int64_t now_ns,
                                        struct arena *arena, bool *known, struct commercial_subscription *out);
/* subscription NULL: nobody knows it. Ids of partners are at most PARTNER_ID_SIZE_MAX long. */
void subscription_cache_put(struct subscription_cache *cache, const struct guid *id,
                            const struct commercial_subscription *subscription, int64_t now_ns, int64_t expires_ns);
