/* A TCP connection with optional TLS. See connection.h.
 * Ownership: the connection owns its uv_tcp_t, its TLS session and its buffers. It frees itself at the end of the
 * turn in which its close callback ran; libuv has called back every write, shutdown and connect request by then
 * (with UV_ECANCELED), so nothing is outstanding.
 * Invariants: uv_close is called once, in begin_closing; callbacks look at 'closing' first; the buffer that a
 * uv_write uses (pinned) is not touched until its callback; uv_try_write is used only when no uv_write is pending. */
#include "net/connection.h"

#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/memory.h"
#include "net/loop_uv.h"

/* What one connection may read in a turn; the rest waits in the socket so that others get their turn. */
#define READ_BYTES_PER_TURN ((size_t)256 * 1024)
#define LINGER_MS 5000
/* While lingering a peer may finish sending what it had begun, but not for ever. */
#define LINGER_BYTES_MAX ((uint64_t)64 * 1024 * 1024)
/* Buffers above this size are given back when the connection idles. */
#define KEPT_BUFFER_BYTES ((size_t)16 * 1024)
#define WRITE_RATE_BYTES_PER_SECOND 1024
#define PEER_SIZE 64

struct connection {
    struct loop_handle hook; /* first: tcp.data points here */
    struct loop_garbage garbage;
    uv_tcp_t tcp;
    uv_connect_t connect_request;
    uv_write_t write_request;
    uv_shutdown_t shutdown_request;
    struct loop *loop;
    struct tls *tls;
    const struct connection_events *events;
    void *context;
    struct connection_totals *totals;
    struct buffer input;
    struct buffer output;  /* plain connections; with TLS the session's own */
    struct buffer pinned;  /* being written by uv_write */
    struct buffer held;    /* ciphertext that waits for a turn with handshakes left */
    struct loop_work work; /* go on reading, or feed what is held */
    struct loop_work flush;
    uint64_t turn;
    size_t turn_bytes; /* read in that turn */
    bool connected, opened, reading, write_pending, above_high;
    bool input_ended; /* no more bytes from the socket */
    bool end_due, end_reported;
    bool finishing, shut_down, closing;
    bool hangs_up; /* finishing without waiting for the other side's end */
    int64_t linger_until_ns;
    uint64_t linger_bytes;
    /* Write progress: bytes accepted by the socket in all, and what of it was acknowledged when the window began. */
    uint64_t written_total, acknowledged_at_window;
    int64_t write_window_ns;
    err_t error;
    char failure[160];
    char peer[PEER_SIZE];
};

static struct buffer *output_of(struct connection *c)
{
    return c->tls != NULL ? tls_output(c->tls) : &c->output;
}

size_t connection_output_bytes(const struct connection *c)
{
    const struct buffer *output = c->tls != NULL ? tls_output(c->tls) : &c->output;
    return buffer_len(output) + buffer_len(&c->pinned);
}

/* --- closing --- */

static void free_connection(struct loop_garbage *garbage)
{
    struct connection *c = CONTAINER_OF(garbage, struct connection, garbage);
    tls_free(c->tls);
    buffer_free(&c->input);
    buffer_free(&c->output);
    buffer_free(&c->pinned);
    buffer_free(&c->held);
    memory_free(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct connection *c = CONTAINER_OF(handle, struct connection, tcp);
    REQUIRE(!c->write_pending);
    loop_work_cancel(&c->work);
    loop_work_cancel(&c->flush);
    c->events->closed(c->context, c->error, c->failure);
    loop_free_later(c->loop, &c->garbage);
}

static void begin_closing(struct connection *c, err_t error, const char *failure)
{
    if (c->closing)
        return;
    c->closing = true;
    c->reading = false;
    c->error = error;
    (void)snprintf(c->failure, sizeof c->failure, "%s", failure);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_loop_stop(struct loop_handle *hook)
{
    begin_closing(CONTAINER_OF(hook, struct connection, hook), ERROR_CANCELLED, "shutting down");
}

void connection_close(struct connection *c)
{
    begin_closing(c, ERROR_OK, "");
}

bool connection_is_closing(const struct connection *c)
{
    return c->closing || c->finishing;
}

/* --- reading --- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct connection *c = CONTAINER_OF(handle, struct connection, tcp);
    *buf = uv_buf_init(c->loop->read_buffer, LOOP_READ_BUFFER_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);

static bool read_budget_spent(struct connection *c)
{
    if (c->turn != c->loop->turn) {
        c->turn = c->loop->turn;
        c->turn_bytes = 0;
    }
    return c->turn_bytes >= READ_BYTES_PER_TURN;
}

/* The one place that starts and stops reading. */
static void update_reading(struct connection *c)
{
    if (c->closing || !c->connected)
        return;
    bool wanted = !c->input_ended && buffer_len(&c->held) == 0;
    if (!c->finishing)
        wanted = wanted && !c->above_high && buffer_len(&c->input) < CONNECTION_INPUT_MAX_BYTES;
    if (wanted && read_budget_spent(c)) {
        wanted = false;
        loop_defer(c->loop, &c->work);
    }
    if (wanted == c->reading)
        return;
    c->reading = wanted;
    if (wanted)
        (void)uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
    else
        (void)uv_read_stop((uv_stream_t *)&c->tcp);
}

static void wants_flush(struct connection *c)
{
    loop_defer_flush(c->loop, &c->flush);
}

/* Tells the owner what the last bytes brought. Each event may close or finish the connection. */
static void report(struct connection *c)
{
    bool ready = c->tls == NULL || (tls_state(c->tls) != TLS_HANDSHAKE && tls_state(c->tls) != TLS_FAILED);
    if (ready && !c->opened && !c->closing) {
        c->opened = true;
        c->events->opened(c->context);
    }
    if (buffer_len(&c->input) > 0 && !c->closing && !c->finishing)
        c->events->received(c->context);
    if (c->tls != NULL && tls_state(c->tls) == TLS_FAILED) {
        wants_flush(c); /* the alert goes out, then the connection closes */
        return;
    }
    if (c->tls != NULL && tls_state(c->tls) == TLS_CLOSED)
        c->end_due = true;
    if (c->end_due && !c->end_reported && !c->closing) {
        c->end_reported = true;
        if (c->finishing)
            return;
        c->events->ended(c->context);
    }
}

static void feed_tls(struct connection *c, const char *bytes, size_t size)
{
    bool handshake = tls_state(c->tls) == TLS_HANDSHAKE;
    if (handshake && c->loop->handshake_flights_left == 0) {
        buffer_append(&c->held, bytes, size);
        if (c->held.failed)
            begin_closing(c, ERROR_NO_MEMORY, "out of memory");
        else
            loop_defer(c->loop, &c->work);
        return;
    }
    if (handshake)
        c->loop->handshake_flights_left--;
    tls_feed(c->tls, bytes, size, &c->input);
    if (buffer_len(tls_output(c->tls)) > 0)
        wants_flush(c);
    report(c);
}

static void take_bytes(struct connection *c, const char *bytes, size_t size)
{
    (void)read_budget_spent(c); /* starts the turn's count */
    c->turn_bytes += size;
    if (c->totals != NULL)
        c->totals->bytes_in += size;
    if (c->finishing) { /* lingering: nobody is interested any more */
        c->linger_bytes += size;
        if (c->linger_bytes > LINGER_BYTES_MAX)
            begin_closing(c, ERROR_OK, "");
        return;
    }
    if (c->tls != NULL) {
        feed_tls(c, bytes, size);
        return;
    }
    buffer_append(&c->input, bytes, size);
    if (c->input.failed)
        begin_closing(c, ERROR_NO_MEMORY, "out of memory");
    else
        report(c);
}

static void on_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct connection *c = CONTAINER_OF(stream, struct connection, tcp);
    if (c->closing || nread == 0) /* 0 is "try again", not the end */
        return;
    if (nread > 0) {
        take_bytes(c, buf->base, (size_t)nread);
    } else if (nread == UV_EOF) {
        c->input_ended = true;
        c->end_due = true;
        if (c->finishing && c->shut_down)
            begin_closing(c, ERROR_OK, "");
        else if (!c->opened)
            begin_closing(c, ERROR_IO, "the other side left during the handshake");
        else
            report(c);
    } else {
        begin_closing(c, c->finishing ? ERROR_OK : ERROR_IO, uv_strerror((int)nread));
    }
    update_reading(c);
}

static void run_work(struct loop_work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, work);
    if (c->closing)
        return;
    if (buffer_len(&c->held) > 0 && c->loop->handshake_flights_left > 0) {
        struct buffer held = c->held;
        c->held = (struct buffer){ 0 };
        feed_tls(c, held.data + held.start, buffer_len(&held));
        buffer_free(&held);
    } else if (buffer_len(&c->held) > 0) {
        loop_defer(c->loop, work);
        return;
    }
    c->turn_bytes = 0;
    update_reading(c);
}

struct buffer *connection_input(struct connection *c)
{
    return &c->input;
}

void connection_input_consumed(struct connection *c)
{
    update_reading(c);
}

void connection_trim(struct connection *c)
{
    if (c->input.capacity > KEPT_BUFFER_BYTES && buffer_len(&c->input) == 0)
        buffer_free(&c->input);
    struct buffer *output = output_of(c);
    if (output->capacity > KEPT_BUFFER_BYTES && buffer_len(output) == 0)
        buffer_free(output);
    if (!c->write_pending)
        buffer_free(&c->pinned);
}

/* --- writing --- */

static void on_shutdown(uv_shutdown_t *request, int status)
{
    (void)status; /* an error shows as the end of reading, or the linger time ends it */
    struct connection *c = CONTAINER_OF(request, struct connection, shutdown_request);
    if (!c->closing && c->input_ended)
        begin_closing(c, ERROR_OK, "");
}

/* All output is with the kernel: what was waiting for that goes on. */
static void on_output_empty(struct connection *c)
{
    if (c->tls != NULL && tls_state(c->tls) == TLS_FAILED) {
        begin_closing(c, ERROR_TLS, tls_failure(c->tls));
        return;
    }
    if (c->finishing && c->hangs_up) {
        begin_closing(c, ERROR_OK, "");
    } else if (c->finishing && !c->shut_down) {
        c->shut_down = true;
        c->linger_until_ns = loop_now_ns(c->loop) + LINGER_MS * NS_PER_MS;
        if (uv_shutdown(&c->shutdown_request, (uv_stream_t *)&c->tcp, on_shutdown) != 0)
            begin_closing(c, ERROR_OK, "");
    }
}

static void account_written(struct connection *c, size_t size)
{
    c->written_total += size;
    if (c->totals != NULL)
        c->totals->bytes_out += size;
}

static void after_write(struct connection *c)
{
    size_t left = connection_output_bytes(c);
    if (c->above_high && left <= CONNECTION_OUTPUT_LOW_BYTES) {
        c->above_high = false;
        update_reading(c);
    }
    if (left <= CONNECTION_OUTPUT_LOW_BYTES && !c->finishing && c->opened)
        c->events->drained(c->context);
    if (!c->closing && connection_output_bytes(c) == 0)
        on_output_empty(c);
}

static void on_written(uv_write_t *request, int status)
{
    struct connection *c = CONTAINER_OF(request, struct connection, write_request);
    c->write_pending = false;
    if (c->closing)
        return;
    if (status != 0) {
        begin_closing(c, ERROR_IO, uv_strerror(status));
        return;
    }
    account_written(c, buffer_len(&c->pinned));
    buffer_clear(&c->pinned);
    if (buffer_len(output_of(c)) > 0)
        wants_flush(c);
    after_write(c);
}

/* The tail moves to the pinned buffer by exchange, without a copy. */
static void write_tail(struct connection *c)
{
    struct buffer *output = output_of(c);
    struct buffer empty = c->pinned;
    c->pinned = *output;
    *output = empty;
    uv_buf_t buf = uv_buf_init(c->pinned.data + c->pinned.start, (unsigned)buffer_len(&c->pinned));
    int code = uv_write(&c->write_request, (uv_stream_t *)&c->tcp, &buf, 1, on_written);
    if (code != 0) {
        begin_closing(c, ERROR_IO, uv_strerror(code));
        return;
    }
    c->write_pending = true;
    c->write_window_ns = loop_now_ns(c->loop);
    c->acknowledged_at_window = 0;
}

static void run_flush(struct loop_work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, flush);
    if (c->closing || !c->connected)
        return;
    struct buffer *output = output_of(c);
    if (output->failed) {
        begin_closing(c, ERROR_NO_MEMORY, "out of memory");
        return;
    }
    if (c->write_pending)
        return; /* its callback flushes on */
    if (buffer_len(output) > 0) {
        uv_buf_t buf = uv_buf_init(output->data + output->start, (unsigned)buffer_len(output));
        int written = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
        if (written < 0 && written != UV_EAGAIN) {
            begin_closing(c, ERROR_IO, uv_strerror(written));
            return;
        }
        if (written > 0) {
            account_written(c, (size_t)written);
            buffer_consume(output, (size_t)written);
        }
        if (buffer_len(output) > 0) {
            write_tail(c);
            return;
        }
    }
    after_write(c);
}

void connection_write(struct connection *c, const void *bytes, size_t size)
{
    if (c->closing || c->finishing || size == 0)
        return;
    if (c->tls != NULL)
        tls_write(c->tls, bytes, size);
    else
        buffer_append(&c->output, bytes, size);
    if (!c->above_high && connection_output_bytes(c) > CONNECTION_OUTPUT_HIGH_BYTES) {
        c->above_high = true;
        update_reading(c);
    }
    wants_flush(c);
}

void connection_finish(struct connection *c)
{
    if (c->closing || c->finishing)
        return;
    if (!c->connected || !c->opened) {
        begin_closing(c, ERROR_OK, "");
        return;
    }
    if (c->tls != NULL)
        tls_close(c->tls);
    c->finishing = true;
    buffer_free(&c->input);
    update_reading(c);
    wants_flush(c);
}

void connection_hang_up(struct connection *c)
{
    c->hangs_up = true;
    connection_finish(c);
}

/* What the other side has acknowledged: the only sign of a slow reader's progress while the kernel's buffer is
 * full, because the socket turns writable again only after a good part of it (megabytes) has drained. */
static uint64_t acknowledged_bytes(struct connection *c)
{
    uv_os_fd_t fd;
    int queued = 0;
    if (uv_fileno((uv_handle_t *)&c->tcp, &fd) != 0 || ioctl(fd, SIOCOUTQ, &queued) != 0)
        return c->written_total;
    size_t in_library = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    uint64_t handed_over = c->written_total + buffer_len(&c->pinned) - in_library;
    return handed_over > (uint64_t)queued ? handed_over - (uint64_t)queued : 0;
}

static void sweep_writing(struct connection *c, int64_t now_ns, uint32_t timeout_ms)
{
    if (!c->write_pending)
        return;
    uint64_t acknowledged = acknowledged_bytes(c);
    if (c->acknowledged_at_window == 0)
        c->acknowledged_at_window = acknowledged + 1; /* 0 means: not taken yet */
    if (now_ns - c->write_window_ns < (int64_t)timeout_ms * NS_PER_MS)
        return;
    uint64_t progress = acknowledged + 1 - c->acknowledged_at_window;
    if (progress < (uint64_t)timeout_ms * WRITE_RATE_BYTES_PER_SECOND / 1000) {
        begin_closing(c, ERROR_IO, "the other side does not read");
        return;
    }
    c->write_window_ns = now_ns;
    c->acknowledged_at_window = acknowledged + 1;
}

void connection_sweep(struct connection *c, int64_t now_ns, uint32_t write_timeout_ms)
{
    if (c->closing)
        return;
    sweep_writing(c, now_ns, write_timeout_ms);
    /* Lingering begins when everything is sent; until then the write deadline rules. */
    if (c->shut_down && !c->closing && now_ns >= c->linger_until_ns)
        begin_closing(c, ERROR_OK, "");
}

/* --- opening --- */

static void name_peer(struct connection *c)
{
    struct sockaddr_storage address;
    int size = (int)sizeof address;
    char ip[INET6_ADDRSTRLEN] = "?";
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&address, &size) != 0)
        return;
    if (address.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&address;
        (void)uv_ip6_name(v6, ip, sizeof ip);
        (void)snprintf(c->peer, sizeof c->peer, "[%s]:%u", ip, (unsigned)ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&address;
        (void)uv_ip4_name(v4, ip, sizeof ip);
        (void)snprintf(c->peer, sizeof c->peer, "%s:%u", ip, (unsigned)ntohs(v4->sin_port));
    }
}

/* The socket is connected: start reading; a plain connection is open by that. */
static void begin(struct connection *c)
{
    c->connected = true;
    (void)uv_tcp_nodelay(&c->tcp, 1); /* output is gathered per turn already */
    name_peer(c);
    update_reading(c);
    if (c->tls == NULL || buffer_len(tls_output(c->tls)) > 0)
        wants_flush(c);
}

static void run_open(struct loop_work *work)
{
    struct connection *c = CONTAINER_OF(work, struct connection, work);
    c->work.run = run_work;
    report(c);
    update_reading(c);
}

struct connection *connection_new(struct loop *loop, struct tls *tls, const struct connection_events *events,
                                  void *context, struct connection_totals *totals)
{
    struct connection *c = memory_zalloc(1, sizeof *c);
    if (c == NULL || uv_tcp_init(&loop->uv, &c->tcp) != 0) {
        memory_free(c);
        tls_free(tls);
        return NULL;
    }
    c->hook.stop = on_loop_stop;
    c->tcp.data = &c->hook;
    c->loop = loop;
    c->tls = tls;
    c->events = events;
    c->context = context;
    c->totals = totals;
    c->garbage.free = free_connection;
    c->work.run = run_work;
    c->flush.run = run_flush;
    return c;
}

err_t connection_accept(struct connection *c, struct uv_stream_s *listener)
{
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0)
        return ERROR_IO;
    begin(c);
    if (c->tls == NULL) { /* 'opened' must not come from inside this call */
        c->work.run = run_open;
        loop_defer(c->loop, &c->work);
    }
    return ERROR_OK;
}

static void on_connected(uv_connect_t *request, int status)
{
    struct connection *c = CONTAINER_OF(request, struct connection, connect_request);
    if (c->closing)
        return;
    if (status != 0) {
        begin_closing(c, ERROR_IO, uv_strerror(status));
        return;
    }
    begin(c);
    if (c->tls == NULL)
        report(c);
}

err_t connection_connect(struct connection *c, const struct sockaddr *address)
{
    int code = uv_tcp_connect(&c->connect_request, &c->tcp, address, on_connected);
    return code == 0 ? ERROR_OK : ERROR_IO;
}

struct text connection_peer(const struct connection *c)
{
    return text_of(c->peer);
}

struct tls *connection_tls(const struct connection *c)
{
    return c->tls;
}
