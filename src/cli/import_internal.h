/* Shared by the files of `stampmeter import`: what came of the records, and the two places they can go. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/import_reader.h"
#include "usage/ingest.h"

#define IMPORT_PROBLEMS_MAX 20
#define IMPORT_BATCH_BYTES_MAX ((size_t)4 * 1024 * 1024)

struct import_problem {
    uint64_t position;
    struct text id, verdict, code, target, message; /* in the totals' arena */
};

struct import_totals {
    struct arena *arena;
    uint64_t received, accepted, duplicate, conflict, rejected;
    struct import_problem problems[IMPORT_PROBLEMS_MAX]; /* the first ones */
    size_t problem_count;
    int64_t told_ns; /* progress */
};

/* Records on their way, at most a batch. */
struct import_batch {
    struct arena *arena; /* reset with the batch */
    struct import_item *items;
    size_t count, capacity, size_bytes;
};
MUST_CHECK bool import_batch_init(struct import_batch *batch, size_t capacity);
void import_batch_free(struct import_batch *batch);
/* Empties the batch and fills it again. ERROR_NOT_FOUND when there was nothing left; other errors (with some items
 * read before, or none) end the import after these items. */
MUST_CHECK err_t import_batch_fill(struct import_batch *batch, struct import_reader *reader, struct error_info *info);

/* Keeps a copy of the first problems. */
void import_add_problem(struct import_totals *totals, const struct import_problem *problem);
/* An item that could not be read: rejected here. */
void import_add_unreadable(struct import_totals *totals, const struct import_item *item);
void import_tell_progress(struct import_totals *totals);

struct import_target {
    struct import_reader *reader;
    struct import_totals *totals;
    bool history;
    const char *data_dir, *config_file; /* NULL: as configured */
    const char *url, *ca_file, *token_file;
};
/* Both return when the file is through or something ended it before (*info says what; the totals stay true). */
MUST_CHECK err_t import_into_store(const struct import_target *target, struct error_info *info);
MUST_CHECK err_t import_over_https(const struct import_target *target, struct error_info *info);
