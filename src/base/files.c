/* Durable files and locks over plain system calls. Every failure names the path and the cause. */
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crypto.h"
#include "base/encode.h"

#define READ_SIZE ((size_t)65536)

/* errno in our terms, with the cause in words. */
static err_t fail(struct error_info *info, const char *verb, const char *path)
{
    int cause = errno;
    err_t code = cause == ENOENT                      ? ERROR_NOT_FOUND
                 : cause == EEXIST                    ? ERROR_EXISTS
                 : cause == ENOSPC || cause == EDQUOT ? ERROR_INSUFFICIENT_STORAGE
                                                      : ERROR_IO;
    return error_set(info, code, NULL, "%s %s: %s", verb, path, strerror(cause));
}

static ssize_t read_some(int fd, void *out, size_t size)
{
    ssize_t got;
    do {
        got = read(fd, out, size);
    } while (got < 0 && errno == EINTR);
    return got;
}

static err_t read_all(int fd, const char *path, size_t limit_bytes, struct buffer *out, struct error_info *info)
{
    size_t total = 0;
    for (;;) {
        char *at = buffer_reserve(out, READ_SIZE);
        if (at == NULL)
            return error_set(info, ERROR_NO_MEMORY, NULL, "read %s: out of memory", path);
        ssize_t got = read_some(fd, at, READ_SIZE);
        if (got < 0)
            return fail(info, "read", path);
        if (got == 0)
            return ERROR_OK;
        total += (size_t)got;
        if (total > limit_bytes)
            return error_set(info, ERROR_REQUEST_TOO_LARGE, NULL, "read %s: larger than %zu bytes", path, limit_bytes);
        out->end += (size_t)got;
    }
}

err_t file_read(const char *path, size_t limit_bytes, struct buffer *out, struct error_info *info)
{
    bool standard_input = strcmp(path, "-") == 0;
    int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(info, "open", path);
    err_t error = read_all(fd, path, limit_bytes, out, info);
    if (!standard_input)
        (void)close(fd);
    return error;
}

static bool write_all(int fd, struct text content)
{
    while (content.len > 0) {
        ssize_t written = write(fd, content.ptr, content.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return false;
        content.ptr += written;
        content.len -= (size_t)written;
    }
    return true;
}

/* The folder that holds path, "." when path names none. False when it does not fit. */
static bool folder_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 1;
    if (len >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (slash == NULL)
        out[0] = '.';
    else if (len == 0)
        out[len++] = '/';
    else
        memcpy(out, path, len);
    out[len] = '\0';
    return true;
}

bool file_sync(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool synced = fsync(fd) == 0;
    int cause = errno;
    (void)close(fd);
    errno = cause;
    return synced;
}

/* Makes a new name in the folder durable. */
static bool sync_folder_of(const char *path)
{
    char folder[PATH_MAX];
    return folder_of(path, folder) && file_sync(folder);
}

static bool write_new(const char *path, struct text content, unsigned mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, (mode_t)mode);
    if (fd < 0)
        return false;
    /* fchmod, because the umask must not take from a mode that was asked for */
    bool written = fchmod(fd, (mode_t)mode) == 0 && write_all(fd, content) && fsync(fd) == 0;
    int cause = errno;
    bool closed = close(fd) == 0;
    if (!written)
        errno = cause;
    return written && closed;
}

err_t file_write_durable(const char *path, struct text content, unsigned mode, struct error_info *info)
{
    char temporary[PATH_MAX];
    uint8_t random[8];
    char suffix[2 * sizeof random + 1];
    random_bytes(random, sizeof random);
    hex_encode(random, sizeof random, suffix);
    int len = snprintf(temporary, sizeof temporary, "%s.%s.tmp", path, suffix);
    if (len < 0 || (size_t)len >= sizeof temporary) {
        errno = ENAMETOOLONG;
        return fail(info, "write", path);
    }
    if (write_new(temporary, content, mode) && rename(temporary, path) == 0)
        return sync_folder_of(path) ? ERROR_OK : fail(info, "fsync the folder of", path);
    int cause = errno;
    (void)unlink(temporary);
    errno = cause;
    return fail(info, "write", path);
}

bool file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* One level; fine if there is a folder already. */
static bool create_one(const char *path)
{
    struct stat status;
    if (mkdir(path, 0700) == 0)
        return sync_folder_of(path);
    if (errno != EEXIST || stat(path, &status) != 0)
        return false;
    errno = ENOTDIR;
    return S_ISDIR(status.st_mode);
}

err_t folder_create(const char *path, struct error_info *info)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) {
        errno = len == 0 ? ENOENT : ENAMETOOLONG;
        return fail(info, "create folder", path);
    }
    memcpy(part, path, len + 1);
    while (len > 1 && part[len - 1] == '/')
        part[--len] = '\0';
    for (size_t i = 1; i < len; i++) {
        if (part[i] != '/' || part[i - 1] == '/')
            continue;
        part[i] = '\0';
        if (!create_one(part))
            return fail(info, "create folder", part);
        part[i] = '/';
    }
    return create_one(part) ? ERROR_OK : fail(info, "create folder", path);
}

/* flock belongs to the open file, so it ends with the process however that ends, and a second open in
 * the same process is refused as well. */
err_t file_lock(const char *path, int *out_fd, struct error_info *info)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(info, "open", path);
    int result;
    do {
        result = flock(fd, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result == 0) {
        *out_fd = fd;
        return ERROR_OK;
    }
    err_t error = errno == EWOULDBLOCK
                      ? error_set(info, ERROR_STORE_IN_USE, NULL, "%s: %s", path, error_text(ERROR_STORE_IN_USE))
                      : fail(info, "lock", path);
    (void)close(fd);
    return error;
}
