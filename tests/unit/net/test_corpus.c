/* Every case of tests/http/ (its README.md tells the form) against a real server on loopback, plain and with TLS, each
 * sent whole and byte by byte. After an answer that keeps the connection a further request must succeed, so that lost
 * framing shows. */
#include "harness.h"

#include <dirent.h>

#define CASE_BYTES_MAX (1024 * 1024)
#define CORPUS_BODY_BYTES_MAX 100000
#define EXPECTATIONS_MAX 64

struct expectation {
    int status;
    char code[48]; /* "-": whatever */
    bool close;
};

struct http_case {
    char name[160];
    struct buffer bytes;
    struct expectation expectations[EXPECTATIONS_MAX];
    size_t expectation_count;
    bool half_close; /* the client ends its side after the bytes */
    bool head;       /* answers are to HEAD requests */
    bool whole_only; /* too long to be sent byte by byte */
};

static void on_request(struct http_exchange *exchange, void *context)
{
    (void)context;
    const struct http_request *request = http_request(exchange);
    struct buffer body = { 0 };
    buffer_append_format(&body, "{\"path\":\"%.*s\",\"body\":%zu}", TEXT_ARGS(request->path), request->body.len);
    http_respond(exchange, 200, TEXT("application/json"), &body);
}

static err_t on_headers(struct http_exchange *exchange, void *context, struct error_info *info)
{
    (void)context;
    if (text_equal(http_request(exchange)->path, TEXT("/forbidden")))
        return error_set(info, ERROR_AUTHORIZATION_FAILED, NULL, NULL);
    return ERROR_OK;
}

/* \r \n \t \\ \xHH */
static void unescape(struct buffer *out, const char *text)
{
    for (; *text != '\0' && *text != '\n'; text++) {
        char c = *text;
        if (c == '\\' && text[1] != '\0') {
            uint8_t byte;
            text++;
            switch (*text) {
            case 'r':
                c = '\r';
                break;
            case 'n':
                c = '\n';
                break;
            case 't':
                c = '\t';
                break;
            case 'x':
                assert_true(hex_decode((struct text){ text + 1, 2 }, &byte, 1));
                c = (char)byte;
                text += 2;
                break;
            default:
                c = *text;
            }
        }
        buffer_append_char(out, c);
    }
}

static void read_bytes_line(struct http_case *c, const char *line)
{
    char *rest;
    unsigned long times = 1;
    const char *text = line + 2;
    if (line[1] == '*') {
        times = strtoul(line + 2, &rest, 10);
        text = rest + 1;
    }
    for (unsigned long i = 0; i < times; i++)
        unescape(&c->bytes, text);
    assert_true(buffer_len(&c->bytes) <= CASE_BYTES_MAX);
}

static void read_expectation(struct http_case *c, const char *line)
{
    char connection[16] = "";
    struct expectation *e = &c->expectations[c->expectation_count++];
    assert_true(c->expectation_count <= EXPECTATIONS_MAX);
    if (sscanf(line, "< %d %47s %15s", &e->status, e->code, connection) != 3)
        fail_msg("%s: not an expectation: %s", c->name, line);
    e->close = strcmp(connection, "close") == 0;
    if (!e->close && strcmp(connection, "keep") != 0)
        fail_msg("%s: neither close nor keep: %s", c->name, line);
}

static bool has_code(struct text body, const char *code)
{
    char member[80];
    (void)snprintf(member, sizeof member, "\"code\":\"%s\"", code);
    return strcmp(code, "-") == 0 || memmem(body.ptr, body.len, member, strlen(member)) != NULL;
}

static bool is_expected(const struct http_case *c, const struct answer *answer, const struct expectation *e)
{
    struct text body = buffer_text(&answer->body);
    if (answer->status != e->status || !has_code(body, e->code)) {
        print_error("%s: %d %.*s, should be %d %s\n", c->name, answer->status, TEXT_ARGS(body), e->status, e->code);
        return false;
    }
    if (e->status == 100)
        return true;
    if (answer->close != e->close) {
        print_error("%s: Connection: %s\n", c->name, answer->close ? "close" : "keep-alive");
        return false;
    }
    static const char *const always[] = { "Date", "x-ms-request-id", "X-Content-Type-Options",
                                          "Strict-Transport-Security" };
    for (size_t i = 0; i < COUNT_OF(always); i++) {
        if (answer_header(answer, always[i]) == NULL) {
            print_error("%s: no %s\n", c->name, always[i]);
            return false;
        }
    }
    return true;
}

static bool check_answers(const struct http_case *c, struct peer *peer)
{
    for (size_t i = 0; i < c->expectation_count; i++) {
        const struct expectation *e = &c->expectations[i];
        struct answer answer = peer_answer(peer, c->head);
        bool expected = is_expected(c, &answer, e);
        buffer_free(&answer.body);
        if (!expected)
            return false;
    }
    bool closed = c->expectation_count == 0 || c->half_close || c->expectations[c->expectation_count - 1].close;
    if (!closed) {
        peer_expect(peer, "GET /after HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    } else if (!peer_sees_end(peer)) {
        print_error("%s: not closed, but %.*s\n", c->name, TEXT_ARGS(buffer_text(&peer->input)));
        return false;
    }
    return true;
}

static bool run_case(const struct http_case *c, struct harness *h, bool byte_by_byte)
{
    harness_subject = c->name;
    struct peer peer = peer_open(h);
    struct text bytes = buffer_text(&c->bytes);
    if (byte_by_byte) {
        for (size_t i = 0; i < bytes.len && peer_send(&peer, (struct text){ bytes.ptr + i, 1 }); i++)
            continue;
    } else {
        (void)peer_send(&peer, bytes); /* a refusal may come before all is sent */
    }
    if (c->half_close) {
        if (peer.tls != NULL) {
            tls_close(peer.tls);
            (void)peer_flush(&peer);
        }
        (void)shutdown(peer.fd, SHUT_WR);
    }
    bool passed = check_answers(c, &peer);
    peer_close(&peer);
    return passed;
}

struct tally {
    size_t cases_count, failed_count;
};

static void end_case(struct http_case *c, struct harness *h, struct tally *tally)
{
    if (c->name[0] != '\0') {
        bool passed = run_case(c, h, false) && (c->whole_only || run_case(c, h, true));
        tally->cases_count++;
        tally->failed_count += passed ? 0 : 1;
    }
    buffer_free(&c->bytes);
    memset(c, 0, sizeof *c);
}

static void run_file(const char *path, struct harness *h, struct tally *tally)
{
    char line[8192];
    struct http_case c;
    memset(&c, 0, sizeof c);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        if (strncmp(line, "## ", 3) == 0) {
            end_case(&c, h, tally);
            (void)snprintf(c.name, sizeof c.name, "%.*s", (int)strcspn(line + 3, "\n"), line + 3);
        } else if (line[0] == '>') {
            read_bytes_line(&c, line);
        } else if (line[0] == '<') {
            read_expectation(&c, line);
        } else if (strncmp(line, "!half-close", 11) == 0) {
            c.half_close = true;
        } else if (strncmp(line, "!head", 5) == 0) {
            c.head = true;
        } else if (strncmp(line, "!whole", 6) == 0) {
            c.whole_only = true;
        } else if (line[0] == '!') {
            fail_msg("%s: unknown: %s", path, line);
        }
    }
    end_case(&c, h, tally);
    (void)fclose(file);
}

static void run_corpus(bool tls)
{
    struct harness h;
    struct tally tally = { 0, 0 };
    harness_start(&h,
                  (struct server_options){
                      .on_request = on_request, .on_headers = on_headers, .body_bytes_max = CORPUS_BODY_BYTES_MAX },
                  tls);
    DIR *folder = opendir("tests/http");
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[512];
        size_t len = strlen(entry->d_name);
        if (len < 4 || strcmp(entry->d_name + len - 4, ".txt") != 0)
            continue;
        (void)snprintf(path, sizeof path, "tests/http/%s", entry->d_name);
        run_file(path, &h, &tally);
    }
    (void)closedir(folder);
    harness_await_open(&h, 0);
    harness_stop(&h);
    assert_int_equal(tally.failed_count, 0);
    assert_true(tally.cases_count > 200);
}

static void cases_over_plain_tcp(void **state)
{
    (void)state;
    run_corpus(false);
}

static void cases_over_tls(void **state)
{
    (void)state;
    run_corpus(true);
}

TESTS(cmocka_unit_test(cases_over_plain_tcp), cmocka_unit_test(cases_over_tls))
