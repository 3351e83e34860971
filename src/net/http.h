/* One HTTP exchange as handlers see it: a complete request and a place to answer. Handlers know nothing of
 * sockets, TLS or the parser. Everything here is for the loop thread.
 *
 * Lifetime: an exchange lives until it is answered (http_respond*, or http_stream_end/abort) - also when
 * the client has gone meanwhile: the answer is then dropped silently. So a handler may keep the pointer
 * while the store or a worker is busy and must answer exactly once. The arena lives as long. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/text.h"
#include "net/http_types.h"

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS, HTTP_METHOD_COUNT };

struct http_exchange;

struct http_request {
    enum http_method method;
    struct text target; /* as received */
    struct text path;   /* part before '?', percent-encoded still */
    struct text query;  /* after '?', percent-encoded; TEXT_NONE if absent */
    struct text host;   /* Host header */
    const struct http_field *headers;
    size_t header_count;
    struct text body;       /* complete; not decompressed */
    struct text peer;       /* "127.0.0.1:41231" */
    struct guid request_id; /* this server's, in every log line and answer */
    int64_t received_monotonic_ns;
    /* set by the router */
    struct text parameters[HTTP_PATH_PARAMETERS_MAX]; /* percent-decoded, in order of {name} in the pattern */
    size_t parameter_count;
    const struct http_field *query_fields; /* decoded; plus is NOT a space (see http_query_plus_space) */
    size_t query_field_count;
};

const struct http_request *http_request(const struct http_exchange *exchange);
struct arena *http_arena(struct http_exchange *exchange);
/* First header of that name, TEXT_NONE if absent; names compare without case. */
struct text http_header(const struct http_request *request, struct text name);
/* First query parameter of that name (without case), percent-decoded. found tells absent from empty. */
struct text http_query(const struct http_request *request, struct text name, bool *found);
/* The same with '+' read as a blank, as form encoders write it (Go's $filter); in the arena. */
struct text http_query_plus_space(struct http_exchange *exchange, struct text name, bool *found);
/* A cookie's value, TEXT_NONE if absent. */
struct text http_cookie(const struct http_request *request, struct text name);

/* Adds a header to the answer; call before responding. Both are copied into the arena, control characters
 * in them replaced by blanks. Content-Length, Content-Type (a parameter below), Transfer-Encoding, Connection,
 * Date and x-ms-request-id are the server's own business (REQUIREd). With a Content-Encoding of the handler's own
 * the server does not compress. */
void http_set_header(struct http_exchange *exchange, struct text name, struct text value);
/* Answers with a whole body. The body is taken over: buffer is emptied and its memory freed when sent. The
 * server compresses (gzip) bodies of 1 KiB to 1 MiB when the client accepts it and the type is compressible.
 * A body whose buffer has failed (no memory) is answered with 503 instead. */
void http_respond(struct http_exchange *exchange, int status, struct text content_type, struct buffer *body);
/* The same with static or arena memory that lives until the exchange ends; no copy. */
void http_respond_static(struct http_exchange *exchange, int status, struct text content_type, struct text body);
void http_respond_empty(struct http_exchange *exchange, int status);

/* Long answers by pull: headers go out, then pull(context, exchange) is called whenever the socket has
 * drained below the low-water mark; it calls http_stream_write (now or later, e.g. after a worker has
 * read the next page) or http_stream_end. stop(context) is called exactly once at the end, whatever
 * happened, and frees the context; never from inside a call of this header, and while a pull is unanswered
 * not before it is (write, end or abort), even when the client has gone. Several writes may answer one pull;
 * after stop the exchange is gone. Chunked for HTTP/1.1, not compressed. Abort closes the connection without
 * the last chunk, so that a client can tell a cut answer from a whole one. */
struct http_stream {
    void (*pull)(void *context, struct http_exchange *exchange);
    void (*stop)(void *context);
    void *context;
};
void http_respond_stream(struct http_exchange *exchange, int status, struct text content_type,
                         const struct http_stream *stream);
void http_stream_write(struct http_exchange *exchange, struct buffer *bytes); /* takes the bytes over */
void http_stream_end(struct http_exchange *exchange);
void http_stream_abort(struct http_exchange *exchange);

/* A place for the layer above (api) to hang its per-exchange state (identity, route), NULL at start. */
void http_set_context(struct http_exchange *exchange, void *context);
void *http_context(const struct http_exchange *exchange);
