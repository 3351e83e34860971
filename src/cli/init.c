/* stampmeter init: everything a data directory needs before its first start, and the first user. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/files.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/setup.h"
#include "identity/identity.h"
#include "net/tls.h"
#include "usage/migrate.h"

#define FIRST_USER "operator"

static const struct flag init_flags[] = {
    FLAG_OPTION(OPTION_STORE_DATA_DIR, "DIR"),
    FLAG_OPTION(OPTION_SERVER_ROLE, "ROLE"),
    { "--config", "FILE", "The server's configuration. Default: none.", 0, false },
    { "--json", NULL, "Prints JSON.", 0, false },
};

static const struct command init_command = {
    .name = "init",
    .arguments = "",
    .about = "Prepares a data directory: store, certificate, the operator's subscription, an operator's token in "
             "DIR/operator.token, and the console's first user. Prints its password, once.",
    .flags = init_flags,
    .flag_count = COUNT_OF(init_flags),
};

struct initialisation {
    struct config config;
    struct store *store;
    char data_dir[PATH_MAX];
    char token_file[PATH_MAX];
    struct setup_certificate certificate;
    struct guid operator_subscription;
    char password[32];
};

static err_t add_first_user(struct initialisation *init, struct error_info *info)
{
    struct user_put put;
    struct user user = { .name = TEXT(FIRST_USER), .role = ROLE_OPERATOR, .created_ns = store_now_ns(init->store) };
    password_make(init->password);
    err_t error = user_put_init(&put, &user, text_of(init->password),
                                options_u32(&init->config, OPTION_IDENTITY_PASSWORD_ITERATIONS), info);
    if (error != ERROR_OK)
        return error;
    error = store_run(init->store, &put.job);
    return error == ERROR_OK ? ERROR_OK
                             : error_set(info, error, NULL, "the user could not be stored: %s", error_text(error));
}

/* Only a user that is stored already stops it: what an earlier start of the server or an interrupted run has made is
 * kept and completed. */
static err_t initialise(struct initialisation *init, struct error_info *info)
{
    bool has_users, made;
    struct guid fresh;
    uint8_t random[16];
    random_bytes(random, sizeof random);
    fresh = guid_from_random(random);
    err_t error = setup_has_users(init->store, &has_users, info);
    if (error == ERROR_OK && has_users)
        error = error_set(info, ERROR_EXISTS, NULL,
                          "%s is initialised already; use 'stampmeter user add' for another user, or another directory",
                          init->data_dir);
    if (error == ERROR_OK)
        error = tls_global_init(info);
    if (error == ERROR_OK)
        error = setup_certificate(&init->config, init->data_dir, &init->certificate, &made, info);
    if (error == ERROR_OK)
        error = setup_operator_subscription(init->store, &fresh, &init->operator_subscription, info);
    if (error == ERROR_OK)
        error = setup_operator_token(init->store, init->data_dir, &made, info);
    if (error == ERROR_OK)
        error = setup_path(init->token_file, init->data_dir, "operator.token", info);
    if (error == ERROR_OK)
        error = add_first_user(init, info);
    return error;
}

static err_t open_folder(struct initialisation *init, struct error_info *info)
{
    struct store_options store = {
        .folder = options_string(&init->config, OPTION_STORE_DATA_DIR),
        .create = true,
        .clock = clock_system(),
        .map_size_bytes = options_size(&init->config, OPTION_STORE_MAP_SIZE),
        .upgrade = migrate_store,
    };
    err_t error = store_open(&store, &init->store, info);
    if (error == ERROR_OK && realpath(store.folder, init->data_dir) == NULL)
        error = error_set(info, ERROR_IO, NULL, "the folder %s cannot be resolved", store.folder);
    return error;
}

static void put_member(struct json_writer *json, const char *name, const char *value)
{
    json_name(json, name);
    json_put_cstring(json, value);
}

/* Registrations, customers and partners belong to the commerce role, which an operator of the process is not. */
static void print_commerce_hint(const struct initialisation *init)
{
    if (options_number(&init->config, OPTION_SERVER_ROLE) == SERVER_ROLE_STAMP)
        return;
    printf("\nThe commercial side is used with the role commerce:\n");
    printf("  stampmeter token create --role commerce --name NAME --data-dir %s\n", init->data_dir);
    printf("  stampmeter user add NAME --role commerce --data-dir %s\n", init->data_dir);
}

static int print_result(const struct initialisation *init, bool as_json)
{
    bool has_token_file = file_exists(init->token_file);
    if (!as_json) {
        printf("Data directory  %s\n", init->data_dir);
        printf("Certificate     %s\n", init->certificate.file);
        if (has_token_file)
            printf("Operator token  %s\n", init->token_file);
        printf("Console user    %s\n", FIRST_USER);
        printf("Password        %s  (shown only now)\n", init->password);
        print_commerce_hint(init);
        return cli_finish(stdout, CLI_DONE);
    }
    struct buffer out = { 0 };
    struct json_writer json = json_writer(&out);
    json_begin_object(&json);
    put_member(&json, "dataDir", init->data_dir);
    put_member(&json, "caFile", init->certificate.file);
    if (has_token_file)
        put_member(&json, "tokenFile", init->token_file);
    json_name(&json, "operatorSubscriptionId");
    json_put_guid(&json, &init->operator_subscription);
    put_member(&json, "username", FIRST_USER);
    put_member(&json, "password", init->password);
    json_end_object(&json);
    printf("%.*s\n", TEXT_ARGS(buffer_text(&out)));
    if (out.data != NULL)
        secret_wipe(out.data, out.capacity);
    buffer_free(&out);
    return cli_finish(stdout, CLI_DONE);
}

int command_init(int argc, char **argv)
{
    struct flags flags;
    struct error_info info = { 0 };
    struct initialisation init;
    int code = flags_parse(&init_command, argc, argv, &flags);
    if (code >= 0)
        return code;
    struct options_source source = { .file_path = flags_value(&flags, "--config"), .environment = environ };
    flags_to_options(&flags, &source);
    memset(&init, 0, sizeof init);
    log_configure(&(struct log_options){ .level = LOG_WARNING, .fd = STDERR_FILENO });
    struct arena *arena = arena_new(16 * 1024, 0);
    err_t error = arena != NULL ? options_load(arena, &source, &init.config, &info)
                                : error_set(&info, ERROR_NO_MEMORY, NULL, NULL);
    if (error == ERROR_OK)
        error = open_folder(&init, &info);
    if (error == ERROR_OK)
        error = initialise(&init, &info);
    code = error == ERROR_OK ? print_result(&init, flags_has(&flags, "--json")) : cli_cannot_run(&info);
    store_close(init.store);
    setup_certificate_free(&init.certificate);
    arena_free(arena);
    secret_wipe(init.password, sizeof init.password);
    return code;
}
