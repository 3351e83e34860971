/* Registrations as they are kept and found. What a registration was at some time is in registration_history.c. */
#include "registration/registration.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/instant.h"
#include "base/members.h"
#include "registration/registration_internal.h"
#include "store/keys.h"

#define NUMBER_KEY_SIZE 9
#define CLOUD_KEY_SIZE 17

static const struct text last_number_key = { "s", 1 };

/* --- names --- */

bool registration_name_is_valid(struct text name)
{
    if (name.len == 0 || name.len > REGISTRATION_NAME_SIZE_MAX || name.ptr[name.len - 1] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (c == '\0' || (!letter && !(c >= '0' && c <= '9') && strchr("._-()", c) == NULL))
            return false;
    }
    return true;
}

struct text registration_resource_id(struct arena *arena, const struct registration_path *path)
{
    char subscription[GUID_TEXT_SIZE];
    guid_print(&path->subscription_id, subscription);
    return arena_format(arena,
                        "/subscriptions/%s/resourceGroups/%.*s/providers/Microsoft.AzureStack/registrations/%.*s",
                        subscription, TEXT_ARGS(path->resource_group), TEXT_ARGS(path->name));
}

void registration_etag(const struct registration *registration, char out[REGISTRATION_ETAG_SIZE])
{
    (void)snprintf(out, REGISTRATION_ETAG_SIZE, "%" PRIu64 "-%" PRIu64, registration->number, registration->etag);
}

bool registration_is_expired(const struct registration *registration, int64_t now_ns)
{
    return registration->expires_ns <= now_ns;
}

static int shown(struct text name)
{
    return (int)(name.len < REGISTRATION_NAME_SIZE_MAX ? name.len : REGISTRATION_NAME_SIZE_MAX);
}

err_t registration_not_found(const struct registration_path *path, struct error_info *info)
{
    char id[GUID_TEXT_SIZE];
    guid_print(&path->subscription_id, id);
    return error_set(info, ERROR_REGISTRATION_NOT_FOUND, NULL,
                     "There is no registration '%.*s' in resource group '%.*s' of subscription %s. Check all three; "
                     "GET /subscriptions/%s/providers/Microsoft.AzureStack/registrations lists what there is, and "
                     "the cloud id tells which stamp it is.",
                     shown(path->name), path->name.ptr, shown(path->resource_group), path->resource_group.ptr, id, id);
}

/* --- keys --- */

static void number_key(char kind, uint64_t number, uint8_t out[NUMBER_KEY_SIZE])
{
    out[0] = (uint8_t)kind;
    put_u64be(out + 1, number);
}

static void cloud_key(const struct guid *cloud_id, uint8_t out[CLOUD_KEY_SIZE])
{
    out[0] = 'c';
    memcpy(out + 1, cloud_id->bytes, sizeof cloud_id->bytes);
}

static size_t append_lower(uint8_t *out, struct text name)
{
    for (size_t i = 0; i < name.len; i++)
        out[i] = (uint8_t)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] - 'A' + 'a' : name.ptr[i]);
    return name.len;
}

size_t registration_path_key(const struct registration_path *path, enum registration_key_part last,
                             uint8_t out[REGISTRATION_PATH_KEY_SIZE])
{
    out[0] = 'p';
    memcpy(out + 1, path->subscription_id.bytes, sizeof path->subscription_id.bytes);
    size_t size = 1 + sizeof path->subscription_id.bytes;
    if (last == KEY_SUBSCRIPTION)
        return size;
    size += append_lower(out + size, path->resource_group);
    out[size++] = 0;
    if (last == KEY_NAME)
        size += append_lower(out + size, path->name);
    return size;
}

static struct text bytes_of(const uint8_t *bytes, size_t size)
{
    return (struct text){ (const char *)bytes, size };
}

/* A number that is kept under a key. */
static err_t find_number(struct kv_txn *txn, struct text key, uint64_t *number)
{
    struct text value;
    err_t error = kv_get(txn, KV_REGISTRATIONS, key, &value);
    if (error != ERROR_OK)
        return error;
    if (value.len != sizeof *number)
        return ERROR_STORE_CORRUPT;
    *number = get_u64be((const uint8_t *)value.ptr);
    return ERROR_OK;
}

static err_t put_number(struct kv_txn *txn, struct text key, uint64_t number)
{
    uint8_t value[8];
    put_u64be(value, number);
    return kv_put(txn, KV_REGISTRATIONS, key, BYTES(value));
}

err_t registration_number_of_cloud(struct kv_txn *txn, const struct guid *cloud_id, uint64_t *number)
{
    uint8_t key[CLOUD_KEY_SIZE];
    cloud_key(cloud_id, key);
    return find_number(txn, BYTES(key), number);
}

/* --- JSON --- */

static void encode(const struct registration *r, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    put_guid_member(&json, "subscriptionId", &r->path.subscription_id);
    put_member(&json, "resourceGroup", r->path.resource_group);
    put_member(&json, "name", r->path.name);
    put_guid_member(&json, "cloudId", &r->cloud_id);
    put_guid_member_if(&json, "objectId", &r->object_id);
    put_member(&json, "billingModel", text_of(billing_model_name(r->model)));
    put_bool_member(&json, "usageReporting", r->usage_reporting);
    put_bool_member(&json, "marketplaceSyndication", r->marketplace_syndication);
    put_bool_member(&json, "remoteManagement", r->remote_management);
    put_member(&json, "agreementNumber", r->agreement_number);
    put_member(&json, "msAssetTag", r->ms_asset_tag);
    put_member(&json, "stampVersion", r->stamp_version);
    put_member(&json, "publicKeyId", text_of(r->public_key_id));
    put_number_member(&json, "cores", r->cores);
    put_time_member(&json, "created", r->created_ns);
    put_time_member(&json, "changed", r->changed_ns);
    put_time_member(&json, "registered", r->registered_ns);
    if (r->expires_ns != INT64_MAX)
        put_time_member(&json, "expires", r->expires_ns);
    put_member(&json, "createdBy", r->created_by);
    put_member(&json, "changedBy", r->changed_by);
    put_bool_member(&json, "createdByUser", r->created_by_user);
    put_bool_member(&json, "changedByUser", r->changed_by_user);
    put_number_member(&json, "etag", r->etag);
    if (r->tags.len > 0) {
        json_name(&json, "tags");
        json_put_raw(&json, r->tags);
    }
    json_end_object(&json);
}

static err_t decode_texts(const struct json *json, struct registration *out)
{
    const struct {
        const char *name;
        struct text *text;
    } members[] = {
        { "resourceGroup", &out->path.resource_group },
        { "name", &out->path.name },
        { "agreementNumber", &out->agreement_number },
        { "msAssetTag", &out->ms_asset_tag },
        { "stampVersion", &out->stamp_version },
        { "createdBy", &out->created_by },
        { "changedBy", &out->changed_by },
    };
    err_t error = ERROR_OK;
    for (size_t i = 0; i < COUNT_OF(members) && error == ERROR_OK; i++)
        error = read_text_member(json, members[i].name, SIZE_MAX, members[i].text, NULL);
    struct text model = TEXT(""), key_id = TEXT("");
    if (error == ERROR_OK)
        error = read_text_member(json, "publicKeyId", sizeof out->public_key_id - 1, &key_id, NULL);
    if (error == ERROR_OK && key_id.len > 0)
        memcpy(out->public_key_id, key_id.ptr, key_id.len); /* zeros behind it, as all of it was */
    if (error == ERROR_OK)
        error = read_text_member(json, "billingModel", SIZE_MAX, &model, NULL);
    return error == ERROR_OK && !billing_model_parse(model, &out->model) ? ERROR_STORE_CORRUPT : error;
}

static err_t decode_times(const struct json *json, struct registration *out)
{
    err_t error = read_time_member(json, "created", INT64_MIN, &out->created_ns, NULL);
    if (error == ERROR_OK)
        error = read_time_member(json, "changed", INT64_MIN, &out->changed_ns, NULL);
    if (error == ERROR_OK)
        error = read_time_member(json, "registered", INT64_MIN, &out->registered_ns, NULL);
    return error == ERROR_OK ? read_time_member(json, "expires", INT64_MAX, &out->expires_ns, NULL) : error;
}

static err_t decode_rest(struct arena *arena, const struct json *json, struct registration *out)
{
    const struct {
        const char *name;
        bool *value;
    } flags[] = {
        { "usageReporting", &out->usage_reporting },     { "marketplaceSyndication", &out->marketplace_syndication },
        { "remoteManagement", &out->remote_management }, { "createdByUser", &out->created_by_user },
        { "changedByUser", &out->changed_by_user },
    };
    err_t error = read_guid_member(json, "subscriptionId", &out->path.subscription_id, NULL);
    if (error == ERROR_OK)
        error = read_guid_member(json, "cloudId", &out->cloud_id, NULL);
    if (error == ERROR_OK)
        error = read_guid_member(json, "objectId", &out->object_id, NULL);
    for (size_t i = 0; i < COUNT_OF(flags) && error == ERROR_OK; i++)
        error = read_bool_member(json, flags[i].name, false, flags[i].value, NULL);
    if (error == ERROR_OK)
        error = read_number_member(json, "cores", 0, &out->cores, NULL);
    if (error == ERROR_OK)
        error = read_number_member(json, "etag", 0, &out->etag, NULL);
    const struct json *tags = json_member(json, TEXT("tags"));
    out->tags = tags != NULL ? json_minify(arena, tags) : TEXT("");
    return error == ERROR_OK && out->tags.ptr == NULL ? ERROR_NO_MEMORY : error;
}

static err_t decode(struct arena *arena, struct text value, uint64_t number, struct registration *out)
{
    const struct json *json;
    *out = (struct registration){ .number = number };
    err_t error = json_parse_stored(arena, value, &json);
    if (error == ERROR_OK)
        error = decode_texts(json, out);
    if (error == ERROR_OK)
        error = decode_times(json, out);
    if (error == ERROR_OK)
        error = decode_rest(arena, json, out);
    return error == ERROR_OK || error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
}

/* --- reading --- */

err_t registration_get(struct kv_txn *txn, struct arena *arena, uint64_t number, struct registration *out)
{
    struct text value;
    uint8_t key[NUMBER_KEY_SIZE];
    number_key('n', number, key);
    err_t error = kv_get(txn, KV_REGISTRATIONS, BYTES(key), &value);
    return error == ERROR_OK ? decode(arena, value, number, out) : error;
}

/* What a look-up leads to must be there. */
static err_t get_found(struct kv_txn *txn, struct arena *arena, uint64_t number, struct registration *out)
{
    err_t error = registration_get(txn, arena, number, out);
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}

err_t registration_find(struct kv_txn *txn, struct arena *arena, const struct registration_path *path,
                        struct registration *out, struct error_info *info)
{
    uint64_t number;
    uint8_t key[REGISTRATION_PATH_KEY_SIZE];
    if (!registration_name_is_valid(path->resource_group) || !registration_name_is_valid(path->name))
        return registration_not_found(path, info);
    err_t error = find_number(txn, bytes_of(key, registration_path_key(path, KEY_NAME, key)), &number);
    if (error == ERROR_NOT_FOUND)
        return registration_not_found(path, info);
    return error == ERROR_OK ? get_found(txn, arena, number, out) : error;
}

err_t registration_of_cloud(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id,
                            struct registration *out)
{
    uint64_t number;
    err_t error = registration_number_of_cloud(txn, cloud_id, &number);
    return error == ERROR_OK ? get_found(txn, arena, number, out) : error;
}

err_t registration_facts(struct kv_txn *txn, struct arena *arena, uint64_t number, struct text *out)
{
    struct text value;
    uint8_t key[NUMBER_KEY_SIZE];
    number_key('f', number, key);
    err_t error = kv_get(txn, KV_REGISTRATIONS, BYTES(key), &value);
    if (error == ERROR_OK && (*out = arena_text(arena, value)).ptr == NULL)
        error = ERROR_NO_MEMORY;
    return error;
}

/* --- lists --- */

struct list {
    struct registration *items;
    size_t count, capacity;
};

static struct registration *list_add(struct arena *arena, struct list *list)
{
    struct registration *items = arena_grow(arena, list->items, list->count, &list->capacity, sizeof *items);
    if (items == NULL)
        return NULL;
    list->items = items;
    return &items[list->count++];
}

/* From 'start' on while the keys begin with 'prefix'. */
static err_t list_range(struct kv_cursor *cursor, struct kv_txn *txn, struct arena *arena, struct text start,
                        struct text prefix, size_t max, struct list *list, bool *more)
{
    struct text key, value;
    *more = false;
    err_t error = kv_cursor_seek(cursor, start, &key, &value);
    for (; error == ERROR_OK && text_starts_with(key, prefix); error = kv_cursor_next(cursor, &key, &value)) {
        if (list->count == max) {
            *more = true;
            return ERROR_OK;
        }
        struct registration *item = list_add(arena, list);
        if (item == NULL)
            return ERROR_NO_MEMORY;
        if (value.len != sizeof(uint64_t))
            return ERROR_STORE_CORRUPT;
        error = get_found(txn, arena, get_u64be((const uint8_t *)value.ptr), item);
        if (error != ERROR_OK)
            return error;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t registration_page(struct kv_txn *txn, struct arena *arena, const struct guid *subscription_id,
                        struct text resource_group, const struct registration_path *after, size_t max,
                        struct registration **out, size_t *count, bool *more)
{
    uint8_t prefix[REGISTRATION_PATH_KEY_SIZE] = { 'p' }, start[REGISTRATION_PATH_KEY_SIZE];
    struct list list = { .items = NULL };
    size_t prefix_size = 1, start_size;
    struct kv_cursor *cursor;
    *out = NULL;
    *count = 0;
    *more = false;
    if (resource_group.ptr != NULL && (subscription_id == NULL || !registration_name_is_valid(resource_group)))
        return ERROR_OK;
    if (subscription_id != NULL) {
        struct registration_path wanted = { .subscription_id = *subscription_id, .resource_group = resource_group };
        prefix_size = registration_path_key(&wanted, resource_group.ptr != NULL ? KEY_GROUP : KEY_SUBSCRIPTION, prefix);
    }
    memcpy(start, prefix, start_size = prefix_size);
    if (after != NULL) {
        start_size = registration_path_key(after, KEY_NAME, start);
        start[start_size++] = 0; /* right behind it */
        if (memcmp(start, prefix, prefix_size) < 0)
            memcpy(start, prefix, start_size = prefix_size);
    }
    err_t error = kv_cursor_open(txn, KV_REGISTRATIONS, &cursor);
    if (error != ERROR_OK)
        return error;
    error =
        list_range(cursor, txn, arena, bytes_of(start, start_size), bytes_of(prefix, prefix_size), max, &list, more);
    kv_cursor_close(cursor);
    *out = list.items;
    *count = list.count;
    return error;
}

err_t registration_list(struct kv_txn *txn, struct arena *arena, const struct guid *subscription_id,
                        struct text resource_group, struct registration **out, size_t *count)
{
    bool more;
    return registration_page(txn, arena, subscription_id, resource_group, NULL, SIZE_MAX, out, count, &more);
}

static err_t count_all(struct kv_cursor *cursor, struct arena *arena, int64_t now_ns, struct registration_counts *out)
{
    struct text key, value;
    err_t error = kv_cursor_seek(cursor, TEXT("n"), &key, &value);
    for (; error == ERROR_OK && key.len == NUMBER_KEY_SIZE && key.ptr[0] == 'n';
         error = kv_cursor_next(cursor, &key, &value)) {
        struct arena_mark mark = arena_mark(arena);
        struct registration registration;
        error = decode(arena, value, get_u64be((const uint8_t *)key.ptr + 1), &registration);
        arena_rewind(arena, mark);
        if (error != ERROR_OK)
            return error;
        if (registration_is_expired(&registration, now_ns)) {
            out->expired++;
            continue;
        }
        out->active++;
        if (registration.expires_ns < out->next_expiry_ns)
            out->next_expiry_ns = registration.expires_ns;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t registration_count(struct kv_txn *txn, struct arena *arena, int64_t now_ns, struct registration_counts *out)
{
    struct kv_cursor *cursor;
    *out = (struct registration_counts){ .next_expiry_ns = INT64_MAX };
    err_t error = kv_cursor_open(txn, KV_REGISTRATIONS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = count_all(cursor, arena, now_ns, out);
    kv_cursor_close(cursor);
    return error;
}

static err_t collect_subscriptions(struct kv_cursor *cursor, struct arena *arena, struct guid **out, size_t *count)
{
    uint8_t start[1 + sizeof(struct guid) + 1] = { 'p' };
    size_t start_size = 1, capacity = 0;
    struct text key, value;
    err_t error;
    while ((error = kv_cursor_seek(cursor, bytes_of(start, start_size), &key, &value)) == ERROR_OK &&
           key.ptr[0] == 'p') {
        if (key.len <= 1 + sizeof(struct guid))
            return ERROR_STORE_CORRUPT;
        struct guid *ids = arena_grow(arena, *out, *count, &capacity, sizeof *ids);
        if (ids == NULL)
            return ERROR_NO_MEMORY;
        *out = ids;
        memcpy((*out)[(*count)++].bytes, key.ptr + 1, sizeof(struct guid));
        memcpy(start, key.ptr, 1 + sizeof(struct guid));
        start[1 + sizeof(struct guid)] = UINT8_MAX; /* greater than any name */
        start_size = sizeof start;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t registration_subscriptions(struct kv_txn *txn, struct arena *arena, struct guid **out, size_t *count)
{
    struct kv_cursor *cursor;
    *out = NULL;
    *count = 0;
    err_t error = kv_cursor_open(txn, KV_REGISTRATIONS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = collect_subscriptions(cursor, arena, out, count);
    kv_cursor_close(cursor);
    return error;
}

/* --- writing --- */

err_t registration_next_number(struct kv_txn *txn, uint64_t *number, struct error_info *info)
{
    uint64_t entries, last = 0;
    err_t error = kv_count(txn, KV_REGISTRATIONS, &entries);
    if (error == ERROR_OK && entries / REGISTRATION_ENTRIES >= REGISTRATIONS_MAX)
        return error_set(info, ERROR_CONFLICT, NULL, "there are %d registrations already; delete some first",
                         REGISTRATIONS_MAX);
    if (error == ERROR_OK)
        error = find_number(txn, last_number_key, &last);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    *number = last + 1;
    return put_number(txn, last_number_key, *number);
}

static err_t put_look_ups(struct kv_txn *txn, const struct registration *registration)
{
    uint8_t path[REGISTRATION_PATH_KEY_SIZE], cloud[CLOUD_KEY_SIZE];
    size_t path_size = registration_path_key(&registration->path, KEY_NAME, path);
    cloud_key(&registration->cloud_id, cloud);
    err_t error = put_number(txn, bytes_of(path, path_size), registration->number);
    return error == ERROR_OK ? put_number(txn, BYTES(cloud), registration->number) : error;
}

err_t registration_save(struct kv_txn *txn, const struct registration *registration, struct text facts)
{
    uint8_t key[NUMBER_KEY_SIZE], facts_key[NUMBER_KEY_SIZE];
    struct buffer json = { 0 };
    number_key('n', registration->number, key);
    number_key('f', registration->number, facts_key);
    encode(registration, &json);
    err_t error = json.failed ? ERROR_NO_MEMORY : kv_put(txn, KV_REGISTRATIONS, BYTES(key), buffer_text(&json));
    buffer_free(&json);
    if (error == ERROR_OK && facts.ptr != NULL)
        error = kv_put(txn, KV_REGISTRATIONS, BYTES(facts_key), facts);
    return error == ERROR_OK ? put_look_ups(txn, registration) : error;
}

err_t registration_remove(struct kv_txn *txn, const struct registration *registration)
{
    uint8_t key[NUMBER_KEY_SIZE], path[REGISTRATION_PATH_KEY_SIZE], cloud[CLOUD_KEY_SIZE];
    size_t path_size = registration_path_key(&registration->path, KEY_NAME, path);
    number_key('n', registration->number, key);
    cloud_key(&registration->cloud_id, cloud);
    err_t error = kv_delete(txn, KV_REGISTRATIONS, BYTES(key));
    number_key('f', registration->number, key);
    if (error == ERROR_OK)
        error = kv_delete(txn, KV_REGISTRATIONS, BYTES(key));
    if (error == ERROR_OK)
        error = kv_delete(txn, KV_REGISTRATIONS, bytes_of(path, path_size));
    if (error == ERROR_OK)
        error = kv_delete(txn, KV_REGISTRATIONS, BYTES(cloud));
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}
