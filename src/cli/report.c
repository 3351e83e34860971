/* See report.h. */
#include "cli/report.h"

#include <limits.h>
#include <stdio.h>

#include "base/files.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/options.h"

#define LONG_TIMEOUT_MS (12u * 3600 * 1000)

int report_print(struct admin *admin, struct text object, int code)
{
    const struct json *json;
    struct error_info info = { 0 };
    struct text text;
    if (flags_has(admin->flags, "--json")) {
        printf("%.*s\n", TEXT_ARGS(object));
        return cli_finish(stdout, code);
    }
    if (json_parse(admin->arena, object, &json, &info) != ERROR_OK || !json_member_string(json, TEXT("text"), &text))
        return cli_fail(CLI_CANNOT_RUN, "the answer is not understood; use the same version here and there");
    printf("%.*s", TEXT_ARGS(text));
    return cli_finish(stdout, code);
}

err_t report_fetch(struct admin *admin, enum http_method method, const char *target, struct text body,
                   struct buffer *out, struct error_info *info)
{
    struct remote_answer answer;
    admin->remote.timeout_ms = LONG_TIMEOUT_MS;
    err_t error = remote_call(&admin->remote, method, text_of(target), body, &answer, info);
    if (error != ERROR_OK)
        return error;
    if (answer.status == 200)
        buffer_append_text(out, buffer_text(&answer.body));
    else
        error = remote_refusal(&answer, info);
    buffer_free(&answer.body);
    return error;
}

int report_fail(err_t error, const struct error_info *info)
{
    int code = cli_cannot_run(info);
    return error == ERROR_STORE_CORRUPT ? CLI_FOUND : code;
}

err_t report_lock(const struct admin *admin, int *lock_fd, struct error_info *info)
{
    char path[PATH_MAX];
    const char *folder = options_string(&admin->config, OPTION_STORE_DATA_DIR);
    *lock_fd = -1;
    if (snprintf(path, sizeof path, "%s/data.mdb", folder) >= PATH_MAX || !file_exists(path))
        return error_set(info, ERROR_NOT_FOUND, NULL, "there is no store in %s; make one with 'stampmeter init'",
                         folder);
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    err_t error = file_lock(path, lock_fd, info);
    if (error == ERROR_STORE_IN_USE)
        error_set(info, error, NULL,
                  "%s is in use by a running server; stop it, or ask it with --url, --ca and --token-file", folder);
    return error;
}
