/* Opening either side. */
#include "cli/admin.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/setup.h"
#include "usage/migrate.h"

/* --data-dir, also by environment or configuration, against --url and its company. */
static int check_flags(const struct flags *flags)
{
    bool is_remote = flags_has(flags, "--url");
    if (is_remote && (flags_has(flags, "--data-dir") || flags_has(flags, "--config")))
        return flags_wrong(flags, "either --data-dir (server stopped) or --url (server running)");
    if (is_remote && !flags_has(flags, "--token-file"))
        return flags_wrong(flags, "--url needs --token-file FILE with an operator's token");
    if (!is_remote && (flags_has(flags, "--ca") || flags_has(flags, "--token-file")))
        return flags_wrong(flags, "--ca and --token-file go with --url");
    return -1;
}

static err_t open_local(struct admin *admin, struct error_info *info)
{
    struct store_options store = {
        .folder = options_string(&admin->config, OPTION_STORE_DATA_DIR),
        .create = false,
        .clock = clock_system(),
        .map_size_bytes = options_size(&admin->config, OPTION_STORE_MAP_SIZE),
        .upgrade = migrate_store,
    };
    err_t error = store_open(&store, &admin->store, info);
    if (error == ERROR_STORE_IN_USE)
        error_set(info, error, NULL,
                  "%s is in use by a running server; stop it, or ask it with --url, --ca and "
                  "--token-file",
                  store.folder);
    return error;
}

static int open_admin(const struct flags *flags, bool with_store, struct admin *out)
{
    struct options_source source = { .file_path = flags_value(flags, "--config"), .environment = environ };
    struct error_info info = { 0 };
    int code = check_flags(flags);
    if (code >= 0)
        return code;
    memset(out, 0, sizeof *out);
    out->flags = flags;
    out->is_remote = flags_has(flags, "--url");
    out->remote = (struct remote){ .url = flags_value(flags, "--url"),
                                   .ca_file = flags_value(flags, "--ca"),
                                   .token_file = flags_value(flags, "--token-file") };
    flags_to_options(flags, &source);
    log_configure(&(struct log_options){ .level = LOG_WARNING, .fd = STDERR_FILENO });
    out->arena = arena_new(64 * 1024, 0);
    if (out->arena == NULL)
        return cli_cannot_run(&(struct error_info){ .code = ERROR_NO_MEMORY });
    err_t error = options_load(out->arena, &source, &out->config, &info);
    if (error == ERROR_OK && !out->is_remote && with_store)
        error = open_local(out, &info);
    return error == ERROR_OK ? -1 : admin_close(out, cli_cannot_run(&info));
}

int admin_open(const struct flags *flags, struct admin *out)
{
    return open_admin(flags, true, out);
}

int admin_open_folder(const struct flags *flags, struct admin *out)
{
    return open_admin(flags, false, out);
}

int admin_close(struct admin *admin, int code)
{
    store_close(admin->store);
    arena_free(admin->arena);
    memset(admin, 0, sizeof *admin);
    return code;
}

int admin_fail(err_t error, const struct error_info *info)
{
    if (error == ERROR_NOT_FOUND || error == ERROR_EXISTS || error == ERROR_INVALID_PROPERTY)
        return cli_fail(CLI_FOUND, "%s", info->message);
    return cli_cannot_run(info);
}

struct text admin_member(const struct json *object, struct text name)
{
    struct text text;
    return json_member_string(object, name, &text) ? text : TEXT("?");
}

struct text admin_time(struct admin *admin, struct text instant)
{
    if (instant.len < 20 || instant.ptr[10] != 'T')
        return instant;
    struct text shown = arena_format(admin->arena, "%.10s %.8s", instant.ptr, instant.ptr + 11);
    return shown.ptr != NULL ? shown : instant;
}

/* Path and query of a link, which may be absolute. */
static struct text target_of(struct text link)
{
    for (size_t i = 0; i + 3 < link.len && link.ptr[0] != '/'; i++) {
        if (memcmp(link.ptr + i, "://", 3) != 0)
            continue;
        const char *slash = memchr(link.ptr + i + 3, '/', link.len - i - 3);
        return slash != NULL ? (struct text){ slash, link.len - (size_t)(slash - link.ptr) } : TEXT("/");
    }
    return link;
}

static err_t add_page(struct admin *admin, struct text body, struct json_writer *array, struct text *next,
                      struct error_info *info)
{
    const struct json *page;
    err_t error = json_parse(admin->arena, body, &page, info);
    if (error != ERROR_OK)
        return error;
    const struct json *value = json_member(page, TEXT("value"));
    if (value == NULL || json_type(value) != JSON_ARRAY)
        return error_set(info, ERROR_INTERNAL, NULL,
                         "the server's answer is not a list; use the same version here and "
                         "there");
    for (struct json_iterator i = json_iterate(value); json_next(&i);) {
        struct text element = json_minify(admin->arena, i.value);
        if (element.ptr == NULL)
            return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
        json_put_raw(array, element);
    }
    struct text link;
    *next = json_member_string(page, TEXT("nextLink"), &link) ? target_of(link) : TEXT_NONE;
    return ERROR_OK;
}

static err_t fetch_list(struct admin *admin, const char *target, struct json_writer *array, struct error_info *info)
{
    struct text next = text_of(target);
    err_t error = ERROR_OK;
    while (error == ERROR_OK && next.ptr != NULL) {
        struct remote_answer answer;
        error = remote_call(&admin->remote, HTTP_GET, next, TEXT_NONE, &answer, info);
        if (error != ERROR_OK)
            break;
        error = answer.status == 200 ? add_page(admin, buffer_text(&answer.body), array, &next, info)
                                     : remote_refusal(&answer, info);
        buffer_free(&answer.body);
    }
    return error;
}

int admin_run_list(const struct command *command, int argc, char **argv, const char *target,
                   err_t (*list_local)(struct admin *admin, struct json_writer *array, struct error_info *info),
                   int (*print)(struct admin *admin, struct text array))
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    struct buffer text = { 0 };
    int code = flags_parse(command, argc, argv, &flags);
    if (code < 0)
        code = admin_open(&flags, &admin);
    if (code >= 0)
        return code;
    struct json_writer array = json_writer(&text);
    json_begin_array(&array);
    err_t error = admin.is_remote ? fetch_list(&admin, target, &array, &info) : list_local(&admin, &array, &info);
    json_end_array(&array);
    if (error == ERROR_OK && text.failed)
        error = error_set(&info, ERROR_NO_MEMORY, NULL, NULL);
    code = error == ERROR_OK ? print(&admin, buffer_text(&text)) : admin_fail(error, &info);
    buffer_free(&text);
    return admin_close(&admin, code);
}

err_t admin_run_audited(struct admin *admin, struct store_job *job, const char *action, const char *kind,
                        const char *name, struct text detail, bool (*happened)(struct audited_job *audited))
{
    struct text subject = arena_format(admin->arena, "%s%s", kind, name);
    struct audit_entry entry = {
        .by = AUDIT_BY_COMMAND, .action = text_of(action), .subject = subject, .detail = detail
    };
    struct audited_job audited;
    if (subject.ptr == NULL)
        return ERROR_NO_MEMORY;
    audited_job_init(&audited, job, &entry, happened);
    return store_run(admin->store, &audited.job);
}
