/* The HTTPS client: a queue of requests and a pool of keep-alive connections to one origin. See client.h.
 * Ownership: the client owns its requests until 'done' and its lines (connections with a parser) until their close
 * event; it frees itself at the end of the turn in which it was released and the last line and name lookup ended.
 * Invariants: 'done' is called exactly once per request, always from complete(); a line has at most one request;
 * callbacks of users run only from events, the sweep or client_free, never inside client_send. */
#include "net/client.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/gzip.h"
#include "base/instant.h"
#include "base/memory.h"
#include "net/address.h"
#include "net/connection.h"
#include "net/http1_response.h"
#include "net/loop_uv.h"

#define SWEEP_MS 250
/* Shorter than any sensible server's idle time, so that few requests meet a connection that is about to close. */
#define IDLE_MS 30000
/* A name is looked up again for a new connection when the last answer is older. */
#define RESOLVED_MS 60000
#define ADDRESSES_MAX 8
#define DEFAULT_CONNECT_TIMEOUT_MS 10000
#define DEFAULT_RESPONSE_TIMEOUT_MS 60000
#define DEFAULT_RESPONSE_BYTES_MAX ((size_t)64 * 1024 * 1024)
/* Large bodies one after another would cost a page fault every 4 KiB. */
#define SPARE_REQUESTS_MAX 8
#define SPARE_REQUEST_BYTES_MIN ((size_t)64 * 1024)
#define SPARE_REQUEST_BYTES_MAX ((size_t)1024 * 1024)

struct request {
    struct request *next;
    struct buffer bytes; /* head and body as they go over the wire */
    bool to_head, retried;
    void (*done)(void *context, const struct client_response *response);
    void *context;
};

enum line_state { LINE_OPENING, LINE_IDLE, LINE_BUSY, LINE_CLOSING };

/* One connection of the pool. */
struct line {
    struct line *next, *previous;
    struct client *client;
    struct connection *connection;
    struct http1_response *parser;
    struct loop_garbage garbage;
    enum line_state state;
    struct request *request; /* BUSY, or the one it was opened for */
    size_t sent;             /* bytes of the request handed to the connection */
    size_t address_index;
    bool reused; /* has carried a request before this one */
    int64_t deadline_ns;
};

struct client {
    struct client_options options;
    struct loop *loop;
    struct address address;
    char authority[272]; /* the Host header */
    struct sockaddr_storage addresses[ADDRESSES_MAX];
    size_t address_count;
    int64_t resolved_ns;
    uv_getaddrinfo_t lookup;
    bool literal, looking_up, released, destroyed;
    struct request *first, *last; /* waiting, oldest first */
    size_t waiting_count;
    struct line *lines;
    size_t line_count;
    struct loop_timer *sweep_timer;
    bool sweeping;
    struct loop_work work;
    struct loop_garbage garbage;
    struct buffer unpacked;                  /* of the last gzip answer */
    struct buffer spare[SPARE_REQUESTS_MAX]; /* memory of requests that are over, for the next ones */
    size_t spare_count;
};

static void pump(struct client *client);

static bool is_stopping(const struct client *client)
{
    return client->released || client->loop->stopping || client->loop->finished;
}

/* --- requests --- */

static void queue_push_front(struct client *client, struct request *request)
{
    request->next = client->first;
    client->first = request;
    if (client->last == NULL)
        client->last = request;
    client->waiting_count++;
}

static void queue_push_back(struct client *client, struct request *request)
{
    request->next = NULL;
    if (client->last != NULL)
        client->last->next = request;
    else
        client->first = request;
    client->last = request;
    client->waiting_count++;
}

static struct request *queue_pop(struct client *client)
{
    struct request *request = client->first;
    client->first = request->next;
    if (client->first == NULL)
        client->last = NULL;
    client->waiting_count--;
    return request;
}

static void keep_spare(struct client *client, struct buffer *bytes)
{
    bool fits = bytes->capacity >= SPARE_REQUEST_BYTES_MIN && bytes->capacity <= SPARE_REQUEST_BYTES_MAX;
    if (!fits || client->spare_count == SPARE_REQUESTS_MAX)
        return;
    buffer_clear(bytes);
    client->spare[client->spare_count++] = *bytes;
    *bytes = (struct buffer){ 0 };
}

/* The one place that calls 'done'. */
static void complete(struct request *request, const struct client_response *response)
{
    request->done(request->context, response);
    buffer_free(&request->bytes);
    memory_free(request);
}

static void fail_request(struct request *request, err_t error, const char *message)
{
    struct client_response response = { .error = error };
    (void)error_set(&response.info, error, NULL, "%s", message);
    complete(request, &response);
}

static void fail_waiting(struct client *client, err_t error, const char *message)
{
    /* Only those that wait now: a callback may queue more. */
    for (size_t left = client->waiting_count; left > 0 && client->first != NULL; left--)
        fail_request(queue_pop(client), error, message);
}

/* --- life --- */

static void free_client(struct loop_garbage *garbage)
{
    struct client *client = CONTAINER_OF(garbage, struct client, garbage);
    tls_client_unref(client->options.tls);
    buffer_free(&client->unpacked);
    while (client->spare_count > 0)
        buffer_free(&client->spare[--client->spare_count]);
    memory_free(client);
}

static void destroy_if_over(struct client *client)
{
    if (!client->released || client->lines != NULL || client->looking_up || client->destroyed)
        return;
    client->destroyed = true;
    loop_work_cancel(&client->work);
    loop_free_later(client->loop, &client->garbage);
}

static void free_line(struct loop_garbage *garbage)
{
    struct line *line = CONTAINER_OF(garbage, struct line, garbage);
    http1_response_free(line->parser);
    memory_free(line);
}

static void unlink_line(struct line *line)
{
    struct client *client = line->client;
    if (line->previous != NULL)
        line->previous->next = line->next;
    else
        client->lines = line->next;
    if (line->next != NULL)
        line->next->previous = line->previous;
    client->line_count--;
    loop_free_later(client->loop, &line->garbage);
}

/* --- one line --- */

static void close_line(struct line *line)
{
    line->state = LINE_CLOSING;
    connection_close(line->connection);
}

static void send_more(struct line *line)
{
    struct text bytes = buffer_text(&line->request->bytes);
    while (line->sent < bytes.len && connection_output_bytes(line->connection) < CONNECTION_OUTPUT_HIGH_BYTES) {
        size_t left = bytes.len - line->sent;
        size_t size = left < CONNECTION_OUTPUT_LOW_BYTES ? left : CONNECTION_OUTPUT_LOW_BYTES;
        connection_write(line->connection, bytes.ptr + line->sent, size);
        line->sent += size;
    }
}

static int64_t deadline_in(const struct client *client, uint32_t ms)
{
    return loop_now_ns(client->loop) + (int64_t)ms * NS_PER_MS;
}

static void begin_request(struct line *line, struct request *request)
{
    line->request = request;
    line->state = LINE_BUSY;
    line->sent = 0;
    line->deadline_ns = deadline_in(line->client, line->client->options.response_timeout_ms);
    http1_response_next(line->parser, request->to_head);
    send_more(line);
}

/* Takes the request off its line and tells its end, or sends it once more on a new connection when the kept one
 * turned out to be dead: the server cannot have answered, and what this client sends may be repeated. */
static void end_request(struct line *line, err_t error, const char *message)
{
    struct client *client = line->client;
    struct request *request = line->request;
    line->request = NULL;
    if (request == NULL)
        return;
    bool stale = line->reused && !http1_response_began(line->parser) && error == ERROR_IO;
    if (stale && !request->retried && !is_stopping(client)) {
        request->retried = true;
        queue_push_front(client, request);
        loop_defer(client->loop, &client->work);
        return;
    }
    fail_request(request, error, message);
}

static err_t unpack_body(struct client *client, const struct http_field *headers, size_t count, struct text *body)
{
    for (size_t i = 0; i < count; i++) {
        if (!text_equal_nocase(headers[i].name, TEXT("content-encoding")) || body->len == 0)
            continue;
        if (text_equal_nocase(headers[i].value, TEXT("identity")))
            continue;
        if (!text_equal_nocase(headers[i].value, TEXT("gzip")) && !text_equal_nocase(headers[i].value, TEXT("x-gzip")))
            return ERROR_UNSUPPORTED_MEDIA_TYPE;
        buffer_clear(&client->unpacked);
        err_t error = gzip_decompress(*body, client->options.response_bytes_max, &client->unpacked);
        if (error != ERROR_OK)
            return error;
        *body = buffer_text(&client->unpacked);
    }
    return ERROR_OK;
}

static void finish_request(struct line *line)
{
    struct client *client = line->client;
    struct request *request = line->request;
    struct client_response response = { .error = ERROR_OK, .status = http1_response_status(line->parser) };
    response.headers = http1_response_headers(line->parser, &response.header_count);
    response.body = buffer_text(http1_response_body(line->parser));
    bool keep = http1_response_keep_alive(line->parser) && line->sent == buffer_len(&request->bytes) &&
                buffer_len(connection_input(line->connection)) == 0;
    response.error = unpack_body(client, response.headers, response.header_count, &response.body);
    if (response.error != ERROR_OK)
        (void)error_set(&response.info, response.error, NULL, "the answer's content encoding can't be undone");
    line->request = NULL;
    line->reused = true;
    line->deadline_ns = deadline_in(client, IDLE_MS);
    line->state = keep ? LINE_IDLE : LINE_CLOSING;
    keep_spare(client, &request->bytes);
    complete(request, &response);
    if (client->unpacked.capacity > CONNECTION_OUTPUT_LOW_BYTES)
        buffer_free(&client->unpacked);
    if (line->state == LINE_CLOSING)
        connection_finish(line->connection);
    pump(client);
}

static void on_opened(void *context)
{
    struct line *line = context;
    struct request *request = line->request;
    line->state = LINE_IDLE;
    line->request = NULL;
    if (request != NULL)
        begin_request(line, request);
}

static void on_received(void *context)
{
    struct line *line = context;
    struct buffer *input = connection_input(line->connection);
    size_t consumed = 0;
    if (line->state != LINE_BUSY) { /* bytes that nobody asked for */
        close_line(line);
        return;
    }
    struct text bytes = buffer_text(input);
    enum http1_response_event event = http1_response_feed(line->parser, bytes.ptr, bytes.len, &consumed);
    buffer_consume(input, consumed);
    switch (event) {
    case HTTP1_RESPONSE_MORE:
        break;
    case HTTP1_RESPONSE_MESSAGE:
        finish_request(line);
        break;
    case HTTP1_RESPONSE_ERROR:
        end_request(line, ERROR_IO, http1_response_failure(line->parser));
        close_line(line);
        break;
    }
}

static void on_ended(void *context)
{
    struct line *line = context;
    struct tls *tls = connection_tls(line->connection);
    /* Without close_notify the end may be an attacker's cut. */
    bool in_order = tls == NULL || tls_state(tls) == TLS_CLOSED;
    if (line->state == LINE_BUSY && in_order && http1_response_began(line->parser) &&
        http1_response_end(line->parser) == HTTP1_RESPONSE_MESSAGE) {
        finish_request(line);
        return;
    }
    if (line->state == LINE_BUSY)
        end_request(line, ERROR_IO, "the server closed the connection before the answer was complete");
    if (line->state != LINE_CLOSING)
        close_line(line);
}

static void on_drained(void *context)
{
    struct line *line = context;
    if (line->state == LINE_BUSY)
        send_more(line);
}

static struct line *open_line(struct client *client, size_t address_index);

/* A connection that never opened: the next address of the name, or the end of the request it was opened for. */
static void on_open_failed(struct line *line, err_t error, const char *failure)
{
    struct client *client = line->client;
    struct request *request = line->request;
    line->request = NULL;
    if (request == NULL)
        return;
    struct line *other = NULL;
    if (error == ERROR_IO && !is_stopping(client) && line->address_index + 1 < client->address_count)
        other = open_line(client, line->address_index + 1);
    if (other != NULL) {
        other->request = request;
        other->deadline_ns = line->deadline_ns;
        return;
    }
    client->resolved_ns = 0; /* look the name up again */
    char message[ERROR_MESSAGE_SIZE];
    (void)snprintf(message, sizeof message, "%s: %s", client->authority, failure);
    fail_request(request, error == ERROR_OK ? ERROR_IO : error, message);
}

static void on_closed(void *context, err_t error, const char *failure)
{
    struct line *line = context;
    struct client *client = line->client;
    bool opening = line->state == LINE_OPENING;
    line->state = LINE_CLOSING;
    unlink_line(line);
    if (opening)
        on_open_failed(line, error, failure);
    else
        end_request(line, error == ERROR_OK ? ERROR_IO : error, failure[0] != '\0' ? failure : "connection closed");
    line->connection = NULL;
    if (!is_stopping(client))
        loop_defer(client->loop, &client->work);
    destroy_if_over(client);
}

static const struct connection_events EVENTS = {
    .opened = on_opened, .received = on_received, .ended = on_ended, .drained = on_drained, .closed = on_closed
};

static struct line *open_line(struct client *client, size_t address_index)
{
    struct line *line = memory_zalloc(1, sizeof *line);
    if (line == NULL)
        return NULL;
    line->client = client;
    line->garbage.free = free_line;
    line->address_index = address_index;
    line->parser = http1_response_new(client->options.response_bytes_max);
    struct tls *tls = NULL;
    if (client->options.tls != NULL)
        tls = tls_connect(client->options.tls, text_of(client->address.host));
    if (line->parser == NULL || (client->options.tls != NULL && tls == NULL)) {
        tls_free(tls);
        free_line(&line->garbage);
        return NULL;
    }
    line->connection = connection_new(client->loop, tls, &EVENTS, line, NULL);
    if (line->connection == NULL) {
        free_line(&line->garbage);
        return NULL;
    }
    line->next = client->lines;
    if (line->next != NULL)
        line->next->previous = line;
    client->lines = line;
    client->line_count++;
    line->deadline_ns = deadline_in(client, client->options.connect_timeout_ms);
    /* A refusal known at once arrives as 'closed' like one known later. */
    if (connection_connect(line->connection, (const struct sockaddr *)&client->addresses[address_index]) != ERROR_OK)
        connection_close(line->connection);
    return line;
}

/* --- names --- */

static void on_resolved(uv_getaddrinfo_t *lookup, int status, struct addrinfo *list)
{
    struct client *client = CONTAINER_OF(lookup, struct client, lookup);
    client->looking_up = false;
    if (status == 0) {
        client->address_count = 0;
        for (const struct addrinfo *item = list; item != NULL && client->address_count < ADDRESSES_MAX;
             item = item->ai_next) {
            if (item->ai_addrlen <= sizeof client->addresses[0])
                memcpy(&client->addresses[client->address_count++], item->ai_addr, item->ai_addrlen);
        }
        client->resolved_ns = loop_now_ns(client->loop);
    }
    uv_freeaddrinfo(list);
    if (is_stopping(client)) {
        destroy_if_over(client);
        return;
    }
    if (status != 0 || client->address_count == 0) {
        char message[ERROR_MESSAGE_SIZE];
        (void)snprintf(message, sizeof message, "%s: %s", client->address.host,
                       status != 0 ? uv_strerror(status) : "no address");
        fail_waiting(client, ERROR_IO, message);
        return;
    }
    pump(client);
}

/* True when addresses are at hand; else a lookup is under way, or the waiting requests have failed. */
static bool resolve(struct client *client)
{
    int64_t age_ns = loop_now_ns(client->loop) - client->resolved_ns;
    bool known = client->address_count > 0 &&
                 (client->literal || (client->resolved_ns != 0 && age_ns < RESOLVED_MS * NS_PER_MS));
    if (known || client->looking_up)
        return known;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    client->looking_up = true;
    int code = uv_getaddrinfo(&client->loop->uv, &client->lookup, on_resolved, client->address.host,
                              client->address.port, &hints);
    if (code != 0) {
        client->looking_up = false;
        fail_waiting(client, ERROR_IO, uv_strerror(code));
    }
    return false;
}

/* --- the pool --- */

static struct line *idle_line(const struct client *client)
{
    for (struct line *line = client->lines; line != NULL; line = line->next) {
        if (line->state == LINE_IDLE)
            return line;
    }
    return NULL;
}

static void start_sweeping(struct client *client)
{
    if (client->sweeping || is_stopping(client))
        return;
    client->sweeping = true;
    loop_timer_start(client->sweep_timer, SWEEP_MS);
}

/* Gives waiting requests to idle lines, then opens new ones. */
static void pump(struct client *client)
{
    while (client->first != NULL && !is_stopping(client)) {
        struct line *line = client->first->retried ? NULL : idle_line(client);
        if (line != NULL) {
            begin_request(line, queue_pop(client));
            continue;
        }
        if (client->line_count >= client->options.connections_max) {
            line = client->first->retried ? idle_line(client) : NULL;
            if (line != NULL)
                close_line(line); /* a retry asks for a new connection; its place is needed */
            break;
        }
        if (!resolve(client))
            break;
        line = open_line(client, 0);
        if (line == NULL) {
            fail_request(queue_pop(client), ERROR_NO_MEMORY, "out of memory");
            continue;
        }
        line->request = queue_pop(client);
    }
    start_sweeping(client);
}

static void run_work(struct loop_work *work)
{
    pump(CONTAINER_OF(work, struct client, work));
}

static void sweep_line(struct line *line, int64_t now_ns)
{
    const struct client_options *options = &line->client->options;
    connection_sweep(line->connection, now_ns, options->response_timeout_ms);
    if (now_ns < line->deadline_ns || line->state == LINE_CLOSING)
        return;
    if (line->state == LINE_BUSY)
        end_request(line, ERROR_REQUEST_TIMEOUT, "the server did not answer in time");
    else if (line->state == LINE_OPENING && line->request != NULL) {
        struct request *request = line->request;
        line->request = NULL;
        fail_request(request, ERROR_REQUEST_TIMEOUT, "the connection did not open in time");
    }
    close_line(line);
}

static void sweep(void *context)
{
    struct client *client = context;
    int64_t now_ns = loop_now_ns(client->loop);
    client->sweeping = false;
    for (struct line *line = client->lines; line != NULL;) {
        struct line *next = line->next;
        sweep_line(line, now_ns);
        line = next;
    }
    if (client->lines != NULL || client->first != NULL)
        start_sweeping(client);
}

/* --- the interface --- */

static err_t take_url(struct client *client, struct text url, struct error_info *info)
{
    bool secure = false;
    if (!address_parse_url(url, &client->address, &secure))
        return error_set(info, ERROR_INVALID_CONFIG, NULL, "'%.*s' is not a URL like https://host:8443",
                         TEXT_ARGS(url));
    if (secure != (client->options.tls != NULL))
        return error_set(info, ERROR_INVALID_CONFIG, NULL, "'%.*s' does not go with the TLS settings", TEXT_ARGS(url));
    bool v6 = strchr(client->address.host, ':') != NULL;
    bool default_port = strcmp(client->address.port, secure ? "443" : "80") == 0;
    (void)snprintf(client->authority, sizeof client->authority, "%s%s%s%s%s", v6 ? "[" : "", client->address.host,
                   v6 ? "]" : "", default_port ? "" : ":", default_port ? "" : client->address.port);
    unsigned long long port = 0;
    (void)text_to_u64(text_of(client->address.port), &port);
    struct sockaddr_storage *first = &client->addresses[0];
    client->literal = uv_ip4_addr(client->address.host, (int)port, (struct sockaddr_in *)(void *)first) == 0 ||
                      uv_ip6_addr(client->address.host, (int)port, (struct sockaddr_in6 *)(void *)first) == 0;
    client->address_count = client->literal ? 1 : 0;
    return ERROR_OK;
}

err_t client_new(struct loop *loop, const struct client_options *options, struct client **out, struct error_info *info)
{
    struct client *client = memory_zalloc(1, sizeof *client);
    if (client == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    client->options = *options;
    client->options.url = TEXT_NONE; /* the caller's memory */
    err_t error = take_url(client, options->url, info);
    if (error != ERROR_OK) {
        memory_free(client);
        return error;
    }
    if (client->options.connections_max == 0)
        client->options.connections_max = 1;
    if (client->options.queue_max == 0)
        client->options.queue_max = 1024;
    if (client->options.connect_timeout_ms == 0)
        client->options.connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS;
    if (client->options.response_timeout_ms == 0)
        client->options.response_timeout_ms = DEFAULT_RESPONSE_TIMEOUT_MS;
    if (client->options.response_bytes_max == 0)
        client->options.response_bytes_max = DEFAULT_RESPONSE_BYTES_MAX;
    if (client->options.tls != NULL)
        tls_client_ref(client->options.tls);
    client->loop = loop;
    client->work.run = run_work;
    client->garbage.free = free_client;
    client->sweep_timer = loop_timer_new(loop, sweep, client);
    *out = client;
    return ERROR_OK;
}

void client_free(struct client *client)
{
    if (client == NULL)
        return;
    REQUIRE(!client->released);
    client->released = true;
    loop_timer_free(client->sweep_timer);
    loop_work_cancel(&client->work);
    if (client->looking_up)
        (void)uv_cancel((uv_req_t *)&client->lookup);
    fail_waiting(client, ERROR_CANCELLED, "the client was closed");
    for (struct line *line = client->lines; line != NULL; line = line->next) {
        struct request *request = line->request;
        line->request = NULL;
        if (request != NULL)
            fail_request(request, ERROR_CANCELLED, "the client was closed");
        if (line->state != LINE_CLOSING)
            close_line(line);
    }
    destroy_if_over(client);
}

static void append_clean(struct buffer *out, struct text value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        buffer_append_char(out, (c < ' ' && c != '\t') || c == 0x7f ? ' ' : value.ptr[i]);
    }
}

static void write_request(struct client *client, struct buffer *out, enum http_method method, struct text target,
                          const struct http_field *headers, size_t header_count, struct text body)
{
    static const char *const names[HTTP_METHOD_COUNT] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS" };
    bool encoding_given = false;
    buffer_append_text(out, text_of(names[method]));
    buffer_append_char(out, ' ');
    buffer_append_text(out, target);
    buffer_append_literal(out, " HTTP/1.1\r\nHost: ");
    buffer_append_text(out, text_of(client->authority));
    buffer_append_literal(out, "\r\n");
    for (size_t i = 0; i < header_count; i++) {
        encoding_given = encoding_given || text_equal_nocase(headers[i].name, TEXT("accept-encoding"));
        append_clean(out, headers[i].name);
        buffer_append_literal(out, ": ");
        append_clean(out, headers[i].value);
        buffer_append_literal(out, "\r\n");
    }
    if (!encoding_given)
        buffer_append_literal(out, "Accept-Encoding: gzip\r\n");
    if (body.len > 0 || method == HTTP_POST || method == HTTP_PUT || method == HTTP_PATCH) {
        buffer_append_literal(out, "Content-Length: ");
        buffer_append_u64(out, body.len);
        buffer_append_literal(out, "\r\n");
    }
    buffer_append_literal(out, "\r\n");
    buffer_append_text(out, body);
}

static bool target_is_valid(struct text target)
{
    if (target.len == 0 || target.ptr[0] != '/')
        return false;
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= ' ' || c >= 0x7f)
            return false;
    }
    return true;
}

err_t client_send(struct client *client, enum http_method method, struct text target, const struct http_field *headers,
                  size_t header_count, struct text body,
                  void (*done)(void *context, const struct client_response *response), void *context)
{
    if (is_stopping(client))
        return ERROR_CANCELLED;
    if (client->waiting_count >= client->options.queue_max)
        return ERROR_TOO_MANY_REQUESTS;
    if (!target_is_valid(target))
        return ERROR_BAD_REQUEST;
    struct request *request = memory_zalloc(1, sizeof *request);
    if (request == NULL)
        return ERROR_NO_MEMORY;
    request->to_head = method == HTTP_HEAD;
    request->done = done;
    request->context = context;
    if (body.len >= SPARE_REQUEST_BYTES_MIN && client->spare_count > 0)
        request->bytes = client->spare[--client->spare_count];
    /* One allocation for the usual head and the whole body. */
    if (buffer_reserve(&request->bytes, 1024 + target.len + body.len) != NULL)
        write_request(client, &request->bytes, method, target, headers, header_count, body);
    if (request->bytes.failed) {
        buffer_free(&request->bytes);
        memory_free(request);
        return ERROR_NO_MEMORY;
    }
    queue_push_back(client, request);
    loop_defer(client->loop, &client->work);
    return ERROR_OK;
}
