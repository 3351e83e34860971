/* Private to net/: one TCP connection with optional TLS as a byte stream, used by server and client alike. Knows
 * nothing of HTTP. Loop thread only.
 *
 * Events arrive through struct connection_events; none is called from inside a function of this header. 'closed'
 * is the last one and comes exactly once, after the socket's close callback; the connection frees itself then.
 * Output collects during a turn and leaves at its end; writing never refuses, so whoever writes much watches
 * connection_output_bytes and waits for 'drained'. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "net/loop.h"
#include "net/tls.h"

#define CONNECTION_OUTPUT_HIGH_BYTES ((size_t)256 * 1024) /* above: no reading, no pulling of streams */
#define CONNECTION_OUTPUT_LOW_BYTES ((size_t)64 * 1024)   /* below again: go on */
/* Unconsumed input at which reading pauses (one read of 64 KiB may come on top). */
#define CONNECTION_INPUT_MAX_BYTES ((size_t)64 * 1024)

struct connection;
struct sockaddr;
struct uv_stream_s;

struct connection_events {
    void (*opened)(void *context);   /* connected, and with TLS: the handshake is done */
    void (*received)(void *context); /* connection_input has grown; consume what you can */
    void (*ended)(void *context);    /* the other side sends nothing more */
    void (*drained)(void *context);  /* connection_output_bytes fell to the low-water mark */
    /* error ERROR_OK: closed by us or in order; else what broke, failure for the log ("" if nothing). */
    void (*closed)(void *context, err_t error, const char *failure);
};

struct connection_totals { /* shared counters of the owner; may be NULL */
    uint64_t bytes_in, bytes_out;
};

/* tls (may be NULL) is taken over, also on failure. events and totals must outlive the connection. */
MUST_CHECK struct connection *connection_new(struct loop *loop, struct tls *tls, const struct connection_events *events,
                                             void *context, struct connection_totals *totals);
/* Exactly one of these follows; on an error connection_close, and 'closed' will come. */
MUST_CHECK err_t connection_accept(struct connection *connection, struct uv_stream_s *listener);
MUST_CHECK err_t connection_connect(struct connection *connection, const struct sockaddr *address);

/* "127.0.0.1:41231"; "" before it is known. Valid until 'closed' has returned. */
struct text connection_peer(const struct connection *connection);
struct tls *connection_tls(const struct connection *connection);
/* Decrypted bytes that nobody has consumed; the owner consumes in place. */
struct buffer *connection_input(struct connection *connection);
/* After consuming outside of 'received', so that reading can go on. */
void connection_input_consumed(struct connection *connection);
/* Gives back large idle buffers. */
void connection_trim(struct connection *connection);

void connection_write(struct connection *connection, const void *bytes, size_t size);
/* Ciphertext or plain bytes that the socket has not taken yet. */
size_t connection_output_bytes(const struct connection *connection);

/* Orderly end: sends what is written, close_notify and FIN, then drops what still comes until the other side
 * ends too (so that it reads our answer before a reset could destroy it) or the linger time is over. */
void connection_finish(struct connection *connection);
/* The same without waiting for the other side: for a connection on which nothing is under way. */
void connection_hang_up(struct connection *connection);
/* Now. Idempotent. */
void connection_close(struct connection *connection);
bool connection_is_closing(const struct connection *connection);
/* Called several times a second by the owner: ends stalled writes and lingering. */
void connection_sweep(struct connection *connection, int64_t now_ns, uint32_t write_timeout_ms);
