/* Writes the data file anew without free pages and gives the space back to the disk. The server is stopped. */
#pragma once

#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"

struct compact_result {
    uint64_t size_bytes_before, size_bytes_after;
};

/* Locks the folder. ERROR_NOT_FOUND, ERROR_STORE_IN_USE, ERROR_STORE_CORRUPT (nothing was changed), ERROR_IO,
 * ERROR_INSUFFICIENT_STORAGE (room for the new file beside the old one is needed) with a line for a person. */
MUST_CHECK err_t compact_run(const char *folder, struct compact_result *result, struct error_info *info);
