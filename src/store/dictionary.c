/* The dictionary over two tables: (kind, hash of identity) -> id and (kind, id) -> text. A new id is one
 * more than the last of its kind, found at the end of the kind's range, so no counter can disagree. */
#include "store/dictionary.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/memory.h"
#include "store/keys.h"

#define CACHE_SLOTS ((size_t)1 << 16)

struct cache_slot {
    uint8_t key[DICTIONARY_KEY_SIZE];
    uint32_t id; /* 0: empty */
};

/* Four times as many as texts of one kind: a stamp's resources, each with its source, meters and tags. */
#define GROUP_SLOTS ((size_t)1 << 18)

#define CACHE_LINE_SIZE 64
#define INDEX_BYTES 4 /* of a hash: they choose the slot, the rest is kept in it */

/* Two in a line of the processor's cache. */
struct group_slot {
    uint8_t names[sizeof(struct hash128) - INDEX_BYTES];
    struct dictionary_ids ids; /* instance 0: empty */
};
_Static_assert(CACHE_LINE_SIZE % sizeof(struct group_slot) == 0, "no slot lies across two lines");

struct dictionary {
    uint8_t hash_key[SIPHASH_KEY_SIZE];
    struct group_slot *groups; /* at the first whole line of groups_memory */
    void *groups_memory;
    uint32_t last_id[DICTIONARY_KIND_COUNT]; /* 0: not known in this run */
    struct cache_slot *cache;
};

struct dictionary *dictionary_new(const uint8_t *hash_key)
{
    struct dictionary *dictionary = memory_zalloc(1, sizeof *dictionary);
    if (dictionary == NULL)
        return NULL;
    memcpy(dictionary->hash_key, hash_key, SIPHASH_KEY_SIZE);
    /* Zeroed slots that nobody touches cost no memory, so a small store stays small. */
    dictionary->cache = memory_zalloc(CACHE_SLOTS, sizeof *dictionary->cache);
    dictionary->groups_memory = memory_zalloc(1, GROUP_SLOTS * sizeof *dictionary->groups + CACHE_LINE_SIZE);
    if (dictionary->cache == NULL || dictionary->groups_memory == NULL) {
        dictionary_free(dictionary);
        return NULL;
    }
    char *memory = dictionary->groups_memory;
    dictionary->groups = (void *)(memory + (CACHE_LINE_SIZE - (uintptr_t)memory % CACHE_LINE_SIZE));
    return dictionary;
}

void dictionary_free(struct dictionary *dictionary)
{
    if (dictionary == NULL)
        return;
    memory_free(dictionary->cache);
    memory_free(dictionary->groups_memory);
    memory_free(dictionary);
}

void dictionary_forget(struct dictionary *dictionary)
{
    memset(dictionary->cache, 0, CACHE_SLOTS * sizeof *dictionary->cache);
    memset(dictionary->groups, 0, GROUP_SLOTS * sizeof *dictionary->groups);
    memset(dictionary->last_id, 0, sizeof dictionary->last_id);
}

static struct group_slot *group_slot(const struct dictionary *dictionary, const struct hash128 *names)
{
    return &dictionary->groups[get_u32be(names->bytes) % GROUP_SLOTS];
}

bool dictionary_recall(const struct dictionary *dictionary, const struct hash128 *names, struct dictionary_ids *ids)
{
    const struct group_slot *slot = group_slot(dictionary, names);
    if (slot->ids.instance == 0 || memcmp(slot->names, names->bytes + INDEX_BYTES, sizeof slot->names) != 0)
        return false;
    *ids = slot->ids;
    return true;
}

void dictionary_expect(const struct dictionary *dictionary, const struct hash128 *names)
{
    __builtin_prefetch(group_slot(dictionary, names));
}

void dictionary_remember(struct dictionary *dictionary, const struct hash128 *names, const struct dictionary_ids *ids)
{
    struct group_slot *slot = group_slot(dictionary, names);
    memcpy(slot->names, names->bytes + INDEX_BYTES, sizeof slot->names);
    slot->ids = *ids;
}

static void identity_key(const struct dictionary *dictionary, enum dictionary_kind kind, struct text identity,
                         uint8_t out[DICTIONARY_KEY_SIZE])
{
    struct siphash state;
    siphash_init(&state, dictionary->hash_key);
    siphash_update(&state, identity.ptr, identity.len);
    struct hash128 hash = siphash_finish(&state);
    out[0] = (uint8_t)kind;
    memcpy(out + 1, hash.bytes, sizeof hash.bytes);
}

static void text_key(enum dictionary_kind kind, uint32_t id, uint8_t out[DICTIONARY_TEXT_KEY_SIZE])
{
    out[0] = (uint8_t)kind;
    put_u32be(out + 1, id);
}

err_t dictionary_count(struct kv_txn *txn, enum dictionary_kind kind, uint32_t *count)
{
    uint8_t above[DICTIONARY_TEXT_KEY_SIZE];
    text_key((enum dictionary_kind)(kind + 1), 0, above);
    struct kv_cursor *cursor;
    err_t error = kv_cursor_open(txn, KV_DICTIONARY_TEXT, &cursor);
    if (error != ERROR_OK)
        return error;
    struct text key, value;
    error = kv_cursor_seek(cursor, BYTES(above), &key, &value);
    if (error == ERROR_OK)
        error = kv_cursor_previous(cursor, &key, &value);
    else if (error == ERROR_NOT_FOUND)
        error = kv_cursor_last(cursor, &key, &value);
    *count = 0;
    if (error == ERROR_OK && key.len == DICTIONARY_TEXT_KEY_SIZE && (uint8_t)key.ptr[0] == kind)
        *count = get_u32be((const uint8_t *)key.ptr + 1);
    kv_cursor_close(cursor);
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

static err_t find_by_key(struct kv_txn *txn, const uint8_t key[DICTIONARY_KEY_SIZE], uint32_t *id)
{
    struct text value;
    err_t error = kv_get(txn, KV_DICTIONARY, (struct text){ (const char *)key, DICTIONARY_KEY_SIZE }, &value);
    if (error != ERROR_OK)
        return error;
    if (value.len != 4)
        return ERROR_STORE_CORRUPT;
    *id = get_u32be((const uint8_t *)value.ptr);
    return ERROR_OK;
}

err_t dictionary_find(const struct dictionary *dictionary, struct kv_txn *txn, enum dictionary_kind kind,
                      struct text identity, uint32_t *id)
{
    uint8_t key[DICTIONARY_KEY_SIZE];
    identity_key(dictionary, kind, identity, key);
    return find_by_key(txn, key, id);
}

static err_t put_pair(struct kv_txn *txn, const uint8_t key[DICTIONARY_KEY_SIZE], enum dictionary_kind kind,
                      uint32_t id, struct text text)
{
    uint8_t id_bytes[4], id_key[DICTIONARY_TEXT_KEY_SIZE];
    put_u32be(id_bytes, id);
    text_key(kind, id, id_key);
    err_t error = kv_put(txn, KV_DICTIONARY, (struct text){ (const char *)key, DICTIONARY_KEY_SIZE }, BYTES(id_bytes));
    return error != ERROR_OK ? error : kv_put(txn, KV_DICTIONARY_TEXT, BYTES(id_key), text);
}

static err_t add(struct dictionary *dictionary, struct kv_txn *txn, const uint8_t key[DICTIONARY_KEY_SIZE],
                 enum dictionary_kind kind, struct text text, uint32_t *id)
{
    if (dictionary->last_id[kind] == 0) {
        err_t error = dictionary_count(txn, kind, &dictionary->last_id[kind]);
        if (error != ERROR_OK)
            return error;
    }
    REQUIRE(dictionary->last_id[kind] < UINT32_MAX);
    *id = ++dictionary->last_id[kind];
    return put_pair(txn, key, kind, *id, text);
}

err_t dictionary_define(struct kv_txn *txn, enum dictionary_kind kind, uint32_t id, const struct hash128 *hash,
                        struct text text)
{
    uint8_t key[DICTIONARY_KEY_SIZE];
    key[0] = (uint8_t)kind;
    memcpy(key + 1, hash->bytes, sizeof hash->bytes);
    return put_pair(txn, key, kind, id, text);
}

err_t dictionary_intern(struct dictionary *dictionary, struct kv_txn *txn, enum dictionary_kind kind,
                        struct text identity, struct text text, uint32_t *id, bool *made, struct hash128 *hash)
{
    uint8_t key[DICTIONARY_KEY_SIZE];
    identity_key(dictionary, kind, identity, key);
    *made = false;
    struct cache_slot *slot = &dictionary->cache[get_u32be(key + 1) & (CACHE_SLOTS - 1)];
    if (slot->id != 0 && memcmp(slot->key, key, sizeof key) == 0) {
        *id = slot->id;
        return ERROR_OK;
    }
    err_t error = find_by_key(txn, key, id);
    if (error == ERROR_NOT_FOUND) {
        error = add(dictionary, txn, key, kind, text, id);
        *made = true;
        memcpy(hash->bytes, key + 1, sizeof hash->bytes);
    }
    if (error == ERROR_OK) {
        memcpy(slot->key, key, sizeof key);
        slot->id = *id;
    }
    return error;
}

err_t dictionary_text(struct kv_txn *txn, enum dictionary_kind kind, uint32_t id, struct text *text)
{
    uint8_t key[DICTIONARY_TEXT_KEY_SIZE];
    text_key(kind, id, key);
    return kv_get(txn, KV_DICTIONARY_TEXT, BYTES(key), text);
}

err_t dictionary_text_at(struct kv_cursor *cursor, enum dictionary_kind kind, uint32_t id, struct text *text)
{
    uint8_t key[DICTIONARY_TEXT_KEY_SIZE];
    struct text found;
    text_key(kind, id, key);
    err_t error = kv_cursor_seek(cursor, BYTES(key), &found, text);
    if (error == ERROR_OK && (found.len != sizeof key || memcmp(found.ptr, key, sizeof key) != 0))
        error = ERROR_NOT_FOUND;
    return error;
}

/* --- instances: two ids, then four texts, each a varint and its bytes. The varint is 0 for an absent text,
 * else 2 * (length + 1) plus 1 if it was posted as a string where an object is usual. --- */

static uint8_t *put_text(uint8_t *out, struct text text, bool is_string)
{
    if (text.ptr == NULL)
        return out + varint_put(out, 0);
    out += varint_put(out, 2 * (text.len + 1) + (is_string ? 1 : 0));
    memcpy(out, text.ptr, text.len);
    return out + text.len;
}

size_t instance_encode(const struct instance *instance, uint8_t *out)
{
    REQUIREF(instance->resource_uri.len + instance->location.len + instance->tags.len + instance->additional_info.len <=
                 INSTANCE_SIZE_MAX - INSTANCE_SIZE_BESIDES_TEXTS,
             "resource_uri=%zu tags=%zu", instance->resource_uri.len, instance->tags.len);
    uint8_t *p = out;
    p += varint_put(p, instance->source);
    p += varint_put(p, instance->resource);
    p = put_text(p, instance->resource_uri, false);
    p = put_text(p, instance->location, false);
    p = put_text(p, instance->tags, instance->tags_is_string);
    p = put_text(p, instance->additional_info, instance->additional_info_is_string);
    return (size_t)(p - out);
}

static bool get_text(const uint8_t **cursor, const uint8_t *end, struct text *out, bool *is_string)
{
    uint64_t head;
    if (!varint_get(cursor, end, &head) || head == 1)
        return false;
    *out = TEXT_NONE;
    *is_string = head & 1;
    if (head == 0)
        return true;
    uint64_t length = head / 2 - 1;
    if (length > (uint64_t)(end - *cursor))
        return false;
    *out = (struct text){ (const char *)*cursor, (size_t)length };
    *cursor += length;
    return true;
}

err_t instance_decode(struct text encoded, struct instance *out)
{
    const uint8_t *cursor = (const uint8_t *)encoded.ptr, *end = cursor + encoded.len;
    uint64_t source, resource;
    bool unused;
    if (!varint_get(&cursor, end, &source) || !varint_get(&cursor, end, &resource) || source > UINT32_MAX ||
        resource > UINT32_MAX || !get_text(&cursor, end, &out->resource_uri, &unused) ||
        !get_text(&cursor, end, &out->location, &unused) || !get_text(&cursor, end, &out->tags, &out->tags_is_string) ||
        !get_text(&cursor, end, &out->additional_info, &out->additional_info_is_string) || cursor != end)
        return ERROR_STORE_CORRUPT;
    out->source = (uint32_t)source;
    out->resource = (uint32_t)resource;
    return ERROR_OK;
}
