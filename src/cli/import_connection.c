/* The client is freed from a task of the loop, because its callbacks may not pull it away from under themselves. */
#include "cli/import_connection.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/files.h"
#include "base/json.h"

#define CA_FILE_DEFAULT "/etc/ssl/certs/ca-certificates.crt"
#define CA_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define TOKEN_FILE_SIZE_MAX ((size_t)4096)
#define ANSWER_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define CONNECT_TIMEOUT_MS 10000
#define RESPONSE_TIMEOUT_MS 60000
#define RETRY_MS_MAX 60000

static err_t read_token(struct import_connection *connection, const struct import_connection_options *options,
                        struct error_info *info)
{
    struct buffer file = { 0 };
    struct text token = options->token;
    err_t error = ERROR_OK;
    if (options->token_file != NULL) {
        error = file_read(options->token_file, TOKEN_FILE_SIZE_MAX, &file, info);
        token = text_trim(buffer_text(&file));
        if (error == ERROR_OK && (token.len == 0 || memchr(token.ptr, '\n', token.len) != NULL))
            error = error_set(info, ERROR_IO, NULL, "%s does not hold one line with a token; name another file",
                              options->token_file);
    }
    if (error == ERROR_OK) {
        buffer_append_literal(&connection->authorization, "Bearer ");
        buffer_append_text(&connection->authorization, token);
        if (connection->authorization.failed)
            error = error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    }
    if (file.data != NULL)
        secret_wipe(file.data, file.capacity);
    buffer_free(&file);
    return error;
}

static err_t make_client(struct import_connection *connection, const struct import_connection_options *options,
                         struct error_info *info)
{
    const struct client_options client = {
        .url = text_of(options->url),
        .tls = connection->tls,
        .connections_max = options->connections,
        .queue_max = options->connections,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .response_timeout_ms = RESPONSE_TIMEOUT_MS,
        .response_bytes_max = ANSWER_SIZE_MAX,
    };
    err_t error = loop_new(clock_system(), &connection->loop);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the event loop could not be started: %s", error_text(error));
    return client_new(connection->loop, &client, &connection->client, info);
}

err_t import_connection_open(struct import_connection *connection, const struct import_connection_options *options,
                             struct error_info *info)
{
    struct buffer ca = { 0 };
    *connection = (struct import_connection){ 0 };
    err_t error = tls_global_init(info);
    if (error == ERROR_OK)
        error = file_read(options->ca_file != NULL ? options->ca_file : CA_FILE_DEFAULT, CA_SIZE_MAX, &ca, info);
    if (error == ERROR_OK)
        error = read_token(connection, options, info);
    if (error == ERROR_OK)
        error = tls_client_new(buffer_text(&ca), &connection->tls, info);
    if (error == ERROR_OK)
        error = make_client(connection, options, info);
    buffer_free(&ca);
    if (error != ERROR_OK)
        import_connection_close(connection);
    return error;
}

static void finish(struct loop_task *task)
{
    struct import_connection *connection = CONTAINER_OF(task, struct import_connection, finish);
    client_free(connection->client);
    connection->client = NULL;
    loop_stop(connection->loop);
}

void import_connection_finish(struct import_connection *connection)
{
    connection->finish.function = finish;
    loop_post(connection->loop, &connection->finish);
}

void import_connection_close(struct import_connection *connection)
{
    if (connection->client != NULL)
        client_free(connection->client);
    if (connection->loop != NULL)
        loop_free(connection->loop);
    if (connection->tls != NULL)
        tls_client_unref(connection->tls);
    if (connection->authorization.data != NULL)
        secret_wipe(connection->authorization.data, connection->authorization.capacity);
    buffer_free(&connection->authorization);
}

err_t import_connection_refusal(const struct client_response *response, struct error_info *info)
{
    const struct json *body = NULL;
    struct text code = TEXT("no code"), message = TEXT("the answer says no more");
    struct arena *arena = arena_new(4096, 0);
    if (arena != NULL && json_parse(arena, response->body, &body, NULL) == ERROR_OK) {
        const struct json *problem = json_member(body, TEXT("error"));
        (void)json_member_string(problem, TEXT("code"), &code);
        (void)json_member_string(problem, TEXT("message"), &message);
    }
    err_t error = response->status == 429 || response->status == 503   ? ERROR_SERVICE_UNAVAILABLE
                  : response->status == 401 || response->status == 403 ? ERROR_AUTHORIZATION_FAILED
                                                                       : ERROR_INTERNAL;
    error_set(info, error, NULL, "the server answered %d %.*s: %.*s%s", response->status,
              code.len > 60 ? 60 : (int)code.len, code.ptr, message.len > 180 ? 180 : (int)message.len, message.ptr,
              error == ERROR_AUTHORIZATION_FAILED ? "; check --token-file" : "");
    arena_free(arena);
    return error;
}

uint32_t import_connection_retry_ms(const struct client_response *response, uint32_t otherwise)
{
    for (size_t i = 0; i < response->header_count; i++) {
        unsigned long long seconds;
        if (text_equal_nocase(response->headers[i].name, TEXT("retry-after")) &&
            text_to_u64(response->headers[i].value, &seconds))
            return seconds < RETRY_MS_MAX / 1000 ? (uint32_t)seconds * 1000 : RETRY_MS_MAX;
    }
    return otherwise;
}
