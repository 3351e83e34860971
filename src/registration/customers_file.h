/* Customer mappings as a CSV file: the columns tenantId, customerSubscriptionId and, optional, effectiveFrom, in any
 * order. Each line is judged by itself and against the others of the file, not against what is kept: that is for
 * customer_check and the job. Pure, any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"
#include "registration/customers.h"

struct customers_file_line {
    size_t line;                  /* of the file, from 1 */
    struct text tenant, customer; /* as written; of the file or in the arena */
    struct customer_line parsed;
    err_t code;          /* ERROR_OK, or why the line is rejected */
    const char *message; /* if rejected; in the arena or static */
};

/* Fills at most 'max' lines. A line with fewer or more fields than there are columns is rejected. Lines that map the
 * same tenant or the same subscription differently from the same hour on are all rejected, because nobody can tell
 * which is right; a line without a time means the hour of now_ns there. ERROR_INVALID_REQUEST_CONTENT (no CSV,
 * unknown or missing columns), ERROR_REQUEST_TOO_LARGE (more lines) with the line in the message, ERROR_NO_MEMORY. */
MUST_CHECK err_t customers_file_read(struct arena *arena, struct text csv, int64_t now_ns,
                                     struct customers_file_line *lines, size_t max, size_t *count,
                                     struct error_info *info);
void customers_file_reject(struct arena *arena, struct customers_file_line *line, const struct error_info *info);
