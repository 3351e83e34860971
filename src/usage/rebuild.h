/* A store's file made anew from its journal: the same segments byte for byte, dictionary from the definitions in them,
 * rows from the records and corrections; small tables are carried over. What the journal cannot give any more because
 * retention has dropped its beginning is taken as it was. Promise 5: the result holds the same rows.
 * For commands, with the server stopped. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/rows.h"

struct rebuild_options {
    const char *folder; /* the data directory, not locked yet; data.mdb and not its neighbours is read */
    const struct rows_engine *rows;
    size_t map_size_bytes;
    /* A point in time: only segments that end by then. 0 and INT64_MAX: all. The small tables (accounts, subscriptions,
     * registrations, customers, partners, audit log) stay as they are. */
    uint64_t to_sequence;
    int64_t to_reported_ns;
    /* Called now and then, for a display; may be NULL. */
    void (*progress)(void *context, uint64_t entries, uint64_t entries_total);
    void *context;
};

struct rebuild_result {
    uint64_t entries, records, corrections;
    uint64_t first_sequence, last_sequence;
    uint64_t rows_given; /* taken as they were */
    bool cut;            /* the journal went on beyond the point in time */
};

/* The old file stays as data.mdb.before-rebuild. Errors with a line for a person: ERROR_NOT_FOUND, ERROR_STORE_IN_USE,
 * ERROR_STORE_CORRUPT (what is needed for it is damaged: restore a backup), ERROR_STORE_NEWER,
 * ERROR_INSUFFICIENT_STORAGE, ERROR_IO, ERROR_NO_MEMORY. Until it succeeds nothing has changed. */
MUST_CHECK err_t rebuild_run(const struct rebuild_options *options, struct rebuild_result *result,
                             struct error_info *info);
