/* A loop, a client, one exchange. The client is freed from a task, because its callback may not pull it away from
 * under itself. */
#include "cli/remote.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/files.h"
#include "base/json.h"
#include "net/client.h"
#include "net/loop.h"
#include "net/tls.h"

#define CA_FILE_DEFAULT "/etc/ssl/certs/ca-certificates.crt"
#define CA_SIZE_MAX ((size_t)16 * 1024 * 1024)
#define TOKEN_FILE_SIZE_MAX ((size_t)4096)
#define ANSWER_SIZE_MAX ((size_t)64 * 1024 * 1024)
#define CONNECT_TIMEOUT_MS 10000
#define RESPONSE_TIMEOUT_MS 60000

struct call {
    struct loop_task finish; /* first member */
    struct loop *loop;
    struct client *client;
    struct remote_answer *answer;
    err_t error;
    struct error_info *info;
};

static void finish(struct loop_task *task)
{
    struct call *call = (struct call *)task;
    client_free(call->client);
    loop_stop(call->loop);
}

static void on_answer(void *context, const struct client_response *response)
{
    struct call *call = context;
    call->error = response->error;
    if (response->error != ERROR_OK) {
        *call->info = response->info;
    } else {
        call->answer->status = response->status;
        buffer_append_text(&call->answer->body, response->body);
        if (call->answer->body.failed)
            call->error = error_set(call->info, ERROR_NO_MEMORY, NULL, NULL);
    }
    call->finish.function = finish;
    loop_post(call->loop, &call->finish);
}

/* "Bearer <token>" */
static err_t read_token(const struct remote *remote, struct buffer *out, struct error_info *info)
{
    struct buffer file = { 0 };
    err_t error = file_read(remote->token_file, TOKEN_FILE_SIZE_MAX, &file, info);
    struct text token = text_trim(buffer_text(&file));
    if (error == ERROR_OK && (token.len == 0 || memchr(token.ptr, '\n', token.len) != NULL))
        error = error_set(info, ERROR_IO, NULL, "%s does not hold one line with a token; name another file",
                          remote->token_file);
    if (error == ERROR_OK) {
        buffer_append_literal(out, "Bearer ");
        buffer_append_text(out, token);
        if (out->failed)
            error = error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    }
    if (file.data != NULL)
        secret_wipe(file.data, file.capacity);
    buffer_free(&file);
    return error;
}

static err_t exchange(struct call *call, const struct client_options *options, enum http_method method,
                      struct text target, struct text authorization, struct text body)
{
    const struct http_field headers[] = {
        { TEXT("Authorization"), authorization },
        { TEXT("Accept"), TEXT("application/json") },
        { TEXT("Content-Type"), TEXT("application/json") }, /* last: only with a body */
    };
    size_t header_count = COUNT_OF(headers) - (body.ptr == NULL);
    err_t error = loop_new(clock_system(), &call->loop);
    if (error != ERROR_OK)
        return error_set(call->info, error, NULL, "the event loop could not be started: %s", error_text(error));
    error = client_new(call->loop, options, &call->client, call->info);
    if (error == ERROR_OK) {
        error = client_send(call->client, method, target, headers, header_count, body, on_answer, call);
        if (error != ERROR_OK) {
            error_set(call->info, error, NULL, "the request could not be sent: %s", error_text(error));
            client_free(call->client);
        }
    }
    if (error == ERROR_OK) {
        loop_run(call->loop);
        error = call->error;
    }
    loop_free(call->loop);
    return error;
}

static err_t call_with_ca(const struct remote *remote, struct text ca_pem, enum http_method method, struct text target,
                          struct text body, struct remote_answer *out, struct error_info *info)
{
    struct buffer authorization = { 0 };
    struct call call = { .answer = out, .info = info };
    struct client_options options = {
        .url = text_of(remote->url),
        .connections_max = 1,
        .queue_max = 1,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .response_timeout_ms = remote->timeout_ms != 0 ? remote->timeout_ms : RESPONSE_TIMEOUT_MS,
        .response_bytes_max = ANSWER_SIZE_MAX,
    };
    err_t error = tls_global_init(info);
    if (error == ERROR_OK)
        error = tls_client_new(ca_pem, &options.tls, info);
    if (error != ERROR_OK)
        return error;
    error = read_token(remote, &authorization, info);
    if (error == ERROR_OK)
        error = exchange(&call, &options, method, target, buffer_text(&authorization), body);
    if (authorization.data != NULL)
        secret_wipe(authorization.data, authorization.capacity);
    buffer_free(&authorization);
    tls_client_unref(options.tls);
    return error;
}

err_t remote_call(const struct remote *remote, enum http_method method, struct text target, struct text body,
                  struct remote_answer *out, struct error_info *info)
{
    struct buffer ca = { 0 };
    struct error_info cause = { 0 };
    memset(out, 0, sizeof *out);
    err_t error = file_read(remote->ca_file != NULL ? remote->ca_file : CA_FILE_DEFAULT, CA_SIZE_MAX, &ca, info);
    if (error == ERROR_OK) {
        error = call_with_ca(remote, buffer_text(&ca), method, target, body, out, &cause);
        if (error != ERROR_OK)
            error_set(info, error, NULL, "%.80s: %.160s; check --url, --ca and --token-file, and that the server runs",
                      remote->url, cause.message[0] != '\0' ? cause.message : error_text(error));
    }
    buffer_free(&ca);
    if (error != ERROR_OK)
        buffer_free(&out->body);
    return error;
}

err_t remote_refusal(const struct remote_answer *answer, struct error_info *info)
{
    const struct json *body = NULL;
    struct text code = TEXT("no code"), message = TEXT("the answer says no more");
    err_t error = answer->status == 404 ? ERROR_NOT_FOUND : answer->status == 409 ? ERROR_EXISTS : ERROR_INTERNAL;
    struct arena *arena = arena_new(4096, 0);
    if (arena != NULL && json_parse(arena, buffer_text(&answer->body), &body, NULL) == ERROR_OK) {
        const struct json *problem = json_member(body, TEXT("error"));
        (void)json_member_string(problem, TEXT("code"), &code);
        (void)json_member_string(problem, TEXT("message"), &message);
    }
    error_set(info, error, NULL, "the server answered %d %.*s: %.*s", answer->status,
              code.len > 60 ? 60 : (int)code.len, code.ptr, message.len > 200 ? 200 : (int)message.len, message.ptr);
    arena_free(arena);
    return error;
}
