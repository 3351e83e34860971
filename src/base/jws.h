/* JSON Web Signatures in the compact serialisation (RFC 7515), with ES256 (RFC 7518 section 3.4) and nothing else. The
 * signer's public key travels in the header: {"alg":"ES256","kid":<RFC 7638 thumbprint>,"jwk":{...}}. That a signature is
 * right says only that the holder of that key made it; whether the key is trusted is the caller's question, by key_id.
 * Pure, any thread. */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/signature.h"
#include "base/text.h"

/* Upper bound of the whole text; callers have smaller ones. */
#define JWS_SIZE_MAX ((size_t)1024 * 1024)
#define JWS_HEADER_SIZE_MAX ((size_t)4096) /* as base64url */

struct jws {
    struct text payload; /* bytes as they were signed */
    uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE];
    char key_id[SIGNATURE_KEY_ID_SIZE]; /* computed from the key, not believed */
};

/* Appends the signed text. ERROR_NO_MEMORY. */
MUST_CHECK err_t jws_sign(const struct signature_key *signer, struct text payload, struct buffer *out);
/* Payload in the arena. ERROR_INVALID_PROPERTY with the reason as the end of a sentence ("is not signed with ES256"), so
 * that callers say what it was; ERROR_NO_MEMORY. Never "none", never another algorithm, no critical extensions. */
MUST_CHECK err_t jws_verify(struct arena *arena, struct text text, struct jws *out, struct error_info *info);
