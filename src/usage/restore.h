/* A data directory made from a backup: files checked against the manifest, the store verified, and, for a point in
 * time, its journal cut there and everything that follows from it computed anew; accounts, subscriptions,
 * registrations, customers and partners stay as of the backup, and time goes on from the newest change of them. The
 * result goes on with the same keys and sequences, so from its last sequence on it is another branch than the store
 * that was backed up: that is noted in the store ("branch/..." in its meta table) and in its audit log, and told by
 * verify, so that heads which the former store signed later can be explained. Blocking. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/backup.h"
#include "store/rows.h"

struct restore_options {
    const char *source;     /* the backup */
    const char *folder;     /* the new data directory: absent or empty */
    uint64_t to_sequence;   /* at most: only segments that end by then; 0: all */
    int64_t to_reported_ns; /* INT64_MAX: all */
    int64_t now_ns;
    size_t map_size_bytes;
    void (*progress)(void *context, const char *what, uint64_t done, uint64_t total); /* may be NULL */
    void *context;
};

struct restore_result {
    struct backup_manifest manifest;
    uint64_t sequence; /* the last one that was taken over */
    bool cut;          /* the backup went on beyond */
};

/* ERROR_EXISTS, those of backup_check, ERROR_STORE_CORRUPT when the backup does not verify. The directory holds no
 * store until it is complete. */
MUST_CHECK err_t restore_run(const struct restore_options *options, struct restore_result *result,
                             struct error_info *info);
