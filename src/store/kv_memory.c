/* See kv_memory.h. Freed blocks of about the size of the largest common value wait in a short list. */
#include "store/kv_memory.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#define BLOCK_SIZE ((size_t)16 * 4096)
/* Smaller requests are not worth a whole block. */
#define REQUEST_SIZE_MIN ((size_t)8 * 4096)
#define USABLE_SIZE_MAX (2 * BLOCK_SIZE)
#define BLOCKS_KEPT_MAX 64

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *kept[BLOCKS_KEPT_MAX];
static size_t kept_count;

static void *take(void)
{
    void *block = NULL;
    pthread_mutex_lock(&mutex);
    if (kept_count > 0)
        block = kept[--kept_count];
    pthread_mutex_unlock(&mutex);
    return block;
}

static int keep(void *block)
{
    pthread_mutex_lock(&mutex);
    int room = kept_count < BLOCKS_KEPT_MAX;
    if (room)
        kept[kept_count++] = block;
    pthread_mutex_unlock(&mutex);
    return room;
}

void *kv_memory_alloc(size_t size_bytes)
{
    if (size_bytes < REQUEST_SIZE_MIN || size_bytes > BLOCK_SIZE)
        return malloc(size_bytes);
    void *block = take();
    return block != NULL ? block : malloc(BLOCK_SIZE);
}

void kv_memory_free(void *memory)
{
    size_t usable = memory != NULL ? malloc_usable_size(memory) : 0;
    if (usable < BLOCK_SIZE || usable > USABLE_SIZE_MAX || !keep(memory))
        free(memory);
}
