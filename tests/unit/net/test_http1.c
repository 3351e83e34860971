/* The request parser without sockets: events, fragments, what a head holds, strictness. The cases that a server must
 * answer are in tests/http/. */
#include "support/testing.h"

#include "net/http1.h"
#include "net/http1_response.h"

#define FEEDS_MAX 100000

struct outcome {
    size_t messages_count;
    size_t heads_count;
    err_t error;
    char bodies[256];
    char targets[256];
};

/* Feeds the text in pieces of 'step' bytes, answering every message at once. */
static struct outcome parse(struct text bytes, size_t step)
{
    struct outcome o = { .messages_count = 0 };
    struct http1 *parser = http1_new(1000);
    assert_non_null(parser);
    size_t at = 0, end = 0;
    for (size_t feeds = 0; feeds < FEEDS_MAX; feeds++) {
        size_t consumed = 0;
        if (at == end && !http1_head_complete(parser))
            end = end + step < bytes.len ? end + step : bytes.len;
        if (at == end && !http1_head_complete(parser))
            break;
        enum http1_event event = http1_feed(parser, bytes.ptr + at, end - at, &consumed);
        assert_true(consumed <= end - at);
        at += consumed;
        if (event == HTTP1_HEADERS) {
            o.heads_count++;
            (void)snprintf(o.targets + strlen(o.targets), sizeof o.targets - strlen(o.targets), "%.*s|",
                           TEXT_ARGS(http1_head(parser)->target));
        } else if (event == HTTP1_MESSAGE) {
            o.messages_count++;
            (void)snprintf(o.bodies + strlen(o.bodies), sizeof o.bodies - strlen(o.bodies), "%.*s|",
                           TEXT_ARGS(buffer_text(http1_body(parser))));
            http1_next(parser);
        } else if (event == HTTP1_ERROR) {
            const char *message;
            o.error = http1_error(parser, &message);
            assert_int_equal(http1_feed(parser, "GET", 3, &consumed), HTTP1_ERROR); /* and stays so */
            break;
        } else if (at == end && end == bytes.len) {
            break;
        } else if (at == end) {
            end = end + step < bytes.len ? end + step : bytes.len;
        }
    }
    http1_free(parser);
    return o;
}

static void pieces_make_no_difference(void **state)
{
    (void)state;
    struct text bytes = TEXT("POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
                             "\r\nGET /d HTTP/1.1\r\nHost: y\r\n\r\n"
                             "PUT /e HTTP/1.1\r\nHost: z\r\nTransfer-Encoding: chunked\r\n\r\n"
                             "3;x=y\r\nfoo\r\n4\r\nbars\r\n0\r\nT: u\r\n\r\n"
                             "GET /f HTTP/1.1\r\nHost: y\r\n\r\n");
    for (size_t step = 1; step <= bytes.len; step++) {
        struct outcome o = parse(bytes, step);
        assert_int_equal(o.error, ERROR_OK);
        assert_int_equal(o.messages_count, 4);
        assert_int_equal(o.heads_count, 4);
        assert_string_equal(o.bodies, "hello||foobars||");
        assert_string_equal(o.targets, "/a?b=c|/d|/e|/f|");
    }
}

static void errors_do_not_depend_on_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        err_t error;
    } cases[] = {
        { "GET /\r\n", ERROR_BAD_REQUEST },
        { "GET / HTTP/1.1\r\n\r\n", ERROR_BAD_REQUEST },
        { "NONSENSE\x01", ERROR_BAD_REQUEST },
        { "NONSENSE / HTTP/1.1\r\n", ERROR_NOT_IMPLEMENTED },
        { "AMETHODWITHOUTANYENDATALLBECAUSEITISLONG", ERROR_NOT_IMPLEMENTED },
        { "GET / HTTP/2.0\r\nHost: x\r\n\r\n", ERROR_HTTP_VERSION },
        { "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n", ERROR_REQUEST_TOO_LARGE },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n", ERROR_REQUEST_TOO_LARGE },
        { "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", ERROR_NOT_IMPLEMENTED },
        { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ERROR_HTTP_VERSION },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t step = 1; step <= strlen(cases[i].bytes); step++) {
            struct outcome o = parse(text_of(cases[i].bytes), step);
            if (o.error != cases[i].error)
                fail_msg("case %zu in steps of %zu: %s", i, step, error_wire_code(o.error));
        }
    }
}

static void no_lenient_flag_is_set(void **state)
{
    (void)state;
    struct http1 *parser = http1_new(1000);
    size_t consumed;
    assert_int_equal(http1_lenient_flags(parser), 0);
    (void)http1_feed(parser, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27, &consumed);
    http1_next(parser);
    assert_int_equal(http1_lenient_flags(parser), 0);
    http1_free(parser);
}

static void a_head_is_taken_apart(void **state)
{
    (void)state;
    struct http1 *parser = http1_new(1000);
    struct text bytes = TEXT("POST https://Stamp:8443/a%20b?c=d?e HTTP/1.1\r\nHost: other\r\nX-A:  b c \t\r\nEmpty:\r\n"
                             "Content-Length: 3\r\nExpect: 100-continue\r\n\r\nxyz");
    size_t consumed;
    assert_int_equal(http1_feed(parser, bytes.ptr, bytes.len, &consumed), HTTP1_HEADERS);
    assert_int_equal(consumed, bytes.len - 3);
    const struct http1_head *head = http1_head(parser);
    assert_int_equal(head->method, HTTP1_POST);
    assert_int_equal(head->version_minor, 1);
    assert_text(head->path, "/a%20b");
    assert_text(head->query, "c=d?e");
    assert_text(head->host, "Stamp:8443");
    assert_int_equal(head->header_count, 5);
    assert_text(head->headers[1].name, "X-A");
    assert_text(head->headers[1].value, "b c");
    assert_text(head->headers[2].value, "");
    assert_true(head->keep_alive);
    assert_true(head->has_body);
    assert_true(head->expects_continue);
    size_t rest = 0;
    assert_int_equal(http1_feed(parser, bytes.ptr + consumed, 3, &rest), HTTP1_MESSAGE);
    assert_int_equal(rest, 3);
    assert_text(buffer_text(http1_body(parser)), "xyz");
    assert_int_equal(http1_feed(parser, "GET", 3, &rest), HTTP1_MESSAGE); /* nothing more until next */
    assert_int_equal(rest, 0);
    http1_free(parser);
}

static void a_lying_length_reserves_nothing(void **state)
{
    (void)state;
    struct http1 *parser = http1_new((size_t)1 << 30);
    struct text bytes = TEXT("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nx");
    size_t consumed, rest;
    assert_int_equal(http1_feed(parser, bytes.ptr, bytes.len, &consumed), HTTP1_HEADERS);
    assert_int_equal(http1_feed(parser, bytes.ptr + consumed, bytes.len - consumed, &rest), HTTP1_MORE);
    assert_true(http1_body(parser)->capacity <= 65536);
    http1_free(parser);
}

/* --- responses --- */

static void answers_of_all_framings(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *body;
        bool until_end, keep_alive, to_head;
    } cases[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", false, true, false },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
          "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
          "hello", false, true, false },
        { "HTTP/1.1 200 OK\r\n\r\nhello", "hello", true, false, false },
        { "HTTP/1.1 204 No Content\r\n\r\n", "", false, true, false },
        { "HTTP/1.1 304 Not Modified\r\n\r\n", "", false, true, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", false, true, true },
        { "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false, false, false },
        { "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false, false, false },
        { "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
          "ok", false, true, false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t step = 1; step < 100; step++) {
            struct http1_response *r = http1_response_new(1000);
            http1_response_next(r, cases[i].to_head);
            struct text bytes = text_of(cases[i].bytes);
            enum http1_response_event event = HTTP1_RESPONSE_MORE;
            for (size_t at = 0; at < bytes.len; at += step) {
                size_t consumed, size = at + step < bytes.len ? step : bytes.len - at;
                event = http1_response_feed(r, bytes.ptr + at, size, &consumed);
                assert_int_equal(consumed, size);
                if (event == HTTP1_RESPONSE_ERROR)
                    fail_msg("case %zu: %s", i, http1_response_failure(r));
            }
            if (cases[i].until_end) {
                assert_int_equal(event, HTTP1_RESPONSE_MORE);
                event = http1_response_end(r);
            }
            if (event != HTTP1_RESPONSE_MESSAGE)
                fail_msg("case %zu in steps of %zu: %s", i, step, http1_response_failure(r));
            assert_text(buffer_text(http1_response_body(r)), cases[i].body);
            assert_int_equal(http1_response_keep_alive(r), cases[i].keep_alive);
            http1_response_free(r);
        }
    }
}

static void broken_answers_are_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
        "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 200 OK\r\nContent",
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http1_response *r = http1_response_new(1000);
        size_t consumed;
        enum http1_response_event event = http1_response_feed(r, cases[i], strlen(cases[i]), &consumed);
        if (event == HTTP1_RESPONSE_MORE)
            event = http1_response_end(r);
        if (event != HTTP1_RESPONSE_ERROR || http1_response_failure(r)[0] == '\0')
            fail_msg("case %zu is taken", i);
        http1_response_free(r);
    }
}

TESTS(cmocka_unit_test(pieces_make_no_difference), cmocka_unit_test(errors_do_not_depend_on_pieces),
      cmocka_unit_test(no_lenient_flag_is_set), cmocka_unit_test(a_head_is_taken_apart),
      cmocka_unit_test(a_lying_length_reserves_nothing), cmocka_unit_test(answers_of_all_framings),
      cmocka_unit_test(broken_answers_are_refused))
