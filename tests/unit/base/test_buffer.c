/* Unit tests of base/buffer against a naive model, with the heap failing at every request in turn. */
#include "support.h"

#include "base/buffer.h"
#include "base/memory.h"

static void appends(void **state)
{
    (void)state;
    struct buffer b = { 0 };
    assert_text(buffer_text(&b), "");
    buffer_append(&b, NULL, 0);
    assert_null(b.data);
    buffer_append_literal(&b, "a=");
    buffer_append_u64(&b, UINT64_MAX);
    buffer_append_char(&b, ' ');
    buffer_append_i64(&b, INT64_MIN);
    buffer_append_char(&b, ' ');
    buffer_append_i64(&b, 0);
    buffer_append_format(&b, " %s/%03d", "x", 7);
    buffer_append_text(&b, TEXT("!"));
    assert_text(buffer_text(&b), "a=18446744073709551615 -9223372036854775808 0 x/007!");
    buffer_consume(&b, 2);
    assert_int_equal(buffer_text(&b).ptr[0], '1');
    buffer_consume(&b, buffer_len(&b));
    assert_int_equal(b.start, 0);
    buffer_append_format(&b, "%5000d", 1);
    assert_int_equal(buffer_len(&b), 5000);
    buffer_clear(&b);
    assert_int_equal(buffer_len(&b), 0);
    assert_non_null(b.data);
    buffer_free(&b);
    assert_null(b.data);
    buffer_free(&b);
}

/* Consumed room is used again: a queue that stays short does not grow. */
static void reuses_room(void **state)
{
    (void)state;
    struct buffer b = { 0 };
    for (int i = 0; i < 100000; i++) {
        buffer_append_literal(&b, "0123456789");
        if (i > 3)
            buffer_consume(&b, 10);
    }
    assert_true(b.capacity <= 256);
    assert_int_equal(buffer_len(&b), 40);
    buffer_free(&b);
}

static void behaves_as_a_queue(void **state)
{
    (void)state;
    struct prng prng = test_prng("test_buffer");
    struct buffer b = { 0 };
    uint64_t written = 0;
    uint64_t consumed = 0;
    for (int i = 0; i < 20000; i++) {
        size_t size = (size_t)prng_below(&prng, 200);
        if (prng_below(&prng, 2) == 0) {
            unsigned char *at = (unsigned char *)buffer_reserve(&b, size);
            assert_non_null(at);
            for (size_t k = 0; k < size; k++)
                at[k] = (unsigned char)(written++ * 31);
            b.end += size;
        } else {
            size = size < buffer_len(&b) ? size : buffer_len(&b);
            struct text t = buffer_text(&b);
            for (size_t k = 0; k < size; k++)
                assert_int_equal((unsigned char)t.ptr[k], (unsigned char)(consumed++ * 31));
            buffer_consume(&b, size);
        }
        assert_true(buffer_len(&b) == written - consumed);
    }
    buffer_free(&b);
}

static void consumes_too_much(void *context)
{
    buffer_consume(context, 4);
}

static void refuses_misuse(void **state)
{
    (void)state;
    struct buffer b = { 0 };
    buffer_append_literal(&b, "abc");
    assert_true(aborts(consumes_too_much, &b));
    assert_null(buffer_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buffer_free(&b);
}

static void survives_short_memory(void **state)
{
    (void)state;
    unsigned long n = 0;
    bool failed;
    do {
        struct buffer b = { 0 };
        (void)memory_fail_from(++n);
        for (int i = 0; i < 100; i++) {
            buffer_append_literal(&b, "0123456789");
            buffer_append_format(&b, "%d", i);
            buffer_append_u64(&b, (uint64_t)i);
        }
        failed = b.failed;
        assert_int_equal(memory_fail_from(0), failed);
        if (failed) { /* stays failed, and keeps what was there */
            size_t len = buffer_len(&b);
            buffer_append_char(&b, 'x');
            assert_int_equal(buffer_len(&b), len);
            assert_null(buffer_reserve(&b, 1));
            buffer_clear(&b);
            buffer_append_char(&b, 'x');
            assert_text(buffer_text(&b), "x");
        }
        buffer_free(&b);
    } while (failed);
    assert_true(n > 4);
}

TESTS(cmocka_unit_test(appends), cmocka_unit_test(reuses_room), cmocka_unit_test(behaves_as_a_queue),
      cmocka_unit_test(refuses_misuse), cmocka_unit_test(survives_short_memory))
