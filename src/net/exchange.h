/* Private to net/: what is behind struct http_exchange. It is a part of its session (one request in progress per
 * connection) and lives, with its arena, until it is answered and the answer is handed to the connection. */
#pragma once

#include "net/http.h"
#include "net/response.h"

struct session;

enum exchange_state {
    EXCHANGE_NONE,      /* no request in progress */
    EXCHANGE_READING,   /* head complete, or an error answer is being made; not with the handler */
    EXCHANGE_OPEN,      /* the handler has it */
    EXCHANGE_SENDING,   /* answered; a whole body is leaving */
    EXCHANGE_STREAMING, /* answered; a stream is pulled */
    EXCHANGE_OVER       /* nothing left to do but to recycle it */
};

struct http_exchange {
    struct http_request request;
    enum exchange_state state;
    struct arena *arena;
    struct session *session; /* NULL in tests of the router only */
    void *context;

    struct response_field *fields, **fields_tail;
    bool has_content_encoding; /* the handler chose the coding itself */

    int status;
    bool close; /* after this answer */
    bool chunked;
    struct buffer owned; /* holds what body_left points into, unless that is static */
    struct text body_left;
    uint64_t body_bytes;

    struct http_stream stream;
    bool pulling;      /* pull was called and has not been answered by write, end or abort */
    bool stream_ended; /* end or abort was called, or nobody reads any more: stop is due */

    char request_id[GUID_TEXT_SIZE];
};

/* Makes it ready for a request; the arena is empty. */
void exchange_begin(struct http_exchange *exchange, struct session *session, struct arena *arena);
