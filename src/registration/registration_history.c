/* How each stamp was registered from which hour on: appended, never changed (see registration.h). */
#include <string.h>

#include "base/instant.h"
#include "base/members.h"
#include "registration/registration_internal.h"
#include "store/keys.h"

#define CHANGE_KEY_SIZE 24

static void change_key(const struct guid *cloud_id, uint64_t number, uint8_t out[CHANGE_KEY_SIZE])
{
    memcpy(out, cloud_id->bytes, sizeof cloud_id->bytes);
    put_u64be(out + sizeof cloud_id->bytes, number);
}

static bool is_of(struct text key, const struct guid *cloud_id)
{
    return key.len == CHANGE_KEY_SIZE && memcmp(key.ptr, cloud_id->bytes, sizeof cloud_id->bytes) == 0;
}

/* --- JSON --- */

static void encode(const struct registration_change *c, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    put_time_member(&json, "effective", c->effective_ns);
    put_time_member(&json, "recorded", c->recorded_ns);
    put_member(&json, "by", c->by);
    put_bool_member(&json, "registered", c->registered);
    put_number_member(&json, "registration", c->registration);
    put_guid_member(&json, "subscriptionId", &c->path.subscription_id);
    put_member(&json, "resourceGroup", c->path.resource_group);
    put_member(&json, "name", c->path.name);
    put_member(&json, "billingModel", text_of(billing_model_name(c->model)));
    put_bool_member(&json, "usageReporting", c->usage_reporting);
    json_end_object(&json);
}

static err_t decode_members(const struct json *json, struct registration_change *out)
{
    struct text model = TEXT("");
    err_t error = read_time_member(json, "effective", INT64_MIN, &out->effective_ns, NULL);
    if (error == ERROR_OK)
        error = read_time_member(json, "recorded", INT64_MIN, &out->recorded_ns, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "by", SIZE_MAX, &out->by, NULL);
    if (error == ERROR_OK)
        error = read_bool_member(json, "registered", false, &out->registered, NULL);
    if (error == ERROR_OK)
        error = read_number_member(json, "registration", 0, &out->registration, NULL);
    if (error == ERROR_OK)
        error = read_guid_member(json, "subscriptionId", &out->path.subscription_id, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "resourceGroup", SIZE_MAX, &out->path.resource_group, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "name", SIZE_MAX, &out->path.name, NULL);
    if (error == ERROR_OK)
        error = read_text_member(json, "billingModel", SIZE_MAX, &model, NULL);
    if (error == ERROR_OK && !billing_model_parse(model, &out->model))
        error = ERROR_STORE_CORRUPT;
    return error == ERROR_OK ? read_bool_member(json, "usageReporting", false, &out->usage_reporting, NULL) : error;
}

static err_t decode(struct arena *arena, struct text key, struct text value, struct registration_change *out)
{
    const struct json *json;
    *out = (struct registration_change){ .number = get_u64be((const uint8_t *)key.ptr + sizeof(struct guid)) };
    err_t error = json_parse_stored(arena, value, &json);
    if (error == ERROR_OK)
        error = decode_members(json, out);
    return error == ERROR_OK || error == ERROR_NO_MEMORY ? error : ERROR_STORE_CORRUPT;
}

/* --- reading --- */

/* The newest change of a stamp that is not after both times. */
static err_t find_newest(struct kv_cursor *cursor, struct arena *arena, const struct guid *cloud_id, int64_t time_ns,
                         int64_t known_ns, struct registration_change *out)
{
    uint8_t behind[CHANGE_KEY_SIZE];
    struct text key, value;
    change_key(cloud_id, UINT64_MAX, behind);
    err_t error = kv_cursor_seek(cursor, BYTES(behind), &key, &value);
    if (error == ERROR_OK)
        error = kv_cursor_previous(cursor, &key, &value);
    else if (error == ERROR_NOT_FOUND)
        error = kv_cursor_last(cursor, &key, &value);
    for (; error == ERROR_OK && is_of(key, cloud_id); error = kv_cursor_previous(cursor, &key, &value)) {
        struct arena_mark mark = arena_mark(arena);
        error = decode(arena, key, value, out);
        if (error != ERROR_OK || (out->effective_ns <= time_ns && out->recorded_ns <= known_ns))
            return error;
        arena_rewind(arena, mark);
    }
    return error == ERROR_OK ? ERROR_NOT_FOUND : error;
}

err_t registration_at(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id, int64_t time_ns,
                      int64_t known_ns, struct registration_change *out)
{
    struct kv_cursor *cursor;
    err_t error = kv_cursor_open(txn, KV_REGISTRATION_CHANGES, &cursor);
    if (error != ERROR_OK)
        return error;
    error = find_newest(cursor, arena, cloud_id, time_ns, known_ns, out);
    kv_cursor_close(cursor);
    return error;
}

static err_t collect(struct kv_cursor *cursor, struct arena *arena, const struct guid *cloud_id,
                     struct registration_change *changes, size_t *count)
{
    uint8_t first[CHANGE_KEY_SIZE];
    struct text key, value;
    change_key(cloud_id, 0, first);
    err_t error = kv_cursor_seek(cursor, BYTES(first), &key, &value);
    for (; error == ERROR_OK && is_of(key, cloud_id); error = kv_cursor_next(cursor, &key, &value)) {
        if (changes != NULL && (error = decode(arena, key, value, &changes[*count])) != ERROR_OK)
            return error;
        (*count)++;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t registration_history(struct kv_txn *txn, struct arena *arena, const struct guid *cloud_id,
                           struct registration_change **out, size_t *count)
{
    struct kv_cursor *cursor;
    size_t all = 0;
    *count = 0;
    err_t error = kv_cursor_open(txn, KV_REGISTRATION_CHANGES, &cursor);
    if (error != ERROR_OK)
        return error;
    error = collect(cursor, arena, cloud_id, NULL, &all);
    *out = error == ERROR_OK ? arena_array(arena, all + 1, sizeof **out) : NULL;
    if (error == ERROR_OK)
        error = *out == NULL ? ERROR_NO_MEMORY : collect(cursor, arena, cloud_id, *out, count);
    kv_cursor_close(cursor);
    return error;
}

/* --- writing --- */

static bool same_path(const struct registration_path *a, const struct registration_path *b)
{
    return guid_equal(&a->subscription_id, &b->subscription_id) && text_equal(a->resource_group, b->resource_group) &&
           text_equal(a->name, b->name);
}

static bool says_the_same(const struct registration_change *a, const struct registration_change *b)
{
    return a->registered == b->registered && a->registration == b->registration && same_path(&a->path, &b->path) &&
           a->model == b->model && a->usage_reporting == b->usage_reporting;
}

err_t registration_note_change(struct kv_txn *txn, struct arena *arena, const struct registration *registration,
                               bool registered, struct text by, int64_t effective_ns, int64_t now_ns,
                               struct error_info *info)
{
    struct registration_change newest, change = { .effective_ns = hour_start_ns(instant_hour(effective_ns)),
                                                  .recorded_ns = now_ns,
                                                  .by = by,
                                                  .registered = registered,
                                                  .registration = registration->number,
                                                  .path = registration->path,
                                                  .model = registration->model,
                                                  .usage_reporting = registration->usage_reporting };
    err_t error = registration_at(txn, arena, &registration->cloud_id, INT64_MAX, INT64_MAX, &newest);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error;
    if (error == ERROR_OK && says_the_same(&newest, &change))
        return ERROR_OK;
    change.number = error == ERROR_OK ? newest.number + 1 : 1;
    /* Removing is always possible. */
    if (change.number > REGISTRATION_CHANGES_MAX && registered)
        return error_set(info, ERROR_CONFLICT, NULL,
                         "the registration of this stamp has changed %d times; its history takes no more",
                         REGISTRATION_CHANGES_MAX);
    uint8_t key[CHANGE_KEY_SIZE];
    struct buffer json = { 0 };
    change_key(&registration->cloud_id, change.number, key);
    encode(&change, &json);
    error = json.failed ? ERROR_NO_MEMORY : kv_put(txn, KV_REGISTRATION_CHANGES, BYTES(key), buffer_text(&json));
    buffer_free(&json);
    return error;
}
