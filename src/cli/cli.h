/* What all commands share: exit codes and the one line that a failure prints. A command is a function of its
 * own arguments (argv[0] is its name) that returns the exit code; main.c has the table of them. */
#pragma once

#include <stdio.h>

#include "base/attributes.h"
#include "base/error.h"

enum cli_exit {
    CLI_DONE = 0,
    CLI_FOUND = 1,      /* it ran and found something wrong, or what it was to act on is not there */
    CLI_USAGE = 2,      /* wrong flags or arguments */
    CLI_CANNOT_RUN = 3, /* configuration, store, port, network, ... */
};

int command_backup(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_check_config(int argc, char **argv);
int command_compact(int argc, char **argv);
int command_demo(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_gen_config(int argc, char **argv);
int command_import(int argc, char **argv);
int command_init(int argc, char **argv);
int command_rebuild(int argc, char **argv);
int command_registration(int argc, char **argv);
int command_restore(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_stat(int argc, char **argv);
int command_token(int argc, char **argv);
int command_user(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_version(int argc, char **argv);

/* "stampmeter: <message>; <remedy>" on stderr. The remedy of the error's kind is added where the message has
 * none (no semicolon in it). Returns CLI_CANNOT_RUN. */
int cli_cannot_run(const struct error_info *info);
/* "stampmeter: <text>" on stderr; returns 'code'. */
int cli_fail(int code, const char *format, ...) PRINTF_LIKE(2, 3);
/* Flushes 'stream' (stdout) and turns a failed write, such as to a full disk, into an exit code. */
MUST_CHECK int cli_finish(FILE *stream, int code);

/* Commands with a second word, such as "token create". */
struct cli_command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};
/* The command named by argv[1], or NULL after a line on stderr (or, for --help, a list on stdout) with
 * *code set. 'program' stands before the word: "stampmeter" or "stampmeter token". */
const struct cli_command *cli_choose(const char *program, const struct cli_command *commands, size_t count, int argc,
                                     char **argv, int *code);
