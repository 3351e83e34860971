/* Private to net/: the bytes of an answer's head, and which answers are compressed. Pure functions. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"
#include "net/http.h"

/* Below this gzip gains nothing; above the other bound it would hold up the loop: level 1 takes 0.4 to 1 ms for
 * 256 KiB of our JSON (measured), so 1 MiB, a page of 1,000 rows, costs about as much as a TLS handshake or two. */
#define RESPONSE_GZIP_BYTES_MIN 1024
#define RESPONSE_GZIP_BYTES_MAX ((size_t)1024 * 1024)
#define RESPONSE_GZIP_LEVEL 1

/* A header set by a handler; lives in the exchange's arena. */
struct response_field {
    struct response_field *next;
    struct text name, value;
};

enum response_framing {
    RESPONSE_NO_BODY, /* 1xx, 204, 304: neither length nor body */
    RESPONSE_LENGTH,
    RESPONSE_CHUNKED,
    RESPONSE_UNTIL_CLOSE /* HTTP/1.0 streams */
};

struct response_head {
    int status;
    struct text content_type; /* TEXT_NONE: none */
    enum response_framing framing;
    uint64_t content_length;
    bool gzip, vary;
    bool close;
    bool keep_alive_10; /* HTTP/1.0 wants it said */
    struct text date;
    struct text request_id;
    const struct response_field *fields;
};

void response_write_head(struct buffer *out, const struct response_head *head);
/* The table's phrase, or "Status" for a code without one. */
const char *response_reason(int status);
bool response_status_has_body(int status);
bool response_type_is_compressible(struct text content_type);
/* gzip (or x-gzip, or *) with a weight above 0. */
bool response_accepts_gzip(struct text accept_encoding);
