/* /v1/rejects: what was refused, as it was posted; fixing, replaying and dismissing it. Producers see and replay their
 * own, operators all. A replay is a batch of one in the name of the producer that posted the record first. */
#include <string.h>

#include "api/api_internal.h"
#include "base/members.h"
#include "usage/difference.h"
#include "usage/rejects.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
/* Which member makes a conflict is found by reading the journal. */
#define CONFLICTS_EXPLAINED_MAX 100
#define SCRATCH_SIZE_BYTES (64 * 1024)
#define REPLAY_ARENA_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct rejects_call {
    struct read_job job; /* first member */
    struct write_call write;
    struct reject_query query;
    uint64_t number;
    /* replay */
    const struct json *record; /* NULL: as it was kept */
    bool allow_old;
    struct arena *arena;
    struct ingest_batch *batch;
    struct reject_replay replay;
    struct reject_dismiss dismiss;
    struct text request_id;
};

static struct rejects_call *new_call(struct http_exchange *exchange)
{
    struct rejects_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call != NULL)
        call->request_id = request_id_text(exchange);
    if (call == NULL || call->request_id.ptr == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return NULL;
    }
    return call;
}

static const struct identity *caller(struct http_exchange *exchange)
{
    return &call_of(exchange)->identity;
}

static err_t not_found(struct error_info *info, uint64_t number)
{
    return error_set(info, ERROR_RESOURCE_NOT_FOUND, "sequence", "there is no reject %llu (any more)",
                     (unsigned long long)number);
}

/* A producer is answered for another's entry as for one that does not exist (promise 8). */
static err_t get_visible(struct read_job *job, struct kv_txn *txn, struct reject *reject)
{
    const struct rejects_call *call = (const struct rejects_call *)job;
    const struct identity *identity = caller(job->exchange);
    err_t error = reject_get(txn, call->number, reject);
    if (error == ERROR_OK && identity->role == ROLE_PRODUCER && !text_equal(reject->producer, identity->name))
        error = ERROR_NOT_FOUND;
    return error == ERROR_NOT_FOUND ? not_found(&job->info, call->number) : error;
}

/* --- what was posted, read again --- */

static struct ingest_batch *kept_batch(struct arena *arena, const struct reject *reject, const struct api *api,
                                       const struct ingest_producer *producer, bool allow_old)
{
    struct record_limits limits = {
        .now_ns = store_now_ns(api->options.store),
        .future_ns_max = api->options.usage_future_ns_max,
        .age_ns_max = allow_old || reject->history ? -1 : api->options.usage_age_ns_max,
        .history = reject->history,
    };
    return ingest_new(arena, producer, &limits, store_hash_key(api->options.store));
}

static err_t parse_kept(struct ingest_batch *batch, const struct reject *reject, struct error_info *info)
{
    if (reject->is_event)
        return ingest_parse(batch, INGEST_CLOUDEVENT, reject->raw, info);
    return ingest_add(batch, reject->raw, NULL);
}

/* The member in which a conflict differs from the record that stands, or "". */
static struct text conflict_target(struct read_job *job, struct kv_txn *txn, struct arena *scratch,
                                   const struct reject *reject)
{
    static const struct text any_source = { "*", 1 };
    struct ingest_producer producer = { reject->producer, &any_source, 1 };
    struct error_info info = { 0 };
    struct ingest_batch *batch = kept_batch(scratch, reject, job->api, &producer, true);
    if (batch == NULL || parse_kept(batch, reject, &info) != ERROR_OK || batch->count != 1 ||
        batch->results[0].verdict != VERDICT_PENDING)
        return TEXT("");
    return text_of(difference_member(txn, scratch, reject->original_sequence, &batch->results[0].record));
}

/* --- answers --- */

struct page {
    struct read_job *job;
    struct kv_txn *txn;
    struct json_writer json;
    struct arena *scratch;
    size_t explained;
};

static void put_sequence(struct json_writer *json, const char *name, uint64_t value)
{
    struct buffer text = { 0 };
    buffer_append_u64(&text, value);
    put_member(json, name, buffer_text(&text));
    buffer_free(&text);
}

static void put_record(struct page *page, const struct reject *reject)
{
    const struct json *value;
    bool cut = reject->raw.len < reject->posted_size;
    json_name(&page->json, "record");
    if (!cut && json_parse(page->scratch, reject->raw, &value, NULL) == ERROR_OK)
        json_put_raw(&page->json, text_trim(reject->raw));
    else
        json_put_text(&page->json, reject->raw);
    if (cut) {
        json_name(&page->json, "truncated");
        json_put_bool(&page->json, true);
        put_number_member(&page->json, "postedBytes", reject->posted_size);
    }
    if (reject->is_event) {
        json_name(&page->json, "event");
        json_put_bool(&page->json, true);
    }
}

static void put_state(struct json_writer *json, const struct reject *reject)
{
    put_member(json, "state", text_of(reject_state_name(reject->state)));
    if (reject->state == REJECT_REPLAYED)
        put_sequence(json, "replayedSequence", reject->replayed_sequence);
    if (reject->state != REJECT_OPEN) {
        put_time_member(json, "closedTime", reject->closed_ns);
        put_member(json, "closedBy", reject->closed_by);
    }
}

static err_t put_reject(void *context, const struct reject *reject)
{
    struct page *page = context;
    struct json_writer *json = &page->json;
    struct text target = reject->target;
    if (reject->verdict == VERDICT_CONFLICT && reject->original_sequence > 0 &&
        page->explained++ < CONFLICTS_EXPLAINED_MAX)
        target = conflict_target(page->job, page->txn, page->scratch, reject);
    json_begin_object(json);
    put_sequence(json, "sequence", reject->number);
    put_time_member(json, "receivedTime", reject->received_ns);
    put_time_member(json, "lastReceivedTime", reject->last_received_ns);
    put_number_member(json, "count", reject->count);
    put_member(json, "producer", reject->producer);
    put_member_if(json, "source", reject->source);
    put_member_if(json, "id", reject->id);
    put_member(json, "verdict", text_of(verdict_name(reject->verdict)));
    put_member(json, "code", text_of(error_wire_code(reject->code)));
    put_member(json, "message", reject->message);
    if (target.len > 0)
        put_member(json, "target", target);
    if (reject->original_sequence > 0)
        put_sequence(json, "originalSequence", reject->original_sequence);
    put_state(json, reject);
    put_record(page, reject);
    json_end_object(json);
    arena_reset(page->scratch);
    return page->job->body.failed ? ERROR_NO_MEMORY : ERROR_OK;
}

static err_t read_list(struct read_job *job, struct kv_txn *txn)
{
    const struct rejects_call *call = (const struct rejects_call *)job;
    struct page page = { .job = job, .txn = txn, .scratch = arena_new(SCRATCH_SIZE_BYTES, 0) };
    uint64_t last;
    bool more;
    if (page.scratch == NULL)
        return ERROR_NO_MEMORY;
    page.json = json_writer(&job->body);
    json_begin_object(&page.json);
    json_name(&page.json, "value");
    json_begin_array(&page.json);
    err_t error = reject_list(txn, &call->query, put_reject, &page, &last, &more);
    json_end_array(&page.json);
    if (error == ERROR_OK && more) {
        struct text after = arena_format(http_arena(job->exchange), "%llu", (unsigned long long)last);
        put_member(&page.json, "nextLink", link_with(job->exchange, TEXT("after"), after));
    }
    json_end_object(&page.json);
    arena_free(page.scratch);
    return error;
}

static err_t read_one(struct read_job *job, struct kv_txn *txn)
{
    struct page page = { .job = job, .txn = txn };
    struct reject reject;
    err_t error = get_visible(job, txn, &reject);
    if (error != ERROR_OK)
        return error;
    page.scratch = arena_new(SCRATCH_SIZE_BYTES, 0);
    if (page.scratch == NULL)
        return ERROR_NO_MEMORY;
    page.json = json_writer(&job->body);
    error = put_reject(&page, &reject);
    arena_free(page.scratch);
    return error;
}

/* --- parameters --- */

static bool invalid(struct http_exchange *exchange, const char *name, const char *what)
{
    respond_error(exchange, ERROR_INVALID_PROPERTY, name, "%s %s", name, what);
    return false;
}

static bool read_states(struct http_exchange *exchange, struct reject_query *query)
{
    bool found;
    enum reject_state state = REJECT_OPEN;
    struct text text = http_query(http_request(exchange), TEXT("state"), &found);
    if (found && text_equal_nocase(text, TEXT("all"))) {
        for (size_t i = 0; i < REJECT_STATE_COUNT; i++)
            query->states[i] = true;
        return true;
    }
    if (found && !reject_state_parse(text, &state))
        return invalid(exchange, "state", "is open, replayed, dismissed or all");
    query->states[state] = true;
    return true;
}

bool read_page_limit(struct http_exchange *exchange, uint64_t limit_default, uint64_t limit_max, size_t *limit)
{
    bool found;
    unsigned long long number = limit_default;
    struct text text = http_query(http_request(exchange), TEXT("limit"), &found);
    if (found && (!text_to_u64(text, &number) || number == 0 || number > limit_max))
        return invalid(exchange, "limit", "must be a number between 1 and 1000");
    *limit = (size_t)number;
    return true;
}

bool read_page_parameters(struct http_exchange *exchange, uint64_t limit_default, uint64_t limit_max, uint64_t *after,
                          size_t *limit)
{
    bool found;
    unsigned long long number = 0;
    struct text text = http_query(http_request(exchange), TEXT("after"), &found);
    if (found && !text_to_u64(text, &number))
        return invalid(exchange, "after", "must be the sequence of an entry");
    *after = number;
    return read_page_limit(exchange, limit_default, limit_max, limit);
}

static struct text query_text(struct http_exchange *exchange, const char *name)
{
    bool found;
    struct text text = http_query(http_request(exchange), text_of(name), &found);
    return found && text.len > 0 ? text : TEXT_NONE;
}

static bool read_number(struct http_exchange *exchange, uint64_t *number)
{
    unsigned long long value;
    if (!text_to_u64(http_request(exchange)->parameters[0], &value)) {
        respond_error(exchange, ERROR_RESOURCE_NOT_FOUND, "sequence", "the sequence of a reject is a number");
        return false;
    }
    *number = value;
    return true;
}

void handle_rejects_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct rejects_call *call = new_call(exchange);
    if (call == NULL ||
        !read_page_parameters(exchange, LIMIT_DEFAULT, LIMIT_MAX, &call->query.after, &call->query.limit) ||
        !read_states(exchange, &call->query))
        return;
    call->query.source = query_text(exchange, "source");
    call->query.code = query_text(exchange, "code");
    call->query.producer =
        caller(exchange)->role == ROLE_PRODUCER ? caller(exchange)->name : query_text(exchange, "producer");
    call->job.read = read_list;
    read_job_start(&call->job, exchange);
}

void handle_reject_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct rejects_call *call = new_call(exchange);
    if (call == NULL || !read_number(exchange, &call->number))
        return;
    call->job.read = read_one;
    read_job_start(&call->job, exchange);
}

/* --- replay --- */

/* What the producer may post for now: what its tokens say; where all of them are gone, what they said then. */
static err_t current_rights(struct read_job *job, struct kv_txn *txn, const struct reject *reject,
                            struct ingest_producer *producer)
{
    struct arena *arena = http_arena(job->exchange);
    struct token_entry *tokens;
    size_t count, sources = 0;
    err_t error = token_list(txn, arena, &tokens, &count);
    if (error != ERROR_OK)
        return error;
    struct text *list = arena_array(arena, (count + 1) * COUNT_OF(tokens->identity.sources), sizeof *list);
    if (list == NULL)
        return ERROR_NO_MEMORY;
    int64_t now_ns = clock_wall_ns(job->api->options.clock);
    for (size_t i = 0; i < count; i++) {
        const struct identity *identity = &tokens[i].identity;
        if (identity->role != ROLE_PRODUCER || identity->expires_ns <= now_ns ||
            !text_equal(identity->name, reject->producer))
            continue;
        for (size_t s = 0; s < identity->source_count; s++)
            list[sources++] = identity->sources[s];
    }
    for (size_t s = 0; sources == 0 && s < reject->source_count; s++) {
        list[s] = arena_text(arena, reject->sources[s]);
        if (list[s].ptr == NULL)
            return ERROR_NO_MEMORY;
        if (s + 1 == reject->source_count)
            sources = reject->source_count;
    }
    producer->sources = list;
    producer->source_count = sources;
    return ERROR_OK;
}

static err_t rights_of(struct read_job *job, struct kv_txn *txn, const struct reject *reject,
                       struct ingest_producer *producer)
{
    static const struct text any_source = { "*", 1 };
    const struct identity *identity = caller(job->exchange);
    producer->name = arena_text(http_arena(job->exchange), reject->producer);
    if (producer->name.ptr == NULL)
        return ERROR_NO_MEMORY;
    if (identity->role == ROLE_PRODUCER) {
        producer->sources = identity->sources;
        producer->source_count = identity->source_count;
        return ERROR_OK;
    }
    if (!reject->history)
        return current_rights(job, txn, reject, producer);
    producer->sources = &any_source; /* as for every import of history */
    producer->source_count = 1;
    return ERROR_OK;
}

static bool is_event(const struct json *record)
{
    return json_member(record, TEXT("specversion")) != NULL;
}

static err_t fill_batch(struct rejects_call *call, const struct reject *reject, struct error_info *info)
{
    if (call->record == NULL) {
        struct reject copy = *reject;
        copy.raw = arena_text(call->arena, reject->raw); /* it goes on living after the snapshot */
        return copy.raw.ptr == NULL ? ERROR_NO_MEMORY : parse_kept(call->batch, &copy, info);
    }
    struct text text = json_minify(call->arena, call->record);
    if (text.ptr == NULL)
        return ERROR_NO_MEMORY;
    return is_event(call->record) ? ingest_parse(call->batch, INGEST_CLOUDEVENT, text, info)
                                  : ingest_add(call->batch, text, NULL);
}

static err_t read_kept(struct read_job *job, struct kv_txn *txn)
{
    struct rejects_call *call = (struct rejects_call *)job;
    struct reject reject;
    struct ingest_producer producer;
    err_t error = get_visible(job, txn, &reject);
    if (error != ERROR_OK)
        return error;
    if (call->record == NULL && reject.raw.len < reject.posted_size)
        return error_set(&job->info, ERROR_CONFLICT, "record",
                         "only the first 64 KiB of it were kept; send the record with the request");
    if (call->record == NULL && reject.posted_size == 0)
        return error_set(&job->info, ERROR_CONFLICT, "record",
                         "its text was not at hand when it was refused; send the record with the request");
    error = rights_of(job, txn, &reject, &producer);
    if (error != ERROR_OK)
        return error;
    call->batch = kept_batch(call->arena, &reject, job->api, &producer, call->allow_old);
    if (call->batch == NULL)
        return ERROR_NO_MEMORY;
    call->batch->sanity = job->api->sanity;
    error = fill_batch(call, &reject, &job->info);
    return error == ERROR_OK && call->batch->count != 1
               ? error_set(&job->info, ERROR_INVALID_REQUEST_CONTENT, "record", "it must be one record")
               : error;
}

static void respond_refused(struct http_exchange *exchange, err_t refused, uint64_t number)
{
    struct error_info info;
    if (refused == ERROR_NOT_FOUND)
        (void)not_found(&info, number);
    else
        (void)error_set(&info, ERROR_CONFLICT, "sequence", "reject %llu is not open any more",
                        (unsigned long long)number);
    respond_info(exchange, &info);
}

static void replayed(struct write_call *write)
{
    struct rejects_call *call = CONTAINER_OF(write, struct rejects_call, write);
    struct api *api = api_of(write->exchange);
    if (call->replay.refused != ERROR_OK) {
        respond_refused(write->exchange, call->replay.refused, call->number);
        return;
    }
    struct ingest_counts counts = ingest_counts(call->batch);
    api->counters.accepted += counts.accepted;
    api->counters.duplicate += counts.duplicate;
    api->counters.conflict += counts.conflict;
    api->counters.rejected += counts.rejected;
    struct kv_txn *txn = NULL;
    if (counts.conflict > 0 && store_read_begin(api->options.store, &txn) != ERROR_OK)
        txn = NULL; /* the answer just doesn't say which member differs */
    struct buffer body = { 0 };
    ingest_write_answer(call->batch, txn, INGEST_DETAIL_ALL, &body);
    if (txn != NULL)
        store_read_end(txn);
    respond_json(write->exchange, 200, &body);
}

static void run_replay(struct read_job *job)
{
    struct rejects_call *call = (struct rejects_call *)job;
    if (job->error == ERROR_OK && (job->error = ingest_prepare(call->batch)) == ERROR_OK) {
        reject_replay_init(&call->replay, call->batch, call->number);
        call->replay.by = caller(job->exchange)->name;
        call->replay.request = call->request_id;
        call->replay.corrected = call->record != NULL;
        write_call_start(&call->write, &call->replay.job, job->exchange, replayed);
        return;
    }
    if (job->info.code == ERROR_OK)
        error_set(&job->info, job->error, NULL, NULL);
    respond_info(job->exchange, &job->info);
}

static void free_arena(void *arena)
{
    arena_free(arena);
}

static bool read_body(struct http_exchange *exchange, struct rejects_call *call)
{
    if (http_request(exchange)->body.len == 0)
        return true;
    const struct json *body = require_json_body(exchange);
    if (body == NULL)
        return false;
    call->record = json_member(body, TEXT("record"));
    if (call->record != NULL && json_type(call->record) == JSON_NULL)
        call->record = NULL;
    if (call->record != NULL && json_type(call->record) != JSON_OBJECT)
        return invalid(exchange, "record", "must be an object, the corrected record");
    return true;
}

static bool read_allow_old(struct http_exchange *exchange, struct rejects_call *call)
{
    call->allow_old = text_equal_nocase(query_text(exchange, "allowOld"), TEXT("true"));
    if (!call->allow_old || call_is_operator(exchange))
        return true;
    respond_error(exchange, ERROR_AUTHORIZATION_FAILED, "allowOld", "only an operator may let in older usage");
    return false;
}

void handle_reject_replay(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct rejects_call *call = new_call(exchange);
    if (call == NULL || !read_number(exchange, &call->number) || !read_allow_old(exchange, call) ||
        !read_body(exchange, call))
        return;
    call->arena = arena_new(SCRATCH_SIZE_BYTES, REPLAY_ARENA_BYTES_MAX);
    if (call->arena == NULL || !arena_on_free(http_arena(exchange), free_arena, call->arena)) {
        arena_free(call->arena);
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    call->job.read = read_kept;
    call->job.answer = run_replay;
    read_job_start(&call->job, exchange);
}

/* --- dismissing --- */

static void dismissed(struct write_call *write)
{
    struct rejects_call *call = CONTAINER_OF(write, struct rejects_call, write);
    if (call->dismiss.refused == ERROR_NOT_FOUND)
        respond_refused(write->exchange, call->dismiss.refused, call->number);
    else
        http_respond_empty(write->exchange, call->dismiss.refused == ERROR_OK ? 200 : 204);
}

void handle_reject_delete(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct rejects_call *call = new_call(exchange);
    if (call == NULL || !read_number(exchange, &call->number))
        return;
    reject_dismiss_init(&call->dismiss, call->number);
    call->dismiss.by = caller(exchange)->name;
    call->dismiss.request = call->request_id;
    write_call_start(&call->write, &call->dismiss.job, exchange, dismissed);
}

/* --- status and metrics --- */

err_t put_rejects_status(struct json_writer *json, struct kv_txn *txn)
{
    struct reject_totals totals;
    err_t error = reject_read_totals(txn, &totals, NULL);
    if (error != ERROR_OK)
        return error;
    json_begin_object(json);
    for (int s = 0; s < REJECT_STATE_COUNT; s++)
        put_number_member(json, reject_state_name((enum reject_state)s), totals.states[s]);
    put_number_member(json, "bytes", totals.bytes);
    put_number_member(json, "evicted", totals.evicted);
    put_number_member(json, "notKept", totals.not_kept);
    json_end_object(json);
    return ERROR_OK;
}

err_t put_rejects_metrics(struct buffer *out, struct kv_txn *txn)
{
    struct reject_totals totals;
    uint64_t received[REJECT_CODE_COUNT];
    err_t error = reject_read_totals(txn, &totals, received);
    if (error != ERROR_OK)
        return error;
    buffer_append_literal(out, "# HELP stampmeter_rejects_total Refused records by code, since the store was made.\n"
                               "# TYPE stampmeter_rejects_total counter\n");
    for (size_t i = 0; i < REJECT_CODE_COUNT; i++)
        buffer_append_format(out, "stampmeter_rejects_total{code=\"%s\"} %llu\n", error_wire_code(reject_code(i)),
                             (unsigned long long)received[i]);
    buffer_append_literal(out, "# HELP stampmeter_rejects Refused records that are kept, by state.\n"
                               "# TYPE stampmeter_rejects gauge\n");
    for (int s = 0; s < REJECT_STATE_COUNT; s++)
        buffer_append_format(out, "stampmeter_rejects{state=\"%s\"} %llu\n", reject_state_name((enum reject_state)s),
                             (unsigned long long)totals.states[s]);
    buffer_append_format(out,
                         "# HELP stampmeter_rejects_lost_total Refused records that a bound kept out or pushed out.\n"
                         "# TYPE stampmeter_rejects_lost_total counter\n"
                         "stampmeter_rejects_lost_total %llu\n",
                         (unsigned long long)(totals.evicted + totals.not_kept));
    return ERROR_OK;
}
