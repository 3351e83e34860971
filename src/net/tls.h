/* TLS 1.2 and 1.3 over memory buffers: no sockets here. tls.c, tls_certificate.c (and base/crypto.c) are the
 * only files that know Mbed TLS. Loop thread only, except tls_global_init, which comes first in main. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"

/* Once per process before anything else of this file: PSA start, clock of the library. */
MUST_CHECK err_t tls_global_init(struct error_info *info);

/* --- certificates --- */
/* Makes an ECDSA P-256 key and a self-signed server certificate (SAN localhost, 127.0.0.1, ::1 and
 * host_name if any; CA:TRUE so that it can be its own trust anchor; valid from one day before 'now' for
 * 'days'); PEM texts. now_ns is wall time. Serial from random bytes. */
MUST_CHECK err_t tls_make_certificate(struct text host_name, int64_t now_ns, int days, struct buffer *certificate_pem,
                                      struct buffer *key_pem, struct error_info *info);

/* When the (first) certificate of a PEM text ends. ERROR_TLS when it does not parse. */
MUST_CHECK err_t tls_certificate_end(struct text certificate_pem, int64_t *end_ns, struct error_info *info);

/* Whether the host of "host", "host:port" or "[::1]:port" is one of the alternative names (DNS or IP) of the (first)
 * certificate of a PEM text. False also when it does not parse. Any thread. */
MUST_CHECK bool tls_certificate_names(struct text certificate_pem, struct text authority);

/* --- contexts --- */
struct tls_server; /* certificate, key, tickets, limits; shared by connections, counted */
struct tls_client; /* trust anchors */

MUST_CHECK err_t tls_server_new(struct text certificate_pem, struct text key_pem, struct tls_server **out,
                                struct error_info *info);
void tls_server_ref(struct tls_server *server);
void tls_server_unref(struct tls_server *server);
/* ca_pem: trust anchors, required. */
MUST_CHECK err_t tls_client_new(struct text ca_pem, struct tls_client **out, struct error_info *info);
void tls_client_ref(struct tls_client *client);
void tls_client_unref(struct tls_client *client);

/* --- sessions --- */
struct tls;

/* NULL when memory is short. The session holds a reference on its context. */
MUST_CHECK struct tls *tls_accept(struct tls_server *server);
/* host_name is verified against the certificate (DNS or IP). The first flight waits in tls_output. */
MUST_CHECK struct tls *tls_connect(struct tls_client *client, struct text host_name);
void tls_free(struct tls *tls);

enum tls_state { TLS_HANDSHAKE, TLS_OPEN, TLS_CLOSED, TLS_FAILED };
enum tls_state tls_state(const struct tls *tls);
/* Why it failed, for the log; "" if it has not. A fatal alert, if one is due, is in tls_output by then. */
const char *tls_failure(const struct tls *tls);
const char *tls_version(const struct tls *tls);

/* Ciphertext from the wire in. Takes all of it (bounded by what one read delivers); then progresses the
 * handshake and appends decrypted bytes to plain_out. Ciphertext to send collects in tls_output. */
void tls_feed(struct tls *tls, const void *ciphertext, size_t size, struct buffer *plain_out);
/* Encrypts all of it (memory output never refuses). Only in TLS_OPEN, and in TLS_CLOSED while the other side
 * has ended but this one has not. In other states the bytes are dropped. */
void tls_write(struct tls *tls, const void *plain, size_t size);
/* Sends close_notify, once; nothing is written after it. */
void tls_close(struct tls *tls);
/* What must be sent now; the caller consumes or swaps the buffer out. */
struct buffer *tls_output(struct tls *tls);
