/* A copy of a data directory from which it can be restored: a compact, consistent copy of the data file taken while
 * writes go on, the certificate and the operator's token, and a manifest that is written last and names every file with
 * size and SHA-256. Without a manifest a folder is no backup. Blocking; not on the loop or writer thread. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/crypto.h"
#include "base/error.h"
#include "store/kv.h"

#define BACKUP_FORMAT 1
#define BACKUP_MANIFEST_NAME "manifest.json"
#define BACKUP_FILES_MAX 8

struct backup_file {
    char name[64]; /* below the folder */
    uint64_t size_bytes;
    uint8_t sha256[SHA256_SIZE];
};

struct backup_manifest {
    uint32_t schema;
    char version[32];    /* of the program */
    int64_t created_ns;  /* by the clock of the machine */
    uint64_t sequence;   /* the last one of its journal */
    int64_t reported_ns; /* of the last commit with entries; INT64_MIN: none */
    uint8_t head[SHA256_SIZE];
    struct backup_file files[BACKUP_FILES_MAX];
    size_t file_count;
};

struct backup_options {
    const char *folder; /* the data directory */
    struct kv *kv;      /* its open store */
    const char *target; /* absent or empty */
    const char *version;
    int64_t now_ns;
};

/* ERROR_EXISTS when the target holds anything; ERROR_INSUFFICIENT_STORAGE, ERROR_IO with a line for a person. */
MUST_CHECK err_t backup_run(const struct backup_options *options, struct backup_manifest *manifest,
                            struct error_info *info);

/* Reads the manifest of a backup and checks every file against it. ERROR_NOT_FOUND: there is none; ERROR_STORE_CORRUPT:
 * a file is missing or was changed; ERROR_STORE_NEWER. */
MUST_CHECK err_t backup_check(const char *source, struct backup_manifest *manifest, struct error_info *info);

/* Copies one file and syncs it; the folder of 'to' must exist. */
MUST_CHECK err_t backup_copy_file(const char *from, const char *to, struct error_info *info);

/* As in the file, without the names of folders. */
void backup_write_manifest(const struct backup_manifest *manifest, struct buffer *out);
