/* Fuzz target: whatever decimal_parse takes, its printed text is read back as the same value, by the fast
 * way and by the general one. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/decimal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct decimal must_parse(const char *text, size_t len)
{
    struct decimal value;
    REQUIREF(decimal_parse((struct text){ text, len }, &value) == ERROR_OK, "%.*s", (int)len, text);
    return value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decimal value;
    char text[DECIMAL_TEXT_SIZE];
    char longer[DECIMAL_TEXT_SIZE + 32];
    err_t error = decimal_parse((struct text){ (const char *)data, size }, &value);
    REQUIRE(error == ERROR_OK || error == ERROR_INVALID_PROPERTY || error == ERROR_QUANTITY_OUT_OF_RANGE);
    if (error != ERROR_OK)
        return 0;
    size_t len = decimal_print(&value, text);
    REQUIRE(len < sizeof text && text[len] == '\0');
    struct decimal back = must_parse(text, len);
    REQUIRE(decimal_compare(&value, &back) == 0);
    /* an exponent forces the general way */
    int longer_len = snprintf(longer, sizeof longer, "%se+00", text);
    back = must_parse(longer, (size_t)longer_len);
    REQUIRE(decimal_compare(&value, &back) == 0);
    uint8_t bytes[DECIMAL_ENCODED_SIZE];
    decimal_encode(&value, bytes);
    back = decimal_decode(bytes);
    REQUIRE(decimal_compare(&value, &back) == 0);
    REQUIRE(decimal_is_negative(&value) == (text[0] == '-'));
    REQUIRE(decimal_is_zero(&value) == (strcmp(text, "0") == 0));
    return 0;
}
