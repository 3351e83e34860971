/* The HTTPS server: listener, connections, TLS, HTTP/1.1 with keep-alive and pipelining, limits, deadlines,
 * bounded output, graceful drain. Calls on_request for every complete, well-formed request; everything
 * malformed is answered here with the documented error body. Loop thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/tls.h"

struct server;

/* Numbers left 0 take the value in the comment. */
struct server_options {
    struct text listen;            /* "127.0.0.1:8443", "[::1]:0" */
    struct tls_server *tls;        /* NULL: plain HTTP (tests only); the server takes a reference of its own */
    size_t connections_max;        /* 1024; above it new connections wait in the backlog */
    size_t handshakes_max;         /* 64 at once */
    size_t body_bytes_max;         /* 16 MiB */
    uint32_t handshake_timeout_ms; /* 10 s */
    uint32_t header_timeout_ms;    /* 10 s from the first byte of a request to the end of its headers */
    uint32_t body_timeout_ms;      /* 30 s without progress of at least 1 KiB/s */
    uint32_t idle_timeout_ms;      /* 60 s between requests */
    uint32_t write_timeout_ms;     /* 30 s without progress */
    uint32_t drain_timeout_ms;     /* 10 s at shutdown */
    /* Called with the complete request. Must answer now or later (see http.h). */
    void (*on_request)(struct http_exchange *exchange, void *context);
    /* Optional: called when the headers are complete and before the body is read (also before 100-continue).
     * Returning an error answers it at once and closes, so that an unauthenticated client can't make us
     * read 16 MiB. The exchange's request has no body yet. */
    err_t (*on_headers)(struct http_exchange *exchange, void *context, struct error_info *info);
    /* Optional: writes the error body for errors found here (api/problem.c supplies ARM's form) and may add
     * headers. Default: {"error":{"code","message"}}. */
    void (*write_error)(struct http_exchange *exchange, const struct error_info *info, struct buffer *body);
    /* Optional: one call per answered request, for logs and metrics. */
    void (*on_done)(const struct http_exchange *exchange, int status, uint64_t body_bytes, int64_t duration_ns,
                    void *context);
    void *context;
};

struct server_stats {
    uint64_t connections_open, connections_total, handshakes_failed_total, requests_total, bytes_in_total,
        bytes_out_total, rejected_total;
};

/* Binds and listens. ERROR_ADDRESS_IN_USE or ERROR_INVALID_CONFIG with a message. Options are copied. */
MUST_CHECK err_t server_start(struct loop *loop, const struct server_options *options, struct server **out,
                              struct error_info *info);
/* "127.0.0.1:41231": the address really bound. Valid while the server lives. */
struct text server_address(const struct server *server);
struct server_stats server_stats(const struct server *server);
/* Stops accepting, lets requests in flight finish (their answers carry Connection: close), closes idle
 * connections, after drain_timeout_ms everything; then calls done(context). */
void server_drain(struct server *server, void (*done)(void *context), void *context);
/* After done, or to close everything now (the loop must still run once to finish closing). */
void server_free(struct server *server);
/* A new certificate for new connections (SIGHUP). The server takes a reference of its own and drops that on the
 * old one, which lives until its last connection ends; the caller drops its own (tls_server_unref) when it likes. */
void server_set_tls(struct server *server, struct tls_server *tls);
