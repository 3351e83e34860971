/* What is kept of a password. Pure; slow by design, so not for the loop thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

struct password_hash {
    uint8_t salt[16], hash[32];
    uint32_t iterations;
};

/* From salt and iterations. */
void password_derive(struct text password, struct password_hash *hash);
MUST_CHECK bool password_matches(struct text password, const struct password_hash *stored);
