/* The stamp's ids: 32 bytes in the settings, cloud id first. */
#include "registration/stamp.h"

#include <string.h>

#include "base/crypto.h"
#include "store/write.h"

#define VALUE_SIZE (2 * sizeof(struct guid))

static const struct text stamp_key = { "stamp", 5 };

err_t stamp_get(struct kv_txn *txn, struct stamp *out)
{
    struct text value;
    err_t error = kv_get(txn, KV_SETTINGS, stamp_key, &value);
    if (error == ERROR_OK && value.len != VALUE_SIZE)
        error = ERROR_STORE_CORRUPT;
    if (error != ERROR_OK)
        return error;
    memcpy(out->cloud_id.bytes, value.ptr, sizeof out->cloud_id);
    memcpy(out->deployment_id.bytes, value.ptr + sizeof out->cloud_id, sizeof out->deployment_id);
    return ERROR_OK;
}

static err_t run_make(struct store_write *write, struct store_job *job)
{
    struct stamp_make *make = (struct stamp_make *)job;
    struct stamp there;
    uint8_t value[VALUE_SIZE];
    err_t error = stamp_get(write_txn(write), &there);
    if (error == ERROR_OK)
        make->stamp = there;
    if (error != ERROR_NOT_FOUND)
        return error;
    memcpy(value, make->stamp.cloud_id.bytes, sizeof make->stamp.cloud_id);
    memcpy(value + sizeof make->stamp.cloud_id, make->stamp.deployment_id.bytes, sizeof make->stamp.deployment_id);
    return kv_put(write_txn(write), KV_SETTINGS, stamp_key, BYTES(value));
}

static struct guid wanted_or_random(const struct guid *wanted)
{
    uint8_t random[16];
    if (wanted != NULL && !guid_is_zero(wanted))
        return *wanted;
    random_bytes(random, sizeof random);
    return guid_from_random(random);
}

void stamp_make_init(struct stamp_make *make, const struct stamp *wanted)
{
    *make = (struct stamp_make){ .job = { .run = run_make, .weight = 1 } };
    make->stamp.cloud_id = wanted_or_random(wanted != NULL ? &wanted->cloud_id : NULL);
    make->stamp.deployment_id = wanted_or_random(wanted != NULL ? &wanted->deployment_id : NULL);
}
