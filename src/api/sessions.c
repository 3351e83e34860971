/* Signing in to the console: POST /v1/session checks a password on a worker, then makes a short-lived token that
 * travels in a cookie no script can read. */
#include <stdio.h>

#include "api/api_internal.h"
#include "base/members.h"
#include "base/crypto.h"
#include "base/instant.h"

#define COOKIE_NAME "__Host-stampmeter"

struct session_call {
    struct read_job job; /* first member: the password check */
    struct write_call write;
    struct text name, password;
    struct user user;
    struct token_create create;
    struct token_revoke revoke;
};

static void put_session(struct buffer *body, const struct identity *identity)
{
    char expires[INSTANT_TEXT_SIZE];
    struct json_writer json = json_writer(body);
    json_begin_object(&json);
    put_member(&json, "username", identity->name);
    json_name(&json, "role");
    json_put_cstring(&json, role_name(identity->role));
    if (identity->role == ROLE_TENANT) {
        put_guid_member(&json, "subscriptionId", &identity->subscription);
    }
    if (identity->expires_ns != INT64_MAX) {
        instant_print(identity->expires_ns / NS_PER_SECOND * NS_PER_SECOND, expires);
        json_name(&json, "expires");
        json_put_cstring(&json, expires);
    }
    json_end_object(&json);
}

static void set_cookie(struct http_exchange *exchange, const char *token, int64_t max_age_s)
{
    struct text cookie =
        arena_format(http_arena(exchange), COOKIE_NAME "=%s; Path=/; Max-Age=%lld; Secure; HttpOnly; SameSite=Strict",
                     token, (long long)max_age_s);
    http_set_header(exchange, TEXT("Set-Cookie"), cookie);
}

static void session_made(struct write_call *write)
{
    struct session_call *call = CONTAINER_OF(write, struct session_call, write);
    struct buffer body = { 0 };
    set_cookie(write->exchange, call->create.token, call->job.api->options.session_ns / NS_PER_SECOND);
    secret_wipe(call->create.token, sizeof call->create.token);
    put_session(&body, &call->create.identity);
    respond_json(write->exchange, 200, &body);
}

/* On a worker: key derivation is slow by design. */
static err_t check_password(struct read_job *job, struct kv_txn *txn)
{
    (void)txn;
    struct session_call *call = (struct session_call *)job;
    err_t error =
        user_verify(job->api->options.store, http_arena(job->exchange), call->name, call->password, &call->user);
    if (error == ERROR_AUTHENTICATION_FAILED)
        return error_set(&job->info, error, NULL, "user name or password is wrong, or the user is disabled");
    return error;
}

static void password_checked(struct read_job *job)
{
    struct session_call *call = (struct session_call *)job;
    if (job->error != ERROR_OK) {
        if (job->info.code == ERROR_OK)
            error_set(&job->info, error_of_store(job->error), NULL, NULL);
        respond_info(job->exchange, &job->info);
        return;
    }
    int64_t now_ns = session_now_ns();
    struct identity identity = {
        .role = call->user.role,
        .name = call->user.name,
        .subscription = call->user.subscription,
        .expires_ns = now_ns + job->api->options.session_ns,
        .is_session = true,
    };
    token_create_init(&call->create, &identity, now_ns);
    write_call_start(&call->write, &call->create.job, job->exchange, session_made);
}

void handle_session_post(struct http_exchange *exchange, void *context)
{
    const struct json *body = require_json_body(exchange);
    if (body == NULL)
        return;
    struct session_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!json_member_string(body, TEXT("username"), &call->name) ||
        !json_member_string(body, TEXT("password"), &call->password) || call->name.len > USER_NAME_SIZE_MAX ||
        call->password.len > PASSWORD_SIZE_MAX) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "username", "username and password are required");
        return;
    }
    call->job.api = context;
    call->job.read = check_password;
    call->job.answer = password_checked;
    call->job.without_snapshot = true;
    read_job_start(&call->job, exchange);
}

void handle_session_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct buffer body = { 0 };
    put_session(&body, &call_of(exchange)->identity);
    respond_json(exchange, 200, &body);
}

static void session_ended(struct write_call *write)
{
    set_cookie(write->exchange, "", 0);
    http_respond_empty(write->exchange, 204);
}

void handle_session_delete(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct session_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!call_of(exchange)->by_cookie) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, NULL,
                      "only a console session can be ended here; see DELETE /v1/tokens/{id}");
        return;
    }
    token_revoke_init(&call->revoke, TEXT_NONE, call_of(exchange)->session_token);
    write_call_start(&call->write, &call->revoke.job, exchange, session_ended);
}
