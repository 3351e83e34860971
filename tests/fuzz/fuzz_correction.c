/* Fuzz target for the body of POST /v1/corrections: what is let through obeys every bound, what is not says why. */
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"
#include "usage/correction.h"
#include "usage/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t hash_key[SIPHASH_KEY_SIZE] = { 1, 2, 3 };

static void check_one(const struct correction *correction)
{
    if (correction->refused) {
        REQUIRE(correction->failure.code != ERROR_OK && correction->failure.message[0] != '\0');
        return;
    }
    REQUIRE(correction->failure.code == ERROR_OK);
    REQUIRE(correction->source.len >= 1 && correction->source.len <= RECORD_SOURCE_SIZE_MAX);
    REQUIRE(correction->id.len >= 1 && correction->id.len <= RECORD_ID_SIZE_MAX);
    REQUIRE(correction->reason.len >= 1 && correction->reason.len <= CORRECTION_REASON_SIZE_MAX);
    REQUIRE(correction->action == CORRECTION_VOID || correction->action == CORRECTION_AMEND);
    REQUIRE(!decimal_is_negative(&correction->quantity));
    REQUIRE(correction->action == CORRECTION_AMEND || decimal_is_zero(&correction->quantity));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct text own = { "Microsoft.Compute", 17 };
    struct ingest_producer party = { TEXT("fuzz"), &own, 1 };
    struct arena *arena = arena_new(4096, 0);
    struct error_info info = { 0 };
    REQUIRE(arena != NULL);
    struct correction_batch *batch = correction_new(arena, &party, hash_key);
    REQUIRE(batch != NULL);
    err_t error = correction_parse(batch, (struct text){ (const char *)data, size }, &info);
    if (error == ERROR_OK) {
        REQUIRE(batch->count <= CORRECTIONS_PER_REQUEST_MAX && (batch->is_list || batch->count == 1));
        for (size_t i = 0; i < batch->count; i++) {
            check_one(&batch->corrections[i]);
            REQUIRE(batch->corrections[i].refused || text_equal(batch->corrections[i].source, own));
        }
    } else {
        REQUIREF(error == ERROR_INVALID_REQUEST_CONTENT && info.message[0] != '\0', "error=%d", (int)error);
    }
    arena_free(arena);
    return 0;
}
