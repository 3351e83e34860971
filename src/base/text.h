/* Borrowed byte ranges. A struct text points into memory that somebody else owns (an arena, a
 * request body, a literal); it is not NUL-terminated and never freed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct text {
    const char *ptr;
    size_t len;
};

#define TEXT(literal) ((struct text){ "" literal, sizeof(literal) - 1 })
#define TEXT_NONE ((struct text){ NULL, 0 })
/* For printf: printf("%.*s", TEXT_ARGS(t)). */
#define TEXT_ARGS(t) (int)(t).len, (t).ptr

static inline struct text text_of(const char *c_string)
{
    return (struct text){ c_string, c_string != NULL ? strlen(c_string) : 0 };
}

static inline bool text_equal(struct text a, struct text b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII letters compare without case; other bytes exactly. */
bool text_equal_nocase(struct text a, struct text b);
bool text_starts_with(struct text t, struct text prefix);
bool text_starts_with_nocase(struct text t, struct text prefix);
/* Bytewise order, shorter first on a common prefix; <0, 0, >0. */
int text_compare(struct text a, struct text b);
/* Without leading and trailing spaces, tabs, CR and LF. */
struct text text_trim(struct text t);
/* Cuts *rest at the first separator: returns what stands before it, leaves what follows in *rest
 * (TEXT_NONE when there is no separator). Returns false once *rest is TEXT_NONE. */
bool text_cut(struct text *rest, char separator, struct text *piece);
/* Decimal digits only, no sign, no blanks; false on anything else or overflow. */
bool text_to_u64(struct text t, unsigned long long *out);
/* Levenshtein distance capped at 'cap', for "did you mean"; both at most 64 bytes, else returns cap. */
size_t text_distance(struct text a, struct text b, size_t cap);

/* Length in bytes of the well-formed UTF-8 code point that t starts with (RFC 3629: shortest form, no
 * surrogates, at most U+10FFFF); 0 when t is empty or starts with anything else. */
size_t text_utf8_step(struct text t);
bool text_is_utf8(struct text t);
