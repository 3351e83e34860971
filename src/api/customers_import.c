/* POST /v1/commerce/customers/import: many mappings as CSV. Every line is checked as a PUT is; those that may be are
 * applied in one transaction, also when others are rejected, as batches of usage are. The same file again changes
 * nothing. On a worker: reading; on the loop: asking about subscriptions; on the writer: applying. */
#include "api/customer_calls.h"
#include "base/members.h"
#include "registration/customers_file.h"

#define SHOWN_SIZE_MAX 64 /* of a field in the answer */

struct import_call {
    struct read_job job; /* first member */
    struct write_call write;
    struct customer_lookup lookup;
    struct registration_query query;
    struct registration registration;
    bool dry_run;
    struct customers_file_line *lines;
    size_t count;
    struct guid *ids; /* base, then one per line; zeros: nothing to ask about */
    bool needs_lookup;
    struct customer_line *batch;
    size_t batch_count;
    struct customer_apply apply;
};

/* Lines that are refused anyway, and those that give a tenant to the default, need nobody outside. */
static void choose_lookups(struct import_call *call)
{
    struct error_info info = { 0 };
    bool may_map = customer_check_approval(&call->registration, call->lookup.approved, &info) == ERROR_OK;
    for (size_t i = 0; i < call->count; i++) {
        struct customers_file_line *line = &call->lines[i];
        if (line->code != ERROR_OK || !line->parsed.mapped)
            continue;
        if (may_map) {
            call->ids[i + 1] = line->parsed.customer_id;
            call->needs_lookup = true;
        } else {
            customers_file_reject(http_arena(call->job.exchange), line, &info);
        }
    }
}

static err_t prepare(struct read_job *job, struct kv_txn *txn)
{
    struct import_call *call = (struct import_call *)job;
    struct arena *arena = http_arena(job->exchange);
    call->lines = arena_array(arena, CUSTOMER_BATCH_MAX, sizeof *call->lines);
    call->ids = arena_array(arena, CUSTOMER_BATCH_MAX + 1, sizeof *call->ids);
    call->batch = arena_array(arena, CUSTOMER_BATCH_MAX, sizeof *call->batch);
    if (call->lines == NULL || call->ids == NULL || call->batch == NULL)
        return ERROR_NO_MEMORY;
    err_t error = find_registration(txn, arena, &call->query, &call->registration, &job->info);
    if (error == ERROR_OK)
        error = customer_check_model(&call->registration, &job->info);
    if (error == ERROR_OK)
        error = read_approved(txn, arena, call->registration.number, &call->lookup.approved);
    if (error == ERROR_OK)
        error = customers_file_read(arena, http_request(job->exchange)->body, store_now_ns(job->api->options.store),
                                    call->lines, CUSTOMER_BATCH_MAX, &call->count, &job->info);
    if (error == ERROR_OK)
        choose_lookups(call);
    return error;
}

/* --- answering --- */

/* applied: as it was applied; NULL: rejected. */
static void put_result(struct json_writer *json, const struct customers_file_line *line,
                       const struct customer_line *applied)
{
    json_begin_object(json);
    put_number_member(json, "line", line->line);
    put_member(
        json, "tenantId",
        (struct text){ line->tenant.ptr, line->tenant.len < SHOWN_SIZE_MAX ? line->tenant.len : SHOWN_SIZE_MAX });
    put_member(
        json, "customerSubscriptionId",
        (struct text){ line->customer.ptr, line->customer.len < SHOWN_SIZE_MAX ? line->customer.len : SHOWN_SIZE_MAX });
    if (applied == NULL) {
        put_member(json, "verdict", TEXT("Rejected"));
        put_member(json, "code", text_of(error_wire_code(line->code)));
        put_member(json, "message", text_of(line->message));
    } else {
        put_member(json, "verdict", applied->changed ? TEXT("Changed") : TEXT("Unchanged"));
        put_time_member(json, "effectiveFrom", applied->effective_ns);
    }
    json_end_object(json);
}

/* The batch has the lines that had not been rejected by then; the job may have refused some more. */
static const struct customer_line *applied_line(struct import_call *call, struct customers_file_line *line,
                                                size_t *next)
{
    struct error_info info = { 0 };
    if (line->code != ERROR_OK)
        return NULL;
    const struct customer_line *applied = &call->batch[(*next)++];
    if (!applied->refused || customer_too_many_changes(&applied->tenant_id, &info) == ERROR_OK)
        return applied;
    customers_file_reject(http_arena(call->job.exchange), line, &info);
    return NULL;
}

static void apply_done(struct write_call *write)
{
    struct import_call *call = CONTAINER_OF(write, struct import_call, write);
    if (call->apply.base.refusal != ERROR_OK) {
        respond_info(write->exchange, &call->apply.base.info);
        return;
    }
    size_t unchanged = call->batch_count - call->apply.changed_count - call->apply.refused_count;
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    put_bool_member(&json, "dryRun", call->dry_run);
    put_number_member(&json, "lines", call->count);
    put_number_member(&json, "changed", call->apply.changed_count);
    put_number_member(&json, "unchanged", unchanged);
    put_number_member(&json, "rejected", call->count - call->batch_count + call->apply.refused_count);
    json_name(&json, "results");
    json_begin_array(&json);
    for (size_t i = 0, applied = 0; i < call->count; i++)
        put_result(&json, &call->lines[i], applied_line(call, &call->lines[i], &applied));
    json_end_array(&json);
    json_end_object(&json);
    respond_json(write->exchange, 200, &body);
}

/* --- checking and applying: on the loop --- */

static void apply(struct customer_lookup *lookup)
{
    struct import_call *call = CONTAINER_OF(lookup, struct import_call, lookup);
    struct http_exchange *exchange = call->job.exchange;
    for (size_t i = 0; i < call->count; i++) {
        struct customers_file_line *line = &call->lines[i];
        struct error_info info = { 0 };
        if (line->code == ERROR_OK && line->parsed.mapped && customer_lookup_check(lookup, i, &info) != ERROR_OK)
            customers_file_reject(http_arena(call->job.exchange), line, &info);
        if (line->code == ERROR_OK)
            call->batch[call->batch_count++] = line->parsed;
    }
    customer_apply_init(&call->apply, call->batch, call->batch_count);
    call->apply.base.dry_run = call->dry_run;
    if (!fill_customer_job(&call->apply.base, exchange, call->registration.number))
        return;
    if (call->dry_run) {
        write_call_start(&call->write, &call->apply.base.job, exchange, apply_done);
        return;
    }
    const struct audit_entry entry = { .action = TEXT("customer.import"),
                                       .subject = registration_subject(exchange, &call->registration.path) };
    write_call_start_audited(&call->write, &call->apply.base.job, exchange, &entry, customers_changed, apply_done);
}

static void prepared(struct read_job *job)
{
    struct import_call *call = (struct import_call *)job;
    if (job->error != ERROR_OK) {
        read_job_answer(job);
        return;
    }
    call->lookup.registration = &call->registration;
    call->lookup.done = apply;
    if (call->needs_lookup)
        customer_lookup_start(&call->lookup, job->exchange, call->ids, call->count);
    else
        apply(&call->lookup);
}

static bool is_csv(struct http_exchange *exchange)
{
    struct text rest = http_header(http_request(exchange), TEXT("Content-Type")), type;
    if (text_cut(&rest, ';', &type) && text_equal_nocase(text_trim(type), TEXT("text/csv")))
        return true;
    respond_error(exchange, ERROR_UNSUPPORTED_MEDIA_TYPE, "Content-Type", "send the file as text/csv");
    return false;
}

void handle_customers_import(struct http_exchange *exchange, void *context)
{
    (void)context;
    bool found;
    struct text dry_run = http_query(http_request(exchange), TEXT("dryRun"), &found);
    struct import_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!require_registration_query(exchange, &call->query) || !is_csv(exchange))
        return;
    call->dry_run = text_equal_nocase(dry_run, TEXT("true"));
    if (!call->dry_run && dry_run.len > 0 && !text_equal_nocase(dry_run, TEXT("false"))) {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "dryRun", "dryRun is true or false");
        return;
    }
    call->job.read = prepare;
    call->job.answer = prepared;
    read_job_start(&call->job, exchange);
}
