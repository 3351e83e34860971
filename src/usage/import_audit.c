/* The hour last told of lies in the settings, for each importer. */
#include "usage/import_audit.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/encode.h"
#include "base/instant.h"
#include "store/audit.h"
#include "store/keys.h"
#include "store/packed.h"
#include "store/write.h"

#define NAME_SIZE_MAX 256

static err_t tell(struct store_write *write, const struct ingest_batch *batch, uint64_t first_sequence)
{
    char detail[64];
    (void)snprintf(detail, sizeof detail, "{\"firstSequence\":\"%llu\"}", (unsigned long long)first_sequence);
    struct audit_entry entry = { .by = batch->producer.name,
                                 .action = TEXT("history.import"),
                                 .subject = TEXT("usage"),
                                 .detail = text_of(detail) };
    return audit_write(write, &entry);
}

err_t import_audit(struct store_write *write, const struct ingest_batch *batch)
{
    size_t first = 0;
    struct text told;
    uint8_t hour[8];
    struct buffer key = { 0 };
    while (first < batch->count && batch->results[first].verdict != VERDICT_ACCEPTED)
        first++;
    if (first == batch->count)
        return ERROR_OK;
    put_u64be(hour, (uint64_t)instant_hour(write_reported_ns(write)));
    buffer_append_literal(&key, "import_audit ");
    buffer_append_text(&key, packed_cut(batch->producer.name, NAME_SIZE_MAX));
    err_t error = key.failed ? ERROR_NO_MEMORY : kv_get(write_txn(write), KV_SETTINGS, buffer_text(&key), &told);
    bool known = error == ERROR_OK && text_equal(told, BYTES(hour));
    if (error == ERROR_NOT_FOUND || (error == ERROR_OK && !known)) {
        error = kv_put(write_txn(write), KV_SETTINGS, buffer_text(&key), BYTES(hour));
        if (error == ERROR_OK)
            error = tell(write, batch, batch->results[first].sequence);
    }
    buffer_free(&key);
    return error;
}
