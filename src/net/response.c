/* Heads of answers. See response.h. Pure; any thread. */
#include "net/response.h"

/* Static security headers of every answer; what depends on the kind of content is set where that is made. */
#define FIXED_FIELDS                                                                                                   \
    "X-Content-Type-Options: nosniff\r\n"                                                                              \
    "Strict-Transport-Security: max-age=31536000; includeSubDomains\r\n"

const char *response_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } table[] = {
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 207, "Multi-Status" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 406, "Not Acceptable" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 410, "Gone" },
        { 411, "Length Required" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 416, "Range Not Satisfiable" },
        { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" },
        { 428, "Precondition Required" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (table[i].status == status)
            return table[i].reason;
    }
    return "Status";
}

bool response_status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

static void write_field(struct buffer *out, struct text name, struct text value)
{
    buffer_append_text(out, name);
    buffer_append_literal(out, ": ");
    buffer_append_text(out, value);
    buffer_append_literal(out, "\r\n");
}

void response_write_head(struct buffer *out, const struct response_head *head)
{
    buffer_append_literal(out, "HTTP/1.1 ");
    buffer_append_u64(out, (uint64_t)head->status);
    buffer_append_char(out, ' ');
    buffer_append_text(out, text_of(response_reason(head->status)));
    buffer_append_literal(out, "\r\n");
    write_field(out, TEXT("Date"), head->date);
    if (head->content_type.len > 0)
        write_field(out, TEXT("Content-Type"), head->content_type);
    if (head->framing == RESPONSE_LENGTH) {
        buffer_append_literal(out, "Content-Length: ");
        buffer_append_u64(out, head->content_length);
        buffer_append_literal(out, "\r\n");
    } else if (head->framing == RESPONSE_CHUNKED) {
        buffer_append_literal(out, "Transfer-Encoding: chunked\r\n");
    }
    if (head->gzip)
        buffer_append_literal(out, "Content-Encoding: gzip\r\n");
    if (head->vary)
        buffer_append_literal(out, "Vary: Accept-Encoding\r\n");
    write_field(out, TEXT("x-ms-request-id"), head->request_id);
    buffer_append_literal(out, FIXED_FIELDS);
    for (const struct response_field *field = head->fields; field != NULL; field = field->next)
        write_field(out, field->name, field->value);
    if (head->close)
        buffer_append_literal(out, "Connection: close\r\n");
    else if (head->keep_alive_10)
        buffer_append_literal(out, "Connection: keep-alive\r\n");
    buffer_append_literal(out, "\r\n");
}

bool response_type_is_compressible(struct text content_type)
{
    static const struct text types[] = {
        { "application/json", 16 }, { "application/x-ndjson", 20 },      { "application/javascript", 22 },
        { "application/xml", 15 },  { "application/manifest+json", 25 }, { "application/vnd.oai.openapi+json", 32 },
        { "image/svg+xml", 13 }
    };
    struct text rest = content_type, type;
    if (!text_cut(&rest, ';', &type))
        return false;
    type = text_trim(type);
    if (text_starts_with_nocase(type, TEXT("text/")))
        return true;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (text_equal_nocase(type, types[i]))
            return true;
    }
    return false;
}

/* The weight is zero exactly when it is written with no other digit than 0. */
static bool weight_is_zero(struct text parameters)
{
    struct text piece;
    while (text_cut(&parameters, ';', &piece)) {
        piece = text_trim(piece);
        if (piece.len < 2 || (piece.ptr[0] != 'q' && piece.ptr[0] != 'Q') || piece.ptr[1] != '=')
            continue;
        for (size_t i = 2; i < piece.len; i++) {
            if (piece.ptr[i] >= '1' && piece.ptr[i] <= '9')
                return false;
        }
        return true;
    }
    return false;
}

bool response_accepts_gzip(struct text accept_encoding)
{
    bool any = false;
    struct text rest = accept_encoding, item;
    while (text_cut(&rest, ',', &item)) {
        struct text coding;
        if (!text_cut(&item, ';', &coding))
            continue;
        coding = text_trim(coding);
        if (text_equal_nocase(coding, TEXT("gzip")) || text_equal_nocase(coding, TEXT("x-gzip")))
            return !weight_is_zero(item);
        if (text_equal(coding, TEXT("*")))
            any = !weight_is_zero(item);
    }
    return any;
}
