/* The HTTPS server: listening socket, admission, sweep of deadlines, drain. See server.h.
 * Ownership: the server owns the listener, its timers, a reference on the tls_server and, through the list in
 * struct sessions, every session. It frees itself at the end of the turn in which it was released, its listener
 * has closed and the last session has left.
 * Admission: libuv holds one accepted socket until uv_accept is called and polls for no other meanwhile; not
 * calling it is how the server stops accepting. */
#include "net/server.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "base/instant.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/address.h"
#include "net/loop_uv.h"
#include "net/session.h"

#define SWEEP_MS 250
#define LISTEN_BACKLOG 1024
/* Descriptors for everything else: store, logs, outgoing connections, libuv itself. */
#define DESCRIPTORS_RESERVED 128
/* When all places for handshakes are taken, one that has lasted this long makes room for the next client. */
#define HANDSHAKE_EVICTABLE_MS 2000

struct server {
    struct loop_handle hook; /* first: listener.data points here */
    struct sessions sessions;
    uv_tcp_t listener;
    struct loop_timer *sweep_timer, *drain_timer;
    struct loop_work drained_work;
    struct loop_garbage garbage;
    bool waiting; /* libuv holds an accepted socket for us */
    bool listener_closing, listener_closed, destroyed;
    void (*drained)(void *context);
    void *drained_context;
    char address[80];
};

static struct server *of(struct sessions *sessions)
{
    return CONTAINER_OF(sessions, struct server, sessions);
}

/* --- life --- */

static void free_server(struct loop_garbage *garbage)
{
    struct server *server = CONTAINER_OF(garbage, struct server, garbage);
    tls_server_unref(server->sessions.tls);
    buffer_free(&server->sessions.scratch);
    memory_free(server);
}

static void destroy_if_over(struct server *server)
{
    if (!server->sessions.released || !server->listener_closed || server->sessions.first != NULL || server->destroyed)
        return;
    server->destroyed = true;
    loop_work_cancel(&server->drained_work);
    loop_free_later(server->sessions.loop, &server->garbage);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct server *server = CONTAINER_OF(handle, struct server, listener);
    server->listener_closed = true;
    destroy_if_over(server);
}

static void close_listener(struct server *server)
{
    if (server->listener_closing)
        return;
    server->listener_closing = true;
    server->waiting = false;
    uv_close((uv_handle_t *)&server->listener, on_listener_closed);
}

static void on_loop_stop(struct loop_handle *hook)
{
    close_listener(CONTAINER_OF(hook, struct server, hook));
}

/* --- admission --- */

static bool has_room(const struct server *server)
{
    const struct sessions *sessions = &server->sessions;
    return sessions->live_count < sessions->options.connections_max &&
           sessions->handshakes_count < sessions->options.handshakes_max;
}

static void accept_waiting(struct server *server)
{
    if (!server->waiting || server->listener_closing || !has_room(server))
        return;
    server->waiting = false;
    if (session_accept(&server->sessions, (uv_stream_t *)&server->listener) != ERROR_OK) {
        log_warning("net", "out of memory for a connection");
        server->waiting = true; /* the sweep tries again */
    }
}

static void on_connection(uv_stream_t *listener, int status)
{
    struct server *server = CONTAINER_OF(listener, struct server, listener);
    if (status != 0) {
        log_warning("net", "accept failed", LOG_CSTR("reason", uv_strerror(status)));
        return;
    }
    server->waiting = true;
    accept_waiting(server);
}

static void report_drained(struct loop_work *work)
{
    struct server *server = CONTAINER_OF(work, struct server, drained_work);
    if (server->drained == NULL || server->sessions.live_count > 0)
        return;
    void (*done)(void *context) = server->drained;
    server->drained = NULL;
    loop_timer_stop(server->drain_timer);
    done(server->drained_context);
}

static void on_changed(struct sessions *sessions)
{
    struct server *server = of(sessions);
    accept_waiting(server);
    if (server->drained != NULL && sessions->live_count == 0)
        loop_defer(sessions->loop, &server->drained_work);
    destroy_if_over(server);
}

/* --- deadlines --- */

static void evict_handshake(struct server *server, int64_t now_ns)
{
    int64_t since_ns;
    if (!server->waiting || server->sessions.handshakes_count < server->sessions.options.handshakes_max)
        return;
    struct session *oldest = session_oldest_handshake(&server->sessions, &since_ns);
    if (oldest != NULL && now_ns - since_ns >= HANDSHAKE_EVICTABLE_MS * NS_PER_MS)
        session_close(oldest);
}

static void sweep(void *context)
{
    struct server *server = context;
    int64_t now_ns = loop_now_ns(server->sessions.loop);
    for (struct session *s = server->sessions.first; s != NULL;) {
        struct session *next = session_next(s);
        session_sweep(s, now_ns);
        s = next;
    }
    evict_handshake(server, now_ns);
    accept_waiting(server);
    loop_timer_start(server->sweep_timer, SWEEP_MS);
}

/* --- starting --- */

static int resolve(struct loop *loop, const struct address *address, struct sockaddr_storage *out)
{
    int port = 0;
    (void)sscanf(address->port, "%d", &port);
    if (uv_ip4_addr(address->host, port, (struct sockaddr_in *)(void *)out) == 0)
        return 0;
    if (uv_ip6_addr(address->host, port, (struct sockaddr_in6 *)(void *)out) == 0)
        return 0;
    uv_getaddrinfo_t request;
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
    int code =
        uv_getaddrinfo(&loop->uv, &request, NULL, address->host, address->port, &hints); /* at start: may block */
    if (code != 0)
        return code;
    memcpy(out, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
    uv_freeaddrinfo(request.addrinfo);
    return 0;
}

static void name_address(struct server *server)
{
    struct sockaddr_storage bound;
    int size = (int)sizeof bound;
    char ip[INET6_ADDRSTRLEN];
    if (uv_tcp_getsockname(&server->listener, (struct sockaddr *)&bound, &size) != 0)
        return;
    if (bound.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&bound;
        (void)uv_ip6_name(v6, ip, sizeof ip);
        (void)snprintf(server->address, sizeof server->address, "[%s]:%u", ip, (unsigned)ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&bound;
        (void)uv_ip4_name(v4, ip, sizeof ip);
        (void)snprintf(server->address, sizeof server->address, "%s:%u", ip, (unsigned)ntohs(v4->sin_port));
    }
}

static err_t bind_and_listen(struct server *server, const struct server_options *options, struct error_info *info)
{
    struct address address;
    struct sockaddr_storage where;
    memset(&where, 0, sizeof where);
    if (!address_parse(options->listen, &address))
        return error_set(info, ERROR_INVALID_CONFIG, "net.listen", "'%.*s' is not ADDRESS:PORT, like 127.0.0.1:8443",
                         TEXT_ARGS(options->listen));
    int code = resolve(server->sessions.loop, &address, &where);
    if (code == 0)
        code = uv_tcp_bind(&server->listener, (const struct sockaddr *)&where, 0);
    if (code == 0)
        code = uv_listen((uv_stream_t *)&server->listener, LISTEN_BACKLOG, on_connection);
    if (code == UV_EADDRINUSE)
        return error_set(info, ERROR_ADDRESS_IN_USE, "net.listen",
                         "%.*s is taken; stop the other process or listen elsewhere", TEXT_ARGS(options->listen));
    if (code != 0)
        return error_set(info, ERROR_INVALID_CONFIG, "net.listen", "can't listen on %.*s: %s",
                         TEXT_ARGS(options->listen), uv_strerror(code));
    name_address(server);
    return ERROR_OK;
}

/* Running out of descriptors would hit the store as well: fewer connections instead. */
static size_t fit_descriptors(size_t connections_max)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)connections_max + DESCRIPTORS_RESERVED;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return connections_max;
    if (limit.rlim_cur < wanted) {
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur >= wanted)
        return connections_max;
    size_t possible = limit.rlim_cur > 2 * DESCRIPTORS_RESERVED ? (size_t)limit.rlim_cur - DESCRIPTORS_RESERVED
                                                                : (size_t)limit.rlim_cur / 2;
    log_warning("net", "fewer connections than configured: raise the limit of open files",
                LOG_INT("configured", connections_max), LOG_INT("possible", possible));
    return possible;
}

static void set_defaults(struct server_options *options)
{
#define DEFAULT(field, value)                                                                                          \
    if (options->field == 0)                                                                                           \
    options->field = (value)
    DEFAULT(connections_max, 1024);
    DEFAULT(handshakes_max, 64);
    DEFAULT(body_bytes_max, HTTP_BODY_BYTES_MAX);
    DEFAULT(handshake_timeout_ms, 10000);
    DEFAULT(header_timeout_ms, 10000);
    DEFAULT(body_timeout_ms, 30000);
    DEFAULT(idle_timeout_ms, 60000);
    DEFAULT(write_timeout_ms, 30000);
    DEFAULT(drain_timeout_ms, 10000);
#undef DEFAULT
}

static void on_drain_timeout(void *context)
{
    struct server *server = context;
    for (struct session *s = server->sessions.first; s != NULL; s = session_next(s))
        session_close(s);
}

err_t server_start(struct loop *loop, const struct server_options *options, struct server **out,
                   struct error_info *info)
{
    REQUIRE(options->on_request != NULL);
    struct server *server = memory_zalloc(1, sizeof *server);
    if (server == NULL)
        return error_set(info, ERROR_NO_MEMORY, NULL, NULL);
    struct sessions *sessions = &server->sessions;
    sessions->options = *options;
    sessions->options.listen = TEXT_NONE; /* the caller's memory */
    set_defaults(&sessions->options);
    sessions->options.connections_max = fit_descriptors(sessions->options.connections_max);
    sessions->loop = loop;
    sessions->changed = on_changed;
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    prng_seed(&sessions->ids, seed);
    server->hook.stop = on_loop_stop;
    server->garbage.free = free_server;
    server->drained_work.run = report_drained;
    REQUIRE(uv_tcp_init(&loop->uv, &server->listener) == 0);
    server->listener.data = &server->hook;
    server->sweep_timer = loop_timer_new(loop, sweep, server);
    server->drain_timer = loop_timer_new(loop, on_drain_timeout, server);
    err_t error = bind_and_listen(server, options, info);
    if (error != ERROR_OK) {
        server_free(server);
        return error;
    }
    sessions->tls = options->tls;
    if (sessions->tls != NULL)
        tls_server_ref(sessions->tls);
    loop_timer_start(server->sweep_timer, SWEEP_MS);
    *out = server;
    return ERROR_OK;
}

struct text server_address(const struct server *server)
{
    return text_of(server->address);
}

struct server_stats server_stats(const struct server *server)
{
    struct server_stats stats = server->sessions.stats;
    stats.connections_open = server->sessions.live_count;
    stats.bytes_in_total = server->sessions.totals.bytes_in;
    stats.bytes_out_total = server->sessions.totals.bytes_out;
    return stats;
}

/* --- ending --- */

void server_drain(struct server *server, void (*done)(void *context), void *context)
{
    REQUIRE(!server->sessions.draining);
    server->sessions.draining = true;
    server->drained = done;
    server->drained_context = context;
    close_listener(server);
    for (struct session *s = server->sessions.first; s != NULL; s = session_next(s))
        session_drain(s);
    if (server->sessions.live_count == 0)
        loop_defer(server->sessions.loop, &server->drained_work);
    else
        loop_timer_start(server->drain_timer, server->sessions.options.drain_timeout_ms);
}

void server_free(struct server *server)
{
    if (server == NULL)
        return;
    REQUIRE(!server->sessions.released);
    server->sessions.released = true;
    server->drained = NULL;
    close_listener(server);
    loop_timer_free(server->sweep_timer);
    loop_timer_free(server->drain_timer);
    for (struct session *s = server->sessions.first; s != NULL; s = session_next(s))
        session_close(s);
    destroy_if_over(server);
}

void server_set_tls(struct server *server, struct tls_server *tls)
{
    tls_server_ref(tls);
    tls_server_unref(server->sessions.tls);
    server->sessions.tls = tls;
}
