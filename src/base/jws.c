/* Signing and checking of JWS texts. A checked text has one spelling only: the decoder of base64url takes no padding
 * and no spare bits, and there are exactly two dots. */
#include "base/jws.h"

#include <string.h>

#include "base/encode.h"
#include "base/json.h"
#include "base/members.h"

#define HALF_SIZE ((SIGNATURE_PUBLIC_KEY_SIZE - 1) / 2)
#define ALGORITHM TEXT("ES256")

/* --- signing --- */

static void write_header(const struct signature_key *signer, struct buffer *out)
{
    char x[BASE64URL_LEN(HALF_SIZE) + 1], y[BASE64URL_LEN(HALF_SIZE) + 1];
    base64url_encode(signer->public_key + 1, HALF_SIZE, x);
    base64url_encode(signer->public_key + 1 + HALF_SIZE, HALF_SIZE, y);
    struct json_writer json = json_writer(out);
    json_begin_object(&json);
    put_member(&json, "alg", ALGORITHM);
    put_member(&json, "kid", text_of(signer->key_id));
    json_name(&json, "jwk");
    json_begin_object(&json);
    put_member(&json, "kty", TEXT("EC"));
    put_member(&json, "crv", TEXT("P-256"));
    put_member(&json, "x", text_of(x));
    put_member(&json, "y", text_of(y));
    json_end_object(&json);
    json_end_object(&json);
}

static void append_base64url(struct buffer *out, const void *bytes, size_t size)
{
    char *at = buffer_reserve(out, BASE64URL_LEN(size) + 1);
    if (at != NULL)
        out->end += base64url_encode(bytes, size, at);
}

err_t jws_sign(const struct signature_key *signer, struct text payload, struct buffer *out)
{
    struct buffer header = { 0 }, whole = { 0 };
    uint8_t signature[SIGNATURE_SIZE];
    write_header(signer, &header);
    append_base64url(&whole, buffer_text(&header).ptr, buffer_len(&header));
    buffer_append_char(&whole, '.');
    append_base64url(&whole, payload.ptr, payload.len);
    err_t error = header.failed || whole.failed
                      ? ERROR_NO_MEMORY
                      : signature_sign(signer, buffer_text(&whole).ptr, buffer_len(&whole), signature);
    if (error == ERROR_OK) {
        buffer_append_char(&whole, '.');
        append_base64url(&whole, signature, sizeof signature);
        buffer_append_text(out, buffer_text(&whole));
        error = whole.failed || out->failed ? ERROR_NO_MEMORY : ERROR_OK;
    }
    buffer_free(&header);
    buffer_free(&whole);
    return error;
}

/* --- checking --- */

static err_t wrong(struct error_info *info, const char *reason)
{
    return error_set(info, ERROR_INVALID_PROPERTY, NULL, "%s", reason);
}

/* header, payload, signature: three parts, none of them empty. */
static bool split(struct text text, struct text parts[3])
{
    size_t count = 0;
    struct text piece;
    while (text_cut(&text, '.', &piece)) {
        if (count == 3 || piece.len == 0)
            return false;
        parts[count++] = piece;
    }
    return count == 3;
}

static err_t decode_part(struct arena *arena, struct text part, struct text *out)
{
    size_t size = part.len / 4 * 3 + 3;
    char *bytes = arena_alloc(arena, size);
    if (bytes == NULL)
        return ERROR_NO_MEMORY;
    out->ptr = bytes;
    return base64url_decode(part, bytes, size, &out->len) ? ERROR_OK : ERROR_INVALID_PROPERTY;
}

static bool member_is(const struct json *object, const char *name, struct text expected)
{
    struct text text;
    return json_member_string(object, text_of(name), &text) && text_equal(text, expected);
}

static bool read_coordinate(const struct json *jwk, const char *name, uint8_t out[HALF_SIZE])
{
    struct text text;
    size_t size;
    return json_member_string(jwk, text_of(name), &text) && base64url_decode(text, out, HALF_SIZE, &size) &&
           size == HALF_SIZE;
}

static err_t read_header(struct arena *arena, struct text header, struct jws *out, struct error_info *info)
{
    const struct json *json;
    struct text name, key_id;
    err_t error = json_parse(arena, header, &json, NULL);
    if (error == ERROR_NO_MEMORY)
        return error_set(info, error, NULL, NULL);
    if (error != ERROR_OK || json_type(json) != JSON_OBJECT || json_has_duplicate_member(arena, json, &name))
        return wrong(info, "has a header that is no plain JSON object; it was damaged while it was copied");
    if (!member_is(json, "alg", ALGORITHM))
        return wrong(info, "is not signed with ES256, the only algorithm that is taken");
    if (json_member(json, TEXT("crit")) != NULL)
        return wrong(info, "has critical extensions (crit), which nobody here understands");
    const struct json *jwk = json_member(json, TEXT("jwk"));
    if (jwk == NULL || json_type(jwk) != JSON_OBJECT)
        return wrong(info, "names no public key (jwk) in its header");
    out->public_key[0] = 4;
    if (!member_is(jwk, "kty", TEXT("EC")) || !member_is(jwk, "crv", TEXT("P-256")) ||
        !read_coordinate(jwk, "x", out->public_key + 1) || !read_coordinate(jwk, "y", out->public_key + 1 + HALF_SIZE))
        return wrong(info, "has a public key (jwk) in its header that is no P-256 key");
    signature_key_id(out->public_key, out->key_id);
    if (!json_member_string(json, TEXT("kid"), &key_id) || !text_equal(key_id, text_of(out->key_id)))
        return wrong(info, "has a key id (kid) in its header that is not the thumbprint of its public key");
    return ERROR_OK;
}

err_t jws_verify(struct arena *arena, struct text text, struct jws *out, struct error_info *info)
{
    struct text parts[3], header, signature;
    if (text.len > JWS_SIZE_MAX)
        return wrong(info, "is too long");
    if (!split(text, parts))
        return wrong(info, "is not three parts with dots between them; copy all of it");
    if (parts[0].len > JWS_HEADER_SIZE_MAX)
        return wrong(info, "has a header that is too long");
    err_t error = decode_part(arena, parts[0], &header);
    if (error == ERROR_OK)
        error = decode_part(arena, parts[1], &out->payload);
    if (error == ERROR_OK)
        error = decode_part(arena, parts[2], &signature);
    if (error == ERROR_NO_MEMORY)
        return error_set(info, error, NULL, NULL);
    if (error != ERROR_OK)
        return wrong(info, "holds characters that are not base64url; it was damaged while it was copied");
    error = read_header(arena, header, out, info);
    if (error != ERROR_OK)
        return error;
    size_t signed_size = (size_t)(parts[1].ptr + parts[1].len - parts[0].ptr);
    if (signature.len != SIGNATURE_SIZE ||
        !signature_verify(out->public_key, text.ptr, signed_size, (const uint8_t *)signature.ptr))
        return wrong(info,
                     "does not carry a signature of its own content: it was damaged while it was copied, or forged");
    return ERROR_OK;
}
