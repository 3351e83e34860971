/* One seal: its entry, its signed head, and the row engine's part. */
#include "store/seal.h"

#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "store/head.h"
#include "store/write_internal.h"

bool seal_is_due(const struct store_state *state, int64_t reported_ns)
{
    return state->sealed_hour >= 0 && instant_hour(reported_ns) > state->sealed_hour;
}

/* What was reported since the seal before begins right after it. */
static err_t first_unsealed(struct kv_txn *txn, uint64_t *sequence)
{
    struct head newest;
    err_t error = head_newest(txn, &newest);
    *sequence = error == ERROR_OK ? newest.sequence + 1 : 1;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t add_entry(struct store_write *write, uint32_t end_hour)
{
    struct journal_entry entry = {
        .kind = JOURNAL_SEAL,
        .seal = { .first_hour = (uint32_t)write->state.sealed_hour, .end_hour = end_hour },
    };
    err_t error = first_unsealed(write->txn, &entry.seal.first_sequence);
    if (error == ERROR_OK)
        error = journal_add(&write->journal, write->txn, &entry);
    if (error != ERROR_OK)
        return error;
    write->state.last_sequence = entry.sequence;
    write->state.last_reported_ns = write->reported_ns;
    return ERROR_OK;
}

static err_t sign_head(struct store_write *write, const struct signature_key *key, uint32_t end_hour)
{
    struct head head = {
        .sequence = write->state.last_sequence,
        .end_hour = end_hour,
        .reported_ns = write->reported_ns,
    };
    memcpy(head.hash, write->journal.head, sizeof head.hash);
    err_t error = head_sign(&head, key);
    return error == ERROR_OK ? head_put(write->txn, &head) : error;
}

static err_t tell_rows(struct store_write *write, uint32_t end_hour)
{
    uint32_t end_day = end_hour / HOURS_PER_DAY;
    err_t error = write->rows->seal(write->txn, ROWS_HOURLY, end_hour);
    if (error != ERROR_OK || end_day == (uint32_t)write->state.sealed_hour / HOURS_PER_DAY)
        return error;
    error = write->rows->seal(write->txn, ROWS_DAILY, end_day);
    return error == ERROR_OK ? write->rows->seal(write->txn, ROWS_ROLLUP, end_day) : error;
}

err_t seal_before(struct store_write *write, const struct signature_key *key, bool *sealed)
{
    *sealed = false;
    int64_t hour = instant_hour(write->reported_ns);
    if (write->state.sealed_hour < 0) {
        write->state.sealed_hour = hour > 0 ? hour : 0;
        return ERROR_OK;
    }
    if (!seal_is_due(&write->state, write->reported_ns))
        return ERROR_OK;
    REQUIRE(hour <= UINT32_MAX);
    uint32_t end_hour = (uint32_t)hour;
    err_t error = add_entry(write, end_hour);
    if (error == ERROR_OK)
        error = sign_head(write, key, end_hour);
    if (error == ERROR_OK)
        error = tell_rows(write, end_hour);
    write->state.sealed_hour = end_hour;
    *sealed = error == ERROR_OK;
    return error;
}
