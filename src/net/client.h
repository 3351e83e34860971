/* The HTTPS client on the loop: keep-alive connections to one origin, one request at a time on each, for
 * forwarding, the demo's producers, import --url and bench. Loop thread only. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/tls.h"

struct client;

struct client_options {
    struct text url;        /* "https://127.0.0.1:8443"; path ignored */
    struct tls_client *tls; /* not owned */
    size_t connections_max; /* parallel requests; more wait in a queue */
    size_t queue_max;       /* waiting requests; above it client_send answers ERROR_TOO_MANY_REQUESTS */
    uint32_t connect_timeout_ms, response_timeout_ms;
    size_t response_bytes_max;
};

struct client_response {
    err_t error; /* ERROR_OK: an HTTP answer came, whatever its status */
    struct error_info info;
    int status;
    const struct http_field *headers;
    size_t header_count;
    struct text body; /* decompressed; valid during the callback */
};

MUST_CHECK err_t client_new(struct loop *loop, const struct client_options *options, struct client **out,
                            struct error_info *info);
/* Cancels what waits (callbacks with ERROR_CANCELLED), closes. */
void client_free(struct client *client);
/* headers and body are copied. done is called exactly once, never from inside client_send. A request whose
 * kept-alive connection turns out closed before any byte of an answer is sent once more on a new one. */
MUST_CHECK err_t client_send(struct client *client, enum http_method method, struct text target,
                             const struct http_field *headers, size_t header_count, struct text body,
                             void (*done)(void *context, const struct client_response *response), void *context);
