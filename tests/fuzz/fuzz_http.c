/* The request and the response parser. The first byte chooses the parser and the size of the pieces in which the rest
 * is fed. What is accepted must not depend on the pieces, so everything is parsed twice; which of two errors is found
 * first may (the library hands out the beginning of a name before it has seen its end). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/http1.h"
#include "net/http1_response.h"

#define BODY_BYTES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    size_t messages_count, body_bytes, header_count;
    err_t error;
};

static void check_head(const struct http1_head *head)
{
    REQUIRE(head->header_count <= HTTP_HEADERS_MAX && head->method < HTTP1_METHOD_COUNT && head->version_minor <= 1);
    REQUIRE(head->target.len > 0 && head->target.len <= HTTP_TARGET_BYTES_MAX && head->path.len > 0);
    REQUIRE(head->version_minor == 0 || head->host.len > 0);
    for (size_t i = 0; i < head->header_count; i++) {
        struct text value = head->headers[i].value;
        REQUIRE(head->headers[i].name.len > 0);
        REQUIRE(value.len == 0 ||
                (memchr(value.ptr, '\n', value.len) == NULL && memchr(value.ptr, '\r', value.len) == NULL &&
                 memchr(value.ptr, '\0', value.len) == NULL));
    }
}

static struct outcome parse_requests(const char *bytes, size_t size, size_t piece)
{
    struct outcome o = { .error = ERROR_OK };
    struct http1 *parser = http1_new(BODY_BYTES_MAX);
    REQUIRE(parser != NULL);
    for (size_t at = 0; at < size && o.error == ERROR_OK;) {
        size_t end = size - at < piece ? size : at + piece;
        enum http1_event event;
        do { /* a message without a body completes with no further byte */
            size_t consumed = 0;
            event = http1_feed(parser, bytes + at, end - at, &consumed);
            REQUIRE(consumed <= end - at);
            at += consumed;
            if (event == HTTP1_HEADERS) {
                check_head(http1_head(parser));
                o.header_count += http1_head(parser)->header_count;
            } else if (event == HTTP1_MESSAGE) {
                o.messages_count++;
                o.body_bytes += buffer_len(http1_body(parser));
                REQUIRE(buffer_len(http1_body(parser)) <= BODY_BYTES_MAX);
                http1_next(parser);
            } else if (event == HTTP1_ERROR) {
                const char *message;
                o.error = http1_error(parser, &message);
                REQUIRE(o.error != ERROR_OK);
            }
        } while (event == HTTP1_HEADERS);
        REQUIRE(event != HTTP1_MORE || at == end);
    }
    http1_free(parser);
    return o;
}

static struct outcome parse_responses(const char *bytes, size_t size, size_t piece)
{
    struct outcome o = { .error = ERROR_OK };
    struct http1_response *parser = http1_response_new(BODY_BYTES_MAX);
    REQUIRE(parser != NULL);
    enum http1_response_event event = HTTP1_RESPONSE_MORE;
    for (size_t at = 0; at < size && event != HTTP1_RESPONSE_ERROR;) {
        size_t end = size - at < piece ? size : at + piece, consumed = 0;
        event = http1_response_feed(parser, bytes + at, end - at, &consumed);
        REQUIRE(consumed <= end - at);
        at += consumed;
        if (event == HTTP1_RESPONSE_MESSAGE) {
            size_t count;
            (void)http1_response_headers(parser, &count);
            o.header_count += count;
            o.messages_count++;
            o.body_bytes += buffer_len(http1_response_body(parser));
            http1_response_next(parser, false);
        }
    }
    if (event != HTTP1_RESPONSE_ERROR)
        event = http1_response_end(parser);
    o.error = event == HTTP1_RESPONSE_ERROR ? ERROR_IO : ERROR_OK;
    http1_response_free(parser);
    return o;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct outcome (*parse)(const char *, size_t, size_t) = (data[0] & 0x80) != 0 ? parse_responses : parse_requests;
    size_t piece = (size_t)(data[0] & 0x7f) + 1;
    const char *bytes = (const char *)data + 1;
    struct outcome whole = parse(bytes, size - 1, size), pieces = parse(bytes, size - 1, piece);
    REQUIREF(whole.messages_count == pieces.messages_count && whole.body_bytes == pieces.body_bytes &&
                 whole.header_count == pieces.header_count && (whole.error == ERROR_OK) == (pieces.error == ERROR_OK),
             "pieces of %zu: %zu %zu %zu %d, whole: %zu %zu %zu %d", piece, pieces.messages_count, pieces.body_bytes,
             pieces.header_count, (int)pieces.error, whole.messages_count, whole.body_bytes, whole.header_count,
             (int)whole.error);
    return 0;
}
