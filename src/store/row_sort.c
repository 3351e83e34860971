/* See row_sort.h. Ids are uniform, so their leading bits nearly sort them and a pass of insertions does the rest.
 * Keys of sums are numbers in small ranges: each less its minimum, packed without gaps, they mostly fit one word,
 * which is sorted digit by digit; longer keys take a word after the other, the last first. */
#include "store/row_sort.h"

#include <string.h>

#include "base/memory.h"
#include "store/filter.h"

#define DIGIT_BITS 11
#define DIGITS ((size_t)1 << DIGIT_BITS)
/* Of an id: enough for a million ids to lie alone. */
#define ID_BITS (2 * DIGIT_BITS)
/* Below it insertions alone are faster. */
#define SMALL 32
#define FIELDS (ROW_KEY_SIZE / 4)
#define WORD_BITS 64
/* A commit that needed more gives its memory back afterwards. */
#define CAPACITY_KEPT_MAX ((size_t)65536)

void row_sorter_free(struct row_sorter *sorter)
{
    memory_free(sorter->ranks);
    memory_free(sorter->other);
    *sorter = (struct row_sorter){ 0 };
}

static err_t reserve(struct row_sorter *sorter, size_t count)
{
    if (sorter->capacity >= count && (sorter->capacity <= CAPACITY_KEPT_MAX || count > CAPACITY_KEPT_MAX))
        return ERROR_OK;
    row_sorter_free(sorter);
    size_t capacity = DIGITS;
    while (capacity < count)
        capacity *= 2;
    sorter->ranks = memory_alloc(capacity * sizeof *sorter->ranks);
    sorter->other = memory_alloc(capacity * sizeof *sorter->other);
    if (sorter->ranks == NULL || sorter->other == NULL)
        return ERROR_NO_MEMORY;
    sorter->capacity = capacity;
    return ERROR_OK;
}

/* Stable; by the digit that begins at bit 'shift'. */
static void sort_digit(struct row_sorter *sorter, size_t count, unsigned shift)
{
    uint32_t starts[DIGITS] = { 0 };
    const struct row_rank *from = sorter->ranks;
    struct row_rank *to = sorter->other;
    for (size_t i = 0; i < count; i++)
        starts[from[i].rank >> shift & (DIGITS - 1)]++;
    for (uint32_t digit = 0, start = 0; digit < DIGITS; digit++) {
        uint32_t size = starts[digit];
        starts[digit] = start;
        start += size;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[from[i].rank >> shift & (DIGITS - 1)]++] = from[i];
    sorter->other = sorter->ranks;
    sorter->ranks = to;
}

static void insert_all(struct row_rank *ranks, size_t count, const uint8_t *keys, size_t stride, size_t key_size)
{
    for (size_t i = 1; i < count; i++) {
        struct row_rank rank = ranks[i];
        size_t at = i;
        for (; at > 0; at--) {
            const struct row_rank *before = &ranks[at - 1];
            if (before->rank < rank.rank ||
                (before->rank == rank.rank &&
                 memcmp(keys + before->index * stride, keys + rank.index * stride, key_size) <= 0))
                break;
            ranks[at] = *before;
        }
        ranks[at] = rank;
    }
}

/* Where a field of the keys lies among their varying bits, counted from the least. */
struct field {
    uint32_t least;
    unsigned first_bit, bits;
};

static unsigned varying_bits(const uint8_t *keys, size_t stride, size_t count, struct field fields[FIELDS])
{
    uint32_t greatest[FIELDS] = { 0 };
    unsigned total = 0;
    for (size_t f = 0; f < FIELDS; f++)
        fields[f].least = UINT32_MAX;
    for (size_t i = 0; i < count; i++) {
        for (size_t f = 0; f < FIELDS; f++) {
            uint32_t value = get_u32be(keys + i * stride + 4 * f);
            fields[f].least = value < fields[f].least ? value : fields[f].least;
            greatest[f] = value > greatest[f] ? value : greatest[f];
        }
    }
    for (size_t f = FIELDS; f-- > 0;) {
        uint32_t range = greatest[f] - fields[f].least;
        fields[f].first_bit = total;
        fields[f].bits = range == 0 ? 0 : 32 - (unsigned)__builtin_clz(range);
        total += fields[f].bits;
    }
    return total;
}

/* The varying bits [from, from + WORD_BITS) of a key. */
static uint64_t word_of(const uint8_t *key, const struct field fields[FIELDS], unsigned from)
{
    uint64_t word = 0;
    for (size_t f = 0; f < FIELDS; f++) {
        uint64_t value = get_u32be(key + 4 * f) - fields[f].least;
        if (fields[f].first_bit >= from + WORD_BITS || fields[f].first_bit + fields[f].bits <= from)
            continue;
        word |=
            fields[f].first_bit >= from ? value << (fields[f].first_bit - from) : value >> (from - fields[f].first_bit);
    }
    return word;
}

static void sort_sums(struct row_sorter *sorter, const uint8_t *keys, size_t stride, size_t count)
{
    struct field fields[FIELDS];
    unsigned total = varying_bits(keys, stride, count, fields);
    for (unsigned from = 0; from < total; from += WORD_BITS) {
        for (size_t i = 0; i < count; i++)
            sorter->ranks[i].rank = word_of(keys + sorter->ranks[i].index * stride, fields, from);
        for (unsigned shift = 0; shift < WORD_BITS && from + shift < total; shift += DIGIT_BITS)
            sort_digit(sorter, count, shift);
    }
}

err_t row_sort(struct row_sorter *sorter, enum row_family family, const void *keys, size_t stride, size_t count,
               const struct row_rank **order)
{
    err_t error = reserve(sorter, count);
    if (error != ERROR_OK)
        return error;
    bool small = count < SMALL;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *key = (const uint8_t *)keys + i * stride;
        sorter->ranks[i] = (struct row_rank){ family == ROWS_DEDUPE || small ? filter_load_be(key) : 0, (uint32_t)i };
    }
    if (family == ROWS_DEDUPE && !small)
        for (unsigned shift = WORD_BITS - ID_BITS; shift < WORD_BITS; shift += DIGIT_BITS)
            sort_digit(sorter, count, shift);
    if (family == ROWS_DEDUPE || small)
        insert_all(sorter->ranks, count, keys, stride, rows_key_size(family));
    else
        sort_sums(sorter, keys, stride, count);
    *order = sorter->ranks;
    return ERROR_OK;
}
