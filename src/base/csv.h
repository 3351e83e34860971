/* CSV (RFC 4180): reading records field by field, writing fields quoted where needed. Line ends may be CRLF
 * or LF. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

#define CSV_FIELDS_MAX 256

struct csv_reader {
    struct text rest;
    size_t line; /* of the record read last, 1-based */
    size_t next_line;
};
struct csv_reader csv_reader(struct text content);
/* Reads one record into fields (at most CSV_FIELDS_MAX); blank lines are skipped. Fields point into the
 * content or, where quotes were doubled, into the arena. ERROR_NOT_FOUND at the end,
 * ERROR_INVALID_REQUEST_CONTENT on broken quoting or too many fields, ERROR_NO_MEMORY. */
MUST_CHECK err_t csv_next(struct csv_reader *reader, struct arena *arena, struct text fields[CSV_FIELDS_MAX],
                          size_t *count);

/* Appends one field; 'first' suppresses the comma before it. A field that a spreadsheet would run as a formula
 * (=, +, -, @ first, unless it is a number) gets a ' in front. */
void csv_put(struct buffer *out, struct text field, bool first);
/* A field that is known to be plain (numbers, ids, times). */
void csv_put_plain(struct buffer *out, struct text field, bool first);
void csv_end_record(struct buffer *out);
