/* Everything happens in FOLDER/restore.partial; renaming its data.mdb into the folder is the last step. */
#include "usage/restore.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/files.h"
#include "base/instant.h"
#include "base/json.h"
#include "store/audit.h"
#include "store/data_file.h"
#include "store/replay.h"
#include "store/store.h"
#include "store/write.h"
#include "usage/rebuild.h"
#include "usage/verify.h"

#define PARTIAL "restore.partial"
#define SCRATCH_SIZE_BYTES 4096

struct restore {
    const struct restore_options *options;
    struct restore_result *result;
    char partial[PATH_MAX];
    struct store_state state;
    int64_t newest_change_ns; /* in what was not cut; INT64_MIN: it is all of one time */
};

static err_t join(char out[PATH_MAX], const char *folder, const char *name, struct error_info *info)
{
    int length = snprintf(out, PATH_MAX, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX ? ERROR_OK : error_set(info, ERROR_IO, NULL, "a path is too long");
}

static void tell(const struct restore *r, const char *what)
{
    if (r->options->progress != NULL)
        r->options->progress(r->options->context, what, 0, 0);
}

/* What an earlier restore left that was cut short may be there. */
static err_t require_empty(const char *folder, struct error_info *info)
{
    DIR *stream = opendir(folder);
    if (stream == NULL)
        return errno == ENOENT ? folder_create(folder, info)
                               : error_set(info, ERROR_IO, NULL, "open %s: %s", folder, strerror(errno));
    bool empty = true;
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;)
        empty = empty && (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                          strcmp(entry->d_name, PARTIAL) == 0 || strcmp(entry->d_name, "lock") == 0);
    closedir(stream);
    return empty ? ERROR_OK
                 : error_set(info, ERROR_EXISTS, NULL, "%s is not empty; restore into a folder that is, or a new one",
                             folder);
}

static void remove_partial(const struct restore *r)
{
    static const char *const names[] = {
        DATA_FILE_NAME,           DATA_FILE_BEFORE, "lock", "lock.mdb", REPLAY_FOLDER "/" DATA_FILE_NAME,
        REPLAY_FOLDER "/lock.mdb"
    };
    char path[PATH_MAX];
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (join(path, r->partial, names[i], NULL) == ERROR_OK)
            (void)unlink(path);
    if (join(path, r->partial, REPLAY_FOLDER, NULL) == ERROR_OK)
        (void)rmdir(path);
    (void)rmdir(r->partial);
}

/* --- steps --- */

static err_t copy_data(struct restore *r, struct error_info *info)
{
    char from[PATH_MAX], to[PATH_MAX];
    err_t error = join(from, r->options->source, DATA_FILE_NAME, info);
    if (error == ERROR_OK)
        error = join(to, r->partial, DATA_FILE_NAME, info);
    tell(r, "copying");
    return error == ERROR_OK ? backup_copy_file(from, to, info) : error;
}

static err_t prove(struct restore *r, struct error_info *info)
{
    struct verify_result found;
    struct verify_options options = { .folder = r->partial,
                                      .map_size_bytes = r->options->map_size_bytes,
                                      .progress = r->options->progress,
                                      .context = r->options->context };
    err_t error = verify_run(&options, &found, info);
    if (error == ERROR_OK && (verify_has_findings(&found, false) || verify_has_findings(&found, true)))
        error = error_set(info, ERROR_STORE_CORRUPT, NULL,
                          "the store in the backup %s does not verify; restore another backup", r->options->source);
    verify_free(&found);
    return error;
}

static err_t cut(struct restore *r, struct error_info *info)
{
    struct rebuild_result result;
    struct rebuild_options options = { .folder = r->partial,
                                       .map_size_bytes = r->options->map_size_bytes,
                                       .to_sequence = r->options->to_sequence,
                                       .to_reported_ns = r->options->to_reported_ns };
    if (options.to_sequence == 0 && options.to_reported_ns == INT64_MAX)
        return ERROR_OK;
    tell(r, "rebuilding up to the point in time");
    err_t error = rebuild_run(&options, &result, info);
    if (error == ERROR_OK && result.last_sequence == 0 && r->result->manifest.sequence > 0)
        error = error_set(info, ERROR_NOT_FOUND, NULL,
                          "the journal of the backup begins after that point; take an older backup");
    r->result->cut = result.cut;
    return error;
}

/* --- the note of it --- */

struct note_job {
    struct store_job job; /* first member */
    const struct restore *restore;
};

static void write_branch(const struct restore *r, struct buffer *out)
{
    struct json_writer json = json_writer(out);
    char hex[2 * SHA256_SIZE + 1], text[INSTANT_TEXT_SIZE];
    json_begin_object(&json);
    json_name(&json, "sequence");
    json_put_u64(&json, r->state.last_sequence);
    hex_encode(r->state.head, SHA256_SIZE, hex);
    json_name(&json, "head");
    json_put_cstring(&json, hex);
    instant_print(r->options->now_ns, text);
    json_name(&json, "restoredTime");
    json_put_cstring(&json, text);
    instant_print(r->result->manifest.created_ns, text);
    json_name(&json, "backupTime");
    json_put_cstring(&json, text);
    json_name(&json, "backupSequence");
    json_put_u64(&json, r->result->manifest.sequence);
    json_end_object(&json);
}

static err_t run_note(struct store_write *write, struct store_job *job)
{
    struct note_job *note = (struct note_job *)job;
    struct buffer branch = { 0 };
    char name[40];
    write_branch(note->restore, &branch);
    int length = snprintf(name, sizeof name, "branch/%020llu", (unsigned long long)note->restore->state.last_sequence);
    struct audit_entry entry = { .by = AUDIT_BY_COMMAND,
                                 .action = TEXT("store.restore"),
                                 .subject = TEXT("store"),
                                 .detail = buffer_text(&branch) };
    err_t error = branch.failed
                      ? ERROR_NO_MEMORY
                      : kv_put(write_txn(write), KV_META, (struct text){ name, (size_t)length }, buffer_text(&branch));
    if (error == ERROR_OK)
        error = audit_write(write, &entry);
    if (error == ERROR_OK)
        write_time_reached(write, note->restore->newest_change_ns);
    buffer_free(&branch);
    return error;
}

/* The note is no usage: it takes the time of the last commit, so that nothing is sealed and no time passes by it. */
static void stop_clock(const struct restore *r, struct clock_manual *clock)
{
    int64_t last_ns = r->state.last_reported_ns;
    if (last_ns == INT64_MIN && r->state.sealed_hour >= 0)
        last_ns = hour_start_ns(r->state.sealed_hour);
    clock_manual_set_wall(clock, last_ns != INT64_MIN ? last_ns : r->options->now_ns);
}

/* Accounts, subscriptions, customers and the like stay as of the backup where the journal is cut. What is recorded next
 * must not be earlier than what is recorded there, or "as known at" would answer wrongly. Each change has its audit
 * entry, so the newest of them is the newest of all. */
static err_t find_newest_change(struct restore *r, struct kv_txn *txn)
{
    struct audit_entry *entries;
    size_t count;
    bool more;
    struct arena *arena = arena_new(SCRATCH_SIZE_BYTES, 0);
    if (arena == NULL)
        return ERROR_NO_MEMORY;
    err_t error = audit_list_newest(txn, arena, UINT64_MAX, 1, &entries, &count, &more);
    if (error == ERROR_OK && count > 0)
        r->newest_change_ns = entries[0].time_ns;
    arena_free(arena);
    return error;
}

static err_t note_branch(struct restore *r, struct error_info *info)
{
    struct clock_manual clock;
    struct store_options options = { .folder = r->partial,
                                     .clock = &clock.clock,
                                     .map_size_bytes = r->options->map_size_bytes };
    struct store *store;
    struct kv_txn *txn;
    clock_manual_init(&clock, 0, 0);
    err_t error = store_open(&options, &store, info);
    if (error != ERROR_OK)
        return error;
    error = store_read_begin(store, &txn);
    if (error == ERROR_OK) {
        error = store_read_state(txn, &r->state);
        if (error == ERROR_OK && r->result->cut)
            error = find_newest_change(r, txn);
        store_read_end(txn);
    }
    if (error == ERROR_OK) {
        stop_clock(r, &clock);
        struct note_job note = { .job = { .run = run_note, .weight = 1 }, .restore = r };
        error = store_run(store, &note.job);
    }
    store_close(store);
    r->result->sequence = r->state.last_sequence;
    return error == ERROR_OK
               ? error
               : error_set(info, error, NULL, "the restored store cannot be written: %s", error_text(error));
}

/* Certificate and token first: a directory with a store is complete. */
static err_t put_in_place(struct restore *r, struct error_info *info)
{
    const struct backup_manifest *manifest = &r->result->manifest;
    char from[PATH_MAX], to[PATH_MAX];
    for (size_t i = 0; i < manifest->file_count; i++) {
        const char *name = manifest->files[i].name;
        if (strcmp(name, DATA_FILE_NAME) == 0)
            continue;
        err_t error = join(from, r->options->source, name, info);
        if (error == ERROR_OK && strncmp(name, "tls/", 4) == 0 &&
            (error = join(to, r->options->folder, "tls", info)) == ERROR_OK)
            error = folder_create(to, info);
        if (error == ERROR_OK)
            error = join(to, r->options->folder, name, info);
        if (error == ERROR_OK)
            error = backup_copy_file(from, to, info);
        if (error != ERROR_OK)
            return error;
    }
    err_t error = join(from, r->partial, DATA_FILE_NAME, info);
    if (error == ERROR_OK)
        error = join(to, r->options->folder, DATA_FILE_NAME, info);
    if (error != ERROR_OK)
        return error;
    if (!file_sync(from) || !file_sync(r->options->folder) || rename(from, to) != 0 || !file_sync(r->options->folder))
        return error_set(info, ERROR_IO, NULL, "%s cannot be put in place: %s", to, strerror(errno));
    return ERROR_OK;
}

static err_t run_steps(struct restore *r, struct error_info *info)
{
    err_t error = copy_data(r, info);
    if (error == ERROR_OK)
        error = prove(r, info);
    if (error == ERROR_OK)
        error = cut(r, info);
    if (error == ERROR_OK)
        error = note_branch(r, info);
    return error == ERROR_OK ? put_in_place(r, info) : error;
}

err_t restore_run(const struct restore_options *options, struct restore_result *result, struct error_info *info)
{
    struct restore restore = { .options = options, .result = result, .newest_change_ns = INT64_MIN };
    char path[PATH_MAX];
    int lock_fd = -1;
    memset(result, 0, sizeof *result);
    err_t error = backup_check(options->source, &result->manifest, info);
    if (error == ERROR_OK)
        error = require_empty(options->folder, info);
    if (error == ERROR_OK)
        error = join(restore.partial, options->folder, PARTIAL, info);
    if (error == ERROR_OK)
        error = join(path, options->folder, "lock", info);
    if (error == ERROR_OK)
        error = file_lock(path, &lock_fd, info);
    if (error != ERROR_OK)
        return error;
    remove_partial(&restore);
    error = folder_create(restore.partial, info);
    if (error == ERROR_OK)
        error = run_steps(&restore, info);
    remove_partial(&restore);
    close(lock_fd);
    return error;
}
