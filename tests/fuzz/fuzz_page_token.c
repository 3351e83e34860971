/* Fuzz target for page tokens: no text is one unless it was made here, for this request and position. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "usage/page_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = { 9, 8, 7 };
static const struct hash128 scope = { { 5 } };

/* What was made reads back; with any byte of it replaced by one of the input it does not. */
static void check_own(const uint8_t *data, size_t size)
{
    uint8_t position[PAGE_POSITION_SIZE], read[PAGE_POSITION_SIZE];
    char token[PAGE_TOKEN_TEXT_SIZE], changed[PAGE_TOKEN_TEXT_SIZE];
    memcpy(position, data, sizeof position);
    page_token_make(hash_key, &scope, position, token);
    size_t length = strlen(token);
    REQUIRE(page_token_read(hash_key, &scope, text_of(token), read) == ERROR_OK);
    REQUIRE(memcmp(read, position, sizeof read) == 0);
    memcpy(changed, token, sizeof token);
    for (size_t i = sizeof position; i + 1 < size; i += 2)
        changed[data[i] % length] = (char)data[i + 1];
    bool same = memcmp(changed, token, length) == 0;
    err_t error = page_token_read(hash_key, &scope, (struct text){ changed, length }, read);
    REQUIREF((error == ERROR_OK) == same, "error=%d", (int)error);
    struct hash128 other = scope;
    other.bytes[data[0] % sizeof other.bytes] ^= 1;
    REQUIRE(page_token_read(hash_key, &other, text_of(token), read) == ERROR_INVALID_PROPERTY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t position[PAGE_POSITION_SIZE];
    char token[PAGE_TOKEN_TEXT_SIZE];
    struct text text = { (const char *)data, size };
    if (page_token_read(hash_key, &scope, text, position) == ERROR_OK) {
        page_token_make(hash_key, &scope, position, token);
        REQUIRE(text_equal(text, text_of(token)));
    }
    if (size >= PAGE_POSITION_SIZE)
        check_own(data, size);
    return 0;
}
