/* Parsing flags, and everything that is said about them. */
#include "cli/flags.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/cli.h"

#define NEAREST_DISTANCE_MAX 3
#define HELP_COLUMN 26
#define HELP_WIDTH 100

static const char *flag_name(const struct flag *flag)
{
    return flag->name != NULL ? flag->name : options_table[flag->option].flag;
}

static const char *flag_help(const struct flag *flag)
{
    return flag->name != NULL ? flag->help : options_table[flag->option].help;
}

const char *flags_nearest(const char *wrong, const char *const *names, size_t count)
{
    const char *nearest = NULL;
    size_t best = NEAREST_DISTANCE_MAX + 1;
    for (size_t i = 0; i < count; i++) {
        size_t distance = text_distance(text_of(wrong), text_of(names[i]), NEAREST_DISTANCE_MAX + 1);
        /* A word of three letters is not near to every other one. */
        if (distance < best && distance < strlen(names[i])) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

/* --- help --- */

/* Words of 'text' from column 'column' on, broken before the edge. */
static void print_wrapped(const char *text, int column)
{
    int at = column;
    struct text rest = text_of(text), word;
    bool first = true;
    while (text_cut(&rest, ' ', &word)) {
        int len = (int)word.len;
        if (!first && at + 1 + len > HELP_WIDTH) {
            printf("\n%*s", column, "");
            at = column;
        } else if (!first) {
            printf(" ");
            at++;
        }
        printf("%.*s", TEXT_ARGS(word));
        at += len;
        first = false;
    }
    printf("\n");
}

static void print_flag(const char *name, const char *value, const char *help)
{
    int length = printf("  %s%s%s", name, value != NULL ? " " : "", value != NULL ? value : "");
    if (length >= HELP_COLUMN)
        printf("\n%*s", HELP_COLUMN, "");
    else
        printf("%*s", HELP_COLUMN - length, "");
    print_wrapped(help, HELP_COLUMN);
}

static void print_help(const struct command *command)
{
    printf("Usage: stampmeter %s%s%s%s\n\n", command->name, command->arguments[0] != '\0' ? " " : "",
           command->arguments, " [FLAGS]");
    print_wrapped(command->about, 0);
    printf("\n");
    for (size_t i = 0; i < command->flag_count; i++) {
        const struct flag *flag = &command->flags[i];
        char help[512];
        int length = snprintf(help, sizeof help, "%s%s", flag_help(flag), flag->repeatable ? " May be repeated." : "");
        if (flag->name == NULL && length > 0 && (size_t)length < sizeof help) {
            char variable[CONFIG_NAME_SIZE];
            config_environment_name(&options_table[flag->option], variable);
            (void)snprintf(help + length, sizeof help - (size_t)length, " Default %s, or %s.",
                           options_table[flag->option].default_text, variable);
        }
        print_flag(flag_name(flag), flag->value, help);
    }
    print_flag("--help", NULL, "Prints this.");
}

/* --- parsing --- */

static int PRINTF_LIKE(2, 0) wrong(const struct command *command, const char *format, va_list arguments)
{
    fprintf(stderr, "stampmeter %s: ", command->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, " (see stampmeter %s --help)\n", command->name);
    return CLI_USAGE;
}

int flags_wrong(const struct flags *flags, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int code = wrong(flags->command, format, arguments);
    va_end(arguments);
    return code;
}

static const struct flag *find_flag(const struct command *command, struct text name)
{
    for (size_t i = 0; i < command->flag_count; i++) {
        if (text_equal(name, text_of(flag_name(&command->flags[i]))))
            return &command->flags[i];
    }
    return NULL;
}

static int unknown_flag(const struct flags *flags, struct text name)
{
    const char *names[FLAGS_GIVEN_MAX];
    char given[64];
    size_t count = 0;
    for (; count < flags->command->flag_count && count < COUNT_OF(names); count++)
        names[count] = flag_name(&flags->command->flags[count]);
    (void)snprintf(given, sizeof given, "%.*s", TEXT_ARGS(name));
    const char *nearest = flags_nearest(given, names, count);
    if (nearest != NULL)
        return flags_wrong(flags, "there is no flag %s; did you mean %s?", given, nearest);
    return flags_wrong(flags, "there is no flag %s", given);
}

/* The flag at argv[*at] and its value, which may be the next argument. */
static int take_flag(struct flags *flags, int argc, char **argv, int *at)
{
    struct text name = text_of(argv[*at]), whole = name;
    const char *equals = memchr(name.ptr, '=', name.len);
    if (equals != NULL)
        name.len = (size_t)(equals - name.ptr);
    const struct flag *flag = find_flag(flags->command, name);
    if (flag == NULL)
        return unknown_flag(flags, name);
    const char *value = equals != NULL ? whole.ptr + name.len + 1 : NULL;
    if (flag->value == NULL && value != NULL)
        return flags_wrong(flags, "%s takes no value", flag_name(flag));
    if (flag->value != NULL && value == NULL) {
        if (*at + 1 >= argc || strncmp(argv[*at + 1], "--", 2) == 0)
            return flags_wrong(flags, "%s needs a value: %s %s", flag_name(flag), flag_name(flag), flag->value);
        value = argv[++*at];
    }
    if (!flag->repeatable && flags_has(flags, flag_name(flag)))
        return flags_wrong(flags, "%s is given twice", flag_name(flag));
    if (flags->given_count == FLAGS_GIVEN_MAX)
        return flags_wrong(flags, "there are too many flags");
    flags->given[flags->given_count].flag = flag;
    flags->given[flags->given_count].value = value != NULL ? value : "";
    flags->given_count++;
    return -1;
}

int flags_parse(const struct command *command, int argc, char **argv, struct flags *out)
{
    bool flags_ended = false;
    memset(out, 0, sizeof *out);
    out->command = command;
    REQUIRE(command->arguments_max <= FLAGS_ARGUMENTS_MAX);
    for (int i = 1; i < argc; i++) {
        if (!flags_ended && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            print_help(command);
            return cli_finish(stdout, CLI_DONE);
        }
        if (!flags_ended && strcmp(argv[i], "--") == 0) {
            flags_ended = true;
        } else if (!flags_ended && argv[i][0] == '-' && argv[i][1] != '\0') {
            int code = take_flag(out, argc, argv, &i);
            if (code >= 0)
                return code;
        } else if (out->argument_count == command->arguments_max) {
            return flags_wrong(out, "\"%s\" is one argument too many", argv[i]);
        } else {
            out->arguments[out->argument_count++] = argv[i];
        }
    }
    if (out->argument_count < command->arguments_min)
        return flags_wrong(out, "an argument is missing: stampmeter %s %s", command->name, command->arguments);
    return -1;
}

/* --- what was given --- */

const char *flags_value_at(const struct flags *flags, const char *name, size_t n)
{
    for (size_t i = 0; i < flags->given_count; i++) {
        if (strcmp(flag_name(flags->given[i].flag), name) == 0 && n-- == 0)
            return flags->given[i].value;
    }
    return NULL;
}

const char *flags_value(const struct flags *flags, const char *name)
{
    return flags_value_at(flags, name, 0);
}

bool flags_has(const struct flags *flags, const char *name)
{
    return flags_value(flags, name) != NULL;
}

void flags_to_options(const struct flags *flags, struct options_source *source)
{
    for (size_t i = 0; i < flags->given_count; i++) {
        const struct flag *flag = flags->given[i].flag;
        if (flag->name == NULL)
            options_set(source, (enum option)flag->option, flags->given[i].value);
    }
}
