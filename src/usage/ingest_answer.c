/* What a batch answers: counts, and a verdict per record. */
#include <stdio.h>

#include "base/check.h"
#include "usage/difference.h"
#include "usage/ingest.h"

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = { "pending", "accepted", "duplicate", "conflict", "rejected" };
    return names[verdict];
}

struct ingest_counts ingest_counts(const struct ingest_batch *batch)
{
    struct ingest_counts counts = { .received = batch->count };
    if (batch->counts.received == batch->count)
        return batch->counts;
    for (size_t i = 0; i < batch->count; i++) {
        switch (batch->results[i].verdict) {
        case VERDICT_ACCEPTED:
            counts.accepted++;
            break;
        case VERDICT_DUPLICATE:
            counts.duplicate++;
            break;
        case VERDICT_CONFLICT:
            counts.conflict++;
            break;
        case VERDICT_REJECTED:
            counts.rejected++;
            break;
        case VERDICT_PENDING:
            REQUIREF(false, "record %zu has no verdict", i);
        }
    }
    return counts;
}

static void write_result_json(struct json_writer *json, const struct ingest_batch *batch, size_t index,
                              struct kv_txn *txn, size_t *explained)
{
    const struct ingest_result *result = &batch->results[index];
    struct text target = result->target, message = result->message;
    char text[ERROR_MESSAGE_SIZE];
    if (result->verdict == VERDICT_CONFLICT && txn != NULL && (*explained)++ < INGEST_CONFLICTS_EXPLAINED_MAX) {
        target = text_of(difference_member(txn, batch->arena, result->sequence, &result->record));
        if (target.len > 0) {
            snprintf(text, sizeof text, "%s; %s differs", error_text(ERROR_RECORD_CONFLICT), target.ptr);
            message = text_of(text);
        }
    }
    json_begin_object(json);
    json_name(json, "index");
    json_put_u64(json, index);
    json_name(json, "id");
    if (result->record.id.ptr != NULL)
        json_put_text(json, result->record.id);
    else
        json_put_null(json);
    json_name(json, "verdict");
    json_put_cstring(json, verdict_name(result->verdict));
    if (result->verdict != VERDICT_ACCEPTED) {
        json_name(json, "code");
        json_put_cstring(json, error_wire_code(result->code));
        json_name(json, "message");
        json_put_text(json, message);
        if (target.len > 0) {
            json_name(json, "target");
            json_put_text(json, target);
        }
    }
    json_end_object(json);
}

void ingest_write_answer(const struct ingest_batch *batch, struct kv_txn *txn, enum ingest_detail detail,
                         struct buffer *out)
{
    struct ingest_counts counts = ingest_counts(batch);
    struct json_writer json = json_writer(out);
    const struct {
        const char *name;
        size_t value;
    } members[] = { { "received", counts.received },
                    { "accepted", counts.accepted },
                    { "duplicate", counts.duplicate },
                    { "conflict", counts.conflict },
                    { "rejected", counts.rejected } };
    json_begin_object(&json);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        json_name(&json, members[i].name);
        json_put_u64(&json, members[i].value);
    }
    char sequence[24];
    snprintf(sequence, sizeof sequence, "%llu", (unsigned long long)batch->last_sequence);
    json_name(&json, "sequence");
    json_put_cstring(&json, sequence);
    json_name(&json, "results");
    json_begin_array(&json);
    size_t explained = 0;
    for (size_t i = 0; i < batch->count && detail != INGEST_DETAIL_NONE; i++)
        if (detail == INGEST_DETAIL_ALL || batch->results[i].verdict != VERDICT_ACCEPTED)
            write_result_json(&json, batch, i, txn, &explained);
    json_end_array(&json);
    json_end_object(&json);
}
