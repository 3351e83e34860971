/* Integrity: what is stored is what was written. */
#include <string.h>

#include "base/instant.h"
#include "store/head.h"
#include "store/journal.h"
#include "usage/verify_internal.h"

#define HEADS_PAGE 256

err_t verify_checksums(struct verify *verify)
{
    for (int t = 0; t < KV_TABLE_COUNT; t++) {
        uint64_t entries, damaged;
        verify_tell(verify, "checksums", (uint64_t)t, KV_TABLE_COUNT);
        err_t error = kv_check(verify->txn, (enum kv_table)t, &entries, &damaged);
        if (error != ERROR_OK)
            return error;
        if (t == KV_JOURNAL)
            verify->result->segments = entries;
        if (damaged > 0)
            verify_find(verify, VERIFY_CHECKSUMS, "Table %s: %llu of %llu entries are not as they were written.",
                        kv_table_name((enum kv_table)t), (unsigned long long)damaged, (unsigned long long)entries);
    }
    verify->result->parts[VERIFY_CHECKSUMS].done = true;
    return ERROR_OK;
}

err_t verify_chain(struct verify *verify)
{
    uint64_t first, broken;
    uint8_t head[SHA256_SIZE];
    verify_tell(verify, "chain", 0, 0);
    err_t error = journal_check_chain(verify->txn, &first, head, &broken);
    if (error != ERROR_OK)
        return error;
    if (broken != 0)
        verify_find(verify, VERIFY_CHAIN,
                    "The journal's chain is broken behind sequence %llu: that segment was changed, or what followed it "
                    "is gone.",
                    (unsigned long long)broken);
    if (memcmp(head, verify->state.head, sizeof head) != 0)
        verify_find(verify, VERIFY_CHAIN,
                    "The journal does not end as the store says: its newest segments are gone or were changed.");
    verify->result->parts[VERIFY_CHAIN].done = true;
    return ERROR_OK;
}

static bool is_signed(const struct verify *verify, const struct head *head)
{
    uint8_t message[HEAD_MESSAGE_SIZE];
    head_message(head, message);
    return signature_verify(verify->signature_key.public_key, message, sizeof message, head->signature);
}

static err_t check_head(struct verify *verify, const struct head *head)
{
    uint8_t hash[SHA256_SIZE];
    verify->result->heads++;
    if (!is_signed(verify, head)) {
        verify_find(verify, VERIFY_HEADS, "The head of sequence %llu is not signed by this store's key.",
                    (unsigned long long)head->sequence);
        return ERROR_OK;
    }
    err_t error = journal_head_at(verify->txn, head->sequence, hash);
    if (error == ERROR_NOT_FOUND && head->sequence < verify->coverage.first_sequence)
        return ERROR_OK; /* retention */
    if (error == ERROR_NOT_FOUND || error == ERROR_STORE_CORRUPT ||
        (error == ERROR_OK && memcmp(hash, head->hash, sizeof hash) != 0)) {
        verify_find(verify, VERIFY_HEADS, "The journal is not what was signed at sequence %llu.",
                    (unsigned long long)head->sequence);
        return ERROR_OK;
    }
    return error;
}

err_t verify_heads(struct verify *verify)
{
    struct head heads[HEADS_PAGE];
    size_t count = HEADS_PAGE;
    uint64_t after = 0;
    while (count == HEADS_PAGE) {
        err_t error = head_list(verify->txn, after, heads, HEADS_PAGE, &count);
        if (error == ERROR_STORE_CORRUPT) {
            verify_find(verify, VERIFY_HEADS, "A signed head behind sequence %llu cannot be read.",
                        (unsigned long long)after);
            break;
        }
        for (size_t i = 0; i < count && error == ERROR_OK; i++) {
            error = check_head(verify, &heads[i]);
            after = heads[i].sequence;
        }
        if (error != ERROR_OK)
            return error;
        verify_tell(verify, "signed heads", after, verify->state.last_sequence);
    }
    verify->result->parts[VERIFY_HEADS].done = true;
    return ERROR_OK;
}

static struct text next_line(struct text *rest)
{
    const char *end = memchr(rest->ptr, '\n', rest->len);
    struct text line = { rest->ptr, end != NULL ? (size_t)(end - rest->ptr) : rest->len };
    size_t taken = line.len + (end != NULL ? 1 : 0);
    *rest = (struct text){ rest->ptr + taken, rest->len - taken };
    return text_trim(line);
}

err_t verify_exported(struct verify *verify)
{
    struct text rest = verify->options->heads;
    while (rest.len > 0) {
        enum head_verdict verdict;
        char sentence[HEAD_SENTENCE_SIZE];
        struct text line = next_line(&rest);
        if (line.len == 0)
            continue;
        err_t error = head_check_exported(verify->txn, &verify->signature_key, line, &verdict, sentence);
        if (error != ERROR_OK)
            return error;
        if (verdict != HEAD_HOLDS && verdict != HEAD_DROPPED)
            verify_find(verify, VERIFY_EXPORTED, "%s", sentence);
    }
    verify->result->parts[VERIFY_EXPORTED].done = true;
    return ERROR_OK;
}

static void note_row_fault(void *context, const char *sentence)
{
    verify_find(context, VERIFY_ROWS, "%s", sentence);
}

err_t verify_rows(struct verify *verify)
{
    for (int family = 0; family < ROWS_FAMILY_COUNT; family++) {
        verify_tell(verify, "rows", (uint64_t)family, ROWS_FAMILY_COUNT);
        err_t error = verify->rows->check(verify->txn, (enum row_family)family, note_row_fault, verify);
        if (error == ERROR_STORE_CORRUPT)
            verify_find(verify, VERIFY_ROWS, "The rows of family %d cannot be read through.", family);
        else if (error != ERROR_OK)
            return error;
    }
    verify->result->parts[VERIFY_ROWS].done = true;
    return ERROR_OK;
}
