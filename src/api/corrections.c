/* POST /v1/corrections: one correction or a list of them, by an operator or a producer (interface.md section 3).
 * Answered after fsync. A single one that fails is answered with its error; in a list each has its own outcome. Parsed
 * on a worker when large; the batch has an arena of its own, freed with the exchange. */
#include "api/api_internal.h"
#include "base/members.h"
#include "api/record_members.h"
#include "usage/correction.h"

#define PARSE_ON_LOOP_BYTES_MAX (16 * 1024)
#define BATCH_ARENA_BYTES_MAX ((size_t)256 * 1024 * 1024)

struct correction_post {
    struct read_job parse; /* first member; only for bodies parsed on a worker */
    struct loop_task task;
    struct http_exchange *exchange;
    struct api *api;
    struct arena *arena;
    struct correction_batch *batch;
};

/* The exchange's cleanup. */
static void free_post(void *context)
{
    arena_free(((struct correction_post *)context)->arena);
}

/* --- the end: on the loop --- */

static void put_failure(struct json_writer *json, const struct error_info *failure)
{
    json_name(json, "error");
    json_begin_object(json);
    json_name(json, "code");
    json_put_cstring(json, error_wire_code(failure->code));
    json_name(json, "message");
    json_put_cstring(json, failure->message);
    if (failure->target[0] != '\0') {
        json_name(json, "target");
        json_put_cstring(json, failure->target);
    }
    json_end_object(json);
}

static void put_outcome(struct json_writer *json, const struct correction *correction)
{
    json_begin_object(json);
    put_member_if(json, "source", correction->source);
    put_member_if(json, "id", correction->id);
    if (correction->failure.code != ERROR_OK) {
        put_failure(json, &correction->failure);
    } else {
        put_sequence_member(json, "sequence", correction->sequence);
        json_name(json, "action");
        json_put_cstring(json, correction_action_name(correction->action));
        put_decimal_member(json, "quantity", &correction->counted);
        put_decimal_member(json, "difference", &correction->difference);
        put_time_member(json, "reportedTime", correction->reported_ns);
        json_name(json, "changed");
        json_put_bool(json, correction->changed);
    }
    json_end_object(json);
}

static void answer(struct loop_task *task)
{
    struct correction_post *post = CONTAINER_OF(task, struct correction_post, task);
    const struct correction_batch *batch = post->batch;
    if (batch->job.error != ERROR_OK) {
        respond_error(post->exchange, error_of_store(batch->job.error), NULL, NULL);
        return;
    }
    if (!batch->is_list && batch->corrections[0].failure.code != ERROR_OK) {
        respond_info(post->exchange, &batch->corrections[0].failure);
        return;
    }
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    if (batch->is_list)
        begin_value_list(&json);
    for (size_t i = 0; i < batch->count; i++)
        put_outcome(&json, &batch->corrections[i]);
    if (batch->is_list)
        end_value_list(&json);
    respond_json(post->exchange, 200, &body);
}

static void batch_done(struct store_job *job)
{
    struct correction_batch *batch = (struct correction_batch *)job;
    struct correction_post *post = batch->owner;
    post->task.function = answer;
    loop_post(post->api->options.loop, &post->task);
}

/* --- the start --- */

static void submit(struct correction_post *post)
{
    err_t error = correction_submit(post->batch, post->api->options.store, batch_done);
    if (error != ERROR_OK)
        respond_error(post->exchange, error_of_store(error), NULL, NULL);
}

static err_t parse_on_worker(struct read_job *job, struct kv_txn *txn)
{
    (void)txn;
    struct correction_post *post = (struct correction_post *)job;
    return correction_parse(post->batch, http_request(post->exchange)->body, &job->info);
}

static void parsed_on_worker(struct read_job *job)
{
    if (job->error == ERROR_OK) {
        submit((struct correction_post *)job);
        return;
    }
    if (job->info.code == ERROR_OK)
        error_set(&job->info, job->error, NULL, NULL);
    respond_info(job->exchange, &job->info);
}

static void start(struct correction_post *post)
{
    struct error_info info = { 0 };
    struct text body = http_request(post->exchange)->body;
    if (body.len > PARSE_ON_LOOP_BYTES_MAX) {
        post->parse.read = parse_on_worker;
        post->parse.answer = parsed_on_worker;
        post->parse.without_snapshot = true;
        read_job_start(&post->parse, post->exchange);
    } else if (correction_parse(post->batch, body, &info) != ERROR_OK) {
        respond_info(post->exchange, &info);
    } else {
        submit(post);
    }
}

void handle_corrections_post(struct http_exchange *exchange, void *context)
{
    static const struct text any_source = { "*", 1 };
    struct api *api = context;
    const struct identity *identity = &call_of(exchange)->identity;
    struct ingest_producer party = { identity->name, identity->sources, identity->source_count };
    if (call_is_operator(exchange)) {
        party.sources = &any_source;
        party.source_count = 1;
    }
    struct correction_post *post = arena_zalloc(http_arena(exchange), sizeof *post);
    /* The cleanup first: whatever is made afterwards is freed. */
    if (post == NULL || !arena_on_free(http_arena(exchange), free_post, post) ||
        (post->arena = arena_new(4096, BATCH_ARENA_BYTES_MAX)) == NULL ||
        (post->batch = correction_new(post->arena, &party, store_hash_key(api->options.store))) == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    post->exchange = exchange;
    post->api = api;
    post->batch->owner = post;
    post->batch->request = request_id_text(exchange);
    start(post);
}
