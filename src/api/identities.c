/* /v1/tokens and /v1/users: what an operator does with identities. A token's text leaves once, when it is made. */
#include "api/api_internal.h"
#include "base/members.h"
#include "base/crypto.h"
#include "base/instant.h"

struct identity_call {
    struct read_job job; /* first member: lists, and the slow hash of a new password */
    struct write_call write;
    struct token_create create;
    struct token_revoke revoke;
    struct user_put put;
    struct user_disable disable;
    struct user user;
    struct text password;
};

static struct identity_call *new_call(struct http_exchange *exchange)
{
    struct identity_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL)
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
    return call;
}

/* --- reading bodies --- */

static bool invalid(struct http_exchange *exchange, const char *name, const char *what)
{
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s %s", name, what);
    return false;
}

static bool read_role(struct http_exchange *exchange, const struct json *body, enum role *role)
{
    struct text text;
    if (json_member_string(body, TEXT("role"), &text) && role_parse(text, role))
        return true;
    return invalid(exchange, "role", "is operator, tenant, producer or commerce");
}

/* What is missing or too much for the role is found by identity_check. */
static bool read_subscription(struct http_exchange *exchange, const struct json *body, struct guid *out)
{
    struct text text;
    if (!json_member_string(body, TEXT("subscriptionId"), &text) || guid_parse(text, out))
        return true;
    return invalid(exchange, "subscriptionId", "must be a GUID");
}

static bool read_sources(struct http_exchange *exchange, const struct json *body, struct identity *identity)
{
    const struct json *sources = json_member(body, TEXT("sources"));
    if (sources == NULL)
        return true;
    if (json_type(sources) != JSON_ARRAY || json_count(sources) > COUNT_OF(identity->sources))
        return invalid(exchange, "sources", "must be a list of at most 8 sources, or [\"*\"]");
    for (struct json_iterator i = json_iterate(sources); json_next(&i);) {
        if (json_type(i.value) != JSON_STRING)
            return invalid(exchange, "sources", "must hold texts");
        identity->sources[identity->source_count++] = json_string(i.value);
    }
    return true;
}

static bool read_expires(struct http_exchange *exchange, const struct json *body, int64_t *out_ns)
{
    struct text text;
    *out_ns = INT64_MAX;
    if (!json_member_string(body, TEXT("expires"), &text))
        return true;
    if (instant_parse(text, out_ns) == ERROR_OK)
        return true;
    return invalid(exchange, "expires", "must be a time such as 2026-12-31T00:00:00Z");
}

/* --- what the audit log is told --- */

static struct text subject(struct http_exchange *exchange, const char *kind, struct text name)
{
    struct text text = arena_format(http_arena(exchange), "%s%.*s", kind, TEXT_ARGS(name));
    return text.ptr != NULL ? text : name;
}

static struct text describe(struct http_exchange *exchange, const struct identity *identity)
{
    struct buffer text = { 0 };
    identity_describe(identity, &text);
    struct text copy = text.failed ? TEXT_NONE : arena_text(http_arena(exchange), buffer_text(&text));
    buffer_free(&text);
    return copy;
}

/* --- tokens --- */

static err_t read_tokens(struct read_job *job, struct kv_txn *txn)
{
    struct token_entry *entries;
    size_t count;
    err_t error = token_list(txn, http_arena(job->exchange), &entries, &count);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        token_entry_to_json(&entries[i], &json);
    end_value_list(&json);
    return ERROR_OK;
}

void handle_tokens_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct identity_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->job.read = read_tokens;
    read_job_start(&call->job, exchange);
}

static void token_made(struct write_call *write)
{
    struct identity_call *call = CONTAINER_OF(write, struct identity_call, write);
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    put_member(&json, "id", text_of(call->create.id));
    put_member(&json, "token", text_of(call->create.token));
    put_member(&json, "role", text_of(role_name(call->create.identity.role)));
    put_member(&json, "name", call->create.identity.name);
    json_end_object(&json);
    secret_wipe(call->create.token, sizeof call->create.token);
    respond_json(write->exchange, 201, &body);
}

void handle_tokens_post(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct identity identity = { 0 };
    struct error_info info = { 0 };
    int64_t now_ns = clock_wall_ns(api->options.clock);
    struct identity_call *call;
    const struct json *body = require_json_body(exchange);
    if (body == NULL || !read_role(exchange, body, &identity.role) ||
        !read_subscription(exchange, body, &identity.subscription) || !read_sources(exchange, body, &identity) ||
        !read_expires(exchange, body, &identity.expires_ns))
        return;
    if (!json_member_string(body, TEXT("name"), &identity.name))
        identity.name = TEXT("");
    if (identity_check(&identity, now_ns, &info) != ERROR_OK) {
        respond_info(exchange, &info);
        return;
    }
    if ((call = new_call(exchange)) == NULL)
        return;
    token_create_init(&call->create, &identity, now_ns);
    struct audit_entry entry = { .action = TEXT("token.create"),
                                 .subject = subject(exchange, "tokens/", text_of(call->create.id)),
                                 .detail = describe(exchange, &call->create.identity) };
    write_call_start_audited(&call->write, &call->create.job, exchange, &entry, NULL, token_made);
}

static void token_revoked(struct write_call *write)
{
    struct identity_call *call = CONTAINER_OF(write, struct identity_call, write);
    http_respond_empty(write->exchange, call->revoke.missing ? 204 : 200);
}

void handle_token_delete(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct text id = http_request(exchange)->parameters[0];
    struct identity_call *call;
    if (id.len != 16) {
        invalid(exchange, "id", "must be the 16 characters that GET /v1/tokens lists");
        return;
    }
    if ((call = new_call(exchange)) == NULL)
        return;
    token_revoke_init(&call->revoke, id, TEXT_NONE);
    struct audit_entry entry = { .action = TEXT("token.revoke"), .subject = subject(exchange, "tokens/", id) };
    write_call_start_audited(&call->write, &call->revoke.job, exchange, &entry, token_was_revoked, token_revoked);
}

/* --- users --- */

static err_t read_users(struct read_job *job, struct kv_txn *txn)
{
    struct user *users;
    size_t count;
    err_t error = user_list(txn, http_arena(job->exchange), &users, &count);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&job->body);
    begin_value_list(&json);
    for (size_t i = 0; i < count; i++)
        user_to_json(&users[i], &json);
    end_value_list(&json);
    return ERROR_OK;
}

void handle_users_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct identity_call *call = new_call(exchange);
    if (call == NULL)
        return;
    call->job.read = read_users;
    read_job_start(&call->job, exchange);
}

static err_t hash_password(struct read_job *job, struct kv_txn *txn)
{
    (void)txn;
    struct identity_call *call = (struct identity_call *)job;
    bool replace = call->put.replace;
    err_t error =
        user_put_init(&call->put, &call->user, call->password, job->api->options.password_iterations, &job->info);
    call->put.replace = replace;
    return error;
}

static void user_stored(struct write_call *write)
{
    struct identity_call *call = CONTAINER_OF(write, struct identity_call, write);
    if (call->put.exists && !call->put.replace) {
        respond_error(write->exchange, ERROR_CONFLICT, "username", "a user of that name exists; choose another name");
        return;
    }
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    user_to_json(&call->user, &json);
    respond_json(write->exchange, 201, &body);
}

static void password_hashed(struct read_job *job)
{
    struct identity_call *call = (struct identity_call *)job;
    if (job->error != ERROR_OK) {
        if (job->info.code == ERROR_OK)
            error_set(&job->info, error_of_store(job->error), NULL, NULL);
        respond_info(job->exchange, &job->info);
        return;
    }
    struct identity identity = { .role = call->user.role,
                                 .name = call->user.name,
                                 .subscription = call->user.subscription };
    struct audit_entry entry = { .action = call->put.replace ? TEXT("user.replace") : TEXT("user.add"),
                                 .subject = subject(job->exchange, "users/", call->user.name),
                                 .detail = describe(job->exchange, &identity) };
    write_call_start_audited(&call->write, &call->put.job, job->exchange, &entry, user_was_put, user_stored);
}

void handle_users_post(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct user user = { .created_ns = clock_wall_ns(api->options.clock) };
    struct text password;
    struct identity_call *call;
    const struct json *body = require_json_body(exchange);
    if (body == NULL || !read_role(exchange, body, &user.role) ||
        !read_subscription(exchange, body, &user.subscription))
        return;
    if (!json_member_string(body, TEXT("username"), &user.name) ||
        !json_member_string(body, TEXT("password"), &password)) {
        invalid(exchange, "username", "and password are required");
        return;
    }
    if ((call = new_call(exchange)) == NULL)
        return;
    call->user = user;
    call->password = password;
    const struct json *replace = json_member(body, TEXT("replace"));
    call->put.replace = replace != NULL && json_type(replace) == JSON_TRUE;
    call->job.read = hash_password;
    call->job.answer = password_hashed;
    call->job.without_snapshot = true;
    read_job_start(&call->job, exchange);
}

static void user_disabled(struct write_call *write)
{
    struct identity_call *call = CONTAINER_OF(write, struct identity_call, write);
    if (call->disable.missing)
        respond_error(write->exchange, ERROR_RESOURCE_NOT_FOUND, "name", "there is no user of that name");
    else
        http_respond_empty(write->exchange, 200);
}

void handle_user_disable(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct identity_call *call = new_call(exchange);
    if (call == NULL)
        return;
    user_disable_init(&call->disable, http_request(exchange)->parameters[0]);
    struct audit_entry entry = { .action = TEXT("user.disable"),
                                 .subject = subject(exchange, "users/", call->disable.name) };
    write_call_start_audited(&call->write, &call->disable.job, exchange, &entry, user_was_disabled, user_disabled);
}
