/* Fuzz target for $skipToken: no text is one but what was made here, and what was read is written the same again. */
#include <stddef.h>
#include <stdint.h>

#include "api/skip_token.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct arena *arena, struct text token)
{
    char again[SKIP_TOKEN_SIZE_MAX];
    struct guid id;
    struct registration_path path;
    struct error_info info = { 0 };
    err_t error = skip_token_read_guid(token, &id, &info);
    if (error == ERROR_OK)
        REQUIRE(text_equal(skip_token_of_guid(&id, again), token));
    else
        REQUIRE(error == ERROR_INVALID_PROPERTY && info.code == error);
    error = skip_token_read_registration(arena, token, &path, &info);
    if (error == ERROR_OK) {
        REQUIRE(registration_name_is_valid(path.resource_group) && registration_name_is_valid(path.name));
        REQUIRE(text_equal(skip_token_of_registration(&path, again), token));
    } else {
        REQUIRE(error == ERROR_INVALID_PROPERTY && info.code == error);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char encoded[BASE64URL_LEN(2 * SKIP_TOKEN_BYTES_MAX) + 1];
    struct arena *arena = arena_new(4096, 0);
    REQUIRE(arena != NULL);
    check(arena, (struct text){ (const char *)data, size });
    /* The same as the bytes of a token, which a fuzzer can't put into base64. */
    if (size <= 2 * SKIP_TOKEN_BYTES_MAX)
        check(arena, (struct text){ encoded, base64url_encode(data, size, encoded) });
    arena_free(arena);
    return 0;
}
