/* Flags of one command: --flag VALUE, --flag=VALUE, --switch, then arguments. Prints help and complaints itself, so
 * that all commands speak alike. A flag that stands for an option of the configuration takes its name and help from
 * the option table. Everything points into argv. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/text.h"
#include "cli/options.h"

struct flag {
    const char *name;  /* "--name"; NULL where it stands for an option */
    const char *value; /* what to call its value in the help: "FILE"; NULL: a switch */
    const char *help;
    int option; /* with name NULL: enum option, whose flag this is */
    bool repeatable;
};
/* An entry that stands for an option of the configuration. */
#define FLAG_OPTION(id, value_name)                                                                                    \
    {                                                                                                                  \
        NULL, value_name, NULL, id, false                                                                              \
    }

struct command {
    const char *name;      /* "token create" */
    const char *arguments; /* "FILE|-", or "" */
    const char *about;     /* sentences for --help */
    const struct flag *flags;
    size_t flag_count;
    size_t arguments_min, arguments_max;
};

#define FLAGS_GIVEN_MAX 32
#define FLAGS_ARGUMENTS_MAX 4

struct flags {
    const struct command *command;
    struct {
        const struct flag *flag;
        const char *value; /* "" for a switch */
    } given[FLAGS_GIVEN_MAX];
    size_t given_count;
    const char *arguments[FLAGS_ARGUMENTS_MAX];
    size_t argument_count;
};

/* Negative: go on. Otherwise the exit code: help was printed (0) or a complaint (2). */
MUST_CHECK int flags_parse(const struct command *command, int argc, char **argv, struct flags *out);
bool flags_has(const struct flags *flags, const char *name);
/* The value, NULL when not given. */
const char *flags_value(const struct flags *flags, const char *name);
/* The n-th value of a repeatable flag, NULL past the last. */
const char *flags_value_at(const struct flags *flags, const char *name, size_t n);
/* A complaint about the command's usage on stderr; returns CLI_USAGE. */
int flags_wrong(const struct flags *flags, const char *format, ...) PRINTF_LIKE(2, 3);
/* Hands the values of FLAG_OPTION flags to the configuration. */
void flags_to_options(const struct flags *flags, struct options_source *source);

/* The nearest of 'names' to 'wrong', or NULL if none is near. */
const char *flags_nearest(const char *wrong, const char *const *names, size_t count);
