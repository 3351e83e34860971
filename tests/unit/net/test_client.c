/* The client against the real server (its own loop and thread), and against peers that misbehave on purpose. */
#include "harness.h"

#include <stdatomic.h>

#include "base/gzip.h"
#include "net/client.h"

struct seen {
    struct http_exchange *held;
    atomic_int requests_count;
    atomic_int held_count;
};

static struct seen seen;

static void on_request(struct http_exchange *exchange, void *context)
{
    (void)context;
    const struct http_request *request = http_request(exchange);
    struct buffer body = { 0 };
    atomic_fetch_add(&seen.requests_count, 1);
    if (text_equal(request->path, TEXT("/hold"))) {
        seen.held = exchange;
        atomic_fetch_add(&seen.held_count, 1);
        return;
    }
    if (text_equal(request->path, TEXT("/numbers"))) {
        for (int i = 0; i < 1000; i++)
            buffer_append_format(&body, "{\"number\":%d},\n", i);
    } else {
        buffer_append_text(&body, http_header(request, TEXT("x-echo")));
        buffer_append_text(&body, request->body);
    }
    http_respond(exchange, text_equal(request->path, TEXT("/teapot")) ? 418 : 200, TEXT("application/json"), &body);
}

static void answer_held(struct harness *h, void *context)
{
    (void)h;
    (void)context;
    http_respond_static(seen.held, 200, TEXT("text/plain"), TEXT("late"));
}

/* The client's side: a loop of its own, run until all awaited answers have come. */
struct requests {
    struct clock_manual clock;
    struct loop *loop;
    struct client *client;
    int left, ok_count, failed_count;
    err_t error;
    int status;
    char message[ERROR_MESSAGE_SIZE];
    struct buffer body;
    void (*then)(struct requests *r);
};

static void on_answer(void *context, const struct client_response *response)
{
    struct requests *r = context;
    r->error = response->error;
    r->status = response->status;
    if (response->error == ERROR_OK) {
        r->ok_count++;
        buffer_clear(&r->body);
        buffer_append_text(&r->body, response->body);
    } else {
        r->failed_count++;
        (void)snprintf(r->message, sizeof r->message, "%s", response->info.message);
    }
    if (--r->left > 0)
        return;
    if (r->then != NULL) {
        void (*then)(struct requests * r) = r->then;
        r->then = NULL;
        then(r);
        return;
    }
    client_free(r->client);
    r->client = NULL;
    loop_stop(r->loop);
}

static void prepare(struct requests *r, const char *url, struct tls_client *tls, size_t connections_max)
{
    struct error_info info;
    memset(r, 0, sizeof *r);
    clock_manual_init(&r->clock, 0, 1000);
    assert_ok(loop_new(&r->clock.clock, &r->loop));
    struct client_options options = { .url = text_of(url),
                                      .tls = tls,
                                      .connections_max = connections_max,
                                      .queue_max = 1000,
                                      .connect_timeout_ms = 5000,
                                      .response_timeout_ms = 5000,
                                      .response_bytes_max = 4 * 1024 * 1024 };
    if (client_new(r->loop, &options, &r->client, &info) != ERROR_OK)
        fail_msg("%s", info.message);
}

static void send_one(struct requests *r, enum http_method method, const char *target, struct text body)
{
    struct http_field headers[] = { { TEXT("X-Echo"), TEXT("echo:") } };
    r->left++;
    assert_ok(client_send(r->client, method, text_of(target), headers, 1, body, on_answer, r));
}

static void run(struct requests *r)
{
    loop_run(r->loop);
    loop_free(r->loop);
}

static const char *url_of(const struct harness *h, bool tls)
{
    static char url[64];
    (void)snprintf(url, sizeof url, "%s://localhost:%u", tls ? "https" : "http", (unsigned)h->port);
    return url;
}

static void start_server(struct harness *h, bool tls)
{
    memset((void *)&seen, 0, sizeof seen);
    harness_start(h, (struct server_options){ .on_request = on_request }, tls);
}

static void requests_are_answered(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct harness h;
        struct requests r;
        start_server(&h, tls == 1);
        prepare(&r, url_of(&h, tls == 1), tls == 1 ? h.tls_client : NULL, 2);
        send_one(&r, HTTP_POST, "/a?b=c", TEXT("hello"));
        run(&r);
        assert_int_equal(r.error, ERROR_OK);
        assert_int_equal(r.status, 200);
        assert_text(buffer_text(&r.body), "echo:hello");
        buffer_free(&r.body);
        harness_stop(&h);
    }
}

static void every_status_is_an_answer(void **state)
{
    (void)state;
    struct harness h;
    struct requests r;
    start_server(&h, true);
    prepare(&r, url_of(&h, true), h.tls_client, 1);
    send_one(&r, HTTP_GET, "/teapot", TEXT(""));
    run(&r);
    assert_int_equal(r.error, ERROR_OK);
    assert_int_equal(r.status, 418);
    buffer_free(&r.body);
    harness_stop(&h);
}

static void gzip_answers_are_unpacked(void **state)
{
    (void)state;
    struct harness h;
    struct requests r;
    start_server(&h, true);
    prepare(&r, url_of(&h, true), h.tls_client, 1);
    send_one(&r, HTTP_GET, "/numbers", TEXT(""));
    run(&r);
    assert_int_equal(r.error, ERROR_OK);
    assert_int_equal(buffer_len(&r.body), 15890);
    assert_true(harness_stats(&h).bytes_out_total < 12000);
    buffer_free(&r.body);
    harness_stop(&h);
}

static void many_requests_share_few_connections(void **state)
{
    (void)state;
    struct harness h;
    struct requests r;
    start_server(&h, true);
    prepare(&r, url_of(&h, true), h.tls_client, 3);
    for (int i = 0; i < 500; i++)
        send_one(&r, i % 5 == 0 ? HTTP_HEAD : HTTP_POST, "/a", TEXT("body"));
    run(&r);
    assert_int_equal(r.ok_count, 500);
    assert_int_equal(harness_stats(&h).connections_total, 3);
    assert_int_equal(harness_stats(&h).requests_total, 500);
    buffer_free(&r.body);
    harness_stop(&h);
}

static void big_bodies_arrive(void **state)
{
    (void)state;
    struct harness h;
    struct requests r;
    struct buffer big = { 0 };
    start_server(&h, true);
    for (int i = 0; i < 300000; i++)
        buffer_append_u64(&big, (uint64_t)i + 100000);
    prepare(&r, url_of(&h, true), h.tls_client, 1);
    send_one(&r, HTTP_POST, "/big", buffer_text(&big));
    run(&r);
    assert_int_equal(r.error, ERROR_OK);
    assert_int_equal(buffer_len(&r.body), buffer_len(&big) + 5);
    assert_memory_equal(r.body.data + 5, big.data, buffer_len(&big));
    buffer_free(&r.body);
    buffer_free(&big);
    harness_stop(&h);
}

static void untrusted_servers_are_refused(void **state)
{
    (void)state;
    struct harness h, other;
    struct requests r;
    start_server(&h, true);
    start_server(&other, true);
    prepare(&r, url_of(&h, true), other.tls_client, 1);
    send_one(&r, HTTP_GET, "/", TEXT(""));
    send_one(&r, HTTP_GET, "/", TEXT(""));
    run(&r);
    assert_int_equal(r.failed_count, 2);
    assert_int_equal(r.error, ERROR_TLS);
    assert_non_null(strstr(r.message, "certificate"));
    assert_int_equal(atomic_load(&seen.requests_count), 0);
    buffer_free(&r.body);
    harness_stop(&h);
    harness_stop(&other);
}

static void refused_connections_and_unknown_names_are_told(void **state)
{
    (void)state;
    static const char *const urls[] = { "http://127.0.0.1:1", "http://no-such-host.invalid:80" };
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct requests r;
        prepare(&r, urls[i], NULL, 2);
        send_one(&r, HTTP_GET, "/", TEXT(""));
        send_one(&r, HTTP_GET, "/", TEXT(""));
        run(&r);
        assert_int_equal(r.failed_count, 2);
        assert_int_equal(r.error, ERROR_IO);
        assert_true(r.message[0] != '\0');
        buffer_free(&r.body);
    }
}

static void wrong_arguments_are_refused(void **state)
{
    (void)state;
    struct requests r;
    struct error_info info;
    struct client *client = NULL;
    prepare(&r, "http://127.0.0.1:1", NULL, 1);
    assert_error(client_send(r.client, HTTP_GET, TEXT("no/slash"), NULL, 0, TEXT(""), on_answer, &r),
                 ERROR_BAD_REQUEST);
    assert_error(client_send(r.client, HTTP_GET, TEXT("/a b"), NULL, 0, TEXT(""), on_answer, &r), ERROR_BAD_REQUEST);
    static const char *const urls[] = { "", "ftp://x", "https://x", "http://", "http://x:99999", "http://a b/" };
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct client_options options = { .url = text_of(urls[i]) };
        assert_error(client_new(r.loop, &options, &client, &info), ERROR_INVALID_CONFIG);
    }
    for (int i = 0; i < 1000; i++)
        send_one(&r, HTTP_GET, "/", TEXT(""));
    assert_error(client_send(r.client, HTTP_GET, TEXT("/"), NULL, 0, TEXT(""), on_answer, &r), ERROR_TOO_MANY_REQUESTS);
    run(&r); /* all are refused by nobody listening */
    assert_int_equal(r.failed_count, 1000);
    buffer_free(&r.body);
}

static void free_now(struct requests *r)
{
    send_one(r, HTTP_GET, "/hold", TEXT(""));
    send_one(r, HTTP_GET, "/queued", TEXT(""));
    r->left = 3; /* the last one never comes: the end is below */
    struct client *client = r->client;
    r->client = NULL;
    client_free(client);
    r->left = 1;
    struct client_response last = { .error = ERROR_OK };
    on_answer(r, &last);
}

static void a_freed_client_cancels_what_waits(void **state)
{
    (void)state;
    struct harness h;
    struct requests r;
    start_server(&h, true);
    prepare(&r, url_of(&h, true), h.tls_client, 1);
    send_one(&r, HTTP_GET, "/", TEXT(""));
    r.then = free_now;
    run(&r);
    assert_int_equal(r.failed_count, 2);
    buffer_free(&r.body);
    harness_stop(&h);
}

/* --- a server that misbehaves: answers each connection as told and closes it --- */

struct script {
    const char *answers[8]; /* per request; NULL: close without an answer; ends with "" */
    bool close_after[8];
    int fd;
    uint16_t port;
    pthread_t thread;
    atomic_int connections_count;
};

static bool read_head(int fd)
{
    char bytes[4096];
    size_t size = 0;
    while (size < sizeof bytes) {
        ssize_t got = recv(fd, bytes + size, sizeof bytes - size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        size += (size_t)got;
        if (memmem(bytes, size, "\r\n\r\n", 4) != NULL)
            return true;
    }
    return false;
}

static void *play(void *context)
{
    struct script *s = context;
    int fd = -1;
    for (int i = 0; s->answers[i] == NULL || s->answers[i][0] != '\0'; i++) {
        while (fd < 0 || !read_head(fd)) {
            if (fd >= 0)
                close(fd);
            do {
                fd = accept(s->fd, NULL, NULL);
            } while (fd < 0 && errno == EINTR);
            if (fd < 0)
                return NULL;
            atomic_fetch_add(&s->connections_count, 1);
        }
        if (s->answers[i] != NULL)
            (void)send(fd, s->answers[i], strlen(s->answers[i]), MSG_NOSIGNAL);
        if (s->close_after[i]) {
            close(fd);
            fd = -1;
        }
    }
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void start_script(struct script *s)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, play, s), 0);
}

static void end_script(struct script *s)
{
    (void)shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static void prepare_for(struct requests *r, const struct script *s)
{
    char url[64];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%u", (unsigned)s->port);
    prepare(r, url, NULL, 1);
}

#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static void send_again(struct requests *r)
{
    send_one(r, HTTP_GET, "/second", TEXT(""));
}

static void stale_connections_are_replaced_once(void **state)
{
    (void)state;
    /* The kept connection is closed under the second request; the third attempt is a new connection. */
    struct script s = { .answers = { ANSWER, NULL, ANSWER, "" }, .close_after = { false, true, true } };
    struct requests r;
    start_script(&s);
    prepare_for(&r, &s);
    send_one(&r, HTTP_GET, "/first", TEXT(""));
    r.then = send_again;
    run(&r);
    assert_int_equal(r.ok_count, 2);
    assert_int_equal(r.failed_count, 0);
    end_script(&s);
    assert_int_equal(atomic_load(&s.connections_count), 2);
    buffer_free(&r.body);
}

static void a_new_connection_that_closes_is_a_failure(void **state)
{
    (void)state;
    struct script s = { .answers = { NULL, "" }, .close_after = { true } };
    struct requests r;
    start_script(&s);
    prepare_for(&r, &s);
    send_one(&r, HTTP_GET, "/", TEXT(""));
    run(&r);
    assert_int_equal(r.failed_count, 1);
    assert_int_equal(r.error, ERROR_IO);
    end_script(&s);
    assert_int_equal(atomic_load(&s.connections_count), 1);
    buffer_free(&r.body);
}

static void cut_and_broken_answers_are_failures(void **state)
{
    (void)state;
    static const char *const answers[] = { "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "NONSENSE\r\n\r\n",
                                           "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
                                           "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
                                           "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nok" };
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        struct script s = { .answers = { answers[i], "" }, .close_after = { true } };
        struct requests r;
        start_script(&s);
        prepare_for(&r, &s);
        send_one(&r, HTTP_GET, "/", TEXT(""));
        run(&r);
        if (r.failed_count != 1)
            fail_msg("%s is taken", answers[i]);
        end_script(&s);
        buffer_free(&r.body);
    }
}

static void answers_until_the_end_are_taken(void **state)
{
    (void)state;
    struct script s = { .answers = { "HTTP/1.1 200 OK\r\n\r\nall of it", "" }, .close_after = { true } };
    struct requests r;
    start_script(&s);
    prepare_for(&r, &s);
    send_one(&r, HTTP_GET, "/", TEXT(""));
    run(&r);
    assert_int_equal(r.error, ERROR_OK);
    assert_text(buffer_text(&r.body), "all of it");
    end_script(&s);
    buffer_free(&r.body);
}

static void *step_clock(void *context)
{
    struct requests *r = context;
    for (int i = 0; i < 1000 && atomic_load(&seen.held_count) == 0; i++)
        usleep(10000);
    usleep(50000);
    clock_manual_set_monotonic(&r->clock, 100 * NS_PER_SECOND);
    return NULL;
}

static void slow_answers_time_out(void **state)
{
    (void)state;
    struct harness h;
    struct requests r;
    pthread_t thread;
    start_server(&h, false);
    prepare(&r, url_of(&h, false), NULL, 1);
    clock_manual_set_monotonic(&r.clock, NS_PER_SECOND);
    send_one(&r, HTTP_GET, "/hold", TEXT(""));
    assert_int_equal(pthread_create(&thread, NULL, step_clock, &r), 0);
    run(&r);
    pthread_join(thread, NULL);
    assert_int_equal(r.error, ERROR_REQUEST_TIMEOUT);
    harness_call(&h, answer_held, NULL);
    buffer_free(&r.body);
    harness_stop(&h);
}

TESTS(cmocka_unit_test(requests_are_answered), cmocka_unit_test(every_status_is_an_answer),
      cmocka_unit_test(gzip_answers_are_unpacked), cmocka_unit_test(many_requests_share_few_connections),
      cmocka_unit_test(big_bodies_arrive), cmocka_unit_test(untrusted_servers_are_refused),
      cmocka_unit_test(refused_connections_and_unknown_names_are_told), cmocka_unit_test(wrong_arguments_are_refused),
      cmocka_unit_test(a_freed_client_cancels_what_waits), cmocka_unit_test(stale_connections_are_replaced_once),
      cmocka_unit_test(a_new_connection_that_closes_is_a_failure),
      cmocka_unit_test(cut_and_broken_answers_are_failures), cmocka_unit_test(answers_until_the_end_are_taken),
      cmocka_unit_test(slow_answers_time_out))
