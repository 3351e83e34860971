/* GET /v1/records/{source}/{id}: a record as it was posted, its corrections, and where all of it was counted
 * (interface.md section 3). Whoever may not see a record is told the same as when there is none (promise 8). */
#include "api/api_internal.h"
#include "base/members.h"
#include "api/record_members.h"
#include "base/instant.h"

struct record_call {
    struct read_job job; /* first member */
    struct text source, id;
};

static err_t not_found(struct record_call *call)
{
    return error_set(&call->job.info, ERROR_RECORD_NOT_FOUND, NULL, NULL);
}

static void put_corrections(struct json_writer *json, const struct record_correction *corrections, size_t count)
{
    json_name(json, "corrections");
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json);
        put_sequence_member(json, "sequence", corrections[i].sequence);
        put_time_member(json, "reportedTime", corrections[i].reported_ns);
        put_correction_members(json, &corrections[i].entry);
        json_end_object(json);
    }
    json_end_array(json);
}

static void put_counted(struct json_writer *json, const struct record_counted *counted, size_t count)
{
    json_name(json, "counted");
    json_begin_array(json);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(json);
        put_time_member(json, "reportedHour", hour_start_ns(counted[i].reported_hour));
        put_time_member(json, "usageHour", hour_start_ns(counted[i].usage_hour));
        put_quantity_member(json, "quantity", &counted[i].quantity);
        json_end_object(json);
    }
    json_end_array(json);
}

static err_t write_answer(struct record_call *call, struct kv_txn *txn, const struct record_view *view)
{
    struct arena *arena = http_arena(call->job.exchange);
    struct record_correction *corrections;
    struct record_counted *counted;
    size_t correction_count, counted_count;
    err_t error = record_corrections(txn, arena, view->record->sequence, &corrections, &correction_count);
    if (error == ERROR_OK)
        error = record_counted(arena, view->record, corrections, correction_count, &counted, &counted_count);
    if (error != ERROR_OK)
        return error;
    struct json_writer json = json_writer(&call->job.body);
    json_begin_object(&json);
    json_name(&json, "record");
    json_begin_object(&json);
    put_record_members(&json, view, call_of(call->job.exchange)->identity.role != ROLE_TENANT);
    json_end_object(&json);
    put_corrections(&json, corrections, correction_count);
    put_counted(&json, counted, counted_count);
    json_end_object(&json);
    return ERROR_OK;
}

static err_t read_record(struct read_job *job, struct kv_txn *txn)
{
    struct record_call *call = (struct record_call *)job;
    const struct identity *identity = &call_of(job->exchange)->identity;
    struct journal_entry entry;
    struct record_view view;
    uint64_t sequence;
    err_t error = record_find(job->api->options.store, txn, call->source, call->id, &sequence);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? not_found(call) : error;
    error = journal_get(txn, sequence, &entry);
    if (error == ERROR_NOT_FOUND) /* whose it was is gone as well, so only who sees everything of a source is told */
        return identity->role == ROLE_TENANT || !identity_sees(identity, call->source, NULL)
                   ? not_found(call)
                   : error_set(&job->info, ERROR_RECORD_NOT_KEPT, NULL, NULL);
    if (error == ERROR_OK && entry.kind != JOURNAL_RECORD)
        error = ERROR_STORE_CORRUPT;
    if (error == ERROR_OK)
        error = record_view_read(txn, &entry.record, &view);
    if (error != ERROR_OK)
        return error;
    return identity_sees(identity, view.source, &view.subscription) ? write_answer(call, txn, &view) : not_found(call);
}

void handle_record_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct record_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    call->source = http_request(exchange)->parameters[0];
    call->id = http_request(exchange)->parameters[1];
    call->job.read = read_record;
    read_job_start(&call->job, exchange);
}
