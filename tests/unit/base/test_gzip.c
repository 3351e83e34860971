/* Unit tests of base/gzip. */
#include "support.h"

#include "base/gzip.h"
#include "base/memory.h"

/* gzip -n of "hello hello hello\n", made by gzip 1.12. */
static const unsigned char hello_gz[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x03,
                                          0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57, 0xc8, 0x40, 0x90, 0x5c,
                                          0x00, 0x3b, 0x7c, 0x8a, 0xdf, 0x12, 0x00, 0x00, 0x00 };

static void reads_what_gzip_writes(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    struct text compressed = { (const char *)hello_gz, sizeof hello_gz };
    buffer_append_literal(&out, "> ");
    assert_int_equal(gzip_decompress(compressed, 18, &out), ERROR_OK);
    assert_text(buffer_text(&out), "> hello hello hello\n");
    assert_int_equal(gzip_decompress(compressed, 17, &out), ERROR_REQUEST_TOO_LARGE);
    assert_text(buffer_text(&out), "> hello hello hello\n");
    buffer_free(&out);
}

static void goes_there_and_back(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_gzip");
    static const int levels[] = { 1, 6, 9, 12 };
    for (size_t size = 0; size < 300000; size = size * 3 + 1) {
        struct buffer plain = { 0 };
        for (size_t i = 0; i < size; i++)
            buffer_append_char(&plain, (char)('a' + prng_below(&prng, i % 100 < 50 ? 2 : 256)));
        for (size_t i = 0; i < COUNT_OF(levels); i++) {
            struct buffer compressed = { 0 };
            struct buffer back = { 0 };
            assert_int_equal(gzip_compress(buffer_text(&plain), levels[i], &compressed), ERROR_OK);
            assert_int_equal(gzip_decompress(buffer_text(&compressed), size, &back), ERROR_OK);
            assert_true(text_equal(buffer_text(&plain), buffer_text(&back)));
            if (size > 0)
                assert_int_equal(gzip_decompress(buffer_text(&compressed), size - 1, &back), ERROR_REQUEST_TOO_LARGE);
            buffer_free(&compressed);
            buffer_free(&back);
        }
        buffer_free(&plain);
    }
}

static void reads_all_members(void **state)
{
    (void)state;
    struct buffer compressed = { 0 };
    struct buffer out = { 0 };
    static const char *const parts[] = { "one,", "", "two,", "three" };
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        assert_int_equal(gzip_compress(text_of(parts[i]), 6, &compressed), ERROR_OK);
    assert_int_equal(gzip_decompress(buffer_text(&compressed), 13, &out), ERROR_OK);
    assert_text(buffer_text(&out), "one,two,three");
    buffer_clear(&out);
    assert_int_equal(gzip_decompress(buffer_text(&compressed), 12, &out), ERROR_REQUEST_TOO_LARGE);
    assert_int_equal(buffer_len(&out), 0);
    buffer_append_literal(&compressed, "trailing");
    assert_int_equal(gzip_decompress(buffer_text(&compressed), 100, &out), ERROR_INVALID_REQUEST_CONTENT);
    assert_int_equal(buffer_len(&out), 0);
    buffer_free(&compressed);
    buffer_free(&out);
}

static void refuses_broken_streams(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    unsigned char copy[sizeof hello_gz];
    assert_int_equal(gzip_decompress(TEXT(""), 100, &out), ERROR_INVALID_REQUEST_CONTENT);
    assert_int_equal(gzip_decompress(TEXT("{\"id\":1}"), 100, &out), ERROR_INVALID_REQUEST_CONTENT);
    for (size_t len = 0; len < sizeof hello_gz; len++)
        assert_int_not_equal(gzip_decompress((struct text){ (const char *)hello_gz, len }, 100, &out), ERROR_OK);
    for (size_t at = 0; at < sizeof hello_gz; at++) {
        if (at >= 4 && at <= 9)
            continue; /* time, hints and system of origin mean nothing */
        memcpy(copy, hello_gz, sizeof copy);
        copy[at] ^= 0x55;
        assert_int_not_equal(gzip_decompress((struct text){ (const char *)copy, sizeof copy }, 100, &out), ERROR_OK);
    }
    assert_int_equal(buffer_len(&out), 0);
    buffer_free(&out);
}

/* A thousandfold expansion stops at the limit, and does not take more memory than about that. */
static void stops_bombs(void **state)
{
    (void)state;
    struct buffer zeros = { 0 };
    struct buffer bomb = { 0 };
    struct buffer out = { 0 };
    size_t size = (size_t)64 << 20;
    char *at = buffer_reserve(&zeros, size);
    assert_non_null(at);
    memset(at, 0, size);
    zeros.end += size;
    assert_int_equal(gzip_compress(buffer_text(&zeros), 12, &bomb), ERROR_OK);
    assert_true(buffer_len(&bomb) < 100000);
    assert_int_equal(gzip_decompress(buffer_text(&bomb), (size_t)1 << 20, &out), ERROR_REQUEST_TOO_LARGE);
    assert_true(out.capacity <= (size_t)3 << 20);
    assert_int_equal(buffer_len(&out), 0);
    /* trailers that claim 4 GiB are not believed */
    memset(bomb.data + bomb.end - 4, 0xFF, 4);
    assert_int_equal(gzip_decompress(buffer_text(&bomb), (size_t)128 << 20, &out), ERROR_INVALID_REQUEST_CONTENT);
    buffer_free(&out);
    buffer_clear(&bomb);
    buffer_append(&bomb, hello_gz, sizeof hello_gz);
    memset(bomb.data + bomb.end - 4, 0xFF, 4);
    assert_int_equal(gzip_decompress(buffer_text(&bomb), (size_t)128 << 20, &out), ERROR_INVALID_REQUEST_CONTENT);
    assert_true(out.capacity < 65536);
    buffer_free(&zeros);
    buffer_free(&bomb);
    buffer_free(&out);
}

static void reports_short_memory(void **state)
{
    (void)state;
    struct buffer out = { 0 };
    (void)memory_fail_from(1);
    assert_int_equal(gzip_decompress((struct text){ (const char *)hello_gz, sizeof hello_gz }, 100, &out),
                     ERROR_NO_MEMORY);
    buffer_free(&out);
    assert_int_equal(gzip_compress(TEXT("x"), 6, &out), ERROR_NO_MEMORY);
    assert_true(memory_fail_from(0));
    buffer_free(&out);
}

TESTS(cmocka_unit_test(reads_what_gzip_writes), cmocka_unit_test(goes_there_and_back),
      cmocka_unit_test(reads_all_members), cmocka_unit_test(refuses_broken_streams), cmocka_unit_test(stops_bombs),
      cmocka_unit_test(reports_short_memory))
