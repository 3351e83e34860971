/* HTTP/1.1 responses over llhttp. See http1_response.h.
 * Invariant: llhttp is paused exactly after a message, so nothing of a later answer is looked at early. */
#include "net/http1_response.h"

#include <llhttp.h>

#include "base/memory.h"
#include "net/http1_fields.h"

#define BODY_KEPT_BYTES ((size_t)64 * 1024)

struct http1_response {
    llhttp_t llhttp;
    struct http1_fields fields;
    size_t field_count;
    struct buffer body;
    size_t body_bytes_max;
    bool to_head, began, complete, keep_alive;
    const char *failure;
};

static int fail(struct http1_response *r, const char *failure)
{
    if (r->failure == NULL)
        r->failure = failure;
    return HPE_USER;
}

static int on_header_field(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http1_response *r = llhttp->data;
    return http1_fields_name(&r->fields, at, len) ? 0 : fail(r, "the answer's headers are too large");
}

static int on_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http1_response *r = llhttp->data;
    return http1_fields_value(&r->fields, at, len) ? 0 : fail(r, "the answer's headers are too large");
}

static int on_header_value_complete(llhttp_t *llhttp)
{
    struct http1_response *r = llhttp->data;
    if (http1_fields_end_value(&r->fields))
        return 0;
    (void)fail(r, "the answer's headers are too large");
    return -1;
}

static int on_headers_complete(llhttp_t *llhttp)
{
    struct http1_response *r = llhttp->data;
    bool memory = false;
    r->field_count = http1_fields_resolve(&r->fields, &memory);
    if (!memory) {
        (void)fail(r, "out of memory");
        return -1;
    }
    if ((llhttp->flags & F_CONTENT_LENGTH) != 0 && !r->to_head && llhttp->content_length > r->body_bytes_max) {
        (void)fail(r, "the answer is too large");
        return -1;
    }
    r->keep_alive = llhttp_should_keep_alive(llhttp) != 0;
    return r->to_head ? 1 : 0; /* 1: there is no body */
}

static int on_body(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http1_response *r = llhttp->data;
    if (len > r->body_bytes_max - buffer_len(&r->body))
        return fail(r, "the answer is too large");
    buffer_append(&r->body, at, len);
    return r->body.failed ? fail(r, "out of memory") : 0;
}

static int on_message_complete(llhttp_t *llhttp)
{
    struct http1_response *r = llhttp->data;
    if (r->to_head && llhttp->status_code >= 200)
        r->keep_alive = r->keep_alive || llhttp_should_keep_alive(llhttp) != 0;
    r->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t SETTINGS = {
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_value_complete,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

struct http1_response *http1_response_new(size_t body_bytes_max)
{
    struct http1_response *r = memory_zalloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->body_bytes_max = body_bytes_max;
    http1_response_next(r, false);
    return r;
}

void http1_response_free(struct http1_response *r)
{
    if (r == NULL)
        return;
    http1_fields_free(&r->fields);
    buffer_free(&r->body);
    memory_free(r);
}

void http1_response_next(struct http1_response *r, bool to_head)
{
    llhttp_init(&r->llhttp, HTTP_RESPONSE, &SETTINGS);
    r->llhttp.data = r;
    http1_fields_clear(&r->fields);
    if (r->body.capacity > BODY_KEPT_BYTES)
        buffer_free(&r->body);
    else
        buffer_clear(&r->body);
    r->to_head = to_head;
    r->field_count = 0;
    r->began = r->complete = r->keep_alive = false;
    r->failure = NULL;
}

enum http1_response_event http1_response_feed(struct http1_response *r, const char *bytes, size_t size,
                                              size_t *consumed)
{
    *consumed = 0;
    while (*consumed < size && r->failure == NULL && !r->complete) {
        const char *at = bytes + *consumed;
        r->began = true;
        llhttp_errno_t code = llhttp_execute(&r->llhttp, at, size - *consumed);
        if (code == HPE_OK) {
            *consumed = size;
            return HTTP1_RESPONSE_MORE;
        }
        if (code != HPE_PAUSED) {
            (void)fail(r, llhttp_get_error_reason(&r->llhttp));
            return HTTP1_RESPONSE_ERROR;
        }
        *consumed = (size_t)(llhttp_get_error_pos(&r->llhttp) - bytes);
        if (r->llhttp.status_code == 101) {
            (void)fail(r, "the server changed the protocol");
        } else if (r->llhttp.status_code < 200) {
            bool to_head = r->to_head;
            http1_response_next(r, to_head);
            r->began = true;
        }
    }
    if (r->failure != NULL)
        return HTTP1_RESPONSE_ERROR;
    return r->complete ? HTTP1_RESPONSE_MESSAGE : HTTP1_RESPONSE_MORE;
}

enum http1_response_event http1_response_end(struct http1_response *r)
{
    if (r->complete)
        return HTTP1_RESPONSE_MESSAGE;
    llhttp_errno_t code = llhttp_finish(&r->llhttp);
    if (r->complete && (code == HPE_OK || code == HPE_PAUSED || code == HPE_CB_MESSAGE_COMPLETE)) {
        r->keep_alive = false;
        return HTTP1_RESPONSE_MESSAGE;
    }
    (void)fail(r, "the connection ended before the answer was complete");
    return HTTP1_RESPONSE_ERROR;
}

bool http1_response_began(const struct http1_response *r)
{
    return r->began;
}

int http1_response_status(const struct http1_response *r)
{
    return r->llhttp.status_code;
}

const struct http_field *http1_response_headers(const struct http1_response *r, size_t *count)
{
    *count = r->field_count;
    return r->fields.fields;
}

const struct buffer *http1_response_body(const struct http1_response *r)
{
    return &r->body;
}

bool http1_response_keep_alive(const struct http1_response *r)
{
    return r->keep_alive;
}

const char *http1_response_failure(const struct http1_response *r)
{
    return r->failure != NULL ? r->failure : "";
}
