/* Instances repeat from hour to hour, so each is decoded once per summary and kept by its id. */
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
    memory_free(cache->rows);
    memory_free(cache->instances);
}

static size_t instance_slot(const struct attribute_cache *cache, uint32_t instance)
{
    size_t mask = cache->slot_count - 1, slot = (instance * UINT32_C(2654435761)) & mask;
    while (cache->instances[slot] != 0 && cache->instances[slot] != instance)
        slot = (slot + 1) & mask;
    return slot;
}

static bool grow_instances(struct attribute_cache *cache)
{
    size_t old_count = cache->slot_count, count = old_count == 0 ? SLOTS_MIN : old_count * 2;
    uint32_t *old_instances = cache->instances;
    struct attributes *old_rows = cache->rows;
    uint32_t *instances = memory_zalloc(count, sizeof *instances);
    struct attributes *rows = memory_alloc(count * sizeof *rows);
    if (instances == NULL || rows == NULL) {
        memory_free(instances);
        memory_free(rows);
        return false;
    }
    cache->instances = instances;
    cache->rows = rows;
    cache->slot_count = count;
    for (size_t i = 0; i < old_count; i++) {
        if (old_instances[i] != 0) {
            size_t slot = instance_slot(cache, old_instances[i]);
            instances[slot] = old_instances[i];
            rows[slot] = old_rows[i];
        }
    }
    memory_free(old_instances);
    memory_free(old_rows);
    return true;
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

err_t attribute_cache_get(struct attribute_cache *cache, struct kv_cursor *texts, uint32_t instance,
                          const struct attributes **out)
{
    if (cache->used * 2 >= cache->slot_count && !grow_instances(cache))
        return ERROR_NO_MEMORY;
    size_t slot = instance_slot(cache, instance);
    if (cache->instances[slot] == 0) {
        err_t error = read_instance(cache, texts, instance, &cache->rows[slot]);
        if (error != ERROR_OK)
            return error;
        cache->instances[slot] = instance;
        cache->used++;
    }
    *out = &cache->rows[slot];
    return ERROR_OK;
}
