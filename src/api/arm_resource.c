/* Parts of ARM requests and answers that registrations and their customers have in common. */
#include "api/arm_resource.h"

#include "api/skip_token.h"
#include "base/members.h"

#define SKIP_TOKEN TEXT("$skipToken")

/* The first one is what a message recommends. */
const char *const azurestack_versions[] = { "2017-06-01", "2016-01-01", "2020-06-01-preview", "2022-06-01", NULL };

bool arm_version_has_system_data(struct http_exchange *exchange)
{
    bool found;
    struct text version = http_query(http_request(exchange), TEXT("api-version"), &found);
    return found && text_compare(version, TEXT("2020")) >= 0;
}

/* --- requests --- */

bool require_path_subscription(struct http_exchange *exchange, struct guid *out)
{
    struct text text = http_request(exchange)->parameters[0];
    if (guid_parse(text, out) && !guid_is_zero(out))
        return true;
    respond_error(exchange, ERROR_SUBSCRIPTION_NOT_FOUND, NULL,
                  "The subscription '%.*s' could not be found: an id is a GUID, and not all zeros.",
                  (int)(text.len < 64 ? text.len : 64), text.ptr);
    return false;
}

bool require_registration_path(struct http_exchange *exchange, struct registration_path *out)
{
    const struct http_request *request = http_request(exchange);
    *out = (struct registration_path){ .resource_group = request->parameters[1], .name = request->parameters[2] };
    return require_path_subscription(exchange, &out->subscription_id);
}

static struct text header_if_there(struct http_exchange *exchange, struct text name)
{
    struct text value = text_trim(http_header(http_request(exchange), name));
    return value.len > 0 ? value : TEXT_NONE;
}

struct precondition request_precondition(struct http_exchange *exchange)
{
    return (struct precondition){ header_if_there(exchange, TEXT("If-Match")),
                                  header_if_there(exchange, TEXT("If-None-Match")) };
}

void set_etag_header(struct http_exchange *exchange, struct text etag)
{
    if (etag.ptr == NULL)
        return;
    struct text quoted = arena_format(http_arena(exchange), "\"%.*s\"", TEXT_ARGS(etag));
    if (quoted.ptr != NULL)
        http_set_header(exchange, TEXT("ETag"), quoted);
}

/* --- pages --- */

/* ptr NULL on the first page. */
static struct text skip_token_of(struct http_exchange *exchange)
{
    bool found;
    struct text token = http_query(http_request(exchange), SKIP_TOKEN, &found);
    return found && token.len > 0 ? token : TEXT_NONE;
}

bool require_skip_guid(struct http_exchange *exchange, struct guid *after, bool *given)
{
    struct error_info info = { 0 };
    struct text token = skip_token_of(exchange);
    *given = token.ptr != NULL;
    if (!*given || skip_token_read_guid(token, after, &info) == ERROR_OK)
        return true;
    respond_info(exchange, &info);
    return false;
}

bool require_skip_registration(struct http_exchange *exchange, struct registration_path *after, bool *given)
{
    struct error_info info = { 0 };
    struct text token = skip_token_of(exchange);
    *given = token.ptr != NULL;
    if (!*given || skip_token_read_registration(http_arena(exchange), token, after, &info) == ERROR_OK)
        return true;
    respond_info(exchange, &info);
    return false;
}

static void put_next_link(struct json_writer *json, struct http_exchange *exchange, struct text token)
{
    struct text link = link_with(exchange, SKIP_TOKEN, token);
    if (link.ptr == NULL)
        json->out->failed = true; /* a list that ended here would look whole */
    else
        put_member(json, "nextLink", link);
}

void put_guid_next_link(struct json_writer *json, struct http_exchange *exchange, const struct guid *last)
{
    char token[SKIP_TOKEN_SIZE_MAX];
    put_next_link(json, exchange, skip_token_of_guid(last, token));
}

void put_registration_next_link(struct json_writer *json, struct http_exchange *exchange,
                                const struct registration *last)
{
    char token[SKIP_TOKEN_SIZE_MAX];
    put_next_link(json, exchange, skip_token_of_registration(&last->path, token));
}

/* --- answers --- */

static void put_by(struct json_writer *json, const char *name, const char *type_name, const struct arm_stamp *stamp)
{
    put_member(json, name, stamp->by);
    put_member(json, type_name, stamp->by_user ? TEXT("User") : TEXT("Key"));
}

void put_system_data(struct json_writer *json, const struct arm_stamp *created, const struct arm_stamp *changed)
{
    json_name(json, "systemData");
    json_begin_object(json);
    put_by(json, "createdBy", "createdByType", created);
    put_time_member(json, "createdAt", created->time_ns);
    put_by(json, "lastModifiedBy", "lastModifiedByType", changed);
    put_time_member(json, "lastModifiedAt", changed->time_ns);
    json_end_object(json);
}
