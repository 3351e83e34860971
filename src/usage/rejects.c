/* Keeping what was refused, closing and removing it, all in the writer's transactions. */
#include "usage/rejects.h"

#include <stdio.h>

#include "base/check.h"
#include "base/json.h"
#include "store/audit.h"
#include "store/packed.h"
#include "store/write.h"
#include "usage/rejects_internal.h"
#include "usage/sanity.h"

#define TEXT_SIZE_MAX 1024

/* --- entries --- */

err_t reject_put_head(struct kv_txn *txn, const struct reject *reject)
{
    uint8_t key[REJECT_KEY_SIZE];
    struct buffer value = { 0 };
    reject_encode(reject, &value);
    err_t error = value.failed
                      ? ERROR_NO_MEMORY
                      : kv_put(txn, KV_REJECTS, reject_number_key('e', reject->number, key), buffer_text(&value));
    buffer_free(&value);
    return error;
}

err_t reject_remove(struct kv_txn *txn, const struct reject *reject, struct tally *tally)
{
    uint8_t entry[REJECT_KEY_SIZE], raw[REJECT_KEY_SIZE], hash[REJECT_HASH_KEY_SIZE];
    uint64_t size = reject_size(reject);
    /* The reject's texts point to what is about to be removed: nothing of them is used below. */
    struct text keys[] = { reject_number_key('e', reject->number, entry), reject_number_key('r', reject->number, raw),
                           reject_hash_key(&reject->hash, hash) };
    REQUIRE(tally->totals.states[reject->state] > 0 && tally->totals.bytes >= size);
    tally->totals.states[reject->state]--;
    tally->totals.bytes -= size;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        err_t error = kv_delete(txn, KV_REJECTS, keys[i]);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    }
    return ERROR_OK;
}

static uint64_t entries(const struct tally *tally)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < REJECT_STATE_COUNT; i++)
        sum += tally->totals.states[i];
    return sum;
}

/* Makes room for an entry of that size. */
static err_t evict(struct kv_txn *txn, struct tally *tally, uint64_t size)
{
    struct reject oldest;
    while (entries(tally) >= REJECTS_ENTRIES_MAX || tally->totals.bytes + size > REJECTS_BYTES_MAX) {
        err_t error = reject_first(txn, 0, &oldest);
        if (error == ERROR_OK)
            error = reject_remove(txn, &oldest, tally);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
        tally->totals.evicted++;
    }
    return ERROR_OK;
}

/* --- keeping --- */

/* Parsing stops at the first fault, so the source may not have been reached; lists are asked by it. */
static struct text find_source(struct ingest_batch *batch, const struct ingest_result *result)
{
    const struct json *value;
    struct text source;
    if (result->record.source.len > 0 || result->raw.ptr == NULL || result->raw.len > REJECT_RAW_SIZE_MAX)
        return result->record.source;
    if (json_parse(batch->arena, result->raw, &value, NULL) != ERROR_OK ||
        !json_member_string(value, TEXT("source"), &source))
        return TEXT_NONE;
    return source;
}

static struct hash128 hash_of(const struct ingest_batch *batch, const struct ingest_result *result)
{
    struct text raw = result->raw;
    struct siphash state;
    siphash_init(&state, batch->hash_key);
    siphash_update_sized(&state, batch->producer.name.ptr, batch->producer.name.len);
    siphash_update_u64(&state, reject_code_index(result->code));
    siphash_update_sized(&state, raw.ptr, raw.len);
    if (raw.ptr == NULL) /* all that tells it from others */
        siphash_update_sized(&state, result->message.ptr, result->message.len);
    return siphash_finish(&state);
}

static void fill(struct ingest_batch *batch, const struct ingest_result *result, int64_t now_ns, struct reject *out)
{
    *out = (struct reject){
        .state = REJECT_OPEN,
        .verdict = result->verdict,
        .code = result->code,
        .received_ns = now_ns,
        .last_received_ns = now_ns,
        .count = 1,
        .original_sequence = result->verdict == VERDICT_CONFLICT ? result->sequence : 0,
        .closed_ns = INT64_MIN,
        .posted_size = result->raw.len,
        .is_event = result->raw_is_event,
        .history = batch->limits.history,
        .producer = packed_cut(batch->producer.name, TEXT_SIZE_MAX),
        .source = packed_cut(find_source(batch, result), TEXT_SIZE_MAX),
        .id = packed_cut(result->record.id, TEXT_SIZE_MAX),
        .target = packed_cut(result->target, TEXT_SIZE_MAX),
        .message = packed_cut(result->message, TEXT_SIZE_MAX),
        .raw = result->raw.ptr != NULL ? result->raw : TEXT(""),
    };
    for (size_t i = 0; i < batch->producer.source_count && i < REJECT_SOURCES_MAX; i++)
        out->sources[out->source_count++] = batch->producer.sources[i];
    if (out->raw.len > REJECT_RAW_SIZE_MAX)
        out->raw.len = REJECT_RAW_SIZE_MAX;
}

static err_t count_up(struct kv_txn *txn, uint64_t number, int64_t now_ns)
{
    uint8_t key[REJECT_KEY_SIZE];
    struct text value;
    struct reject reject;
    err_t error = kv_get(txn, KV_REJECTS, reject_number_key('e', number, key), &value);
    if (error == ERROR_OK)
        error = reject_decode(number, value, &reject);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    reject.count++;
    reject.last_received_ns = now_ns;
    return reject_put_head(txn, &reject);
}

static err_t put_new(struct kv_txn *txn, struct tally *tally, struct reject *reject)
{
    uint8_t number[8], hash[REJECT_HASH_KEY_SIZE], raw[REJECT_KEY_SIZE];
    err_t error = evict(txn, tally, reject_size(reject));
    if (error != ERROR_OK)
        return error;
    reject->number = ++tally->last_number;
    put_u64be(number, reject->number);
    tally->totals.states[REJECT_OPEN]++;
    tally->totals.bytes += reject_size(reject);
    error = reject_put_head(txn, reject);
    if (error == ERROR_OK)
        error = kv_put(txn, KV_REJECTS, reject_number_key('r', reject->number, raw), reject->raw);
    return error == ERROR_OK ? kv_put(txn, KV_REJECTS, reject_hash_key(&reject->hash, hash), BYTES(number)) : error;
}

static err_t keep_one(struct store_write *write, struct ingest_batch *batch, const struct ingest_result *result,
                      struct tally *tally, size_t *kept)
{
    uint8_t key[REJECT_HASH_KEY_SIZE];
    struct text value;
    tally->received[reject_code_index(result->code)]++;
    if (*kept == REJECTS_PER_BATCH_MAX) {
        tally->totals.not_kept++;
        return ERROR_OK;
    }
    ++*kept;
    struct hash128 hash = hash_of(batch, result);
    err_t error = kv_get(write_txn(write), KV_REJECTS, reject_hash_key(&hash, key), &value);
    if (error == ERROR_OK && value.len != 8)
        return ERROR_STORE_CORRUPT;
    if (error == ERROR_OK)
        return count_up(write_txn(write), get_u64be((const uint8_t *)value.ptr), write_reported_ns(write));
    if (error != ERROR_NOT_FOUND)
        return error;
    struct reject reject;
    fill(batch, result, write_reported_ns(write), &reject);
    reject.hash = hash;
    return put_new(write_txn(write), tally, &reject);
}

err_t rejects_keep(struct store_write *write, struct ingest_batch *batch)
{
    struct tally tally;
    size_t kept = 0;
    struct arena_mark mark = arena_mark(batch->arena);
    err_t error = tally_read(write_txn(write), &tally);
    for (size_t i = 0; i < batch->count && error == ERROR_OK; i++) {
        const struct ingest_result *result = &batch->results[i];
        if (result->verdict == VERDICT_CONFLICT || result->verdict == VERDICT_REJECTED)
            error = keep_one(write, batch, result, &tally, &kept);
        arena_rewind(batch->arena, mark);
    }
    return error == ERROR_OK ? tally_write(write_txn(write), &tally) : error;
}

/* --- closing --- */

err_t reject_close(struct store_write *write, uint64_t number, enum reject_state state, uint64_t sequence,
                   struct text by)
{
    REQUIRE(state != REJECT_OPEN);
    struct tally tally;
    struct reject reject;
    err_t error = reject_get(write_txn(write), number, &reject);
    if (error == ERROR_OK && reject.state != REJECT_OPEN)
        error = ERROR_CONFLICT;
    if (error == ERROR_OK)
        error = tally_read(write_txn(write), &tally);
    if (error != ERROR_OK)
        return error;
    tally.totals.states[REJECT_OPEN]--;
    tally.totals.states[state]++;
    reject.state = state;
    reject.replayed_sequence = sequence;
    reject.closed_ns = write_reported_ns(write);
    reject.closed_by = packed_cut(by, TEXT_SIZE_MAX);
    error = reject_put_head(write_txn(write), &reject);
    return error == ERROR_OK ? tally_write(write_txn(write), &tally) : error;
}

err_t rejects_drop(struct kv_txn *txn, int64_t before_ns, size_t budget, uint64_t *position, bool *left)
{
    struct tally tally;
    struct reject reject;
    bool changed = false;
    *left = false;
    err_t error = tally_read(txn, &tally);
    for (size_t i = 0; error == ERROR_OK && !*left; i++) {
        error = reject_first(txn, *position, &reject);
        if (error != ERROR_OK)
            break;
        *left = i == budget;
        if (*left)
            break;
        *position = reject.number + 1;
        /* Numbers follow the first time an entry was received, age counts from the last. */
        if (reject.last_received_ns < before_ns) {
            changed = true;
            error = reject_remove(txn, &reject, &tally);
        } else if (reject.received_ns >= before_ns) {
            break;
        }
    }
    if (error == ERROR_NOT_FOUND)
        error = ERROR_OK;
    if (error == ERROR_OK && changed)
        error = tally_write(txn, &tally);
    if (error != ERROR_OK || *left)
        return error;
    *position = 0;
    return findings_drop(txn, before_ns, budget, left);
}

/* --- replaying and dismissing --- */

static err_t audit(struct store_write *write, uint64_t number, struct text action, struct text by, struct text request,
                   struct text detail)
{
    char subject[40];
    int length = snprintf(subject, sizeof subject, "rejects/%llu", (unsigned long long)number);
    struct audit_entry entry = {
        .by = by, .action = action, .subject = { subject, (size_t)length }, .detail = detail, .request = request
    };
    return audit_write(write, &entry);
}

static err_t audit_replay(struct store_write *write, const struct reject_replay *replay)
{
    const struct ingest_result *result = &replay->batch->results[0];
    struct buffer detail = { 0 };
    struct json_writer json = json_writer(&detail);
    json_begin_object(&json);
    json_name(&json, "verdict");
    json_put_cstring(&json, verdict_name(result->verdict));
    json_name(&json, "recordSequence");
    json_put_u64(&json, result->sequence);
    json_name(&json, "corrected");
    json_put_bool(&json, replay->corrected);
    json_end_object(&json);
    err_t error = detail.failed ? ERROR_NO_MEMORY
                                : audit(write, replay->number, TEXT("reject.replay"), replay->by, replay->request,
                                        buffer_text(&detail));
    buffer_free(&detail);
    return error;
}

/* Findings of the domain are results, not errors of the transaction. */
static err_t settle(err_t error, err_t *refused)
{
    *refused = error == ERROR_NOT_FOUND || error == ERROR_CONFLICT ? error : ERROR_OK;
    return *refused == ERROR_OK ? error : ERROR_OK;
}

static err_t check_open(struct store_write *write, uint64_t number)
{
    struct reject reject;
    err_t error = reject_get(write_txn(write), number, &reject);
    return error == ERROR_OK && reject.state != REJECT_OPEN ? ERROR_CONFLICT : error;
}

static err_t run_replay(struct store_write *write, struct store_job *job)
{
    struct reject_replay *replay = (struct reject_replay *)job;
    struct ingest_batch *batch = replay->batch;
    /* Asked before: of two replays at the same moment only one may count. */
    err_t error = settle(check_open(write, replay->number), &replay->refused);
    if (error != ERROR_OK || replay->refused != ERROR_OK)
        return error;
    error = batch->job.run(write, &batch->job);
    if (error != ERROR_OK)
        return error;
    const struct ingest_result *result = &batch->results[0];
    if (result->verdict != VERDICT_ACCEPTED && result->verdict != VERDICT_DUPLICATE)
        return ERROR_OK;
    error = reject_close(write, replay->number, REJECT_REPLAYED, result->sequence, replay->by);
    return error == ERROR_OK ? audit_replay(write, replay) : error;
}

void reject_replay_init(struct reject_replay *replay, struct ingest_batch *batch, uint64_t number)
{
    REQUIRE(batch->count == 1);
    batch->is_replay = true;
    *replay = (struct reject_replay){ .job = batch->job, .batch = batch, .number = number };
    replay->job.run = run_replay;
}

static err_t run_dismiss(struct store_write *write, struct store_job *job)
{
    struct reject_dismiss *dismiss = (struct reject_dismiss *)job;
    err_t error = settle(reject_close(write, dismiss->number, REJECT_DISMISSED, 0, dismiss->by), &dismiss->refused);
    if (error != ERROR_OK || dismiss->refused != ERROR_OK)
        return error;
    return audit(write, dismiss->number, TEXT("reject.dismiss"), dismiss->by, dismiss->request, TEXT_NONE);
}

void reject_dismiss_init(struct reject_dismiss *dismiss, uint64_t number)
{
    *dismiss = (struct reject_dismiss){ .job = { .run = run_dismiss, .weight = 1 }, .number = number };
}
