/* Private to customers*.c: how changes of a mapping are kept.
 *
 * KV_CUSTOMERS holds two kinds of entries, told apart by the first byte of the key:
 *   change: registration, tenant, number of the change -> JSON
 *   had:    registration, customer subscription, tenant -> nothing; the tenant had that subscription at some time
 * Both are only ever added. The second finds tenants by subscription: whoever reads it looks up what holds. */
#pragma once

#include "base/encode.h"
#include "registration/customers.h"
#include "store/keys.h"

enum customer_key_kind { CUSTOMER_KEY_CHANGE = 1, CUSTOMER_KEY_HAD = 2 };

#define CUSTOMER_KEY_TENANT_SIZE (1 + 8 + 16) /* the part that is the same for all changes of a tenant */
#define CUSTOMER_CHANGE_KEY_SIZE (CUSTOMER_KEY_TENANT_SIZE + 8)
#define CUSTOMER_HAD_KEY_SIZE (1 + 8 + 16 + 16)

static inline void customer_change_key(uint64_t registration, const struct guid *tenant_id, uint64_t number,
                                       uint8_t out[CUSTOMER_CHANGE_KEY_SIZE])
{
    out[0] = CUSTOMER_KEY_CHANGE;
    put_u64be(out + 1, registration);
    memcpy(out + 9, tenant_id->bytes, 16);
    put_u64be(out + 25, number);
}

static inline void customer_had_key(uint64_t registration, const struct guid *customer_id, const struct guid *tenant_id,
                                    uint8_t out[CUSTOMER_HAD_KEY_SIZE])
{
    out[0] = CUSTOMER_KEY_HAD;
    put_u64be(out + 1, registration);
    memcpy(out + 9, customer_id->bytes, 16);
    memcpy(out + 25, tenant_id->bytes, 16);
}

/* The changes of one tenant, newest first. */
struct customer_changes {
    struct kv_cursor *cursor;
    struct arena *arena;
    uint8_t key[CUSTOMER_CHANGE_KEY_SIZE];
    bool begun;
};
MUST_CHECK err_t customer_changes_open(struct customer_changes *changes, struct kv_txn *txn, struct arena *arena,
                                       uint64_t registration, const struct guid *tenant_id);
/* ERROR_NOT_FOUND at the end. Texts in the arena. */
MUST_CHECK err_t customer_changes_next(struct customer_changes *changes, struct customer_change *out);
void customer_changes_close(struct customer_changes *changes);

/* Calls found(context, tenant) for each tenant that had the subscription at some time, until it returns an error. */
MUST_CHECK err_t customer_tenants_of(struct kv_txn *txn, uint64_t registration, const struct guid *customer_id,
                                     err_t (*found)(void *context, const struct guid *tenant_id), void *context);

/* Appends the change and, if it maps, the entry that finds it. */
MUST_CHECK err_t customer_change_write(struct kv_txn *txn, uint64_t registration, const struct guid *tenant_id,
                                       const struct customer_change *change);
