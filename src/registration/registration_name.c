/* A registration by its name alone, as people name it. Names are looked at as the look-ups by path have them, so no
 * registration is read but the one that is asked for. */
#include <string.h>

#include "registration/registration_internal.h"
#include "store/keys.h"

#define KEY_PREFIX_SIZE (1 + sizeof(struct guid)) /* 'p' and the subscription; then group, 0, name */

static int shown(struct text name)
{
    return (int)(name.len < REGISTRATION_NAME_SIZE_MAX ? name.len : REGISTRATION_NAME_SIZE_MAX);
}

static bool key_has_names(struct text key, struct text resource_group, struct text name)
{
    struct text rest = { key.ptr + KEY_PREFIX_SIZE, key.len - KEY_PREFIX_SIZE }, group;
    return text_cut(&rest, '\0', &group) && text_equal_nocase(rest, name) &&
           (resource_group.len == 0 || text_equal_nocase(group, resource_group));
}

/* Their count up to two, and the number of the last one found. */
static err_t find_matches(struct kv_cursor *cursor, struct text prefix, struct text resource_group, struct text name,
                          uint64_t *number, int *matches)
{
    struct text key, value;
    err_t error = kv_cursor_seek(cursor, prefix, &key, &value);
    for (; error == ERROR_OK && text_starts_with(key, prefix); error = kv_cursor_next(cursor, &key, &value)) {
        if (key.len <= KEY_PREFIX_SIZE || value.len != sizeof *number)
            return ERROR_STORE_CORRUPT;
        if (!key_has_names(key, resource_group, name))
            continue;
        *number = get_u64be((const uint8_t *)value.ptr);
        if (++*matches == 2)
            return ERROR_OK;
    }
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t registration_find_by_name(struct kv_txn *txn, struct arena *arena, const struct guid *subscription_id,
                                struct text resource_group, struct text name, struct registration *out,
                                struct error_info *info)
{
    uint8_t prefix[REGISTRATION_PATH_KEY_SIZE] = { 'p' };
    struct kv_cursor *cursor;
    uint64_t number = 0;
    int matches = 0;
    size_t size = 1;
    if (subscription_id != NULL)
        size = registration_path_key(&(struct registration_path){ .subscription_id = *subscription_id },
                                     KEY_SUBSCRIPTION, prefix);
    err_t error = kv_cursor_open(txn, KV_REGISTRATIONS, &cursor);
    if (error != ERROR_OK)
        return error;
    error = find_matches(cursor, (struct text){ (const char *)prefix, size }, resource_group, name, &number, &matches);
    kv_cursor_close(cursor);
    if (error != ERROR_OK)
        return error;
    if (matches == 0)
        return error_set(info, ERROR_REGISTRATION_NOT_FOUND, NULL,
                         "there is no registration '%.*s'%s; GET /v1/commerce/registrations lists them", shown(name),
                         name.ptr, subscription_id != NULL ? " of that subscription" : "");
    if (matches > 1)
        return error_set(info, ERROR_CONFLICT, subscription_id != NULL ? "resourceGroup" : "subscriptionId",
                         "there are several registrations '%.*s'; say which with ?subscriptionId=%s", shown(name),
                         name.ptr, subscription_id != NULL ? " and &resourceGroup=" : "");
    error = registration_get(txn, arena, number, out);
    return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
}
