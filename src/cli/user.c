/* stampmeter user add|list|disable. */
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/encode.h"
#include "base/files.h"
#include "cli/admin.h"
#include "cli/cli.h"
#include "identity/identity.h"

#define PASSWORD_FILE_SIZE_MAX ((size_t)4096)

/* --- add --- */

static const struct flag add_flags[] = {
    { "--role", "ROLE", "operator, tenant or commerce. Required.", 0, false },
    { "--subscription", "ID", "A tenant's subscription.", 0, false },
    { "--password-file", "FILE",
      "The password, in the first line; '-' is standard input. Default: one is made and "
      "printed.",
      0, false },
    { "--replace", NULL, "Gives a user that exists a new role and password, enabled and signed out.", 0, false },
    ADMIN_FLAGS,
};

static const struct command add_command = {
    .name = "user add",
    .arguments = "NAME",
    .about = "Adds a user of the console and prints the password, once. Works in the data directory while the server "
             "is stopped, or on a running server with --url.",
    .flags = add_flags,
    .flag_count = COUNT_OF(add_flags),
    .arguments_min = 1,
    .arguments_max = 1,
};

struct password {
    char text[PASSWORD_FILE_SIZE_MAX];
    size_t len;
    bool is_made;
};

/* Negative, or the exit code. */
static int password_of(const struct flags *flags, struct password *out)
{
    struct buffer file = { 0 };
    struct error_info info = { 0 };
    const char *path = flags_value(flags, "--password-file");
    memset(out, 0, sizeof *out);
    if (path == NULL) {
        password_make(out->text);
        out->len = strlen(out->text);
        out->is_made = true;
        return -1;
    }
    err_t error = file_read(path, sizeof out->text, &file, &info);
    struct text rest = buffer_text(&file), line = TEXT_NONE;
    if (error == ERROR_OK && text_cut(&rest, '\n', &line)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        memcpy(out->text, line.ptr, line.len);
        out->len = line.len;
    }
    if (file.data != NULL)
        secret_wipe(file.data, file.capacity);
    buffer_free(&file);
    return error == ERROR_OK ? -1 : cli_cannot_run(&info);
}

static int user_of(const struct flags *flags, struct user *out)
{
    const char *role = flags_value(flags, "--role"), *subscription = flags_value(flags, "--subscription");
    memset(out, 0, sizeof *out);
    out->name = text_of(flags->arguments[0]);
    if (role == NULL)
        return flags_wrong(flags, "--role is missing: operator, tenant or commerce");
    if (!role_parse(text_of(role), &out->role) || out->role == ROLE_PRODUCER)
        return flags_wrong(flags, "--role is operator, tenant or commerce, not \"%.40s\"", role);
    if (subscription != NULL && !guid_parse(text_of(subscription), &out->subscription))
        return flags_wrong(flags, "--subscription takes a GUID, not \"%.60s\"", subscription);
    return -1;
}

static err_t add_local(struct admin *admin, struct user *user, struct text password, struct error_info *info)
{
    struct user_put put;
    user->created_ns = store_now_ns(admin->store);
    err_t error =
        user_put_init(&put, user, password, options_u32(&admin->config, OPTION_IDENTITY_PASSWORD_ITERATIONS), info);
    if (error != ERROR_OK)
        return error;
    put.replace = flags_has(admin->flags, "--replace");
    struct buffer detail = { 0 };
    struct identity identity = { .role = user->role, .name = user->name, .subscription = user->subscription };
    identity_describe(&identity, &detail);
    error = admin_run_audited(admin, &put.job, put.replace ? "user.replace" : "user.add", "users/", user->name.ptr,
                              buffer_text(&detail), user_was_put);
    buffer_free(&detail);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the user could not be stored: %s", error_text(error));
    if (put.exists && !put.replace)
        return error_set(info, ERROR_EXISTS, NULL, "there is a user %.*s already; --replace gives it a new password",
                         TEXT_ARGS(user->name));
    return ERROR_OK;
}

static err_t add_remote(struct admin *admin, const struct user *user, struct text password, struct error_info *info)
{
    struct buffer body = { 0 };
    struct remote_answer answer;
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    json_name(&json, "username");
    json_put_text(&json, user->name);
    json_name(&json, "role");
    json_put_cstring(&json, role_name(user->role));
    if (user->role == ROLE_TENANT) {
        json_name(&json, "subscriptionId");
        json_put_guid(&json, &user->subscription);
    }
    json_name(&json, "password");
    json_put_text(&json, password);
    if (flags_has(admin->flags, "--replace")) {
        json_name(&json, "replace");
        json_put_bool(&json, true);
    }
    json_end_object(&json);
    err_t error = body.failed
                      ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                      : remote_call(&admin->remote, HTTP_POST, TEXT("/v1/users"), buffer_text(&body), &answer, info);
    if (body.data != NULL)
        secret_wipe(body.data, body.capacity);
    buffer_free(&body);
    if (error != ERROR_OK)
        return error;
    if (answer.status / 100 != 2)
        error = remote_refusal(&answer, info);
    buffer_free(&answer.body);
    return error;
}

static int print_added(const struct admin *admin, const struct user *user, const struct password *password)
{
    if (flags_has(admin->flags, "--json")) {
        struct buffer out = { 0 };
        struct json_writer json = json_writer(&out);
        json_begin_object(&json);
        json_name(&json, "username");
        json_put_text(&json, user->name);
        json_name(&json, "role");
        json_put_cstring(&json, role_name(user->role));
        if (password->is_made) {
            json_name(&json, "password");
            json_put_cstring(&json, password->text);
        }
        json_end_object(&json);
        printf("%.*s\n", TEXT_ARGS(buffer_text(&out)));
        if (out.data != NULL)
            secret_wipe(out.data, out.capacity);
        buffer_free(&out);
    } else if (password->is_made) {
        printf("%s\n", password->text);
        fprintf(stderr, "User %.*s was added. The password is not shown again.\n", TEXT_ARGS(user->name));
    } else {
        printf("User %.*s was added.\n", TEXT_ARGS(user->name));
    }
    return cli_finish(stdout, CLI_DONE);
}

static int run_add(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct user user;
    struct password password;
    struct error_info info = { 0 };
    int code = flags_parse(&add_command, argc, argv, &flags);
    if (code < 0)
        code = user_of(&flags, &user);
    if (code < 0)
        code = password_of(&flags, &password);
    if (code < 0)
        code = admin_open(&flags, &admin);
    if (code >= 0)
        return code;
    struct text text = { password.text, password.len };
    err_t error = admin.is_remote ? add_remote(&admin, &user, text, &info) : add_local(&admin, &user, text, &info);
    code = error == ERROR_OK ? print_added(&admin, &user, &password) : admin_fail(error, &info);
    secret_wipe(&password, sizeof password);
    return admin_close(&admin, code);
}

/* --- list --- */

static const struct flag list_flags[] = { ADMIN_FLAGS };

static const struct command list_command = {
    .name = "user list",
    .arguments = "",
    .about = "Lists the users of the console.",
    .flags = list_flags,
    .flag_count = COUNT_OF(list_flags),
};

static err_t list_local(struct admin *admin, struct json_writer *array, struct error_info *info)
{
    struct kv_txn *txn;
    struct user *users;
    size_t count = 0;
    err_t error = store_read_begin(admin->store, &txn);
    if (error == ERROR_OK) {
        error = user_list(txn, admin->arena, &users, &count);
        store_read_end(txn);
    }
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the users could not be read: %s", error_text(error));
    for (size_t i = 0; i < count; i++)
        user_to_json(&users[i], array);
    return ERROR_OK;
}

static void print_row(struct admin *admin, const struct json *entry)
{
    const struct json *disabled = json_member(entry, TEXT("disabled"));
    bool is_disabled = disabled != NULL && json_type(disabled) == JSON_TRUE;
    struct text subscription = TEXT(""), name = admin_member(entry, TEXT("username"));
    struct text role = admin_member(entry, TEXT("role")), created = admin_member(entry, TEXT("created"));
    created = admin_time(admin, created);
    (void)json_member_string(entry, TEXT("subscriptionId"), &subscription);
    printf("%-24.*s  %-8.*s  %-8s  %-19.*s  %.*s\n", TEXT_ARGS(name), TEXT_ARGS(role),
           is_disabled ? "disabled" : "enabled", TEXT_ARGS(created), TEXT_ARGS(subscription));
}

static int print_list(struct admin *admin, struct text array)
{
    const struct json *entries;
    struct error_info info = { 0 };
    if (flags_has(admin->flags, "--json")) {
        printf("{\"value\":%.*s}\n", TEXT_ARGS(array));
        return cli_finish(stdout, CLI_DONE);
    }
    if (json_parse(admin->arena, array, &entries, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    printf("%-24s  %-8s  %-8s  %-19s  %s\n", "NAME", "ROLE", "STATE", "CREATED (UTC)", "SUBSCRIPTION");
    for (struct json_iterator i = json_iterate(entries); json_next(&i);)
        print_row(admin, i.value);
    return cli_finish(stdout, CLI_DONE);
}

static int run_list(int argc, char **argv)
{
    return admin_run_list(&list_command, argc, argv, "/v1/users", list_local, print_list);
}

/* --- disable --- */

static const struct flag disable_flags[] = { ADMIN_FLAGS };

static const struct command disable_command = {
    .name = "user disable",
    .arguments = "NAME",
    .about = "Keeps a user from signing in and ends its sessions. 'user add --replace' enables it again.",
    .flags = disable_flags,
    .flag_count = COUNT_OF(disable_flags),
    .arguments_min = 1,
    .arguments_max = 1,
};

static err_t disable_local(struct admin *admin, const char *name, struct error_info *info)
{
    struct user_disable disable;
    user_disable_init(&disable, text_of(name));
    err_t error = admin_run_audited(admin, &disable.job, "user.disable", "users/", name, TEXT_NONE, user_was_disabled);
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "the user could not be disabled: %s", error_text(error));
    if (disable.missing)
        return error_set(info, ERROR_NOT_FOUND, NULL, "there is no user %.128s; 'stampmeter user list' shows them",
                         name);
    return ERROR_OK;
}

static err_t disable_remote(struct admin *admin, const char *name, struct error_info *info)
{
    struct buffer target = { 0 };
    struct remote_answer answer;
    buffer_append_literal(&target, "/v1/users/");
    percent_encode(&target, text_of(name));
    buffer_append_literal(&target, "/disable");
    err_t error = target.failed
                      ? error_set(info, ERROR_NO_MEMORY, NULL, NULL)
                      : remote_call(&admin->remote, HTTP_POST, buffer_text(&target), TEXT("{}"), &answer, info);
    buffer_free(&target);
    if (error != ERROR_OK)
        return error;
    if (answer.status / 100 != 2)
        error = remote_refusal(&answer, info);
    buffer_free(&answer.body);
    return error;
}

static int run_disable(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    int code = flags_parse(&disable_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open(&flags, &admin);
    if (code >= 0)
        return code;
    const char *name = flags.arguments[0];
    err_t error = admin.is_remote ? disable_remote(&admin, name, &info) : disable_local(&admin, name, &info);
    if (error != ERROR_OK)
        return admin_close(&admin, admin_fail(error, &info));
    if (flags_has(&flags, "--json")) {
        struct buffer out = { 0 };
        json_escape(&out, text_of(name));
        printf("{\"username\":\"%.*s\",\"disabled\":true}\n", TEXT_ARGS(buffer_text(&out)));
        buffer_free(&out);
    } else {
        printf("User %s is disabled.\n", name);
    }
    return admin_close(&admin, cli_finish(stdout, CLI_DONE));
}

int command_user(int argc, char **argv)
{
    static const struct cli_command commands[] = {
        { "add", "Adds a user and prints the password once.", run_add },
        { "list", "Lists the users.", run_list },
        { "disable", "Keeps a user out.", run_disable },
    };
    int code = CLI_DONE;
    const struct cli_command *command = cli_choose("stampmeter user", commands, COUNT_OF(commands), argc, argv, &code);
    return command != NULL ? command->run(argc - 1, argv + 1) : code;
}
