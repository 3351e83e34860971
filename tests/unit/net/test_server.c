/* What the corpus cannot show: disconnects, streams, memory, admission, drain, compression. Plain TCP unless TLS
 * matters. */
#include "handlers.h"

#include "base/gzip.h"
#include "base/memory.h"
#include "net/connection.h"
#include "net/session.h"

/* --- disconnects --- */

static void a_client_may_leave_before_the_answer(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct harness h;
        harness_start(&h, options(), tls == 1);
        struct peer peer = peer_open(&h);
        struct linger reset = { 1, 0 };
        assert_true(peer_send(&peer, TEXT("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")));
        await(&seen.requests_count, 1);
        (void)setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        peer_close(&peer);
        harness_await_open(&h, 0);
        assert_int_equal(atomic_load(&seen.done_count), 0);
        harness_call(&h, answer_held, NULL);
        await(&seen.done_count, 1);
        harness_stop(&h);
    }
}

static void a_client_may_leave_its_half_before_the_answer(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    assert_true(peer_send(&peer, TEXT("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")));
    await(&seen.requests_count, 1);
    (void)shutdown(peer.fd, SHUT_WR);
    usleep(50000);
    harness_call(&h, answer_held, NULL);
    struct answer answer = peer_answer(&peer, false);
    assert_text(buffer_text(&answer.body), "late");
    assert_true(peer_sees_end(&peer));
    buffer_free(&answer.body);
    peer_close(&peer);
    harness_stop(&h);
}

static void the_loop_may_stop_before_the_answer(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    assert_true(peer_send(&peer, TEXT("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")));
    await(&seen.requests_count, 1);
    h.stop_task.function = harness_stop_on_loop;
    loop_post(h.loop, &h.stop_task);
    assert_int_equal(pthread_join(h.thread, NULL), 0);
    answer_held(&h, NULL);                              /* a writer's last completion */
    assert_int_equal(atomic_load(&seen.done_count), 0); /* the server's owner is gone */
    loop_free(h.loop);
    tls_client_unref(h.tls_client);
    buffer_free(&h.certificate);
    buffer_free(&h.key);
    peer_close(&peer);
}

static void write_late(struct harness *h, void *context)
{
    (void)h;
    (void)context;
    write_stream_chunk(seen.stream);
}

static void a_stream_ends_when_its_client_leaves(void **state)
{
    (void)state;
    for (int later = 0; later < 2; later++) {
        struct harness h;
        harness_start(&h, options(), false);
        seen.later = later == 1;
        struct peer peer = peer_open(&h);
        assert_true(peer_send(&peer, TEXT("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")));
        await(&seen.pulls_count, 1);
        peer_close(&peer);
        if (later == 1) {
            harness_await_open(&h, 0);
            assert_int_equal(atomic_load(&seen.stops_count), 0); /* its pull is not answered yet */
            harness_call(&h, write_late, NULL);
        }
        await(&seen.stops_count, 1);
        harness_stop(&h);
        assert_int_equal(atomic_load(&seen.stops_count), 1);
    }
}

/* --- answers --- */

static void streams_arrive_whole_with_bounded_memory(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct harness h;
        harness_start(&h, options(), tls == 1);
        struct peer peer = peer_open(&h);
        assert_true(peer_send(&peer, TEXT("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")));
        await(&seen.pulls_count, 1);
        usleep(300000); /* a slow reader: pulling stops when kernel and server hold their share */
        int pulled = atomic_load(&seen.pulls_count);
        usleep(200000);
        assert_int_equal(atomic_load(&seen.pulls_count), pulled);
        assert_true(pulled < STREAM_CHUNKS / 2);
        struct answer answer = peer_answer(&peer, false);
        assert_int_equal(answer.status, 200);
        assert_false(answer.cut);
        assert_int_equal(buffer_len(&answer.body), (size_t)STREAM_CHUNKS * STREAM_CHUNK_BYTES);
        await(&seen.stops_count, 1);
        assert_int_equal(atomic_load(&seen.body_bytes), (size_t)STREAM_CHUNKS * STREAM_CHUNK_BYTES);
        peer_expect(&peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
        buffer_free(&answer.body);
        peer_close(&peer);
        harness_stop(&h);
    }
}

static void streams_of_old_clients_end_with_the_connection(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    atomic_store(&seen.chunks_left, 3);
    struct peer peer = peer_open(&h);
    assert_true(peer_send(&peer, TEXT("GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")));
    struct answer answer = peer_answer(&peer, false);
    assert_true(answer.close);
    assert_null(answer_header(&answer, "Transfer-Encoding"));
    assert_int_equal(buffer_len(&answer.body), 3 * STREAM_CHUNK_BYTES);
    buffer_free(&answer.body);
    peer_close(&peer);
    harness_stop(&h);
}

static void heads_of_streams_have_no_body(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    peer_expect(&peer, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    await(&seen.stops_count, 1);
    assert_int_equal(atomic_load(&seen.pulls_count), 0);
    peer_expect(&peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    peer_close(&peer);
    harness_stop(&h);
}

static void aborted_streams_look_cut(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), true);
    struct peer peer = peer_open(&h);
    assert_true(peer_send(&peer, TEXT("GET /abort HTTP/1.1\r\nHost: x\r\n\r\n")));
    struct answer answer = peer_answer(&peer, false);
    assert_true(answer.status == 0 || answer.cut);
    assert_int_not_equal(tls_state(peer.tls), TLS_CLOSED);
    await(&seen.stops_count, 1);
    buffer_free(&answer.body);
    peer_close(&peer);
    harness_stop(&h);
}

static void big_answers_arrive_whole(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), true);
    struct peer peer = peer_open(&h);
    for (int i = 0; i < 2; i++) {
        assert_true(peer_send(&peer, TEXT("GET /many HTTP/1.1\r\nHost: x\r\n\r\n")));
        struct answer answer = peer_answer(&peer, false);
        assert_false(answer.cut);
        assert_int_equal(buffer_len(&answer.body), 400000 * 13 + 2288890);
        buffer_free(&answer.body);
    }
    peer_close(&peer);
    harness_stop(&h);
}

static void bodies_are_compressed_when_accepted(void **state)
{
    (void)state;
    static const struct {
        const char *path, *accept;
        bool gzip;
    } cases[] = {
        { "/numbers", "gzip", true },
        { "/numbers", "br;q=1.0, GZIP;q=0.5", true },
        { "/numbers", "*", true },
        { "/numbers", "gzip;q=0, *", false },
        { "/numbers", "gzip; q=0.000", false },
        { "/numbers", "identity", false },
        { "/numbers", "", false },
        { "/small", "gzip", false },
        { "/many", "gzip", false },
    };
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char request[256];
        (void)snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n",
                       cases[i].path, cases[i].accept);
        assert_true(peer_send(&peer, text_of(request)));
        struct answer answer = peer_answer(&peer, false);
        const char *coding = answer_header(&answer, "Content-Encoding");
        if ((coding != NULL) != cases[i].gzip)
            fail_msg("%s %s: %s", cases[i].path, cases[i].accept, coding != NULL ? coding : "plain");
        if (cases[i].gzip) {
            struct buffer plain = { 0 };
            assert_ok(gzip_decompress(buffer_text(&answer.body), 1 << 20, &plain));
            assert_int_equal(buffer_len(&plain), 1000 * 13 + 2890);
            buffer_free(&plain);
        }
        assert_int_equal(answer_header(&answer, "Vary") != NULL, strcmp(cases[i].path, "/numbers") == 0);
        buffer_free(&answer.body);
    }
    peer_close(&peer);
    harness_stop(&h);
}

static void heads_tell_the_length_of_the_body(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    assert_true(peer_send(&peer, TEXT("HEAD /numbers HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n")));
    struct answer answer = peer_answer(&peer, true);
    assert_string_equal(answer_header(&answer, "Content-Length"), "15890");
    answer = peer_answer(&peer, false);
    assert_text(buffer_text(&answer.body), "small");
    buffer_free(&answer.body);
    peer_close(&peer);
    harness_stop(&h);
}

static void headers_cannot_be_injected(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    assert_true(peer_send(&peer, TEXT("GET /headers HTTP/1.1\r\nHost: x\r\n\r\n")));
    struct answer answer = peer_answer(&peer, false);
    assert_int_equal(answer.status, 204);
    assert_string_equal(answer_header(&answer, "X-A"), "b  X-Evil: c");
    assert_null(answer_header(&answer, "X-Evil"));
    assert_null(answer_header(&answer, "Content-Length"));
    assert_non_null(strstr(answer.head, "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n"));
    assert_true(
        peer_send(&peer, TEXT("GET /cookie HTTP/1.1\r\nHost: x\r\nCookie: a=1; session=\"tok\"; xsession=2\r\n\r\n")));
    answer = peer_answer(&peer, false);
    assert_text(buffer_text(&answer.body), "tok");
    buffer_free(&answer.body);
    peer_close(&peer);
    harness_stop(&h);
}

/* --- memory --- */

static void bodies_in_all_are_bounded(void **state)
{
    (void)state;
    enum { PEERS_COUNT = (int)(SESSIONS_BODY_BYTES_MAX / HTTP_BODY_BYTES_MAX) + 2 };
    struct harness h;
    struct peer peers[PEERS_COUNT];
    struct buffer body = { 0 };
    int refused_count = 0;
    harness_start(&h, options(), false);
    char *at = buffer_reserve(&body, HTTP_BODY_BYTES_MAX - 1);
    memset(at, 'b', HTTP_BODY_BYTES_MAX - 1);
    body.end += HTTP_BODY_BYTES_MAX - 1;
    for (int i = 0; i < PEERS_COUNT; i++) { /* each stops a byte before the end */
        peers[i] = peer_open(&h);
        (void)peer_send(&peers[i], TEXT("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\n\r\n"));
        (void)peer_send(&peers[i], buffer_text(&body));
    }
    for (int i = 0; i < PEERS_COUNT; i++) {
        (void)peer_send(&peers[i], TEXT("e"));
        struct answer answer = peer_answer(&peers[i], false);
        if (answer.status == 503) {
            assert_string_equal(answer_header(&answer, "Retry-After"), "1");
            refused_count++;
        } else {
            assert_int_equal(answer.status, 200);
        }
        buffer_free(&answer.body);
        peer_close(&peers[i]);
    }
    assert_int_in_range(refused_count, 1, PEERS_COUNT - 1);
    struct peer peer = peer_open(&h); /* and then there is room again */
    (void)peer_send(&peer, TEXT("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 16777215\r\n\r\n"));
    (void)peer_send(&peer, buffer_text(&body));
    struct answer answer = peer_answer(&peer, false);
    assert_int_equal(answer.status, 200);
    buffer_free(&answer.body);
    peer_close(&peer);
    buffer_free(&body);
    harness_stop(&h);
}

static void fail_memory_from(struct harness *h, void *context)
{
    (void)h;
    (void)memory_fail_from(*(unsigned long *)context);
}

/* The n-th request for memory of the loop thread and all later ones fail: an answer or an end, never a crash. */
static void short_memory_is_survived(void **state)
{
    (void)state;
    static const char *const requests[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /numbers HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n",
        "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /headers HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        "NONSENSE\r\n\r\n",
    };
    for (int tls = 0; tls < 2; tls++) {
        struct harness h;
        harness_start(&h, options(), tls == 1);
        for (size_t i = 0; i < COUNT_OF(requests); i++) {
            for (unsigned long n = 1; n < 24; n++) {
                unsigned long never = 0;
                char subject[128];
                (void)snprintf(subject, sizeof subject, "%s, request %zu for memory, tls %d", requests[i], (size_t)n,
                               tls);
                harness_subject = subject;
                atomic_store(&seen.chunks_left, 3);
                struct peer peer = peer_open(&h);
                harness_await_open(&h, 1);
                harness_call(&h, fail_memory_from, &n);
                (void)peer_send(&peer, text_of(requests[i]));
                struct answer answer = peer_answer(&peer, false);
                harness_call(&h, fail_memory_from, &never);
                buffer_free(&answer.body);
                peer_close(&peer);
                harness_await_open(&h, 0);
            }
        }
        harness_subject = "accepting without memory";
        for (unsigned long n = 1; n < 8; n++) {
            unsigned long never = 0;
            harness_call(&h, fail_memory_from, &n);
            struct peer peer = peer_open_plain(&h);
            usleep(20000);
            harness_call(&h, fail_memory_from, &never);
            harness_advance(&h, 300); /* the sweep tries again */
            peer_close(&peer);
        }
        struct peer peer = peer_open(&h);
        peer_expect(&peer, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
        peer_close(&peer);
        harness_await_open(&h, 0);
        harness_stop(&h);
    }
}

/* --- admission and end --- */

static void connections_above_the_cap_wait(void **state)
{
    (void)state;
    struct harness h;
    struct server_options o = options();
    o.connections_max = 2;
    harness_start(&h, o, false);
    struct peer a = peer_open(&h), b = peer_open(&h);
    peer_expect(&a, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    peer_expect(&b, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    struct peer c = peer_open(&h), d = peer_open(&h);
    assert_true(peer_send(&c, TEXT("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
    assert_true(peer_send(&d, TEXT("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
    usleep(100000);
    assert_int_equal(harness_stats(&h).connections_open, 2);
    peer_close(&a);
    struct answer answer = peer_answer(&c, false);
    assert_int_equal(answer.status, 200);
    buffer_free(&answer.body);
    peer_close(&b);
    answer = peer_answer(&d, false);
    assert_int_equal(answer.status, 200);
    buffer_free(&answer.body);
    peer_close(&c);
    peer_close(&d);
    harness_stop(&h);
}

static void silent_clients_do_not_hold_all_handshakes(void **state)
{
    (void)state;
    struct harness h;
    struct server_options o = options();
    o.handshakes_max = 2;
    harness_start(&h, o, true);
    struct peer a = peer_open_plain(&h), b = peer_open_plain(&h);
    harness_await_open(&h, 2);
    harness_advance(&h, 2100); /* far from the handshake timeout, but a third client waits */
    struct peer c = peer_open(&h);
    peer_expect(&c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    peer_close(&a);
    peer_close(&b);
    peer_close(&c);
    harness_stop(&h);
}

static void plain_http_on_the_tls_port_is_counted(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), true);
    struct peer peer = peer_open_plain(&h);
    assert_true(peer_send_raw(&peer, TEXT("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
    assert_true(peer_need(&peer, 7));
    assert_int_equal(peer.input.data[0], 21); /* an alert */
    while (peer_receive(&peer))
        continue;
    harness_await_open(&h, 0);
    assert_int_equal(harness_stats(&h).handshakes_failed_total, 1);
    peer_close(&peer);
    harness_stop(&h);
}

static atomic_int drained_count;

static void on_drained(void *context)
{
    struct harness *h = context;
    atomic_fetch_add(&drained_count, 1);
    server_free(h->server);
    h->server_freed = true;
}

static void start_drain(struct harness *h, void *context)
{
    (void)context;
    atomic_store(&drained_count, 0);
    server_drain(h->server, on_drained, h);
}

static void drain_lets_requests_finish(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct harness h;
        harness_start(&h, options(), tls == 1);
        struct peer idle = peer_open(&h), busy = peer_open(&h), reading = peer_open(&h);
        peer_expect(&idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
        assert_true(peer_send(&busy, TEXT("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")));
        assert_true(peer_send(&reading, TEXT("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel")));
        await(&seen.requests_count, 2);
        usleep(50000);
        harness_call(&h, start_drain, NULL);
        assert_true(peer_sees_end(&idle));
        peer_close(&idle);
        assert_int_equal(atomic_load(&drained_count), 0);
        assert_true(peer_send(&reading, TEXT("lo")));
        struct answer answer = peer_answer(&reading, false);
        assert_int_equal(answer.status, 200);
        assert_true(answer.close);
        buffer_free(&answer.body);
        peer_close(&reading);
        harness_call(&h, answer_held, NULL);
        answer = peer_answer(&busy, false);
        assert_text(buffer_text(&answer.body), "late");
        assert_true(answer.close);
        buffer_free(&answer.body);
        peer_close(&busy);
        await(&drained_count, 1);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(h.port) };
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_not_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
        close(fd);
        harness_stop(&h);
    }
}

static void drain_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    assert_true(peer_send(&peer, TEXT("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel")));
    usleep(100000);
    harness_call(&h, start_drain, NULL);
    usleep(100000);
    assert_int_equal(atomic_load(&drained_count), 0);
    harness_advance(&h, 10100);
    assert_true(peer_sees_end(&peer));
    await(&drained_count, 1);
    peer_close(&peer);
    harness_stop(&h);
}

static void drain_of_an_empty_server_is_reported(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    harness_call(&h, start_drain, NULL);
    await(&drained_count, 1);
    harness_stop(&h);
}

static void set_other_certificate(struct harness *h, void *context)
{
    server_set_tls(h->server, context);
}

static void a_new_certificate_serves_new_connections(void **state)
{
    (void)state;
    struct harness h;
    struct error_info info;
    struct buffer certificate = { 0 }, key = { 0 };
    struct tls_server *other = NULL;
    harness_start(&h, options(), true);
    struct peer old = peer_open(&h);
    assert_ok(tls_make_certificate(TEXT_NONE, clock_wall_ns(clock_system()), 30, &certificate, &key, &info));
    assert_ok(tls_server_new(buffer_text(&certificate), buffer_text(&key), &other, &info));
    harness_call(&h, set_other_certificate, other);
    peer_expect(&old, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    tls_client_unref(h.tls_client);
    assert_ok(tls_client_new(buffer_text(&certificate), &h.tls_client, &info));
    struct peer new = peer_open(&h);
    peer_expect(&new, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    peer_close(&old);
    peer_close(&new);
    harness_stop(&h);
    tls_server_unref(other);
    buffer_free(&certificate);
    buffer_free(&key);
}

static void taken_and_wrong_addresses_are_told(void **state)
{
    (void)state;
    struct harness h;
    struct error_info info;
    struct server *second = NULL;
    char address[64];
    harness_prepare(&h, options(), false);
    (void)snprintf(address, sizeof address, "127.0.0.1:%u", (unsigned)h.port);
    struct server_options o = { .on_request = on_request, .listen = text_of(address) };
    assert_error(server_start(h.loop, &o, &second, &info), ERROR_ADDRESS_IN_USE);
    assert_non_null(strstr(info.message, address));
    static const char *const wrong[] = { "",         "8443", "127.0.0.1",      "127.0.0.1:99999", "127.0.0.1:x",
                                         "::1:8443", "[::1", "192.0.2.1:8443", "no such host:1" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        o.listen = text_of(wrong[i]);
        assert_error(server_start(h.loop, &o, &second, &info), ERROR_INVALID_CONFIG);
    }
    harness_run(&h);
    harness_stop(&h);
}

TESTS(cmocka_unit_test(a_client_may_leave_before_the_answer),
      cmocka_unit_test(a_client_may_leave_its_half_before_the_answer),
      cmocka_unit_test(the_loop_may_stop_before_the_answer), cmocka_unit_test(a_stream_ends_when_its_client_leaves),
      cmocka_unit_test(streams_arrive_whole_with_bounded_memory),
      cmocka_unit_test(streams_of_old_clients_end_with_the_connection), cmocka_unit_test(heads_of_streams_have_no_body),
      cmocka_unit_test(aborted_streams_look_cut), cmocka_unit_test(big_answers_arrive_whole),
      cmocka_unit_test(bodies_are_compressed_when_accepted), cmocka_unit_test(heads_tell_the_length_of_the_body),
      cmocka_unit_test(headers_cannot_be_injected), cmocka_unit_test(bodies_in_all_are_bounded),
      cmocka_unit_test(short_memory_is_survived), cmocka_unit_test(connections_above_the_cap_wait),
      cmocka_unit_test(silent_clients_do_not_hold_all_handshakes),
      cmocka_unit_test(plain_http_on_the_tls_port_is_counted), cmocka_unit_test(drain_lets_requests_finish),
      cmocka_unit_test(drain_does_not_wait_for_ever), cmocka_unit_test(drain_of_an_empty_server_is_reported),
      cmocka_unit_test(a_new_certificate_serves_new_connections), cmocka_unit_test(taken_and_wrong_addresses_are_told))
