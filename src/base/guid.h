/* GUIDs as 16 bytes in text order, and random ones. Compared as bytes, printed in lower case. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

#define GUID_TEXT_LEN 36
#define GUID_TEXT_SIZE 37

struct guid {
    uint8_t bytes[16];
};

/* 8-4-4-4-12 hex digits with dashes, any case; nothing else. */
MUST_CHECK bool guid_parse(struct text text, struct guid *out);
/* 32 hex digits without dashes, or the dashed form: what meter ids use (spec section 4). */
MUST_CHECK bool guid_parse_loose(struct text text, struct guid *out);
/* Lower case with dashes, NUL-terminated. */
void guid_print(const struct guid *guid, char out[GUID_TEXT_SIZE]);
bool guid_equal(const struct guid *a, const struct guid *b);
bool guid_is_zero(const struct guid *guid);
/* Version 4 from 16 random bytes that the caller drew (injected randomness). */
struct guid guid_from_random(const uint8_t random[16]);
