/* Open addressing with linear probing over row indexes; the rows themselves stay packed, so that a flush
 * only has to sort them. */
#include "store/pending.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/memory.h"

#define CAPACITY_MIN ((size_t)1024)
/* A commit that needed more gives its memory back afterwards. */
#define CAPACITY_KEPT_MAX ((size_t)65536)

static size_t row_size(const struct pending *pending)
{
    return rows_key_size(pending->family) + rows_value_size(pending->family);
}

void pending_init(struct pending *pending, enum row_family family)
{
    *pending = (struct pending){ .family = family };
}

void pending_free(struct pending *pending)
{
    memory_free(pending->rows);
    memory_free(pending->slots);
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

/* The slot that holds key, or the empty one where it belongs. */
static size_t find_slot(const struct pending *pending, const uint8_t *key)
{
    size_t key_size = rows_key_size(pending->family), mask = pending->slot_count - 1;
    size_t slot = (size_t)hash64(key, key_size, 0) & mask;
    while (pending->slots[slot] != 0 &&
           memcmp(pending->rows + (pending->slots[slot] - 1) * row_size(pending), key, key_size) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

uint8_t *pending_find(const struct pending *pending, const uint8_t *key)
{
    if (pending->count == 0)
        return NULL;
    uint32_t index = pending->slots[find_slot(pending, key)];
    return index == 0 ? NULL : pending->rows + (index - 1) * row_size(pending) + rows_key_size(pending->family);
}

static bool grow(struct pending *pending)
{
    size_t capacity = pending->capacity == 0 ? CAPACITY_MIN : pending->capacity * 2;
    uint8_t *rows = memory_realloc(pending->rows, capacity * row_size(pending));
    if (rows == NULL)
        return false;
    pending->rows = rows;
    uint32_t *slots = memory_zalloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return false;
    memory_free(pending->slots);
    pending->slots = slots;
    pending->slot_count = capacity * 2;
    pending->capacity = capacity;
    for (size_t i = 0; i < pending->count; i++)
        pending->slots[find_slot(pending, rows + i * row_size(pending))] = (uint32_t)(i + 1);
    return true;
}

uint8_t *pending_value(struct pending *pending, const uint8_t *key)
{
    uint8_t *found = pending_find(pending, key);
    if (found != NULL)
        return found;
    if (pending->count == pending->capacity && !grow(pending))
        return NULL;
    REQUIRE(pending->count < UINT32_MAX - 1);
    size_t slot = find_slot(pending, key), key_size = rows_key_size(pending->family);
    uint8_t *row = pending->rows + pending->count * row_size(pending);
    pending->slots[slot] = (uint32_t)++pending->count;
    memcpy(row, key, key_size);
    if (pending->family == ROWS_DEDUPE)
        memset(row + key_size, 0, DEDUPE_VALUE_SIZE);
    else
        row_sum_encode(&(struct row_sum){ .records = 0 }, row + key_size);
    return row + key_size;
}

static int compare_dedupe(const void *a, const void *b)
{
    return memcmp(a, b, DEDUPE_KEY_SIZE);
}

static int compare_rows(const void *a, const void *b)
{
    return memcmp(a, b, ROW_KEY_SIZE);
}

err_t pending_flush(struct pending *pending, const struct rows_engine *engine, struct kv_txn *txn)
{
    if (pending->count == 0)
        return ERROR_OK;
    qsort(pending->rows, pending->count, row_size(pending),
          pending->family == ROWS_DEDUPE ? compare_dedupe : compare_rows);
    err_t error = engine->add(txn, pending->family, pending->rows, pending->count);
    pending_clear(pending);
    return error;
}
