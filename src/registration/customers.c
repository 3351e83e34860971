/* Customers: reading, and the form in which changes are kept. See customers.h and customers_internal.h. */
#include "registration/customers.h"

#include <stdio.h>

#include "base/members.h"
#include "registration/customers_internal.h"

#define NAME_SIZE_MAX 512 /* of an identity or a request in what is stored */

void customer_etag(const struct customer *customer, char out[CUSTOMER_ETAG_SIZE])
{
    char tenant[GUID_TEXT_SIZE];
    guid_print(&customer->tenant_id, tenant);
    (void)snprintf(out, CUSTOMER_ETAG_SIZE, "%s-%llu", tenant, (unsigned long long)customer->newest_change);
}

/* --- one change --- */

static err_t decode(struct arena *arena, struct text value, struct customer_change *out)
{
    const struct json *json;
    err_t error = json_parse_stored(arena, value, &json);
    if (error == ERROR_OK)
        error = read_time_member(json, "effectiveFrom", INT64_MIN, &out->effective_ns, NULL);
    if (error == ERROR_OK)
        error = read_time_member(json, "recordedTime", INT64_MIN, &out->recorded_ns, NULL);
    if (error == ERROR_OK)
        error = read_guid_member(json, "customerSubscriptionId", &out->customer_id, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "by", NAME_SIZE_MAX, &out->by, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "requestId", NAME_SIZE_MAX, &out->request, NULL);
    out->mapped = !guid_is_zero(&out->customer_id);
    return error == ERROR_OK || error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
}

err_t customer_change_write(struct kv_txn *txn, uint64_t registration, const struct guid *tenant_id,
                            const struct customer_change *change)
{
    uint8_t key[CUSTOMER_CHANGE_KEY_SIZE], had[CUSTOMER_HAD_KEY_SIZE];
    struct buffer value = { 0 };
    struct json_writer json = json_writer(&value);
    json_begin_object(&json);
    put_time_member(&json, "effectiveFrom", change->effective_ns);
    put_time_member(&json, "recordedTime", change->recorded_ns);
    if (change->mapped)
        put_guid_member(&json, "customerSubscriptionId", &change->customer_id);
    put_member(&json, "by", change->by);
    put_member(&json, "requestId", change->request);
    json_end_object(&json);
    customer_change_key(registration, tenant_id, change->number, key);
    err_t error = value.failed ? ERROR_NO_MEMORY : kv_put(txn, KV_CUSTOMERS, BYTES(key), buffer_text(&value));
    buffer_free(&value);
    if (error != ERROR_OK || !change->mapped)
        return error;
    customer_had_key(registration, &change->customer_id, tenant_id, had);
    return kv_put(txn, KV_CUSTOMERS, BYTES(had), TEXT(""));
}

/* --- the changes of a tenant, newest first --- */

err_t customer_changes_open(struct customer_changes *changes, struct kv_txn *txn, struct arena *arena,
                            uint64_t registration, const struct guid *tenant_id)
{
    *changes = (struct customer_changes){ .arena = arena };
    customer_change_key(registration, tenant_id, UINT64_MAX, changes->key);
    return kv_cursor_open(txn, KV_CUSTOMERS, &changes->cursor);
}

err_t customer_changes_next(struct customer_changes *changes, struct customer_change *out)
{
    struct text key, value;
    if (!changes->begun) {
        /* To where it ends: the change before is the newest, whether something follows or nothing does. */
        err_t error = kv_cursor_seek(changes->cursor, BYTES(changes->key), &key, &value);
        if (error != ERROR_OK && error != ERROR_NOT_FOUND)
            return error;
        changes->begun = true;
    }
    err_t error = kv_cursor_previous(changes->cursor, &key, &value);
    if (error != ERROR_OK)
        return error;
    if (key.len != CUSTOMER_CHANGE_KEY_SIZE || memcmp(key.ptr, changes->key, CUSTOMER_KEY_TENANT_SIZE) != 0)
        return ERROR_NOT_FOUND;
    out->number = get_u64be((const uint8_t *)key.ptr + CUSTOMER_KEY_TENANT_SIZE);
    return decode(changes->arena, value, out);
}

void customer_changes_close(struct customer_changes *changes)
{
    kv_cursor_close(changes->cursor);
}

/* customer_change_at, and the number of the newest change that was known. */
static err_t find_change(struct kv_txn *txn, struct arena *arena, uint64_t registration, const struct guid *tenant_id,
                         int64_t time_ns, int64_t known_ns, struct customer_change *out, uint64_t *newest)
{
    struct customer_changes changes;
    *newest = 0;
    err_t error = customer_changes_open(&changes, txn, arena, registration, tenant_id);
    if (error != ERROR_OK)
        return error;
    for (;;) {
        struct arena_mark mark = arena_mark(arena);
        error = customer_changes_next(&changes, out);
        if (error != ERROR_OK)
            break;
        bool known = out->recorded_ns <= known_ns;
        if (known && *newest == 0)
            *newest = out->number;
        if (known && out->effective_ns <= time_ns)
            break;
        arena_rewind(arena, mark);
    }
    customer_changes_close(&changes);
    return error;
}

err_t customer_change_at(struct kv_txn *txn, struct arena *arena, uint64_t registration, const struct guid *tenant_id,
                         int64_t time_ns, int64_t known_ns, struct customer_change *out)
{
    uint64_t newest;
    return find_change(txn, arena, registration, tenant_id, time_ns, known_ns, out, &newest);
}

err_t customer_of_tenant(struct kv_txn *txn, struct arena *arena, uint64_t registration, const struct guid *tenant_id,
                         int64_t time_ns, int64_t known_ns, struct customer *out)
{
    struct customer_change change;
    uint64_t newest;
    err_t error = find_change(txn, arena, registration, tenant_id, time_ns, known_ns, &change, &newest);
    if (error != ERROR_OK)
        return error;
    *out = (struct customer){ .customer_id = change.customer_id,
                              .tenant_id = *tenant_id,
                              .effective_ns = change.effective_ns,
                              .recorded_ns = change.recorded_ns,
                              .by = change.by,
                              .newest_change = newest };
    return change.mapped ? ERROR_OK : ERROR_NOT_FOUND;
}

/* --- a tenant's mapping over time --- */

static bool same_stretch(const struct customer_stretch *a, const struct customer_stretch *b)
{
    return a->mapped == b->mapped && guid_equal(&a->customer_id, &b->customer_id);
}

struct stretch_list {
    struct customer_stretch *items;
    size_t count, capacity;
};

static err_t add_stretch(struct stretch_list *list, struct arena *arena, const struct customer_stretch *stretch)
{
    struct customer_stretch *items = arena_grow(arena, list->items, list->count, &list->capacity, sizeof *items);
    if (items == NULL)
        return ERROR_NO_MEMORY;
    list->items = items;
    list->items[list->count++] = *stretch;
    return ERROR_OK;
}

/* Newest first: a change holds from its hour up to the earliest one of those recorded after it, so the stretches come
 * out last first. */
static err_t read_stretches(struct customer_changes *changes, int64_t from_ns, size_t max, struct stretch_list *list,
                            uint64_t *last_change)
{
    int64_t until_ns = INT64_MAX;
    while (until_ns > from_ns) {
        struct customer_change change;
        struct arena_mark mark = arena_mark(changes->arena);
        err_t error = customer_changes_next(changes, &change);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
        arena_rewind(changes->arena, mark); /* its texts */
        if (*last_change == 0)
            *last_change = change.number;
        if (change.effective_ns >= until_ns)
            continue;
        until_ns = change.effective_ns < from_ns ? from_ns : change.effective_ns;
        const struct customer_stretch stretch = { until_ns, change.mapped, change.customer_id };
        error = list->count < max ? add_stretch(list, changes->arena, &stretch) : ERROR_CONFLICT;
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

/* Into their order, neighbours of the same payer as one. */
static void reverse_and_join(struct stretch_list *list)
{
    struct customer_stretch *items = list->items;
    size_t kept = 0;
    for (size_t i = 0; i < list->count / 2; i++) {
        const struct customer_stretch first = items[i];
        items[i] = items[list->count - 1 - i];
        items[list->count - 1 - i] = first;
    }
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || !same_stretch(&items[kept - 1], &items[i]))
            items[kept++] = items[i];
    list->count = kept;
}

err_t customer_stretches(struct kv_txn *txn, struct arena *arena, uint64_t registration, const struct guid *tenant_id,
                         int64_t from_ns, size_t max, struct customer_stretch **out, size_t *count,
                         uint64_t *last_change)
{
    struct customer_changes changes;
    struct stretch_list list = { 0 };
    *last_change = 0;
    err_t error = customer_changes_open(&changes, txn, arena, registration, tenant_id);
    if (error != ERROR_OK)
        return error;
    error = read_stretches(&changes, from_ns, max, &list, last_change);
    customer_changes_close(&changes);
    if (error == ERROR_OK && (list.count == 0 || list.items[list.count - 1].start_ns > from_ns))
        error = add_stretch(&list, arena, &(struct customer_stretch){ .start_ns = from_ns });
    if (error != ERROR_OK)
        return error;
    reverse_and_join(&list);
    *out = list.items;
    *count = list.count;
    return ERROR_OK;
}

err_t customer_history(struct kv_txn *txn, struct arena *arena, uint64_t registration, const struct guid *tenant_id,
                       uint64_t after, size_t max, struct customer_change **out, size_t *count, bool *more)
{
    uint8_t first[CUSTOMER_CHANGE_KEY_SIZE];
    struct kv_cursor *cursor;
    struct text key, value;
    *count = 0;
    *more = false;
    *out = arena_array(arena, max, sizeof **out);
    if (*out == NULL)
        return ERROR_NO_MEMORY;
    err_t error = kv_cursor_open(txn, KV_CUSTOMERS, &cursor);
    if (error != ERROR_OK)
        return error;
    customer_change_key(registration, tenant_id, after == UINT64_MAX ? after : after + 1, first);
    error = kv_cursor_seek(cursor, BYTES(first), &key, &value);
    while (error == ERROR_OK && key.len == sizeof first && memcmp(key.ptr, first, CUSTOMER_KEY_TENANT_SIZE) == 0) {
        *more = *count == max;
        if (*more)
            break;
        struct customer_change *change = &(*out)[(*count)++];
        change->number = get_u64be((const uint8_t *)key.ptr + CUSTOMER_KEY_TENANT_SIZE);
        error = decode(arena, value, change);
        if (error == ERROR_OK)
            error = kv_cursor_next(cursor, &key, &value);
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* --- by customer subscription --- */

static bool is_had_of(struct text key, uint64_t registration)
{
    uint8_t prefix[9] = { CUSTOMER_KEY_HAD };
    put_u64be(prefix + 1, registration);
    return key.len == CUSTOMER_HAD_KEY_SIZE && memcmp(key.ptr, prefix, sizeof prefix) == 0;
}

static void split_had(struct text key, struct guid *customer_id, struct guid *tenant_id)
{
    memcpy(customer_id->bytes, key.ptr + 9, 16);
    memcpy(tenant_id->bytes, key.ptr + 25, 16);
}

err_t customer_tenants_of(struct kv_txn *txn, uint64_t registration, const struct guid *customer_id,
                          err_t (*found)(void *context, const struct guid *tenant_id), void *context)
{
    const struct guid first_tenant = { { 0 } };
    uint8_t first[CUSTOMER_HAD_KEY_SIZE];
    struct kv_cursor *cursor;
    struct text key, value;
    err_t error = kv_cursor_open(txn, KV_CUSTOMERS, &cursor);
    if (error != ERROR_OK)
        return error;
    customer_had_key(registration, customer_id, &first_tenant, first);
    for (error = kv_cursor_seek(cursor, BYTES(first), &key, &value); error == ERROR_OK && is_had_of(key, registration);
         error = kv_cursor_next(cursor, &key, &value)) {
        struct guid customer, tenant;
        split_had(key, &customer, &tenant);
        if (!guid_equal(&customer, customer_id))
            break;
        if ((error = found(context, &tenant)) != ERROR_OK)
            break;
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

struct holder {
    struct kv_txn *txn;
    struct arena *arena;
    uint64_t registration;
    const struct guid *customer_id;
    int64_t time_ns, known_ns;
    struct customer *out;
    bool found;
};

static err_t look_at_tenant(void *context, const struct guid *tenant_id)
{
    struct holder *holder = context;
    struct customer customer;
    if (holder->found)
        return ERROR_OK;
    err_t error = customer_of_tenant(holder->txn, holder->arena, holder->registration, tenant_id, holder->time_ns,
                                     holder->known_ns, &customer);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_OK : error;
    holder->found = guid_equal(&customer.customer_id, holder->customer_id);
    if (holder->found)
        *holder->out = customer;
    return ERROR_OK;
}

err_t customer_get(struct kv_txn *txn, struct arena *arena, uint64_t registration, const struct guid *customer_id,
                   int64_t time_ns, int64_t known_ns, struct customer *out)
{
    struct holder holder = { txn, arena, registration, customer_id, time_ns, known_ns, out, false };
    err_t error = customer_tenants_of(txn, registration, customer_id, look_at_tenant, &holder);
    return error == ERROR_OK && !holder.found ? ERROR_NOT_FOUND : error;
}

/* Whether the mapping of an entry holds and comes after 'after' (NULL: any does), into *out. */
static err_t holds(struct kv_txn *txn, struct arena *arena, uint64_t registration, struct text key,
                   const struct guid *after, int64_t time_ns, int64_t known_ns, struct customer *out, bool *yes)
{
    struct guid customer, tenant;
    split_had(key, &customer, &tenant);
    *yes = false;
    if (after != NULL && guid_equal(&customer, after))
        return ERROR_OK;
    err_t error = customer_of_tenant(txn, arena, registration, &tenant, time_ns, known_ns, out);
    *yes = error == ERROR_OK && guid_equal(&out->customer_id, &customer);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t customer_list(struct kv_txn *txn, struct arena *arena, uint64_t registration, int64_t time_ns, int64_t known_ns,
                    const struct guid *after, size_t max, struct customer **out, size_t *count, bool *more)
{
    const struct guid zeros = { { 0 } };
    uint8_t first[CUSTOMER_HAD_KEY_SIZE];
    struct kv_cursor *cursor;
    struct text key, value;
    *count = 0;
    *more = false;
    *out = arena_array(arena, max, sizeof **out);
    if (*out == NULL)
        return ERROR_NO_MEMORY;
    err_t error = kv_cursor_open(txn, KV_CUSTOMERS, &cursor);
    if (error != ERROR_OK)
        return error;
    customer_had_key(registration, after != NULL ? after : &zeros, &zeros, first);
    for (error = kv_cursor_seek(cursor, BYTES(first), &key, &value); error == ERROR_OK && is_had_of(key, registration);
         error = kv_cursor_next(cursor, &key, &value)) {
        struct customer customer;
        bool yes;
        struct arena_mark mark = arena_mark(arena);
        if ((error = holds(txn, arena, registration, key, after, time_ns, known_ns, &customer, &yes)) != ERROR_OK)
            break;
        *more = yes && *count == max;
        if (*more)
            break;
        if (yes)
            (*out)[(*count)++] = customer;
        else
            arena_rewind(arena, mark);
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}
