/* Open addressing with linear probing over row indexes; the rows themselves stay packed, so that a flush
 * only has to sort them. */
#include "store/pending.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#define CAPACITY_MIN ((size_t)1024)
/* A commit that needed more gives its memory back afterwards. */
#define CAPACITY_KEPT_MAX ((size_t)65536)

void pending_init(struct pending *pending, enum row_family family)
{
    *pending = (struct pending){ .family = family, .key_size = rows_key_size(family) };
    pending->row_size = pending->key_size + rows_value_size(family);
}

void pending_free(struct pending *pending)
{
    memory_free(pending->rows);
    memory_free(pending->sorted);
    memory_free(pending->slots);
    row_sorter_free(&pending->sorter);
    pending_init(pending, pending->family);
}

void pending_clear(struct pending *pending)
{
    if (pending->capacity > CAPACITY_KEPT_MAX) {
        pending_free(pending);
        return;
    }
    pending->count = 0;
    if (pending->slots != NULL)
        memset(pending->slots, 0, pending->slot_count * sizeof *pending->slots);
}

static uint64_t load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ typedef unsigned __int128 u128;
    u128 product = (u128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Keys are numbers that the store itself gives out, or keyed hashes: two multiplications spread them well enough. */
static uint64_t hash_of(const struct pending *pending, const uint8_t *key)
{
    uint64_t last = pending->key_size == ROW_KEY_SIZE ? load(key + 16) : 0;
    return fold(fold(load(key) ^ UINT64_C(0x6A09E667F3BCC909), load(key + 8) ^ UINT64_C(0xBB67AE8584CAA73B)) ^ last,
                UINT64_C(0x9E3779B97F4A7C15));
}

/* The slot that holds key, or the empty one where it belongs. */
static size_t find_slot(const struct pending *pending, const uint8_t *key, uint64_t hash)
{
    size_t mask = pending->slot_count - 1;
    for (size_t slot = (size_t)hash & mask;; slot = (slot + 1) & mask) {
        const struct pending_slot *at = &pending->slots[slot];
        if (at->index == 0 || (at->hash == hash >> 32 && memcmp(pending->rows + (at->index - 1) * pending->row_size,
                                                                key, pending->key_size) == 0))
            return slot;
    }
}

static uint8_t *value_at(const struct pending *pending, uint32_t index)
{
    return pending->rows + (index - 1) * pending->row_size + pending->key_size;
}

uint8_t *pending_find(const struct pending *pending, const uint8_t *key)
{
    if (pending->count == 0)
        return NULL;
    uint32_t index = pending->slots[find_slot(pending, key, hash_of(pending, key))].index;
    return index == 0 ? NULL : value_at(pending, index);
}

static bool grow(struct pending *pending)
{
    size_t capacity = pending->capacity == 0 ? CAPACITY_MIN : pending->capacity * 2;
    uint8_t *rows = memory_realloc(pending->rows, capacity * pending->row_size);
    if (rows == NULL)
        return false;
    pending->rows = rows;
    memory_free(pending->sorted); /* made anew, for as many rows */
    pending->sorted = NULL;
    struct pending_slot *slots = memory_zalloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return false;
    memory_free(pending->slots);
    pending->slots = slots;
    pending->slot_count = capacity * 2;
    pending->capacity = capacity;
    for (size_t i = 0; i < pending->count; i++) {
        uint64_t hash = hash_of(pending, rows + i * pending->row_size);
        slots[find_slot(pending, rows + i * pending->row_size, hash)] =
            (struct pending_slot){ (uint32_t)(i + 1), (uint32_t)(hash >> 32) };
    }
    return true;
}

uint8_t *pending_value(struct pending *pending, const uint8_t *key)
{
    if (pending->count == pending->capacity && !grow(pending))
        return NULL;
    REQUIRE(pending->count < UINT32_MAX - 1);
    uint64_t hash = hash_of(pending, key);
    struct pending_slot *slot = &pending->slots[find_slot(pending, key, hash)];
    if (slot->index != 0)
        return value_at(pending, slot->index);
    *slot = (struct pending_slot){ (uint32_t)++pending->count, (uint32_t)(hash >> 32) };
    memcpy(value_at(pending, slot->index) - pending->key_size, key, pending->key_size);
    uint8_t *value = value_at(pending, slot->index);
    if (pending->family == ROWS_DEDUPE)
        memset(value, 0, DEDUPE_VALUE_SIZE);
    else
        row_sum_encode(&(struct row_sum){ .records = 0 }, value);
    return value;
}

/* The rows in key order, in memory of the sorter's own. */
static err_t sort_rows(struct pending *pending)
{
    const struct row_rank *order;
    size_t size = pending->row_size;
    err_t error = row_sort(&pending->sorter, pending->family, pending->rows, size, pending->count, &order);
    if (error == ERROR_OK && pending->sorted == NULL)
        pending->sorted = memory_alloc(pending->capacity * size);
    if (error != ERROR_OK || pending->sorted == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < pending->count; i++)
        memcpy(pending->sorted + i * size, pending->rows + order[i].index * size, size);
    return ERROR_OK;
}

err_t pending_flush(struct pending *pending, const struct rows_engine *engine, struct kv_txn *txn)
{
    if (pending->count == 0)
        return ERROR_OK;
    err_t error = sort_rows(pending);
    if (error == ERROR_OK)
        error = engine->add(txn, pending->family, pending->sorted, pending->count);
    pending_clear(pending);
    return error;
}
