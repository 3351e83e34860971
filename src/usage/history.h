/* Saved answers of the operator's usage API (UsageAggregates of Azure Stack, such as data/recorded-hour.json) as
 * usage records with a reported time: what `import --format arm` reads. Rows carry no record id, so one is derived
 * from what names the row; importing the same answer again gives the same records. Pure, any thread.
 *
 * A document is {"request":{"reportedStartTime":...},"response":{"value":[...]}} or a bare {"value":[...]}. A file
 * holds one document, an array of them, or several one after the other (NDJSON). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

/* The documents of a file, one by one, without parsing them. */
struct history_file {
    struct text rest;
    struct json_splitter array;
    bool is_array;
};
struct history_file history_file(struct text content);
/* ERROR_NOT_FOUND after the last, ERROR_INVALID_REQUEST_CONTENT where the file is not JSON. */
MUST_CHECK err_t history_next_document(struct history_file *file, struct text *document);

/* The rows of one document. */
struct history_answer {
    struct arena *arena; /* borrowed: lives with the answer */
    struct json_splitter rows;
    int64_t reported_ns;
    char reported_text[40];
    /* How often a row that looks the same was met in this answer: a hash set of identities. */
    uint8_t (*seen)[32];
    uint32_t *repeats;
    size_t seen_count, seen_capacity;
};
/* reported_start_ns: what to take for a document that does not say its request's start; negative: none, then
 * ERROR_INVALID_PROPERTY with target reportedStartTime. ERROR_INVALID_REQUEST_CONTENT when it is no answer. */
MUST_CHECK err_t history_open(struct arena *arena, struct text document, int64_t reported_start_ns,
                              struct history_answer *out, struct error_info *info);
/* The next row as a record in JSON, made in 'arena' (may be another one, reset between rows). ERROR_NOT_FOUND at the
 * end; ERROR_INVALID_PROPERTY when the row lacks something (go on with the next); ERROR_INVALID_REQUEST_CONTENT when
 * the document is broken from here on; ERROR_NO_MEMORY. */
MUST_CHECK err_t history_next(struct history_answer *answer, struct arena *arena, struct text *record,
                              struct error_info *info);
