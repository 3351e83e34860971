/* stampmeter gen-config: the commented sample, made from the option table. */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/flags.h"

static const struct command gen_command = {
    .name = "gen-config",
    .arguments = "",
    .about = "Prints the commented sample of the configuration: every setting with its default.",
};

int command_gen_config(int argc, char **argv)
{
    struct flags flags;
    struct buffer out = { 0 };
    int code = flags_parse(&gen_command, argc, argv, &flags);
    if (code >= 0)
        return code;
    config_write_sample(options_table, OPTION_COUNT, &out);
    if (out.failed)
        return cli_cannot_run(&(struct error_info){ .code = ERROR_NO_MEMORY });
    printf("%.*s", TEXT_ARGS(buffer_text(&out)));
    buffer_free(&out);
    return cli_finish(stdout, CLI_DONE);
}
