/* stampmeter serve: the server as configured. */
#include <unistd.h>

#include "base/log.h"
#include "cli/app.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "cli/setup.h"

static const struct flag serve_flags[] = {
    { "--config", "FILE", "The configuration; 'stampmeter gen-config' prints a sample. Default: none.", 0, false },
    FLAG_OPTION(OPTION_STORE_DATA_DIR, "DIR"),
    FLAG_OPTION(OPTION_NET_LISTEN, "ADDR:PORT"),
    FLAG_OPTION(OPTION_SERVER_ROLE, "ROLE"),
    { "--ready-file", "FILE",
      "Written once the server accepts connections: its URL, certificate, process id and "
      "version as JSON.",
      0, false },
};

static const struct command serve_command = {
    .name = "serve",
    .arguments = "",
    .about = "Runs the server until SIGTERM, which lets requests under way finish. SIGHUP reloads the certificate and "
             "those settings that can change at run time. What the data directory lacks is made.",
    .flags = serve_flags,
    .flag_count = COUNT_OF(serve_flags),
};

static err_t hint_at_users(struct app *app, void *context, struct error_info *info)
{
    bool has_users;
    (void)context;
    err_t error = setup_has_users(app_store(app), &has_users, info);
    if (error == ERROR_OK && !has_users)
        log_warning("app", "nobody can sign in to the console yet; 'stampmeter user add' makes a user, with the "
                           "server stopped also 'stampmeter init'");
    return error;
}

int command_serve(int argc, char **argv)
{
    struct flags flags;
    struct app *app;
    struct error_info info = { 0 };
    int code = flags_parse(&serve_command, argc, argv, &flags);
    if (code >= 0)
        return code;
    struct options_source source = { .file_path = flags_value(&flags, "--config"), .environment = environ };
    flags_to_options(&flags, &source);
    struct app_options options = {
        .source = &source,
        .ready_file = flags_value(&flags, "--ready-file"),
        .hooks = { .started = hint_at_users },
    };
    if (app_start(&options, &app, &info) != ERROR_OK)
        return cli_cannot_run(&info);
    code = app_run(app);
    app_stop(app);
    return code;
}
