/* Records from a file or standard input, one by one, whatever its format. Lines (NDJSON, CSV) stream in bounded
 * memory; JSON and saved answers are held whole, up to IMPORT_WHOLE_BYTES_MAX. Blocking. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"

#define IMPORT_WHOLE_BYTES_MAX ((size_t)1 << 30)

enum import_format { IMPORT_GUESS, IMPORT_NDJSON, IMPORT_JSON, IMPORT_CSV, IMPORT_ARM };
MUST_CHECK bool import_format_parse(struct text name, enum import_format *format);
const char *import_format_name(enum import_format format);

struct import_reader;

struct import_reader_options {
    const char *path; /* "-": standard input */
    enum import_format format;
    bool history;
    int64_t reported_start_ns; /* arm; negative: not given */
};

struct import_item {
    uint64_t position;  /* line of the file, or number of the record where there are no lines; 1-based */
    struct text record; /* JSON in the arena; ptr NULL: it could not be read, see info */
    struct error_info info;
};

/* ERROR_NOT_FOUND, ERROR_IO, ERROR_REQUEST_TOO_LARGE, or what is wrong with the file as a whole. */
MUST_CHECK err_t import_reader_open(const struct import_reader_options *options, struct import_reader **out,
                                    struct error_info *info);
void import_reader_close(struct import_reader *reader);
enum import_format import_reader_format(const struct import_reader *reader);
/* ERROR_NOT_FOUND at the end. Other errors end the import: the rest of the file cannot be read. */
MUST_CHECK err_t import_reader_next(struct import_reader *reader, struct arena *arena, struct import_item *item,
                                    struct error_info *info);
