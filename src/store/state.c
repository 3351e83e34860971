/* The state of the store in its meta table: one entry of fixed size. */
#include <string.h>

#include "base/encode.h"
#include "store/keys.h"
#include "store/writer.h"

static const struct text state_key = { "state", 5 };
#define STATE_SIZE (48 + SHA256_SIZE)

err_t state_read(struct kv_txn *txn, struct store_state *state)
{
    struct text value;
    err_t error = kv_get(txn, KV_META, state_key, &value);
    *state = STATE_OF_NEW_STORE;
    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    if (error != ERROR_OK)
        return error;
    if (value.len != STATE_SIZE)
        return ERROR_STORE_CORRUPT;
    const uint8_t *p = (const uint8_t *)value.ptr;
    state->last_sequence = get_u64be(p);
    state->last_reported_ns = (int64_t)get_u64be(p + 8);
    state->first_live_hour = (int64_t)get_u64be(p + 16);
    state->sealed_hour = (int64_t)get_u64be(p + 24);
    state->records = get_u64be(p + 32);
    state->corrections = get_u64be(p + 40);
    memcpy(state->head, p + 48, SHA256_SIZE);
    return ERROR_OK;
}

err_t state_write(struct kv_txn *txn, const struct store_state *state)
{
    uint8_t value[STATE_SIZE];
    put_u64be(value, state->last_sequence);
    put_u64be(value + 8, (uint64_t)state->last_reported_ns);
    put_u64be(value + 16, (uint64_t)state->first_live_hour);
    put_u64be(value + 24, (uint64_t)state->sealed_hour);
    put_u64be(value + 32, state->records);
    put_u64be(value + 40, state->corrections);
    memcpy(value + 48, state->head, SHA256_SIZE);
    return kv_put(txn, KV_META, state_key, BYTES(value));
}
