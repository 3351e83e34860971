/* Unit tests of base/arena, with the heap failing at every request in turn. */
#include "support.h"

#include "base/arena.h"
#include "base/memory.h"

static bool is_aligned(const void *memory)
{
    return (uintptr_t)memory % 16 == 0;
}

static void allocates(void **state)
{
    (void)state;
    struct arena *arena = arena_new(512, 0);
    assert_non_null(arena);
    for (size_t size = 0; size < 3000; size += 7) {
        char *memory = arena_alloc(arena, size);
        assert_non_null(memory);
        assert_true(is_aligned(memory));
        memset(memory, 0xAA, size);
    }
    char *zeroed = arena_zalloc(arena, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(zeroed[i], 0);
    assert_null(arena_array(arena, SIZE_MAX / 2, 3));
    assert_null(arena_alloc(arena, SIZE_MAX));
    assert_non_null(arena_array(arena, 3, 5));
    arena_free(arena);
    arena_free(NULL);
}

static void makes_texts(void **state)
{
    (void)state;
    struct arena *arena = arena_new(256, 0);
    struct text copy = arena_text(arena, TEXT("abc"));
    assert_text(copy, "abc");
    assert_int_equal(copy.ptr[3], 0);
    copy = arena_text(arena, TEXT_NONE);
    assert_non_null(copy.ptr);
    assert_int_equal(copy.len, 0);
    assert_text(arena_format(arena, "%d-%s", 42, "x"), "42-x");
    struct text longer = arena_format(arena, "%1000d", 7);
    assert_int_equal(longer.len, 1000);
    assert_int_equal(longer.ptr[999], '7');
    assert_int_equal(longer.ptr[1000], 0);
    arena_free(arena);
}

/* The sum of all blocks never passes the limit, and what fits is given. */
static void keeps_the_limit(void **state)
{
    (void)state;
    assert_null(arena_new(1024, 512));
    struct arena *arena = arena_new(1024, 10000);
    size_t given = 0;
    while (arena_alloc(arena, 100) != NULL) {
        given += 100;
        assert_true(arena_size_bytes(arena) <= 10000);
    }
    assert_true(given > 8000);
    arena_reset(arena);
    assert_int_equal(arena_size_bytes(arena), 1024);
    assert_null(arena_alloc(arena, 9000));
    assert_non_null(arena_alloc(arena, 8900));
    assert_null(arena_alloc(arena, 1000));
    arena_free(arena);
}

static char order[16];

static void note(void *context)
{
    size_t len = strlen(order);
    order[len] = *(const char *)context;
    order[len + 1] = '\0';
}

static void runs_cleanups(void **state)
{
    (void)state;
    char names[] = "abcd";
    struct arena *arena = arena_new(256, 0);
    order[0] = '\0';
    assert_true(arena_on_free(arena, note, &names[0]));
    struct arena_mark mark = arena_mark(arena);
    assert_true(arena_on_free(arena, note, &names[1]));
    assert_non_null(arena_alloc(arena, 5000));
    assert_true(arena_on_free(arena, note, &names[2]));
    arena_rewind(arena, mark);
    assert_string_equal(order, "cb");
    arena_reset(arena);
    assert_string_equal(order, "cba");
    arena_reset(arena);
    assert_string_equal(order, "cba");
    assert_true(arena_on_free(arena, note, &names[3]));
    arena_free(arena);
    assert_string_equal(order, "cbad");
}

static void rewinds(void **state)
{
    (void)state;
    struct arena *arena = arena_new(512, 0);
    char *kept = arena_alloc(arena, 50);
    memset(kept, 'k', 50);
    struct arena_mark outer = arena_mark(arena);
    char *first = arena_alloc(arena, 40);
    struct arena_mark inner = arena_mark(arena);
    for (int i = 0; i < 50; i++) {
        assert_non_null(arena_alloc(arena, 300));
        assert_non_null(arena_alloc(arena, 100000));
    }
    arena_rewind(arena, inner);
    assert_true(arena_size_bytes(arena) == 512);
    arena_rewind(arena, outer);
    assert_ptr_equal(arena_alloc(arena, 40), first);
    for (int i = 0; i < 50; i++)
        assert_int_equal(kept[i], 'k');
    arena_free(arena);
}

static void rewinds_too_far(void *context)
{
    struct arena *arena = context;
    struct arena_mark early = arena_mark(arena);
    char *memory = arena_alloc(arena, 64);
    struct arena_mark late = arena_mark(arena);
    arena_rewind(arena, early);
    arena_rewind(arena, late);
    (void)memory;
}

static void refuses_wrong_marks(void **state)
{
    (void)state;
    struct arena *arena = arena_new(512, 0);
    assert_true(aborts(rewinds_too_far, arena));
    arena_free(arena);
}

static void fill(char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        memory[i] = (char)(i * 7);
}

static void check_filled(const char *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(memory[i], (char)(i * 7));
}

static void resizes(void **state)
{
    (void)state;
    struct arena *arena = arena_new(4096, 0);
    char *memory = arena_resize(arena, NULL, 0, 100);
    fill(memory, 100);
    assert_ptr_equal(arena_resize(arena, memory, 100, 1000), memory); /* in place */
    fill(memory, 1000);
    assert_ptr_equal(arena_resize(arena, memory, 1000, 200), memory);
    char *next = arena_alloc(arena, 16);
    assert_ptr_equal(next, memory + 208); /* what was given back is used again */
    char *moved = arena_resize(arena, memory, 200, 300);
    assert_true(moved != memory);
    check_filled(moved, 200);
    fill(moved, 300);
    char *large = arena_resize(arena, moved, 300, 200000);
    check_filled(large, 300);
    fill(large, 200000);
    size_t before = arena_size_bytes(arena);
    large = arena_resize(arena, large, 200000, 3000000);
    check_filled(large, 200000);
    assert_uint_in_range(arena_size_bytes(arena), before + 2790000, before + 2810000);
    large = arena_resize(arena, large, 3000000, 1000);
    check_filled(large, 1000);
    assert_true(arena_size_bytes(arena) < before);
    assert_null(arena_resize(arena, large, 1000, SIZE_MAX));
    check_filled(large, 1000);
    arena_free(arena);

    arena = arena_new(1024, 8192);
    large = arena_alloc(arena, 4000);
    fill(large, 4000);
    assert_null(arena_resize(arena, large, 4000, 8000));
    check_filled(large, 4000);
    large = arena_resize(arena, large, 4000, 7000);
    assert_non_null(large);
    check_filled(large, 4000);
    assert_true(arena_size_bytes(arena) <= 8192);
    arena_free(arena);
}

/* Some work on an arena; false as soon as memory was short. Everything must be freed either way, which
 * the leak check of the sanitizer build sees. */
static bool work(void)
{
    struct arena *arena = arena_new(512, 0);
    if (arena == NULL)
        return false;
    char name = 'w';
    bool done = arena_on_free(arena, note, &name) && arena_alloc(arena, 300) != NULL &&
                arena_text(arena, TEXT("text")).ptr != NULL;
    for (int i = 0; done && i < 20; i++)
        done = arena_format(arena, "%100d", i).ptr != NULL && arena_zalloc(arena, 2000) != NULL;
    char *large = done ? arena_alloc(arena, 3000000) : NULL;
    done = large != NULL && arena_resize(arena, large, 3000000, 4000000) != NULL;
    arena_free(arena);
    return done;
}

static void survives_short_memory(void **state)
{
    (void)state;
    unsigned long n = 1;
    bool done;
    do {
        order[0] = '\0';
        assert_false(memory_fail_from(n));
        done = work();
        assert_int_equal(memory_fail_from(0), !done);
        assert_true(n == 1 || strcmp(order, "w") == 0);
        n++;
    } while (!done && n < 1000);
    assert_true(done);
    assert_true(n > 5);
}

static void arrays_grow(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1024, 65536);
    uint32_t *items = NULL;
    size_t count = 0, capacity = 0;
    for (; count < 3000; count++) {
        size_t before = capacity;
        uint32_t *moved = arena_grow(arena, items, count, &capacity, sizeof *items);
        assert_non_null(moved);
        assert_true(count < before ? moved == items && capacity == before : capacity > before);
        assert_true(capacity > count && capacity <= 2 * count + 4);
        (items = moved)[count] = (uint32_t)count * 7;
        if (count % 100 == 0)
            assert_non_null(arena_alloc(arena, 8)); /* so that it can't always grow in place */
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(items[i], i * 7);
    /* What does not fit changes nothing. */
    size_t full = capacity;
    assert_null(arena_grow(arena, items, capacity, &capacity, (size_t)1 << 40));
    assert_null(arena_grow(arena, items, capacity, &capacity, SIZE_MAX / 2));
    assert_int_equal(capacity, full);
    assert_int_equal(items[count - 1], (count - 1) * 7);
    arena_free(arena);
}

TESTS(cmocka_unit_test(arrays_grow), cmocka_unit_test(allocates), cmocka_unit_test(makes_texts),
      cmocka_unit_test(keeps_the_limit), cmocka_unit_test(runs_cleanups), cmocka_unit_test(rewinds),
      cmocka_unit_test(refuses_wrong_marks), cmocka_unit_test(resizes), cmocka_unit_test(survives_short_memory))
