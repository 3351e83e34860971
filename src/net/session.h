/* Private to net/: HTTP/1.1 over one accepted connection: parser, the one request in progress, deadlines, answer.
 * No sockets here (connection.c) and no parsing (http1.c). Loop thread only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/crypto.h"
#include "net/connection.h"
#include "net/exchange.h"
#include "net/server.h"

/* Request bodies held for all connections together; above it 503 with Retry-After. */
#define SESSIONS_BODY_BYTES_MAX ((size_t)256 * 1024 * 1024)
/* Pipelined requests that one connection may have answered before the others get their turn. */
#define SESSION_REQUESTS_PER_TURN 16

struct session;
struct uv_stream_s;

/* What the sessions of one server share; part of struct server. */
struct sessions {
    struct server_options options;
    struct loop *loop;
    struct tls_server *tls; /* for new sessions, a reference; NULL: plain */
    struct server_stats stats;
    struct connection_totals totals;
    struct session *first, *last; /* oldest first */
    size_t live_count;            /* sessions whose connection has not closed yet */
    size_t handshakes_count;      /* of these */
    size_t body_bytes;            /* held by parsers */
    struct buffer scratch;
    struct prng ids;
    int64_t date_second;
    char date[40];
    bool draining, released;
    /* A handshake ended, a connection closed or a session left the list. */
    void (*changed)(struct sessions *sessions);
};

/* Accepts the waiting connection. ERROR_NO_MEMORY or ERROR_IO: nothing remains to be done. */
MUST_CHECK err_t session_accept(struct sessions *sessions, struct uv_stream_s *listener);
struct session *session_next(const struct session *session);
/* The connection's deadlines; may close it. */
void session_sweep(struct session *session, int64_t now_ns);
/* Drain: closes when idle, else after the answer in progress. */
void session_drain(struct session *session);
void session_close(struct session *session);
/* The oldest session still in its handshake, or NULL; and since when. */
struct session *session_oldest_handshake(const struct sessions *sessions, int64_t *since_ns);

/* Behind http.h. */
void session_answer(struct http_exchange *exchange, int status, struct text content_type, struct text body);
void session_answer_stream(struct http_exchange *exchange, int status, struct text content_type,
                           const struct http_stream *stream);
void session_stream_write(struct http_exchange *exchange, struct text bytes, bool failed);
void session_stream_end(struct http_exchange *exchange, bool aborted);
