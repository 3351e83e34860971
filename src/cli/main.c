/* The program's entry point: what must hold before any command runs, and the table of commands. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/attributes.h"
#include "cli/cli.h"
#include "cli/cpu.h"

static const struct cli_command commands[] = {
    { "serve", "Runs the server.", command_serve },
    { "demo", "Runs a simulated stamp, to look around and to test against.", command_demo },
    { "init", "Prepares a data directory: keys, certificate, first operator.", command_init },
    { "import", "Adds usage records from a file.", command_import },
    { "token", "Creates, lists and revokes tokens.", command_token },
    { "user", "Adds, lists and disables the users of the console.", command_user },
    { "registration", "Registers and activates this stamp.", command_registration },
    { "verify", "Proves the store: nothing damaged, nothing missing, nothing extra.", command_verify },
    { "rebuild", "Makes the store's file anew from its journal.", command_rebuild },
    { "backup", "Copies a data directory, also of a running server.", command_backup },
    { "restore", "Makes a data directory from a backup, also as of a point in time.", command_restore },
    { "compact", "Gives free space of the store's file back to the disk.", command_compact },
    { "stat", "Shows where the space of the store goes.", command_stat },
    { "doctor", "Says what is wrong and what to do about it.", command_doctor },
    { "check-config", "Checks a configuration and prints the effective values.", command_check_config },
    { "gen-config", "Prints the commented sample of the configuration.", command_gen_config },
    { "bench", "Measures ingest, queries and restarts.", command_bench },
    { "version", "Prints the version, and what it is made of.", command_version },
};

/* Sockets are the bound here, and nothing in this program uses select(2). */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit); /* as many as there were will have to do */
    }
}

int main(int argc, char **argv)
{
    int code = CLI_DONE;
    const char *missing = cpu_missing_feature();
    if (missing != NULL)
        return cli_fail(CLI_CANNOT_RUN,
                        "this processor lacks %s; use one with x86-64-v2, AES and PCLMUL "
                        "(in a virtual machine: pass the host's processor through)",
                        missing);
    umask(077);
    raise_file_limit();
    signal(SIGPIPE, SIG_IGN); /* 'stampmeter ... | head' ends with a message, not a signal */
    if (argc >= 2 && strcmp(argv[1], "--version") == 0)
        argv[1] = "version";
    if (argc >= 3 && strcmp(argv[1], "help") == 0) { /* help COMMAND */
        argv[1] = argv[2];
        argv[2] = "--help";
    }
    const struct cli_command *command = cli_choose("stampmeter", commands, COUNT_OF(commands), argc, argv, &code);
    return command != NULL ? command->run(argc - 1, argv + 1) : code;
}
