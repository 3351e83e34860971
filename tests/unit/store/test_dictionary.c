/* Interned texts, and the encoding of instances. */
#include "support/testing.h"

#include "store/dictionary.h"
#include "store/keys.h"
#include "support/folder.h"

struct fixture {
    struct test_folder folder;
    struct kv *kv;
    struct kv_txn *txn;
    struct dictionary *dictionary;
};

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = { 1, 2, 3 };

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    test_folder_make(&f->folder);
    struct kv_options options = { .folder = f->folder.path, .map_size_bytes = (size_t)1 << 28 };
    assert_ok(kv_open(&options, &f->kv, NULL));
    f->dictionary = dictionary_new(hash_key);
    assert_non_null(f->dictionary);
    assert_ok(kv_write_begin(f->kv, &f->txn));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    kv_abort(f->txn);
    dictionary_free(f->dictionary);
    kv_close(f->kv);
    test_folder_remove(&f->folder);
    free(f);
    return 0;
}

#define WITH_STORE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static uint32_t intern(struct fixture *f, enum dictionary_kind kind, const char *identity, const char *text)
{
    uint32_t id = 0;
    bool made;
    struct hash128 hash;
    assert_ok(dictionary_intern(f->dictionary, f->txn, kind, text_of(identity), text_of(text), &id, &made, &hash));
    return id;
}

static void assert_interned(struct fixture *f, enum dictionary_kind kind, uint32_t id, const char *text)
{
    struct text found;
    assert_ok(dictionary_text(f->txn, kind, id, &found));
    assert_text(found, text);
}

static uint32_t count_of(struct fixture *f, enum dictionary_kind kind)
{
    uint32_t count = UINT32_MAX;
    assert_ok(dictionary_count(f->txn, kind, &count));
    return count;
}

static void ids_count_up_from_1_per_kind(void **state)
{
    struct fixture *f = *state;
    for (int kind = DICTIONARY_SUBSCRIPTION; kind < DICTIONARY_KIND_COUNT; kind++) {
        enum dictionary_kind k = (enum dictionary_kind)kind;
        assert_int_equal(count_of(f, k), 0);
        assert_int_equal(intern(f, k, "a", "A"), 1);
        assert_int_equal(intern(f, k, "b", "B"), 2);
        assert_int_equal(count_of(f, k), 2);
    }
    for (int kind = DICTIONARY_SUBSCRIPTION; kind < DICTIONARY_KIND_COUNT; kind++) {
        enum dictionary_kind k = (enum dictionary_kind)kind;
        assert_int_equal(count_of(f, k), 2);
        assert_interned(f, k, 1, "A");
        assert_interned(f, k, 2, "B");
    }
}

static void the_text_seen_first_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(intern(f, DICTIONARY_METER, "m", "M-first"), 1);
    assert_int_equal(intern(f, DICTIONARY_METER, "m", "M-second"), 1);
    dictionary_forget(f->dictionary); /* now from the table, not from the cache */
    assert_int_equal(intern(f, DICTIONARY_METER, "m", "M-third"), 1);
    assert_interned(f, DICTIONARY_METER, 1, "M-first");
    assert_int_equal(intern(f, DICTIONARY_METER, "n", "N"), 2);
}

static void finds_only_what_was_seen(void **state)
{
    struct fixture *f = *state;
    uint32_t id = 7;
    struct text text;
    assert_error(dictionary_find(f->dictionary, f->txn, DICTIONARY_SOURCE, TEXT("s"), &id), ERROR_NOT_FOUND);
    intern(f, DICTIONARY_SOURCE, "s", "s");
    assert_ok(dictionary_find(f->dictionary, f->txn, DICTIONARY_SOURCE, TEXT("s"), &id));
    assert_int_equal(id, 1);
    assert_error(dictionary_find(f->dictionary, f->txn, DICTIONARY_PRODUCER, TEXT("s"), &id), ERROR_NOT_FOUND);
    assert_error(dictionary_text(f->txn, DICTIONARY_SOURCE, 2, &text), ERROR_NOT_FOUND);
    assert_error(dictionary_text(f->txn, DICTIONARY_SOURCE, 0, &text), ERROR_NOT_FOUND);
}

/* What an aborted transaction gave out is given out again, to others. */
static void forgets_what_was_aborted(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(intern(f, DICTIONARY_SOURCE, "lost", "lost"), 1);
    kv_abort(f->txn);
    dictionary_forget(f->dictionary);
    assert_ok(kv_write_begin(f->kv, &f->txn));
    assert_int_equal(intern(f, DICTIONARY_SOURCE, "kept", "kept"), 1);
    assert_int_equal(intern(f, DICTIONARY_SOURCE, "lost", "lost"), 2);
    assert_interned(f, DICTIONARY_SOURCE, 1, "kept");
}

/* More texts than the cache has slots, so that most of them push another one out. */
static void many_texts_keep_their_ids(void **state)
{
    enum { COUNT = 100000 };
    struct fixture *f = *state;
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 1; i <= COUNT; i++) {
            char text[32];
            (void)snprintf(text, sizeof text, "text %u", i);
            assert_int_equal(intern(f, DICTIONARY_RESOURCE, text, text), i);
        }
    }
    assert_int_equal(count_of(f, DICTIONARY_RESOURCE), COUNT);
    assert_interned(f, DICTIONARY_RESOURCE, 77777, "text 77777");
}

static void a_failed_write_is_reported(void **state)
{
    struct fixture *f = *state;
    uint32_t id;
    bool made;
    struct hash128 hash;
    for (uint64_t n = 1; n <= 2; n++) {
        kv_fail_write(f->kv, n, ERROR_IO);
        assert_error(
            dictionary_intern(f->dictionary, f->txn, DICTIONARY_SOURCE, TEXT("s"), TEXT("s"), &id, &made, &hash),
            ERROR_IO);
        kv_abort(f->txn);
        dictionary_forget(f->dictionary);
        assert_ok(kv_write_begin(f->kv, &f->txn));
    }
    assert_int_equal(intern(f, DICTIONARY_SOURCE, "s", "s"), 1);
}

static void a_bad_id_in_the_table_is_corruption(void **state)
{
    struct fixture *f = *state;
    intern(f, DICTIONARY_SOURCE, "s", "s");
    struct kv_cursor *cursor;
    struct text key, value;
    assert_ok(kv_cursor_open(f->txn, KV_DICTIONARY, &cursor));
    assert_ok(kv_cursor_next(cursor, &key, &value));
    char copy[DICTIONARY_KEY_SIZE];
    assert_int_equal(key.len, sizeof copy);
    memcpy(copy, key.ptr, sizeof copy);
    kv_cursor_close(cursor);
    assert_ok(kv_put(f->txn, KV_DICTIONARY, BYTES(copy), TEXT("abc")));
    uint32_t id;
    assert_error(dictionary_find(f->dictionary, f->txn, DICTIONARY_SOURCE, TEXT("s"), &id), ERROR_STORE_CORRUPT);
}

/* --- instances --- */

static void assert_same_text(struct text a, struct text b)
{
    assert_int_equal(a.ptr == NULL, b.ptr == NULL);
    assert_true(text_equal(a, b));
}

static void assert_same_instance(const struct instance *a, const struct instance *b)
{
    assert_int_equal(a->source, b->source);
    assert_int_equal(a->resource, b->resource);
    assert_same_text(a->resource_uri, b->resource_uri);
    assert_same_text(a->location, b->location);
    assert_same_text(a->tags, b->tags);
    assert_same_text(a->additional_info, b->additional_info);
    assert_int_equal(a->tags_is_string, b->tags_is_string);
    assert_int_equal(a->additional_info_is_string, b->additional_info_is_string);
}

static const struct instance instances[] = {
    { .resource_uri = { "/r", 2 }, .location = { "", 0 } },
    { .source = 1, .resource = 2, .resource_uri = { "/r", 2 }, .location = { "east", 4 }, .tags = { "{}", 2 } },
    { .source = UINT32_MAX,
      .resource = UINT32_MAX,
      .resource_uri = { "", 0 },
      .location = { "", 0 },
      .tags = { "", 0 },
      .tags_is_string = true,
      .additional_info = { "null", 4 },
      .additional_info_is_string = true },
    { .source = 300,
      .resource = 70000,
      .resource_uri = { "/a/b", 4 },
      .location = { "x", 1 },
      .additional_info = { "{\"a\":1}", 7 } },
};

static void instances_come_back_as_they_were(void **state)
{
    (void)state;
    static uint8_t bytes[INSTANCE_SIZE_MAX];
    for (size_t i = 0; i < COUNT_OF(instances); i++) {
        struct text encoded = { (const char *)bytes, instance_encode(&instances[i], bytes) };
        struct instance decoded;
        assert_ok(instance_decode(encoded, &decoded));
        assert_same_instance(&decoded, &instances[i]);
    }
}

static void the_largest_instance_fits(void **state)
{
    (void)state;
    static uint8_t bytes[INSTANCE_SIZE_MAX];
    static char text[64 * 1024];
    memset(text, 't', sizeof text);
    struct instance instance = { .source = UINT32_MAX,
                                 .resource = UINT32_MAX,
                                 .resource_uri = { text, 8192 },
                                 .location = { text, 256 },
                                 .tags = { text, sizeof text - 8448 },
                                 .additional_info = { text, 0 } };
    struct text encoded = { (const char *)bytes, instance_encode(&instance, bytes) };
    struct instance decoded;
    assert_true(encoded.len <= sizeof bytes);
    assert_ok(instance_decode(encoded, &decoded));
    assert_same_instance(&decoded, &instance);
}

/* Every cut and every changed byte either decodes to something in bounds or is refused; the sanitizers watch. */
static void damaged_instances_do_no_harm(void **state)
{
    (void)state;
    static uint8_t bytes[INSTANCE_SIZE_MAX];
    size_t size = instance_encode(&instances[3], bytes);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 1);
        assert_non_null(copy);
        memcpy(copy, bytes, cut);
        struct instance decoded;
        assert_error(instance_decode((struct text){ (const char *)copy, cut }, &decoded), ERROR_STORE_CORRUPT);
        free(copy);
    }
    for (size_t at = 0; at < size; at++) {
        for (int value = 0; value < 256; value++) {
            uint8_t *copy = malloc(size);
            struct instance d;
            assert_non_null(copy);
            memcpy(copy, bytes, size);
            copy[at] = (uint8_t)value;
            err_t error = instance_decode((struct text){ (const char *)copy, size }, &d);
            assert_true(error == ERROR_STORE_CORRUPT || (error == ERROR_OK && d.tags.len + d.resource_uri.len <= size));
            free(copy);
        }
    }
}

/* --- ids that are recalled together --- */

static void groups_are_recalled_until_forgotten(void **state)
{
    struct fixture *f = *state;
    const struct dictionary_ids ids = { 1, 2, 3, 4, 5 }, others = { 6, 7, 8, 9, 10 };
    struct hash128 names = { { 9, 9, 9, 9, 9, 9 } }, same_slot = names;
    struct dictionary_ids found;
    same_slot.bytes[15] = 1;
    assert_false(dictionary_recall(f->dictionary, &names, &found));
    dictionary_expect(f->dictionary, &names);
    dictionary_remember(f->dictionary, &names, &ids);
    assert_true(dictionary_recall(f->dictionary, &names, &found));
    assert_memory_equal(&found, &ids, sizeof ids);
    assert_false(dictionary_recall(f->dictionary, &same_slot, &found));
    dictionary_remember(f->dictionary, &same_slot, &others); /* takes the slot */
    assert_false(dictionary_recall(f->dictionary, &names, &found));
    assert_true(dictionary_recall(f->dictionary, &same_slot, &found));
    assert_memory_equal(&found, &others, sizeof others);
    dictionary_forget(f->dictionary);
    assert_false(dictionary_recall(f->dictionary, &same_slot, &found));
}

TESTS(WITH_STORE(groups_are_recalled_until_forgotten), WITH_STORE(ids_count_up_from_1_per_kind),
      WITH_STORE(the_text_seen_first_stays), WITH_STORE(finds_only_what_was_seen), WITH_STORE(forgets_what_was_aborted),
      WITH_STORE(many_texts_keep_their_ids), WITH_STORE(a_failed_write_is_reported),
      WITH_STORE(a_bad_id_in_the_table_is_corruption), cmocka_unit_test(instances_come_back_as_they_were),
      cmocka_unit_test(the_largest_instance_fits), cmocka_unit_test(damaged_instances_do_no_harm))
