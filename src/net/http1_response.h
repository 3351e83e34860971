/* Private to net/: the HTTP/1.1 response parser, for the client. A pure machine like http1.h; strict likewise. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/text.h"
#include "net/http_types.h"

struct http1_response;

enum http1_response_event {
    HTTP1_RESPONSE_MORE,
    HTTP1_RESPONSE_MESSAGE, /* complete; nothing is read until http1_response_next */
    HTTP1_RESPONSE_ERROR    /* http1_response_failure tells */
};

MUST_CHECK struct http1_response *http1_response_new(size_t body_bytes_max);
void http1_response_free(struct http1_response *response);
/* Ready for the next answer; to a HEAD request it has no body whatever its headers say. */
void http1_response_next(struct http1_response *response, bool to_head);
/* Informational (1xx) answers are skipped. */
enum http1_response_event http1_response_feed(struct http1_response *response, const char *bytes, size_t size,
                                              size_t *consumed);
/* The connection ended in order: completes a body that lasts until then, else an error. */
enum http1_response_event http1_response_end(struct http1_response *response);

bool http1_response_began(const struct http1_response *response);
int http1_response_status(const struct http1_response *response);
const struct http_field *http1_response_headers(const struct http1_response *response, size_t *count);
const struct buffer *http1_response_body(const struct http1_response *response);
bool http1_response_keep_alive(const struct http1_response *response);
const char *http1_response_failure(const struct http1_response *response);
