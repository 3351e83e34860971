/* Fuzz target for registration tokens: any text is read or refused with a reason, the same JSON in base64 as well, and
 * what was read is written so that it reads the same again. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/encode.h"
#include "registration/registration_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same_again(struct arena *arena, const struct registration_token *token)
{
    struct registration_token again;
    struct buffer json = { 0 }, text = { 0 }, json_again = { 0 };
    registration_token_to_json(token, &json);
    registration_token_write(token, &text);
    REQUIRE(!json.failed && !text.failed);
    REQUIRE(registration_token_read(arena, buffer_text(&text), &again, NULL) == ERROR_OK);
    registration_token_to_json(&again, &json_again);
    REQUIREF(text_equal(buffer_text(&json), buffer_text(&json_again)), "%.*s", TEXT_ARGS(buffer_text(&json)));
    buffer_free(&json);
    buffer_free(&text);
    buffer_free(&json_again);
}

static void check(struct text text)
{
    struct registration_token token;
    struct error_info info = { 0 };
    struct arena *arena = arena_new(4096, 0);
    REQUIRE(arena != NULL);
    err_t error = registration_token_read(arena, text, &token, &info);
    if (error == ERROR_OK) {
        REQUIRE(!guid_is_zero(&token.cloud_id) && token.node_count <= REGISTRATION_NODES_MAX);
        /* Written anew it may be longer: defaults are spelled out. */
        if (text.len < REGISTRATION_TOKEN_SIZE_MAX / 8)
            check_same_again(arena, &token);
    } else {
        REQUIREF(info.code == error && info.message[0] != '\0', "error=%d", (int)error);
    }
    arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text text = { (const char *)data, size };
    struct buffer encoded = { 0 };
    check(text);
    base64_encode(&encoded, data, size);
    check(buffer_text(&encoded));
    buffer_free(&encoded);
    return 0;
}
