/* What an operator must see of registrations before it matters: until when this stamp is activated, and how many of the
 * commercial side's registrations have expired. Blocking: a worker or a command. */
#pragma once

#include "api/api_internal.h"
#include "api/doctor.h"

/* Findings "activation" (where the stamp is activated) and "registrations" (where there are any). */
MUST_CHECK err_t doctor_look_at_registration(struct doctor *doctor, struct kv_txn *txn, struct text trusted_key_id,
                                             int64_t now_ns);
/* Members of the status: "activation" with the stamp role, "registrations" with the commerce role. */
MUST_CHECK err_t put_registration_status(struct json_writer *json, struct api *api, struct kv_txn *txn);
/* stampmeter_activated and stampmeter_activation_expires_timestamp_seconds with the stamp role,
 * stampmeter_registrations with the commerce role. */
MUST_CHECK err_t put_registration_metrics(struct buffer *out, struct api *api, struct kv_txn *txn);
