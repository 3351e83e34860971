/* Fuzz target: what either reader takes is printed in a form that both read back as the same instant; the
 * lenient reader takes whatever the strict one does. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "base/instant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_read_back(int64_t ns, const char *text, size_t len)
{
    struct text printed = { text, len };
    int64_t back;
    REQUIREF(instant_parse(printed, &back) == ERROR_OK && back == ns, "%.*s", TEXT_ARGS(printed));
    REQUIREF(instant_parse_lenient(printed, &back) == ERROR_OK && back == ns, "%.*s", TEXT_ARGS(printed));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct text input = { (const char *)data, size };
    char text[INSTANT_TEXT_SIZE];
    int64_t strict_ns = 0;
    int64_t ns = 0;
    bool strict = instant_parse(input, &strict_ns) == ERROR_OK;
    bool lenient = instant_parse_lenient(input, &ns) == ERROR_OK;
    REQUIRE(!strict || (lenient && ns == strict_ns));
    if (lenient) {
        must_read_back(ns, text, instant_print(ns, text));
        must_read_back(ns, text, instant_print_offset(ns, text));
        REQUIRE(instant_print_http(ns, text) == 29);
        int64_t hour_ns = hour_start_ns(instant_hour(ns));
        REQUIRE(hour_ns <= ns && ns - hour_ns < NS_PER_HOUR);
    }
    int64_t duration_ns;
    if (instant_parse_duration(input, &duration_ns) == ERROR_OK)
        REQUIRE(duration_ns >= 0);
    return 0;
}
