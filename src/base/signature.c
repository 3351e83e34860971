/* ECDSA by Mbed TLS on contexts that live for one call. Signing is deterministic; the randomness asked for only blinds
 * the arithmetic against observers of its timing. */
#include "base/signature.h"

#include <mbedtls/ecdsa.h>
#include <mbedtls/ecp.h>
#include <stdio.h>
#include <string.h>

#include "base/crypto.h"
#include "base/encode.h"

#define SCALAR_SIZE 32

/* For Mbed TLS: random_bytes aborts where there are none. */
static int blinding(void *context, unsigned char *out, size_t size)
{
    (void)context;
    random_bytes(out, size);
    return 0;
}

void signature_key_id(const uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE], char key_id[SIGNATURE_KEY_ID_SIZE])
{
    char x[BASE64URL_LEN(SCALAR_SIZE) + 1], y[BASE64URL_LEN(SCALAR_SIZE) + 1], members[160];
    uint8_t hash[SHA256_SIZE];
    base64url_encode(public_key + 1, SCALAR_SIZE, x);
    base64url_encode(public_key + 1 + SCALAR_SIZE, SCALAR_SIZE, y);
    /* RFC 7638 section 3: the required members, sorted, without blanks. */
    int length =
        snprintf(members, sizeof members, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"%s\",\"y\":\"%s\"}", x, y);
    sha256_of(members, (size_t)length, hash);
    base64url_encode(hash, sizeof hash, key_id);
}

err_t signature_key_from_private(const uint8_t private_key[SIGNATURE_PRIVATE_KEY_SIZE], struct signature_key *key)
{
    mbedtls_ecp_keypair pair;
    mbedtls_ecp_keypair_init(&pair);
    size_t size;
    int code = mbedtls_ecp_read_key(MBEDTLS_ECP_DP_SECP256R1, &pair, private_key, SIGNATURE_PRIVATE_KEY_SIZE);
    if (code == 0)
        code = mbedtls_ecp_keypair_calc_public(&pair, blinding, NULL);
    if (code == 0)
        code = mbedtls_ecp_write_public_key(&pair, MBEDTLS_ECP_PF_UNCOMPRESSED, &size, key->public_key,
                                            sizeof key->public_key);
    mbedtls_ecp_keypair_free(&pair);
    if (code == MBEDTLS_ERR_MPI_ALLOC_FAILED)
        return ERROR_NO_MEMORY;
    if (code != 0)
        return ERROR_INVALID_PROPERTY;
    memcpy(key->private_key, private_key, sizeof key->private_key);
    signature_key_id(key->public_key, key->key_id);
    return ERROR_OK;
}

err_t signature_key_new(struct signature_key *key)
{
    uint8_t bytes[SIGNATURE_PRIVATE_KEY_SIZE];
    err_t error;
    do { /* of 2^32 draws one is no private key: zero, or not below the order of the curve */
        random_bytes(bytes, sizeof bytes);
        error = signature_key_from_private(bytes, key);
    } while (error == ERROR_INVALID_PROPERTY);
    secret_wipe(bytes, sizeof bytes);
    return error;
}

err_t signature_sign(const struct signature_key *key, const void *message, size_t size,
                     uint8_t signature[SIGNATURE_SIZE])
{
    uint8_t hash[SHA256_SIZE];
    mbedtls_ecp_group group;
    mbedtls_mpi r, s, d;
    mbedtls_ecp_group_init(&group);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    mbedtls_mpi_init(&d);
    sha256_of(message, size, hash);
    int code = mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1);
    if (code == 0)
        code = mbedtls_mpi_read_binary(&d, key->private_key, sizeof key->private_key);
    if (code == 0)
        code = mbedtls_ecdsa_sign_det_ext(&group, &r, &s, &d, hash, sizeof hash, MBEDTLS_MD_SHA256, blinding, NULL);
    if (code == 0)
        code = mbedtls_mpi_write_binary(&r, signature, SCALAR_SIZE);
    if (code == 0)
        code = mbedtls_mpi_write_binary(&s, signature + SCALAR_SIZE, SCALAR_SIZE);
    mbedtls_mpi_free(&d);
    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&r);
    mbedtls_ecp_group_free(&group);
    return code == 0 ? ERROR_OK : ERROR_NO_MEMORY;
}

bool signature_verify(const uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE], const void *message, size_t size,
                      const uint8_t signature[SIGNATURE_SIZE])
{
    uint8_t hash[SHA256_SIZE];
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_mpi r, s;
    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&point);
    mbedtls_mpi_init(&r);
    mbedtls_mpi_init(&s);
    sha256_of(message, size, hash);
    int code = mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1);
    if (code == 0)
        code = mbedtls_ecp_point_read_binary(&group, &point, public_key, SIGNATURE_PUBLIC_KEY_SIZE);
    if (code == 0)
        code = mbedtls_ecp_check_pubkey(&group, &point);
    if (code == 0)
        code = mbedtls_mpi_read_binary(&r, signature, SCALAR_SIZE);
    if (code == 0)
        code = mbedtls_mpi_read_binary(&s, signature + SCALAR_SIZE, SCALAR_SIZE);
    if (code == 0)
        code = mbedtls_ecdsa_verify(&group, hash, sizeof hash, &point, &r, &s);
    mbedtls_mpi_free(&s);
    mbedtls_mpi_free(&r);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
    return code == 0;
}

bool signature_public_key_is_valid(const uint8_t public_key[SIGNATURE_PUBLIC_KEY_SIZE])
{
    mbedtls_ecp_group group;
    mbedtls_ecp_point point;
    mbedtls_ecp_group_init(&group);
    mbedtls_ecp_point_init(&point);
    int code = mbedtls_ecp_group_load(&group, MBEDTLS_ECP_DP_SECP256R1);
    if (code == 0)
        code = mbedtls_ecp_point_read_binary(&group, &point, public_key, SIGNATURE_PUBLIC_KEY_SIZE);
    if (code == 0)
        code = mbedtls_ecp_check_pubkey(&group, &point);
    mbedtls_ecp_point_free(&point);
    mbedtls_ecp_group_free(&group);
    return code == 0 && public_key[0] == 4;
}
