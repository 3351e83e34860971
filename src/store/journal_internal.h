/* The parts of a journal segment, for journal.c, journal_chain.c and schema1.c only. */
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

/* Fields of an item: read at *cursor, which moves behind them. False when the item ends before or the value is out of
 * bounds. A quantity is a byte with its size and its bytes without the leading zeros, in every schema. */
MUST_CHECK bool journal_get_quantity(const uint8_t **cursor, const uint8_t *end, struct decimal *out);
MUST_CHECK bool journal_get_u32(const uint8_t **cursor, const uint8_t *end, uint32_t *out);
MUST_CHECK bool journal_get_i64(const uint8_t **cursor, const uint8_t *end, int64_t *out);
