/* Files that must survive a crash, and locks. Blocking; not for the loop thread after start-up. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

/* Whole file into out, at most limit_bytes. "-" is standard input. ERROR_NOT_FOUND, ERROR_IO,
 * ERROR_REQUEST_TOO_LARGE; info->message names path and cause. */
MUST_CHECK err_t file_read(const char *path, size_t limit_bytes, struct buffer *out, struct error_info *info);
/* Temporary name, write, fsync, rename, fsync of the folder. mode such as 0600. */
MUST_CHECK err_t file_write_durable(const char *path, struct text content, unsigned mode, struct error_info *info);
bool file_exists(const char *path);
/* fsync of a file, or of a folder after names in it have changed. False with errno. */
MUST_CHECK bool file_sync(const char *path);
/* Creates the folder and its parents (mode 0700); fine if it exists. */
MUST_CHECK err_t folder_create(const char *path, struct error_info *info);
/* Exclusive lock held until close(*out_fd) or process end. ERROR_STORE_IN_USE when another has it. */
MUST_CHECK err_t file_lock(const char *path, int *out_fd, struct error_info *info);
