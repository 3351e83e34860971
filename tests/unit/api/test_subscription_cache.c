/* The cache of the resolver's answers, against a plain list of what was put. */
#include "support/testing.h"

#include "api/subscription_cache.h"

#define IDS 200

struct model_entry {
    bool there, known;
    int64_t expires_ns;
    uint8_t version;
};

static struct guid id_of(size_t number)
{
    struct guid id = { { 0 } };
    id.bytes[7] = (uint8_t)(number * 37);
    id.bytes[15] = (uint8_t)number;
    id.bytes[0] = 1;
    return id;
}

static struct commercial_subscription example(const struct guid *id, uint8_t version)
{
    return (struct commercial_subscription){ .id = *id,
                                             .tenant_id = { { [0] = version } },
                                             .partner_id = version % 3 == 0 ? TEXT("") : TEXT("contoso"),
                                             .reseller_id = version % 2 == 0 ? TEXT("") : TEXT("litware"),
                                             .offer = (enum offer)(version % OFFER_COUNT),
                                             .active = version % 5 != 0 };
}

static void check_one(struct subscription_cache *cache, struct arena *arena, const struct model_entry *model,
                      const struct guid *id, int64_t now_ns, size_t *hits)
{
    struct commercial_subscription found;
    bool known;
    struct arena_mark mark = arena_mark(arena);
    err_t error = subscription_cache_get(cache, id, now_ns, arena, &known, &found);
    if (error == ERROR_NOT_FOUND) /* it may have made room for another */
        return;
    assert_int_equal(error, ERROR_OK);
    assert_true(model->there && model->expires_ns > now_ns);
    assert_int_equal(known, model->known);
    ++*hits;
    if (known) {
        struct commercial_subscription expected = example(id, model->version);
        assert_true(guid_equal(&found.id, id) && guid_equal(&found.tenant_id, &expected.tenant_id));
        assert_true(text_equal(found.partner_id, expected.partner_id));
        assert_true(text_equal(found.reseller_id, expected.reseller_id));
        assert_true(found.offer == expected.offer && found.active == expected.active);
    }
    arena_rewind(arena, mark);
}

static void never_answers_what_was_not_put_or_has_expired(void **state)
{
    (void)state;
    struct prng prng = test_prng("subscription cache");
    struct model_entry model[IDS] = { 0 };
    struct subscription_cache *cache;
    struct arena *arena = arena_new(4096, 0);
    int64_t now_ns = 1000;
    size_t hits = 0;
    assert_ok(subscription_cache_new(&cache));
    assert_non_null(arena);
    for (int i = 0; i < 50000; i++) {
        size_t number = prng_below(&prng, IDS);
        struct guid id = id_of(number);
        now_ns += (int64_t)prng_below(&prng, 3);
        if (prng_below(&prng, 3) > 0) {
            check_one(cache, arena, &model[number], &id, now_ns, &hits);
            continue;
        }
        model[number] = (struct model_entry){ .there = true,
                                              .known = prng_below(&prng, 4) > 0,
                                              .expires_ns = now_ns + (int64_t)prng_below(&prng, 1000),
                                              .version = (uint8_t)prng_below(&prng, 256) };
        struct commercial_subscription given = example(&id, model[number].version);
        subscription_cache_put(cache, &id, model[number].known ? &given : NULL, now_ns, model[number].expires_ns);
    }
    assert_true(hits > 10000);
    arena_free(arena);
    subscription_cache_free(cache);
}

/* Ids that fall into one set: what expires first makes room, what is put again takes its own place. */
static void a_full_set_gives_up_what_expires_first(void **state)
{
    (void)state;
    struct subscription_cache *cache;
    struct arena *arena = arena_new(4096, 0);
    bool known;
    assert_ok(subscription_cache_new(&cache));
    /* Those with an even number expire first, the later the number the sooner; one more than fits. */
    for (uint8_t i = 0; i <= SUBSCRIPTION_CACHE_SET_ENTRIES; i++) {
        struct guid id = { { [0] = i, [8] = i, [15] = 9 } };
        subscription_cache_put(cache, &id, NULL, 10, (i % 2 == 0 ? 200 : 300) - i);
    }
    for (uint8_t i = 0; i <= SUBSCRIPTION_CACHE_SET_ENTRIES; i++) {
        struct guid id = { { [0] = i, [8] = i, [15] = 9 } };
        err_t error = subscription_cache_get(cache, &id, 20, arena, &known, NULL);
        assert_error(error, i == SUBSCRIPTION_CACHE_SET_ENTRIES - 2 ? ERROR_NOT_FOUND : ERROR_OK);
    }
    struct guid last = { { [0] = 1, [8] = 1, [15] = 9 } }, first = { { [15] = 9 } };
    subscription_cache_put(cache, &last, NULL, 20, 500); /* its own place */
    assert_ok(subscription_cache_get(cache, &last, 400, arena, &known, NULL));
    assert_ok(subscription_cache_get(cache, &first, 20, arena, &known, NULL));
    arena_free(arena);
    subscription_cache_free(cache);
}

TESTS(cmocka_unit_test(never_answers_what_was_not_put_or_has_expired),
      cmocka_unit_test(a_full_set_gives_up_what_expires_first))
