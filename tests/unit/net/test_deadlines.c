/* Deadlines of connections: heads, bodies, handshakes, idling, stalled readers, lingering. Time is the test's
 * (harness_advance). */
#include "handlers.h"

static void slow_heads_get_408(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    assert_true(peer_send(&peer, TEXT("GET / HTTP/1.1\r\nHost")));
    harness_await_bytes(&h, 20);
    harness_advance(&h, 5000);
    assert_true(peer_send(&peer, TEXT(": x")));
    harness_await_bytes(&h, 23);
    harness_advance(&h, 4900); /* bytes in between win no time */
    usleep(400000);
    assert_int_equal(harness_stats(&h).connections_open, 1);
    harness_advance(&h, 400); /* more than the period of the sweep */
    struct answer answer = peer_answer(&peer, false);
    assert_int_equal(answer.status, 408);
    assert_true(answer.close);
    assert_true(peer_sees_end(&peer));
    buffer_free(&answer.body);
    peer_close(&peer);
    harness_stop(&h);
}

static void slow_bodies_get_408(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    char bytes[31 * 1024];
    memset(bytes, 'b', sizeof bytes);
    struct text head = TEXT("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
    size_t sent = head.len;
    assert_true(peer_send(&peer, head));
    harness_await_bytes(&h, sent);
    /* 1 KiB a second is fast enough ... */
    for (int window = 0; window < 2; window++) {
        assert_true(peer_send(&peer, (struct text){ bytes, 30 * 1024 + 100 }));
        sent += 30 * 1024 + 100;
        harness_await_bytes(&h, sent);
        harness_advance(&h, 30001);
        usleep(400000);
        assert_int_equal(harness_stats(&h).connections_open, 1);
        assert_int_equal(atomic_load(&seen.done_count), 0);
    }
    /* ... and less is not. */
    assert_true(peer_send(&peer, (struct text){ bytes, 20 * 1024 }));
    harness_await_bytes(&h, sent + 20 * 1024);
    harness_advance(&h, 30001);
    struct answer answer = peer_answer(&peer, false);
    assert_int_equal(answer.status, 408);
    buffer_free(&answer.body);
    peer_close(&peer);
    harness_stop(&h);
}

static void idle_connections_close_silently(void **state)
{
    (void)state;
    for (int tls = 0; tls < 2; tls++) {
        struct harness h;
        harness_start(&h, options(), tls == 1);
        struct peer fresh = peer_open(&h), used = peer_open(&h);
        peer_expect(&used, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 200);
        harness_advance(&h, 59000);
        usleep(400000);
        assert_int_equal(harness_stats(&h).connections_open, 2);
        harness_advance(&h, 1100);
        assert_true(peer_sees_end(&fresh));
        assert_true(peer_sees_end(&used));
        if (tls == 1)
            assert_int_equal(tls_state(used.tls), TLS_CLOSED); /* with close_notify */
        peer_close(&fresh);
        peer_close(&used);
        harness_await_open(&h, 0);
        harness_stop(&h);
    }
}

static void slow_handshakes_are_cut(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), true);
    struct peer silent = peer_open_plain(&h), slow = peer_open_plain(&h);
    assert_true(peer_send_raw(&slow, TEXT("\x16\x03\x01\x01")));
    harness_await_open(&h, 2);
    harness_advance(&h, 10100);
    assert_true(peer_sees_end(&silent));
    assert_true(peer_sees_end(&slow));
    harness_await_open(&h, 0);
    assert_int_equal(harness_stats(&h).handshakes_failed_total, 2);
    peer_close(&silent);
    peer_close(&slow);
    harness_stop(&h);
}

static void a_reader_that_stops_is_cut(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    assert_true(peer_send(&peer, TEXT("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")));
    await(&seen.pulls_count, 2);
    usleep(600000); /* the socket's buffers fill, and the sweep notes where the reader stands */
    harness_advance(&h, 30100);
    await(&seen.stops_count, 1);
    harness_await_open(&h, 0);
    peer_close(&peer);
    harness_stop(&h);
}

static void lingering_ends(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, options(), false);
    struct peer peer = peer_open(&h);
    peer_expect(&peer, "NONSENSE\r\n\r\n", 400);
    assert_true(peer_sees_end(&peer));
    assert_int_equal(harness_stats(&h).connections_open, 1); /* this side is still open */
    harness_advance(&h, 5100);
    harness_await_open(&h, 0);
    peer_close(&peer);
    harness_stop(&h);
}

TESTS(cmocka_unit_test(slow_heads_get_408), cmocka_unit_test(slow_bodies_get_408),
      cmocka_unit_test(idle_connections_close_silently), cmocka_unit_test(slow_handshakes_are_cut),
      cmocka_unit_test(a_reader_that_stops_is_cut), cmocka_unit_test(lingering_ends))
