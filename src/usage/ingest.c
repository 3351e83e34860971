/* The second half of a batch, on the writer thread: PENDING becomes accepted, duplicate, conflict or (a sum that would
 * not fit) rejected. */
#include "usage/ingest.h"

#include "base/check.h"
#include "base/instant.h"
#include "usage/import_audit.h"
#include "usage/rejects.h"
#include "usage/sanity.h"
#include "usage/watermarks.h"

static err_t intern_instance(struct store_write *write, struct ingest_batch *batch, const struct usage_record *record,
                             struct dictionary_ids *ids)
{
    struct instance instance = {
        .resource_uri = record->resource_uri,
        .location = record->location,
        .tags = record->tags,
        .tags_is_string = record->tags_is_string,
        .additional_info = record->additional_info,
        .additional_info_is_string = record->additional_info_is_string,
    };
    err_t error = write_intern(write, DICTIONARY_SOURCE, record->source, record->source, &instance.source);
    if (error == ERROR_OK)
        error =
            write_intern(write, DICTIONARY_RESOURCE, record->resource_key, record->resource_uri, &instance.resource);
    if (error != ERROR_OK)
        return error;
    struct text encoded = { (const char *)batch->instance_bytes, instance_encode(&instance, batch->instance_bytes) };
    ids->source = instance.source;
    ids->resource = instance.resource;
    return write_intern(write, DICTIONARY_INSTANCE, encoded, encoded, &ids->instance);
}

static err_t intern_names(struct store_write *write, struct ingest_batch *batch, const struct usage_record *record,
                          struct dictionary_ids *ids)
{
    struct text guid = { (const char *)record->subscription.bytes, sizeof record->subscription.bytes };
    if (write_recall(write, &record->names, ids))
        return ERROR_OK;
    err_t error = write_intern(write, DICTIONARY_SUBSCRIPTION, guid, guid, &ids->subscription);
    if (error == ERROR_OK)
        error = write_intern(write, DICTIONARY_METER, record->meter_key, record->meter_id, &ids->meter);
    if (error == ERROR_OK)
        error = intern_instance(write, batch, record, ids);
    if (error == ERROR_OK)
        write_remember(write, &record->names, ids);
    return error;
}

static err_t intern(struct store_write *write, struct ingest_batch *batch, const struct usage_record *record,
                    struct journal_record *entry, uint32_t *resource)
{
    struct dictionary_ids ids;
    struct text producer = batch->producer.name;
    err_t error = ERROR_OK;
    if (batch->producer_id == 0)
        error = write_intern(write, DICTIONARY_PRODUCER, producer, producer, &batch->producer_id);
    if (error == ERROR_OK)
        error = intern_names(write, batch, record, &ids);
    if (error != ERROR_OK)
        return error;
    entry->producer = batch->producer_id;
    entry->source = ids.source;
    entry->subscription = ids.subscription;
    entry->meter = ids.meter;
    entry->instance = ids.instance;
    *resource = ids.resource;
    return ERROR_OK;
}

static void set_verdict(struct ingest_result *result, enum verdict verdict, err_t code, struct text target)
{
    result->verdict = verdict;
    result->code = code;
    result->target = target;
    result->message = text_of(error_text(code));
}

/* Imported history may only fill reported hours before the first live one, which nobody has read as final. */
static bool history_allowed(const struct store_write *write, int64_t reported_ns)
{
    int64_t first_live = write_state(write).first_live_hour;
    int64_t limit = first_live >= 0 ? first_live : instant_hour(write_reported_ns(write));
    return instant_hour(reported_ns) < limit;
}

static err_t write_new(struct store_write *write, struct ingest_batch *batch, struct ingest_result *result)
{
    const struct usage_record *record = &result->record;
    struct journal_record entry = {
        .id = record->id,
        .start_ns = record->start_ns,
        .end_ns = record->end_ns,
        .quantity = record->quantity,
        .quantity_is_number = record->quantity_is_number,
        .history = batch->limits.history,
        .reported_ns = record->reported_ns,
    };
    uint32_t resource;
    bool fits;
    err_t error = intern(write, batch, record, &entry, &resource);
    if (error == ERROR_OK)
        error = write_record(write, &entry, &record->identity, record->content_hash, resource, record->shares,
                             record->share_count, &fits);
    if (error != ERROR_OK)
        return error;
    if (fits) {
        set_verdict(result, VERDICT_ACCEPTED, ERROR_OK, TEXT_NONE);
        result->sequence = entry.sequence;
        if (batch->sanity != NULL)
            error = sanity_check(batch->sanity, write, record, &entry, batch->producer.name);
        if (error != ERROR_OK)
            return error;
        return batch->notes != NULL ? watermark_note(batch->notes, &entry) : ERROR_OK;
    } else {
        set_verdict(result, VERDICT_REJECTED, ERROR_QUANTITY_OUT_OF_RANGE, TEXT("quantity"));
        result->message = TEXT("the sum of this resource's hour or of its meter's day would not fit any more");
    }
    return ERROR_OK;
}

static err_t write_result(struct store_write *write, struct ingest_batch *batch, struct ingest_result *result)
{
    enum claim claim;
    err_t error = write_claim(write, &result->record.identity, result->record.content_hash, &claim, &result->sequence);
    if (error != ERROR_OK)
        return error;
    switch (claim) {
    case CLAIM_SAME:
        set_verdict(result, VERDICT_DUPLICATE, ERROR_RECORD_DUPLICATE, TEXT_NONE);
        return ERROR_OK;
    case CLAIM_OTHER:
        set_verdict(result, VERDICT_CONFLICT, ERROR_RECORD_CONFLICT, TEXT_NONE);
        return ERROR_OK;
    case CLAIM_NEW:
        break;
    }
    if (batch->limits.history && !history_allowed(write, result->record.reported_ns)) {
        set_verdict(result, VERDICT_REJECTED, ERROR_INVALID_PROPERTY, TEXT("reportedTime"));
        result->message = TEXT("history must be reported before the store's first live hour");
        return ERROR_OK;
    }
    return write_new(write, batch, result);
}

#define LOOK_AHEAD 8

/* What a record a little later needs is fetched meanwhile: each of these is a miss of the cache otherwise. */
static void look_ahead(const struct store_write *write, const struct ingest_batch *batch, size_t index)
{
    if (index + LOOK_AHEAD >= batch->count)
        return;
    const struct ingest_result *result = &batch->results[index + LOOK_AHEAD];
    if (result->parsed_verdict == VERDICT_REJECTED)
        return;
    write_expect(write, &result->record.names);
    __builtin_prefetch(result->record.id.ptr);
    __builtin_prefetch(result->record.shares);
}

static void count_verdict(struct ingest_counts *counts, enum verdict verdict)
{
    counts->received++;
    counts->accepted += verdict == VERDICT_ACCEPTED;
    counts->duplicate += verdict == VERDICT_DUPLICATE;
    counts->conflict += verdict == VERDICT_CONFLICT;
    counts->rejected += verdict == VERDICT_REJECTED;
}

static err_t write_results(struct store_write *write, struct ingest_batch *batch)
{
    bool refused = false;
    batch->counts = (struct ingest_counts){ 0 };
    if (batch->sanity != NULL) {
        err_t error = sanity_begin(batch->sanity, write);
        if (error != ERROR_OK)
            return error;
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct ingest_result *result = &batch->results[i];
        look_ahead(write, batch, i);
        if (result->parsed_verdict != VERDICT_REJECTED) {
            err_t error = write_result(write, batch, result);
            if (error != ERROR_OK)
                return error;
        }
        refused = refused || result->verdict >= VERDICT_CONFLICT;
        count_verdict(&batch->counts, result->verdict);
    }
    err_t error = refused && !batch->is_replay ? rejects_keep(write, batch) : ERROR_OK;
    return error == ERROR_OK && batch->limits.history ? import_audit(write, batch) : error;
}

static err_t run_batch(struct store_write *write, struct store_job *job)
{
    struct ingest_batch *batch = (struct ingest_batch *)job;
    struct watermark_notes notes;
    batch->producer_id = 0; /* an earlier run may have been undone */
    watermark_notes_begin(&notes, write);
    batch->notes = !batch->limits.history || batch->teaches_watermarks ? &notes : NULL;
    err_t error = write_results(write, batch);
    if (error == ERROR_OK)
        error = watermark_notes_end(&notes);
    batch->notes = NULL;
    batch->last_sequence = write_state(write).last_sequence;
    return error;
}

/* By shares, because a long record makes a row for each of its hours. */
static size_t weight_of(const struct ingest_batch *batch)
{
    size_t weight = 0;
    for (size_t i = 0; i < batch->count; i++)
        weight += batch->results[i].parsed_verdict == VERDICT_PENDING ? batch->results[i].record.share_count : 1;
    return weight > 0 ? weight : 1;
}

/* Room for the largest instance of the batch. */
static size_t instance_bytes_max(const struct ingest_batch *batch)
{
    size_t most = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct usage_record *record = &batch->results[i].record;
        size_t size = record->resource_uri.len + record->location.len + record->tags.len + record->additional_info.len;
        most = size > most ? size : most;
    }
    return most + INSTANCE_SIZE_BESIDES_TEXTS;
}

err_t ingest_prepare(struct ingest_batch *batch)
{
    batch->instance_bytes = arena_alloc(batch->arena, instance_bytes_max(batch));
    if (batch->instance_bytes == NULL)
        return ERROR_NO_MEMORY;
    batch->job.run = run_batch;
    batch->job.weight = weight_of(batch);
    batch->job.identities = batch->count > 0 ? &batch->results[0].record.identity : NULL;
    batch->job.identity_count = batch->count;
    batch->job.identity_stride = sizeof *batch->results;
    return ERROR_OK;
}

err_t ingest_submit(struct ingest_batch *batch, struct store *store, void (*done)(struct store_job *job))
{
    err_t error = ingest_prepare(batch);
    if (error != ERROR_OK)
        return error;
    batch->job.done = done;
    return done == NULL ? store_run(store, &batch->job) : store_submit(store, &batch->job);
}
