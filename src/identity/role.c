/* Roles, what a token may be made for, and the helpers by which the tables' JSON is read and written. */
#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "identity/identity_internal.h"

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_OPERATOR] = "operator",
    [ROLE_TENANT] = "tenant",
    [ROLE_PRODUCER] = "producer",
    [ROLE_COMMERCE] = "commerce",
};

const char *role_name(enum role role)
{
    REQUIRE((unsigned)role < ROLE_COUNT);
    return role_names[role];
}

bool role_parse(struct text text, enum role *role)
{
    for (int i = 0; i < ROLE_COUNT; i++) {
        if (text_equal(text, text_of(role_names[i]))) {
            *role = (enum role)i;
            return true;
        }
    }
    return false;
}

/* Texts that end up in lists and logs: UTF-8 without control characters. */
static bool is_printable(struct text text)
{
    for (size_t i = 0; i < text.len; i++) {
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return false;
    }
    return text_is_utf8(text);
}

static err_t check_sources(const struct identity *identity, struct error_info *info)
{
    bool is_producer = identity->role == ROLE_PRODUCER;
    if (is_producer && identity->source_count == 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "sources",
                         "a producer needs the sources it may post for; '*' is any");
    if (!is_producer && identity->source_count != 0)
        return error_set(info, ERROR_INVALID_PROPERTY, "sources", "only producers have sources");
    if (identity->source_count > COUNT_OF(identity->sources))
        return error_set(info, ERROR_INVALID_PROPERTY, "sources", "a token is for at most %zu sources; '*' is any",
                         COUNT_OF(identity->sources));
    for (size_t i = 0; i < identity->source_count; i++) {
        struct text source = identity->sources[i];
        if (source.len == 0 || source.len > IDENTITY_SOURCE_SIZE_MAX || !is_printable(source))
            return error_set(info, ERROR_INVALID_PROPERTY, "sources",
                             "a source is 1 to %d bytes of text without control characters", IDENTITY_SOURCE_SIZE_MAX);
    }
    return ERROR_OK;
}

err_t identity_check(const struct identity *identity, int64_t now_ns, struct error_info *info)
{
    if (identity->name.len > IDENTITY_NAME_SIZE_MAX || !is_printable(identity->name))
        return error_set(info, ERROR_INVALID_PROPERTY, "name",
                         "a name is at most %d bytes of text without control characters", IDENTITY_NAME_SIZE_MAX);
    bool is_tenant = identity->role == ROLE_TENANT;
    if (is_tenant && guid_is_zero(&identity->subscription))
        return error_set(info, ERROR_INVALID_PROPERTY, "subscriptionId", "a tenant needs its subscription");
    if (!is_tenant && !guid_is_zero(&identity->subscription))
        return error_set(info, ERROR_INVALID_PROPERTY, "subscriptionId", "only tenants have a subscription");
    if (identity->expires_ns <= now_ns)
        return error_set(info, ERROR_INVALID_PROPERTY, "expires", "the expiry must lie in the future");
    return check_sources(identity, info);
}

/* --- JSON of the tables --- */

bool identity_read_instant(const struct json *object, struct text name, int64_t absent_ns, int64_t *out_ns)
{
    struct text text;
    *out_ns = absent_ns;
    if (json_member(object, name) == NULL)
        return true;
    return json_member_string(object, name, &text) && instant_parse(text, out_ns) == ERROR_OK;
}

bool identity_read_guid(const struct json *object, struct text name, struct guid *out)
{
    struct text text;
    memset(out, 0, sizeof *out);
    if (json_member(object, name) == NULL)
        return true;
    return json_member_string(object, name, &text) && guid_parse(text, out);
}

void identity_write_instant(struct json_writer *json, const char *name, int64_t instant_ns)
{
    char text[INSTANT_TEXT_SIZE];
    instant_print(instant_ns, text);
    json_name(json, name);
    json_put_cstring(json, text);
}

void identity_write_guid(struct json_writer *json, const char *name, const struct guid *guid)
{
    if (guid_is_zero(guid))
        return;
    json_name(json, name);
    json_put_guid(json, guid);
}

err_t identity_put(struct kv_txn *txn, enum kv_table table, struct text key, struct buffer *value)
{
    err_t error = value->failed ? ERROR_NO_MEMORY : kv_put(txn, table, key, buffer_text(value));
    buffer_free(value);
    return error;
}

void identity_describe(const struct identity *identity, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    json_name(&json, "role");
    json_put_cstring(&json, role_name(identity->role));
    json_name(&json, "name");
    json_put_text(&json, identity->name);
    if (identity->role == ROLE_TENANT) {
        json_name(&json, "subscriptionId");
        json_put_guid(&json, &identity->subscription);
    }
    if (identity->source_count > 0) {
        json_name(&json, "sources");
        json_begin_array(&json);
        for (size_t i = 0; i < identity->source_count; i++)
            json_put_text(&json, identity->sources[i]);
        json_end_array(&json);
    }
    json_end_object(&json);
}

bool token_was_revoked(struct audited_job *audited)
{
    return !((const struct token_revoke *)audited->wanted)->missing;
}

bool user_was_put(struct audited_job *audited)
{
    const struct user_put *put = (const struct user_put *)audited->wanted;
    return put->replace || !put->exists;
}

bool user_was_disabled(struct audited_job *audited)
{
    return !((const struct user_disable *)audited->wanted)->missing;
}
