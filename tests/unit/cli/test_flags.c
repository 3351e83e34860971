/* Unit tests of flags: what is accepted, what is refused, and with which hint. */
#include "base/support.h"

#include "base/attributes.h"
#include "cli/cli.h"
#include "cli/flags.h"

static const struct flag some_flags[] = {
    FLAG_OPTION(OPTION_NET_LISTEN, "ADDR:PORT"),
    { "--source", "SOURCE", "A source.", 0, true },
    { "--name", "NAME", "A name.", 0, false },
    { "--json", NULL, "Prints JSON.", 0, false },
};
static const struct command some_command = {
    .name = "some thing",
    .arguments = "[FILE]",
    .about = "About.",
    .flags = some_flags,
    .flag_count = COUNT_OF(some_flags),
    .arguments_max = 1,
};

#define PARSE(flags, ...)                                                                                              \
    flags_parse(&some_command, (int)COUNT_OF(((const char *[]){ "thing", __VA_ARGS__ })),                              \
                (char **)(uintptr_t)(const char *[]){ "thing", __VA_ARGS__, NULL }, flags)

/* Runs with stderr, or stdout, caught; the text of it is in caught[]. */
static char caught[8192];
static int saved_fd;
static FILE *catcher;

static void begin_catching(FILE *stream)
{
    (void)fflush(stream);
    catcher = tmpfile();
    assert_non_null(catcher);
    saved_fd = dup(fileno(stream));
    assert_true(dup2(fileno(catcher), fileno(stream)) >= 0);
}

static void end_catching(FILE *stream)
{
    (void)fflush(stream);
    (void)dup2(saved_fd, fileno(stream));
    (void)close(saved_fd);
    rewind(catcher);
    size_t size = fread(caught, 1, sizeof caught - 1, catcher);
    caught[size] = '\0';
    (void)fclose(catcher);
}

static void takes_both_forms(void **state)
{
    (void)state;
    struct flags flags;
    assert_int_equal(PARSE(&flags, "--listen", "a:1", "--name=x=y", "file", "--json"), -1);
    assert_string_equal(flags_value(&flags, "--listen"), "a:1");
    assert_string_equal(flags_value(&flags, "--name"), "x=y");
    assert_true(flags_has(&flags, "--json"));
    assert_int_equal(flags.argument_count, 1);
    assert_string_equal(flags.arguments[0], "file");
    assert_int_equal(PARSE(&flags, "--source", "a", "--source=b", "-"), -1);
    assert_string_equal(flags_value_at(&flags, "--source", 0), "a");
    assert_string_equal(flags_value_at(&flags, "--source", 1), "b");
    assert_null(flags_value_at(&flags, "--source", 2));
    assert_string_equal(flags.arguments[0], "-");
    assert_null(flags_value(&flags, "--name"));
    assert_int_equal(PARSE(&flags, "--", "--json"), -1);
    assert_string_equal(flags.arguments[0], "--json");
    assert_int_equal(PARSE(&flags, "--name="), -1);
    assert_string_equal(flags_value(&flags, "--name"), "");
}

static void hands_options_over(void **state)
{
    (void)state;
    struct flags flags;
    struct options_source source = { 0 };
    assert_int_equal(PARSE(&flags, "--name", "x", "--listen", "a:1"), -1);
    flags_to_options(&flags, &source);
    assert_int_equal(source.flag_count, 1);
    assert_int_equal(source.flag_options[0], OPTION_NET_LISTEN);
    assert_text(source.flag_texts[0], "a:1");
}

#define REFUSES(expected, ...)                                                                                         \
    do {                                                                                                               \
        struct flags flags;                                                                                            \
        begin_catching(stderr);                                                                                        \
        int code = PARSE(&flags, __VA_ARGS__);                                                                         \
        end_catching(stderr);                                                                                          \
        assert_int_equal(code, CLI_USAGE);                                                                             \
        if (strstr(caught, expected) == NULL)                                                                          \
            fail_msg("\"%s\" does not say \"%s\"", caught, expected);                                                  \
        assert_ptr_equal(strchr(caught, '\n'), caught + strlen(caught) - 1);                                           \
    } while (0)

static void refuses_with_a_hint(void **state)
{
    (void)state;
    REFUSES("did you mean --listen?", "--lisen", "a:1");
    REFUSES("did you mean --json?", "--jsn");
    REFUSES("there is no flag --completely-else (", "--completely-else");
    REFUSES("needs a value: --listen ADDR:PORT", "--listen");
    REFUSES("needs a value", "--listen", "--json");
    REFUSES("takes no value", "--json=yes");
    REFUSES("is given twice", "--name", "a", "--name", "b");
    REFUSES("one argument too many", "a", "b");
    REFUSES("see stampmeter some thing --help", "-x");
}

static void explains_itself(void **state)
{
    (void)state;
    struct flags flags;
    begin_catching(stdout);
    int code = PARSE(&flags, "--nonsense-is-not-reached", "--help");
    end_catching(stdout);
    assert_int_equal(code, CLI_USAGE); /* the first mistake counts */
    begin_catching(stdout);
    code = PARSE(&flags, "--help");
    end_catching(stdout);
    assert_int_equal(code, CLI_DONE);
    assert_non_null(strstr(caught, "Usage: stampmeter some thing [FILE] [FLAGS]"));
    assert_non_null(strstr(caught, "--listen ADDR:PORT"));
    assert_non_null(strstr(caught, "STAMPMETER_NET_LISTEN"));
    assert_non_null(strstr(caught, "127.0.0.1:8443"));
    assert_non_null(strstr(caught, "May be repeated."));
    for (const char *line = caught; line != NULL && *line != '\0'; line = strchr(line, '\n') + 1)
        assert_true(strcspn(line, "\n") <= 100);
}

static void chooses_commands(void **state)
{
    (void)state;
    static const struct cli_command commands[] = { { "serve", "S.", command_serve }, { "token", "T.", command_token } };
    int code = -1;
    char *good[] = { (char[]){ "x" }, (char[]){ "token" }, NULL };
    assert_ptr_equal(cli_choose("stampmeter", commands, 2, 2, good, &code), &commands[1]);
    char *wrong[] = { (char[]){ "x" }, (char[]){ "serv" }, NULL };
    begin_catching(stderr);
    assert_null(cli_choose("stampmeter", commands, 2, 2, wrong, &code));
    end_catching(stderr);
    assert_int_equal(code, CLI_USAGE);
    assert_non_null(strstr(caught, "did you mean 'stampmeter serve'?"));
}

static void names_cause_and_remedy(void **state)
{
    (void)state;
    struct error_info info = { .code = ERROR_IO, .message = "open /x: Permission denied" };
    begin_catching(stderr);
    assert_int_equal(cli_cannot_run(&info), CLI_CANNOT_RUN);
    end_catching(stderr);
    assert_string_equal(caught, "stampmeter: open /x: Permission denied; check the path, its permissions and the "
                                "free space\n");
    for (int code = 1; code < ERROR_COUNT; code++) {
        info = (struct error_info){ .code = (err_t)code };
        begin_catching(stderr);
        assert_int_equal(cli_cannot_run(&info), CLI_CANNOT_RUN);
        end_catching(stderr);
        assert_true(strlen(caught) > 20);
    }
}

TESTS(cmocka_unit_test(takes_both_forms), cmocka_unit_test(hands_options_over), cmocka_unit_test(refuses_with_a_hint),
      cmocka_unit_test(explains_itself), cmocka_unit_test(chooses_commands), cmocka_unit_test(names_cause_and_remedy))
