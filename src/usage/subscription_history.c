/* Changes are JSON under (subscription, number). From them the periods follow: each change in turn takes the place of
 * everything from its hour on, so a stack of periods is enough. */
#include "usage/subscription_history.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/json.h"
#include "base/members.h"
#include "store/keys.h"
#include "usage/subscriptions_internal.h"

/* subscription (16 bytes), number (8 bytes) */
#define CHANGE_KEY_SIZE 24
#define BY_SIZE_MAX 512

static void change_key(const struct guid *id, uint64_t number, uint8_t out[CHANGE_KEY_SIZE])
{
    memcpy(out, id->bytes, sizeof id->bytes);
    put_u64be(out + sizeof id->bytes, number);
}

/* --- changes --- */

static err_t decode_members(const struct json *json, struct subscription_change *out)
{
    struct text state;
    err_t error = read_guid_member(json, "tenantId", &out->tenant_id, NULL);
    if (error == ERROR_OK)
        error = read_guid_member(json, "providerSubscriptionId", &out->provider_subscription_id, NULL);
    if (error == ERROR_OK)
        error = read_time_member(json, "effectiveFrom", INT64_MIN, &out->effective_ns, NULL);
    if (error == ERROR_OK)
        error = read_time_member(json, "recordedTime", INT64_MIN, &out->recorded_ns, NULL);
    if (error == ERROR_OK)
        error = read_time_member(json, "deletedTime", INT64_MIN, &out->deleted_ns, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "by", BY_SIZE_MAX, &out->by, NULL);
    if (error != ERROR_OK || !json_member_string(json, TEXT("state"), &state))
        return ERROR_STORE_CORRUPT;
    out->state = text_equal(state, TEXT("Deleted")) ? SUBSCRIPTION_DELETED : SUBSCRIPTION_ENABLED;
    return ERROR_OK;
}

static err_t decode(struct arena *arena, struct text key, struct text value, struct subscription_change *out)
{
    const struct json *json;
    *out = (struct subscription_change){ .number = get_u64be((const uint8_t *)key.ptr + sizeof(struct guid)) };
    err_t error = json_parse_stored(arena, value, &json);
    if (error == ERROR_OK && json_type(json) == JSON_OBJECT)
        return decode_members(json, out);
    return error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
}

struct change_list {
    struct arena *arena;
    struct subscription_change *items;
    size_t count, capacity;
};

static struct subscription_change *list_add(struct change_list *list)
{
    struct subscription_change *items =
        arena_grow(list->arena, list->items, list->count, &list->capacity, sizeof *items);
    if (items == NULL)
        return NULL;
    list->items = items;
    return &items[list->count++];
}

static err_t read_changes(struct kv_cursor *cursor, const struct guid *id, struct change_list *list)
{
    uint8_t first[CHANGE_KEY_SIZE];
    struct text key, value;
    change_key(id, 0, first);
    err_t error = kv_cursor_seek(cursor, BYTES(first), &key, &value);
    for (; error == ERROR_OK; error = kv_cursor_next(cursor, &key, &value)) {
        if (key.len != CHANGE_KEY_SIZE)
            return ERROR_STORE_CORRUPT;
        if (memcmp(key.ptr, id->bytes, sizeof id->bytes) != 0)
            return ERROR_OK;
        struct subscription_change *change = list_add(list);
        if (change == NULL)
            return ERROR_NO_MEMORY;
        if ((error = decode(list->arena, key, value, change)) != ERROR_OK)
            return error;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t subscription_history(struct kv_txn *txn, struct arena *arena, const struct guid *id,
                           struct subscription_change **out, size_t *count)
{
    struct kv_cursor *cursor;
    struct change_list list = { .arena = arena };
    err_t error = kv_cursor_open(txn, KV_SUBSCRIPTION_CHANGES, &cursor);
    if (error != ERROR_OK)
        return error;
    error = read_changes(cursor, id, &list);
    kv_cursor_close(cursor);
    *out = list.items;
    *count = list.count;
    return error;
}

err_t subscription_change_put(struct kv_txn *txn, const struct guid *id, const struct subscription_change *change)
{
    uint8_t key[CHANGE_KEY_SIZE];
    struct buffer buffer = { 0 };
    struct json_writer json = json_writer(&buffer);
    json_begin_object(&json);
    put_guid_member_if(&json, "tenantId", &change->tenant_id);
    put_guid_member_if(&json, "providerSubscriptionId", &change->provider_subscription_id);
    put_member(&json, "state", text_of(subscription_state_name(change->state)));
    if (change->effective_ns != INT64_MIN)
        put_time_member(&json, "effectiveFrom", change->effective_ns);
    if (change->recorded_ns != INT64_MIN)
        put_time_member(&json, "recordedTime", change->recorded_ns);
    if (change->deleted_ns != INT64_MIN)
        put_time_member(&json, "deletedTime", change->deleted_ns);
    put_member(&json, "by", change->by);
    json_end_object(&json);
    change_key(id, change->number, key);
    err_t error =
        buffer.failed ? ERROR_NO_MEMORY : kv_put(txn, KV_SUBSCRIPTION_CHANGES, BYTES(key), buffer_text(&buffer));
    buffer_free(&buffer);
    return error;
}

/* --- periods --- */

static bool same_period(const struct subscription_period *a, const struct subscription_period *b)
{
    return a->state == b->state && a->deleted_ns == b->deleted_ns && guid_equal(&a->tenant_id, &b->tenant_id) &&
           guid_equal(&a->provider_subscription_id, &b->provider_subscription_id);
}

static size_t without_repetitions(struct subscription_period *items, size_t count)
{
    size_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (!same_period(&items[i], &items[kept - 1]))
            items[kept++] = items[i];
    return kept;
}

err_t subscription_periods_of(struct arena *arena, const struct subscription_change *changes, size_t count,
                              const struct subscription *stored, int64_t known_ns, struct subscription_periods *out)
{
    struct subscription_period *items = arena_array(arena, count + 1, sizeof *items);
    if (items == NULL)
        return ERROR_NO_MEMORY;
    items[0] =
        (struct subscription_period){ .start_ns = INT64_MIN, .state = SUBSCRIPTION_UNKNOWN, .deleted_ns = INT64_MIN };
    if (count == 0 && stored != NULL) {
        items[0].tenant_id = stored->tenant_id;
        items[0].provider_subscription_id = stored->provider_subscription_id;
        items[0].state = stored->state;
        items[0].deleted_ns = stored->deleted_ns;
    }
    size_t used = 1;
    for (size_t i = 0; i < count; i++) {
        const struct subscription_change *change = &changes[i];
        if (change->recorded_ns > known_ns)
            continue;
        while (used > 0 && items[used - 1].start_ns >= change->effective_ns)
            used--;
        items[used++] =
            (struct subscription_period){ change->effective_ns, change->tenant_id, change->provider_subscription_id,
                                          change->state, change->deleted_ns };
    }
    *out = (struct subscription_periods){ items, without_repetitions(items, used) };
    REQUIRE(items[0].start_ns == INT64_MIN);
    return ERROR_OK;
}

err_t subscription_periods(struct kv_txn *txn, struct arena *arena, const struct guid *id, int64_t known_ns,
                           struct subscription_periods *out)
{
    struct subscription_change *changes;
    struct subscription stored;
    size_t count;
    err_t error = subscription_history(txn, arena, id, &changes, &count);
    if (error != ERROR_OK)
        return error;
    error = count == 0 ? subscription_stored(txn, arena, id, &stored) : ERROR_NOT_FOUND;
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    return subscription_periods_of(arena, changes, count, error == ERROR_OK ? &stored : NULL, known_ns, out);
}

const struct subscription_period *subscription_period_at(const struct subscription_periods *periods, int64_t time_ns)
{
    size_t low = 0, high = periods->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (periods->items[middle].start_ns <= time_ns)
            low = middle;
        else
            high = middle;
    }
    return &periods->items[low];
}

/* --- subscriptions as of a time --- */

static void show_at(struct subscription *subscription, const struct subscription_periods *periods, int64_t time_ns)
{
    const struct subscription_period *period = subscription_period_at(periods, time_ns);
    subscription->tenant_id = period->tenant_id;
    subscription->provider_subscription_id = period->provider_subscription_id;
    subscription->state = period->state;
    subscription->deleted_ns = period->deleted_ns;
}

err_t subscription_at(struct kv_txn *txn, struct arena *arena, const struct guid *id, int64_t time_ns, int64_t known_ns,
                      struct subscription *out)
{
    struct subscription_periods periods;
    struct subscription_change *changes;
    size_t count;
    err_t error = subscription_stored(txn, arena, id, out);
    if (error != ERROR_OK) {
        *out = (struct subscription){ .id = *id,
                                      .display_name = TEXT(""),
                                      .owner = TEXT(""),
                                      .offer_id = TEXT(""),
                                      .state = SUBSCRIPTION_UNKNOWN,
                                      .deleted_ns = INT64_MIN };
        return error;
    }
    error = subscription_history(txn, arena, id, &changes, &count);
    if (error == ERROR_OK)
        error = subscription_periods_of(arena, changes, count, out, known_ns, &periods);
    if (error == ERROR_OK)
        show_at(out, &periods, time_ns);
    return error;
}

err_t subscription_list_at(struct kv_txn *txn, struct arena *arena, int64_t time_ns, int64_t known_ns,
                           struct subscription **out, struct subscription_periods **periods, size_t *count)
{
    struct kv_cursor *cursor;
    struct subscription_periods *all;
    err_t error = subscription_list(txn, arena, out, count);
    if (error == ERROR_OK)
        error = kv_cursor_open(txn, KV_SUBSCRIPTION_CHANGES, &cursor);
    if (error != ERROR_OK)
        return error;
    all = arena_array(arena, *count + 1, sizeof *all);
    if (all == NULL)
        error = ERROR_NO_MEMORY;
    for (size_t i = 0; i < *count && error == ERROR_OK; i++) {
        struct subscription *one = &(*out)[i];
        struct change_list list = { .arena = arena };
        error = read_changes(cursor, &one->id, &list);
        if (error == ERROR_OK)
            error = subscription_periods_of(arena, list.items, list.count, one, known_ns, &all[i]);
        if (error == ERROR_OK)
            show_at(one, &all[i], time_ns);
    }
    kv_cursor_close(cursor);
    if (periods != NULL)
        *periods = all;
    return error;
}

/* --- all of them --- */

static err_t visit_one(struct kv_cursor *changes, struct arena *arena, struct text key, struct text value,
                       subscription_visit visit, void *context, bool *stop)
{
    struct guid id;
    struct subscription stored;
    struct subscription_periods periods;
    struct change_list list = { .arena = arena };
    if (key.len != sizeof id.bytes)
        return ERROR_STORE_CORRUPT;
    memcpy(id.bytes, key.ptr, key.len);
    err_t error = read_changes(changes, &id, &list);
    if (error == ERROR_OK && list.count == 0)
        error = subscription_decode(arena, value, &id, &stored);
    if (error == ERROR_OK)
        error = subscription_periods_of(arena, list.items, list.count, &stored, INT64_MAX, &periods);
    return error == ERROR_OK ? visit(context, &id, &periods, stop) : error;
}

err_t subscription_each(struct kv_txn *txn, struct arena *arena, subscription_visit visit, void *context)
{
    struct kv_cursor *described, *changes;
    struct text key, value;
    bool stop = false;
    err_t error = kv_cursor_open(txn, KV_SUBSCRIPTIONS, &described);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_open(txn, KV_SUBSCRIPTION_CHANGES, &changes);
    if (error != ERROR_OK) {
        kv_cursor_close(described);
        return error;
    }
    while (!stop && (error = kv_cursor_next(described, &key, &value)) == ERROR_OK) {
        struct arena_mark mark = arena_mark(arena);
        error = visit_one(changes, arena, key, value, visit, context, &stop);
        arena_rewind(arena, mark);
        if (error != ERROR_OK)
            break;
    }
    kv_cursor_close(changes);
    kv_cursor_close(described);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}
