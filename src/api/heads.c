/* GET /v1/heads and /v1/heads/key: signed heads of the journal, to be kept elsewhere, and the key that they are checked
 * with. `stampmeter verify --heads FILE` compares what was kept with the journal. */
#include "store/head.h"

#include "api/api_internal.h"
#include "base/members.h"
#include "base/encode.h"
#include "base/instant.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

struct heads_call {
    struct read_job job; /* first member */
    uint64_t after;
    size_t limit;
};

static err_t read_heads(struct read_job *job, struct kv_txn *txn)
{
    const struct heads_call *call = (const struct heads_call *)job;
    struct arena *arena = http_arena(job->exchange);
    struct head *heads = arena_array(arena, call->limit + 1, sizeof *heads); /* one more tells of a next page */
    size_t count;
    if (heads == NULL)
        return ERROR_NO_MEMORY;
    err_t error = head_list(txn, call->after, heads, call->limit + 1, &count);
    if (error != ERROR_OK)
        return error;
    const char *key_id = store_signature_key(job->api->options.store)->key_id;
    bool more = count > call->limit;
    buffer_append_literal(&job->body, "{\"value\":[");
    for (size_t i = 0; i < count - (more ? 1 : 0); i++) {
        buffer_append_text(&job->body, i > 0 ? TEXT(",") : TEXT(""));
        head_write(&heads[i], key_id, &job->body);
    }
    buffer_append_literal(&job->body, "]");
    if (more) {
        struct text after = arena_format(arena, "%llu", (unsigned long long)heads[call->limit - 1].sequence);
        struct text link = link_with(job->exchange, TEXT("after"), after);
        buffer_append_literal(&job->body, ",\"nextLink\":\"");
        json_escape(&job->body, link);
        buffer_append_literal(&job->body, "\"");
    }
    buffer_append_literal(&job->body, "}");
    return ERROR_OK;
}

void handle_heads(struct http_exchange *exchange, void *context)
{
    (void)context;
    struct heads_call *call = arena_zalloc(http_arena(exchange), sizeof *call);
    if (call == NULL) {
        respond_error(exchange, ERROR_NO_MEMORY, NULL, NULL);
        return;
    }
    if (!read_page_parameters(exchange, LIMIT_DEFAULT, LIMIT_MAX, &call->after, &call->limit))
        return;
    call->job.read = read_heads;
    /* With the head of the hour that has just ended. */
    int64_t now_ns = store_now_ns(api_of(exchange)->options.store);
    read_job_start_settled(&call->job, exchange, hour_start_ns(instant_hour(now_ns)));
}

/* RFC 7517, RFC 7518 section 6.2. */
void handle_heads_key(struct http_exchange *exchange, void *context)
{
    (void)context;
    const struct signature_key *key = store_signature_key(api_of(exchange)->options.store);
    size_t half = (SIGNATURE_PUBLIC_KEY_SIZE - 1) / 2;
    char x[BASE64URL_LEN((SIGNATURE_PUBLIC_KEY_SIZE - 1) / 2) + 1], y[sizeof x];
    base64url_encode(key->public_key + 1, half, x);
    base64url_encode(key->public_key + 1 + half, half, y);
    struct buffer body = { 0 };
    struct json_writer json = json_writer(&body);
    json_begin_object(&json);
    put_member(&json, "kty", TEXT("EC"));
    put_member(&json, "crv", TEXT("P-256"));
    put_member(&json, "alg", TEXT("ES256"));
    put_member(&json, "use", TEXT("sig"));
    put_member(&json, "kid", text_of(key->key_id));
    put_member(&json, "x", text_of(x));
    put_member(&json, "y", text_of(y));
    json_end_object(&json);
    respond_json(exchange, 200, &body);
}
