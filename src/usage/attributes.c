/* Instances repeat from hour to hour, so each is decoded once per summary, and many say the same: what rows are grouped
 * by is a small number, found by the id in two steps without a search. */
#include "usage/attributes.h"

#include <string.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"

#define SLOTS_MIN ((size_t)1024)

/* --- numbered texts --- */

static size_t text_slot(const struct text_numbers *numbers, struct text text)
{
    size_t mask = numbers->slot_count - 1, slot = (size_t)hash64(text.ptr, text.len, 0) & mask;
    while (numbers->slots[slot] != 0 && !text_equal(numbers->texts[numbers->slots[slot]], text))
        slot = (slot + 1) & mask;
    return slot;
}

static bool grow_texts(struct text_numbers *numbers)
{
    size_t capacity = numbers->capacity == 0 ? SLOTS_MIN : (size_t)numbers->capacity * 2;
    struct text *texts = memory_realloc(numbers->texts, capacity * sizeof *texts);
    if (texts == NULL)
        return false;
    numbers->texts = texts;
    uint32_t *slots = memory_zalloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return false;
    memory_free(numbers->slots);
    numbers->slots = slots;
    numbers->slot_count = capacity * 2;
    numbers->capacity = (uint32_t)capacity;
    for (uint32_t n = 1; n <= numbers->count; n++)
        numbers->slots[text_slot(numbers, numbers->texts[n])] = n;
    return true;
}

uint32_t attribute_number(struct attribute_cache *cache, struct text text)
{
    struct text_numbers *numbers = &cache->texts;
    if (numbers->count + 1 >= numbers->capacity && !grow_texts(numbers))
        return 0;
    size_t slot = text_slot(numbers, text);
    if (numbers->slots[slot] != 0)
        return numbers->slots[slot];
    struct text copy = arena_text(cache->arena, text);
    if (copy.ptr == NULL)
        return 0;
    numbers->texts[++numbers->count] = copy;
    numbers->slots[slot] = numbers->count;
    return numbers->count;
}

struct text attribute_text(const struct attribute_cache *cache, uint32_t number)
{
    REQUIRE(number <= cache->texts.count);
    return number == 0 ? TEXT_NONE : cache->texts.texts[number];
}

/* --- instances --- */

bool attribute_cache_init(struct attribute_cache *cache, const struct text *tag_names, size_t tag_count)
{
    REQUIRE(tag_count <= ATTRIBUTES_TAGS_MAX);
    *cache = (struct attribute_cache){
        .arena = arena_new(65536, 0), .scratch = arena_new(16384, 0), .tag_names = tag_names, .tag_count = tag_count
    };
    return cache->arena != NULL && cache->scratch != NULL;
}

void attribute_cache_free(struct attribute_cache *cache)
{
    arena_free(cache->arena);
    arena_free(cache->scratch);
    memory_free(cache->texts.texts);
    memory_free(cache->texts.slots);
    for (size_t i = 0; i < cache->page_count; i++)
        memory_free(cache->pages[i]);
    memory_free(cache->pages);
    memory_free(cache->rows);
    memory_free(cache->slots);
}

static size_t row_slot(const struct attribute_cache *cache, const struct attributes *row)
{
    size_t mask = cache->capacity * 2 - 1, slot = (size_t)hash64(row, sizeof *row, 0) & mask;
    while (cache->slots[slot] != 0 && memcmp(&cache->rows[cache->slots[slot] - 1], row, sizeof *row) != 0)
        slot = (slot + 1) & mask;
    return slot;
}

static bool grow_rows(struct attribute_cache *cache)
{
    size_t capacity = cache->capacity == 0 ? SLOTS_MIN : cache->capacity * 2;
    struct attributes *rows = memory_realloc(cache->rows, capacity * sizeof *rows);
    if (rows == NULL)
        return false;
    cache->rows = rows;
    uint32_t *slots = memory_zalloc(capacity * 2, sizeof *slots);
    if (slots == NULL)
        return false;
    memory_free(cache->slots);
    cache->slots = slots;
    cache->capacity = capacity;
    for (size_t i = 0; i < cache->count; i++)
        cache->slots[row_slot(cache, &cache->rows[i])] = (uint32_t)(i + 1);
    return true;
}

/* The number of what an instance says; 0 when memory is short. */
static uint32_t row_number(struct attribute_cache *cache, const struct attributes *row)
{
    if (cache->count == cache->capacity && !grow_rows(cache))
        return 0;
    size_t slot = row_slot(cache, row);
    if (cache->slots[slot] == 0) {
        cache->rows[cache->count] = *row;
        cache->slots[slot] = (uint32_t)++cache->count;
    }
    return cache->slots[slot];
}

static bool make_page(struct attribute_cache *cache, size_t page)
{
    if (page >= cache->page_count) {
        size_t count = page * 2 + 16;
        uint32_t **pages = memory_realloc(cache->pages, count * sizeof *pages);
        if (pages == NULL)
            return false;
        memset(pages + cache->page_count, 0, (count - cache->page_count) * sizeof *pages);
        cache->pages = pages;
        cache->page_count = count;
    }
    if (cache->pages[page] == NULL)
        cache->pages[page] = memory_zalloc(ATTRIBUTES_PER_PAGE, sizeof *cache->pages[page]);
    return cache->pages[page] != NULL;
}

/* A tag's value: a string as it is, anything else as its JSON; names compare without case, as ARM's do. */
static err_t read_tags(struct attribute_cache *cache, struct text tags, struct attributes *out)
{
    const struct json *object;
    if (cache->tag_count == 0 || tags.len == 0)
        return ERROR_OK;
    arena_reset(cache->scratch);
    err_t error = json_parse(cache->scratch, tags, &object, NULL);
    uint32_t numbers[ATTRIBUTES_TAGS_MAX] = { 0 };
    struct text values[ATTRIBUTES_TAGS_MAX] = { 0 };
    if (error == ERROR_OK && json_type(object) == JSON_OBJECT) {
        for (struct json_iterator i = json_iterate(object); json_next(&i);)
            for (size_t t = 0; t < cache->tag_count; t++)
                if (text_equal_nocase(i.name, cache->tag_names[t]) && json_type(i.value) != JSON_NULL)
                    values[t] =
                        json_type(i.value) == JSON_STRING ? json_string(i.value) : json_minify(cache->scratch, i.value);
    }
    /* Texts that were not JSON (such as "") simply have no tags. */
    bool complete = true;
    for (size_t t = 0; t < cache->tag_count; t++) {
        if (values[t].ptr == NULL)
            continue;
        numbers[t] = attribute_number(cache, values[t]);
        complete = complete && numbers[t] != 0;
    }
    memcpy(out->tags, numbers, sizeof numbers);
    return complete && error != ERROR_NO_MEMORY ? ERROR_OK : ERROR_NO_MEMORY;
}

static err_t read_instance(struct attribute_cache *cache, struct kv_cursor *texts, uint32_t id, struct attributes *out)
{
    struct text encoded;
    struct instance instance;
    *out = (struct attributes){ 0 };
    err_t error = dictionary_text_at(texts, DICTIONARY_INSTANCE, id, &encoded);
    if (error == ERROR_OK)
        error = instance_decode(encoded, &instance);
    if (error != ERROR_OK)
        return error == ERROR_NOT_FOUND ? ERROR_STORE_CORRUPT : error;
    out->source = instance.source;
    out->location = attribute_number(cache, instance.location);
    if (out->location == 0)
        return ERROR_NO_MEMORY;
    return read_tags(cache, instance.tags, out);
}

err_t attribute_cache_look_up(struct attribute_cache *cache, struct kv_cursor *texts, uint32_t instance,
                              uint32_t *number)
{
    struct attributes row;
    err_t error = read_instance(cache, texts, instance, &row);
    if (error != ERROR_OK)
        return error;
    *number = row_number(cache, &row);
    if (*number == 0 || !make_page(cache, instance / ATTRIBUTES_PER_PAGE))
        return ERROR_NO_MEMORY;
    cache->pages[instance / ATTRIBUTES_PER_PAGE][instance % ATTRIBUTES_PER_PAGE] = *number;
    return ERROR_OK;
}
