#include "arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *older;
    size_t size;
    size_t used;
    alignas(max_align_t) char bytes[];
};

#define ARENA_ALIGN alignof(max_align_t)

void arena_init(struct arena *arena, size_t block_size)
{
    *arena = (struct arena){.block_size = block_size ? block_size : 64 * 1024};
}

static struct arena_block *add_block(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - sizeof(struct arena_block))
        return NULL;
    struct arena_block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    block->used = 0;
    block->older = arena->block;
    arena->block = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX - ARENA_ALIGN)
        return NULL;
    size_t rounded = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    struct arena_block *block = arena->block;
    if (!block || block->size - block->used < rounded) {
        block = add_block(arena, rounded > arena->block_size ? rounded : arena->block_size);
        if (!block)
            return NULL;
    }
    void *bytes = block->bytes + block->used;
    block->used += rounded;
    arena->used += rounded;
    return bytes;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_alloc(arena, total);
}

struct upsink_slice arena_copy(struct arena *arena, struct upsink_slice bytes)
{
    if (!bytes.data || bytes.len == SIZE_MAX)
        return UPSINK_SLICE_ABSENT;
    char *copy = arena_alloc(arena, bytes.len + 1);
    if (!copy)
        return UPSINK_SLICE_ABSENT;
    memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return (struct upsink_slice){copy, bytes.len};
}

void arena_clear(struct arena *arena)
{
    struct arena_block *kept = NULL;
    for (struct arena_block *block = arena->block; block;) {
        struct arena_block *older = block->older;
        if (!older && block->size == arena->block_size)
            kept = block;
        else
            free(block);
        block = older;
    }
    if (kept)
        kept->used = 0;
    arena->block = kept;
    arena->used = 0;
}

void arena_destroy(struct arena *arena)
{
    arena_clear(arena);
    free(arena->block);
    arena->block = NULL;
}
