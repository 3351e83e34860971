/* The embedded console: headers, validators, variants, paths. */
#include "harness.h"

#include "base/encode.h"
#include "base/gzip.h"
#include "net/assets.h"
#include "net/static_files.h"

static void on_request(struct http_exchange *exchange, void *context)
{
    (void)context;
    if (!static_files_respond(exchange, http_request(exchange)->path))
        http_respond_static(exchange, 404, TEXT("text/plain"), TEXT("none"));
}

static struct answer ask(struct peer *peer, const char *method, const char *path, const char *headers)
{
    char request[1024];
    (void)snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\n%s\r\n", method, path, headers);
    assert_true(peer_send(peer, text_of(request)));
    return peer_answer(peer, strcmp(method, "HEAD") == 0);
}

static const struct asset *asset_of(const char *path)
{
    for (size_t i = 0; i < assets_count; i++) {
        if (strcmp(assets[i].path, path) == 0)
            return &assets[i];
    }
    return NULL;
}

static void the_page_is_served_under_a_strict_policy(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, (struct server_options){ .on_request = on_request }, false);
    struct peer peer = peer_open(&h);
    struct answer answer = ask(&peer, "GET", "/", "");
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer_header(&answer, "Content-Type"), "text/html; charset=utf-8");
    assert_string_equal(answer_header(&answer, "Cache-Control"), "no-cache");
    assert_string_equal(answer_header(&answer, "Referrer-Policy"), "no-referrer");
    assert_string_equal(answer_header(&answer, "Cross-Origin-Opener-Policy"), "same-origin");
    assert_string_equal(answer_header(&answer, "Cross-Origin-Resource-Policy"), "same-origin");
    const char *policy = answer_header(&answer, "Content-Security-Policy");
    assert_non_null(strstr(policy, "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:"));
    assert_non_null(strstr(policy, "frame-ancestors 'none'"));
    assert_null(strstr(policy, "unsafe"));
    assert_null(answer_header(&answer, "Content-Encoding"));
    buffer_free(&answer.body);
    peer_close(&peer);
    harness_stop(&h);
}

/* The validator is the hash of the file itself (web/embed.py). */
static void assert_etag_of(const struct asset *asset, const struct buffer *file)
{
    uint8_t hash[SHA256_SIZE];
    char hex[2 * SHA256_SIZE + 1];
    struct text text = buffer_text(file);
    sha256_of(text.ptr, text.len, hash);
    hex_encode(hash, sizeof hash, hex);
    assert_memory_equal(hex, asset->etag, strlen(asset->etag));
}

static void every_file_is_served_in_both_variants(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, (struct server_options){ .on_request = on_request }, false);
    struct peer peer = peer_open(&h);
    size_t served_count = 0;
    for (size_t i = 0; i < assets_count; i++) {
        const struct asset *asset = &assets[i];
        if (asset->path[0] != '/')
            continue;
        struct answer answer = ask(&peer, "GET", asset->path, "");
        assert_int_equal(answer.status, 200);
        assert_null(answer_header(&answer, "Content-Encoding"));
        assert_int_equal(buffer_len(&answer.body), asset->size);
        assert_etag_of(asset, &answer.body);
        buffer_free(&answer.body);
        answer = ask(&peer, "GET", asset->path, "Accept-Encoding: gzip\r\n");
        assert_int_equal(answer_header(&answer, "Content-Encoding") != NULL, asset->gzip_data != NULL);
        if (asset->gzip_data != NULL) {
            struct buffer plain = { 0 };
            assert_ok(gzip_decompress(buffer_text(&answer.body), asset->size, &plain));
            assert_etag_of(asset, &plain);
            buffer_free(&plain);
        }
        buffer_free(&answer.body);
        served_count++;
    }
    assert_true(served_count > 2);
    peer_close(&peer);
    harness_stop(&h);
}

static void validators_save_the_body(void **state)
{
    (void)state;
    struct harness h;
    char headers[256], etag[128];
    harness_start(&h, (struct server_options){ .on_request = on_request }, false);
    struct peer peer = peer_open(&h);
    struct answer answer = ask(&peer, "GET", "/", "Accept-Encoding: gzip\r\n");
    (void)snprintf(etag, sizeof etag, "%s", answer_header(&answer, "ETag"));
    buffer_free(&answer.body);
    static const char *const forms[] = { "%s", "W/%s", "\"other\", %s", "*" };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        char value[160];
        const char *mark = strstr(forms[i], "%s");
        if (mark == NULL)
            (void)snprintf(value, sizeof value, "%s", forms[i]);
        else
            (void)snprintf(value, sizeof value, "%.*s%s", (int)(mark - forms[i]), forms[i], etag);
        (void)snprintf(headers, sizeof headers, "If-None-Match: %s\r\nAccept-Encoding: gzip\r\n", value);
        answer = ask(&peer, "GET", "/", headers);
        assert_int_equal(answer.status, 304);
        assert_string_equal(answer_header(&answer, "ETag"), etag);
        assert_int_equal(buffer_len(&answer.body), 0);
    }
    answer = ask(&peer, "GET", "/", "If-None-Match: \"other\"\r\n");
    assert_int_equal(answer.status, 200);
    assert_string_not_equal(answer_header(&answer, "ETag"), etag); /* the other variant */
    buffer_free(&answer.body);
    peer_close(&peer);
    harness_stop(&h);
}

static void other_paths_and_methods_are_left_alone(void **state)
{
    (void)state;
    struct harness h;
    harness_start(&h, (struct server_options){ .on_request = on_request }, false);
    struct peer peer = peer_open(&h);
    static const char *const paths[] = { "/nothing", "/../etc/passwd", "/%2e%2e/", "//", "/config/meters.csv", "/." };
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct answer answer = ask(&peer, "GET", paths[i], "");
        assert_int_equal(answer.status, 404);
        buffer_free(&answer.body);
    }
    struct answer answer = ask(&peer, "POST", "/", "");
    assert_int_equal(answer.status, 404);
    buffer_free(&answer.body);
    answer = ask(&peer, "HEAD", "/", "");
    assert_int_equal(answer.status, 200);
    if (asset_of("/docs/") != NULL || asset_of("/docs/index.html") != NULL) {
        answer = ask(&peer, "GET", "/docs", "");
        assert_int_equal(answer.status, 308);
        assert_string_equal(answer_header(&answer, "Location"), "/docs/");
        answer = ask(&peer, "GET", "/docs/", "");
        assert_int_equal(answer.status, 200);
        buffer_free(&answer.body);
    }
    peer_close(&peer);
    harness_stop(&h);
}

TESTS(cmocka_unit_test(the_page_is_served_under_a_strict_policy),
      cmocka_unit_test(every_file_is_served_in_both_variants), cmocka_unit_test(validators_save_the_body),
      cmocka_unit_test(other_paths_and_methods_are_left_alone))
