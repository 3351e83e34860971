/* GET /v1/changes: the journal as a feed, for copies of the usage elsewhere (interface.md section 3). JSON with a
 * nextLink while there is more, or a line per change by Accept: application/x-ndjson. */
#include "api/api_internal.h"
#include "base/members.h"
#include "api/record_members.h"
#include "base/instant.h"
#include "usage/changes.h"

#define MEDIA_NDJSON TEXT("application/x-ndjson")

struct changes_call {
    struct read_job job; /* first member */
    uint64_t after;
    size_t limit;
    bool lines, more;
    struct json_writer json;
};

/* --- one change --- */

static void put_record_of_correction(struct json_writer *json, const struct change *change)
{
    put_sequence_member(json, "original", change->entry->correction.original);
    if (!change->kept)
        return;
    put_member(json, "source", change->record.source);
    put_member(json, "id", change->record.record->id);
}

static void put_change(struct json_writer *json, const struct change *change)
{
    const struct journal_entry *entry = change->entry;
    const char *const kinds[] = { [JOURNAL_RECORD] = "record",
                                  [JOURNAL_CORRECTION] = "correction",
                                  [JOURNAL_SEAL] = "seal",
                                  [JOURNAL_NOTE] = "note" };
    json_begin_object(json);
    json_name(json, "kind");
    json_put_cstring(json, kinds[entry->kind]);
    if (entry->kind == JOURNAL_RECORD) {
        put_record_members(json, &change->record, true);
    } else {
        put_sequence_member(json, "sequence", entry->sequence);
        put_time_member(json, "reportedTime", entry->reported_ns);
    }
    if (entry->kind == JOURNAL_CORRECTION) {
        put_record_of_correction(json, change);
        put_correction_members(json, &entry->correction);
    } else if (entry->kind == JOURNAL_SEAL) {
        put_time_member(json, "reportedStartTime", hour_start_ns(entry->seal.first_hour));
        put_time_member(json, "reportedEndTime", hour_start_ns(entry->seal.end_hour));
        put_sequence_member(json, "firstSequence", entry->seal.first_sequence);
    }
    json_end_object(json);
}

static err_t emit_change(void *context, const struct change *change)
{
    struct changes_call *call = context;
    if (call->lines) {
        struct json_writer json = json_writer(&call->job.body);
        put_change(&json, change);
        buffer_append_char(&call->job.body, '\n');
    } else {
        put_change(&call->json, change);
    }
    return call->job.body.failed ? ERROR_NO_MEMORY : ERROR_OK;
}

/* --- the page --- */

static struct text next_link(struct changes_call *call)
{
    struct text after = arena_format(http_arena(call->job.exchange), "%llu", (unsigned long long)call->after);
    return after.ptr != NULL ? link_with(call->job.exchange, TEXT("after"), after) : TEXT_NONE;
}

static err_t read_page(struct read_job *job, struct kv_txn *txn)
{
    struct changes_call *call = (struct changes_call *)job;
    if (!call->lines) {
        call->json = json_writer(&job->body);
        json_begin_object(&call->json);
        json_name(&call->json, "value");
        json_begin_array(&call->json);
    }
    err_t error = changes_page(txn, &call->after, call->limit, emit_change, call, &call->more, &job->info);
    if (error != ERROR_OK || call->lines)
        return error;
    json_end_array(&call->json);
    put_sequence_member(&call->json, "last", call->after);
    if (call->more)
        put_member_if(&call->json, "nextLink", next_link(call));
    json_end_object(&call->json);
    return ERROR_OK;
}

/* Lines have no place for what is about all of them. */
static void answer_lines(struct read_job *job)
{
    struct changes_call *call = (struct changes_call *)job;
    if (job->error != ERROR_OK) {
        buffer_free(&job->body);
        if (job->info.code == ERROR_OK)
            error_set(&job->info, job->error, NULL, NULL);
        respond_info(job->exchange, &job->info);
        return;
    }
    struct text link = call->more ? next_link(call) : TEXT_NONE;
    if (link.ptr != NULL)
        link = arena_format(http_arena(job->exchange), "<%.*s>; rel=\"next\"", TEXT_ARGS(link));
    if (link.ptr != NULL)
        http_set_header(job->exchange, TEXT("Link"), link);
    http_respond(job->exchange, 200, MEDIA_NDJSON, &job->body);
}

/* --- parameters --- */

static bool read_number(struct http_exchange *exchange, const char *name, uint64_t fallback, uint64_t least,
                        uint64_t most, uint64_t *out)
{
    bool found;
    unsigned long long value = fallback;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    bool good = text.len == 0 || text_to_u64(text, &value);
    *out = value;
    if (good && value >= least && value <= most)
        return true;
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s is a whole number from %llu to %llu", name,
                  (unsigned long long)least, (unsigned long long)most);
    return false;
}

static bool wants_lines(struct http_exchange *exchange)
{
    struct text rest = http_header(http_request(exchange), TEXT("Accept")), type;
    while (text_cut(&rest, ',', &type)) {
        struct text media = type;
        if (text_cut(&type, ';', &media) && text_equal_nocase(text_trim(media), TEXT("application/x-ndjson")))
            return true;
    }
    return false;
}

void handle_changes(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct changes_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    uint64_t limit;
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!read_number(exchange, "after", 0, 0, UINT64_MAX, &call->after) ||
        !read_number(exchange, "limit", CHANGES_LIMIT_DEFAULT, 1, CHANGES_LIMIT_MAX, &limit))
        return;
    call->limit = (size_t)limit;
    call->lines = wants_lines(exchange);
    call->job.read = read_page;
    if (call->lines)
        call->job.answer = answer_lines;
    read_job_start(&call->job, exchange);
}
