/* The first half of a batch: from a body in any of its media types to results that are PENDING or REJECTED. */
#include "usage/ingest.h"

#include <string.h>

#define BATCH_CAPACITY_MIN 16
#define BATCH_CAPACITY_USUAL 1024 /* up to here it grows fast, so that the usual batch copies few results */

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
        size_t factor = batch->capacity < BATCH_CAPACITY_USUAL ? 4 : 2;
        size_t capacity = batch->capacity == 0 ? BATCH_CAPACITY_MIN : batch->capacity * factor;
        struct ingest_result *results = arena_alloc(batch->arena, capacity * sizeof *results);
        if (results == NULL)
            return NULL;
        if (batch->count > 0)
            memcpy(results, batch->results, batch->count * sizeof *results);
        batch->results = results;
        batch->capacity = capacity;
    }
    struct ingest_result *result = &batch->results[batch->count++];
    *result = (struct ingest_result){ .verdict = VERDICT_PENDING, .parsed_verdict = VERDICT_PENDING };
    return result;
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
    result->raw = text;
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

/* The next record in plain form; false when it is not, and nothing has changed then. */
static bool add_plain(struct ingest_batch *batch, struct json_splitter *splitter, struct text rest, err_t *error,
                      struct error_info *info)
{
    size_t size;
    struct ingest_result *result = add_result(batch);
    *error = ERROR_NO_MEMORY;
    if (result == NULL)
        return true;
    if (record_read_plain(batch->arena, rest, NULL, &batch->limits, batch->hash_key, &result->record, &size, error,
                          info) &&
        json_split_accept(splitter, size)) {
        result->raw = (struct text){ rest.ptr, size };
        *error = settle_parsed(batch, result, *error, info);
        return true;
    }
    batch->count--;
    return false;
}

static err_t parse_json(struct ingest_batch *batch, struct text body, struct error_info *info)
{
    struct json_splitter splitter = json_split(body);
    struct text rest, element;
    while (json_split_begin(&splitter, &rest)) {
        err_t error;
        if (!add_plain(batch, &splitter, rest, &error, info)) {
            if (!json_split_find(&splitter, &element))
                break;
            error = add_text(batch, element, NULL, info);
        }
        if (error != ERROR_OK)
            return error;
    }
    if (splitter.error != ERROR_OK)
        return error_set(info, splitter.error, NULL, "the body is not a JSON array of records, nor one record");
    return ERROR_OK;
}

/* A line is a record, or the record is rejected. */
static err_t add_line(struct ingest_batch *batch, struct text line)
{
    struct json_splitter splitter = json_split(line);
    struct error_info info = { 0 };
    struct text rest;
    err_t error;
    if (*line.ptr == '{' && json_split_begin(&splitter, &rest) && add_plain(batch, &splitter, rest, &error, &info))
        return error;
    return ingest_add(batch, line, NULL);
}

static err_t parse_ndjson(struct ingest_batch *batch, struct text body)
{
    struct text line;
    while (text_cut(&body, '\n', &line)) {
        line = text_trim(line);
        if (line.len == 0)
            continue;
        err_t error = add_line(batch, line);
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
        result->raw = element;
        result->raw_is_event = true;
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
