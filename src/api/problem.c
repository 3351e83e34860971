/* Errors as ARM clients read them: {"error":{"code","message","target"?}} with a fitting status, and the
 * headers that belong to a code. Retry-After goes with temporary failures only (wire-contracts rule 6). */
#include <stdarg.h>
#include <stdio.h>

#include "api/api_internal.h"

static void set_error_headers(struct http_exchange *exchange, const struct error_info *info)
{
    http_set_header(exchange, TEXT("x-ms-error-code"), text_of(error_wire_code(info->code)));
    if (error_http_status(info->code) == 401) {
        struct text url = base_url(exchange);
        struct text value = arena_format(http_arena(exchange),
                                         "Bearer authorization_uri=\"%.*s\", error=\"invalid_token\", "
                                         "error_description=\"%s\"",
                                         TEXT_ARGS(url), error_text(info->code));
        http_set_header(exchange, TEXT("WWW-Authenticate"), value.ptr != NULL ? value : TEXT("Bearer"));
    }
    int status = error_http_status(info->code);
    if (status == 429 || status == 503)
        http_set_header(exchange, TEXT("Retry-After"), TEXT(RETRY_AFTER_SECONDS));
}

void api_write_error(struct http_exchange *exchange, const struct error_info *info, struct buffer *body)
{
    struct json_writer json = json_writer(body);
    set_error_headers(exchange, info);
    json_begin_object(&json);
    json_name(&json, "error");
    json_begin_object(&json);
    json_name(&json, "code");
    json_put_cstring(&json, error_wire_code(info->code));
    json_name(&json, "message");
    json_put_cstring(&json, info->message[0] != '\0' ? info->message : error_text(info->code));
    if (info->target[0] != '\0') {
        json_name(&json, "target");
        json_put_cstring(&json, info->target);
    }
    json_end_object(&json);
    json_end_object(&json);
}

void respond_info(struct http_exchange *exchange, const struct error_info *info)
{
    struct buffer body = { 0 };
    api_write_error(exchange, info, &body);
    http_respond(exchange, error_http_status(info->code), MEDIA_JSON, &body);
}

void respond_error(struct http_exchange *exchange, err_t error, const char *target, const char *format, ...)
{
    struct error_info info;
    char message[ERROR_MESSAGE_SIZE];
    message[0] = '\0';
    if (format != NULL) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(message, sizeof message, format, arguments);
        va_end(arguments);
    }
    error_set(&info, error, target, format != NULL ? "%s" : NULL, message);
    respond_info(exchange, &info);
}

void respond_json(struct http_exchange *exchange, int status, struct buffer *body)
{
    http_respond(exchange, status, MEDIA_JSON, body);
}

err_t error_of_store(err_t error)
{
    switch ((int)error) {
    case ERROR_OK:
    case ERROR_INSUFFICIENT_STORAGE:
    case ERROR_TOO_MANY_REQUESTS:
    case ERROR_NO_MEMORY:
    case ERROR_INVALID_PROPERTY:
        return error;
    default:
        return ERROR_SERVICE_UNAVAILABLE;
    }
}
