/* The commands 'verify' and 'rebuild'. */
#include "usage/verify.h"

#include <stdio.h>
#include <unistd.h>

#include "base/files.h"
#include "base/instant.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "usage/rebuild.h"

#define HEADS_SIZE_MAX ((size_t)64 * 1024 * 1024)

static const struct flag verify_flags[] = {
    ADMIN_FLAGS,
    { "--heads", "FILE", "Heads that were exported earlier and kept elsewhere, a line each; '-' is standard input.", 0,
      false },
};

static const struct command verify_command = {
    .name = "verify",
    .arguments = "",
    .about =
        "Proves the store and gives two answers. Integrity: file, checksums, hash chain, signed heads, dictionary and "
        "rows are as they were written. Completeness: hours, days, identities and indexes are exactly what the "
        "journal gives. Works in a data directory whose server is stopped, or on a running server. Exit code 1: "
        "something is wrong.",
    .flags = verify_flags,
    .flag_count = COUNT_OF(verify_flags),
};

static err_t verify_local(struct admin *admin, struct text heads, struct buffer *out, struct error_info *info)
{
    struct progress progress;
    struct verify_result result;
    int lock_fd;
    struct verify_options options = {
        .folder = options_string(&admin->config, OPTION_STORE_DATA_DIR),
        .heads = heads,
        .map_size_bytes = options_size(&admin->config, OPTION_STORE_MAP_SIZE),
        .progress = progress_tell,
        .context = &progress,
    };
    err_t error = report_lock(admin, &lock_fd, info);
    if (error != ERROR_OK)
        return error;
    progress_begin(&progress);
    error = verify_run(&options, &result, info);
    progress_end(&progress);
    if (error == ERROR_OK)
        verify_write_json(&result, out);
    verify_free(&result);
    close(lock_fd);
    return error;
}

static err_t verify_remote(struct admin *admin, struct text heads, struct buffer *out, struct error_info *info)
{
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    if (heads.ptr != NULL) {
        json_name(&json, "heads");
        json_put_text(&json, heads);
    }
    json_end_object(&json);
    err_t error = report_fetch(admin, HTTP_POST, "/v1/verify", buffer_text(&body), out, info);
    buffer_free(&body);
    return error;
}

/* Whether one of the two answers is other than "proven". */
static bool is_wrong(struct admin *admin, struct text report)
{
    const struct json *json;
    if (json_parse(admin->arena, report, &json, NULL) != ERROR_OK)
        return true;
    struct text integrity = admin_member(json_member(json, TEXT("integrity")), TEXT("answer"));
    struct text completeness = admin_member(json_member(json, TEXT("completeness")), TEXT("answer"));
    return !text_equal(integrity, TEXT("proven")) || !text_equal(completeness, TEXT("proven"));
}

int command_verify(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    struct buffer heads = { 0 }, report = { 0 };
    int code = flags_parse(&verify_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open_folder(&flags, &admin);
    if (code >= 0)
        return code;
    const char *file = flags_value(&flags, "--heads");
    err_t error = file != NULL ? file_read(file, HEADS_SIZE_MAX, &heads, &info) : ERROR_OK;
    struct text lines = file != NULL ? buffer_text(&heads) : TEXT_NONE;
    if (error == ERROR_OK)
        error = admin.is_remote ? verify_remote(&admin, lines, &report, &info)
                                : verify_local(&admin, lines, &report, &info);
    code = error == ERROR_OK ? report_print(&admin, buffer_text(&report),
                                            is_wrong(&admin, buffer_text(&report)) ? CLI_FOUND : CLI_DONE)
                             : report_fail(error, &info);
    buffer_free(&heads);
    buffer_free(&report);
    return admin_close(&admin, code);
}

/* --- rebuild --- */

static const struct flag rebuild_flags[] = {
    FLAG_OPTION(OPTION_STORE_DATA_DIR, "DIR"),
    { "--config", "FILE", "The server's configuration, for its data directory.", 0, false },
    { "--json", NULL, "Prints JSON.", 0, false },
};

static const struct command rebuild_command = {
    .name = "rebuild",
    .arguments = "",
    .about = "Makes the store's file anew from its journal: the same journal byte for byte, and everything else as it "
             "follows from it. The server is stopped. The old file is kept as data.mdb.before-rebuild until you remove "
             "it; a rebuild that is cut short changes nothing.",
    .flags = rebuild_flags,
    .flag_count = COUNT_OF(rebuild_flags),
};

static void tell_rebuild(void *progress, uint64_t entries, uint64_t total)
{
    progress_tell(progress, "rebuilding", entries, total);
}

static void write_rebuilt(const struct rebuild_result *result, struct buffer *out)
{
    char text[256];
    struct json_writer json = json_writer(out);
    (void)snprintf(text, sizeof text,
                   "Rebuilt from %llu journal entries: %llu records, %llu corrections%s. The old file is kept as "
                   "data.mdb.before-rebuild.\n",
                   (unsigned long long)result->entries, (unsigned long long)result->records,
                   (unsigned long long)result->corrections,
                   result->rows_given > 0 ? "; rows older than the journal are taken as they were" : "");
    json_begin_object(&json);
    json_name(&json, "entries");
    json_put_u64(&json, result->entries);
    json_name(&json, "records");
    json_put_u64(&json, result->records);
    json_name(&json, "corrections");
    json_put_u64(&json, result->corrections);
    json_name(&json, "firstSequence");
    json_put_u64(&json, result->first_sequence);
    json_name(&json, "lastSequence");
    json_put_u64(&json, result->last_sequence);
    json_name(&json, "rowsTakenAsGiven");
    json_put_u64(&json, result->rows_given);
    json_name(&json, "text");
    json_put_cstring(&json, text);
    json_end_object(&json);
}

int command_rebuild(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    struct progress progress;
    struct rebuild_result result;
    struct buffer report = { 0 };
    int code = flags_parse(&rebuild_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open_folder(&flags, &admin);
    if (code >= 0)
        return code;
    struct rebuild_options options = {
        .folder = options_string(&admin.config, OPTION_STORE_DATA_DIR),
        .map_size_bytes = options_size(&admin.config, OPTION_STORE_MAP_SIZE),
        .to_reported_ns = INT64_MAX,
        .progress = tell_rebuild,
        .context = &progress,
    };
    progress_begin(&progress);
    err_t error = rebuild_run(&options, &result, &info);
    progress_end(&progress);
    write_rebuilt(&result, &report);
    code = error == ERROR_OK ? report_print(&admin, buffer_text(&report), CLI_DONE) : report_fail(error, &info);
    buffer_free(&report);
    return admin_close(&admin, code);
}
