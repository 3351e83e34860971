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

/* What an instance says, as far as it was asked for. */
struct attributes {
    uint32_t source, location;
    uint32_t tags[ATTRIBUTES_TAGS_MAX];
};

#define ATTRIBUTES_PER_PAGE 4096

struct attribute_cache {
    struct arena *arena;   /* texts */
    struct arena *scratch; /* one parse */
    const struct text *tag_names;
    size_t tag_count;
    struct text_numbers texts;
    /* instance id / ATTRIBUTES_PER_PAGE -> numbers of the attributes of that page's instances, 0: not looked up; NULL:
     * none was. Rows come about in the order of ids, so that this is read as it lies. */
    uint32_t **pages;
    size_t page_count;
    struct attributes *rows; /* distinct ones, rows[number - 1] */
    uint32_t *slots;         /* number, 0: empty */
    size_t count, capacity;
};

/* tag_names are borrowed. */
MUST_CHECK bool attribute_cache_init(struct attribute_cache *cache, const struct text *tag_names, size_t tag_count);
void attribute_cache_free(struct attribute_cache *cache);
/* texts: a cursor on KV_DICTIONARY_TEXT. *number counts from 1; instances that say the same have the same. */
MUST_CHECK err_t attribute_cache_look_up(struct attribute_cache *cache, struct kv_cursor *texts, uint32_t instance,
                                         uint32_t *number);
static inline err_t attribute_cache_get(struct attribute_cache *cache, struct kv_cursor *texts, uint32_t instance,
                                        uint32_t *number)
{
    size_t page = instance / ATTRIBUTES_PER_PAGE;
    if (page < cache->page_count && cache->pages[page] != NULL &&
        (*number = cache->pages[page][instance % ATTRIBUTES_PER_PAGE]) != 0)
        return ERROR_OK;
    return attribute_cache_look_up(cache, texts, instance, number);
}
/* Lives until the next look-up. */
static inline const struct attributes *attribute_row(const struct attribute_cache *cache, uint32_t number)
{
    return &cache->rows[number - 1];
}
/* The number of a text, added if new; 0 when memory is short. */
uint32_t attribute_number(struct attribute_cache *cache, struct text text);
struct text attribute_text(const struct attribute_cache *cache, uint32_t number);
