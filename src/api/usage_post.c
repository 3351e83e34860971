/* POST /v1/usage: body -> batch -> writer -> verdicts (interface.md section 3). Small bodies are parsed on the
 * loop, large and compressed ones on a worker. The batch has an arena of its own, as big as its records need;
 * it is freed with the exchange. */
#include "api/api_internal.h"
#include "base/gzip.h"
#include "base/instant.h"
#include "usage/ingest.h"

#define PARSE_ON_LOOP_BYTES_MAX (64 * 1024)
#define SMALL_ARENA_BYTES ((size_t)16 * 1024)
#define BATCH_ARENA_BYTES_MAX ((size_t)512 * 1024 * 1024)
#define BODY_BYTES_MAX HTTP_BODY_BYTES_MAX

struct usage_post {
    struct read_job parse; /* first member; only for bodies parsed on a worker */
    struct loop_task task;
    struct http_exchange *exchange;
    struct api *api;
    struct arena *arena;
    struct ingest_batch *batch;
    enum ingest_format format;
    enum ingest_detail detail;
    bool gzip;
    struct buffer plain; /* decompressed body; the batch points into it */
};

/* The exchange's cleanup. */
static void free_post(void *context)
{
    struct usage_post *post = context;
    buffer_free(&post->plain);
    arena_free(post->arena);
}

/* --- the end: on the loop --- */

static void count(struct api *api, const struct ingest_counts *counts)
{
    api->counters.batches++;
    api->counters.accepted += counts->accepted;
    api->counters.duplicate += counts->duplicate;
    api->counters.conflict += counts->conflict;
    api->counters.rejected += counts->rejected;
}

static void answer(struct loop_task *task)
{
    struct usage_post *post = CONTAINER_OF(task, struct usage_post, task);
    if (post->batch->job.error != ERROR_OK) {
        respond_error(post->exchange, error_of_store(post->batch->job.error), NULL, NULL);
        return;
    }
    struct ingest_counts counts = ingest_counts(post->batch);
    count(post->api, &counts);
    struct kv_txn *txn = NULL;
    if (counts.conflict > 0 && store_read_begin(post->api->options.store, &txn) != ERROR_OK)
        txn = NULL; /* the answer just doesn't say which member differs */
    struct buffer body = { 0 };
    ingest_write_answer(post->batch, txn, post->detail, &body);
    if (txn != NULL)
        store_read_end(txn);
    respond_json(post->exchange, 200, &body);
}

static void batch_done(struct store_job *job)
{
    struct ingest_batch *batch = (struct ingest_batch *)job;
    struct usage_post *post = batch->owner;
    post->task.function = answer;
    loop_post(post->api->options.loop, &post->task);
}

/* --- parsing: on the loop or on a worker --- */

static err_t parse(struct usage_post *post, struct error_info *info)
{
    struct text body = http_request(post->exchange)->body;
    if (post->gzip) {
        err_t error = gzip_decompress(body, BODY_BYTES_MAX, &post->plain);
        if (error != ERROR_OK)
            return error_set(info, error, NULL,
                             error == ERROR_INVALID_REQUEST_CONTENT ? "the body is not valid gzip" : NULL);
        body = buffer_text(&post->plain);
    }
    return ingest_parse(post->batch, post->format, body, info);
}

static void submit(struct usage_post *post)
{
    err_t error = ingest_submit(post->batch, post->api->options.store, batch_done);
    if (error != ERROR_OK)
        respond_error(post->exchange, error_of_store(error), NULL, NULL);
}

static err_t parse_on_worker(struct read_job *job, struct kv_txn *txn)
{
    (void)txn;
    return parse((struct usage_post *)job, &job->info);
}

static void parsed_on_worker(struct read_job *job)
{
    if (job->error != ERROR_OK) {
        if (job->info.code == ERROR_OK)
            error_set(&job->info, job->error, NULL, NULL);
        respond_info(job->exchange, &job->info);
        return;
    }
    submit((struct usage_post *)job);
}

static void start(struct usage_post *post)
{
    struct error_info info = { 0 };
    if (post->gzip || http_request(post->exchange)->body.len > PARSE_ON_LOOP_BYTES_MAX) {
        post->parse.read = parse_on_worker;
        post->parse.answer = parsed_on_worker;
        post->parse.without_snapshot = true;
        read_job_start(&post->parse, post->exchange);
        return;
    }
    if (parse(post, &info) != ERROR_OK)
        respond_info(post->exchange, &info);
    else
        submit(post);
}

/* --- the request's headers and parameters --- */

static bool read_encoding(struct http_exchange *exchange, bool *gzip)
{
    struct text encoding = text_trim(http_header(http_request(exchange), TEXT("Content-Encoding")));
    *gzip = text_equal_nocase(encoding, TEXT("gzip")) || text_equal_nocase(encoding, TEXT("x-gzip"));
    if (*gzip || encoding.len == 0 || text_equal_nocase(encoding, TEXT("identity")))
        return true;
    http_set_header(exchange, TEXT("Accept-Encoding"), TEXT("gzip, identity"));
    respond_error(exchange, ERROR_UNSUPPORTED_MEDIA_TYPE, "Content-Encoding", "bodies may be gzip or not encoded");
    return false;
}

static bool read_detail(struct http_exchange *exchange, enum ingest_detail *detail)
{
    bool found;
    struct text results = http_query(http_request(exchange), TEXT("results"), &found);
    *detail = INGEST_DETAIL_FAILED;
    if (!found || text_equal_nocase(results, TEXT("failed")))
        return true;
    if (text_equal_nocase(results, TEXT("all")))
        *detail = INGEST_DETAIL_ALL;
    else if (text_equal_nocase(results, TEXT("none")))
        *detail = INGEST_DETAIL_NONE;
    else {
        respond_error(exchange, ERROR_INVALID_PROPERTY, "results", "results is all, failed or none");
        return false;
    }
    return true;
}

/* history=true is the operator's import of an older system's data; live usage comes from producers only. */
static bool read_history(struct http_exchange *exchange, bool *history)
{
    bool found;
    struct text value = http_query(http_request(exchange), TEXT("history"), &found);
    *history = found && text_equal_nocase(value, TEXT("true"));
    if (*history == call_is_operator(exchange))
        return true;
    respond_error(exchange, ERROR_AUTHORIZATION_FAILED, NULL,
                  *history ? "only an operator may import history" : "only producers may post usage");
    return false;
}

static bool create_batch(struct usage_post *post, bool history)
{
    static const struct text any_source = { "*", 1 };
    const struct api_options *options = &post->api->options;
    const struct identity *identity = &call_of(post->exchange)->identity;
    struct ingest_producer producer = { identity->name, identity->sources, identity->source_count };
    if (history) {
        producer.sources = &any_source;
        producer.source_count = 1;
    }
    struct record_limits limits = {
        .now_ns = store_now_ns(options->store),
        .future_ns_max = options->usage_future_ns_max,
        .age_ns_max = history ? -1 : options->usage_age_ns_max,
        .history = history,
    };
    bool large = post->gzip || http_request(post->exchange)->body.len > PARSE_ON_LOOP_BYTES_MAX;
    post->arena = arena_new(large ? ARENA_BLOCK_SIZE_MAX : SMALL_ARENA_BYTES, BATCH_ARENA_BYTES_MAX);
    if (post->arena == NULL || !arena_on_free(http_arena(post->exchange), free_post, post))
        return false;
    post->batch = ingest_new(post->arena, &producer, &limits, store_hash_key(options->store));
    if (post->batch == NULL)
        return false;
    post->batch->owner = post;
    post->batch->sanity = post->api->sanity;
    return true;
}

void handle_usage_post(struct http_exchange *exchange, void *context)
{
    enum ingest_format format;
    enum ingest_detail detail;
    bool gzip, history;
    if (!read_history(exchange, &history) || !read_encoding(exchange, &gzip) || !read_detail(exchange, &detail))
        return;
    if (!ingest_format_of(http_header(http_request(exchange), TEXT("Content-Type")), &format)) {
        respond_error(exchange, ERROR_UNSUPPORTED_MEDIA_TYPE, "Content-Type",
                      "use application/json, application/x-ndjson, application/cloudevents+json or "
                      "application/cloudevents-batch+json");
        return;
    }
    struct usage_post *post = arena_zalloc(http_arena(exchange), sizeof *post);
    if (post == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    post->exchange = exchange;
    post->api = context;
    post->format = format;
    post->detail = detail;
    post->gzip = gzip;
    if (create_batch(post, history))
        start(post);
    else
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
}
