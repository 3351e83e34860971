/* How registrations lie in the store, for registration*.c alone.
 *
 * KV_REGISTRATIONS: one letter, then the key:
 *   n number               the registration, JSON
 *   f number               what its newest token said, JSON
 *   p subscription, group, 0, name (both in lower case)   its number
 *   c cloud id             the number of the one registration that the stamp has now
 *   s                      the last number given out
 * KV_REGISTRATION_CHANGES: cloud id, number of the change: JSON. */
#pragma once

#include "registration/registration.h"
#include "store/write.h"

#define REGISTRATION_PATH_KEY_SIZE (1 + 16 + 2 * REGISTRATION_NAME_SIZE_MAX + 2)
/* Entries of KV_REGISTRATIONS that each registration has. */
#define REGISTRATION_ENTRIES 4

/* 'p' and the path up to its part 'last'. Returns the size. The names are valid. */
enum registration_key_part { KEY_SUBSCRIPTION, KEY_GROUP, KEY_NAME };
size_t registration_path_key(const struct registration_path *path, enum registration_key_part last,
                             uint8_t out[REGISTRATION_PATH_KEY_SIZE]);
/* ERROR_NOT_FOUND. */
MUST_CHECK err_t registration_number_of_cloud(struct kv_txn *txn, const struct guid *cloud_id, uint64_t *number);

err_t registration_not_found(const struct registration_path *path, struct error_info *info);

/* Writer: the registration itself, with its look-ups when it is new. facts ptr NULL: those that are there stay. */
MUST_CHECK err_t registration_save(struct kv_txn *txn, const struct registration *registration, struct text facts);
MUST_CHECK err_t registration_remove(struct kv_txn *txn, const struct registration *registration);
/* ERROR_CONFLICT when there are too many. */
MUST_CHECK err_t registration_next_number(struct kv_txn *txn, uint64_t *number, struct error_info *info);

/* Writer: notes how the stamp is registered from the hour of effective_ns on, recorded at now_ns, unless the newest
 * change says the same. ERROR_CONFLICT when it was changed too often; anything else is of the store. */
MUST_CHECK err_t registration_note_change(struct kv_txn *txn, struct arena *arena,
                                          const struct registration *registration, bool registered, struct text by,
                                          int64_t effective_ns, int64_t now_ns, struct error_info *info);
