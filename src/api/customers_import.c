/* POST /v1/commerce/customers/import: many mappings as CSV. Every line is checked as a PUT is; those that may be are
 * applied in one transaction, also when others are rejected, as batches of usage are. The same file again changes
 * nothing. On a worker: reading; on the loop: asking about subscriptions; on the writer: applying. */
#include <stdlib.h>
#include <string.h>

#include "api/customer_calls.h"
#include "base/check.h"
#include "base/csv.h"
#include "base/instant.h"
#include "base/members.h"

#define SHOWN_SIZE_MAX 64 /* of a field in the answer */

enum column { COLUMN_TENANT, COLUMN_CUSTOMER, COLUMN_FROM, COLUMN_COUNT };
static const char *const column_names[COLUMN_COUNT] = { "tenantId", "customerSubscriptionId", "effectiveFrom" };

struct import_line {
    size_t line; /* of the file */
    struct text tenant, customer;
    struct customer_line parsed;
    const struct customer_line *applied; /* NULL: rejected */
    err_t code;                          /* if rejected */
    const char *message;
};

struct import_call {
    struct read_job job; /* first member */
    struct write_call write;
    struct customer_lookup lookup;
    struct registration_query query;
    struct registration registration;
    bool dry_run;
    struct import_line *lines;
    size_t count;
    struct guid *ids; /* base, then one per line; zeros: nothing to ask about */
    bool needs_lookup;
    struct customer_line *batch;
    size_t batch_count;
    struct customer_apply apply;
};

/* --- reading the file: on a worker --- */

static err_t read_header(struct import_call *call, struct csv_reader *reader, size_t columns[COLUMN_COUNT],
                         struct text fields[CSV_FIELDS_MAX])
{
    struct error_info *info = &call->job.info;
    size_t count = 0;
    err_t error = csv_next(reader, http_arena(call->job.exchange), fields, &count);
    if (error != ERROR_OK && error != ERROR_NOT_FOUND)
        return error == ERROR_NO_MEMORY ? error : error_set(info, error, "1", "line 1 is not valid CSV");
    for (int c = 0; c < COLUMN_COUNT; c++)
        columns[c] = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        struct text name = text_trim(fields[i]);
        int c = 0;
        while (c < COLUMN_COUNT && !text_equal_nocase(name, text_of(column_names[c])))
            c++;
        if (c == COLUMN_COUNT || columns[c] != SIZE_MAX)
            return error_set(info, ERROR_INVALID_REQUEST_CONTENT, "1",
                             "line 1 has the column '%.*s', which is %s; the columns are tenantId, "
                             "customerSubscriptionId and effectiveFrom",
                             (int)(name.len < SHOWN_SIZE_MAX ? name.len : SHOWN_SIZE_MAX), name.ptr,
                             c == COLUMN_COUNT ? "not known" : "there twice");
        columns[c] = i;
    }
    if (columns[COLUMN_TENANT] == SIZE_MAX || columns[COLUMN_CUSTOMER] == SIZE_MAX)
        return error_set(info, ERROR_INVALID_REQUEST_CONTENT, "1",
                         "line 1 must name the columns: tenantId, customerSubscriptionId and, optional, effectiveFrom");
    return ERROR_OK;
}

static void reject(struct import_call *call, struct import_line *line, const struct error_info *info)
{
    struct text message = arena_text(http_arena(call->job.exchange), text_of(info->message));
    line->code = info->code;
    line->message = message.ptr != NULL ? message.ptr : error_text(info->code);
}

static void read_line(struct import_call *call, struct import_line *line, struct text from)
{
    struct error_info info = { 0 };
    struct customer_line *parsed = &line->parsed;
    err_t error = read_tenant(line->tenant, "tenantId", &parsed->tenant_id, &info);
    parsed->mapped = line->customer.len > 0;
    if (error == ERROR_OK && parsed->mapped)
        error = customer_id_parse(line->customer, &parsed->customer_id, &info);
    if (error == ERROR_OK)
        error = read_effective(from, "effectiveFrom", &parsed->effective_ns, &info);
    if (error != ERROR_OK)
        reject(call, line, &info);
}

static struct text field_of(struct text fields[CSV_FIELDS_MAX], size_t count, size_t column)
{
    return column < count ? text_trim(fields[column]) : TEXT("");
}

static err_t read_lines(struct import_call *call)
{
    struct arena *arena = http_arena(call->job.exchange);
    struct text fields[CSV_FIELDS_MAX];
    size_t columns[COLUMN_COUNT], count;
    struct csv_reader reader = csv_reader(http_request(call->job.exchange)->body);
    err_t error = read_header(call, &reader, columns, fields);
    while (error == ERROR_OK && (error = csv_next(&reader, arena, fields, &count)) == ERROR_OK) {
        if (call->count == CUSTOMER_BATCH_MAX)
            return error_set(&call->job.info, ERROR_REQUEST_TOO_LARGE, NULL,
                             "a file has at most %d lines besides the first; split it", CUSTOMER_BATCH_MAX);
        struct import_line *line = &call->lines[call->count++];
        *line = (struct import_line){ .line = reader.line,
                                      .tenant = field_of(fields, count, columns[COLUMN_TENANT]),
                                      .customer = field_of(fields, count, columns[COLUMN_CUSTOMER]) };
        read_line(call, line, field_of(fields, count, columns[COLUMN_FROM]));
    }
    if (error == ERROR_NOT_FOUND)
        return ERROR_OK;
    return error == ERROR_INVALID_REQUEST_CONTENT && call->job.info.code == ERROR_OK
               ? error_set(&call->job.info, error, NULL, "line %zu is not valid CSV", reader.line)
               : error;
}

/* --- lines that contradict each other --- */

/* What a line says of a tenant, or of a subscription, from some hour on. */
struct statement {
    struct guid about, says;
    int64_t effective_ns;
    struct import_line *line;
};

static int compare_statements(const void *a, const void *b)
{
    const struct statement *left = a, *right = b;
    int order = memcmp(left->about.bytes, right->about.bytes, sizeof left->about.bytes);
    if (order == 0 && left->effective_ns != right->effective_ns)
        order = left->effective_ns < right->effective_ns ? -1 : 1;
    if (order == 0)
        order = memcmp(left->says.bytes, right->says.bytes, sizeof left->says.bytes);
    return order != 0 ? order : left->line < right->line ? -1 : left->line > right->line;
}

static void reject_group(struct import_call *call, struct statement *statements, size_t count, const char *what)
{
    struct error_info info = { 0 };
    if (guid_equal(&statements[0].says, &statements[count - 1].says))
        return; /* the same, once or more */
    for (size_t i = 0; i < count; i++) {
        bool is_first = guid_equal(&statements[i].says, &statements[0].says);
        error_set(&info, ERROR_INVALID_PROPERTY, NULL, "line %zu maps the same %s from the same hour on; keep one",
                  statements[is_first ? count - 1 : 0].line->line, what);
        reject(call, statements[i].line, &info);
    }
}

/* Nobody can tell which of two such lines is right, so none of them is applied. */
static err_t reject_contradictions(struct import_call *call, bool by_tenant, int64_t now_ns)
{
    struct statement *statements = arena_array(http_arena(call->job.exchange), call->count + 1, sizeof *statements);
    size_t count = 0;
    if (statements == NULL)
        return ERROR_NO_MEMORY;
    for (size_t i = 0; i < call->count; i++) {
        struct customer_line *parsed = &call->lines[i].parsed;
        if (call->lines[i].code != ERROR_OK || (!by_tenant && !parsed->mapped))
            continue;
        statements[count++] =
            (struct statement){ .about = by_tenant ? parsed->tenant_id : parsed->customer_id,
                                .says = by_tenant ? parsed->customer_id : parsed->tenant_id,
                                .effective_ns = parsed->effective_ns == INT64_MIN ? hour_start_ns(instant_hour(now_ns))
                                                                                  : parsed->effective_ns,
                                .line = &call->lines[i] };
    }
    qsort(statements, count, sizeof *statements, compare_statements);
    for (size_t first = 0, end = 0; first < count; first = end) {
        while (end < count && guid_equal(&statements[end].about, &statements[first].about) &&
               statements[end].effective_ns == statements[first].effective_ns)
            end++;
        reject_group(call, &statements[first], end - first,
                     by_tenant ? "tenant to another subscription" : "subscription to another tenant");
    }
    return ERROR_OK;
}

/* Lines that are refused anyway, and those that give a tenant to the default, need nobody outside. */
static void choose_lookups(struct import_call *call)
{
    struct error_info info = { 0 };
    bool may_map = customer_check_approval(&call->registration, call->lookup.approved, &info) == ERROR_OK;
    for (size_t i = 0; i < call->count; i++) {
        struct import_line *line = &call->lines[i];
        if (line->code != ERROR_OK || !line->parsed.mapped)
            continue;
        if (may_map) {
            call->ids[i + 1] = line->parsed.customer_id;
            call->needs_lookup = true;
        } else {
            reject(call, line, &info);
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
        error = read_lines(call);
    int64_t now_ns = store_now_ns(job->api->options.store);
    if (error == ERROR_OK)
        error = reject_contradictions(call, true, now_ns);
    if (error == ERROR_OK)
        error = reject_contradictions(call, false, now_ns);
    if (error == ERROR_OK)
        choose_lookups(call);
    return error;
}

/* --- answering --- */

static void put_result(struct json_writer *json, const struct import_line *line)
{
    json_begin_object(json);
    put_number_member(json, "line", line->line);
    put_member(
        json, "tenantId",
        (struct text){ line->tenant.ptr, line->tenant.len < SHOWN_SIZE_MAX ? line->tenant.len : SHOWN_SIZE_MAX });
    put_member(
        json, "customerSubscriptionId",
        (struct text){ line->customer.ptr, line->customer.len < SHOWN_SIZE_MAX ? line->customer.len : SHOWN_SIZE_MAX });
    if (line->applied == NULL) {
        put_member(json, "verdict", TEXT("Rejected"));
        put_member(json, "code", text_of(error_wire_code(line->code)));
        put_member(json, "message", text_of(line->message));
    } else {
        put_member(json, "verdict", line->applied->changed ? TEXT("Changed") : TEXT("Unchanged"));
        put_time_member(json, "effectiveFrom", line->applied->effective_ns);
    }
    json_end_object(json);
}

static void applied(struct write_call *write)
{
    const struct import_call *call = CONTAINER_OF(write, struct import_call, write);
    if (call->apply.base.refusal != ERROR_OK) {
        respond_info(write->exchange, &call->apply.base.info);
        return;
    }
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    put_bool_member(&json, "dryRun", call->dry_run);
    put_number_member(&json, "lines", call->count);
    put_number_member(&json, "changed", call->apply.changed_count);
    put_number_member(&json, "unchanged", call->batch_count - call->apply.changed_count);
    put_number_member(&json, "rejected", call->count - call->batch_count);
    json_name(&json, "results");
    json_begin_array(&json);
    for (size_t i = 0; i < call->count; i++)
        put_result(&json, &call->lines[i]);
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
        struct import_line *line = &call->lines[i];
        struct error_info info = { 0 };
        if (line->code == ERROR_OK && line->parsed.mapped && customer_lookup_check(lookup, i, &info) != ERROR_OK)
            reject(call, line, &info);
        if (line->code != ERROR_OK)
            continue;
        call->batch[call->batch_count] = line->parsed;
        line->applied = &call->batch[call->batch_count++];
    }
    customer_apply_init(&call->apply, call->batch, call->batch_count);
    call->apply.base.dry_run = call->dry_run;
    if (!fill_customer_job(&call->apply.base, exchange, call->registration.number))
        return;
    if (call->dry_run) {
        write_call_start(&call->write, &call->apply.base.job, exchange, applied);
        return;
    }
    const struct audit_entry entry = { .action = TEXT("customer.import"),
                                       .subject = registration_subject(exchange, &call->registration.path) };
    write_call_start_audited(&call->write, &call->apply.base.job, exchange, &entry, customers_changed, applied);
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
