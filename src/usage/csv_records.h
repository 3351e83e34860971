/* Usage records from CSV (RFC 4180) as JSON, row by row from a stream: what `import --format csv` reads. The header
 * names the members of a record; tags and additionalInfo are JSON or plain text in one column, or spread over columns
 * such as tags.cc (empty cells are left out). Pure, any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/csv.h"
#include "base/error.h"
#include "base/text.h"

/* A row is a record, and a record is at most 64 KiB; quotes may double that. */
#define CSV_ROW_SIZE_BYTES_MAX ((size_t)160 * 1024)

enum csv_extent {
    CSV_ROW,     /* *row is the next row, its line end included, and was cut from *rest */
    CSV_MORE,    /* no whole row: more bytes are needed */
    CSV_END,     /* nothing is left */
    CSV_TOO_LONG /* no row ends within CSV_ROW_SIZE_BYTES_MAX; the first line was cut from *rest, to go on behind it */
};
/* Cuts the next row off *rest; newlines in quotes do not end a row. is_last: nothing follows *rest. */
enum csv_extent csv_cut_row(struct text *rest, bool is_last, struct text *row);
/* How many lines of the file a row takes. */
size_t csv_line_count(struct text row);

struct csv_column {
    int member;       /* index into the table of members */
    struct text name; /* of the tag or info in a spread column; ptr NULL otherwise */
};
struct csv_records {
    struct csv_column columns[CSV_FIELDS_MAX];
    size_t column_count;
};
/* Reads the header row; names live in 'arena'. ERROR_INVALID_PROPERTY, with the column as target, for unknown,
 * repeated or missing columns; ERROR_INVALID_REQUEST_CONTENT when it is not CSV. */
MUST_CHECK err_t csv_records_header(struct csv_records *records, struct arena *arena, struct text row, bool history,
                                    struct error_info *info);
/* One data row as a JSON record in the arena; ERROR_NOT_FOUND for a blank line. */
MUST_CHECK err_t csv_records_row(const struct csv_records *records, struct arena *arena, struct text row,
                                 struct text *record, struct error_info *info);
