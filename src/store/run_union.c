/* See run_union.h. Reader i is leaf count + i of a complete binary tree; node n has the children 2n and 2n + 1. */
#include "store/run_union.h"

#include <string.h>

#include "base/memory.h"

void run_union_init(struct run_union *runs, struct kv_txn *txn, enum row_family family)
{
    *runs = (struct run_union){ .txn = txn, .family = family };
}

void run_union_free(struct run_union *runs)
{
    for (size_t i = 0; i < runs->capacity; i++)
        run_reader_close(&runs->readers[i]);
    memory_free(runs->readers);
    memory_free(runs->heads);
    memory_free(runs->losers);
    run_union_init(runs, runs->txn, runs->family);
}

void run_union_reset(struct run_union *runs)
{
    runs->count = 0;
    runs->consumed = 0;
}

#define CAPACITY_MIN 4

static err_t grow(struct run_union *runs)
{
    size_t capacity = runs->capacity == 0 ? CAPACITY_MIN : 2 * runs->capacity;
    struct run_reader *readers = memory_realloc(runs->readers, capacity * sizeof *readers);
    if (readers == NULL)
        return ERROR_NO_MEMORY;
    runs->readers = readers;
    struct run_order *heads = memory_realloc(runs->heads, capacity * sizeof *heads);
    if (heads == NULL)
        return ERROR_NO_MEMORY;
    runs->heads = heads;
    uint32_t *losers = memory_realloc(runs->losers, capacity * sizeof *losers);
    if (losers == NULL)
        return ERROR_NO_MEMORY;
    runs->losers = losers;
    memset(readers + runs->capacity, 0, (capacity - runs->capacity) * sizeof *readers);
    runs->capacity = capacity;
    return ERROR_OK;
}

err_t run_union_add(struct run_union *runs, struct run_name name)
{
    if (runs->count == runs->capacity) {
        err_t error = grow(runs);
        if (error != ERROR_OK)
            return error;
    }
    struct run_reader *reader = &runs->readers[runs->count];
    err_t error = run_reader_init(reader, runs->txn, name);
    reader->verify = runs->verify;
    if (error == ERROR_OK)
        runs->count++;
    return error;
}

static void set_head(struct run_union *runs, size_t i)
{
    const struct run_reader *reader = &runs->readers[i];
    runs->heads[i] = reader->row == reader->end ? (struct run_order){ ~(run_u128)0, UINT64_MAX }
                                                : run_order_of(runs->family, reader->row);
}

/* Plays reader i against the losers on its way to the root. */
static void play(struct run_union *runs, uint32_t i)
{
    const struct run_order *heads = runs->heads;
    uint32_t *losers = runs->losers, winner = i;
    for (size_t node = (runs->count + i) / 2; node > 0; node /= 2) {
        uint32_t loser = losers[node];
        uint32_t swapped = (winner ^ loser) & (0 - (uint32_t)run_order_less(&heads[loser], &heads[winner]));
        losers[node] = loser ^ swapped;
        winner ^= swapped;
    }
    losers[0] = winner;
}

/* The winner of the subtree; losers are noted on the way up. Depth: log2(runs). */
static uint32_t build(struct run_union *runs, size_t node)
{
    if (node >= runs->count)
        return (uint32_t)(node - runs->count);
    uint32_t left = build(runs, 2 * node), right = build(runs, 2 * node + 1);
    bool right_wins = run_order_less(&runs->heads[right], &runs->heads[left]);
    runs->losers[node] = right_wins ? left : right;
    return right_wins ? right : left;
}

void run_union_forget(struct run_union *runs)
{
    for (size_t i = 0; i < runs->count; i++)
        run_reader_forget(&runs->readers[i]);
}

err_t run_union_seek(struct run_union *runs, const uint8_t *stored_key)
{
    for (size_t i = 0; i < runs->count; i++) {
        err_t error = run_reader_seek(&runs->readers[i], stored_key);
        if (error != ERROR_OK)
            return error;
        set_head(runs, i);
    }
    if (runs->count > 0)
        runs->losers[0] = build(runs, 1);
    return ERROR_OK;
}

/* Takes the least row and moves its reader on. */
static err_t take(struct run_union *runs, const uint8_t **row)
{
    uint32_t winner = runs->losers[0];
    struct run_reader *reader = &runs->readers[winner];
    *row = reader->row;
    reader->row += run_row_size(runs->family);
    runs->consumed++;
    if (reader->row == reader->end) {
        err_t error = run_reader_load(reader);
        if (error != ERROR_OK)
            return error;
    }
    set_head(runs, winner);
    play(runs, winner);
    return ERROR_OK;
}

/* The writer has checked that the total fits; the parts at hand may not, in this order or when they are only some. */
static void add_up(uint8_t *total, const uint8_t *row)
{
    const size_t key_size = ROW_KEY_SIZE - 4;
    struct row_sum sum = row_sum_decode(total + key_size), more = row_sum_decode(row + key_size);
    decimal_add_part(&sum.quantity, &more.quantity, &sum.quantity);
    sum.records += more.records;
    row_sum_encode(&sum, total + key_size);
}

/* The next row has the same key as 'row': one row of all that have it. An id is claimed once, so one is as good. */
static err_t take_equal(struct run_union *runs, const uint8_t **row, const struct run_order *order)
{
    memcpy(runs->row, *row, run_row_size(runs->family));
    *row = runs->row;
    while (run_order_equal(&runs->heads[runs->losers[0]], order)) {
        const uint8_t *more;
        err_t error = take(runs, &more);
        if (error != ERROR_OK)
            return error;
        if (runs->family != ROWS_DEDUPE)
            add_up(runs->row, more);
    }
    return ERROR_OK;
}

static err_t next_of_one(struct run_union *runs, const uint8_t **row)
{
    struct run_reader *reader = runs->readers;
    if (reader->row == reader->end) {
        err_t error = run_reader_load(reader);
        if (error != ERROR_OK)
            return error;
        if (reader->ended)
            return ERROR_NOT_FOUND;
    }
    *row = reader->row;
    reader->row += run_row_size(runs->family);
    runs->consumed++;
    return ERROR_OK;
}

err_t run_union_next(struct run_union *runs, const uint8_t **row)
{
    if (runs->count <= 1)
        return runs->count == 1 ? next_of_one(runs, row) : ERROR_NOT_FOUND;
    struct run_order order = runs->heads[runs->losers[0]];
    if (order.rest == UINT64_MAX)
        return ERROR_NOT_FOUND;
    err_t error = take(runs, row);
    if (error == ERROR_OK && run_order_equal(&runs->heads[runs->losers[0]], &order))
        error = take_equal(runs, row, &order);
    return error;
}
