/* Unit tests of base/jws: what was signed verifies, and nothing else does, however it is dressed up. */
#include "support.h"

#include "base/encode.h"
#include "base/jws.h"

#define PAYLOAD "{\"a\":1}"

struct fixture {
    struct arena *arena;
    struct signature_key key;
    struct jws jws;
    struct error_info info;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    assert_non_null(f->arena = arena_new(4096, 0));
    assert_int_equal(signature_key_new(&f->key), ERROR_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    free(f);
    return 0;
}

static struct text in_arena(struct fixture *f, struct buffer *buffer)
{
    assert_false(buffer->failed);
    struct text copy = arena_text(f->arena, buffer_text(buffer));
    assert_non_null(copy.ptr);
    buffer_free(buffer);
    return copy;
}

static struct text signed_text(struct fixture *f)
{
    struct buffer out = { 0 };
    assert_int_equal(jws_sign(&f->key, TEXT(PAYLOAD), &out), ERROR_OK);
    return in_arena(f, &out);
}

static void add_part(struct buffer *out, const void *bytes, size_t size)
{
    char *at = buffer_reserve(out, BASE64URL_LEN(size) + 1);
    assert_non_null(at);
    out->end += base64url_encode(bytes, size, at);
}

/* A text with a header of our own, signed well by the fixture's key. */
static struct text signed_with_header(struct fixture *f, struct text header)
{
    struct buffer out = { 0 };
    uint8_t signature[SIGNATURE_SIZE];
    add_part(&out, header.ptr, header.len);
    buffer_append_char(&out, '.');
    add_part(&out, PAYLOAD, strlen(PAYLOAD));
    assert_int_equal(signature_sign(&f->key, buffer_text(&out).ptr, buffer_len(&out), signature), ERROR_OK);
    buffer_append_char(&out, '.');
    add_part(&out, signature, sizeof signature);
    return in_arena(f, &out);
}

static struct text jwk_of(struct fixture *f, const struct signature_key *key)
{
    char x[64], y[64];
    base64url_encode(key->public_key + 1, 32, x);
    base64url_encode(key->public_key + 33, 32, y);
    return arena_format(f->arena, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
}

static void assert_refused(struct fixture *f, struct text text, const char *reason)
{
    memset(&f->info, 0, sizeof f->info);
    if (jws_verify(f->arena, text, &f->jws, &f->info) != ERROR_INVALID_PROPERTY)
        fail_msg("taken, or refused wrongly: %.*s", TEXT_ARGS(text));
    if (reason != NULL && strstr(f->info.message, reason) == NULL)
        fail_msg("refused with: %s", f->info.message);
}

static void what_was_signed_verifies(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(jws_verify(f->arena, signed_text(f), &f->jws, &f->info), ERROR_OK);
    assert_text(f->jws.payload, PAYLOAD);
    assert_string_equal(f->jws.key_id, f->key.key_id);
    assert_memory_equal(f->jws.public_key, f->key.public_key, sizeof f->key.public_key);
    struct text header = arena_format(f->arena, "{\"typ\":\"JWT\",\"jwk\":%s,\"kid\":\"%s\",\"alg\":\"ES256\"}",
                                      jwk_of(f, &f->key).ptr, f->key.key_id);
    assert_int_equal(jws_verify(f->arena, signed_with_header(f, header), &f->jws, &f->info), ERROR_OK);
}

/* RFC 7515 appendix A.3: a signature that others made. The header there names no key, so only the algorithm can be
 * checked; the key below is the one of that appendix. */
static void the_standards_signature_verifies(void **state)
{
    (void)state;
    static const char input[] =
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
        "LmNvbS9pc19yb290Ijp0cnVlfQ";
    uint8_t key[SIGNATURE_PUBLIC_KEY_SIZE] = { 4 }, signature[SIGNATURE_SIZE];
    size_t size;
    assert_true(base64url_decode(TEXT("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), key + 1, 32, &size));
    assert_true(base64url_decode(TEXT("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"), key + 33, 32, &size));
    assert_true(
        base64url_decode(TEXT("DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"),
                         signature, sizeof signature, &size));
    assert_true(signature_verify(key, input, strlen(input), signature));
}

static void one_changed_character_anywhere_is_refused(void **state)
{
    struct fixture *f = *state;
    struct text text = signed_text(f);
    char *changed = (char *)(uintptr_t)text.ptr; /* in our arena */
    struct prng prng = test_prng("test_jws");
    for (size_t i = 0; i < text.len; i++) {
        static const char characters[] = "AZaz09-_.=+/ \n{";
        char kept = changed[i];
        changed[i] = characters[prng_below(&prng, sizeof characters - 1)];
        if (changed[i] != kept)
            assert_refused(f, text, NULL);
        changed[i] = kept;
    }
    assert_int_equal(jws_verify(f->arena, text, &f->jws, &f->info), ERROR_OK);
}

static void every_cut_is_refused(void **state)
{
    struct fixture *f = *state;
    struct text text = signed_text(f);
    for (size_t i = 0; i < text.len; i++)
        assert_refused(f, (struct text){ text.ptr, i }, NULL);
}

static void dots_and_padding_are_refused(void **state)
{
    struct fixture *f = *state;
    const char *good = signed_text(f).ptr;
    assert_refused(f, arena_format(f->arena, "%s.", good), "three parts");
    assert_refused(f, arena_format(f->arena, ".%s", good), "three parts");
    assert_refused(f, arena_format(f->arena, "%s.%s", good, good), "three parts");
    assert_refused(f, arena_format(f->arena, "%s=", good), "base64url");
    assert_refused(f, arena_format(f->arena, "%s==", good), "base64url");
    assert_refused(f, TEXT(""), "three parts");
    assert_refused(f, TEXT(".."), "three parts");
    assert_refused(f, TEXT("a.b.c"), "base64url");
}

static void other_algorithms_are_refused(void **state)
{
    struct fixture *f = *state;
    static const char *const algorithms[] = { "\"none\"",    "\"None\"",  "\"\"",      "\"RS256\"",
                                              "\"HS256\"",   "\"ES384\"", "\"es256\"", "\"ES256 \"",
                                              "[\"ES256\"]", "null",      "256" };
    for (size_t i = 0; i < COUNT_OF(algorithms); i++) {
        struct text header = arena_format(f->arena, "{\"alg\":%s,\"kid\":\"%s\",\"jwk\":%s}", algorithms[i],
                                          f->key.key_id, jwk_of(f, &f->key).ptr);
        assert_refused(f, signed_with_header(f, header), "ES256");
    }
    struct text header = arena_format(f->arena, "{\"kid\":\"%s\",\"jwk\":%s}", f->key.key_id, jwk_of(f, &f->key).ptr);
    assert_refused(f, signed_with_header(f, header), "ES256");
}

/* A text whose algorithm is none has no third part: refused by its form alone. */
static void an_unsigned_text_is_refused(void **state)
{
    struct fixture *f = *state;
    struct buffer out = { 0 };
    struct text header =
        arena_format(f->arena, "{\"alg\":\"none\",\"kid\":\"%s\",\"jwk\":%s}", f->key.key_id, jwk_of(f, &f->key).ptr);
    add_part(&out, header.ptr, header.len);
    buffer_append_char(&out, '.');
    add_part(&out, PAYLOAD, strlen(PAYLOAD));
    buffer_append_char(&out, '.');
    assert_refused(f, in_arena(f, &out), "three parts");
}

static void the_key_id_must_be_that_of_the_key(void **state)
{
    struct fixture *f = *state;
    struct signature_key other;
    assert_int_equal(signature_key_new(&other), ERROR_OK);
    struct text header =
        arena_format(f->arena, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"jwk\":%s}", other.key_id, jwk_of(f, &f->key).ptr);
    assert_refused(f, signed_with_header(f, header), "thumbprint");
    header = arena_format(f->arena, "{\"alg\":\"ES256\",\"jwk\":%s}", jwk_of(f, &f->key).ptr);
    assert_refused(f, signed_with_header(f, header), "thumbprint");
    header = arena_format(f->arena, "{\"alg\":\"ES256\",\"kid\":\"%s\"}", f->key.key_id);
    assert_refused(f, signed_with_header(f, header), "jwk");
}

static void the_signature_of_another_key_is_refused(void **state)
{
    struct fixture *f = *state;
    struct signature_key other;
    assert_int_equal(signature_key_new(&other), ERROR_OK);
    struct text header =
        arena_format(f->arena, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"jwk\":%s}", other.key_id, jwk_of(f, &other).ptr);
    assert_refused(f, signed_with_header(f, header), "signature");
}

static void headers_that_are_odd_are_refused(void **state)
{
    struct fixture *f = *state;
    const char *jwk = jwk_of(f, &f->key).ptr, *id = f->key.key_id;
    const char *const headers[] = {
        "{}",
        "[]",
        "",
        "null",
        "{\"alg\":\"ES256\"",
        arena_format(f->arena, "{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"%s\",\"jwk\":%s}", id, jwk).ptr,
        arena_format(f->arena, "{\"alg\":\"ES256\",\"alg\":\"none\",\"kid\":\"%s\",\"jwk\":%s}", id, jwk).ptr,
        arena_format(f->arena, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"jwk\":%s,\"crit\":[\"b64\"],\"b64\":false}", id,
                     jwk)
            .ptr,
        arena_format(f->arena, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"jwk\":[%s]}", id, jwk).ptr,
        arena_format(f->arena, "{\"alg\":\"ES256\",\"kid\":\"%s\",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\"}}", id).ptr,
        arena_format(
            f->arena,
            "{\"alg\":\"ES256\",\"kid\":\"%s\",\"jwk\":{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}}",
            id)
            .ptr,
    };
    for (size_t i = 0; i < COUNT_OF(headers); i++)
        assert_refused(f, signed_with_header(f, text_of(headers[i])), NULL);
}

/* The right signature with a byte behind it, or without its last one. */
static void signatures_of_another_length_are_refused(void **state)
{
    struct fixture *f = *state;
    struct text text = signed_text(f);
    uint8_t signature[SIGNATURE_SIZE + 1] = { 0 };
    size_t size, last = text.len - BASE64URL_LEN(SIGNATURE_SIZE);
    assert_true(
        base64url_decode((struct text){ text.ptr + last, text.len - last }, signature, sizeof signature, &size));
    for (size_t length = 0; length < sizeof signature; length += SIGNATURE_SIZE / 2 - 1) {
        struct buffer out = { 0 };
        buffer_append(&out, text.ptr, last);
        add_part(&out, signature, length);
        assert_refused(f, in_arena(f, &out), NULL);
    }
    struct buffer out = { 0 };
    buffer_append(&out, text.ptr, last);
    add_part(&out, signature, sizeof signature);
    assert_refused(f, in_arena(f, &out), "signature");
}

static void huge_texts_are_refused(void **state)
{
    struct fixture *f = *state;
    struct buffer out = { 0 };
    while (buffer_len(&out) <= JWS_SIZE_MAX)
        buffer_append_literal(&out, "AAAAAAAAAAAAAAAA");
    assert_refused(f, buffer_text(&out), "too long");
    buffer_clear(&out);
    while (buffer_len(&out) <= JWS_HEADER_SIZE_MAX)
        buffer_append_literal(&out, "AAAAAAAAAAAAAAAA");
    buffer_append_literal(&out, ".AA.AA");
    assert_refused(f, buffer_text(&out), "too long");
    buffer_free(&out);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

TESTS(WITH(what_was_signed_verifies), cmocka_unit_test(the_standards_signature_verifies),
      WITH(one_changed_character_anywhere_is_refused), WITH(every_cut_is_refused), WITH(dots_and_padding_are_refused),
      WITH(other_algorithms_are_refused), WITH(an_unsigned_text_is_refused), WITH(the_key_id_must_be_that_of_the_key),
      WITH(the_signature_of_another_key_is_refused), WITH(headers_that_are_odd_are_refused),
      WITH(signatures_of_another_length_are_refused), WITH(huge_texts_are_refused))
