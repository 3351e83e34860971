/* Copy, check the copy, put it in the place of the old file, remove that. */
#include "store/compact.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "store/data_file.h"
#include "store/file_check.h"
#include "store/kv.h"
#include "store/replay.h"

#define MAP_SIZE_BYTES ((size_t)64 << 30)

static void note_first(void *context, const char *sentence)
{
    char *first = context;
    if (first[0] == '\0')
        (void)snprintf(first, 200, "%s", sentence);
}

static err_t check_structure(const char *path, uint64_t *size_bytes, struct error_info *info)
{
    char first[200] = "";
    struct file_check_report report = { 0 };
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(info, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO, NULL, "cannot open %s: %s", path,
                         strerror(errno));
    struct file_check_options options = { .fd = fd, .all_tables = true, .fault = note_first, .context = first };
    err_t error = file_check(&options, &report);
    close(fd);
    *size_bytes = report.file_size_bytes;
    if (error != ERROR_OK)
        return error_set(info, error, NULL, "cannot check %s: %s", path, error_text(error));
    return report.faults == 0 ? ERROR_OK
                              : error_set(info, ERROR_STORE_CORRUPT, NULL,
                                          "%s is damaged (%s); rebuild it or restore a backup", path, first);
}

static err_t copy(const char *folder, const char *fresh, struct error_info *info)
{
    struct kv_options options = { .folder = folder, .map_size_bytes = MAP_SIZE_BYTES, .read_only = true };
    struct kv *kv;
    err_t error = folder_create(fresh, info);
    if (error == ERROR_OK)
        error = kv_open(&options, &kv, info);
    if (error != ERROR_OK)
        return error;
    error = kv_copy(kv, fresh);
    kv_close(kv);
    return error == ERROR_OK ? error
                             : error_set(info, error, NULL, "the new file cannot be written: %s", error_text(error));
}

static err_t compact_locked(const char *folder, struct compact_result *result, struct error_info *info)
{
    char fresh[PATH_MAX], from[PATH_MAX], to[PATH_MAX], kept[PATH_MAX];
    (void)snprintf(fresh, sizeof fresh, "%s/" REPLAY_FOLDER, folder);
    (void)snprintf(from, sizeof from, "%s/" REPLAY_FOLDER "/" DATA_FILE_NAME, folder);
    (void)snprintf(to, sizeof to, "%s/" DATA_FILE_NAME, folder);
    (void)snprintf(kept, sizeof kept, "%s/" DATA_FILE_BEFORE, folder);
    bool had_older = file_exists(kept);
    err_t error = check_structure(to, &result->size_bytes_before, info);
    if (error != ERROR_OK)
        return error;
    (void)unlink(from);
    error = copy(folder, fresh, info);
    if (error == ERROR_OK)
        error = check_structure(from, &result->size_bytes_after, info);
    if (error == ERROR_OK && had_older)
        error = error_set(info, ERROR_EXISTS, NULL, "%s is still there; remove it first", kept);
    if (error == ERROR_OK)
        error = data_file_replace(folder, REPLAY_FOLDER, info);
    if (error == ERROR_OK)
        (void)unlink(kept);
    (void)unlink(from);
    (void)rmdir(fresh);
    return error;
}

err_t compact_run(const char *folder, struct compact_result *result, struct error_info *info)
{
    char path[PATH_MAX];
    int lock_fd = -1;
    *result = (struct compact_result){ 0 };
    if (strlen(folder) >= PATH_MAX - 64)
        return error_set(info, ERROR_IO, NULL, "the path of the data directory is too long");
    (void)snprintf(path, sizeof path, "%s/" DATA_FILE_NAME, folder);
    if (!file_exists(path))
        return error_set(info, ERROR_NOT_FOUND, NULL, "there is no store in %s; make one with 'stampmeter init'",
                         folder);
    (void)snprintf(path, sizeof path, "%s/lock", folder);
    err_t error = file_lock(path, &lock_fd, info);
    if (error == ERROR_STORE_IN_USE)
        return error_set(info, error, NULL, "%s is in use by a running server; stop it first", folder);
    if (error == ERROR_OK)
        error = compact_locked(folder, result, info);
    if (lock_fd >= 0)
        close(lock_fd);
    return error;
}
