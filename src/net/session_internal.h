/* Private to session.c (requests) and session_answer.c (answers): the session itself. */
#pragma once

#include "net/loop_deferred.h"
#include "net/session.h"

struct http1;

enum session_state {
    SESSION_HANDSHAKE,
    SESSION_IDLE,      /* between requests */
    SESSION_HEAD,      /* part of a head has come */
    SESSION_BODY,      /* the head is complete, the body is not */
    SESSION_HANDLING,  /* the handler has the exchange */
    SESSION_ANSWERING, /* the rest of an answer leaves as the socket drains */
    SESSION_FINISHING, /* orderly end of the connection */
    SESSION_CLOSED     /* the connection is gone; the exchange may still be out */
};

struct session {
    struct sessions *shared;
    struct session *next, *previous;
    struct connection *connection; /* NULL once closed */
    struct http1 *parser;
    struct arena *arena;
    struct http_exchange exchange;
    enum session_state state;
    int64_t state_since_ns, deadline_ns;
    uint64_t window_bytes; /* body bytes at the start of the rate window */
    size_t counted_body_bytes;
    bool head_seen, input_ended, close_after, left;
    bool trimmed;    /* idle, and large buffers are given back */
    bool processing; /* inside process(), which recycles the exchange itself */
    struct loop_work work;
    struct loop_garbage garbage;
};

static inline int64_t loop_now(const struct session *s)
{
    return clock_monotonic_ns(loop_clock(s->shared->loop));
}

void session_set_state(struct session *s, enum session_state state);
void session_finish(struct session *s);
/* session_answer.c: sends what the socket can take of the answer in progress, pulls its stream. */
void session_continue(struct session *s);
/* The connection is gone: ends what nobody else will end. */
void session_abandon(struct session *s);
