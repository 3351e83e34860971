/* See url.h. */
#include "base/url.h"

#include <string.h>

bool https_url_is_valid(struct text url)
{
    struct text scheme = TEXT("https://");
    if (!text_starts_with_nocase(url, scheme) || url.len == scheme.len || strchr("/:", url.ptr[scheme.len]) != NULL)
        return false;
    for (size_t i = scheme.len; i < url.len; i++)
        if (url.ptr[i] <= ' ' || url.ptr[i] >= 0x7f || strchr("?#@\\\"<>", url.ptr[i]) != NULL)
            return false;
    return true;
}
