/* What summaries need to know of an instance: its location and the values of some tags, as small numbers.
 * One per summary; owns its texts. Not thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/error.h"
#include "base/text.h"
#include "store/dictionary.h"
#include "store/kv.h"

#define ATTRIBUTES_TAGS_MAX 20 /* those to group by and those to filter by */

/* Texts seen, numbered from 1; 0 is "none". */
struct text_numbers {
    struct text *texts; /* texts[number] */
    uint32_t count, capacity;
    uint32_t *slots;
    size_t slot_count;
};

struct attributes {
    uint32_t source, location;
    uint32_t tags[ATTRIBUTES_TAGS_MAX];
};

struct attribute_cache {
    struct arena *arena;   /* texts */
    struct arena *scratch; /* one parse */
    const struct text *tag_names;
    size_t tag_count;
    struct text_numbers texts;
    struct attributes *rows; /* by slot */
    uint32_t *instances;     /* slot -> instance id, 0: empty */
    size_t slot_count, used;
};

/* tag_names are borrowed. */
MUST_CHECK bool attribute_cache_init(struct attribute_cache *cache, const struct text *tag_names, size_t tag_count);
void attribute_cache_free(struct attribute_cache *cache);
/* texts: a cursor on KV_DICTIONARY_TEXT. *out lives until the next call. */
MUST_CHECK err_t attribute_cache_get(struct attribute_cache *cache, struct kv_cursor *texts, uint32_t instance,
                                     const struct attributes **out);
/* The number of a text, added if new; 0 when memory is short. */
uint32_t attribute_number(struct attribute_cache *cache, struct text text);
struct text attribute_text(const struct attribute_cache *cache, uint32_t number);
