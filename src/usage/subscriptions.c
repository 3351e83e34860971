/* Subscriptions: JSON under the 16 bytes of their id, as they were described last; whose they are at a given time is
 * subscription_history.c. Which subscriptions were only seen in usage is known from the dictionary, so "Unknown" is
 * derived, never stored. */
#include "usage/subscriptions.h"

#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/members.h"
#include "store/keys.h"
#include "usage/subscriptions_internal.h"

#define TEXT_SIZE_MAX 512

static const struct text version_key = { "subscriptions_version", 21 };

const char *subscription_state_name(enum subscription_state state)
{
    static const char *const names[] = { "Enabled", "Deleted", "Unknown" };
    return names[state];
}

err_t subscription_operator(struct kv_txn *txn, struct guid *id)
{
    struct text value;
    err_t error = kv_get(txn, KV_SETTINGS, OPERATOR_SUBSCRIPTION_KEY, &value);
    if (error == ERROR_OK && value.len != sizeof id->bytes)
        error = ERROR_STORE_CORRUPT;
    if (error == ERROR_OK)
        memcpy(id->bytes, value.ptr, value.len);
    return error;
}

/* --- JSON --- */

err_t subscription_from_json(const struct json *body, const struct guid *id, struct subscription *out,
                             struct error_info *info)
{
    *out = (struct subscription){ .id = *id, .state = SUBSCRIPTION_ENABLED, .deleted_ns = INT64_MIN };
    if (json_type(body) != JSON_OBJECT)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, NULL, "the body must be a JSON object");
    err_t error = read_guid_member(body, "tenantId", &out->tenant_id, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "displayName", TEXT_SIZE_MAX, &out->display_name, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "owner", TEXT_SIZE_MAX, &out->owner, info);
    if (error == ERROR_OK)
        error = read_text_member(body, "offerId", TEXT_SIZE_MAX, &out->offer_id, info);
    return error == ERROR_OK ? read_guid_member(body, "providerSubscriptionId", &out->provider_subscription_id, info)
                             : error;
}

static void put_guid(struct json_writer *json, const char *name, const struct guid *guid)
{
    json_name(json, name);
    if (guid_is_zero(guid))
        json_put_null(json);
    else
        json_put_guid(json, guid);
}

void subscription_put_members(const struct subscription *s, struct json_writer *json)
{
    put_guid(json, "subscriptionId", &s->id);
    put_guid(json, "tenantId", &s->tenant_id);
    json_name(json, "displayName");
    json_put_text(json, s->display_name);
    json_name(json, "owner");
    json_put_text(json, s->owner);
    json_name(json, "offerId");
    json_put_text(json, s->offer_id);
    put_guid(json, "providerSubscriptionId", &s->provider_subscription_id);
    json_name(json, "state");
    json_put_cstring(json, subscription_state_name(s->state));
    if (s->state == SUBSCRIPTION_DELETED && s->deleted_ns != INT64_MIN)
        put_time_member(json, "deletedTime", s->deleted_ns);
}

void subscription_to_json(const struct subscription *subscription, struct json_writer *json)
{
    json_begin_object(json);
    subscription_put_members(subscription, json);
    json_end_object(json);
}

/* --- reading --- */

err_t subscription_decode(struct arena *arena, struct text value, const struct guid *id, struct subscription *out)
{
    const struct json *json;
    struct text state;
    err_t error = json_parse_stored(arena, value, &json);
    if (error == ERROR_OK)
        error = subscription_from_json(json, id, out, NULL);
    if (error != ERROR_OK)
        return error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
    if (json_member_string(json, TEXT("state"), &state) && text_equal(state, TEXT("Deleted")))
        out->state = SUBSCRIPTION_DELETED;
    struct text deleted;
    if (json_member_string(json, TEXT("deletedTime"), &deleted) && instant_parse(deleted, &out->deleted_ns) != ERROR_OK)
        return ERROR_STORE_CORRUPT;
    return ERROR_OK;
}

err_t subscription_stored(struct kv_txn *txn, struct arena *arena, const struct guid *id, struct subscription *out)
{
    struct text value;
    err_t error = kv_get(txn, KV_SUBSCRIPTIONS, guid_bytes(id), &value);
    return error == ERROR_OK ? subscription_decode(arena, value, id, out) : error;
}

err_t subscription_get(struct store *store, struct kv_txn *txn, struct arena *arena, const struct guid *id,
                       struct subscription *out)
{
    uint32_t seen;
    err_t error = subscription_at(txn, arena, id, store_now_ns(store), INT64_MAX, out);
    return error == ERROR_NOT_FOUND
               ? dictionary_find(store_dictionary(store), txn, DICTIONARY_SUBSCRIPTION, guid_bytes(id), &seen)
               : error;
}

struct list {
    struct arena *arena;
    struct subscription *items;
    size_t count, capacity;
};

static struct subscription *list_add(struct list *list)
{
    struct subscription *items = arena_grow(list->arena, list->items, list->count, &list->capacity, sizeof *items);
    if (items == NULL)
        return NULL;
    list->items = items;
    return &items[list->count++];
}

static err_t list_described(struct kv_txn *txn, struct list *list)
{
    struct kv_cursor *cursor;
    err_t error = kv_cursor_open(txn, KV_SUBSCRIPTIONS, &cursor);
    if (error != ERROR_OK)
        return error;
    struct text key, value;
    while ((error = kv_cursor_next(cursor, &key, &value)) == ERROR_OK) {
        struct guid id;
        struct subscription *item = list_add(list);
        if (item == NULL || key.len != sizeof id.bytes) {
            error = item == NULL ? ERROR_NO_MEMORY : ERROR_STORE_CORRUPT;
            break;
        }
        memcpy(id.bytes, key.ptr, key.len);
        if ((error = subscription_decode(list->arena, value, &id, item)) != ERROR_OK)
            break;
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t list_only_seen(struct kv_txn *txn, struct list *list)
{
    uint32_t count;
    err_t error = dictionary_count(txn, DICTIONARY_SUBSCRIPTION, &count);
    for (uint32_t n = 1; n <= count && error == ERROR_OK; n++) {
        struct text guid, value;
        error = dictionary_text(txn, DICTIONARY_SUBSCRIPTION, n, &guid);
        if (error != ERROR_OK || guid.len != sizeof(struct guid))
            return ERROR_STORE_CORRUPT;
        error = kv_get(txn, KV_SUBSCRIPTIONS, guid, &value);
        if (error != ERROR_NOT_FOUND)
            continue;
        struct subscription *item = list_add(list);
        if (item == NULL)
            return ERROR_NO_MEMORY;
        *item = (struct subscription){ .display_name = TEXT(""),
                                       .owner = TEXT(""),
                                       .offer_id = TEXT(""),
                                       .state = SUBSCRIPTION_UNKNOWN,
                                       .deleted_ns = INT64_MIN };
        memcpy(item->id.bytes, guid.ptr, guid.len);
        error = ERROR_OK;
    }
    return error;
}

err_t subscription_list(struct kv_txn *txn, struct arena *arena, struct subscription **out, size_t *count)
{
    struct list list = { .arena = arena };
    err_t error = list_described(txn, &list);
    if (error == ERROR_OK)
        error = list_only_seen(txn, &list);
    *out = list.items;
    *count = list.count;
    return error;
}

err_t subscription_version(struct kv_txn *txn, uint64_t *version)
{
    struct text value;
    *version = 0;
    err_t error = kv_get(txn, KV_SETTINGS, version_key, &value);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    if (value.len != sizeof *version)
        return ERROR_STORE_CORRUPT;
    *version = get_u64be((const uint8_t *)value.ptr);
    return ERROR_OK;
}

err_t subscription_list_deleted(struct kv_txn *txn, struct arena *arena, size_t max, struct subscription_deleted **out,
                                size_t *count)
{
    struct list list = { .arena = arena };
    *count = 0;
    err_t error = list_described(txn, &list);
    *out = arena_array(arena, list.count + 1, sizeof **out);
    if (error != ERROR_OK || *out == NULL)
        return error == ERROR_OK ? ERROR_NO_MEMORY : error;
    for (size_t i = 0; i < list.count && *count < max; i++)
        if (list.items[i].state == SUBSCRIPTION_DELETED && list.items[i].deleted_ns != INT64_MIN)
            (*out)[(*count)++] = (struct subscription_deleted){ list.items[i].id, list.items[i].deleted_ns };
    return ERROR_OK;
}

err_t subscription_count_change(struct kv_txn *txn)
{
    uint64_t version;
    uint8_t value[8];
    err_t error = subscription_version(txn, &version);
    put_u64be(value, version + 1);
    return error == ERROR_OK ? kv_put(txn, KV_SETTINGS, version_key, BYTES(value)) : error;
}

bool subscription_is_direct(const struct subscription *subscription, const struct guid *operator_id)
{
    return guid_is_zero(&subscription->provider_subscription_id) ||
           guid_equal(&subscription->provider_subscription_id, operator_id);
}
