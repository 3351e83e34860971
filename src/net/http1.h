/* The HTTP/1.1 request parser as a pure machine: bytes in, events out; no sockets, no clock (so it can be
 * fuzzed). Strict: the parser library runs without any lenient flag, and what it leaves unbounded or
 * undecided (sizes, counts, duplicates, Host, transfer codings, Expect) is decided here.
 * Thread: any one at a time. Ownership: texts of the head and the body live in the parser until http1_next. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/text.h"
#include "net/http_types.h"

/* The methods served, in the order of enum http_method (checked where both are visible). */
enum http1_method {
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_PATCH,
    HTTP1_DELETE,
    HTTP1_OPTIONS,
    HTTP1_METHOD_COUNT
};

struct http1;

enum http1_event {
    HTTP1_MORE,    /* all bytes consumed, more are needed */
    HTTP1_HEADERS, /* the head is complete and passed all checks; feed the rest to go on */
    HTTP1_MESSAGE, /* the body is complete too; nothing is read until http1_next */
    HTTP1_ERROR    /* http1_error tells; framing is lost: answer and close */
};

struct http1_head {
    enum http1_method method;
    unsigned version_minor; /* HTTP/1.0 or 1.1 */
    struct text target;     /* as received */
    struct text path;       /* percent-encoded; "*" for OPTIONS * */
    struct text query;      /* after '?'; TEXT_NONE if there is none */
    struct text host;       /* of an absolute target, else the Host header */
    const struct http_field *headers;
    size_t header_count;
    bool has_body;         /* a body of at least one byte, or chunked */
    bool keep_alive;       /* valid after HTTP1_HEADERS */
    bool expects_continue; /* 100-continue is awaited before the body */
};

MUST_CHECK struct http1 *http1_new(size_t body_bytes_max);
void http1_free(struct http1 *parser);
/* Ready for the next request; drops the previous head and body, keeps moderate memory for the next one. */
void http1_next(struct http1 *parser);
/* Between requests: gives that memory back. */
void http1_trim(struct http1 *parser);
/* Takes bytes until an event; *consumed tells how many. After HTTP1_ERROR every call repeats it. */
enum http1_event http1_feed(struct http1 *parser, const char *bytes, size_t size, size_t *consumed);
/* Complete after HTTP1_HEADERS; before that what is known so far, with empty texts. */
const struct http1_head *http1_head(const struct http1 *parser);
/* The body so far; whole after HTTP1_MESSAGE. */
const struct buffer *http1_body(const struct http1 *parser);
/* A byte of a request has come since http1_next (blank lines between requests don't count). */
bool http1_began(const struct http1 *parser);
bool http1_head_complete(const struct http1 *parser);
/* The error for the answer; *message is a static sentence or NULL for the table's. */
err_t http1_error(const struct http1 *parser, const char **message);
/* The library's lenient flags, which must be none; for the test that asserts it. */
unsigned http1_lenient_flags(const struct http1 *parser);
