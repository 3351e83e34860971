/* What can be told from the outside; see data_file.h. */
#include "store/data_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "store/file_check.h"

static void remember_fault(void *context, const char *sentence)
{
    struct error_info *info = context;
    if (info->message[0] == '\0')
        error_set(info, ERROR_STORE_CORRUPT, NULL, "%s", sentence);
}

/* A file that is shorter than its last page may end with free pages, or is cut: then reading it would be a signal. */
static err_t check_length(int fd, struct error_info *cause)
{
    struct file_check_report report;
    struct file_check_options options = { .fd = fd, .fault = remember_fault, .context = cause };
    err_t error = file_check(&options, &report);
    return error == ERROR_OK && report.faults > 0 ? ERROR_STORE_CORRUPT : error;
}

static err_t check_open_file(int fd, struct error_info *cause)
{
    struct file_meta meta;
    uint64_t size;
    err_t error = file_meta_read(fd, &meta, &size, cause);
    return error == ERROR_OK && size / meta.page_size <= meta.last_page ? check_length(fd, cause) : error;
}

err_t data_file_check(const char *folder, struct error_info *info)
{
    char path[PATH_MAX];
    struct error_info cause = { 0 };
    if (snprintf(path, sizeof path, "%s/" DATA_FILE_NAME, folder) >= PATH_MAX)
        return error_set(info, ERROR_IO, NULL, "the path of the store is too long");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(info, errno == ENOENT ? ERROR_NOT_FOUND : ERROR_IO, NULL, "cannot open %s: %s", path,
                         strerror(errno));
    err_t error = check_open_file(fd, &cause);
    close(fd);
    if (error == ERROR_STORE_CORRUPT)
        return error_set(info, error, NULL,
                         "cannot open the store in %s: %s; restore a backup ('stampmeter verify' tells more)", folder,
                         cause.message);
    return error == ERROR_OK ? ERROR_OK : error_set(info, error, NULL, "cannot open %s: %s", path, cause.message);
}

static err_t failed(const char *verb, const char *path, struct error_info *info)
{
    int cause = errno;
    return error_set(info, cause == ENOSPC ? ERROR_INSUFFICIENT_STORAGE : ERROR_IO, NULL, "%s %s: %s", verb, path,
                     strerror(cause));
}

err_t data_file_replace(const char *folder, const char *fresh, struct error_info *info)
{
    char from[PATH_MAX], to[PATH_MAX], kept[PATH_MAX];
    if (snprintf(from, sizeof from, "%s/%s/" DATA_FILE_NAME, folder, fresh) >= PATH_MAX)
        return error_set(info, ERROR_IO, NULL, "the path of the store is too long");
    (void)snprintf(to, sizeof to, "%s/" DATA_FILE_NAME, folder);
    (void)snprintf(kept, sizeof kept, "%s/" DATA_FILE_BEFORE, folder);
    if (!file_sync(from))
        return failed("fsync", from, info);
    /* A second name for the old file, then one rename: there is no moment without data.mdb. */
    if (unlink(kept) != 0 && errno != ENOENT)
        return failed("remove", kept, info);
    if (link(to, kept) != 0)
        return failed("link", kept, info);
    if (!file_sync(folder))
        return failed("fsync", folder, info);
    if (rename(from, to) != 0)
        return failed("rename", from, info);
    return file_sync(folder) ? ERROR_OK : failed("fsync", folder, info);
}
