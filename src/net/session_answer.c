/* The answers' side of a session: heads, whole bodies, pulled streams. See session_internal.h.
 * Invariants: every exchange that a handler got ends in finish_exchange exactly once; a stream's stop is called in
 * recycle (session.c), never inside a call of the handler; bytes go to the connection only up to its high-water mark.
 * When the client is gone the same paths run and the bytes are dropped. */
#include <stdio.h>

#include "base/check.h"
#include "base/gzip.h"
#include "base/instant.h"
#include "net/http1.h"
#include "net/session_internal.h"

/* The first record carries the head and the beginning of the body. */
#define FIRST_WRITE_BYTES ((size_t)16 * 1024)
#define BODY_SLICE_BYTES ((size_t)64 * 1024)
#define PULLS_PER_TURN 4
#define CHUNK_HEAD_SIZE 24

static void finish_exchange(struct session *s)
{
    struct http_exchange *exchange = &s->exchange;
    struct sessions *shared = s->shared;
    exchange->state = EXCHANGE_OVER;
    if (shared->options.on_done != NULL && !shared->released)
        shared->options.on_done(exchange, exchange->status, exchange->body_bytes,
                                loop_now(s) - exchange->request.received_monotonic_ns, shared->options.context);
    if (!s->processing)
        loop_defer(shared->loop, &s->work);
}

static struct text date_text(struct sessions *shared)
{
    int64_t wall_ns = clock_wall_ns(loop_clock(shared->loop));
    int64_t second = wall_ns / NS_PER_SECOND;
    if (second != shared->date_second || shared->date[0] == '\0') {
        shared->date_second = second;
        (void)instant_print_http(wall_ns, shared->date);
    }
    return text_of(shared->date);
}

/* Fills what all heads have in common and decides whether the connection goes on. */
static struct response_head make_head(struct session *s, int status, struct text content_type)
{
    struct http_exchange *exchange = &s->exchange;
    const struct http1_head *request = http1_head(s->parser);
    exchange->status = status;
    exchange->close = exchange->close || s->close_after || s->shared->draining;
    return (struct response_head){ .status = status,
                                   .content_type = content_type,
                                   .framing = RESPONSE_NO_BODY,
                                   .close = exchange->close,
                                   .keep_alive_10 = request->version_minor == 0,
                                   .date = date_text(s->shared),
                                   .request_id = text_of(exchange->request_id),
                                   .fields = exchange->fields };
}

/* --- whole bodies --- */

static void push_body(struct session *s)
{
    struct http_exchange *exchange = &s->exchange;
    while (exchange->body_left.len > 0 && s->connection != NULL &&
           connection_output_bytes(s->connection) < CONNECTION_OUTPUT_HIGH_BYTES) {
        size_t size = exchange->body_left.len < BODY_SLICE_BYTES ? exchange->body_left.len : BODY_SLICE_BYTES;
        connection_write(s->connection, exchange->body_left.ptr, size);
        exchange->body_left.ptr += size;
        exchange->body_left.len -= size;
    }
    if (exchange->body_left.len == 0 || s->connection == NULL)
        finish_exchange(s);
}

/* Replaces *body by its gzip form when the client takes it and it is smaller. */
static void compress(struct http_exchange *exchange, struct response_head *head, struct text *body)
{
    if (exchange->has_content_encoding || body->len <= RESPONSE_GZIP_BYTES_MIN || body->len > RESPONSE_GZIP_BYTES_MAX ||
        !response_type_is_compressible(head->content_type))
        return;
    head->vary = true;
    if (!response_accepts_gzip(http_header(&exchange->request, TEXT("accept-encoding"))))
        return;
    struct buffer packed = { 0 };
    if (gzip_compress(*body, RESPONSE_GZIP_LEVEL, &packed) != ERROR_OK || packed.failed ||
        buffer_len(&packed) >= body->len) {
        buffer_free(&packed);
        return;
    }
    head->gzip = true;
    buffer_free(&exchange->owned);
    exchange->owned = packed;
    *body = buffer_text(&exchange->owned);
}

void session_answer(struct http_exchange *exchange, int status, struct text content_type, struct text body)
{
    struct session *s = exchange->session;
    REQUIRE(exchange->state == EXCHANGE_OPEN || exchange->state == EXCHANGE_READING);
    if (exchange->owned.failed) {
        status = 503;
        content_type = TEXT("application/json; charset=utf-8");
        body = TEXT("{\"error\":{\"code\":\"ServiceUnavailable\",\"message\":\"out of memory\"}}");
    }
    struct response_head head = make_head(s, status, content_type);
    exchange->state = EXCHANGE_SENDING;
    if (s->connection == NULL) { /* the client has gone */
        finish_exchange(s);
        return;
    }
    session_set_state(s, SESSION_ANSWERING);
    if (response_status_has_body(status)) {
        compress(exchange, &head, &body);
        head.framing = RESPONSE_LENGTH;
        head.content_length = body.len;
    }
    if (head.framing == RESPONSE_NO_BODY || exchange->request.method == HTTP_HEAD)
        body.len = 0;
    struct buffer *scratch = &s->shared->scratch;
    buffer_clear(scratch);
    response_write_head(scratch, &head);
    size_t room = buffer_len(scratch) < FIRST_WRITE_BYTES ? FIRST_WRITE_BYTES - buffer_len(scratch) : 0;
    size_t first = body.len < room ? body.len : room;
    buffer_append(scratch, body.ptr, first);
    if (scratch->failed) {
        connection_close(s->connection);
        finish_exchange(s);
        return;
    }
    connection_write(s->connection, scratch->data + scratch->start, buffer_len(scratch));
    exchange->body_bytes = body.len;
    exchange->body_left = (struct text){ body.ptr + first, body.len - first };
    push_body(s);
}

/* --- streams --- */

void session_answer_stream(struct http_exchange *exchange, int status, struct text content_type,
                           const struct http_stream *stream)
{
    struct session *s = exchange->session;
    REQUIRE(exchange->state == EXCHANGE_OPEN && response_status_has_body(status));
    exchange->chunked = http1_head(s->parser)->version_minor > 0;
    if (!exchange->chunked)
        exchange->close = true; /* its end is the end of the connection */
    struct response_head head = make_head(s, status, content_type);
    head.framing = exchange->chunked ? RESPONSE_CHUNKED : RESPONSE_UNTIL_CLOSE;
    exchange->stream = *stream;
    exchange->state = EXCHANGE_STREAMING;
    if (s->connection == NULL) {
        session_stream_end(exchange, false);
        return;
    }
    session_set_state(s, SESSION_ANSWERING);
    struct buffer *scratch = &s->shared->scratch;
    buffer_clear(scratch);
    response_write_head(scratch, &head);
    if (scratch->failed) {
        session_stream_end(exchange, true);
        return;
    }
    connection_write(s->connection, scratch->data + scratch->start, buffer_len(scratch));
    if (exchange->request.method == HTTP_HEAD) {
        exchange->chunked = false;
        session_stream_end(exchange, false);
        return;
    }
    loop_defer(s->shared->loop, &s->work); /* the first pull comes after the handler has returned */
}

/* A chunk in as few records as possible: its head travels with its beginning, its line end with its last bytes. */
static void write_chunk(struct session *s, struct text bytes)
{
    struct buffer *scratch = &s->shared->scratch;
    char head[CHUNK_HEAD_SIZE];
    int head_len = snprintf(head, sizeof head, "%zx\r\n", bytes.len);
    buffer_clear(scratch);
    buffer_append(scratch, head, (size_t)head_len);
    size_t room = FIRST_WRITE_BYTES - (size_t)head_len;
    size_t first = bytes.len < room ? bytes.len : room;
    buffer_append(scratch, bytes.ptr, first);
    struct text rest = { bytes.ptr + first, bytes.len - first };
    size_t whole = rest.len - rest.len % FIRST_WRITE_BYTES;
    if (rest.len > 0) {
        connection_write(s->connection, scratch->data, buffer_len(scratch));
        connection_write(s->connection, rest.ptr, whole);
        buffer_clear(scratch);
        buffer_append(scratch, rest.ptr + whole, rest.len - whole);
    }
    buffer_append_literal(scratch, "\r\n");
    if (scratch->failed)
        connection_close(s->connection);
    else
        connection_write(s->connection, scratch->data, buffer_len(scratch));
}

void session_stream_write(struct http_exchange *exchange, struct text bytes, bool failed)
{
    struct session *s = exchange->session;
    REQUIRE(exchange->state == EXCHANGE_STREAMING || exchange->state == EXCHANGE_OVER);
    if (exchange->stream_ended)
        return;
    exchange->pulling = false;
    if (failed || s->connection == NULL) {
        session_stream_end(exchange, true);
        return;
    }
    exchange->body_bytes += bytes.len;
    if (bytes.len == 0)
        loop_defer(s->shared->loop, &s->work); /* nothing will drain, so pull again from there */
    else if (exchange->chunked)
        write_chunk(s, bytes);
    else
        connection_write(s->connection, bytes.ptr, bytes.len);
}

void session_stream_end(struct http_exchange *exchange, bool aborted)
{
    struct session *s = exchange->session;
    REQUIRE(exchange->state == EXCHANGE_STREAMING || exchange->state == EXCHANGE_OVER);
    if (exchange->stream_ended)
        return;
    exchange->stream_ended = true;
    exchange->pulling = false;
    if (s->connection != NULL && aborted)
        connection_close(s->connection);
    else if (s->connection != NULL && exchange->chunked)
        connection_write(s->connection, "0\r\n\r\n", 5);
    finish_exchange(s);
}

static bool wants_pull(const struct session *s)
{
    const struct http_exchange *exchange = &s->exchange;
    return exchange->state == EXCHANGE_STREAMING && !exchange->pulling && !exchange->stream_ended &&
           s->connection != NULL && connection_output_bytes(s->connection) <= CONNECTION_OUTPUT_LOW_BYTES;
}

static void pull_stream(struct session *s)
{
    for (unsigned i = 0; i < PULLS_PER_TURN && wants_pull(s); i++) {
        s->exchange.pulling = true;
        s->exchange.stream.pull(s->exchange.stream.context, &s->exchange);
    }
    if (wants_pull(s))
        loop_defer(s->shared->loop, &s->work);
}

void session_continue(struct session *s)
{
    if (s->exchange.state == EXCHANGE_SENDING)
        push_body(s);
    else if (s->exchange.state == EXCHANGE_STREAMING)
        pull_stream(s);
}

void session_abandon(struct session *s)
{
    struct http_exchange *exchange = &s->exchange;
    switch (exchange->state) {
    case EXCHANGE_NONE:
    case EXCHANGE_OPEN: /* its handler answers into the void */
        break;
    case EXCHANGE_READING:
        exchange->state = EXCHANGE_NONE;
        break;
    case EXCHANGE_SENDING:
        finish_exchange(s);
        break;
    case EXCHANGE_STREAMING:
        if (!exchange->pulling)
            session_stream_end(exchange, true);
        break;
    case EXCHANGE_OVER:
        loop_defer(s->shared->loop, &s->work);
        break;
    }
}
