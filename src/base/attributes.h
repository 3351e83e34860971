/* Compiler attributes and small compile-time helpers that every layer uses. No code, no state. */
#pragma once

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define COLD __attribute__((cold))
#define NORETURN __attribute__((noreturn))
#define PRINTF_LIKE(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
/* For small inner loops that were measured: leaves out the traps on undefined behaviour that the release build has
 * elsewhere. The sanitizer and fuzz builds keep them. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HOT
#endif
#endif
#ifndef HOT
#define HOT __attribute__((no_sanitize("undefined")))
#endif
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
