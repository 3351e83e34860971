/* What the server under test answers, and what it saw doing so; shared by the tests of the server. */
#pragma once

#include "harness.h"

#include <stdatomic.h>

#define STREAM_CHUNK_BYTES 32768
#define STREAM_CHUNKS 1024

/* What the handlers saw; written on the loop thread, read by the test when it is at rest or atomically. */
struct seen {
    struct http_exchange *held;
    atomic_int requests_count, done_count, stops_count, last_status, chunks_left, pulls_count;
    atomic_size_t body_bytes;
    bool later; /* streams write after their pull has returned */
    struct http_exchange *stream;
};

static struct seen seen;

static void write_stream_chunk(struct http_exchange *exchange)
{
    struct buffer bytes = { 0 };
    if (atomic_fetch_sub(&seen.chunks_left, 1) <= 0) {
        http_stream_end(exchange);
        return;
    }
    char *at = buffer_reserve(&bytes, STREAM_CHUNK_BYTES);
    if (at != NULL) {
        memset(at, 's', STREAM_CHUNK_BYTES);
        bytes.end += STREAM_CHUNK_BYTES;
    }
    http_stream_write(exchange, &bytes);
}

static void pull_stream(void *context, struct http_exchange *exchange)
{
    (void)context;
    atomic_fetch_add(&seen.pulls_count, 1);
    if (seen.later)
        seen.stream = exchange;
    else
        write_stream_chunk(exchange);
}

static void stop_stream(void *context)
{
    (void)context;
    atomic_fetch_add(&seen.stops_count, 1);
}

static void respond_numbers(struct http_exchange *exchange, int count)
{
    struct buffer body = { 0 };
    for (int i = 0; i < count; i++)
        buffer_append_format(&body, "{\"number\":%d},\n", i);
    http_respond(exchange, 200, TEXT("application/json; charset=utf-8"), &body);
}

static void on_request(struct http_exchange *exchange, void *context)
{
    (void)context;
    const struct http_request *request = http_request(exchange);
    struct http_stream stream = { pull_stream, stop_stream, NULL };
    atomic_fetch_add(&seen.requests_count, 1);
    if (text_equal(request->path, TEXT("/hold"))) {
        seen.held = exchange;
    } else if (text_equal(request->path, TEXT("/stream"))) {
        http_respond_stream(exchange, 200, TEXT("text/plain"), &stream);
    } else if (text_equal(request->path, TEXT("/abort"))) {
        http_respond_stream(exchange, 200, TEXT("text/plain"), &stream);
        http_stream_abort(exchange);
    } else if (text_equal(request->path, TEXT("/numbers"))) {
        respond_numbers(exchange, 1000);
    } else if (text_equal(request->path, TEXT("/many"))) {
        respond_numbers(exchange, 400000);
    } else if (text_equal(request->path, TEXT("/headers"))) {
        http_set_header(exchange, TEXT("X-A"), TEXT("b\r\nX-Evil: c"));
        http_set_header(exchange, TEXT("Set-Cookie"), TEXT("a=b"));
        http_set_header(exchange, TEXT("Set-Cookie"), TEXT("c=d"));
        http_respond_empty(exchange, 204);
    } else if (text_equal(request->path, TEXT("/cookie"))) {
        http_respond_static(exchange, 200, TEXT("text/plain"), http_cookie(request, TEXT("session")));
    } else {
        http_respond_static(exchange, 200, TEXT("text/plain"), TEXT("small"));
    }
}

static void on_done(const struct http_exchange *exchange, int status, uint64_t body_bytes, int64_t duration_ns,
                    void *context)
{
    (void)exchange;
    (void)context;
    assert_true(duration_ns >= 0);
    atomic_store(&seen.last_status, status);
    atomic_store(&seen.body_bytes, (size_t)body_bytes);
    atomic_fetch_add(&seen.done_count, 1);
}

static struct server_options options(void)
{
    memset((void *)&seen, 0, sizeof seen);
    atomic_store(&seen.chunks_left, STREAM_CHUNKS);
    return (struct server_options){ .on_request = on_request, .on_done = on_done };
}

UNUSED_OK static void await(atomic_int *value, int wanted)
{
    for (int i = 0; i < PEER_TIMEOUT_S * 1000 && atomic_load(value) < wanted; i++)
        usleep(1000);
    assert_true(atomic_load(value) >= wanted);
}

UNUSED_OK static void answer_held(struct harness *h, void *context)
{
    (void)h;
    (void)context;
    http_respond_static(seen.held, 200, TEXT("text/plain"), TEXT("late"));
}
