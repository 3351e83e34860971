/* Unit tests of base/url: what is an address to send to, and what must never get into a request. */
#include "support.h"

#include "base/url.h"

static void addresses_are_https_with_a_host(void **state)
{
    (void)state;
    static const char *const good[] = { "https://h", "HTTPS://host.example:8443", "https://10.0.0.1/base/path",
                                        "https://[::1]:8443/", "https://h/a-b_c~d%20" };
    static const char *const bad[] = { "",
                                       "https://",
                                       "https:///path",
                                       "https://:8443",
                                       "http://h",
                                       "ftp://h",
                                       "h",
                                       "https:/h",
                                       "https://h?",
                                       "https://h#f",
                                       "https://u:p@h",
                                       "https://h/\"",
                                       "https://h<",
                                       "https://h/a b",
                                       "https://h\r\nX:",
                                       "https://h\x1b[2J",
                                       "https://h>",
                                       "https://h\\a",
                                       "https://h\x7f",
                                       "https://h\xC3\xA9",
                                       " https://h",
                                       "https://h/\tblank",
                                       "https:// h" };
    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (!https_url_is_valid(text_of(good[i])))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (https_url_is_valid(text_of(bad[i])))
            fail_msg("taken: %s", bad[i]);
    assert_false(https_url_is_valid(TEXT("https://h\0ost")));
}

TESTS(cmocka_unit_test(addresses_are_https_with_a_host))
