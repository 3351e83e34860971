/* One client connection speaking HTTP/1.1: requests in. The answers' side is session_answer.c.
 * Ownership: the session owns its connection until 'closed', its parser, its arena and the exchange in it.
 * Life: it leaves the server's list and is freed when the connection has closed and no handler holds the exchange.
 * Invariants: one request is in progress at most, and the parser is not fed meanwhile; the state changes only in
 * session_set_state, which also sets the deadline; callbacks into handlers happen only from here and from
 * session_continue, never while a handler's call into this layer is on the stack. */
#include "net/session.h"

#include <string.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/http1.h"
#include "net/session_internal.h"

#define ARENA_FIRST_BLOCK_BYTES 4096
#define BODY_RATE_BYTES_PER_SECOND 1024
/* A connection that has been idle so long gives its buffers back; a busy one keeps them. */
#define TRIM_AFTER_MS 1000

_Static_assert((int)HTTP_GET == (int)HTTP1_GET && (int)HTTP_HEAD == (int)HTTP1_HEAD &&
                   (int)HTTP_POST == (int)HTTP1_POST && (int)HTTP_PUT == (int)HTTP1_PUT &&
                   (int)HTTP_PATCH == (int)HTTP1_PATCH && (int)HTTP_DELETE == (int)HTTP1_DELETE &&
                   (int)HTTP_OPTIONS == (int)HTTP1_OPTIONS && (int)HTTP_METHOD_COUNT == (int)HTTP1_METHOD_COUNT,
               "the parser's methods are those of http.h");

static void process(struct session *s);

/* --- state --- */

void session_set_state(struct session *s, enum session_state state)
{
    const struct server_options *options = &s->shared->options;
    uint32_t timeout_ms = 0;
    switch (state) {
    case SESSION_HANDSHAKE:
        timeout_ms = options->handshake_timeout_ms;
        break;
    case SESSION_IDLE:
        timeout_ms = options->idle_timeout_ms;
        break;
    case SESSION_HEAD:
        timeout_ms = options->header_timeout_ms;
        break;
    case SESSION_BODY:
        timeout_ms = options->body_timeout_ms;
        break;
    case SESSION_HANDLING:
    case SESSION_ANSWERING:
    case SESSION_FINISHING: /* the connection's own deadlines */
    case SESSION_CLOSED:
        break;
    }
    REQUIRE(s->state != SESSION_CLOSED);
    if (s->state == SESSION_HANDSHAKE && state != SESSION_HANDSHAKE)
        s->shared->handshakes_count--;
    s->state = state;
    int64_t now_ns = loop_now(s);
    s->state_since_ns = now_ns;
    s->deadline_ns = timeout_ms > 0 ? now_ns + (int64_t)timeout_ms * NS_PER_MS : INT64_MAX;
    s->window_bytes = buffer_len(http1_body(s->parser));
    s->trimmed = false;
}

static bool is_reading(const struct session *s)
{
    return s->state == SESSION_IDLE || s->state == SESSION_HEAD || s->state == SESSION_BODY;
}

void session_finish(struct session *s)
{
    if (s->state == SESSION_FINISHING || s->state == SESSION_CLOSED)
        return;
    session_set_state(s, SESSION_FINISHING);
    connection_finish(s->connection);
}

/* --- life --- */

static void free_session(struct loop_garbage *garbage)
{
    struct session *s = CONTAINER_OF(garbage, struct session, garbage);
    http1_free(s->parser);
    arena_free(s->arena);
    memory_free(s);
}

/* The last act, when the connection is gone and nobody holds the exchange. */
static void leave_if_over(struct session *s)
{
    if (s->state != SESSION_CLOSED || s->left || s->exchange.state != EXCHANGE_NONE)
        return;
    struct sessions *shared = s->shared;
    s->left = true;
    loop_work_cancel(&s->work);
    if (s->previous != NULL)
        s->previous->next = s->next;
    else
        shared->first = s->next;
    if (s->next != NULL)
        s->next->previous = s->previous;
    else
        shared->last = s->previous;
    shared->body_bytes -= s->counted_body_bytes;
    loop_free_later(shared->loop, &s->garbage);
    shared->changed(shared);
}

/* Memory of bodies is counted by capacity: what is really held. */
static bool count_body(struct session *s)
{
    size_t held = http1_body(s->parser)->capacity;
    s->shared->body_bytes = s->shared->body_bytes - s->counted_body_bytes + held;
    bool grew = held > s->counted_body_bytes;
    s->counted_body_bytes = held;
    return !grew || s->shared->body_bytes <= SESSIONS_BODY_BYTES_MAX;
}

/* After an answer: drops the request and makes the parser ready for the next one. */
static void recycle(struct session *s)
{
    if (s->exchange.state != EXCHANGE_OVER)
        return;
    struct http_exchange *exchange = &s->exchange;
    if (exchange->stream.stop != NULL)
        exchange->stream.stop(exchange->stream.context);
    buffer_free(&exchange->owned);
    bool close = exchange->close;
    *exchange = (struct http_exchange){ .state = EXCHANGE_NONE };
    arena_reset(s->arena);
    http1_next(s->parser);
    if (s->shared->body_bytes > SESSIONS_BODY_BYTES_MAX / 2)
        http1_trim(s->parser); /* others need it */
    (void)count_body(s);
    s->head_seen = false;
    if (s->state == SESSION_CLOSED) {
        leave_if_over(s);
        return;
    }
    if (s->state == SESSION_FINISHING)
        return;
    if (close) {
        session_finish(s);
        return;
    }
    session_set_state(s, SESSION_IDLE);
}

static void run_work(struct loop_work *work)
{
    struct session *s = CONTAINER_OF(work, struct session, work);
    recycle(s);
    if (s->left)
        return;
    session_continue(s);
    recycle(s);
    if (s->state != SESSION_CLOSED && s->state != SESSION_FINISHING)
        process(s);
}

/* --- requests --- */

static void begin_exchange(struct session *s)
{
    struct http_exchange *exchange = &s->exchange;
    const struct http1_head *head = http1_head(s->parser);
    uint64_t random[2] = { prng_next(&s->shared->ids), prng_next(&s->shared->ids) };
    uint8_t bytes[16];
    memcpy(bytes, random, sizeof bytes);
    exchange_begin(exchange, s, s->arena);
    exchange->request = (struct http_request){
        .method = (enum http_method)head->method,
        .target = head->target,
        .path = head->path,
        .query = head->query,
        .host = head->host,
        .headers = head->headers,
        .header_count = head->header_count,
        .peer = connection_peer(s->connection),
        .request_id = guid_from_random(bytes),
        .received_monotonic_ns = loop_now(s),
    };
    guid_print(&exchange->request.request_id, exchange->request_id);
    exchange->close = true; /* until the head has shown otherwise */
}

static void write_default_error(const struct error_info *info, struct buffer *body)
{
    /* Codes and messages of this layer are plain ASCII from tables and literals. */
    buffer_append_format(body, "{\"error\":{\"code\":\"%s\",\"message\":\"", error_wire_code(info->code));
    for (const char *c = info->message; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buffer_append_char(body, '\\');
        buffer_append_char(body, *c);
    }
    buffer_append_literal(body, "\"}}");
}

static void answer_error(struct session *s, const struct error_info *info)
{
    struct http_exchange *exchange = &s->exchange;
    const struct server_options *options = &s->shared->options;
    struct buffer body = { 0 };
    int status = error_http_status(info->code);
    if (exchange->state == EXCHANGE_NONE)
        begin_exchange(s);
    exchange->close = true; /* what follows on this connection can't be told from the body that was refused */
    s->close_after = true;
    s->shared->stats.rejected_total++;
    if (status == 503 || status == 429)
        http_set_header(exchange, TEXT("Retry-After"), TEXT("1"));
    if (options->write_error != NULL)
        options->write_error(exchange, info, &body);
    else
        write_default_error(info, &body);
    session_set_state(s, SESSION_HANDLING);
    http_respond(exchange, status, TEXT("application/json; charset=utf-8"), &body);
}

static void reject(struct session *s, err_t error, const char *message)
{
    struct error_info info = { .code = ERROR_OK };
    (void)error_set(&info, error, NULL, message != NULL ? "%s" : NULL, message);
    log_debug("net", "request refused", LOG_TEXT("peer", connection_peer(s->connection)),
              LOG_CSTR("code", error_wire_code(error)), LOG_CSTR("reason", info.message));
    answer_error(s, &info);
}

static void on_head(struct session *s)
{
    const struct http1_head *head = http1_head(s->parser);
    const struct server_options *options = &s->shared->options;
    struct error_info info = { .code = ERROR_OK };
    begin_exchange(s);
    s->exchange.close = !head->keep_alive;
    s->head_seen = true;
    session_set_state(s, SESSION_BODY);
    if (options->on_headers != NULL) {
        err_t error = options->on_headers(&s->exchange, options->context, &info);
        if (error != ERROR_OK) {
            if (info.code != error || info.message[0] == '\0')
                (void)error_set(&info, error, NULL, NULL);
            answer_error(s, &info);
            return;
        }
    }
    if (head->expects_continue && head->has_body)
        connection_write(s->connection, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

static void on_message(struct session *s)
{
    s->exchange.request.body = buffer_text(http1_body(s->parser));
    s->exchange.state = EXCHANGE_OPEN;
    s->shared->stats.requests_total++;
    session_set_state(s, SESSION_HANDLING);
    s->shared->options.on_request(&s->exchange, s->shared->options.context);
}

/* One step of the parser. False when it needs more bytes or the request is out of its hands. */
static bool step(struct session *s)
{
    struct buffer *input = connection_input(s->connection);
    struct text bytes = buffer_text(input);
    size_t consumed = 0;
    if (bytes.len == 0 && !s->head_seen)
        return false;
    enum http1_event event = http1_feed(s->parser, bytes.ptr, bytes.len, &consumed);
    buffer_consume(input, consumed);
    if (s->state == SESSION_IDLE && http1_began(s->parser))
        session_set_state(s, SESSION_HEAD);
    if (!count_body(s)) {
        reject(s, ERROR_SERVICE_UNAVAILABLE, "too many bytes of requests are being received; send it again later");
        return true;
    }
    switch (event) {
    case HTTP1_MORE:
        return false;
    case HTTP1_HEADERS:
        on_head(s);
        return true;
    case HTTP1_MESSAGE:
        on_message(s);
        return true;
    case HTTP1_ERROR: {
        const char *message = NULL;
        err_t error = http1_error(s->parser, &message);
        reject(s, error, message);
        return true;
    }
    }
    return false;
}

static void process(struct session *s)
{
    unsigned requests_left = SESSION_REQUESTS_PER_TURN;
    s->processing = true;
    while (is_reading(s) && step(s)) {
        if (s->exchange.state != EXCHANGE_OVER)
            continue;
        recycle(s);
        if (--requests_left == 0 && is_reading(s)) {
            loop_defer(s->shared->loop, &s->work);
            break;
        }
    }
    s->processing = false;
    if (s->state == SESSION_CLOSED)
        return;
    bool starved = is_reading(s) && buffer_len(connection_input(s->connection)) == 0;
    if (starved && (s->input_ended || (s->shared->draining && s->state == SESSION_IDLE)))
        session_finish(s); /* nothing more will come, or may come */
    else
        connection_input_consumed(s->connection);
}

/* --- events of the connection --- */

static void on_opened(void *context)
{
    struct session *s = context;
    session_set_state(s, SESSION_IDLE);
    s->shared->changed(s->shared); /* a place for another handshake */
    if (s->shared->draining)
        session_finish(s);
}

static void on_received(void *context)
{
    process(context);
}

static void on_ended(void *context)
{
    struct session *s = context;
    s->input_ended = true; /* a half-closed client still gets the answers to what it has sent */
    process(s);
}

static void on_drained(void *context)
{
    struct session *s = context;
    session_continue(s);
    if (s->exchange.state == EXCHANGE_OVER)
        loop_defer(s->shared->loop, &s->work);
}

static void on_closed(void *context, err_t error, const char *failure)
{
    struct session *s = context;
    struct sessions *shared = s->shared;
    if (s->state == SESSION_HANDSHAKE && error != ERROR_CANCELLED) {
        shared->stats.handshakes_failed_total++;
        /* Probes that only connect are no news. */
        log_write(error == ERROR_TLS ? LOG_INFO : LOG_DEBUG, "net", "handshake failed",
                  LOG_TEXT("peer", connection_peer(s->connection)),
                  LOG_CSTR("reason", failure[0] != '\0' ? failure : "timeout"));
    } else if (error == ERROR_TLS || error == ERROR_NO_MEMORY) {
        log_info("net", "connection failed", LOG_TEXT("peer", connection_peer(s->connection)),
                 LOG_CSTR("reason", failure));
    }
    /* The connection is freed after this; the request keeps its peer. */
    s->exchange.request.peer = s->exchange.state == EXCHANGE_NONE || s->arena == NULL
                                   ? TEXT_NONE
                                   : arena_text(s->arena, connection_peer(s->connection));
    session_set_state(s, SESSION_CLOSED);
    s->connection = NULL;
    shared->live_count--;
    session_abandon(s);
    leave_if_over(s);
    if (!s->left)
        shared->changed(shared);
}

/* --- for the server --- */

static const struct connection_events EVENTS = {
    .opened = on_opened, .received = on_received, .ended = on_ended, .drained = on_drained, .closed = on_closed
};

static void append(struct sessions *shared, struct session *s)
{
    s->previous = shared->last;
    if (shared->last != NULL)
        shared->last->next = s;
    else
        shared->first = s;
    shared->last = s;
    shared->live_count++;
    shared->handshakes_count++; /* a new session's state; leaving it counts down */
    shared->stats.connections_total++;
}

err_t session_accept(struct sessions *shared, struct uv_stream_s *listener)
{
    struct session *s = memory_zalloc(1, sizeof *s);
    if (s == NULL)
        return ERROR_NO_MEMORY;
    s->shared = shared;
    s->garbage.free = free_session;
    s->work.run = run_work;
    s->parser = http1_new(shared->options.body_bytes_max);
    s->arena = arena_new(ARENA_FIRST_BLOCK_BYTES, 0);
    struct tls *tls = shared->tls != NULL ? tls_accept(shared->tls) : NULL;
    if (s->parser == NULL || s->arena == NULL || (shared->tls != NULL && tls == NULL)) {
        tls_free(tls);
        free_session(&s->garbage);
        return ERROR_NO_MEMORY;
    }
    s->connection = connection_new(shared->loop, tls, &EVENTS, s, &shared->totals);
    if (s->connection == NULL) {
        free_session(&s->garbage);
        return ERROR_NO_MEMORY;
    }
    append(shared, s);
    session_set_state(s, SESSION_HANDSHAKE);
    if (connection_accept(s->connection, listener) != ERROR_OK)
        connection_close(s->connection);
    return ERROR_OK;
}

struct session *session_next(const struct session *s)
{
    return s->next;
}

static void check_body_rate(struct session *s, int64_t now_ns)
{
    uint64_t received = buffer_len(http1_body(s->parser)) - s->window_bytes;
    uint64_t wanted = (uint64_t)s->shared->options.body_timeout_ms * BODY_RATE_BYTES_PER_SECOND / 1000;
    if (received < wanted) {
        reject(s, ERROR_REQUEST_TIMEOUT, NULL);
        return;
    }
    s->window_bytes += received;
    s->deadline_ns = now_ns + (int64_t)s->shared->options.body_timeout_ms * NS_PER_MS;
}

static void trim_idle(struct session *s, int64_t now_ns)
{
    if (s->state != SESSION_IDLE || s->trimmed || now_ns - s->state_since_ns < TRIM_AFTER_MS * NS_PER_MS)
        return;
    s->trimmed = true;
    connection_trim(s->connection);
    http1_trim(s->parser);
    (void)count_body(s);
}

void session_sweep(struct session *s, int64_t now_ns)
{
    if (s->state == SESSION_CLOSED)
        return;
    trim_idle(s, now_ns);
    connection_sweep(s->connection, now_ns, s->shared->options.write_timeout_ms);
    if (now_ns < s->deadline_ns || connection_is_closing(s->connection))
        return;
    switch (s->state) {
    case SESSION_HANDSHAKE:
        connection_close(s->connection);
        break;
    case SESSION_IDLE:
        session_finish(s);
        break;
    case SESSION_HEAD:
        reject(s, ERROR_REQUEST_TIMEOUT, NULL);
        break;
    case SESSION_BODY:
        check_body_rate(s, now_ns);
        break;
    case SESSION_HANDLING:
    case SESSION_ANSWERING:
    case SESSION_FINISHING:
    case SESSION_CLOSED:
        break;
    }
    if (s->exchange.state == EXCHANGE_OVER)
        loop_defer(s->shared->loop, &s->work);
}

void session_drain(struct session *s)
{
    if (s->state == SESSION_HANDSHAKE) {
        connection_close(s->connection);
    } else if (s->state == SESSION_IDLE) {
        session_set_state(s, SESSION_FINISHING);
        connection_hang_up(s->connection); /* a shutdown must not wait for idle clients to hang up */
    } else {
        s->close_after = true;
    }
}

void session_close(struct session *s)
{
    if (s->state != SESSION_CLOSED)
        connection_close(s->connection);
}

struct session *session_oldest_handshake(const struct sessions *shared, int64_t *since_ns)
{
    for (struct session *s = shared->first; s != NULL; s = s->next) {
        if (s->state == SESSION_HANDSHAKE && !connection_is_closing(s->connection)) {
            *since_ns = s->state_since_ns;
            return s;
        }
    }
    return NULL;
}
