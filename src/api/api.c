/* From headers to handler: who is calling, may they, and which answer headers every API response carries.
 * The identity is settled when the headers are complete, so that nobody without rights makes us read a body. */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api_internal.h"
#include "base/check.h"
#include "base/instant.h"
#include "base/log.h"
#include "net/assets.h"
#include "net/static_files.h"
#include "usage/subscriptions.h"

#define SESSION_COOKIE TEXT("__Host-stampmeter")
/* Browsers can't add this header across sites without asking first, so it proves a console request. */
#define CONSOLE_HEADER TEXT("X-Stampmeter-Console")
#define READS_REMAINING "14999"
#define CORRELATION_ID_SIZE_MAX 256
#define WRITES_REMAINING "1199"

struct call *call_of(struct http_exchange *exchange)
{
    return http_context(exchange);
}

struct api *api_of(struct http_exchange *exchange)
{
    return call_of(exchange)->api;
}

bool call_is_operator(struct http_exchange *exchange)
{
    return call_of(exchange)->identity.role == ROLE_OPERATOR;
}

int64_t session_now_ns(void)
{
    return clock_wall_ns(clock_system());
}

/* --- life --- */

static err_t load_meters(struct api *api, struct error_info *info)
{
    for (size_t i = 0; i < assets_count; i++) {
        if (strcmp(assets[i].path, "config/meters.csv") == 0) {
            struct text csv = { (const char *)assets[i].data, assets[i].size };
            return meters_load(api->arena, csv, &api->meters, info);
        }
    }
    return error_set(info, ERROR_INTERNAL, NULL, "the meter catalogue is missing from this build");
}

static err_t load_operator(struct api *api, struct error_info *info)
{
    struct kv_txn *txn;
    err_t error = store_read_begin(api->options.store, &txn);
    if (error == ERROR_OK) {
        error = subscription_operator(txn, &api->operator_subscription);
        store_read_end(txn);
    }
    return error == ERROR_OK
               ? ERROR_OK
               : error_set(info, error, NULL, "the store has no operator subscription; run 'stampmeter init'");
}

err_t api_new(const struct api_options *options, struct api **out, struct error_info *info)
{
    struct api *api = calloc(1, sizeof *api);
    if (api == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    api->options = *options;
    api->started_wall_ns = clock_wall_ns(options->clock);
    api->started_monotonic_ns = clock_monotonic_ns(options->clock);
    api->arena = arena_new(65536, 0);
    err_t error = api->arena == NULL ? error_set(info, ERROR_NO_MEMORY, NULL, NULL) : load_meters(api, info);
    if (error == ERROR_OK)
        error = load_operator(api, info);
    if (error == ERROR_OK && (api->sanity = sanity_new(api->meters)) == NULL)
        error = error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    if (error == ERROR_OK && (api->router = router_new(api_routes, api_routes_count)) == NULL)
        error = error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    if (error != ERROR_OK) {
        api_free(api);
        return error;
    }
    watch_start(api);
    *out = api;
    return ERROR_OK;
}

void api_free(struct api *api)
{
    if (api == NULL)
        return;
    loop_timer_free(api->watch.timer);
    router_free(api->router);
    sanity_free(api->sanity);
    arena_free(api->arena);
    free(api);
}

void api_set_server(struct api *api, struct server *server)
{
    api->server = server;
}

void api_set_limits(struct api *api, int64_t usage_future_ns_max, int64_t usage_age_ns_max, int64_t session_ns)
{
    api->options.usage_future_ns_max = usage_future_ns_max;
    api->options.usage_age_ns_max = usage_age_ns_max;
    api->options.session_ns = session_ns;
}

void api_set_draining(struct api *api)
{
    api->draining = true;
}

/* --- who is calling --- */

static bool is_unsafe(enum http_method method)
{
    return method != HTTP_GET && method != HTTP_HEAD && method != HTTP_OPTIONS;
}

static err_t find_credentials(struct http_exchange *exchange, struct call *call, struct text *token,
                              struct error_info *info)
{
    const struct http_request *request = http_request(exchange);
    struct text authorization = http_header(request, TEXT("Authorization"));
    if (authorization.len > 0) {
        if (!text_starts_with_nocase(authorization, TEXT("Bearer ")))
            return error_set(info, ERROR_AUTHENTICATION_FAILED, NULL,
                             "only Authorization: Bearer <token> is known here");
        *token = text_trim((struct text){ authorization.ptr + 7, authorization.len - 7 });
        return ERROR_OK;
    }
    *token = http_cookie(request, SESSION_COOKIE);
    if (token->len == 0)
        return error_set(info, ERROR_AUTHENTICATION_FAILED, NULL, NULL);
    call->by_cookie = true;
    call->session_token = *token;
    if (is_unsafe(request->method) && http_header(request, CONSOLE_HEADER).len == 0)
        return error_set(info, ERROR_AUTHORIZATION_FAILED, NULL,
                         "a request with the console's cookie needs the header X-Stampmeter-Console");
    return ERROR_OK;
}

static err_t authenticate(struct http_exchange *exchange, struct call *call, struct error_info *info)
{
    struct text token;
    struct kv_txn *txn;
    err_t error = find_credentials(exchange, call, &token, info);
    if (error != ERROR_OK)
        return error;
    error = store_read_begin(call->api->options.store, &txn);
    if (error != ERROR_OK)
        return error_set(info, error_of_store(error), NULL, NULL);
    int64_t now_ns = call->by_cookie ? session_now_ns() : clock_wall_ns(call->api->options.clock);
    error = token_authenticate(txn, http_arena(exchange), now_ns, token, &call->identity);
    store_read_end(txn);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, NULL);
    call->signed_in = true;
    return ERROR_OK;
}

static err_t check_rights(struct http_exchange *exchange, struct call *call, struct error_info *info)
{
    static const unsigned flag_of_role[ROLE_COUNT] = {
        [ROLE_OPERATOR] = FOR_OPERATOR,
        [ROLE_TENANT] = FOR_TENANT,
        [ROLE_PRODUCER] = FOR_PRODUCER,
        [ROLE_COMMERCE] = FOR_COMMERCE,
    };
    if (call->route->flags & FOR_ANYONE)
        return ERROR_OK;
    err_t error = authenticate(exchange, call, info);
    if (error != ERROR_OK)
        return error;
    if (call->route->flags & flag_of_role[call->identity.role])
        return ERROR_OK;
    return error_set(info, ERROR_AUTHORIZATION_FAILED, NULL, "the role '%s' may not use this address",
                     role_name(call->identity.role));
}

/* NULL: the process has it. */
static const char *missing_role_of(const struct api *api, const struct route *route)
{
    if ((route->flags & IN_STAMP) && api->options.without_stamp)
        return "stamp";
    return (route->flags & IN_COMMERCE) && api->options.without_commerce ? "commerce" : NULL;
}

/* ERROR_OK, or what to answer. Files of the console have no call: *call stays NULL. */
static err_t prepare(struct http_exchange *exchange, struct api *api, struct call **out, struct error_info *info)
{
    struct call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    call->api = api;
    http_set_context(exchange, call);
    struct text allow = TEXT_NONE;
    err_t error = router_match(api->router, exchange, &call->route, &allow);
    if (error == ERROR_OK && (call->route->flags & IN_DEMO_ONLY) && api->options.advance_clock == NULL)
        error = ERROR_RESOURCE_NOT_FOUND;
    const char *missing_role = error == ERROR_OK ? missing_role_of(api, call->route) : NULL;
    if (missing_role != NULL) {
        call->route = NULL;
        return error_set(info, ERROR_RESOURCE_NOT_FOUND, NULL,
                         "this process does not have the %s role; ask the one that has, or set server.role",
                         missing_role);
    }
    /* A script whose variable was empty: say what is missing rather than that nothing is there. */
    if (error == ERROR_RESOURCE_NOT_FOUND &&
        text_starts_with_nocase(http_request(exchange)->path, TEXT("/subscriptions//")))
        error = ERROR_SUBSCRIPTION_ID_MISSING;
    if (error == ERROR_METHOD_NOT_ALLOWED)
        http_set_header(exchange, TEXT("Allow"), allow);
    if (error != ERROR_OK) {
        call->route = NULL;
        return error_set(info, error, NULL, error == ERROR_METHOD_NOT_ALLOWED ? "this address takes %.*s" : NULL,
                         TEXT_ARGS(allow));
    }
    *out = call;
    return check_rights(exchange, call, info);
}

/* --- headers of every answer --- */

static void set_correlation_headers(struct http_exchange *exchange, struct api *api)
{
    const struct http_request *request = http_request(exchange);
    char id[GUID_TEXT_SIZE], now[INSTANT_TEXT_SIZE], routing[128];
    guid_print(&request->request_id, id);
    struct text correlation = http_header(request, TEXT("x-ms-correlation-request-id"));
    bool echo = correlation.len > 0 && correlation.len <= CORRELATION_ID_SIZE_MAX;
    http_set_header(exchange, TEXT("x-ms-correlation-request-id"), echo ? correlation : text_of(id));
    instant_print(clock_wall_ns(api->options.clock) / NS_PER_SECOND * NS_PER_SECOND, now);
    int length = 0;
    for (const char *c = now; *c != '\0'; c++) /* 20260131T130000Z */
        if (*c != '-' && *c != ':')
            now[length++] = *c;
    snprintf(routing, sizeof routing, "LOCAL:%.*s:%s", length, now, id);
    http_set_header(exchange, TEXT("x-ms-routing-request-id"), text_of(routing));
    struct text client_id = http_header(request, TEXT("x-ms-client-request-id"));
    if (client_id.len > 0 && client_id.len <= CORRELATION_ID_SIZE_MAX &&
        text_equal_nocase(http_header(request, TEXT("x-ms-return-client-request-id")), TEXT("true")))
        http_set_header(exchange, TEXT("x-ms-client-request-id"), client_id);
    bool write = is_unsafe(request->method);
    http_set_header(exchange,
                    write ? TEXT("x-ms-ratelimit-remaining-subscription-writes")
                          : TEXT("x-ms-ratelimit-remaining-subscription-reads"),
                    write ? TEXT(WRITES_REMAINING) : TEXT(READS_REMAINING));
    http_set_header(exchange, TEXT("Cache-Control"), TEXT("no-cache"));
    http_set_header(exchange, TEXT("Pragma"), TEXT("no-cache"));
    http_set_header(exchange, TEXT("Expires"), TEXT("-1"));
}

/* --- callbacks of the server --- */

static bool has_body(const struct http_request *request)
{
    struct text length = http_header(request, TEXT("Content-Length"));
    return (length.len > 0 && !text_equal(length, TEXT("0"))) ||
           http_header(request, TEXT("Transfer-Encoding")).len > 0;
}

/* Only requests with a body are refused here, since that costs the connection; others keep it. */
err_t api_on_headers(struct http_exchange *exchange, void *context, struct error_info *info)
{
    struct call *call = NULL;
    if (!has_body(http_request(exchange)))
        return ERROR_OK;
    return prepare(exchange, context, &call, info);
}

void api_on_request(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    const struct http_request *request = http_request(exchange);
    struct call *call = call_of(exchange);
    struct error_info info = { 0 };
    if (call == NULL) {
        err_t error = prepare(exchange, api, &call, &info);
        if (error == ERROR_RESOURCE_NOT_FOUND && !is_unsafe(request->method) &&
            static_files_respond(exchange, request->path))
            return;
        if (error != ERROR_OK) {
            set_correlation_headers(exchange, api);
            respond_info(exchange, &info);
            return;
        }
    }
    set_correlation_headers(exchange, api);
    call->route->handle(exchange, api);
}

void api_on_done(const struct http_exchange *exchange, int status, uint64_t body_bytes, int64_t duration_ns,
                 void *context)
{
    static const char *const methods[HTTP_METHOD_COUNT] = {
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"
    };
    struct api *api = context;
    const struct http_request *request = http_request(exchange);
    const struct call *call = http_context(exchange);
    if (status >= 100 && status < 600)
        api->counters.responses[status / 100]++;
    bool quiet = call != NULL && call->route != NULL && (call->route->flags & QUIET) && status < 400;
    enum log_level level = status >= 500 ? LOG_WARNING : quiet ? LOG_DEBUG : LOG_INFO;
    char id[GUID_TEXT_SIZE];
    guid_print(&request->request_id, id);
    log_write(level, "http", "request", LOG_CSTR("request", id), LOG_CSTR("method", methods[request->method]),
              LOG_TEXT("path", request->path), LOG_INT("status", status), LOG_INT("bytes", body_bytes),
              LOG_INT("duration_us", duration_ns / 1000), LOG_TEXT("peer", request->peer),
              LOG_TEXT("identity", call != NULL && call->signed_in ? call->identity.name : TEXT("-")));
}
