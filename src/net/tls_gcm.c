/* AES-256-GCM of TLS by libsodium in place of Mbed TLS's own, which takes one block at a time and is several times
 * slower: TLS is half of what a record costs the network side. Only what TLS asks for is there: 256-bit keys, nonces of
 * 12 bytes, tags of 16 bytes, a message in one piece; the rest is refused, the interface for pieces altogether.
 * It is built into Mbed TLS, with its flags: whoever links the one needs the other.
 * Thread: any. State: in the context, the key's schedule, wiped by mbedtls_gcm_free. */
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <mbedtls/platform_util.h>
#include <sodium/core.h>
#include <sodium/crypto_aead_aes256gcm.h>
#include <sodium/utils.h>
#include <stdlib.h>
#include <string.h>

#include "net/mbedtls/gcm_alt.h"

#define KEY_BITS (crypto_aead_aes256gcm_KEYBYTES * 8)
#define NONCE_SIZE crypto_aead_aes256gcm_NPUBBYTES
#define TAG_SIZE crypto_aead_aes256gcm_ABYTES

_Static_assert(sizeof(crypto_aead_aes256gcm_state) == GCM_STATE_SIZE &&
                   _Alignof(crypto_aead_aes256gcm_state) == GCM_STATE_ALIGNMENT,
               "gcm_alt.h says what libsodium says");

static crypto_aead_aes256gcm_state *state_of(mbedtls_gcm_context *ctx)
{
    return (crypto_aead_aes256gcm_state *)(void *)ctx->state;
}

void mbedtls_gcm_init(mbedtls_gcm_context *ctx)
{
    memset(ctx, 0, sizeof *ctx);
}

void mbedtls_gcm_free(mbedtls_gcm_context *ctx)
{
    if (ctx != NULL)
        mbedtls_platform_zeroize(ctx, sizeof *ctx);
}

/* Refuses a processor that can't do it, too: nothing after this would notice. */
int mbedtls_gcm_setkey(mbedtls_gcm_context *ctx, mbedtls_cipher_id_t cipher, const unsigned char *key,
                       unsigned int keybits)
{
    if (cipher != MBEDTLS_CIPHER_ID_AES || keybits != KEY_BITS)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    if (crypto_aead_aes256gcm_is_available() == 0)
        return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
    ctx->has_key = crypto_aead_aes256gcm_beforenm(state_of(ctx), key) == 0;
    return ctx->has_key ? 0 : MBEDTLS_ERR_GCM_BAD_INPUT;
}

int mbedtls_gcm_crypt_and_tag(mbedtls_gcm_context *ctx, int mode, size_t length, const unsigned char *iv, size_t iv_len,
                              const unsigned char *add, size_t add_len, const unsigned char *input,
                              unsigned char *output, size_t tag_len, unsigned char *tag)
{
    if (mode != MBEDTLS_GCM_ENCRYPT || !ctx->has_key || iv_len != NONCE_SIZE || tag_len != TAG_SIZE)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    int code = crypto_aead_aes256gcm_encrypt_detached_afternm(output, tag, NULL, input, length, add, add_len, NULL, iv,
                                                              state_of(ctx));
    return code == 0 ? 0 : MBEDTLS_ERR_GCM_BAD_INPUT;
}

int mbedtls_gcm_auth_decrypt(mbedtls_gcm_context *ctx, size_t length, const unsigned char *iv, size_t iv_len,
                             const unsigned char *add, size_t add_len, const unsigned char *tag, size_t tag_len,
                             const unsigned char *input, unsigned char *output)
{
    if (!ctx->has_key || iv_len != NONCE_SIZE || tag_len != TAG_SIZE)
        return MBEDTLS_ERR_GCM_BAD_INPUT;
    int code = crypto_aead_aes256gcm_decrypt_detached_afternm(output, NULL, input, length, tag, add, add_len, iv,
                                                              state_of(ctx));
    if (code == 0)
        return 0;
    if (length > 0)
        mbedtls_platform_zeroize(output, length); /* Mbed TLS's promise; libsodium leaves other bytes */
    return MBEDTLS_ERR_GCM_AUTH_FAILED;
}

/* --- in pieces: Mbed TLS's cipher layers refer to these, TLS never calls them --- */

int mbedtls_gcm_starts(mbedtls_gcm_context *ctx, int mode, const unsigned char *iv, size_t iv_len)
{
    (void)ctx, (void)mode, (void)iv, (void)iv_len;
    return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
}

int mbedtls_gcm_update_ad(mbedtls_gcm_context *ctx, const unsigned char *add, size_t add_len)
{
    (void)ctx, (void)add, (void)add_len;
    return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
}

int mbedtls_gcm_update(mbedtls_gcm_context *ctx, const unsigned char *input, size_t input_length, unsigned char *output,
                       size_t output_size, size_t *output_length)
{
    (void)ctx, (void)input, (void)input_length, (void)output, (void)output_size, (void)output_length;
    return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
}

int mbedtls_gcm_finish(mbedtls_gcm_context *ctx, unsigned char *output, size_t output_size, size_t *output_length,
                       unsigned char *tag, size_t tag_len)
{
    (void)ctx, (void)output, (void)output_size, (void)output_length, (void)tag, (void)tag_len;
    return MBEDTLS_ERR_PLATFORM_FEATURE_UNSUPPORTED;
}

/* --- what libsodium's file wants of the rest of that library, which is not built --- */

void sodium_memzero(void *memory, size_t size)
{
    mbedtls_platform_zeroize(memory, size);
}

void sodium_misuse(void)
{
    abort();
}
