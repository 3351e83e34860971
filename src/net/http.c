/* The handlers' view of one request: reading it and answering it. See http.h; the work of answering is the
 * session's. Loop thread only. */
#include "net/http.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "net/exchange.h"
#include "net/session.h"

void exchange_begin(struct http_exchange *exchange, struct session *session, struct arena *arena)
{
    *exchange = (struct http_exchange){ .session = session, .arena = arena, .state = EXCHANGE_READING };
    exchange->fields_tail = &exchange->fields;
}

const struct http_request *http_request(const struct http_exchange *exchange)
{
    return &exchange->request;
}

struct arena *http_arena(struct http_exchange *exchange)
{
    return exchange->arena;
}

struct text http_header(const struct http_request *request, struct text name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (text_equal_nocase(request->headers[i].name, name))
            return request->headers[i].value;
    }
    return TEXT_NONE;
}

struct text http_query(const struct http_request *request, struct text name, bool *found)
{
    for (size_t i = 0; i < request->query_field_count; i++) {
        if (text_equal_nocase(request->query_fields[i].name, name)) {
            *found = true;
            return request->query_fields[i].value;
        }
    }
    *found = false;
    return TEXT_NONE;
}

struct text http_query_plus_space(struct http_exchange *exchange, struct text name, bool *found)
{
    struct text rest = exchange->request.query, pair;
    *found = false;
    while (text_cut(&rest, '&', &pair)) {
        struct text raw_name, decoded, value;
        if (!text_cut(&pair, '=', &raw_name) || !percent_decode(exchange->arena, raw_name, true, &decoded) ||
            !text_equal_nocase(decoded, name))
            continue;
        if (!percent_decode(exchange->arena, pair, true, &value))
            return TEXT_NONE;
        *found = true;
        return value;
    }
    return TEXT_NONE;
}

struct text http_cookie(const struct http_request *request, struct text name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        if (!text_equal_nocase(request->headers[i].name, TEXT("cookie")))
            continue;
        struct text rest = request->headers[i].value, pair, key;
        while (text_cut(&rest, ';', &pair)) {
            pair = text_trim(pair);
            if (text_cut(&pair, '=', &key) && text_equal(text_trim(key), name) && pair.ptr != NULL) {
                struct text value = text_trim(pair);
                if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
                    value = (struct text){ value.ptr + 1, value.len - 2 };
                return value;
            }
        }
    }
    return TEXT_NONE;
}

/* Values may hold what a client sent; a line end in one would let it write headers of its own. */
static struct text copy_clean(struct arena *arena, struct text value)
{
    char *copy = arena_alloc(arena, value.len + 1);
    if (copy == NULL)
        return TEXT_NONE;
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        copy[i] = (c < ' ' && c != '\t') || c == 0x7f ? ' ' : value.ptr[i];
    }
    copy[value.len] = '\0';
    return (struct text){ copy, value.len };
}

void http_set_header(struct http_exchange *exchange, struct text name, struct text value)
{
    static const struct text reserved[] = { { "content-length", 14 }, { "transfer-encoding", 17 },
                                            { "connection", 10 },     { "date", 4 },
                                            { "content-type", 12 },   { "x-ms-request-id", 15 } };
    REQUIRE(exchange->state == EXCHANGE_READING || exchange->state == EXCHANGE_OPEN);
    for (size_t i = 0; i < COUNT_OF(reserved); i++)
        REQUIREF(!text_equal_nocase(name, reserved[i]), "%.*s is the server's own header", TEXT_ARGS(name));
    if (text_equal_nocase(name, TEXT("content-encoding"))) {
        exchange->has_content_encoding = true;
        if (text_equal_nocase(value, TEXT("identity")))
            return; /* a choice for the server, not a word for the wire (RFC 9110 section 8.4) */
    }
    struct response_field *field = arena_alloc(exchange->arena, sizeof *field);
    if (field == NULL)
        return; /* an answer without this header is still an answer; the next allocation decides */
    *field = (struct response_field){ .name = copy_clean(exchange->arena, name),
                                      .value = copy_clean(exchange->arena, value) };
    if (field->name.len == 0)
        return;
    *exchange->fields_tail = field;
    exchange->fields_tail = &field->next;
}

void http_respond(struct http_exchange *exchange, int status, struct text content_type, struct buffer *body)
{
    exchange->owned = *body;
    *body = (struct buffer){ 0 };
    session_answer(exchange, status, content_type, buffer_text(&exchange->owned));
}

void http_respond_static(struct http_exchange *exchange, int status, struct text content_type, struct text body)
{
    session_answer(exchange, status, content_type, body);
}

void http_respond_empty(struct http_exchange *exchange, int status)
{
    session_answer(exchange, status, TEXT_NONE, TEXT(""));
}

void http_respond_stream(struct http_exchange *exchange, int status, struct text content_type,
                         const struct http_stream *stream)
{
    session_answer_stream(exchange, status, content_type, stream);
}

void http_stream_write(struct http_exchange *exchange, struct buffer *bytes)
{
    session_stream_write(exchange, buffer_text(bytes), bytes->failed);
    buffer_free(bytes);
}

void http_stream_end(struct http_exchange *exchange)
{
    session_stream_end(exchange, false);
}

void http_stream_abort(struct http_exchange *exchange)
{
    session_stream_end(exchange, true);
}

void http_set_context(struct http_exchange *exchange, void *context)
{
    exchange->context = context;
}

void *http_context(const struct http_exchange *exchange)
{
    return exchange->context;
}
