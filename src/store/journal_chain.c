/* What can be said of the journal from the headers and hashes of its segments alone: the chain, its heads, and
 * retention, which takes whole segments from the front. */
#include <string.h>

#include "store/journal_internal.h"

/* Where a walk over all segments stands. */
struct chain_walk {
    struct segment_header header;
    uint8_t hash[SHA256_SIZE]; /* of the segment */
    uint64_t broken_sequence;
    bool begun;
};

static void note_broken(struct chain_walk *walk, uint64_t sequence)
{
    if (walk->broken_sequence == 0)
        walk->broken_sequence = sequence;
}

static void walk_segment(struct chain_walk *walk, struct text key, struct text value)
{
    static const uint8_t none[SHA256_SIZE];
    struct segment_header header;
    if (segment_header_read(key, value, &header) != ERROR_OK) {
        /* Nothing in it can be trusted, its place among the others neither. */
        note_broken(walk, key.len == JOURNAL_KEY_SIZE ? get_u64be((const uint8_t *)key.ptr) : UINT64_MAX);
        return;
    }
    if (walk->begun) {
        bool follows = header.first_sequence == walk->header.first_sequence + walk->header.count;
        if (!follows || memcmp(header.before, walk->hash, sizeof header.before) != 0)
            note_broken(walk, walk->header.first_sequence);
    } else if (header.first_sequence == 1 && memcmp(header.before, none, sizeof none) != 0) {
        note_broken(walk, 1);
    }
    walk->begun = true;
    walk->header = header;
    sha256_of(value.ptr, value.len, walk->hash);
}

err_t journal_check_chain(struct kv_txn *txn, uint64_t *first_sequence, uint8_t head[SHA256_SIZE],
                          uint64_t *broken_sequence)
{
    struct chain_walk walk = { 0 };
    struct kv_cursor *cursor;
    struct text key, value;
    *first_sequence = 0;
    err_t error = kv_cursor_open(txn, KV_JOURNAL, &cursor);
    if (error != ERROR_OK)
        return error;
    while ((error = kv_cursor_next(cursor, &key, &value)) == ERROR_OK) {
        walk_segment(&walk, key, value);
        if (*first_sequence == 0 && walk.begun)
            *first_sequence = walk.header.first_sequence;
    }
    kv_cursor_close(cursor);
    memcpy(head, walk.hash, SHA256_SIZE);
    *broken_sequence = walk.broken_sequence;
    return error == ERROR_NOT_FOUND ? ERROR_OK : error;
}

/* The segment that holds the sequence, if there is one. */
static err_t find_segment(struct kv_cursor *cursor, uint64_t sequence, struct text *key, struct text *value)
{
    uint8_t wanted[JOURNAL_KEY_SIZE];
    put_u64be(wanted, sequence);
    err_t error = kv_cursor_seek(cursor, BYTES(wanted), key, value);
    if (error == ERROR_OK && text_equal(*key, BYTES(wanted)))
        return ERROR_OK;
    if (error == ERROR_OK)
        return kv_cursor_previous(cursor, key, value);
    return error == ERROR_NOT_FOUND ? kv_cursor_last(cursor, key, value) : error;
}

err_t journal_head_at(struct kv_txn *txn, uint64_t sequence, uint8_t head[SHA256_SIZE])
{
    struct kv_cursor *cursor;
    struct text key, value;
    struct segment_header header;
    err_t error = kv_cursor_open(txn, KV_JOURNAL, &cursor);
    if (error != ERROR_OK)
        return error;
    error = find_segment(cursor, sequence, &key, &value);
    if (error == ERROR_OK)
        error = segment_header_read(key, value, &header);
    if (error == ERROR_OK && header.first_sequence + header.count - 1 != sequence)
        error = ERROR_NOT_FOUND;
    if (error == ERROR_OK)
        sha256_of(value.ptr, value.len, head);
    kv_cursor_close(cursor);
    return error;
}

/* The oldest segment; *droppable when it may go. ERROR_NOT_FOUND when there is none. */
static err_t oldest_segment(struct kv_txn *txn, uint64_t before_sequence, uint8_t key[JOURNAL_KEY_SIZE],
                            bool *droppable)
{
    struct kv_cursor *cursor;
    struct text found, value;
    struct segment_header header;
    err_t error = kv_cursor_open(txn, KV_JOURNAL, &cursor);
    if (error != ERROR_OK)
        return error;
    error = kv_cursor_next(cursor, &found, &value);
    if (error == ERROR_OK)
        error = segment_header_read(found, value, &header);
    if (error == ERROR_OK) {
        memcpy(key, found.ptr, JOURNAL_KEY_SIZE);
        *droppable = header.first_sequence + header.count <= before_sequence;
    }
    kv_cursor_close(cursor);
    return error;
}

err_t journal_drop(struct kv_txn *txn, uint64_t before_sequence, size_t budget, bool *left)
{
    uint8_t key[JOURNAL_KEY_SIZE];
    for (size_t dropped = 0;; dropped++) {
        *left = false;
        err_t error = oldest_segment(txn, before_sequence, key, left);
        if (error != ERROR_OK)
            return error == ERROR_NOT_FOUND ? ERROR_OK : error;
        if (!*left || dropped == budget)
            return ERROR_OK;
        error = kv_delete(txn, KV_JOURNAL, BYTES(key));
        if (error != ERROR_OK)
            return error;
    }
}
