/* Bump allocator over a stack of blocks, newest first, plus a list of blocks that hold one large
 * allocation each. The arena's own struct lives at the head of its first block, so an arena costs one
 * heap allocation until the first block is full.
 * Invariants: every address handed out is 16-byte aligned; size_bytes is the sum of all blocks and never
 * above the limit; with the address sanitizer, whatever is not handed out is poisoned. */
#include "base/arena.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(ptr, size) __asan_poison_memory_region(ptr, size)
#define UNPOISON(ptr, size) __asan_unpoison_memory_region(ptr, size)
#else
#define POISON(ptr, size) ((void)(ptr), (void)(size))
#define UNPOISON(ptr, size) ((void)(ptr), (void)(size))
#endif

#define ALIGNMENT ((size_t)16)
#define BLOCK_SIZE_MIN ((size_t)256)
#define BLOCK_SIZE_MAX ARENA_BLOCK_SIZE_MAX
/* Anything larger is refused before sums could overflow. */
#define ALLOCATION_SIZE_MAX (SIZE_MAX / 4)
#define ITEMS_MIN 4 /* of an array that grows */

struct block {
    struct block *older;
    size_t used;   /* bytes of data in use, a multiple of ALIGNMENT */
    size_t room;   /* bytes of data in all */
    size_t unused; /* keeps data aligned */
    _Alignas(16) char data[];
};

struct cleanup {
    struct cleanup *older;
    void (*function)(void *context);
    void *context;
};

struct arena {
    struct block *newest;
    struct block *large; /* newest first */
    struct cleanup *cleanups;
    size_t next_block_size;
    size_t first_block_size;
    size_t limit_bytes;
    size_t size_bytes;
};

#define ARENA_ROOM ((sizeof(struct arena) + ALIGNMENT - 1) & ~(ALIGNMENT - 1))

static size_t round_up(size_t size)
{
    return (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

static size_t held(const struct block *block)
{
    return sizeof(struct block) + block->room;
}

/* Blocks of the largest size that nobody uses: taken from the heap and given back they would cost a system call and a
 * page fault every 4 KiB, more than what is done in them. */
static _Atomic(struct block *) spare_blocks[ARENA_SPARE_BLOCKS_MAX];

static struct block *take_spare(void)
{
    for (size_t i = 0; i < COUNT_OF(spare_blocks); i++) {
        if (atomic_load_explicit(&spare_blocks[i], memory_order_relaxed) == NULL)
            continue;
        struct block *block = atomic_exchange_explicit(&spare_blocks[i], NULL, memory_order_acquire);
        if (block != NULL)
            return block;
    }
    return NULL;
}

static bool keep_spare(struct block *block)
{
    for (size_t i = 0; i < COUNT_OF(spare_blocks); i++) {
        struct block *none = NULL;
        if (atomic_compare_exchange_strong_explicit(&spare_blocks[i], &none, block, memory_order_release,
                                                    memory_order_relaxed))
            return true;
    }
    return false;
}

static struct block *block_new(size_t size_bytes, struct block *older)
{
    struct block *block = size_bytes == BLOCK_SIZE_MAX ? take_spare() : NULL;
    if (block == NULL)
        block = memory_alloc(size_bytes);
    if (block == NULL)
        return NULL;
    block->older = older;
    block->used = 0;
    block->room = size_bytes - sizeof(struct block);
    block->unused = 0;
    POISON(block->data, block->room);
    return block;
}

static void block_free(struct block *block)
{
    UNPOISON(block->data, block->room);
    if (held(block) != BLOCK_SIZE_MAX || !keep_spare(block))
        memory_free(block);
}

static size_t doubled(size_t block_size)
{
    return block_size * 2 < BLOCK_SIZE_MAX ? block_size * 2 : BLOCK_SIZE_MAX;
}

struct arena *arena_new(size_t first_block_size, size_t limit_bytes)
{
    size_t size = first_block_size < BLOCK_SIZE_MIN ? BLOCK_SIZE_MIN : first_block_size;
    if (size > BLOCK_SIZE_MAX)
        size = BLOCK_SIZE_MAX;
    size = round_up(size);
    if (limit_bytes != 0 && size > limit_bytes)
        return NULL;
    struct block *block = block_new(size, NULL);
    if (block == NULL)
        return NULL;
    struct arena *arena = (struct arena *)(void *)block->data;
    UNPOISON(arena, sizeof *arena);
    block->used = ARENA_ROOM;
    *arena = (struct arena){ .newest = block,
                             .next_block_size = doubled(size),
                             .first_block_size = size,
                             .limit_bytes = limit_bytes,
                             .size_bytes = size };
    return arena;
}

/* Size for a new block that must hold 'needed' bytes with its header; 0 when the limit forbids it. */
static size_t size_within_limit(const struct arena *arena, size_t wanted, size_t needed)
{
    if (arena->limit_bytes == 0)
        return wanted;
    size_t left = arena->limit_bytes - arena->size_bytes;
    if (needed > left)
        return 0;
    return wanted <= left ? wanted : left & ~(ALIGNMENT - 1);
}

/* What fills more than half a block gets its own, so that the rest of the newest block is not lost. */
static void *alloc_slow(struct arena *arena, size_t size)
{
    size_t needed = size + sizeof(struct block);
    bool own = needed > arena->next_block_size / 2;
    size_t block_size = size_within_limit(arena, own ? needed : arena->next_block_size, needed);
    if (block_size == 0)
        return NULL;
    struct block *block = block_new(block_size, own ? arena->large : arena->newest);
    if (block == NULL)
        return NULL;
    if (own)
        arena->large = block;
    else
        arena->newest = block;
    arena->size_bytes += block_size;
    arena->next_block_size = doubled(arena->next_block_size);
    block->used = size;
    return block->data;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    if (size_bytes > ALLOCATION_SIZE_MAX)
        return NULL;
    size_t size = round_up(size_bytes != 0 ? size_bytes : 1);
    struct block *block = arena->newest;
    void *memory;
    if (__builtin_expect(size <= block->room - block->used, 1)) {
        memory = block->data + block->used;
        block->used += size;
    } else {
        memory = alloc_slow(arena, size);
        if (memory == NULL)
            return NULL;
    }
    UNPOISON(memory, size_bytes);
    return memory;
}

void *arena_zalloc(struct arena *arena, size_t size_bytes)
{
    void *memory = arena_alloc(arena, size_bytes);
    if (memory != NULL)
        memset(memory, 0, size_bytes);
    return memory;
}

void *arena_array(struct arena *arena, size_t count, size_t item_size_bytes)
{
    size_t size;
    if (__builtin_mul_overflow(count, item_size_bytes, &size))
        return NULL;
    return arena_zalloc(arena, size);
}

/* The large block grows or shrinks by the heap's realloc, which for big blocks moves pages, not bytes. */
static void *resize_large(struct arena *arena, size_t size_bytes)
{
    struct block *block = arena->large;
    size_t size = round_up(size_bytes);
    size_t old_held = held(block);
    size_t new_held = size + sizeof(struct block);
    if (new_held > old_held && size_within_limit(arena, new_held - old_held, new_held - old_held) < new_held - old_held)
        return NULL;
    UNPOISON(block->data, block->room);
    struct block *moved = memory_realloc(block, new_held);
    if (moved == NULL)
        return new_held > old_held ? NULL : block->data;
    moved->used = moved->room = size;
    arena->large = moved;
    arena->size_bytes = arena->size_bytes - old_held + new_held;
    POISON(moved->data, moved->room);
    UNPOISON(moved->data, size_bytes);
    return moved->data;
}

void *arena_resize(struct arena *arena, void *memory, size_t old_size_bytes, size_t size_bytes)
{
    if (memory == NULL)
        return arena_alloc(arena, size_bytes);
    if (size_bytes > ALLOCATION_SIZE_MAX)
        return NULL;
    struct block *block = arena->newest;
    size_t old_size = round_up(old_size_bytes != 0 ? old_size_bytes : 1);
    size_t size = round_up(size_bytes != 0 ? size_bytes : 1);
    if (arena->large != NULL && memory == arena->large->data)
        return resize_large(arena, size_bytes != 0 ? size_bytes : 1);
    if ((char *)memory + old_size == block->data + block->used && block->used >= old_size &&
        size <= block->room - (block->used - old_size)) {
        block->used = block->used - old_size + size;
        POISON(memory, old_size > size ? old_size : size);
        UNPOISON(memory, size_bytes);
        return memory;
    }
    if (size <= old_size) {
        POISON(memory, old_size);
        UNPOISON(memory, size_bytes);
        return memory;
    }
    void *copy = arena_alloc(arena, size_bytes);
    if (copy != NULL)
        memcpy(copy, memory, old_size_bytes);
    return copy;
}

void *arena_grow(struct arena *arena, void *items, size_t count, size_t *capacity, size_t item_size_bytes)
{
    if (count < *capacity)
        return items;
    size_t larger = *capacity == 0 ? ITEMS_MIN : 2 * *capacity;
    if (larger > ALLOCATION_SIZE_MAX / item_size_bytes)
        return NULL;
    void *moved = arena_resize(arena, items, *capacity * item_size_bytes, larger * item_size_bytes);
    if (moved != NULL)
        *capacity = larger;
    return moved;
}

struct text arena_text(struct arena *arena, struct text source)
{
    char *copy = source.len < ALLOCATION_SIZE_MAX ? arena_alloc(arena, source.len + 1) : NULL;
    if (copy == NULL)
        return TEXT_NONE;
    if (source.len != 0)
        memcpy(copy, source.ptr, source.len);
    copy[source.len] = '\0';
    return (struct text){ copy, source.len };
}

struct text arena_format(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    char *out = length >= 0 ? arena_alloc(arena, (size_t)length + 1) : NULL;
    if (out != NULL)
        (void)vsnprintf(out, (size_t)length + 1, format, again);
    va_end(again);
    va_end(args);
    return out != NULL ? (struct text){ out, (size_t)length } : TEXT_NONE;
}

bool arena_on_free(struct arena *arena, void (*function)(void *context), void *context)
{
    struct cleanup *cleanup = arena_alloc(arena, sizeof *cleanup);
    if (cleanup == NULL)
        return false;
    *cleanup = (struct cleanup){ arena->cleanups, function, context };
    arena->cleanups = cleanup;
    return true;
}

size_t arena_size_bytes(const struct arena *arena)
{
    return arena->size_bytes;
}

struct arena_mark arena_mark(const struct arena *arena)
{
    return (struct arena_mark){ arena->newest, arena->newest->used, arena->large, arena->cleanups };
}

/* Cleanups run before any memory goes, since they may look at what was allocated with them. The list
 * is advanced first, so that a cleanup which itself uses the arena can't be run twice. */
static void run_cleanups(struct arena *arena, const struct cleanup *until)
{
    while (arena->cleanups != until) {
        struct cleanup *cleanup = arena->cleanups;
        REQUIRE(cleanup != NULL);
        arena->cleanups = cleanup->older;
        cleanup->function(cleanup->context);
    }
}

static void free_blocks(struct arena *arena, struct block **list, const struct block *until)
{
    while (*list != until) {
        struct block *block = *list;
        REQUIRE(block != NULL); /* a mark of another arena, or one already rewound past */
        *list = block->older;
        arena->size_bytes -= held(block);
        block_free(block);
    }
}

void arena_rewind(struct arena *arena, struct arena_mark mark)
{
    run_cleanups(arena, mark.cleanup);
    free_blocks(arena, &arena->large, mark.large);
    free_blocks(arena, &arena->newest, mark.block);
    struct block *block = arena->newest;
    REQUIREF(mark.used <= block->used, "mark=%zu used=%zu", mark.used, block->used);
    POISON(block->data + mark.used, block->used - mark.used);
    block->used = mark.used;
}

void arena_reset(struct arena *arena)
{
    struct block *first = arena->newest;
    while (first->older != NULL)
        first = first->older;
    arena_rewind(arena, (struct arena_mark){ first, ARENA_ROOM, NULL, NULL });
    arena->next_block_size = doubled(arena->first_block_size);
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_reset(arena);
    block_free(arena->newest);
}
