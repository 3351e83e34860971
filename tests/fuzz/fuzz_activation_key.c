/* Fuzz target for activation keys and the JWS under them: a text that verifies was signed by the key it names, a
 * payload that reads is written so that it reads the same again, and a key with one character replaced is refused. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"
#include "base/jws.h"
#include "registration/activation_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PAYLOAD_SIZE_MAX ((size_t)16 * 1024)

static const struct signature_key *signer(void)
{
    static struct signature_key key;
    static const uint8_t private_key[SIGNATURE_PRIVATE_KEY_SIZE] = { 1, 2, 3 };
    if (key.key_id[0] == '\0')
        REQUIRE(signature_key_from_private(private_key, &key) == ERROR_OK);
    return &key;
}

static void check_same_again(struct arena *arena, const struct activation_key *key)
{
    struct activation_key again;
    struct buffer first = { 0 }, second = { 0 };
    REQUIRE(activation_key_sign(key, signer(), &first) == ERROR_OK);
    REQUIRE(activation_key_read(arena, buffer_text(&first), &again, NULL) == ERROR_OK);
    REQUIRE(activation_key_sign(&again, signer(), &second) == ERROR_OK);
    REQUIRE(text_equal(buffer_text(&first), buffer_text(&second))); /* signatures are deterministic */
    buffer_free(&first);
    buffer_free(&second);
}

/* The input as the payload of a well signed text. */
static void check_payload(struct arena *arena, struct text payload)
{
    struct activation_key key;
    struct error_info info = { 0 };
    struct buffer text = { 0 };
    REQUIRE(jws_sign(signer(), payload, &text) == ERROR_OK);
    err_t error = activation_key_read(arena, buffer_text(&text), &key, &info);
    if (error == ERROR_OK) {
        REQUIRE(strcmp(key.key_id, signer()->key_id) == 0);
        check_same_again(arena, &key);
    } else {
        REQUIREF(info.code == error && error == ERROR_INVALID_ACTIVATION_KEY, "error=%d", (int)error);
    }
    buffer_free(&text);
}

/* One byte of a good key replaced, as the input says. */
static void check_changed(struct arena *arena, const uint8_t *data)
{
    struct jws jws;
    struct buffer text = { 0 };
    REQUIRE(jws_sign(signer(), TEXT("{\"a\":1}"), &text) == ERROR_OK);
    size_t at = (size_t)(data[0] << 8 | data[1]) % buffer_len(&text);
    bool same = text.data[text.start + at] == (char)data[2];
    text.data[text.start + at] = (char)data[2];
    err_t error = jws_verify(arena, buffer_text(&text), &jws, NULL);
    REQUIREF((error == ERROR_OK) == same, "error=%d at=%zu", (int)error, at);
    buffer_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct activation_key key;
    struct text text = { (const char *)data, size };
    struct arena *arena = arena_new(4096, 0);
    REQUIRE(arena != NULL);
    if (activation_key_read(arena, text, &key, NULL) == ERROR_OK)
        check_same_again(arena, &key);
    if (size <= PAYLOAD_SIZE_MAX)
        check_payload(arena, text);
    if (size >= 3)
        check_changed(arena, data);
    arena_free(arena);
    return 0;
}
