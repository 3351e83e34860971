/* One usage record as producers post it: reading, checking, splitting over hours, and its identity and
 * content as hashes. Source: interface.md section 3, architecture.md promises 2-4. Pure apart from the arena;
 * any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attributes.h"
#include "base/decimal.h"
#include "base/error.h"
#include "base/guid.h"
#include "base/instant.h"
#include "base/json.h"
#include "base/siphash.h"
#include "base/text.h"
#include "store/write.h"

#define RECORD_SIZE_BYTES_MAX (64 * 1024)
#define RECORD_ID_SIZE_MAX 1024
#define RECORD_SOURCE_SIZE_MAX 256
#define RECORD_METER_ID_SIZE_MAX 64
#define RECORD_INTERVAL_NS_MAX (31 * NS_PER_DAY)
/* Usage is reported at most this much before it ends. Live usage is bounded by future_ns_max, which must not be
 * larger. */
#define RECORD_REPORTED_BEFORE_END_NS_MAX NS_PER_DAY
/* 31 days that do not begin on the hour touch one hour more. */
#define RECORD_SHARES_MAX (31 * 24 + 1)

/* What time a record may speak of. */
struct record_limits {
    int64_t now_ns;
    int64_t future_ns_max; /* usage may end this much after now */
    int64_t age_ns_max;    /* usage may start this much before now; negative: no limit (history) */
    bool history;          /* reportedTime is required and read */
};

/* Fields that may come from outside the record (the CloudEvents envelope); ptr NULL: from the record. */
struct record_envelope {
    struct text id, source;
};

struct usage_record {
    struct text id, source;
    struct guid subscription;
    struct text meter_id;                   /* as written */
    struct text meter_key;                  /* folded: lower case, GUIDs without dashes */
    struct text resource_uri, resource_key; /* as written; in lower case */
    struct text location;
    struct text tags, additional_info; /* see struct instance */
    bool tags_is_string, additional_info_is_string;
    int64_t start_ns, end_ns;
    int64_t reported_ns; /* history only */
    struct decimal quantity;
    bool quantity_is_number;
    struct hash128 identity;
    struct hash128 names; /* of all that is interned but the producer; see dictionary_recall */
    uint64_t content_hash;
    const struct write_share *shares;
    size_t share_count;
};

/* Reads and checks one record. Texts live in the arena or in 'text'. On rejection *info holds code, target
 * (the member) and a message; record->id is filled when the record has one, for the answer. */
MUST_CHECK err_t record_parse(struct arena *arena, struct text text, const struct record_envelope *envelope,
                              const struct record_limits *limits, const uint8_t *hash_key, struct usage_record *record,
                              struct error_info *info);
/* The same for the record that 'text' starts with, in one pass, if it is written plainly (see record_scan): true, and
 * *size tells how many bytes are the record's, *error what record_parse would return for them. False: nothing has been
 * said; take record_parse. */
MUST_CHECK bool record_read_plain(struct arena *arena, struct text text, const struct record_envelope *envelope,
                                  const struct record_limits *limits, const uint8_t *hash_key,
                                  struct usage_record *record, size_t *size, err_t *error, struct error_info *info);
/* The same for a value that is parsed already. */
MUST_CHECK err_t record_read(struct arena *arena, const struct json *value, const struct record_envelope *envelope,
                             const struct record_limits *limits, const uint8_t *hash_key, struct usage_record *record,
                             struct error_info *info);

/* What "same content" compares (interface.md section 3), in the forms in which a store keeps it. */
struct record_content {
    struct guid subscription;
    struct text meter_key, resource_key, location; /* location "" when absent */
    int64_t start_ns, end_ns;
    struct decimal quantity;
    struct text tags, additional_info; /* as in struct usage_record */
    bool tags_is_string, additional_info_is_string;
};
/* Keyed hash of a content: a record as posted and the same record read back from the store have the same one. The arena
 * is scratch. ERROR_NO_MEMORY; ERROR_STORE_CORRUPT when tags or additional_info should be JSON and are not. */
MUST_CHECK err_t record_content_hash(struct arena *arena, const uint8_t *hash_key, const struct record_content *content,
                                     uint64_t *hash);

/* Keyed hash of (source, id). */
struct hash128 record_identity(const uint8_t *hash_key, struct text source, struct text id);
/* The form in which meter ids are compared: lower case and, for GUIDs, without dashes. ptr NULL: no memory. */
MUST_CHECK struct text meter_fold(struct arena *arena, struct text meter_id);
/* ASCII lower case. ptr NULL: no memory. */
MUST_CHECK struct text resource_fold(struct arena *arena, struct text resource_uri);

/* Splits [start_ns, end_ns) over UTC hours in proportion to time: each share is cut at the 30th decimal, the
 * last hour takes the rest, so that the shares add up exactly. NULL: no memory. */
MUST_CHECK const struct write_share *record_split(struct arena *arena, int64_t start_ns, int64_t end_ns,
                                                  const struct decimal *quantity, size_t *count);
