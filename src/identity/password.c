/* Passwords: fresh ones, and checking one against what the store keeps. The hash is computed outside any
 * transaction, so that its half second holds no snapshot. */
#include "identity/password.h"

#include "base/crypto.h"
#include "identity/identity.h"

#define PASSWORD_GROUPS 4
#define PASSWORD_GROUP_SIZE 5

void password_make(char out[32])
{
    /* Crockford's base 32: no letter that looks or sounds like a digit. 32 divides 256, so no value is favoured. */
    static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint8_t random[PASSWORD_GROUPS * PASSWORD_GROUP_SIZE];
    size_t length = 0;
    _Static_assert(sizeof alphabet == 32 + 1, "5 bits a character");
    _Static_assert(PASSWORD_GROUPS * (PASSWORD_GROUP_SIZE + 1) <= 32, "a password fits");
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++) {
        if (i > 0 && i % PASSWORD_GROUP_SIZE == 0)
            out[length++] = '-';
        out[length++] = alphabet[random[i] % 32];
    }
    out[length] = '\0';
    secret_wipe(random, sizeof random);
}

void password_derive(struct text password, struct password_hash *hash)
{
    pbkdf2_sha256(password, hash->salt, sizeof hash->salt, hash->iterations, hash->hash, sizeof hash->hash);
}

bool password_matches(struct text password, const struct password_hash *stored)
{
    struct password_hash tried = *stored;
    bool fits = password.len <= PASSWORD_SIZE_MAX;
    /* Too long ones take the time of others, and no more than that. */
    password_derive(fits ? password : TEXT(""), &tried);
    bool same = equal_constant_time(tried.hash, stored->hash, sizeof tried.hash);
    secret_wipe(&tried, sizeof tried);
    return same && fits;
}
