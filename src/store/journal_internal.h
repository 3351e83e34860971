/* The header of a journal segment, for journal.c and journal_chain.c only. */
#pragma once

#include "base/crypto.h"
#include "base/encode.h"
#include "base/text.h"
#include "store/journal.h"
#include "store/keys.h"

/* Version (1 byte), reported time (8), count of entries (4), hash of the segment before (32). */
#define SEGMENT_HEADER_SIZE (13 + SHA256_SIZE)

struct segment_header {
    uint64_t first_sequence; /* its key */
    int64_t reported_ns;
    uint32_t count;
    uint8_t before[SHA256_SIZE];
};

/* ERROR_STORE_CORRUPT when it is no segment of this version. */
MUST_CHECK err_t segment_header_read(struct text key, struct text value, struct segment_header *header);
