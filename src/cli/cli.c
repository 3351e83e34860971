/* What all commands share. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/check.h"
#include "cli/flags.h"

#define COMMANDS_MAX 32

/* What to do about a failure whose message names only the cause. */
static const char *remedy_of(err_t code)
{
    /* Codes that commands meet; the table's own text is the remedy of most others. */
    if (code == ERROR_IO || code == ERROR_NOT_FOUND)
        return "check the path, its permissions and the free space";
    if (code == ERROR_INVALID_CONFIG)
        return "correct it; 'stampmeter gen-config' prints every setting with its default";
    if (code == ERROR_NO_MEMORY)
        return "free memory or raise its limit";
    if (code == ERROR_TLS)
        return "check the certificate and key files";
    return error_text(code);
}

int cli_cannot_run(const struct error_info *info)
{
    const char *message = info->message[0] != '\0' ? info->message : error_text(info->code);
    if (strchr(message, ';') != NULL)
        fprintf(stderr, "stampmeter: %s\n", message);
    else
        fprintf(stderr, "stampmeter: %s; %s\n", message, remedy_of(info->code));
    return CLI_CANNOT_RUN;
}

int cli_fail(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("stampmeter: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
}

int cli_finish(FILE *stream, int code)
{
    if (fflush(stream) == 0 && ferror(stream) == 0)
        return code;
    return cli_fail(CLI_CANNOT_RUN, "the output could not be written: %s; free space or write elsewhere",
                    strerror(errno));
}

static int list_commands(const char *program, const struct cli_command *commands, size_t count)
{
    printf("Usage: %s COMMAND [ARGUMENTS] [FLAGS]\n\n", program);
    for (size_t i = 0; i < count; i++)
        printf("  %-14s%s\n", commands[i].name, commands[i].summary);
    printf("\n'%s COMMAND --help' tells more.\n", program);
    return cli_finish(stdout, CLI_DONE);
}

const struct cli_command *cli_choose(const char *program, const struct cli_command *commands, size_t count, int argc,
                                     char **argv, int *code)
{
    const char *names[COMMANDS_MAX];
    REQUIRE(count <= COMMANDS_MAX);
    if (argc < 2) {
        *code = cli_fail(CLI_USAGE, "a command is missing; '%s --help' lists them", program);
        return NULL;
    }
    if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        *code = list_commands(program, commands, count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        names[i] = commands[i].name;
        if (strcmp(argv[1], names[i]) == 0)
            return &commands[i];
    }
    const char *nearest = flags_nearest(argv[1], names, count);
    if (nearest != NULL)
        *code = cli_fail(CLI_USAGE, "there is no command \"%.40s\"; did you mean '%s %s'?", argv[1], program, nearest);
    else
        *code = cli_fail(CLI_USAGE, "there is no command \"%.40s\"; '%s --help' lists them", argv[1], program);
    return NULL;
}
