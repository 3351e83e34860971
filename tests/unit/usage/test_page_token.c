/* Page tokens: what was made here for this request is read, everything else is refused. */
#include "support/testing.h"

#include "usage/page_token.h"

static const uint8_t key[SIPHASH_KEY_SIZE] = { 1 }, other_key[SIPHASH_KEY_SIZE] = { 2 };
static const struct hash128 scope = { { 9 } }, other_scope = { { 10 } };

static void make(const uint8_t position[PAGE_POSITION_SIZE], char out[PAGE_TOKEN_TEXT_SIZE])
{
    memset(out, 'x', PAGE_TOKEN_TEXT_SIZE);
    page_token_make(key, &scope, position, out);
    assert_non_null(memchr(out, '\0', PAGE_TOKEN_TEXT_SIZE));
}

static void positions_come_back(void **state)
{
    (void)state;
    struct prng prng = test_prng("unit-usage-page_token");
    for (int i = 0; i < 1000; i++) {
        uint8_t position[PAGE_POSITION_SIZE], read[PAGE_POSITION_SIZE];
        char token[PAGE_TOKEN_TEXT_SIZE];
        for (size_t b = 0; b < sizeof position; b++)
            position[b] = i == 0 ? 0 : i == 1 ? 0xFF : (uint8_t)prng_next(&prng);
        make(position, token);
        assert_ok(page_token_read(key, &scope, text_of(token), read));
        assert_memory_equal(read, position, sizeof read);
        assert_int_equal(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                         strlen(token));
    }
}

static void another_store_or_request_is_refused(void **state)
{
    (void)state;
    static const uint8_t position[PAGE_POSITION_SIZE] = { 1, 2, 3 };
    uint8_t read[PAGE_POSITION_SIZE];
    char token[PAGE_TOKEN_TEXT_SIZE];
    make(position, token);
    assert_error(page_token_read(other_key, &scope, text_of(token), read), ERROR_INVALID_PROPERTY);
    assert_error(page_token_read(key, &other_scope, text_of(token), read), ERROR_INVALID_PROPERTY);
}

static void any_change_is_refused(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ ";
    static const uint8_t position[PAGE_POSITION_SIZE] = { 0, 0, 0, 7, 0, 7, 1, 2 };
    uint8_t read[PAGE_POSITION_SIZE];
    char token[PAGE_TOKEN_TEXT_SIZE], changed[PAGE_TOKEN_TEXT_SIZE + 1];
    make(position, token);
    size_t length = strlen(token);
    for (size_t at = 0; at < length; at++) {
        for (const char *c = alphabet; *c != '\0'; c++) {
            if (*c == token[at])
                continue;
            memcpy(changed, token, sizeof token);
            changed[at] = *c;
            assert_error(page_token_read(key, &scope, text_of(changed), read), ERROR_INVALID_PROPERTY);
        }
        assert_error(page_token_read(key, &scope, (struct text){ token, at }, read), ERROR_INVALID_PROPERTY);
        assert_error(page_token_read(key, &scope, (struct text){ token + at + 1, length - at - 1 }, read),
                     ERROR_INVALID_PROPERTY);
    }
    (void)snprintf(changed, sizeof changed, "%sA", token);
    assert_error(page_token_read(key, &scope, text_of(changed), read), ERROR_INVALID_PROPERTY);
    assert_error(page_token_read(key, &scope, TEXT_NONE, read), ERROR_INVALID_PROPERTY);
}

TESTS(cmocka_unit_test(positions_come_back), cmocka_unit_test(another_store_or_request_is_refused),
      cmocka_unit_test(any_change_is_refused))
