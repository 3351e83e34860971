/* Puts the external resolver of subscriptions together: files are read here, once, at the start. */
#include <string.h>

#include "base/crypto.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/app_internal.h"
#include "cli/options.h"

#define CA_FILE_DEFAULT "/etc/ssl/certs/ca-certificates.crt"
#define CA_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define TOKEN_FILE_SIZE_MAX ((size_t)4096)

static err_t read_token(const char *file, struct buffer *out, struct error_info *info)
{
    err_t error = file_read(file, TOKEN_FILE_SIZE_MAX, out, info);
    struct text token = text_trim(buffer_text(out));
    if (error == ERROR_OK && (token.len == 0 || memchr(token.ptr, '\n', token.len) != NULL))
        return error_set(info, ERROR_INVALID_CONFIG, NULL, "%s does not hold one line with a token; name another file",
                         file);
    return error;
}

static err_t make(const struct config *config, struct loop *loop, struct buffer *ca, struct buffer *token,
                  struct subscription_resolver **out, struct error_info *info)
{
    const char *ca_file = options_string(config, OPTION_COMMERCE_RESOLVER_CA_FILE);
    const char *token_file = options_string(config, OPTION_COMMERCE_RESOLVER_TOKEN_FILE);
    struct subscription_resolver_options resolver = {
        .loop = loop,
        .url = options_text(config, OPTION_COMMERCE_RESOLVER_URL),
        .timeout_ms = options_u32(config, OPTION_COMMERCE_RESOLVER_TIMEOUT),
        .attempts = (unsigned)options_number(config, OPTION_COMMERCE_RESOLVER_ATTEMPTS),
        .cache_ns = options_duration_ns(config, OPTION_COMMERCE_RESOLVER_CACHE),
    };
    err_t error = file_read(*ca_file != '\0' ? ca_file : CA_FILE_DEFAULT, CA_SIZE_MAX, ca, info);
    if (error == ERROR_OK && *token_file != '\0')
        error = read_token(token_file, token, info);
    if (error == ERROR_OK)
        error = tls_client_new(buffer_text(ca), &resolver.tls, info);
    if (error != ERROR_OK)
        return error;
    resolver.token = text_trim(buffer_text(token));
    error = subscription_resolver_new(&resolver, out, info);
    tls_client_unref(resolver.tls); /* the client holds on to it */
    if (error == ERROR_OK)
        log_info("app", "commercial subscriptions come from the resolver", LOG_TEXT("url", resolver.url));
    return error;
}

err_t app_make_resolver(const struct config *config, struct loop *loop, struct subscription_resolver **out,
                        struct error_info *info)
{
    struct buffer ca = { 0 }, token = { 0 };
    *out = NULL;
    if (options_text(config, OPTION_COMMERCE_RESOLVER_URL).len == 0 ||
        options_number(config, OPTION_SERVER_ROLE) == SERVER_ROLE_STAMP)
        return ERROR_OK;
    err_t error = make(config, loop, &ca, &token, out, info);
    if (token.data != NULL)
        secret_wipe(token.data, token.capacity);
    buffer_free(&token);
    buffer_free(&ca);
    return error;
}
