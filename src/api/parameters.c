/* What many routes read from a request: api-version, the subscription of the path, a JSON body, and links
 * back to the request itself. */
#include <string.h>

#include "api/api_internal.h"
#include "base/encode.h"

bool require_api_version(struct http_exchange *exchange, const char *const *versions)
{
    bool found;
    struct text version = http_query(http_request(exchange), TEXT("api-version"), &found);
    if (!found || version.len == 0) {
        respond_error(exchange, ERROR_NO_API_VERSION, "api-version",
                      "the query parameter api-version is required; use api-version=%s", versions[0]);
        return false;
    }
    for (size_t i = 0; versions[i] != NULL; i++)
        if (text_equal_nocase(version, text_of(versions[i])))
            return true;
    respond_error(exchange, ERROR_INVALID_API_VERSION, "api-version",
                  "the api-version '%.*s' is not supported here; use %s", (int)(version.len < 40 ? version.len : 40),
                  version.ptr, versions[0]);
    return false;
}

bool require_subscription(struct http_exchange *exchange, struct guid *subscription)
{
    const struct call *call = call_of(exchange);
    struct text text = http_request(exchange)->parameters[0];
    bool is_guid = guid_parse(text, subscription);
    /* The commercial side knows subscriptions by what is registered under them; its routes ask for no usage. */
    if (is_guid && (call->identity.role == ROLE_OPERATOR || call->identity.role == ROLE_COMMERCE ||
                    (call->identity.role == ROLE_TENANT && guid_equal(subscription, &call->identity.subscription))))
        return true;
    /* The same words for one that does not exist and one of somebody else (promise 8). */
    respond_error(exchange, ERROR_SUBSCRIPTION_NOT_FOUND, NULL, "The subscription '%.*s' could not be found.",
                  (int)(text.len < 64 ? text.len : 64), text.ptr);
    return false;
}

const struct json *require_json_body(struct http_exchange *exchange)
{
    struct error_info info = { 0 };
    const struct json *json;
    err_t error = json_parse(http_arena(exchange), http_request(exchange)->body, &json, &info);
    if (error == ERROR_OK && json_type(json) != JSON_OBJECT)
        error = error_set(&info, ERROR_INVALID_REQUEST_CONTENT, NULL, "the body must be a JSON object");
    struct text name;
    if (error == ERROR_OK && json_has_duplicate_member(http_arena(exchange), json, &name))
        error = error_set(&info, ERROR_INVALID_REQUEST_CONTENT, NULL, "member '%.*s' is given twice",
                          (int)(name.len < 64 ? name.len : 64), name.ptr);
    if (error == ERROR_OK)
        return json;
    respond_info(exchange, &info);
    return NULL;
}

struct text base_url(struct http_exchange *exchange)
{
    struct text host = http_request(exchange)->host;
    if (host.len == 0)
        host = server_address(api_of(exchange)->server);
    struct text url = arena_format(http_arena(exchange), "https://%.*s", TEXT_ARGS(host));
    return url.ptr != NULL ? url : TEXT("");
}

/* The query as it came, without the parameter 'name'. */
static void copy_query_without(struct buffer *out, struct arena *arena, struct text query, struct text name)
{
    struct text piece;
    while (text_cut(&query, '&', &piece)) {
        struct text value = piece, key;
        /* Clients write $skipToken as %24skipToken, too. */
        if (piece.len == 0 || !text_cut(&value, '=', &key) || !percent_decode(arena, key, false, &key) ||
            text_equal_nocase(key, name))
            continue;
        buffer_append_text(out, piece);
        buffer_append_char(out, '&');
    }
}

struct text link_with(struct http_exchange *exchange, struct text name, struct text value)
{
    const struct http_request *request = http_request(exchange);
    struct buffer link = { 0 };
    buffer_append_text(&link, base_url(exchange));
    buffer_append_text(&link, request->path);
    buffer_append_char(&link, '?');
    copy_query_without(&link, http_arena(exchange), request->query, name);
    buffer_append_text(&link, name);
    buffer_append_char(&link, '=');
    buffer_append_text(&link, value);
    struct text copy = link.failed ? TEXT_NONE : arena_text(http_arena(exchange), buffer_text(&link));
    buffer_free(&link);
    return copy;
}

bool wants_csv(struct http_exchange *exchange)
{
    struct text rest = http_header(http_request(exchange), TEXT("Accept")), type;
    while (text_cut(&rest, ',', &type)) {
        struct text name = type, media;
        if (!text_cut(&name, ';', &media))
            continue;
        media = text_trim(media);
        if (text_equal_nocase(media, TEXT("text/csv")))
            return true;
        if (text_equal_nocase(media, TEXT("application/json")))
            return false;
    }
    return false;
}
