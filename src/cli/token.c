/* stampmeter token create|list|revoke. */
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/encode.h"
#include "base/instant.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "identity/identity.h"

/* --- create --- */

static const struct flag create_flags[] = {
    { "--role", "ROLE", "operator, tenant, producer or commerce. Required.", 0, false },
    { "--subscription", "ID", "A tenant's subscription.", 0, false },
    { "--source", "SOURCE", "What a producer may post for, such as Microsoft.Compute; '*' is any.", 0, true },
    { "--name", "NAME", "What logs and lists call it. Default: made from the role.", 0, false },
    { "--expires", "TIME", "When it ends, such as 2027-01-31 or 2027-01-31T13:00:00Z. Default: never.", 0, false },
    ADMIN_FLAGS,
};

static const struct command create_command = {
    .name = "token create",
    .arguments = "",
    .about = "Creates a token and prints it, once: only its hash is kept. Works in the data directory while the server "
             "is stopped, or on a running server with --url.",
    .flags = create_flags,
    .flag_count = COUNT_OF(create_flags),
};

/* The identity that the flags describe; texts point into them. Negative, or the exit code. */
static int identity_of(const struct flags *flags, int64_t now_ns, struct identity *out)
{
    struct error_info info = { 0 };
    const char *role = flags_value(flags, "--role"), *subscription = flags_value(flags, "--subscription");
    const char *name = flags_value(flags, "--name"), *expires = flags_value(flags, "--expires");
    const char *source;
    memset(out, 0, sizeof *out);
    out->expires_ns = INT64_MAX;
    out->name = text_of(name != NULL ? name : "");
    if (role == NULL)
        return flags_wrong(flags, "--role is missing: operator, tenant, producer or commerce");
    if (!role_parse(text_of(role), &out->role))
        return flags_wrong(flags, "--role is operator, tenant, producer or commerce, not \"%.40s\"", role);
    if (subscription != NULL && !guid_parse(text_of(subscription), &out->subscription))
        return flags_wrong(flags, "--subscription takes a GUID, not \"%.60s\"", subscription);
    if (expires != NULL && instant_parse_lenient(text_of(expires), &out->expires_ns) != ERROR_OK)
        return flags_wrong(flags, "--expires takes a time such as 2027-01-31T13:00:00Z, not \"%.40s\"", expires);
    for (size_t i = 0; (source = flags_value_at(flags, "--source", i)) != NULL; i++) {
        if (i == COUNT_OF(out->sources))
            return flags_wrong(flags, "a token is for at most %zu sources; '*' is any", COUNT_OF(out->sources));
        out->sources[out->source_count++] = text_of(source);
    }
    if (identity_check(out, now_ns, &info) != ERROR_OK)
        return flags_wrong(flags, "%s", info.message);
    return -1;
}

static err_t create_local(struct admin *admin, const struct identity *identity, struct buffer *answer,
                          struct error_info *info)
{
    struct token_create create;
    token_create_init(&create, identity, store_now_ns(admin->store));
    struct buffer detail = { 0 };
    identity_describe(&create.identity, &detail);
    err_t error =
        admin_run_audited(admin, &create.job, "token.create", "tokens/", create.id, buffer_text(&detail), NULL);
    buffer_free(&detail);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the token could not be stored: %s", error_text(error));
    struct json_writer json = json_writer(answer);
    json_begin_object(&json);
    json_name(&json, "id");
    json_put_cstring(&json, create.id);
    json_name(&json, "token");
    json_put_cstring(&json, create.token);
    json_name(&json, "role");
    json_put_cstring(&json, role_name(identity->role));
    json_name(&json, "name");
    json_put_text(&json, create.identity.name);
    json_end_object(&json);
    secret_wipe(create.token, sizeof create.token);
    return answer->failed ? error_set(info, ERROR_NO_MEMORY, NULL, NULL) : ERROR_OK;
}

static void write_request(const struct identity *identity, struct buffer *body)
{
    struct json_writer json = json_writer(body);
    json_begin_object(&json);
    json_name(&json, "role");
    json_put_cstring(&json, role_name(identity->role));
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
    if (identity->name.len > 0) {
        json_name(&json, "name");
        json_put_text(&json, identity->name);
    }
    if (identity->expires_ns != INT64_MAX) {
        char text[INSTANT_TEXT_SIZE];
        instant_print(identity->expires_ns, text);
        json_name(&json, "expires");
        json_put_cstring(&json, text);
    }
    json_end_object(&json);
}

static err_t create_remote(struct admin *admin, const struct identity *identity, struct buffer *answer,
                           struct error_info *info)
{
    struct buffer body = { 0 };
    struct remote_answer response;
    write_request(identity, &body);
    err_t error = body.failed
                      ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                      : remote_call(&admin->remote, HTTP_POST, TEXT("/v1/tokens"), buffer_text(&body), &response, info);
    buffer_free(&body);
    if (error != ERROR_OK)
        return error;
    if (response.status / 100 != 2)
        error = remote_refusal(&response, info);
    buffer_append_text(answer, buffer_text(&response.body));
    buffer_free(&response.body);
    return error;
}

/* The token alone goes to standard output, so that a script can take it as it is. */
static int print_created(struct admin *admin, struct text answer)
{
    const struct json *object;
    struct error_info info = { 0 };
    struct text token;
    if (json_parse(admin->arena, answer, &object, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    if (!json_member_string(object, TEXT("token"), &token))
        return cli_fail(CLI_CANNOT_RUN, "the server's answer holds no token; use the same version here and there");
    if (flags_has(admin->flags, "--json")) {
        printf("%.*s\n", TEXT_ARGS(text_trim(answer)));
    } else {
        struct text id = admin_member(object, TEXT("id"));
        printf("%.*s\n", TEXT_ARGS(token));
        fprintf(stderr, "Token %.*s was created. It is not shown again.\n", TEXT_ARGS(id));
    }
    return cli_finish(stdout, CLI_DONE);
}

static int run_create(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct identity identity;
    struct error_info info = { 0 };
    struct buffer answer = { 0 };
    int code = flags_parse(&create_command, argc, argv, &flags);
    if (code < 0)
        code = identity_of(&flags, clock_wall_ns(clock_system()), &identity);
    if (code < 0)
        code = admin_open(&flags, &admin);
    if (code >= 0)
        return code;
    err_t error = admin.is_remote ? create_remote(&admin, &identity, &answer, &info)
                                  : create_local(&admin, &identity, &answer, &info);
    code = error == ERROR_OK ? print_created(&admin, buffer_text(&answer)) : admin_fail(error, &info);
    if (answer.data != NULL)
        secret_wipe(answer.data, answer.capacity);
    buffer_free(&answer);
    return admin_close(&admin, code);
}

/* --- list --- */

static const struct flag list_flags[] = { ADMIN_FLAGS };

static const struct command list_command = {
    .name = "token list",
    .arguments = "",
    .about = "Lists the tokens; the sessions of the console are left out.",
    .flags = list_flags,
    .flag_count = COUNT_OF(list_flags),
};

static err_t list_local(struct admin *admin, struct json_writer *array, struct error_info *info)
{
    struct kv_txn *txn;
    struct token_entry *entries;
    size_t count = 0;
    err_t error = store_read_begin(admin->store, &txn);
    if (error == ERROR_OK) {
        error = token_list(txn, admin->arena, &entries, &count);
        store_read_end(txn);
    }
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the tokens could not be read: %s", error_text(error));
    for (size_t i = 0; i < count; i++)
        token_entry_to_json(&entries[i], array);
    return ERROR_OK;
}

static void print_row(struct admin *admin, const struct json *entry)
{
    struct text expires = TEXT("never"), subscription, name = admin_member(entry, TEXT("name"));
    struct text id = admin_member(entry, TEXT("id")), role = admin_member(entry, TEXT("role"));
    struct text created = admin_time(admin, admin_member(entry, TEXT("created")));
    if (json_member_string(entry, TEXT("expires"), &expires))
        expires = admin_time(admin, expires);
    printf("%-16.*s  %-8.*s  %-24.*s  %-19.*s  %-19.*s ", TEXT_ARGS(id), TEXT_ARGS(role), TEXT_ARGS(name),
           TEXT_ARGS(created), TEXT_ARGS(expires));
    if (json_member_string(entry, TEXT("subscriptionId"), &subscription))
        printf(" %.*s", TEXT_ARGS(subscription));
    const struct json *sources = json_member(entry, TEXT("sources"));
    if (sources != NULL && json_type(sources) == JSON_ARRAY) {
        for (struct json_iterator i = json_iterate(sources); json_next(&i);) {
            if (json_type(i.value) == JSON_STRING)
                printf(" %.*s", TEXT_ARGS(json_string(i.value)));
        }
    }
    printf("\n");
}

static bool is_session(const struct json *entry)
{
    const struct json *session = json_member(entry, TEXT("session"));
    return session != NULL && json_type(session) == JSON_TRUE;
}

static int print_list(struct admin *admin, struct text array)
{
    const struct json *entries;
    struct error_info info = { 0 };
    struct buffer kept = { 0 };
    bool as_json = flags_has(admin->flags, "--json");
    if (json_parse(admin->arena, array, &entries, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    struct json_writer json = json_writer(&kept);
    json_begin_object(&json);
    json_name(&json, "value");
    json_begin_array(&json);
    if (!as_json)
        printf("%-16s  %-8s  %-24s  %-19s  %-19s  %s\n", "ID", "ROLE", "NAME", "CREATED (UTC)", "EXPIRES (UTC)", "FOR");
    for (struct json_iterator i = json_iterate(entries); json_next(&i);) {
        if (is_session(i.value))
            continue;
        if (as_json)
            json_put_raw(&json, json_minify(admin->arena, i.value));
        else
            print_row(admin, i.value);
    }
    json_end_array(&json);
    json_end_object(&json);
    if (as_json)
        printf("%.*s\n", TEXT_ARGS(buffer_text(&kept)));
    buffer_free(&kept);
    return cli_finish(stdout, CLI_DONE);
}

static int run_list(int argc, char **argv)
{
    return admin_run_list(&list_command, argc, argv, "/v1/tokens", list_local, print_list);
}

/* --- revoke --- */

static const struct flag revoke_flags[] = { ADMIN_FLAGS };

static const struct command revoke_command = {
    .name = "token revoke",
    .arguments = "ID",
    .about = "Revokes the token with that id ('token list' shows them), at once and for good.",
    .flags = revoke_flags,
    .flag_count = COUNT_OF(revoke_flags),
    .arguments_min = 1,
    .arguments_max = 1,
};

static err_t no_such_token(const char *id, struct error_info *info)
{
    return error_set(info, ERROR_NOT_FOUND, NULL, "there is no token %.40s; 'stampmeter token list' shows them", id);
}

static err_t revoke_local(struct admin *admin, const char *id, struct error_info *info)
{
    struct token_revoke revoke;
    token_revoke_init(&revoke, text_of(id), TEXT_NONE);
    err_t error = admin_run_audited(admin, &revoke.job, "token.revoke", "tokens/", id, TEXT_NONE, token_was_revoked);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the token could not be revoked: %s", error_text(error));
    if (revoke.missing)
        return no_such_token(id, info);
    return ERROR_OK;
}

static err_t revoke_remote(struct admin *admin, const char *id, struct error_info *info)
{
    struct buffer target = { 0 };
    struct remote_answer answer;
    buffer_append_literal(&target, "/v1/tokens/");
    percent_encode(&target, text_of(id));
    err_t error = target.failed
                      ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                      : remote_call(&admin->remote, HTTP_DELETE, buffer_text(&target), TEXT_NONE, &answer, info);
    buffer_free(&target);
    if (error != ERROR_OK)
        return error;
    if (answer.status == 204) /* as for all resources: nothing was there */
        error = no_such_token(id, info);
    else if (answer.status != 200)
        error = remote_refusal(&answer, info);
    buffer_free(&answer.body);
    return error;
}

static int run_revoke(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    int code = flags_parse(&revoke_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open(&flags, &admin);
    if (code >= 0)
        return code;
    const char *id = flags.arguments[0];
    err_t error = admin.is_remote ? revoke_remote(&admin, id, &info) : revoke_local(&admin, id, &info);
    if (error != ERROR_OK)
        return admin_close(&admin, admin_fail(error, &info));
    if (flags_has(&flags, "--json"))
        printf("{\"id\":\"%s\",\"revoked\":true}\n", id);
    else
        printf("Token %s is revoked.\n", id);
    return admin_close(&admin, cli_finish(stdout, CLI_DONE));
}

int command_token(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "create", "Creates a token and prints it once.", run_create },
        { "list", "Lists the tokens.", run_list },
        { "revoke", "Revokes a token.", run_revoke },
    };
    int code = CLI_DONE;
    const struct cli_command *command = cli_choose("stampmeter token", commands, COUNT_OF(commands), argc, argv, &code);
    return command != NULL ? command->run(argc - 1, argv + 1) : code;
}
