/* stampmeter version: what this is, and what it is made of. */
#include <stdio.h>

#include "base/json.h"
#include "cli/cli.h"
#include "cli/flags.h"
#include "generated/vendored.h"

static const struct flag version_flags[] = {
    { "--verbose", NULL, "Lists the libraries inside the program with versions, licences and sha256.", 0, false },
    { "--json", NULL, "Prints JSON.", 0, false },
};

static const struct command version_command = {
    .name = "version",
    .arguments = "",
    .about = "Prints the version.",
    .flags = version_flags,
    .flag_count = COUNT_OF(version_flags),
};

struct library {
    const char *name, *version, *licence, *sha256;
};

static const struct library libraries[] = {
#define LIBRARY(name, version, licence, sha256) { name, version, licence, sha256 },
    STAMPMETER_VENDORED(LIBRARY)
#undef LIBRARY
};

static void print_json(bool verbose)
{
    struct buffer out = { 0 };
    struct json_writer json = json_writer(&out);
    json_begin_object(&json);
    json_name(&json, "version");
    json_put_cstring(&json, STAMPMETER_VERSION);
    if (verbose) {
        json_name(&json, "libraries");
        json_begin_array(&json);
        for (size_t i = 0; i < COUNT_OF(libraries); i++) {
            json_begin_object(&json);
            json_name(&json, "name");
            json_put_cstring(&json, libraries[i].name);
            json_name(&json, "version");
            json_put_cstring(&json, libraries[i].version);
            json_name(&json, "licence");
            json_put_cstring(&json, libraries[i].licence);
            json_name(&json, "sha256");
            json_put_cstring(&json, libraries[i].sha256);
            json_end_object(&json);
        }
        json_end_array(&json);
    }
    json_end_object(&json);
    printf("%.*s\n", TEXT_ARGS(buffer_text(&out)));
    buffer_free(&out);
}

int command_version(int argc, char **argv)
{
    struct flags flags;
    int code = flags_parse(&version_command, argc, argv, &flags);
    if (code >= 0)
        return code;
    bool verbose = flags_has(&flags, "--verbose");
    if (flags_has(&flags, "--json")) {
        print_json(verbose);
        return cli_finish(stdout, CLI_DONE);
    }
    printf("stampmeter %s\n", STAMPMETER_VERSION);
    for (size_t i = 0; verbose && i < COUNT_OF(libraries); i++)
        printf("%-11s  %-8s  sha256:%s  %s\n", libraries[i].name, libraries[i].version, libraries[i].sha256,
               libraries[i].licence);
    return cli_finish(stdout, CLI_DONE);
}
