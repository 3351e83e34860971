/* Batches: from a body to verdicts. Parsing fills results in order; run_batch, on the writer thread, turns
 * PENDING into accepted, duplicate, conflict or (a sum that would not fit) rejected. */
#include "usage/ingest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "usage/difference.h"

#define BATCH_CAPACITY_MIN 16

const char *verdict_name(enum verdict verdict)
{
    static const char *const names[] = { "pending", "accepted", "duplicate", "conflict", "rejected" };
    return names[verdict];
}

bool ingest_format_of(struct text content_type, enum ingest_format *format)
{
    static const struct {
        const char *name;
        enum ingest_format format;
    } types[] = {
        { "application/json", INGEST_JSON },
        { "application/x-ndjson", INGEST_NDJSON },
        { "application/ndjson", INGEST_NDJSON },
        { "application/cloudevents+json", INGEST_CLOUDEVENT },
        { "application/cloudevents-batch+json", INGEST_CLOUDEVENTS_BATCH },
    };
    struct text rest = content_type, type;
    if (!text_cut(&rest, ';', &type))
        return false;
    type = text_trim(type);
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (text_equal_nocase(type, text_of(types[i].name))) {
            *format = types[i].format;
            return true;
        }
    }
    return false;
}

struct ingest_batch *ingest_new(struct arena *arena, const struct ingest_producer *producer,
                                const struct record_limits *limits, const uint8_t *hash_key)
{
    struct ingest_batch *batch = arena_zalloc(arena, sizeof *batch);
    if (batch == NULL)
        return NULL;
    batch->arena = arena;
    batch->producer = *producer;
    batch->limits = *limits;
    batch->hash_key = hash_key;
    return batch;
}

static struct ingest_result *add_result(struct ingest_batch *batch)
{
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity == 0 ? BATCH_CAPACITY_MIN : batch->capacity * 2;
        struct ingest_result *results = arena_array(batch->arena, capacity, sizeof *results);
        if (results == NULL)
            return NULL;
        if (batch->count > 0)
            memcpy(results, batch->results, batch->count * sizeof *results);
        batch->results = results;
        batch->capacity = capacity;
    }
    return &batch->results[batch->count++];
}

static err_t reject(struct ingest_batch *batch, struct ingest_result *result, const struct error_info *info)
{
    result->verdict = result->parsed_verdict = VERDICT_REJECTED;
    result->code = info->code;
    result->target = arena_text(batch->arena, text_of(info->target));
    result->message = arena_text(batch->arena, text_of(info->message));
    return result->target.ptr != NULL && result->message.ptr != NULL ? ERROR_OK : ERROR_NO_MEMORY;
}

err_t ingest_add_rejected(struct ingest_batch *batch, const struct error_info *info)
{
    struct ingest_result *result = add_result(batch);
    return result == NULL ? ERROR_NO_MEMORY : reject(batch, result, info);
}

static bool source_allowed(const struct ingest_producer *producer, struct text source)
{
    for (size_t i = 0; i < producer->source_count; i++)
        if (text_equal(producer->sources[i], TEXT("*")) || text_equal(producer->sources[i], source))
            return true;
    return false;
}

/* Turns what parsing said into a result; only lack of memory and (for the caller to judge) broken JSON
 * come back as errors. */
static err_t settle_parsed(struct ingest_batch *batch, struct ingest_result *result, err_t error,
                           struct error_info *info)
{
    if (error == ERROR_OK && !source_allowed(&batch->producer, result->record.source))
        error = error_set(info, ERROR_SOURCE_NOT_ALLOWED, "source", NULL);
    if (error == ERROR_OK || error == ERROR_NO_MEMORY || error == ERROR_INVALID_REQUEST_CONTENT)
        return error;
    info->code = error;
    return reject(batch, result, info);
}

static err_t add_text(struct ingest_batch *batch, struct text text, const struct record_envelope *envelope,
                      struct error_info *info)
{
    struct ingest_result *result = add_result(batch);
    if (result == NULL)
        return ERROR_NO_MEMORY;
    err_t error = record_parse(batch->arena, text, envelope, &batch->limits, batch->hash_key, &result->record, info);
    return settle_parsed(batch, result, error, info);
}

err_t ingest_add(struct ingest_batch *batch, struct text record_json, const struct record_envelope *envelope)
{
    struct error_info info = { 0 };
    err_t error = add_text(batch, record_json, envelope, &info);
    if (error != ERROR_INVALID_REQUEST_CONTENT)
        return error;
    info.code = ERROR_INVALID_PROPERTY;
    return reject(batch, &batch->results[batch->count - 1], &info);
}

/* --- media types --- */

static err_t parse_json(struct ingest_batch *batch, struct text body, struct error_info *info)
{
    struct json_splitter splitter = json_split(body);
    struct text element;
    while (json_split_next(&splitter, &element)) {
        err_t error = add_text(batch, element, NULL, info);
        if (error != ERROR_OK)
            return error;
    }
    if (splitter.error != ERROR_OK)
        return error_set(info, splitter.error, NULL, "the body is not a JSON array of records, nor one record");
    return ERROR_OK;
}

static err_t parse_ndjson(struct ingest_batch *batch, struct text body)
{
    struct text line;
    while (text_cut(&body, '\n', &line)) {
        line = text_trim(line);
        if (line.len == 0)
            continue;
        err_t error = ingest_add(batch, line, NULL);
        if (error != ERROR_OK)
            return error;
    }
    return ERROR_OK;
}

/* CloudEvents 1.0: id and source are required and come from the envelope; data is the record. */
static err_t read_event(struct ingest_batch *batch, struct ingest_result *result, struct text text,
                        struct error_info *info)
{
    struct record_envelope envelope;
    const struct json *event;
    struct text version;
    if (text.len > RECORD_SIZE_BYTES_MAX)
        return error_set(info, ERROR_RECORD_TOO_LARGE, NULL, NULL);
    err_t error = json_parse(batch->arena, text, &event, info);
    if (error != ERROR_OK)
        return error;
    struct text name;
    if (json_has_duplicate_member(batch->arena, event, &name))
        return name.ptr == NULL ? ERROR_NO_MEMORY
                                : error_set(info, ERROR_INVALID_PROPERTY, NULL, "member '%.*s' is given twice",
                                            (int)(name.len < 64 ? name.len : 64), name.ptr);
    if (!json_member_string(event, TEXT("id"), &envelope.id))
        return error_set(info, ERROR_INVALID_PROPERTY, "id", "the event's id is missing or not a text");
    result->record.id = envelope.id;
    if (!json_member_string(event, TEXT("specversion"), &version) || !text_starts_with(version, TEXT("1.")))
        return error_set(info, ERROR_INVALID_PROPERTY, "specversion", "specversion must be 1.0");
    if (!json_member_string(event, TEXT("source"), &envelope.source))
        return error_set(info, ERROR_INVALID_PROPERTY, "source", "the event's source is missing or not a text");
    const struct json *data = json_member(event, TEXT("data"));
    if (data == NULL)
        return error_set(info, ERROR_INVALID_PROPERTY, "data", "the event's data, the record, is missing");
    return record_read(batch->arena, data, &envelope, &batch->limits, batch->hash_key, &result->record, info);
}

static err_t parse_events(struct ingest_batch *batch, struct text body, struct error_info *info)
{
    struct json_splitter splitter = json_split(body);
    struct text element;
    while (json_split_next(&splitter, &element)) {
        struct ingest_result *result = add_result(batch);
        if (result == NULL)
            return ERROR_NO_MEMORY;
        err_t error = settle_parsed(batch, result, read_event(batch, result, element, info), info);
        if (error != ERROR_OK)
            return error;
    }
    return splitter.error == ERROR_OK ? ERROR_OK
                                      : error_set(info, splitter.error, NULL, "the body is not JSON of events");
}

err_t ingest_parse(struct ingest_batch *batch, enum ingest_format format, struct text body, struct error_info *info)
{
    struct error_info unused;
    if (info == NULL)
        info = &unused;
    err_t error = ERROR_OK;
    switch (format) {
    case INGEST_JSON:
        error = parse_json(batch, body, info);
        break;
    case INGEST_NDJSON:
        error = parse_ndjson(batch, body);
        break;
    case INGEST_CLOUDEVENT:
    case INGEST_CLOUDEVENTS_BATCH:
        error = parse_events(batch, body, info);
        break;
    }
    return error == ERROR_NO_MEMORY ? error_set(info, error, NULL, NULL) : error;
}

/* --- writing --- */

static err_t intern_instance(struct store_write *write, struct ingest_batch *batch, const struct usage_record *record,
                             struct journal_record *entry, uint32_t *resource)
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
    entry->source = instance.source;
    *resource = instance.resource;
    return write_intern(write, DICTIONARY_INSTANCE, encoded, encoded, &entry->instance);
}

static err_t intern_names(struct store_write *write, struct ingest_batch *batch, const struct usage_record *record,
                          struct journal_record *entry, uint32_t *resource)
{
    struct text guid = { (const char *)record->subscription.bytes, sizeof record->subscription.bytes };
    err_t error =
        write_intern(write, DICTIONARY_PRODUCER, batch->producer.name, batch->producer.name, &entry->producer);
    if (error == ERROR_OK)
        error = write_intern(write, DICTIONARY_SUBSCRIPTION, guid, guid, &entry->subscription);
    if (error == ERROR_OK)
        error = write_intern(write, DICTIONARY_METER, record->meter_key, record->meter_id, &entry->meter);
    return error == ERROR_OK ? intern_instance(write, batch, record, entry, resource) : error;
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
    err_t error = intern_names(write, batch, record, &entry, &resource);
    if (error == ERROR_OK)
        error = write_record(write, &entry, &record->identity, record->content_hash, resource, record->shares,
                             record->share_count, &fits);
    if (error != ERROR_OK)
        return error;
    if (fits) {
        set_verdict(result, VERDICT_ACCEPTED, ERROR_OK, TEXT_NONE);
        result->sequence = entry.sequence;
    } else {
        set_verdict(result, VERDICT_REJECTED, ERROR_QUANTITY_OUT_OF_RANGE, TEXT("quantity"));
        result->message = TEXT("the sum of this resource's hour or day would not fit any more");
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

static err_t run_batch(struct store_write *write, struct store_job *job)
{
    struct ingest_batch *batch = (struct ingest_batch *)job;
    for (size_t i = 0; i < batch->count; i++) {
        struct ingest_result *result = &batch->results[i];
        if (result->parsed_verdict == VERDICT_REJECTED)
            continue;
        err_t error = write_result(write, batch, result);
        if (error != ERROR_OK)
            return error;
    }
    batch->last_sequence = write_state(write).last_sequence;
    return ERROR_OK;
}

/* By shares, because a long record makes a row for each of its hours. */
static size_t weight_of(const struct ingest_batch *batch)
{
    size_t weight = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->results[i].parsed_verdict == VERDICT_PENDING)
            weight += batch->results[i].record.share_count;
    return weight > 0 ? weight : 1;
}

err_t ingest_submit(struct ingest_batch *batch, struct store *store, void (*done)(struct store_job *job))
{
    batch->instance_bytes = arena_alloc(batch->arena, INSTANCE_SIZE_MAX);
    if (batch->instance_bytes == NULL)
        return ERROR_NO_MEMORY;
    batch->job.run = run_batch;
    batch->job.done = done;
    batch->job.weight = weight_of(batch);
    return done == NULL ? store_run(store, &batch->job) : store_submit(store, &batch->job);
}

/* --- answering --- */

struct ingest_counts ingest_counts(const struct ingest_batch *batch)
{
    struct ingest_counts counts = { .received = batch->count };
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
