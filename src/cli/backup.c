/* The commands 'backup', 'restore' and 'compact'. */
#include "store/backup.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/instant.h"
#include "base/json.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "store/compact.h"
#include "usage/restore.h"

/* --- backup --- */

static const struct flag backup_flags[] = { ADMIN_FLAGS };

static const struct command backup_command = {
    .name = "backup",
    .arguments = "DEST",
    .about =
        "Copies a data directory into DEST, a new or empty folder: a compact copy of the store as of one moment, the "
        "certificate with its key and the operator's token, and a manifest with checksums. With --url the running "
        "server writes it, to a folder of its own machine, while usage goes on. The copy holds every secret of the "
        "store: guard it like the original.",
    .flags = backup_flags,
    .flag_count = COUNT_OF(backup_flags),
    .arguments_min = 1,
    .arguments_max = 1,
};

static err_t backup_local(struct admin *admin, const char *target, struct buffer *out, struct error_info *info)
{
    struct backup_manifest manifest;
    struct kv *kv;
    int lock_fd;
    struct backup_options options = { .folder = options_string(&admin->config, OPTION_STORE_DATA_DIR),
                                      .target = target,
                                      .version = STAMPMETER_VERSION,
                                      .now_ns = clock_wall_ns(clock_system()) };
    struct kv_options store = { .folder = options.folder,
                                .map_size_bytes = options_size(&admin->config, OPTION_STORE_MAP_SIZE),
                                .read_only = true };
    err_t error = report_lock(admin, &lock_fd, info);
    if (error != ERROR_OK)
        return error;
    error = kv_open(&store, &kv, info);
    if (error == ERROR_OK) {
        options.kv = kv;
        error = backup_run(&options, &manifest, info);
        kv_close(kv);
    }
    if (error == ERROR_OK)
        backup_write_manifest(&manifest, out);
    close(lock_fd);
    return error;
}

/* The server knows nothing of this process's folder. */
static err_t backup_remote(struct admin *admin, const char *target, struct buffer *out, struct error_info *info)
{
    char absolute[PATH_MAX];
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    if (target[0] == '/')
        (void)snprintf(absolute, sizeof absolute, "%s", target);
    else if (getcwd(absolute, sizeof absolute - strlen(target) - 2) != NULL)
        (void)snprintf(absolute + strlen(absolute), sizeof absolute - strlen(absolute), "/%s", target);
    else
        return error_set(info, ERROR_IO, NULL, "the present folder has no path; name DEST absolutely");
    json_begin_object(&json);
    json_name(&json, "folder");
    json_put_cstring(&json, absolute);
    json_end_object(&json);
    err_t error = report_fetch(admin, HTTP_POST, "/v1/backups", buffer_text(&body), out, info);
    buffer_free(&body);
    return error;
}

static int print_manifest(struct admin *admin, const char *target, struct text manifest)
{
    const struct json *json;
    if (flags_has(admin->flags, "--json")) {
        printf("%.*s\n", TEXT_ARGS(manifest));
        return cli_finish(stdout, CLI_DONE);
    }
    if (json_parse(admin->arena, manifest, &json, NULL) != ERROR_OK)
        return cli_fail(CLI_CANNOT_RUN, "the answer is not understood; use the same version here and there");
    const struct json *sequence = json_member(json, TEXT("sequence"));
    printf("Backed up to %s as of sequence %.*s.\n", target,
           TEXT_ARGS(sequence != NULL && json_type(sequence) == JSON_NUMBER ? json_number(sequence) : TEXT("?")));
    return cli_finish(stdout, CLI_DONE);
}

int command_backup(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    struct buffer manifest = { 0 };
    int code = flags_parse(&backup_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open_folder(&flags, &admin);
    if (code >= 0)
        return code;
    const char *target = flags.arguments[0];
    err_t error = admin.is_remote ? backup_remote(&admin, target, &manifest, &info)
                                  : backup_local(&admin, target, &manifest, &info);
    code = error == ERROR_OK ? print_manifest(&admin, target, buffer_text(&manifest)) : report_fail(error, &info);
    buffer_free(&manifest);
    return admin_close(&admin, code);
}

/* --- restore --- */

static const struct flag restore_flags[] = {
    FLAG_OPTION(OPTION_STORE_DATA_DIR, "DIR"),
    { "--config", "FILE", "The server's configuration, for its data directory.", 0, false },
    { "--to-time", "TIME", "Up to what was reported by then, such as 2026-01-31T13:00:00Z.", 0, false },
    { "--to-sequence", "N", "Up to this sequence of the journal.", 0, false },
    { "--json", NULL, "Prints JSON.", 0, false },
};

static const struct command restore_command = {
    .name = "restore",
    .arguments = "SRC",
    .about =
        "Makes a data directory, new or empty, from the backup in SRC. The backup is checked and verified first. With "
        "--to-time or --to-sequence the journal ends with the last commit by then; accounts, subscriptions, "
        "registrations, customers and partners stay as of the backup. The store goes on from there: heads that were "
        "signed later by the former store are of another branch, which verify tells.",
    .flags = restore_flags,
    .flag_count = COUNT_OF(restore_flags),
    .arguments_min = 1,
    .arguments_max = 1,
};

static int read_point(const struct flags *flags, struct restore_options *options)
{
    const char *time = flags_value(flags, "--to-time"), *sequence = flags_value(flags, "--to-sequence");
    unsigned long long number;
    options->to_reported_ns = INT64_MAX;
    if (time != NULL && sequence != NULL)
        return flags_wrong(flags, "either --to-time or --to-sequence");
    if (time != NULL && instant_parse(text_of(time), &options->to_reported_ns) != ERROR_OK)
        return flags_wrong(flags, "--to-time %.40s is not a time; write 2026-01-31T13:00:00Z", time);
    if (sequence == NULL)
        return -1;
    if (!text_to_u64(text_of(sequence), &number) || number == 0)
        return flags_wrong(flags, "--to-sequence %.40s is not a sequence; write a number above 0", sequence);
    options->to_sequence = number;
    return -1;
}

static void write_restored(const struct restore_options *options, const struct restore_result *result,
                           struct buffer *out)
{
    char text[PATH_MAX + 256];
    struct json_writer json = json_writer(out);
    (void)snprintf(text, sizeof text, "Restored %s as of sequence %llu%s.\n", options->folder,
                   (unsigned long long)result->sequence, result->cut ? "; the backup went on beyond" : "");
    json_begin_object(&json);
    json_name(&json, "sequence");
    json_put_u64(&json, result->sequence);
    json_name(&json, "backupSequence");
    json_put_u64(&json, result->manifest.sequence);
    json_name(&json, "cut");
    json_put_bool(&json, result->cut);
    json_name(&json, "text");
    json_put_cstring(&json, text);
    json_end_object(&json);
}

int command_restore(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    struct progress progress;
    struct restore_result result;
    struct restore_options options = { .now_ns = clock_wall_ns(clock_system()),
                                       .progress = progress_tell,
                                       .context = &progress };
    struct buffer report = { 0 };
    int code = flags_parse(&restore_command, argc, argv, &flags);
    if (code < 0)
        code = read_point(&flags, &options);
    if (code < 0)
        code = admin_open_folder(&flags, &admin);
    if (code >= 0)
        return code;
    options.source = flags.arguments[0];
    options.folder = options_string(&admin.config, OPTION_STORE_DATA_DIR);
    options.map_size_bytes = options_size(&admin.config, OPTION_STORE_MAP_SIZE);
    progress_begin(&progress);
    err_t error = restore_run(&options, &result, &info);
    progress_end(&progress);
    write_restored(&options, &result, &report);
    code = error == ERROR_OK ? report_print(&admin, buffer_text(&report), CLI_DONE) : report_fail(error, &info);
    buffer_free(&report);
    return admin_close(&admin, code);
}

/* --- compact --- */

static const struct flag compact_flags[] = {
    FLAG_OPTION(OPTION_STORE_DATA_DIR, "DIR"),
    { "--config", "FILE", "The server's configuration, for its data directory.", 0, false },
    { "--json", NULL, "Prints JSON.", 0, false },
};

static const struct command compact_command = {
    .name = "compact",
    .arguments = "",
    .about =
        "Writes the store's file anew without its free pages and gives the space back to the disk, which must have "
        "room for both for a while. The server is stopped.",
    .flags = compact_flags,
    .flag_count = COUNT_OF(compact_flags),
};

int command_compact(int argc, char **argv)
{
    struct flags flags;
    struct admin admin;
    struct error_info info = { 0 };
    struct compact_result result;
    struct buffer report = { 0 };
    char text[160];
    int code = flags_parse(&compact_command, argc, argv, &flags);
    if (code < 0)
        code = admin_open_folder(&flags, &admin);
    if (code >= 0)
        return code;
    err_t error = compact_run(options_string(&admin.config, OPTION_STORE_DATA_DIR), &result, &info);
    (void)snprintf(text, sizeof text, "Compacted from %.1f to %.1f MiB.\n",
                   (double)result.size_bytes_before / (1024 * 1024), (double)result.size_bytes_after / (1024 * 1024));
    struct json_writer json = json_writer(&report);
    json_begin_object(&json);
    json_name(&json, "sizeBytesBefore");
    json_put_u64(&json, result.size_bytes_before);
    json_name(&json, "sizeBytesAfter");
    json_put_u64(&json, result.size_bytes_after);
    json_name(&json, "text");
    json_put_cstring(&json, text);
    json_end_object(&json);
    code = error == ERROR_OK ? report_print(&admin, buffer_text(&report), CLI_DONE) : report_fail(error, &info);
    buffer_free(&report);
    return admin_close(&admin, code);
}
