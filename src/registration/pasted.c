/* See pasted.h. */
#include "registration/pasted.h"

struct text pasted_text(struct arena *arena, struct text text)
{
    char *out = arena_alloc(arena, text.len + 1);
    size_t len = 0;
    if (out == NULL)
        return TEXT_NONE;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            out[len++] = c;
    }
    out[len] = '\0';
    return (struct text){ out, len };
}
