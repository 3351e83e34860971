/* Records and corrections as JSON members, for the routes that show what the journal holds. */
#pragma once

#include "base/json.h"
#include "identity/identity.h"
#include "usage/record_view.h"

/* The exact decimal as a JSON number. */
void put_decimal_member(struct json_writer *json, const char *name, const struct decimal *value);
/* Sequences are texts: they outgrow what a double holds. */
void put_sequence_member(struct json_writer *json, const char *name, uint64_t sequence);
/* sequence, reportedTime and the members of the record as it was posted; with_producer: also who posted it. */
void put_record_members(struct json_writer *json, const struct record_view *view, bool with_producer);
/* action, quantity, difference, reason, by. */
void put_correction_members(struct json_writer *json, const struct journal_correction *correction);

/* Whether the caller may see usage of that source and subscription: operators all, producers their sources, tenants
 * their own subscription. */
bool identity_sees(const struct identity *identity, struct text source, const struct guid *subscription);
