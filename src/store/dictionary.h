/* Interned texts: each distinct text of a kind gets a 32-bit id for good, so that rows and journal stay
 * narrow. Ids count up from 1 per kind and are never reused. The text given back is the one seen first.
 * Lookups are cached in memory (bounded, direct-mapped); the cache belongs to the writer. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/error.h"
#include "base/siphash.h"
#include "base/text.h"
#include "store/kv.h"

enum dictionary_kind {
    DICTIONARY_SUBSCRIPTION = 1, /* identity and text: 16 bytes of the GUID */
    DICTIONARY_METER,            /* identity: folded id; text: as first written */
    DICTIONARY_SOURCE,
    DICTIONARY_RESOURCE, /* identity: resource URI in lower case; text: as first written */
    DICTIONARY_INSTANCE, /* encoded struct instance */
    DICTIONARY_PRODUCER,
    DICTIONARY_KIND_COUNT
};

struct dictionary;

/* hash_key: SIPHASH_KEY_SIZE bytes, the store's secret. */
MUST_CHECK struct dictionary *dictionary_new(const uint8_t *hash_key);
void dictionary_free(struct dictionary *dictionary);

/* Writer: the id of 'identity', made if new with 'text' as its text; then *made is true and *hash the keyed hash of the
 * identity, for the journal. */
MUST_CHECK err_t dictionary_intern(struct dictionary *dictionary, struct kv_txn *txn, enum dictionary_kind kind,
                                   struct text identity, struct text text, uint32_t *id, bool *made,
                                   struct hash128 *hash);
/* Texts that come together again and again, hour after hour, are looked up together: 'names' is a keyed hash of all of
 * them. */
struct dictionary_ids {
    uint32_t source, subscription, meter, resource, instance;
};
/* Writer: what dictionary_remember last said of those names, if it is still known. */
bool dictionary_recall(const struct dictionary *dictionary, const struct hash128 *names, struct dictionary_ids *ids);
/* They will be recalled soon: has the memory fetched. */
void dictionary_expect(const struct dictionary *dictionary, const struct hash128 *names);
void dictionary_remember(struct dictionary *dictionary, const struct hash128 *names, const struct dictionary_ids *ids);
/* Writer: puts a definition read from a journal. */
MUST_CHECK err_t dictionary_define(struct kv_txn *txn, enum dictionary_kind kind, uint32_t id,
                                   const struct hash128 *hash, struct text text);
/* Writer: forget cached ids after an aborted transaction. */
void dictionary_forget(struct dictionary *dictionary);

/* Any thread. The text lives as long as the transaction. ERROR_NOT_FOUND for an id never given out. */
MUST_CHECK err_t dictionary_text(struct kv_txn *txn, enum dictionary_kind kind, uint32_t id, struct text *text);
/* The same with a cursor on KV_DICTIONARY_TEXT, which makes it quick to look up ids that lie close together. */
MUST_CHECK err_t dictionary_text_at(struct kv_cursor *cursor, enum dictionary_kind kind, uint32_t id,
                                    struct text *text);
/* Any thread. ERROR_NOT_FOUND when never seen. */
MUST_CHECK err_t dictionary_find(const struct dictionary *dictionary, struct kv_txn *txn, enum dictionary_kind kind,
                                 struct text identity, uint32_t *id);
/* How many ids of that kind exist: ids are 1..count. */
MUST_CHECK err_t dictionary_count(struct kv_txn *txn, enum dictionary_kind kind, uint32_t *count);

/* What usage rows carry as instanceData, and what summaries group by. */
struct instance {
    uint32_t source;          /* DICTIONARY_SOURCE */
    uint32_t resource;        /* DICTIONARY_RESOURCE */
    struct text resource_uri; /* exactly as posted */
    struct text location;
    /* Posted as an object: its compact JSON; as a string: the string; ptr NULL: absent. */
    struct text tags;
    struct text additional_info;
    bool tags_is_string, additional_info_is_string;
};

#define INSTANCE_SIZE_MAX (80 * 1024)
#define INSTANCE_SIZE_BESIDES_TEXTS 64

/* Encodes into out (INSTANCE_SIZE_MAX bytes, or as many as its texts and INSTANCE_SIZE_BESIDES_TEXTS), returns the
 * size. */
size_t instance_encode(const struct instance *instance, uint8_t *out);
/* Texts point into 'encoded'. ERROR_STORE_CORRUPT when it does not decode. */
MUST_CHECK err_t instance_decode(struct text encoded, struct instance *out);
