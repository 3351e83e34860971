/* stampmeter check-config: what the server would run with, or what is wrong with it. */
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/setup.h"
#include "net/tls.h"

static const struct flag check_flags[] = {
    { "--json", NULL, "Prints JSON.", 0, false },
};

static const struct command check_command = {
    .name = "check-config",
    .arguments = "[FILE]",
    .about = "Checks a configuration and prints the effective values, those of the environment included. Exit code 1 "
             "when something is wrong with it.",
    .flags = check_flags,
    .flag_count = COUNT_OF(check_flags),
    .arguments_max = 1,
};

/* Files that the configuration names must be there and fit together. */
static err_t check_certificate(const struct config *config, struct error_info *info)
{
    struct setup_certificate certificate;
    struct tls_server *tls;
    if (options_text(config, OPTION_TLS_CERTIFICATE_FILE).len == 0)
        return ERROR_OK;
    err_t error = tls_global_init(info);
    if (error == ERROR_OK)
        error = setup_certificate_load(config, "", &certificate, info);
    if (error != ERROR_OK)
        return error;
    error = tls_server_new(buffer_text(&certificate.certificate_pem), buffer_text(&certificate.key_pem), &tls, info);
    if (error == ERROR_OK)
        tls_server_unref(tls);
    setup_certificate_free(&certificate);
    return error;
}

static int check(struct arena *arena, const struct flags *flags)
{
    struct options_source source = { .environment = environ };
    struct config config;
    struct error_info info = { 0 };
    struct buffer out = { 0 };
    if (flags->argument_count > 0)
        source.file_path = flags->arguments[0];
    if (source.file_path != NULL && access(source.file_path, R_OK) != 0)
        return cli_fail(CLI_CANNOT_RUN, "%s cannot be read; name another file", source.file_path);
    err_t error = options_load(arena, &source, &config, &info);
    if (error == ERROR_OK)
        error = check_certificate(&config, &info);
    if (error == ERROR_NO_MEMORY)
        return cli_cannot_run(&info);
    if (error != ERROR_OK)
        return cli_fail(CLI_FOUND, "%s", info.message);
    config_write_effective(&config, flags_has(flags, "--json"), &out);
    printf("%.*s", TEXT_ARGS(buffer_text(&out)));
    buffer_free(&out);
    return cli_finish(stdout, CLI_DONE);
}

int command_check_config(int argc, char **argv)
{
    struct flags flags;
    int code = flags_parse(&check_command, argc, argv, &flags);
    if (code >= 0)
        return code;
    struct arena *arena = arena_new(16 * 1024, 0);
    if (arena == NULL)
        return cli_cannot_run(&(struct error_info){ .code = ERROR_NO_MEMORY });
    code = check(arena, &flags);
    arena_free(arena);
    return code;
}
