/* In which reported hours usage of some hours was reported: a scan over the pairs of KV_USAGE_TIMES (written by
 * write.c), gathered in a set of bits, because each usage hour has its own reported hours. */
#include <string.h>

#include "base/encode.h"
#include "base/memory.h"
#include "store/keys.h"
#include "store/store.h"

#define BITS 64
#define WORDS_MIN ((size_t)64)

/* Reported hours from 'base' on; base is a multiple of BITS. */
struct hour_set {
    uint64_t *words;
    size_t word_count;
    uint32_t base;
};

static err_t resize(struct hour_set *set, uint32_t base, size_t word_count)
{
    uint64_t *words = memory_zalloc(word_count, sizeof *words);
    if (words == NULL)
        return ERROR_NO_MEMORY;
    if (set->word_count > 0)
        memcpy(words + (set->base - base) / BITS, set->words, set->word_count * sizeof *words);
    memory_free(set->words);
    *set = (struct hour_set){ words, word_count, base };
    return ERROR_OK;
}

/* Makes room by doubling, to either side. */
static err_t include(struct hour_set *set, uint32_t hour)
{
    uint32_t aligned = hour / BITS * BITS;
    if (set->word_count == 0)
        return resize(set, aligned, WORDS_MIN);
    if (hour < set->base) {
        size_t more = (set->base - aligned) / BITS;
        if (more < set->word_count)
            more = set->word_count;
        if (more > set->base / BITS)
            more = set->base / BITS;
        return resize(set, set->base - (uint32_t)more * BITS, set->word_count + more);
    }
    size_t needed = (aligned - set->base) / BITS + 1;
    if (needed <= set->word_count)
        return ERROR_OK;
    return resize(set, set->base, needed > 2 * set->word_count ? needed : 2 * set->word_count);
}

static err_t add(struct hour_set *set, uint32_t hour)
{
    err_t error = include(set, hour);
    if (error == ERROR_OK)
        set->words[(hour - set->base) / BITS] |= UINT64_C(1) << (hour % BITS);
    return error;
}

static err_t gather(struct kv_txn *txn, uint32_t first, uint32_t end, struct hour_set *set)
{
    uint8_t start[USAGE_TIME_KEY_SIZE] = { 0 };
    struct kv_cursor *cursor;
    struct text key, value;
    put_u32be(start, first);
    err_t error = kv_cursor_open(txn, KV_USAGE_TIMES, &cursor);
    if (error != ERROR_OK)
        return error;
    for (error = kv_cursor_seek(cursor, BYTES(start), &key, &value); error == ERROR_OK;
         error = kv_cursor_next(cursor, &key, &value)) {
        if (key.len != USAGE_TIME_KEY_SIZE) {
            error = ERROR_STORE_CORRUPT;
            break;
        }
        if (get_u32be((const uint8_t *)key.ptr) >= end)
            break;
        if ((error = add(set, get_u32be((const uint8_t *)key.ptr + 4))) != ERROR_OK)
            break;
    }
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

err_t store_usage_times(struct kv_txn *txn, uint32_t first_usage_hour, uint32_t end_usage_hour,
                        uint32_t *reported_hours, size_t max, size_t *count, bool *more)
{
    struct hour_set set = { 0 };
    err_t error = gather(txn, first_usage_hour, end_usage_hour, &set);
    *count = 0;
    *more = false;
    for (size_t w = 0; w < set.word_count && error == ERROR_OK && !*more; w++) {
        for (uint64_t word = set.words[w]; word != 0 && !*more; word &= word - 1) {
            *more = *count == max;
            if (!*more)
                reported_hours[(*count)++] = set.base + (uint32_t)(w * BITS) + (uint32_t)__builtin_ctzll(word);
        }
    }
    memory_free(set.words);
    return error;
}
