/* A fixed table of small sets: an id belongs to one set and takes, in this order, its own place there, one that has
 * expired, or the one that expires first. */
#include "api/subscription_cache.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/memory.h"
#include "commerce/catalogue.h"

#define SETS (SUBSCRIPTION_CACHE_ENTRIES_MAX / SUBSCRIPTION_CACHE_SET_ENTRIES)

struct entry {
    struct guid id, tenant_id;
    int64_t expires_ns; /* 0: empty */
    uint8_t partner_size, reseller_size, offer;
    bool known, active;
    char partner_id[PARTNER_ID_SIZE_MAX], reseller_id[PARTNER_ID_SIZE_MAX];
};

struct subscription_cache {
    struct entry entries[SETS][SUBSCRIPTION_CACHE_SET_ENTRIES];
};

err_t subscription_cache_new(struct subscription_cache **out)
{
    *out = memory_zalloc(1, sizeof **out);
    return *out != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

void subscription_cache_free(struct subscription_cache *cache)
{
    memory_free(cache);
}

/* Ids are random; nobody but the commercial side's own people chooses which are asked for. */
static size_t set_of(const struct guid *id)
{
    return (get_u64be(id->bytes) ^ get_u64be(id->bytes + 8)) % SETS;
}

static err_t copy_out(const struct entry *entry, struct arena *arena, struct commercial_subscription *out)
{
    *out = (struct commercial_subscription){
        .id = entry->id,
        .tenant_id = entry->tenant_id,
        .partner_id = arena_text(arena, (struct text){ entry->partner_id, entry->partner_size }),
        .reseller_id = arena_text(arena, (struct text){ entry->reseller_id, entry->reseller_size }),
        .offer = (enum offer)entry->offer,
        .active = entry->active,
    };
    return out->partner_id.ptr != NULL && out->reseller_id.ptr != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

err_t subscription_cache_get(const struct subscription_cache *cache, const struct guid *id, int64_t now_ns,
                             struct arena *arena, bool *known, struct commercial_subscription *out)
{
    const struct entry *set = cache->entries[set_of(id)];
    for (size_t i = 0; i < SUBSCRIPTION_CACHE_SET_ENTRIES; i++) {
        if (set[i].expires_ns <= now_ns || !guid_equal(&set[i].id, id))
            continue;
        *known = set[i].known;
        return *known ? copy_out(&set[i], arena, out) : ERROR_OK;
    }
    return ERROR_NOT_FOUND;
}

static struct entry *place_for(struct subscription_cache *cache, const struct guid *id, int64_t now_ns)
{
    struct entry *set = cache->entries[set_of(id)], *place = &set[0];
    for (size_t i = 0; i < SUBSCRIPTION_CACHE_SET_ENTRIES; i++) {
        if (guid_equal(&set[i].id, id))
            return &set[i];
        if (set[i].expires_ns < place->expires_ns && place->expires_ns > now_ns)
            place = &set[i];
    }
    return place;
}

void subscription_cache_put(struct subscription_cache *cache, const struct guid *id,
                            const struct commercial_subscription *subscription, int64_t now_ns, int64_t expires_ns)
{
    struct entry *entry = place_for(cache, id, now_ns);
    *entry = (struct entry){ .id = *id, .expires_ns = expires_ns, .known = subscription != NULL };
    if (subscription == NULL)
        return;
    REQUIRE(subscription->partner_id.len <= PARTNER_ID_SIZE_MAX &&
            subscription->reseller_id.len <= PARTNER_ID_SIZE_MAX);
    entry->tenant_id = subscription->tenant_id;
    entry->offer = (uint8_t)subscription->offer;
    entry->active = subscription->active;
    entry->partner_size = (uint8_t)subscription->partner_id.len;
    entry->reseller_size = (uint8_t)subscription->reseller_id.len;
    if (subscription->partner_id.len > 0)
        memcpy(entry->partner_id, subscription->partner_id.ptr, subscription->partner_id.len);
    if (subscription->reseller_id.len > 0)
        memcpy(entry->reseller_id, subscription->reseller_id.ptr, subscription->reseller_id.len);
}
