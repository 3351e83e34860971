/* HTTP/1.1 requests over llhttp. See http1.h.
 * Invariants: llhttp is paused exactly after the head and after the message, so no byte of a later request is
 * looked at while one is in progress; every byte count that a peer controls is bounded before it is stored. */
#include "net/http1.h"

#include <llhttp.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "net/http1_fields.h"

/* Blank lines tolerated before a request (RFC 9112 section 2.2 asks for at least one). */
#define BLANK_BYTES_MAX 8
/* Raw bytes of a head: the counted parts plus separators and optional blanks, which nobody else counts. */
#define HEAD_RAW_BYTES_MAX (HTTP_TARGET_BYTES_MAX + HTTP_HEADER_BYTES_MAX + 1024)
/* A body buffer larger than this is given back after each request, a smaller one when the connection idles. */
#define BODY_KEPT_BYTES ((size_t)1024 * 1024)
#define METHOD_BYTES_SEEN 24

struct http1 {
    llhttp_t llhttp;
    struct http1_head head;
    struct http1_fields fields; /* its bytes begin with the target */
    size_t target_len;
    size_t extension_bytes, blank_bytes, protocol_len;
    size_t raw_bytes;       /* of the head, before the current feed */
    const char *feed_start; /* where that stands; valid during http1_feed */
    size_t token_end;       /* of the request line, counted like raw_bytes */
    struct buffer body;
    size_t body_bytes_max;
    char seen[METHOD_BYTES_SEEN]; /* first bytes of the request, to tell an unknown method from junk */
    size_t seen_len;
    bool began, method_unknown, head_complete, message_complete;
    err_t error;
    const char *message;
};

static int fail(struct http1 *p, err_t error, const char *message)
{
    if (p->error == ERROR_OK) {
        p->error = error;
        p->message = message;
    }
    return HPE_USER;
}

static struct http1 *of(const llhttp_t *llhttp)
{
    return llhttp->data;
}

/* --- callbacks: fragments are appended and counted --- */

/* The parts of the request line stand one blank apart: the library also takes more, other parsers don't. */
static bool follows_one_blank(const struct http1 *p, const char *at)
{
    return p->raw_bytes + (size_t)(at - p->feed_start) == p->token_end + 1;
}

static void mark_token_end(struct http1 *p, const char *end)
{
    p->token_end = p->raw_bytes + (size_t)(end - p->feed_start);
}

static int on_method(llhttp_t *llhttp, const char *at, size_t len)
{
    mark_token_end(of(llhttp), at + len);
    return 0;
}

static int on_protocol(llhttp_t *llhttp, const char *at, size_t len)
{
    /* The library also knows RTSP and ICE. */
    struct http1 *p = of(llhttp);
    if (p->protocol_len == 0 && !follows_one_blank(p, at))
        return fail(p, ERROR_BAD_REQUEST, "more than one blank in the request line");
    if (p->protocol_len + len > 4 || memcmp(&"HTTP"[p->protocol_len], at, len) != 0)
        return fail(p, ERROR_BAD_REQUEST, "the protocol is not HTTP");
    p->protocol_len += len;
    return 0;
}

static int on_url(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http1 *p = of(llhttp);
    if (p->target_len + len > HTTP_TARGET_BYTES_MAX)
        return fail(p, ERROR_URI_TOO_LONG, NULL);
    if (p->target_len == 0 && !follows_one_blank(p, at))
        return fail(p, ERROR_BAD_REQUEST, "more than one blank in the request line");
    mark_token_end(p, at + len);
    p->target_len += len;
    buffer_append(&p->fields.bytes, at, len);
    return 0;
}

static int fail_without_version(struct http1 *p)
{
    return fail(p, ERROR_BAD_REQUEST, "the request line has no version");
}

static int on_url_complete(llhttp_t *llhttp)
{
    if (llhttp->http_major != 0 || llhttp->http_minor != 9)
        return 0; /* the version is not known yet */
    (void)fail_without_version(of(llhttp));
    return -1;
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http1 *p = of(llhttp);
    return http1_fields_name(&p->fields, at, len) ? 0 : fail(p, ERROR_HEADERS_TOO_LARGE, NULL);
}

static int on_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http1 *p = of(llhttp);
    return http1_fields_value(&p->fields, at, len) ? 0 : fail(p, ERROR_HEADERS_TOO_LARGE, NULL);
}

static int on_header_value_complete(llhttp_t *llhttp)
{
    struct http1 *p = of(llhttp);
    if (http1_fields_end_value(&p->fields))
        return 0;
    (void)fail(p, ERROR_HEADERS_TOO_LARGE, NULL);
    return -1;
}

static int on_chunk_extension(llhttp_t *llhttp, const char *at, size_t len)
{
    (void)at;
    struct http1 *p = of(llhttp);
    p->extension_bytes += len + 1; /* the separator */
    if (p->extension_bytes > HTTP_CHUNK_EXTENSION_BYTES_MAX)
        return fail(p, ERROR_REQUEST_TOO_LARGE, "chunk extensions are at most 4 KiB");
    return 0;
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http1 *p = of(llhttp);
    if (len > p->body_bytes_max - buffer_len(&p->body))
        return fail(p, ERROR_REQUEST_TOO_LARGE, NULL);
    buffer_append(&p->body, at, len);
    return p->body.failed ? fail(p, ERROR_SERVICE_UNAVAILABLE, NULL) : 0;
}

static int on_chunk_header(llhttp_t *llhttp)
{
    struct http1 *p = of(llhttp);
    /* Refused by its announcement, before its bytes are read. */
    if (llhttp->content_length > p->body_bytes_max - buffer_len(&p->body)) {
        (void)fail(p, ERROR_REQUEST_TOO_LARGE, NULL);
        return -1;
    }
    return 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    of(llhttp)->message_complete = true;
    return HPE_PAUSED;
}

/* --- checks of the complete head --- */

static bool method_known(uint8_t method, enum http1_method *out)
{
    switch (method) {
    case HTTP_GET:
        *out = HTTP1_GET;
        return true;
    case HTTP_HEAD:
        *out = HTTP1_HEAD;
        return true;
    case HTTP_POST:
        *out = HTTP1_POST;
        return true;
    case HTTP_PUT:
        *out = HTTP1_PUT;
        return true;
    case HTTP_PATCH:
        *out = HTTP1_PATCH;
        return true;
    case HTTP_DELETE:
        *out = HTTP1_DELETE;
        return true;
    case HTTP_OPTIONS:
        *out = HTTP1_OPTIONS;
        return true;
    default:
        return false; /* CONNECT, TRACE, WebDAV, ... */
    }
}

/* reg-name, IPv4 or [IPv6] with an optional port; nothing that could be taken for a path or userinfo. */
static bool host_is_valid(struct text host)
{
    if (host.len == 0 || host.len > 261)
        return false;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool ok = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  (c != '\0' && strchr(".-_~:[]%", c) != NULL);
        if (!ok)
            return false;
    }
    return true;
}

static int check_target(struct http1 *p)
{
    struct text target = p->head.target;
    for (size_t i = 0; i < target.len; i++) {
        unsigned char c = (unsigned char)target.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '#')
            return fail(p, ERROR_BAD_REQUEST, "the request target holds a character that must be encoded");
    }
    struct text rest = target;
    if (text_equal(target, TEXT("*"))) {
        if (p->head.method != HTTP1_OPTIONS)
            return fail(p, ERROR_BAD_REQUEST, "'*' is a target for OPTIONS only");
    } else if (target.len == 0 || target.ptr[0] != '/') {
        bool https = text_starts_with_nocase(target, TEXT("https://"));
        if (!https && !text_starts_with_nocase(target, TEXT("http://")))
            return fail(p, ERROR_BAD_REQUEST, "the request target is neither a path nor an http URL");
        size_t start = https ? 8 : 7, end = start;
        while (end < target.len && target.ptr[end] != '/' && target.ptr[end] != '?')
            end++;
        p->head.host = (struct text){ target.ptr + start, end - start };
        if (!host_is_valid(p->head.host))
            return fail(p, ERROR_BAD_REQUEST, "the authority of the request target is not valid");
        rest = (struct text){ target.ptr + end, target.len - end };
    }
    const char *mark = rest.len > 0 ? memchr(rest.ptr, '?', rest.len) : NULL;
    size_t path_len = mark != NULL ? (size_t)(mark - rest.ptr) : rest.len;
    p->head.path = path_len > 0 ? (struct text){ rest.ptr, path_len } : TEXT("/");
    p->head.query = mark != NULL ? (struct text){ mark + 1, rest.len - path_len - 1 } : TEXT_NONE;
    return 0;
}

/* Only "chunked" alone is served: a list that ends in chunked is framed but coded in ways not known here. */
static int check_transfer_encoding(struct http1 *p, struct text value, size_t field_count)
{
    if (p->head.version_minor == 0)
        return fail(p, ERROR_BAD_REQUEST, "Transfer-Encoding is not part of HTTP/1.0");
    size_t chunked_count = 0;
    struct text rest = value, piece;
    while (text_cut(&rest, ',', &piece)) {
        piece = text_trim(piece);
        if (piece.len == 0)
            return fail(p, ERROR_BAD_REQUEST, "Transfer-Encoding holds an empty element");
        if (!text_equal_nocase(piece, TEXT("chunked")))
            return fail(p, ERROR_NOT_IMPLEMENTED, "the only transfer coding is chunked");
        chunked_count++;
    }
    if (chunked_count != 1 || field_count != 1)
        return fail(p, ERROR_BAD_REQUEST, "chunked is given more than once");
    return 0;
}

static int check_fields(struct http1 *p)
{
    static const struct text unique[] = { { "host", 4 },
                                          { "authorization", 13 },
                                          { "content-type", 12 },
                                          { "content-length", 14 },
                                          { "transfer-encoding", 17 },
                                          { "expect", 6 } };
    enum { HOST, AUTHORIZATION, TYPE, LENGTH, CODING, EXPECT, UNIQUE_COUNT };
    _Static_assert(COUNT_OF(unique) == UNIQUE_COUNT, "names and indexes agree");
    size_t counts[UNIQUE_COUNT] = { 0 };
    struct text values[UNIQUE_COUNT] = { { NULL, 0 } };
    for (size_t i = 0; i < p->head.header_count; i++) {
        for (size_t k = 0; k < UNIQUE_COUNT; k++) {
            if (text_equal_nocase(p->head.headers[i].name, unique[k])) {
                counts[k]++;
                values[k] = p->head.headers[i].value;
            }
        }
    }
    if (counts[HOST] > 1 || counts[AUTHORIZATION] > 1 || counts[TYPE] > 1 || counts[LENGTH] > 1)
        return fail(p, ERROR_BAD_REQUEST,
                    "Host, Authorization, Content-Type and Content-Length may be given once only");
    if (counts[HOST] == 0 && p->head.version_minor > 0)
        return fail(p, ERROR_BAD_REQUEST, "HTTP/1.1 requires a Host header");
    if (counts[HOST] == 1 && !host_is_valid(values[HOST]))
        return fail(p, ERROR_BAD_REQUEST, "the Host header is not valid");
    if (p->head.host.len == 0)
        p->head.host = values[HOST];
    if (counts[CODING] > 0 && check_transfer_encoding(p, values[CODING], counts[CODING]) != 0)
        return HPE_USER;
    if (counts[CODING] > 0 && counts[LENGTH] > 0)
        return fail(p, ERROR_BAD_REQUEST, "Content-Length and Transfer-Encoding exclude each other");
    if (counts[EXPECT] > 0) {
        if (counts[EXPECT] > 1 || !text_equal_nocase(values[EXPECT], TEXT("100-continue")))
            return fail(p, ERROR_EXPECTATION_FAILED, NULL);
        p->head.expects_continue = p->head.version_minor > 0;
    }
    p->head.has_body = counts[CODING] > 0 || p->llhttp.content_length > 0;
    if (counts[LENGTH] > 0 && p->llhttp.content_length > p->body_bytes_max)
        return fail(p, ERROR_REQUEST_TOO_LARGE, NULL);
    return 0;
}

static int check_head(struct http1 *p)
{
    bool memory = false;
    p->head.header_count = http1_fields_resolve(&p->fields, &memory);
    p->head.headers = p->fields.fields;
    if (!memory)
        return fail(p, ERROR_SERVICE_UNAVAILABLE, NULL);
    p->head.target = (struct text){ buffer_text(&p->fields.bytes).ptr, p->target_len };
    if (p->llhttp.http_major != 1 || p->llhttp.http_minor > 1)
        return fail(p, ERROR_HTTP_VERSION, NULL);
    p->head.version_minor = p->llhttp.http_minor;
    if (!method_known(p->llhttp.method, &p->head.method))
        return fail(p, ERROR_NOT_IMPLEMENTED, "this method is not known");
    if (check_target(p) != 0 || check_fields(p) != 0)
        return HPE_USER;
    if (p->llhttp.upgrade)
        return fail(p, ERROR_BAD_REQUEST, "there is no other protocol to upgrade to");
    p->head.keep_alive = llhttp_should_keep_alive(&p->llhttp) != 0;
    return 0;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct http1 *p = of(llhttp);
    if (check_head(p) != 0)
        return -1;
    p->head_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t SETTINGS = {
    .on_method = on_method,
    .on_protocol = on_protocol,
    .on_url = on_url,
    .on_url_complete = on_url_complete,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_chunk_header = on_chunk_header,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* --- the machine --- */

struct http1 *http1_new(size_t body_bytes_max)
{
    struct http1 *p = memory_zalloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->body_bytes_max = body_bytes_max;
    http1_next(p);
    return p;
}

void http1_free(struct http1 *p)
{
    if (p == NULL)
        return;
    http1_fields_free(&p->fields);
    buffer_free(&p->body);
    memory_free(p);
}

void http1_next(struct http1 *p)
{
    llhttp_init(&p->llhttp, HTTP_REQUEST, &SETTINGS);
    p->llhttp.data = p;
    p->head = (struct http1_head){ .version_minor = 1, .keep_alive = false };
    http1_fields_clear(&p->fields);
    if (p->body.capacity > BODY_KEPT_BYTES)
        buffer_free(&p->body);
    else
        buffer_clear(&p->body);
    p->target_len = p->extension_bytes = p->blank_bytes = p->protocol_len = 0;
    p->raw_bytes = p->token_end = 0;
    p->seen_len = 0;
    p->began = p->method_unknown = p->head_complete = p->message_complete = false;
    p->error = ERROR_OK;
    p->message = NULL;
}

void http1_trim(struct http1 *p)
{
    buffer_free(&p->body);
    buffer_free(&p->fields.bytes);
}

/* The library refuses an unknown method at its first odd character. A token is a method that is not served
 * (501), anything else is not HTTP (400). False: the bytes seen so far don't tell. */
static bool classify_method(struct http1 *p)
{
    for (size_t i = 0; i < p->seen_len; i++) {
        char c = p->seen[i];
        bool token = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
        if (token)
            continue;
        if (c == ' ' && i > 0)
            break;
        (void)fail(p, ERROR_BAD_REQUEST, NULL);
        return true;
    }
    if (p->seen_len < METHOD_BYTES_SEEN && (p->seen_len == 0 || memchr(p->seen, ' ', p->seen_len) == NULL))
        return false;
    (void)fail(p, ERROR_NOT_IMPLEMENTED, "this method is not known");
    return true;
}

static void classify(struct http1 *p, llhttp_errno_t code)
{
    const char *reason = llhttp_get_error_reason(&p->llhttp); /* a literal */
    bool version_known = p->llhttp.http_major == 1 && p->llhttp.http_minor <= 1;
    enum http1_method method;
    switch ((int)code) {
    case HPE_INVALID_METHOD:
        p->method_unknown = true;
        break;
    case HPE_INVALID_VERSION: /* or what follows it */
        (void)fail(p, version_known ? ERROR_BAD_REQUEST : ERROR_HTTP_VERSION, reason);
        break;
    case HPE_INVALID_CONSTANT: /* the methods of RTSP fail here */
        if (p->protocol_len == 4 && !method_known(p->llhttp.method, &method))
            (void)fail(p, ERROR_NOT_IMPLEMENTED, "this method is not known");
        else
            (void)fail(p, ERROR_BAD_REQUEST, reason);
        break;
    case HPE_PAUSED_H2_UPGRADE:
        (void)fail(p, ERROR_HTTP_VERSION, NULL);
        break;
    case HPE_PAUSED_UPGRADE:
        (void)fail(p, ERROR_BAD_REQUEST, "there is no other protocol to upgrade to");
        break;
    default:
        (void)fail(p, ERROR_BAD_REQUEST, reason);
        break;
    }
}

static size_t skip_blank_lines(struct http1 *p, const char *bytes, size_t size)
{
    size_t skipped = 0;
    while (skipped < size && (bytes[skipped] == '\r' || bytes[skipped] == '\n'))
        skipped++;
    p->blank_bytes += skipped;
    if (p->blank_bytes > BLANK_BYTES_MAX)
        (void)fail(p, ERROR_BAD_REQUEST, "blank lines instead of a request");
    return skipped;
}

enum http1_event http1_feed(struct http1 *p, const char *bytes, size_t size, size_t *consumed)
{
    *consumed = 0;
    size_t skipped = p->began ? 0 : skip_blank_lines(p, bytes, size);
    if (p->error != ERROR_OK)
        return HTTP1_ERROR;
    if (p->message_complete)
        return HTTP1_MESSAGE;
    if (skipped == size && !p->head_complete) { /* after the head even no bytes may complete a message */
        *consumed = skipped;
        return HTTP1_MORE;
    }
    p->began = true;
    bool in_head = !p->head_complete;
    for (size_t i = skipped; i < size && p->seen_len < METHOD_BYTES_SEEN && in_head; i++)
        p->seen[p->seen_len++] = bytes[i];

    *consumed = size;
    if (p->method_unknown)
        return classify_method(p) ? HTTP1_ERROR : HTTP1_MORE;
    p->feed_start = bytes + skipped;
    llhttp_errno_t code = llhttp_execute(&p->llhttp, p->feed_start, size - skipped);
    if (code == HPE_PAUSED) {
        *consumed = (size_t)(llhttp_get_error_pos(&p->llhttp) - bytes);
        llhttp_resume(&p->llhttp);
    } else if (code != HPE_OK) {
        classify(p, code);
        if (p->method_unknown && !classify_method(p))
            return HTTP1_MORE;
        if (!p->head_complete && !p->fields.bytes.failed) /* for the log */
            p->head.target = (struct text){ buffer_text(&p->fields.bytes).ptr, p->target_len };
        return HTTP1_ERROR;
    }
    if (in_head) {
        p->raw_bytes += *consumed - skipped;
        if (p->raw_bytes > HEAD_RAW_BYTES_MAX) {
            (void)fail(p, ERROR_HEADERS_TOO_LARGE, NULL);
            return HTTP1_ERROR;
        }
    }
    /* HTTP/0.9 sends nothing more, and the library would wait for a byte to be sure. */
    if (code == HPE_OK && in_head && p->target_len > 0 && p->protocol_len == 0 && bytes[size - 1] == '\n') {
        (void)fail_without_version(p);
        return HTTP1_ERROR;
    }
    if (code == HPE_OK)
        return HTTP1_MORE;
    return p->message_complete ? HTTP1_MESSAGE : HTTP1_HEADERS;
}

const struct http1_head *http1_head(const struct http1 *p)
{
    return &p->head;
}

const struct buffer *http1_body(const struct http1 *p)
{
    return &p->body;
}

bool http1_began(const struct http1 *p)
{
    return p->began;
}

bool http1_head_complete(const struct http1 *p)
{
    return p->head_complete;
}

err_t http1_error(const struct http1 *p, const char **message)
{
    *message = p->message;
    return p->error;
}

unsigned http1_lenient_flags(const struct http1 *p)
{
    return p->llhttp.lenient_flags;
}
