/* JSON (RFC 8259): a strict reader over the parser library, a canonical form for comparing values, and
 * a streaming writer. Numbers stay text and never become doubles. json.c (the reader) is the only file
 * that knows the library; json_split.c, json_write.c and json_canonical.c build on this header alone.
 * Reader: values live in the arena passed to json_parse, one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/text.h"

#define JSON_DEPTH_MAX 64

enum json_type { JSON_NULL, JSON_FALSE, JSON_TRUE, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* A value of a parsed document; only pointers to it are handled. */
struct json;

/* Parses exactly one value (blanks around it allowed). Strict: UTF-8 checked, no comments, no trailing
 * commas, no NaN, at most JSON_DEPTH_MAX deep. On failure ERROR_INVALID_REQUEST_CONTENT with position
 * and reason in *info (may be NULL); ERROR_NO_MEMORY when the arena is exhausted. */
MUST_CHECK err_t json_parse(struct arena *arena, struct text text, const struct json **out, struct error_info *info);
/* A value of the store's tables. A copy is parsed, because the parser may keep pointers into its input, and nothing may
 * point into the map for longer than the transaction. ERROR_STORE_CORRUPT, ERROR_NO_MEMORY. */
MUST_CHECK err_t json_parse_stored(struct arena *arena, struct text value, const struct json **out);

enum json_type json_type(const struct json *value);
/* The unescaped string; REQUIREs JSON_STRING. May contain any code point, NUL included. */
struct text json_string(const struct json *value);
/* The number as it was written; REQUIREs JSON_NUMBER. */
struct text json_number(const struct json *value);
/* Elements of an array or members of an object. */
size_t json_count(const struct json *value);
/* First member of that name in an object, or NULL (also when value is NULL or not an object). */
const struct json *json_member(const struct json *object, struct text name);
/* Convenience: string member, or false when absent or not a string. */
bool json_member_string(const struct json *object, struct text name, struct text *out);

/* for (struct json_iterator i = json_iterate(v); json_next(&i);) use i.name (objects) and i.value. */
struct json_iterator {
    struct text name;
    const struct json *value;
    const void *next; /* private */
    size_t left;      /* private */
    bool object;      /* private */
};
struct json_iterator json_iterate(const struct json *container);
bool json_next(struct json_iterator *iterator);

/* True when some object in value (at any depth) names a member twice; that name is then in *name.
 * O(n log n). Scratch memory from the arena; where that is short it is true as well, with TEXT_NONE as
 * name, because nobody could tell. */
bool json_has_duplicate_member(struct arena *arena, const struct json *value, struct text *name);

/* The value as compact JSON in its own member order, number text kept. ptr NULL when out of memory. */
MUST_CHECK struct text json_minify(struct arena *arena, const struct json *value);
/* Canonical text: members sorted by name bytes, numbers in one form (1.0, 1 and 10e-1 are equal), strings
 * minimally escaped. Two values are equal as JSON exactly when their canonical texts are. */
MUST_CHECK struct text json_canonical(struct arena *arena, const struct json *value);

/* Splits the top level of a JSON array into the texts of its elements without parsing them (for records
 * that are then parsed, limited and rejected one by one). Calls are cheap and allocate nothing.
 *   struct json_splitter s = json_split(text); while (json_split_next(&s, &element)) ...; check s.error.
 * s.error: ERROR_INVALID_REQUEST_CONTENT when the outer structure is broken (elements themselves are
 * not validated beyond strings and brackets). If text's first value is not an array, it is the single
 * element. */
struct json_splitter {
    struct text rest;
    err_t error;
    int state;
};
struct json_splitter json_split(struct text text);
bool json_split_next(struct json_splitter *splitter, struct text *element);
/* The same in two steps, for readers that find the end of most elements themselves: begin goes to the next element's
 * first byte (*rest: from there on), false at the end; then either accept tells how many bytes it has (false, and
 * nothing has changed, when no comma, bracket or end follows them) or find looks for its end. */
bool json_split_begin(struct json_splitter *splitter, struct text *rest);
MUST_CHECK bool json_split_accept(struct json_splitter *splitter, size_t size);
bool json_split_find(struct json_splitter *splitter, struct text *element);

/* Streaming writer into a buffer; commas are placed by the writer. Errors: buffer.failed. Depth at most
 * JSON_DEPTH_MAX (REQUIREd). */
struct json_writer {
    struct buffer *out;
    unsigned depth;
    uint64_t has_item;  /* bit per level */
    uint64_t is_object; /* bit per level */
    bool after_name;
};
struct json_writer json_writer(struct buffer *out);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_name(struct json_writer *w, const char *name);
void json_name_text(struct json_writer *w, struct text name);
/* Invalid UTF-8 in value is replaced by U+FFFD so that output is always valid JSON. */
void json_put_text(struct json_writer *w, struct text value);
void json_put_cstring(struct json_writer *w, const char *value);
void json_put_u64(struct json_writer *w, uint64_t value);
void json_put_i64(struct json_writer *w, int64_t value);
void json_put_bool(struct json_writer *w, bool value);
void json_put_null(struct json_writer *w);
void json_put_guid(struct json_writer *w, const struct guid *value);
/* Text that is JSON already (a number's text, a stored value); not checked. */
void json_put_raw(struct json_writer *w, struct text json);
/* The escaped string without quotes, appended to out. */
void json_escape(struct buffer *out, struct text value);
