/* Bloom filters of the dedupe index's runs: they keep new ids from looking into the runs' blocks. 16 bits per id in
 * lines of 64 bytes, one cache line a question; each of a line's eight words has one bit of an id. Ids are uniform
 * (SipHash), so an id's line is its leading bits times the number of lines: ascending ids fill and ask a filter from
 * front to back. Positions within the line come from the id's last eight bytes.
 *
 * A filter is stored in parts of FILTER_PART_LINES lines (KV_FILTERS), a short one in the run's header. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/attributes.h"
#include "base/error.h"
#include "store/keys.h"
#include "store/kv.h"

#define FILTER_LINE_SIZE 64
#define FILTER_LINE_WORDS 8
#define FILTER_LINE_IDS 32 /* 16 bits per id: about one new id in 900 passes */
/* Unused bytes before the lines, which with LMDB's page header of 16 bytes begin at a cache line. */
#define FILTER_PART_HEADER_SIZE 48
#define FILTER_PART_LINES 1022
#define FILTER_PART_SIZE_MAX (FILTER_PART_HEADER_SIZE + FILTER_PART_LINES * FILTER_LINE_SIZE)
/* A filter up to this length lives in the run's header: small runs are to be cheap. */
#define FILTER_INLINE_LINES_MAX 16

/* What a filter asks about an id. */
struct filter_id {
    uint64_t high, low;
};

static inline uint64_t filter_load_be(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline uint64_t filter_load_le(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static inline struct filter_id filter_id_of(const uint8_t key[DEDUPE_KEY_SIZE])
{
    return (struct filter_id){ filter_load_be(key), filter_load_be(key + 8) };
}

/* Never descends while ids ascend. */
static inline uint64_t filter_line_of(struct filter_id id, uint64_t line_count)
{
    __extension__ typedef unsigned __int128 u128;
    return (uint64_t)((u128)id.high * line_count >> 64);
}

/* False: the id is not in the run. No branch depends on the bits, so nothing is mispredicted. */
static inline bool filter_line_has(const uint8_t *line, struct filter_id id)
{
    uint64_t all = 1;
    for (unsigned word = 0; word < FILTER_LINE_WORDS; word++)
        all &= filter_load_le(line + (size_t)8 * word) >> (id.low >> 6 * word & 63);
    return all != 0;
}

/* The same for an id that is asked for again and again: its bits as a line of their own. */
struct filter_mask {
    uint64_t words[FILTER_LINE_WORDS];
};

static inline struct filter_mask filter_mask_of(struct filter_id id)
{
    struct filter_mask mask;
    for (unsigned word = 0; word < FILTER_LINE_WORDS; word++) {
        mask.words[word] = UINT64_C(1) << (id.low >> 6 * word & 63);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        mask.words[word] = __builtin_bswap64(mask.words[word]);
#endif
    }
    return mask;
}

static inline bool filter_line_has_mask(const uint8_t *line, const struct filter_mask *mask)
{
    typedef uint64_t pair __attribute__((vector_size(16)));
    pair missing = { 0, 0 };
    for (size_t at = 0; at < FILTER_LINE_SIZE; at += sizeof missing) {
        pair bits, wanted;
        memcpy(&bits, line + at, sizeof bits);
        memcpy(&wanted, (const uint8_t *)mask->words + at, sizeof wanted);
        missing |= wanted & ~bits;
    }
    return (missing[0] | missing[1]) == 0;
}

static inline uint64_t filter_line_count(uint64_t ids)
{
    return (ids + FILTER_LINE_IDS - 1) / FILTER_LINE_IDS;
}

/* --- writing, ids ascending; one part in memory --- */

struct filter_builder {
    struct kv_txn *txn;
    uint64_t run, line_count;
    uint64_t part;  /* the one in memory */
    size_t used;    /* its lines up to the last id */
    uint8_t *bytes; /* the part as stored; NULL: no filter */
    bool resumed;
};

/* A filter for at most 'ids' ids. ERROR_NO_MEMORY. */
MUST_CHECK err_t filter_begin(struct filter_builder *builder, struct kv_txn *txn, uint64_t run, uint64_t ids);
/* Goes on where filter_save left off: 'last' is the last id added before. */
MUST_CHECK err_t filter_resume(struct filter_builder *builder, const uint8_t last[DEDUPE_KEY_SIZE]);
MUST_CHECK err_t filter_add(struct filter_builder *builder, const uint8_t key[DEDUPE_KEY_SIZE]);
/* Stores the part in memory as far as it has been filled, to be resumed in a later transaction. */
MUST_CHECK err_t filter_save(struct filter_builder *builder);
/* Stores what is left. A short filter is not stored but given out in *lines, for the run's header; valid until
 * filter_free. */
MUST_CHECK err_t filter_finish(struct filter_builder *builder, struct text *lines);
void filter_free(struct filter_builder *builder);

/* --- reading: for lines that ascend, one step in the table per part --- */

struct filter_reader {
    struct kv_cursor *cursor; /* of KV_FILTERS */
    uint64_t run, line_count;
    struct text lines;         /* of the part at hand */
    uint64_t part, first, end; /* its number and lines */
    bool at_part;
};

/* 'inline_lines' as in the run's header; empty when the filter has parts of its own. */
void filter_reader_init(struct filter_reader *reader, struct kv_cursor *cursor, uint64_t run, uint64_t line_count,
                        struct text inline_lines);
/* Makes the part at hand the one that holds 'line'. ERROR_STORE_CORRUPT when it is missing or short. */
MUST_CHECK err_t filter_reader_load(struct filter_reader *reader, uint64_t line);

static inline const uint8_t *filter_line_at(const struct filter_reader *reader, uint64_t line)
{
    return (const uint8_t *)reader->lines.ptr + (line - reader->first) * FILTER_LINE_SIZE;
}
