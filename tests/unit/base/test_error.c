/* Unit tests of base/error and base/check. */
#include "support.h"

#include "base/check.h"

static void table_is_sane(void **state)
{
    (void)state;
    for (int code = 0; code < ERROR_COUNT; code++) {
        int status = error_http_status((err_t)code);
        assert_true(status >= 200 && status <= 505);
        assert_true(strlen(error_wire_code((err_t)code)) > 1);
        assert_true(strlen(error_text((err_t)code)) > 1);
        assert_true(strlen(error_text((err_t)code)) < ERROR_MESSAGE_SIZE);
        for (int other = 0; other < code; other++)
            assert_string_not_equal(error_wire_code((err_t)code), error_wire_code((err_t)other));
    }
    assert_int_equal(ERROR_OK, 0);
    assert_string_equal(error_wire_code(ERROR_RECORD_CONFLICT), "UsageRecordConflict");
    assert_int_equal(error_http_status(ERROR_TOO_MANY_REQUESTS), 429);
    assert_true(error_retryable(ERROR_INSUFFICIENT_STORAGE));
    assert_false(error_retryable(ERROR_INVALID_PROPERTY));
}

static void sets_messages(void **state)
{
    (void)state;
    struct error_info info;
    assert_int_equal(error_set(NULL, ERROR_IO, "x", "%d", 1), ERROR_IO);
    assert_int_equal(error_set(&info, ERROR_IO, "quantity", "at %d%%", 7), ERROR_IO);
    assert_int_equal(info.code, ERROR_IO);
    assert_string_equal(info.target, "quantity");
    assert_string_equal(info.message, "at 7%");
    assert_int_equal(error_set(&info, ERROR_NOT_FOUND, NULL, NULL), ERROR_NOT_FOUND);
    assert_string_equal(info.target, "");
    assert_string_equal(info.message, "not found");
}

/* Whatever the text and wherever it is cut: valid UTF-8, terminated, and nothing lost but the end. */
static void keeps_messages_valid(void **state)
{
    (void)state;
    struct error_info info;
    char text[2000];
    for (size_t shift = 0; shift < 4; shift++) {
        static const char euro[] = "\xE2\x82\xAC";
        memset(text, 'x', sizeof text);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, euro, 3);
        text[sizeof text - 1] = '\0';
        (void)error_set(&info, ERROR_IO, text, "%s", text);
        assert_true(text_is_utf8(text_of(info.message)));
        assert_true(text_is_utf8(text_of(info.target)));
        assert_uint_in_range(strlen(info.message), ERROR_MESSAGE_SIZE - 4, ERROR_MESSAGE_SIZE - 1);
        assert_uint_in_range(strlen(info.target), ERROR_TARGET_SIZE - 4, ERROR_TARGET_SIZE - 1);
        assert_null(strchr(info.message, '?'));
    }
    (void)error_set(&info, ERROR_IO, "a\xFF", "b\xC3 c\x80 d\xE2\x82");
    assert_string_equal(info.target, "a?");
    assert_string_equal(info.message, "b? c? d??");
}

static void breaks_a_requirement(void *context)
{
    int *number = context;
    REQUIREF(*number == 5, "number=%d", *number);
}

static void checks_abort(void **state)
{
    (void)state;
    int right = 5;
    int wrong = 4;
    assert_false(aborts(breaks_a_requirement, &right));
    assert_true(aborts(breaks_a_requirement, &wrong));
}

TESTS(cmocka_unit_test(table_is_sane), cmocka_unit_test(sets_messages), cmocka_unit_test(keeps_messages_valid),
      cmocka_unit_test(checks_abort))
