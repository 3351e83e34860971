/* TLS sessions and certificates, both ends in memory. */
#include "support/testing.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "net/tls.h"

struct pair {
    struct buffer certificate, key;
    struct tls_server *server;
    struct tls_client *client;
    struct tls *near, *far; /* client's and server's end */
    struct buffer near_plain, far_plain;
};

static void make_contexts(struct pair *p, const char *host)
{
    struct error_info info;
    int64_t now_ns = clock_wall_ns(clock_system());
    memset(p, 0, sizeof *p);
    assert_ok(tls_global_init(&info));
    assert_ok(tls_make_certificate(text_of(host), now_ns, 365, &p->certificate, &p->key, &info));
    assert_ok(tls_server_new(buffer_text(&p->certificate), buffer_text(&p->key), &p->server, &info));
    assert_ok(tls_client_new(buffer_text(&p->certificate), &p->client, &info));
}

static void drop(struct pair *p)
{
    tls_free(p->near);
    tls_free(p->far);
    tls_server_unref(p->server);
    tls_client_unref(p->client);
    buffer_free(&p->certificate);
    buffer_free(&p->key);
    buffer_free(&p->near_plain);
    buffer_free(&p->far_plain);
}

/* Carries what one end has to say to the other, in pieces of 'step' bytes. */
static bool carry(struct tls *from, struct tls *to, struct buffer *plain, size_t step)
{
    struct buffer *out = tls_output(from);
    bool any = buffer_len(out) > 0;
    while (buffer_len(out) > 0) {
        size_t size = buffer_len(out) < step ? buffer_len(out) : step;
        tls_feed(to, buffer_text(out).ptr, size, plain);
        buffer_consume(out, size);
    }
    return any;
}

static void talk(struct pair *p, size_t step)
{
    while (carry(p->near, p->far, &p->far_plain, step) || carry(p->far, p->near, &p->near_plain, step))
        continue;
}

static void open_pair(struct pair *p, const char *host, size_t step)
{
    p->far = tls_accept(p->server);
    p->near = tls_connect(p->client, text_of(host));
    assert_non_null(p->near);
    assert_non_null(p->far);
    talk(p, step);
}

static void assert_open(const struct pair *p)
{
    if (tls_state(p->near) != TLS_OPEN || tls_state(p->far) != TLS_OPEN)
        fail_msg("client: %s, server: %s", tls_failure(p->near), tls_failure(p->far));
}

static void every_name_of_the_certificate_is_accepted(void **state)
{
    (void)state;
    static const char *const names[] = { "localhost", "127.0.0.1", "::1", "stamp.example" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct pair p;
        make_contexts(&p, "stamp.example");
        open_pair(&p, names[i], 16384);
        assert_open(&p);
        assert_string_equal(tls_version(p.near), "TLSv1.3");
        drop(&p);
    }
}

static void a_host_address_becomes_an_address_name(void **state)
{
    (void)state;
    struct pair p;
    make_contexts(&p, "192.0.2.7");
    open_pair(&p, "192.0.2.7", 16384);
    assert_open(&p);
    drop(&p);
    make_contexts(&p, "2001:db8::7");
    open_pair(&p, "2001:db8::7", 16384);
    assert_open(&p);
    drop(&p);
}

static void strange_host_names_are_left_out(void **state)
{
    (void)state;
    struct pair p;
    make_contexts(&p, "bad,name=CN");
    open_pair(&p, "localhost", 16384);
    assert_open(&p);
    drop(&p);
}

static void a_wrong_name_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = { "other.example", "127.0.0.2", "xlocalhost" };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct pair p;
        make_contexts(&p, "stamp.example");
        open_pair(&p, names[i], 16384);
        assert_int_equal(tls_state(p.near), TLS_FAILED);
        assert_non_null(strstr(tls_failure(p.near), "certificate"));
        assert_int_equal(tls_state(p.far), TLS_FAILED); /* by the alert */
        drop(&p);
    }
}

/* Of *.wild.example and 192.0.2.7; made by hand, its key is nowhere. */
static const char wild_certificate[] = "-----BEGIN CERTIFICATE-----\n"
                                       "MIIBljCCATygAwIBAgIUYXWheS8Bm6CyBN9fhRutBYqdjNkwCgYIKoZIzj0EAwIw\n"
                                       "DzENMAsGA1UEAwwEd2lsZDAgFw0yNjExMjExODUwMTdaGA8yMTI2MTAyODE4NTAx\n"
                                       "N1owDzENMAsGA1UEAwwEd2lsZDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEZW\n"
                                       "ak3mCYj3ARe/9mlbMNqZsfsL5+kPMUhOC6NhoN+DUWlYQMptYYDUIebQHy7TNFZF\n"
                                       "hiGV5/F9eOqPhPkHSD6jdDByMB0GA1UdDgQWBBQNOl83AVe+3P2haD7hc+HYHb8C\n"
                                       "qDAfBgNVHSMEGDAWgBQNOl83AVe+3P2haD7hc+HYHb8CqDAPBgNVHRMBAf8EBTAD\n"
                                       "AQH/MB8GA1UdEQQYMBaCDioud2lsZC5leGFtcGxlhwTAAAIHMAoGCCqGSM49BAMC\n"
                                       "A0gAMEUCIGNMrRLh8jr7qc00YoN4+SoL4nDMAzsn69LhUJr21sSWAiEAq1cFtNib\n"
                                       "d9c4zLn96DEkzVHBD7c3mgR3jNWI5LxTaZ0=\n"
                                       "-----END CERTIFICATE-----\n";

static void a_certificate_of_many_names_stands_for_one_label(void **state)
{
    (void)state;
    struct text pem = text_of(wild_certificate);
    assert_true(tls_certificate_names(pem, TEXT("a.wild.example")));
    assert_true(tls_certificate_names(pem, TEXT("A.Wild.Example:443")));
    assert_true(tls_certificate_names(pem, TEXT("192.0.2.7:8443")));
    assert_false(tls_certificate_names(pem, TEXT("wild.example")));
    assert_false(tls_certificate_names(pem, TEXT(".wild.example")));
    assert_false(tls_certificate_names(pem, TEXT("a.b.wild.example")));
    assert_false(tls_certificate_names(pem, TEXT("localhost")));
}

static void a_certificate_tells_what_it_names(void **state)
{
    (void)state;
    static const char *const named[] = { "localhost", "LOCALHOST:8443", "127.0.0.1:1",       "[::1]:8443",
                                         "[::1]",     "[0:0::1]:1",     "stamp.example:8443" };
    static const char *const others[] = { "",           ":443",           "evil.example", "localhost.evil.example",
                                          "xlocalhost", "user@localhost", "127.0.0.2",    "[::2]:1" };
    struct buffer certificate = { 0 }, key = { 0 };
    struct error_info info;
    assert_ok(
        tls_make_certificate(TEXT("stamp.example"), clock_wall_ns(clock_system()), 30, &certificate, &key, &info));
    for (size_t i = 0; i < COUNT_OF(named); i++)
        if (!tls_certificate_names(buffer_text(&certificate), text_of(named[i])))
            fail_msg("not named: %s", named[i]);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (tls_certificate_names(buffer_text(&certificate), text_of(others[i])))
            fail_msg("named: %s", others[i]);
    assert_false(tls_certificate_names(TEXT("no PEM"), TEXT("localhost")));
    buffer_free(&certificate);
    buffer_free(&key);
}

static void a_wrong_authority_is_refused(void **state)
{
    (void)state;
    struct pair p, other;
    make_contexts(&p, "stamp.example");
    make_contexts(&other, "stamp.example");
    p.far = tls_accept(p.server);
    p.near = tls_connect(other.client, TEXT("localhost"));
    talk(&p, 16384);
    assert_int_equal(tls_state(p.near), TLS_FAILED);
    assert_non_null(strstr(tls_failure(p.near), "certificate"));
    drop(&p);
    drop(&other);
}

static void an_expired_certificate_is_refused(void **state)
{
    (void)state;
    struct error_info info;
    struct pair p;
    memset(&p, 0, sizeof p);
    int64_t long_ago_ns = clock_wall_ns(clock_system()) - 30 * NS_PER_DAY;
    assert_ok(tls_make_certificate(TEXT_NONE, long_ago_ns, 10, &p.certificate, &p.key, &info));
    assert_ok(tls_server_new(buffer_text(&p.certificate), buffer_text(&p.key), &p.server, &info));
    assert_ok(tls_client_new(buffer_text(&p.certificate), &p.client, &info));
    open_pair(&p, "localhost", 16384);
    assert_int_equal(tls_state(p.near), TLS_FAILED);
    drop(&p);
}

static void bytes_arrive_whole_in_any_pieces(void **state)
{
    (void)state;
    static const size_t steps[] = { 1, 7, 1000, 16384, 65536 };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct pair p;
        struct buffer big = { 0 };
        make_contexts(&p, "stamp.example");
        open_pair(&p, "localhost", steps[i]);
        assert_open(&p);
        for (int n = 0; n < 20000; n++)
            buffer_append_u64(&big, (uint64_t)n);
        tls_write(p.near, big.data, buffer_len(&big));
        tls_write(p.far, "answer", 6);
        talk(&p, steps[i]);
        assert_true(text_equal(buffer_text(&p.far_plain), buffer_text(&big)));
        assert_text(buffer_text(&p.near_plain), "answer");
        buffer_free(&big);
        drop(&p);
    }
}

static void ends_are_announced(void **state)
{
    (void)state;
    struct pair p;
    make_contexts(&p, "stamp.example");
    open_pair(&p, "localhost", 16384);
    tls_write(p.far, "last", 4);
    tls_close(p.far);
    tls_write(p.far, "never", 5);
    talk(&p, 16384);
    assert_text(buffer_text(&p.near_plain), "last");
    assert_int_equal(tls_state(p.near), TLS_CLOSED);
    tls_write(p.near, "still", 5); /* a half-closed session may go on speaking */
    tls_close(p.near);
    talk(&p, 16384);
    drop(&p);
}

static void changed_bytes_fail_with_an_alert(void **state)
{
    (void)state;
    struct pair p;
    make_contexts(&p, "stamp.example");
    open_pair(&p, "localhost", 16384);
    tls_write(p.near, "hello", 5);
    struct buffer *out = tls_output(p.near);
    out->data[out->end - 1] ^= 1;
    (void)carry(p.near, p.far, &p.far_plain, 16384);
    assert_int_equal(tls_state(p.far), TLS_FAILED);
    assert_int_equal(buffer_len(&p.far_plain), 0);
    assert_true(buffer_len(tls_output(p.far)) > 0);
    talk(&p, 16384);
    assert_int_equal(tls_state(p.near), TLS_FAILED);
    drop(&p);
}

static void junk_is_answered_with_an_alert(void **state)
{
    (void)state;
    static const char *const junk[] = { "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x80\x2e\x01\x00\x02",
                                        "\x16\x03\x01\xff\xff", "SSH-2.0-OpenSSH_9.2\r\n" };
    for (size_t i = 0; i < COUNT_OF(junk); i++) {
        struct pair p;
        make_contexts(&p, "stamp.example");
        p.far = tls_accept(p.server);
        tls_feed(p.far, junk[i], i == 1 || i == 2 ? 5 : strlen(junk[i]), &p.far_plain);
        assert_int_equal(tls_state(p.far), TLS_FAILED);
        assert_true(tls_failure(p.far)[0] != '\0');
        struct text alert = buffer_text(tls_output(p.far));
        assert_int_equal(alert.len, 7);
        assert_int_equal(alert.ptr[0], 21); /* record type: alert */
        assert_int_equal(alert.ptr[5], 2);  /* fatal */
        drop(&p);
    }
}

static void wrong_pems_are_refused(void **state)
{
    (void)state;
    struct pair a, b;
    struct tls_server *server = NULL;
    struct tls_client *client = NULL;
    struct error_info info;
    make_contexts(&a, "a.example");
    make_contexts(&b, "b.example");
    assert_error(tls_server_new(buffer_text(&a.certificate), buffer_text(&b.key), &server, &info),
                 ERROR_INVALID_CONFIG);
    assert_non_null(strstr(info.message, "does not belong"));
    assert_error(tls_server_new(TEXT("nonsense"), buffer_text(&b.key), &server, &info), ERROR_INVALID_CONFIG);
    assert_error(tls_server_new(buffer_text(&a.certificate), TEXT("nonsense"), &server, &info), ERROR_INVALID_CONFIG);
    assert_error(tls_client_new(TEXT(""), &client, &info), ERROR_INVALID_CONFIG);
    drop(&a);
    drop(&b);
}

static void sessions_outlive_their_context(void **state)
{
    (void)state;
    struct pair p;
    make_contexts(&p, "stamp.example");
    open_pair(&p, "localhost", 16384);
    tls_server_unref(p.server); /* SIGHUP brought another certificate */
    p.server = NULL;
    tls_client_unref(p.client);
    p.client = NULL;
    tls_write(p.near, "on", 2);
    talk(&p, 16384);
    assert_text(buffer_text(&p.far_plain), "on");
    drop(&p);
}

TESTS(cmocka_unit_test(every_name_of_the_certificate_is_accepted),
      cmocka_unit_test(a_host_address_becomes_an_address_name), cmocka_unit_test(strange_host_names_are_left_out),
      cmocka_unit_test(a_wrong_name_is_refused), cmocka_unit_test(a_certificate_tells_what_it_names),
      cmocka_unit_test(a_certificate_of_many_names_stands_for_one_label),
      cmocka_unit_test(a_wrong_authority_is_refused), cmocka_unit_test(an_expired_certificate_is_refused),
      cmocka_unit_test(bytes_arrive_whole_in_any_pieces), cmocka_unit_test(ends_are_announced),
      cmocka_unit_test(changed_bytes_fail_with_an_alert), cmocka_unit_test(junk_is_answered_with_an_alert),
      cmocka_unit_test(wrong_pems_are_refused), cmocka_unit_test(sessions_outlive_their_context))
