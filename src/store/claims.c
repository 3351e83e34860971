/* See claims.h. Identities are uniform, so their leading bits find an entry of the sorted table in one step and a
 * comparison or two: 'starts' has about as many places as there are entries. */
#include "store/claims.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/filter.h"

#define CAPACITY_MIN ((size_t)1024)
/* A commit that needed more gives its memory back afterwards. */
#define CAPACITY_KEPT_MAX ((size_t)65536)
#define ROW_SIZE (DEDUPE_KEY_SIZE + DEDUPE_VALUE_SIZE)

void claims_init(struct claims *claims)
{
    *claims = (struct claims){ 0 };
    pending_init(&claims->others, ROWS_DEDUPE);
}

void claims_free(struct claims *claims)
{
    memory_free(claims->keys);
    memory_free(claims->values);
    memory_free(claims->states);
    memory_free(claims->rows);
    memory_free(claims->starts);
    row_sorter_free(&claims->sorter);
    pending_free(&claims->others);
    claims_init(claims);
}

void claims_clear(struct claims *claims)
{
    if (claims->capacity > CAPACITY_KEPT_MAX)
        claims_free(claims);
    claims->count = claims->made = 0;
    pending_clear(&claims->others);
}

static err_t reserve(struct claims *claims, size_t count)
{
    if (count <= claims->capacity)
        return ERROR_OK;
    size_t capacity = CAPACITY_MIN;
    while (capacity < count)
        capacity *= 2;
    REQUIRE(capacity < UINT32_MAX);
    claims_free(claims);
    claims->keys = memory_zalloc(capacity, DEDUPE_KEY_SIZE);
    claims->values = memory_zalloc(capacity, DEDUPE_VALUE_SIZE);
    claims->states = memory_zalloc(capacity, 1);
    claims->rows = memory_zalloc(capacity, ROW_SIZE);
    claims->starts = memory_zalloc(capacity + 1, sizeof *claims->starts);
    claims->capacity = capacity;
    if (claims->keys != NULL && claims->values != NULL && claims->states != NULL && claims->rows != NULL &&
        claims->starts != NULL)
        return ERROR_OK;
    claims_free(claims);
    return ERROR_NO_MEMORY;
}

/* The identities as announced, one behind the other. */
static void gather(struct claims *claims, const struct store_job *jobs)
{
    uint8_t *to = claims->rows;
    for (const struct store_job *job = jobs; job != NULL; job = job->next) {
        const uint8_t *from = (const uint8_t *)job->identities;
        for (size_t i = 0; from != NULL && i < job->identity_count; i++, to += DEDUPE_KEY_SIZE)
            memcpy(to, from + i * job->identity_stride, DEDUPE_KEY_SIZE);
    }
}

static size_t start_of(const struct claims *claims, const uint8_t *key)
{
    return claims->start_bits == 0 ? 0 : (size_t)(filter_load_be(key) >> (64 - claims->start_bits));
}

static err_t sort_and_index(struct claims *claims, size_t count)
{
    const struct row_rank *order;
    err_t error = row_sort(&claims->sorter, ROWS_DEDUPE, claims->rows, DEDUPE_KEY_SIZE, count, &order);
    if (error != ERROR_OK)
        return error;
    claims->count = 0;
    for (claims->start_bits = 0; (size_t)1 << (claims->start_bits + 1) <= count;)
        claims->start_bits++;
    size_t start = 0;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *key = claims->rows + order[i].index * (size_t)DEDUPE_KEY_SIZE;
        uint8_t *to = claims->keys + claims->count * DEDUPE_KEY_SIZE;
        if (claims->count > 0 && memcmp(to - DEDUPE_KEY_SIZE, key, DEDUPE_KEY_SIZE) == 0)
            continue;
        while (start <= start_of(claims, key))
            claims->starts[start++] = (uint32_t)claims->count;
        memcpy(to, key, DEDUPE_KEY_SIZE);
        claims->count++;
    }
    while (start < (size_t)1 << claims->start_bits)
        claims->starts[start++] = (uint32_t)claims->count;
    return ERROR_OK;
}

err_t claims_prepare(struct claims *claims, const struct rows_engine *engine, struct kv_txn *txn,
                     const struct store_job *jobs)
{
    size_t count = 0;
    for (const struct store_job *job = jobs; job != NULL; job = job->next)
        count += job->identities != NULL ? job->identity_count : 0;
    claims_clear(claims);
    if (count == 0)
        return ERROR_OK;
    err_t error = reserve(claims, count);
    if (error != ERROR_OK)
        return error;
    gather(claims, jobs);
    error = sort_and_index(claims, count);
    if (error != ERROR_OK)
        return error;
    bool *found = (bool *)claims->rows; /* the identities in it have been copied */
    error = engine->find(txn, ROWS_DEDUPE, claims->keys, claims->count, claims->values, found);
    for (size_t i = 0; i < claims->count; i++)
        claims->states[i] = error == ERROR_OK && found[i] ? CLAIM_STORED : CLAIM_FREE;
    if (error != ERROR_OK)
        claims_clear(claims);
    return error;
}

/* The announced entry of an identity; 'count' if there is none. */
static size_t entry_of(const struct claims *claims, const uint8_t *key)
{
    if (claims->count == 0)
        return 0;
    for (size_t i = claims->starts[start_of(claims, key)]; i < claims->count; i++) {
        int order = memcmp(claims->keys + i * DEDUPE_KEY_SIZE, key, DEDUPE_KEY_SIZE);
        if (order == 0)
            return i;
        if (order > 0)
            break;
    }
    return claims->count;
}

err_t claims_get(const struct claims *claims, const struct rows_engine *engine, struct kv_txn *txn,
                 const uint8_t key[DEDUPE_KEY_SIZE], uint8_t value[DEDUPE_VALUE_SIZE])
{
    size_t entry = entry_of(claims, key);
    if (entry < claims->count) {
        if (claims->states[entry] == CLAIM_FREE)
            return ERROR_NOT_FOUND;
        memcpy(value, claims->values + entry * DEDUPE_VALUE_SIZE, DEDUPE_VALUE_SIZE);
        return ERROR_OK;
    }
    const uint8_t *made = pending_find(&claims->others, key);
    if (made == NULL)
        return engine->get(txn, ROWS_DEDUPE, key, value);
    memcpy(value, made, DEDUPE_VALUE_SIZE);
    return ERROR_OK;
}

err_t claims_make(struct claims *claims, const uint8_t key[DEDUPE_KEY_SIZE], const uint8_t value[DEDUPE_VALUE_SIZE])
{
    size_t entry = entry_of(claims, key);
    uint8_t *to;
    if (entry < claims->count) {
        REQUIRE(claims->states[entry] == CLAIM_FREE);
        claims->states[entry] = CLAIM_MADE;
        claims->made++;
        to = claims->values + entry * DEDUPE_VALUE_SIZE;
    } else if ((to = pending_value(&claims->others, key)) == NULL) {
        return ERROR_NO_MEMORY;
    }
    memcpy(to, value, DEDUPE_VALUE_SIZE);
    return ERROR_OK;
}

size_t claims_made(const struct claims *claims)
{
    return claims->made + claims->others.count;
}

err_t claims_flush(struct claims *claims, const struct rows_engine *engine, struct kv_txn *txn)
{
    err_t error = ERROR_OK;
    uint8_t *row = claims->rows;
    for (size_t i = 0; i < claims->count; i++) {
        if (claims->states[i] != CLAIM_MADE)
            continue;
        memcpy(row, claims->keys + i * DEDUPE_KEY_SIZE, DEDUPE_KEY_SIZE);
        memcpy(row + DEDUPE_KEY_SIZE, claims->values + i * DEDUPE_VALUE_SIZE, DEDUPE_VALUE_SIZE);
        row += ROW_SIZE;
    }
    if (claims->made > 0)
        error = engine->add(txn, ROWS_DEDUPE, claims->rows, claims->made);
    if (error == ERROR_OK)
        error = pending_flush(&claims->others, engine, txn);
    claims_clear(claims);
    return error;
}
