/* A server on its own thread and blocking peers against it, for the tests of src/net. The clock's monotonic side is
 * steered by the test (harness_advance), so deadlines need no sleeping; peers give up after PEER_TIMEOUT_S of real
 * time, which only a broken test reaches. */
#pragma once

#include "support/testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "net/loop.h"
#include "net/server.h"
#include "net/tls.h"

#define PEER_TIMEOUT_S 10
#define UNUSED_OK __attribute__((unused))

/* What is being tested, for messages. */
static const char *harness_subject = "";

struct harness {
    struct clock_manual clock;
    struct loop *loop;
    struct server *server;
    struct tls_server *tls_server;
    struct tls_client *tls_client;
    struct buffer certificate, key;
    uint16_t port;
    pthread_t thread;
    struct loop_task stop_task;
    bool server_freed;
};

static void *harness_thread(void *context)
{
    loop_run(((struct harness *)context)->loop);
    return NULL;
}

/* tls: whether the server speaks TLS. options: listen and tls are filled in here. */
UNUSED_OK static void harness_prepare(struct harness *h, struct server_options options, bool tls)
{
    struct error_info info;
    memset(h, 0, sizeof *h);
    log_configure(
        &(struct log_options){ .level = getenv("STAMPMETER_TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR, .fd = 2 });
    clock_manual_init(&h->clock, test_instant("2026-01-31T13:00:00Z"), 0);
    clock_manual_set_monotonic(&h->clock, NS_PER_HOUR);
    assert_ok(tls_global_init(&info));
    assert_ok(tls_make_certificate(TEXT_NONE, clock_wall_ns(clock_system()), 30, &h->certificate, &h->key, &info));
    assert_ok(tls_client_new(buffer_text(&h->certificate), &h->tls_client, &info));
    if (tls)
        assert_ok(tls_server_new(buffer_text(&h->certificate), buffer_text(&h->key), &h->tls_server, &info));
    assert_ok(loop_new(&h->clock.clock, &h->loop));
    options.listen = TEXT("127.0.0.1:0");
    options.tls = h->tls_server;
    if (server_start(h->loop, &options, &h->server, &info) != ERROR_OK)
        fail_msg("%s", info.message);
    struct text address = server_address(h->server);
    h->port = (uint16_t)strtoul(strrchr(address.ptr, ':') + 1, NULL, 10);
}

UNUSED_OK static void harness_run(struct harness *h)
{
    assert_int_equal(pthread_create(&h->thread, NULL, harness_thread, h), 0);
}

UNUSED_OK static void harness_start(struct harness *h, struct server_options options, bool tls)
{
    harness_prepare(h, options, tls);
    harness_run(h);
}

static void harness_stop_on_loop(struct loop_task *task)
{
    struct harness *h = CONTAINER_OF(task, struct harness, stop_task);
    if (!h->server_freed)
        server_free(h->server);
    loop_stop(h->loop);
}

UNUSED_OK static void harness_stop(struct harness *h)
{
    h->stop_task.function = harness_stop_on_loop;
    loop_post(h->loop, &h->stop_task);
    assert_int_equal(pthread_join(h->thread, NULL), 0);
    loop_free(h->loop);
    tls_server_unref(h->tls_server);
    tls_client_unref(h->tls_client);
    buffer_free(&h->certificate);
    buffer_free(&h->key);
}

UNUSED_OK static void harness_advance(struct harness *h, int64_t ms)
{
    clock_manual_set_monotonic(&h->clock, clock_monotonic_ns(&h->clock.clock) + ms * NS_PER_MS);
}

/* Runs function(harness) on the loop thread and waits for it. */
struct harness_call {
    struct loop_task task;
    struct harness *harness;
    void (*function)(struct harness *harness, void *context);
    void *context;
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    bool done;
};

static void harness_call_on_loop(struct loop_task *task)
{
    struct harness_call *call = CONTAINER_OF(task, struct harness_call, task);
    call->function(call->harness, call->context);
    pthread_mutex_lock(&call->mutex);
    call->done = true;
    pthread_cond_signal(&call->condition);
    pthread_mutex_unlock(&call->mutex);
}

UNUSED_OK static void harness_call(struct harness *h, void (*function)(struct harness *harness, void *context),
                                   void *context)
{
    struct harness_call call = { .task = { .function = harness_call_on_loop },
                                 .harness = h,
                                 .function = function,
                                 .context = context,
                                 .mutex = PTHREAD_MUTEX_INITIALIZER,
                                 .condition = PTHREAD_COND_INITIALIZER };
    loop_post(h->loop, &call.task);
    pthread_mutex_lock(&call.mutex);
    while (!call.done)
        pthread_cond_wait(&call.condition, &call.mutex);
    pthread_mutex_unlock(&call.mutex);
}

static void harness_read_stats(struct harness *h, void *context)
{
    *(struct server_stats *)context = server_stats(h->server);
}

UNUSED_OK static struct server_stats harness_stats(struct harness *h)
{
    struct server_stats stats;
    harness_call(h, harness_read_stats, &stats);
    return stats;
}

/* Waits until condition(stats) holds: for effects that another thread's turn brings. */
UNUSED_OK static void harness_await_open(struct harness *h, uint64_t connections)
{
    for (int i = 0; i < PEER_TIMEOUT_S * 1000; i++) {
        if (harness_stats(h).connections_open == connections)
            return;
        usleep(1000);
    }
    fail_msg("%llu connections, awaited %llu", (unsigned long long)harness_stats(h).connections_open,
             (unsigned long long)connections);
}

/* Until the server has read so many bytes in all. */
UNUSED_OK static void harness_await_bytes(struct harness *h, uint64_t bytes)
{
    for (int i = 0; i < PEER_TIMEOUT_S * 1000 && harness_stats(h).bytes_in_total < bytes; i++)
        usleep(1000);
    assert_true(harness_stats(h).bytes_in_total >= bytes);
}

/* --- peers --- */

struct peer {
    int fd;
    struct tls *tls;
    struct buffer input; /* decrypted, unread */
    bool ended;          /* the server has ended the connection */
};

UNUSED_OK static struct peer peer_open_plain(struct harness *h)
{
    struct peer peer = { .fd = socket(AF_INET, SOCK_STREAM, 0) };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(h->port) };
    struct timeval timeout = { .tv_sec = PEER_TIMEOUT_S };
    int one = 1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(peer.fd >= 0);
    assert_int_equal(connect(peer.fd, (struct sockaddr *)&address, sizeof address), 0);
    (void)setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    (void)setsockopt(peer.fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    (void)setsockopt(peer.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return peer;
}

/* False when the server no longer takes bytes. */
static bool peer_send_raw(struct peer *peer, struct text bytes)
{
    while (bytes.len > 0) {
        ssize_t sent = send(peer->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes = (struct text){ bytes.ptr + sent, bytes.len - (size_t)sent };
    }
    return true;
}

static bool peer_flush(struct peer *peer)
{
    struct buffer *out = tls_output(peer->tls);
    bool sent = peer_send_raw(peer, buffer_text(out));
    buffer_consume(out, buffer_len(out));
    return sent;
}

/* One read from the socket. False at the end. */
static bool peer_receive(struct peer *peer)
{
    char bytes[65536];
    if (peer->ended)
        return false;
    ssize_t size;
    do {
        size = recv(peer->fd, bytes, sizeof bytes, 0);
    } while (size < 0 && errno == EINTR);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        fail_msg("%s: no answer within %d s", harness_subject, PEER_TIMEOUT_S);
    if (size <= 0) {
        peer->ended = true;
        return false;
    }
    if (peer->tls == NULL) {
        buffer_append(&peer->input, bytes, (size_t)size);
        return true;
    }
    tls_feed(peer->tls, bytes, (size_t)size, &peer->input);
    (void)peer_flush(peer);
    if (tls_state(peer->tls) == TLS_CLOSED || tls_state(peer->tls) == TLS_FAILED)
        peer->ended = true;
    return true;
}

UNUSED_OK static struct peer peer_open(struct harness *h)
{
    struct peer peer = peer_open_plain(h);
    if (h->tls_server == NULL)
        return peer;
    peer.tls = tls_connect(h->tls_client, TEXT("localhost"));
    assert_non_null(peer.tls);
    (void)peer_flush(&peer);
    while (tls_state(peer.tls) == TLS_HANDSHAKE && peer_receive(&peer))
        continue;
    if (tls_state(peer.tls) != TLS_OPEN)
        fail_msg("handshake: %s", tls_failure(peer.tls));
    return peer;
}

UNUSED_OK static bool peer_send(struct peer *peer, struct text bytes)
{
    if (peer->tls == NULL)
        return peer_send_raw(peer, bytes);
    tls_write(peer->tls, bytes.ptr, bytes.len);
    return peer_flush(peer);
}

UNUSED_OK static void peer_close(struct peer *peer)
{
    if (peer->fd >= 0)
        close(peer->fd);
    tls_free(peer->tls);
    buffer_free(&peer->input);
    *peer = (struct peer){ .fd = -1 };
}

/* True when the server ends the connection without another byte. */
UNUSED_OK static bool peer_sees_end(struct peer *peer)
{
    while (buffer_len(&peer->input) == 0 && peer_receive(peer))
        continue;
    return buffer_len(&peer->input) == 0 && peer->ended;
}

/* --- answers --- */

struct answer {
    int status; /* 0: none came */
    char head[4096];
    struct buffer body;
    bool close;
    bool cut; /* the connection ended before the body did */
};

UNUSED_OK static const char *answer_header(const struct answer *answer, const char *name)
{
    static _Thread_local char value[1024];
    size_t len = strlen(name);
    for (const char *line = strstr(answer->head, "\r\n"); line != NULL && line[2] != '\0';
         line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
            continue;
        const char *from = line + 2 + len + 1;
        from += strspn(from, " ");
        (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(from, "\r"), from);
        return value;
    }
    return NULL;
}

static bool peer_need(struct peer *peer, size_t size)
{
    while (buffer_len(&peer->input) < size) {
        if (!peer_receive(peer))
            return false;
    }
    return true;
}

/* Reads one line without its CRLF into line; false at the end. */
static bool peer_line(struct peer *peer, char *line, size_t size)
{
    for (;;) {
        struct text have = buffer_text(&peer->input);
        const char *end = have.len > 0 ? memmem(have.ptr, have.len, "\r\n", 2) : NULL;
        if (end != NULL) {
            (void)snprintf(line, size, "%.*s", (int)(end - have.ptr), have.ptr);
            buffer_consume(&peer->input, (size_t)(end - have.ptr) + 2);
            return true;
        }
        if (!peer_receive(peer))
            return false;
    }
}

static void peer_read_chunks(struct peer *peer, struct answer *answer)
{
    char line[64];
    for (;;) {
        if (!peer_line(peer, line, sizeof line)) {
            answer->cut = true;
            return;
        }
        size_t size = strtoul(line, NULL, 16);
        if (!peer_need(peer, size + 2)) {
            answer->cut = true;
            return;
        }
        buffer_append(&answer->body, peer->input.data + peer->input.start, size);
        buffer_consume(&peer->input, size + 2);
        if (size == 0)
            return;
    }
}

static void peer_read_body(struct peer *peer, struct answer *answer)
{
    const char *length = answer_header(answer, "Content-Length");
    if (length != NULL) {
        size_t size = strtoul(length, NULL, 10);
        answer->cut = !peer_need(peer, size);
        if (answer->cut)
            return;
        buffer_append(&answer->body, peer->input.data + peer->input.start, size);
        buffer_consume(&peer->input, size);
    } else if (answer_header(answer, "Transfer-Encoding") != NULL) {
        peer_read_chunks(peer, answer);
    } else if (answer->status >= 200 && answer->status != 204 && answer->status != 304) {
        while (peer_receive(peer))
            continue;
        buffer_append_text(&answer->body, buffer_text(&peer->input));
        buffer_clear(&peer->input);
    }
}

/* Reads one answer; head_only for HEAD requests. The caller frees answer.body. */
UNUSED_OK static struct answer peer_answer(struct peer *peer, bool head_only)
{
    struct answer answer = { .status = 0 };
    const char *end;
    for (;;) {
        struct text have = buffer_text(&peer->input);
        end = have.len > 0 ? memmem(have.ptr, have.len, "\r\n\r\n", 4) : NULL;
        if (end != NULL)
            break;
        if (!peer_receive(peer))
            return answer;
    }
    size_t size = (size_t)(end - (peer->input.data + peer->input.start)) + 2;
    assert_true(size < sizeof answer.head);
    memcpy(answer.head, peer->input.data + peer->input.start, size);
    answer.head[size] = '\0';
    buffer_consume(&peer->input, size + 2);
    assert_int_equal(strncmp(answer.head, "HTTP/1.1 ", 9), 0);
    answer.status = (int)strtol(answer.head + 9, NULL, 10);
    const char *connection = answer_header(&answer, "Connection");
    answer.close = connection != NULL && strcmp(connection, "close") == 0;
    if (!head_only)
        peer_read_body(peer, &answer);
    return answer;
}

/* Sends and reads one answer, asserts its status. */
UNUSED_OK static void peer_expect(struct peer *peer, const char *request, int status)
{
    assert_true(peer_send(peer, text_of(request)));
    struct answer answer = peer_answer(peer, strncmp(request, "HEAD ", 5) == 0);
    if (answer.status != status)
        fail_msg("%s: %d, should be %d: %.*s", harness_subject, answer.status, status,
                 TEXT_ARGS(buffer_text(&answer.body)));
    buffer_free(&answer.body);
}
